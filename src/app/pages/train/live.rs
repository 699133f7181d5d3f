//! The live charts: loss, score, memory, speed.

use egui::{Align, Layout, Rect, ScrollArea, Ui, UiBuilder, vec2};
use egui_material_icons::icons;

use crate::app::action::{Action, Actions};
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::app::update::why_not;
use crate::app::widgets::bands::band_colour;
use crate::app::widgets::chart::{ChartView, Quantity, controls_ui, run_chart_ui};
use crate::app::widgets::mark;
use crate::app::widgets::times::{bands, times_ui};
use crate::spec::{RunId, units};

/// Below this width the charts stand in one column.
const NARROW: f32 = 700.0;
/// From this width on the parts of a step are named beside their bar.
const NAMED: f32 = 520.0;
/// Least height of a chart, side by side with another and alone.
const LEAST_HEIGHTS: [f32; 2] = [122.0, 168.0];
const GAP: f32 = 8.0;
/// Always shown, and on demand.
const SHOWN: [Quantity; 4] = [Quantity::Loss, Quantity::Score, Quantity::Memory, Quantity::Speed];
const OFFERED: [Quantity; 3] = [Quantity::LearningRate, Quantity::GradientNorm, Quantity::CpuUse];

/// All charts, in what is left of the page.
pub fn charts_ui(ui: &mut Ui, model: &Model, view: &mut ChartView, actions: &mut Actions) {
    if model.runs.is_loaded() && model.runs.rows().is_empty() && !model.is_running() {
        empty_ui(ui, model, actions);
        return;
    }
    controls_ui(ui, view, &OFFERED);
    step_ui(ui, model);
    let runs = drawn(model);
    let charts = SHOWN
        .into_iter()
        .chain(OFFERED.into_iter().filter(|quantity| view.extra.contains(quantity)));
    let charts: Vec<Quantity> = charts.collect();

    let size = ui.available_size();
    let columns = if size.x < NARROW { 1 } else { 2 };
    let rows = charts.len().div_ceil(columns);
    let height = ((size.y + GAP) / rows as f32 - GAP).floor();
    let least_height = LEAST_HEIGHTS[usize::from(columns == 1)];
    view.is_in_scroll_area = height < least_height;
    if !view.is_in_scroll_area {
        grid_ui(ui, &charts, columns, height, |ui, quantity| {
            run_chart_ui(ui, quantity, &runs, model, view, actions);
        });
        return;
    }
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        grid_ui(ui, &charts, columns, LEAST_HEIGHTS[1], |ui, quantity| {
            run_chart_ui(ui, quantity, &runs, model, view, actions);
        });
    });
}

/// Where the time of a step goes in the run in focus, where it told that.
fn step_ui(ui: &mut Ui, model: &Model) {
    let open = model.focus().and_then(|focus| model.runs.open(focus));
    let Some(times) = open.and_then(|open| open.view.step_times()) else {
        return;
    };
    let tokens = Tokens::of(ui);
    ui.scope(|ui| {
        // No higher than its text: the charts below need the height.
        ui.spacing_mut().interact_size.y = 0.0;
        ui.horizontal(|ui| {
            ui.label(theme::hint(ui, "A step takes"));
            ui.label(theme::number(units::microseconds(times.total_secs() * 1e6)).size(11.5));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.available_width() >= NAMED {
                    for (place, band) in bands(&times).iter().enumerate().rev() {
                        ui.label(theme::hint(ui, band.name));
                        mark::dot(ui, band_colour(&tokens, place));
                    }
                }
                times_ui(ui, &times, 8.0);
            });
        });
    });
}

/// The run in focus, and the visible ones on the same data: losses of different data say nothing beside each other.
fn drawn(model: &Model) -> Vec<RunId> {
    let Some(focus) = model.focus() else {
        return Vec::new();
    };
    let own = model.runs.row(focus);
    let others = model
        .runs
        .visible()
        .filter(|row| row.run.run != focus && own.is_none_or(|own| row.is_comparable(own)));
    [focus].into_iter().chain(others.map(|row| row.run.run)).collect()
}

/// Charts row by row, as wide as there is room; a last one alone has its row for itself.
fn grid_ui(ui: &mut Ui, charts: &[Quantity], columns: usize, height: f32, mut chart_ui: impl FnMut(&mut Ui, Quantity)) {
    let width = ui.available_width();
    let rows = charts.len().div_ceil(columns);
    let (whole, _) = ui.allocate_exact_size(vec2(width, rows as f32 * (height + GAP) - GAP), egui::Sense::hover());
    for (row, charts) in charts.chunks(columns).enumerate() {
        let width = (width + GAP) / charts.len() as f32 - GAP;
        for (column, &quantity) in charts.iter().enumerate() {
            let corner = vec2(column as f32 * (width + GAP), row as f32 * (height + GAP));
            let place = Rect::from_min_size(whole.min + corner, vec2(width, height));
            if ui.is_rect_visible(place) {
                let mut ui = ui.new_child(UiBuilder::new().id_salt(quantity).max_rect(place));
                chart_ui(&mut ui, quantity);
            }
        }
    }
}

/// What will be here, and how to get it.
fn empty_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    theme::card(ui).show(ui, |ui| {
        ui.set_min_size(ui.available_size());
        ui.with_layout(Layout::top_down(Align::Center), |ui| {
            let tokens = Tokens::of(ui);
            ui.add_space((ui.available_height() / 2.0 - 80.0).max(0.0));
            ui.label(theme::icon(icons::ICON_SHOW_CHART).size(36.0).color(tokens.text_faint));
            ui.label(theme::title("Watch the network learn"));
            let text = "Loss, accuracy, memory and speed are drawn here while it trains. They are kept, to be compared \
                        with every later run";
            ui.scope(|ui| {
                ui.set_max_width(420.0);
                ui.label(theme::label(ui, text));
            });
            ui.add_space(8.0);
            let why = why_not(model);
            let words = (
                theme::icon(icons::ICON_PLAY_ARROW).color(tokens.on_accent),
                theme::strong("Run this set-up").color(tokens.on_accent),
            );
            let button = theme::primary_button(ui, words).min_size(vec2(140.0, 32.0));
            let response = ui.add_enabled(why.is_none(), button);
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, why.is_none(), "Run this set-up"));
            let response = response.on_hover_text("Trains the network of the set-up on the left (Ctrl+Enter)");
            if response.clicked() {
                actions.push(Action::Train);
            }
            if let Some(why) = why {
                response.on_disabled_hover_text(why);
            }
        });
    });
}
