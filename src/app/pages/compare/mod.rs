//! The Compare page: what compression cost and bought, on one picture and in one table.

mod chosen;
mod contents;
mod differences;
mod scatter;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use egui::{Align, Button, ComboBox, Layout, RichText, ScrollArea, Sense, Ui, vec2};
use egui_material_icons::icons;

use crate::app::action::{Action, Actions, Page};
use crate::app::state::{JobKind, Model, RowExt as _, Views};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::chart::{Quantity, controls_ui, run_chart_ui};
use crate::app::widgets::mark;
use crate::compare::{Axis, Budget, Field, Sort};
use crate::spec::RunId;
use contents::{Contents, Overview};

/// From this width on the selected run stands beside the scatter.
const WIDE: f32 = 940.0;
const CHOSEN_WIDTH: f32 = 288.0;
const SCATTER_HEIGHT: f32 = 348.0;
const CHART_HEIGHT: f32 = 240.0;
/// Charts stand side by side from this width on.
const TWO_CHARTS: f32 = 760.0;
const CHIP_HEIGHT: f32 = 24.0;
/// Runs with a closed eye that are offered as chips.
const OFFERED: usize = 8;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CompareView {
    axis: Axis,
    /// What is drawn upwards; none for the score.
    up: Option<Axis>,
    is_log: bool,
    /// The limits of the Compress page.
    #[serde(skip)]
    budget: Budget,
    /// The data set whose runs are compared; that of the latest measured run where it is none or has gone.
    dataset: Option<String>,
    hidden: BTreeSet<Field>,
    sort: Sort,
    show_identical: bool,
    #[serde(skip)]
    overview: Overview,
    #[serde(skip)]
    configs: differences::Configs,
}

impl Default for CompareView {
    fn default() -> Self {
        Self {
            axis: Axis::Size,
            up: None,
            budget: Budget::default(),
            is_log: false,
            dataset: None,
            hidden: [Field::Figure(Axis::MultiplyAdds), Field::Figure(Axis::Parameters)].into(),
            sort: Sort {
                field: Field::Number,
                descending: false,
            },
            show_identical: false,
            overview: Overview::default(),
            configs: differences::Configs::default(),
        }
    }
}

/// It draws overlaid curves too, with the chart settings of the Train page (`views.train.charts`).
pub fn compare_ui(ui: &mut Ui, model: &Model, views: &mut Views, actions: &mut Actions) {
    let view = &mut views.compare;
    view.budget = views.compress.budget();
    view.overview.refresh(model);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let dataset = view.overview.choice(view.dataset.as_deref()).map(str::to_owned);
        let Some(dataset) = dataset else {
            empty_ui(ui, model, actions);
            return;
        };
        head_ui(ui, model, view, &dataset, actions);
        let Some(contents) = Contents::of(model, &dataset) else {
            nothing_shown_ui(ui, model, &view.overview, &dataset, actions);
            return;
        };
        ui.add_space(theme::SPACE[0]);
        picture_ui(ui, model, view, &contents, actions);
        ui.add_space(theme::SPACE[1]);
        table::table_ui(ui, model, view, &contents, actions);
        ui.add_space(theme::SPACE[1]);
        let runs: Vec<RunId> = contents.rows.iter().map(|row| row.run.run).collect();
        fold_ui(ui, "Configuration differences", true, |ui| {
            differences::differences_ui(ui, model, view, &runs);
        });
        let charts = &mut views.train.charts;
        fold_ui(ui, "Curves", true, |ui| {
            charts.is_in_scroll_area = true;
            controls_ui(ui, charts, &[]);
            let is_wide = ui.available_width() >= TWO_CHARTS;
            let width = if is_wide {
                (ui.available_width() - ui.spacing().item_spacing.x) / 2.0
            } else {
                ui.available_width()
            };
            let direction = if is_wide {
                Layout::left_to_right(Align::Min)
            } else {
                Layout::top_down(Align::Min)
            };
            ui.with_layout(direction, |ui| {
                for quantity in [Quantity::Loss, Quantity::Score] {
                    let size = vec2(width, CHART_HEIGHT);
                    ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
                        ui.set_min_size(size);
                        ui.set_max_size(size);
                        run_chart_ui(ui, quantity, &runs, model, charts, actions);
                    });
                }
            });
        });
    });
}

/// A part of the page that can be folded.
fn fold_ui(ui: &mut Ui, title: &str, is_open: bool, add: impl FnOnce(&mut Ui)) {
    egui::CollapsingHeader::new(theme::strong(title))
        .id_salt(title)
        .default_open(is_open)
        .show_unindented(ui, add);
}

/// Title, data set, compared runs, and those that are not measured yet.
fn head_ui(ui: &mut Ui, model: &Model, view: &mut CompareView, dataset: &str, actions: &mut Actions) {
    ui.horizontal(|ui| {
        ui.set_min_height(theme::CONTROL_HEIGHT);
        ui.label(theme::title("Compare"));
        if view.overview.datasets().count() > 1 {
            let response = ComboBox::from_id_salt("compared data set")
                .selected_text(dataset)
                .show_ui(ui, |ui| {
                    for name in view.overview.datasets() {
                        if ui.selectable_label(name == dataset, name).clicked() {
                            view.dataset = Some(name.to_owned());
                        }
                    }
                })
                .response;
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Data set"));
            response.on_hover_text("Only runs on the same data set, target and split can be compared");
        } else {
            ui.label(theme::label(ui, dataset));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            unmeasured_ui(ui, model, dataset, actions);
        });
    });
    chips_ui(ui, model, &view.overview, dataset, actions);
}

/// Finished runs with an open eye whose figures are missing, and the button that gets them.
fn unmeasured_ui(ui: &mut Ui, model: &Model, dataset: &str, actions: &mut Actions) {
    let is_measuring = model.queue.iter().any(|job| matches!(job.kind, JobKind::Measure(_)));
    if is_measuring {
        ui.label(theme::label(ui, "Measuring…"));
        ui.spinner();
        return;
    }
    let missing: Vec<RunId> = model
        .runs
        .visible()
        .filter(|row| model.runs.group(row.run.run) == Some(dataset) && row.is_usable() && row.run.deployed.is_none())
        .map(|row| row.run.run)
        .collect();
    let words = match missing.len() {
        0 => return,
        1 => "1 finished run is not measured yet".to_owned(),
        many => format!("{many} finished runs are not measured yet"),
    };
    let response = ui.button((theme::icon(icons::ICON_SPEED).size(16.0), "Measure"));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Measure"));
    let hover = "Exports them and times each in turn with the baseline, on this machine";
    if response.on_hover_text(hover).clicked() {
        let baseline = contents::baseline(model, dataset).map(|row| row.run.run);
        let runs = baseline.into_iter().chain(missing).collect();
        actions.push(Action::Measure(runs));
    }
    ui.label(RichText::new(words).size(12.0).color(Tokens::of(ui).warn));
}

/// The measured runs as chips: pressed ones are compared.
fn chips_ui(ui: &mut Ui, model: &Model, overview: &Overview, dataset: &str, actions: &mut Actions) {
    let measured = overview.measured(dataset);
    let (shown, hidden): (Vec<RunId>, Vec<RunId>) = measured.iter().partition(|&&run| {
        let is_pinned = model.runs.pinned == Some(run) && model.runs.solo.is_none();
        is_pinned || model.runs.is_shown(run)
    });
    let offered = hidden.iter().rev().take(OFFERED);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 4.0);
        ui.spacing_mut().interact_size.y = CHIP_HEIGHT;
        ui.spacing_mut().button_padding = vec2(8.0, 2.0);
        for &run in shown.iter().chain(offered) {
            let Some(row) = model.runs.row(run) else { continue };
            let is_shown = shown.contains(&run);
            let tokens = Tokens::of(ui);
            let is_pinned = model.runs.pinned == Some(run);
            let (icon, colour) = if is_pinned {
                (icons::ICON_PUSH_PIN, tokens.text)
            } else {
                (icons::ICON_CIRCLE, mark::run_colour(ui, model, run))
            };
            let (mark_colour, text_colour, fill) = if is_shown {
                (colour, tokens.text, tokens.card.lerp_to_gamma(tokens.line, 0.7))
            } else {
                (colour.gamma_multiply(0.5), tokens.text_faint, tokens.base)
            };
            let text = (
                theme::icon(icon).size(11.0).color(mark_colour),
                RichText::new(&row.run.name).size(12.0).color(text_colour),
            );
            let sense = if is_pinned { Sense::hover() } else { Sense::click() };
            let button = Button::new(text)
                .fill(fill)
                .stroke(egui::Stroke::new(1.0, tokens.line))
                .corner_radius(CHIP_HEIGHT / 2.0)
                .min_size(vec2(0.0, CHIP_HEIGHT))
                .sense(sense);
            let response = ui.add(button);
            let name = format!("Compare {}, {run}", row.run.name);
            response.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, !is_pinned, is_shown, &name));
            if response.hovered() {
                actions.push(Action::Hover(run));
            }
            if response.clicked() {
                actions.push(Action::Show(run, !model.runs.shown.contains(&run)));
            }
            let hover = if is_pinned {
                "The pinned baseline is always compared"
            } else {
                &name
            };
            response.on_hover_text(hover);
        }
        if hidden.len() > OFFERED {
            let more = hidden.len() - OFFERED;
            ui.label(theme::hint(ui, format!("and {more} more in the list of runs")));
        }
    });
}

/// The scatter, and beside or below it the selected run against the baseline.
fn picture_ui(ui: &mut Ui, model: &Model, view: &mut CompareView, contents: &Contents<'_>, actions: &mut Actions) {
    let width = ui.available_width();
    if width < WIDE {
        scatter::scatter_ui(ui, model, view, contents, vec2(width, SCATTER_HEIGHT), actions);
        ui.add_space(theme::SPACE[1]);
        chosen::chosen_ui(ui, model, contents, vec2(width, 0.0), actions);
        return;
    }
    ui.horizontal_top(|ui| {
        let left = width - CHOSEN_WIDTH - ui.spacing().item_spacing.x;
        scatter::scatter_ui(ui, model, view, contents, vec2(left, SCATTER_HEIGHT), actions);
        chosen::chosen_ui(ui, model, contents, vec2(CHOSEN_WIDTH, SCATTER_HEIGHT), actions);
    });
}

/// Runs are measured, but every eye is closed.
fn nothing_shown_ui(ui: &mut Ui, model: &Model, overview: &Overview, dataset: &str, actions: &mut Actions) {
    let measured = overview.measured(dataset);
    let (words, button) = if measured.is_empty() {
        ("No run on this data set is measured yet", None)
    } else {
        ("All measured runs are hidden", Some("Show them"))
    };
    ui.vertical_centered(|ui| {
        ui.add_space(theme::SPACE[4] * 2.0);
        ui.label(theme::label(ui, words));
        if let Some(button) = button
            && ui.button(button).clicked()
        {
            if model.runs.solo.is_some() {
                actions.push(Action::Solo(None));
            }
            for &run in measured.iter().rev().take(OFFERED) {
                actions.push(Action::Show(run, true));
            }
        }
    });
}

/// What will be compared here, and the next step to it.
fn empty_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.25).max(16.0));
        if !model.runs.is_loaded() {
            ui.label(theme::label(ui, "Reading the runs…"));
            return;
        }
        ui.label(
            theme::icon(icons::ICON_SCATTER_PLOT)
                .size(40.0)
                .color(tokens.text_faint),
        );
        ui.label(theme::title("Accuracy against size, speed and memory"));
        ui.set_max_width(480.0);
        let words = "Every measured run is a point on one picture: what it costs to the right, how good it is upwards. \
                     The line joins those that nothing else beats.";
        ui.label(theme::label(ui, words));
        ui.add_space(theme::SPACE[2]);
        let latest = model.runs.rows().iter().rev().find(|row| row.is_usable());
        let (text, next) = match latest {
            Some(row) => (
                format!("Compress {}", row.run.name),
                vec![Action::Select(row.run.run), Action::Go(Page::Compress)],
            ),
            None if model.is_running() => ("Watch the run at work".to_owned(), vec![Action::Go(Page::Train)]),
            None => ("Train a network".to_owned(), vec![Action::Go(Page::Train)]),
        };
        let text = theme::strong(text).color(tokens.on_accent);
        let button = theme::primary_button(ui, text).min_size(vec2(140.0, theme::CONTROL_HEIGHT));
        if ui.add(button).clicked() {
            actions.0.extend(next);
        }
        if let Some(row) = latest {
            ui.add_space(theme::SPACE[0]);
            let response = ui.button(format!("Only measure {}", row.run.name));
            if response
                .on_hover_text("Size, latency and memory of the exported file, on this machine")
                .clicked()
            {
                actions.push(Action::Measure(vec![row.run.run]));
            }
        }
    });
}
