//! What compression costs layer by layer, and which layers a recipe leaves as they are: a click protects one.

use egui::{Align, Align2, Button, ComboBox, DragValue, Label, Layout, Rect, ScrollArea, Sense, Ui, vec2};
use egui_material_icons::icons;

use super::CompressView;
use crate::app::action::{Action, Actions};
use crate::app::state::{JobKind, Model, RowExt as _};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::{figures::score_text, progress};
use crate::jobs::RunRow;
use crate::spec::{LayerChange, LayerSensitivity, Mix, Sensitivity, units};

const CHANGES: [LayerChange; 3] = [LayerChange::Int8, LayerChange::Int4, LayerChange::Weights(0.8)];
const ROW_HEIGHT: f32 = 30.0;
/// Of the lock with the layer's name, its parameters, its score and its signal; the bar has the rest.
const NAME: f32 = 190.0;
const COUNT: f32 = 76.0;
const SCORE: f32 = 76.0;
const SIGNAL: f32 = 84.0;
const BAR_HEIGHT: f32 = 8.0;
/// Of the picture of what enters a layer.
const PICTURE_HEIGHT: f32 = 110.0;
/// Where the bars begin, of their column: to the left of it is what was gained.
const ZERO: f32 = 0.15;
/// Points that the longest bar stands for at least, so that noise does not look like a loss.
const LEAST_SPAN: f64 = 1.0;

/// What is asked of the layers.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    pub change: LayerChange,
    /// Points of the score that the mix may lose.
    pub tolerated: f64,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            change: LayerChange::Int8,
            tolerated: 0.5,
        }
    }
}

fn words(change: LayerChange) -> String {
    match change {
        LayerChange::Int8 => "8 bits".to_owned(),
        LayerChange::Int4 => "4 bits".to_owned(),
        LayerChange::Weights(fraction) => format!("{:.0} % of the weights zeroed", fraction * 100.0),
    }
}

pub fn layers_ui(ui: &mut Ui, model: &Model, parent: &RunRow, view: &mut CompressView, actions: &mut Actions) {
    ask_ui(ui, model, parent, &mut view.asked, actions);
    let Some(found) = model.sensitivity(parent.run.run, view.asked.change) else {
        ui.add_space(theme::SPACE[2]);
        let words = "One layer at a time is changed, exported and scored on the validation split: what each costs stands here, and \
                     a click on a layer leaves it out of the recipe's steps.";
        ui.add(Label::new(theme::label(ui, words)).wrap());
        return;
    };
    let summary = format!(
        "{} as trained, {} with all layers changed. A click protects a layer in every step of the recipe that can leave one out.",
        score_text(parent, found.baseline),
        score_text(parent, found.all)
    );
    ui.add(Label::new(theme::label(ui, summary)).wrap());
    let locks = view.chain.protected();
    if let Some(mix) = &found.mix
        && mix_ui(ui, parent, found, mix, locks.as_deref())
    {
        view.chain.protect(&mix.protect);
    }
    if locks.is_none() {
        let words = "No step of the recipe can leave a layer out: add one that quantizes or prunes";
        ui.label(theme::hint(ui, words));
    }
    let clicked = rows_ui(ui, parent, found, locks.as_deref(), &mut view.looked);
    let looked = found.layers.iter().find(|row| Some(row.layer) == view.looked);
    if let Some(row) = looked.or(found.layers.first()) {
        inputs_ui(ui, row);
    }
    if let Some(layer) = clicked {
        let mut locks = locks.unwrap_or_default();
        match locks.iter().position(|known| *known == layer) {
            Some(place) => {
                locks.remove(place);
            }
            None => locks.push(layer),
        }
        locks.sort_unstable();
        view.chain.protect(&locks);
    }
}

/// What is changed, and the buttons that measure it.
fn ask_ui(ui: &mut Ui, model: &Model, parent: &RunRow, asked: &mut Asked, actions: &mut Actions) {
    let run = parent.run.run;
    let tokens = Tokens::of(ui);
    let job = model.queue.iter().find(|job| job.kind == JobKind::Sensitivity(run));
    ui.horizontal_wrapped(|ui| {
        let label = ui.label(theme::label(ui, "One layer at a time in"));
        let choice = ComboBox::from_id_salt("change of a layer")
            .selected_text(words(asked.change))
            .show_ui(ui, |ui| {
                for change in CHANGES {
                    ui.selectable_value(&mut asked.change, change, words(change));
                }
            });
        choice.response.labelled_by(label.id);
        if let Some(job) = job {
            let (said, share) = model.progress_of(job);
            let name = "Progress of the measurement";
            progress::bar_ui(ui, share.unwrap_or(0.0), [120.0, 8.0], tokens.accent, name);
            ui.label(theme::hint(
                ui,
                said.unwrap_or_else(|| "waiting for its turn".to_owned()),
            ));
            let stop = Button::new((theme::icon(icons::ICON_STOP).size(16.0), "Stop"));
            if ui.add(stop).accessible_name("Stop measuring the layers").clicked() {
                actions.push(Action::CancelJob(job.id));
            }
            return;
        }
        let change = asked.change;
        let mut offer = |ui: &mut Ui, name: &str, hover: &str, tolerated: Option<f64>| {
            if ui.button(name).on_hover_text(hover).clicked() {
                actions.push(Action::MeasureLayers { run, change, tolerated });
            }
        };
        let hover = "Exports the network once for every layer, with that layer alone changed, and scores the file";
        offer(ui, "Measure the layers", hover, None);
        let hover = "Protects the most sensitive layers, one after another, until no more is lost than is tolerated";
        offer(ui, "Find the mix", hover, Some(asked.tolerated));
        let label = ui.label(theme::label(ui, "that loses at most"));
        let drag = DragValue::new(&mut asked.tolerated)
            .range(0.0..=100.0)
            .speed(0.05)
            .max_decimals(2)
            .suffix(" points");
        ui.add(drag)
            .labelled_by(label.id)
            .on_hover_text("Points of accuracy (hundredths of R2) on the validation split");
    });
}

/// The mix that was found; true when it was taken.
fn mix_ui(ui: &mut Ui, parent: &RunRow, found: &Sensitivity, mix: &Mix, locks: Option<&[usize]>) -> bool {
    if found.changes_none(mix) {
        let words = format!(
            "No layer can be changed within {} points: change less, or tolerate more",
            mix.tolerated
        );
        ui.label(theme::hint(ui, words));
        return false;
    }
    let layers: Vec<String> = mix.protect.iter().map(ToString::to_string).collect();
    let score = score_text(parent, mix.score);
    let words = match layers.len() {
        0 => format!("Within {} points without protecting any layer ({score})", mix.tolerated),
        1 => format!("Within {} points: protect layer {} ({score})", mix.tolerated, layers[0]),
        _ => format!(
            "Within {} points: protect layers {} ({score})",
            mix.tolerated,
            layers.join(", ")
        ),
    };
    let mut is_taken = false;
    ui.horizontal(|ui| {
        let tokens = Tokens::of(ui);
        ui.label(theme::icon(icons::ICON_CHECK_CIRCLE).size(16.0).color(tokens.good));
        ui.label(theme::strong(words));
        if locks == Some(&mix.protect[..]) {
            ui.label(theme::hint(ui, "in the recipe"));
        } else if locks.is_some() {
            let name = if layers.is_empty() {
                "Protect none"
            } else {
                "Protect these"
            };
            is_taken = ui.button(name).clicked();
        }
    });
    is_taken
}

/// A row for each layer; the layer that was clicked.
fn rows_ui(
    ui: &mut Ui,
    parent: &RunRow,
    found: &Sensitivity,
    locks: Option<&[usize]>,
    looked: &mut Option<usize>,
) -> Option<usize> {
    let mut clicked = None;
    let losses = found.layers.iter().map(|row| row.points_lost);
    let span = losses.fold(LEAST_SPAN, f64::max);
    let columns = Columns::within(ui.available_rect_before_wrap());
    let (head, _) = ui.allocate_exact_size(vec2(ui.available_width(), 20.0), Sense::hover());
    let titles = [
        ("layer", columns.name, Align2::LEFT_CENTER),
        ("parameters", columns.count, Align2::RIGHT_CENTER),
        ("points lost", columns.bar, Align2::LEFT_CENTER),
        (parent.score_name(), columns.score, Align2::RIGHT_CENTER),
        ("signal to noise", columns.signal, Align2::RIGHT_CENTER),
    ];
    for (title, range, align) in titles {
        let rect = Rect::from_x_y_ranges(range, head.y_range());
        let colour = Tokens::of(ui).text_soft;
        let place = align.pos_in_rect(&rect);
        ui.painter()
            .text(place, align, title, egui::FontId::proportional(12.0), colour);
    }
    ScrollArea::vertical()
        .id_salt("layers")
        .auto_shrink([false, true])
        .max_height((ui.available_height() - PICTURE_HEIGHT - 34.0).max(3.0 * ROW_HEIGHT))
        .show_rows(ui, ROW_HEIGHT, found.layers.len(), |ui, places| {
            for row in places.filter_map(|place| found.layers.get(place)) {
                let is_locked = locks.is_some_and(|locks| locks.contains(&row.layer));
                let response = row_ui(ui, parent, row, &columns, span, locks.map(|_| is_locked));
                if response.contains_pointer() {
                    *looked = Some(row.layer);
                }
                if response.clicked() {
                    clicked = Some(row.layer);
                }
            }
        });
    clicked
}

/// One layer. `is_locked` is none where nothing can be protected.
fn row_ui(
    ui: &mut Ui,
    parent: &RunRow,
    row: &LayerSensitivity,
    columns: &Columns,
    span: f64,
    is_locked: Option<bool>,
) -> egui::Response {
    let tokens = Tokens::of(ui);
    let sense = if is_locked.is_some() {
        Sense::click()
    } else {
        Sense::hover()
    };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW_HEIGHT), sense);
    let name = format!("Protect layer {} {}", row.layer, row.name);
    let locked = is_locked == Some(true);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, is_locked.is_some(), locked, &name));
    let painter = ui.painter().clone();
    if locked {
        painter.rect_filled(rect.shrink2(vec2(0.0, 1.0)), 4.0, ui.visuals().selection.bg_fill);
    } else if response.hovered() && is_locked.is_some() {
        painter.rect_filled(rect.shrink2(vec2(0.0, 1.0)), 4.0, ui.visuals().faint_bg_color);
    }
    painter.hline(rect.x_range(), rect.bottom(), egui::Stroke::new(1.0, tokens.line));
    let mut cell = |range: egui::Rangef, align: Align, add: &dyn Fn(&mut Ui)| {
        let rect = Rect::from_x_y_ranges(range, rect.y_range());
        let layout = match align {
            Align::Min => Layout::left_to_right(Align::Center),
            _ => Layout::right_to_left(Align::Center),
        };
        ui.scope_builder(egui::UiBuilder::new().max_rect(rect).layout(layout), |ui| add(ui));
    };
    cell(columns.name, Align::Min, &|ui| {
        let (icon, colour) = if locked {
            (icons::ICON_LOCK, tokens.accent)
        } else {
            (icons::ICON_LOCK_OPEN, tokens.text_faint)
        };
        ui.add(Label::new(theme::icon(icon).size(16.0).color(colour)).selectable(false));
        ui.add(
            Label::new(theme::strong(format!("{} {}", row.layer, row.name)))
                .truncate()
                .selectable(false),
        );
    });
    let number = |ui: &mut Ui, text: String| {
        ui.add(Label::new(theme::number(text)).selectable(false));
    };
    cell(columns.count, Align::Max, &|ui| {
        number(ui, units::count(row.parameters as f64));
    });
    cell(columns.score, Align::Max, &|ui| {
        number(ui, score_text(parent, row.score));
    });
    cell(columns.signal, Align::Max, &|ui| {
        let text = row.signal_to_noise_db;
        number(
            ui,
            text.map_or_else(|| "unchanged".to_owned(), |signal| format!("{signal:.1} dB")),
        );
    });
    bar_ui(
        ui,
        Rect::from_x_y_ranges(columns.bar, rect.y_range()),
        row.points_lost,
        span,
        locked,
    );
    response.on_hover_text(format!("{:+.2} points with this layer alone changed", -row.points_lost))
}

/// How large the values become that enter a layer, and the ranges that the methods of calibration choose for them.
fn inputs_ui(ui: &mut Ui, row: &LayerSensitivity) {
    let Some(inputs) = &row.inputs else { return };
    let tokens = Tokens::of(ui);
    ui.add_space(theme::SPACE[0]);
    let methods = [
        ("minmax", inputs.seen, tokens.text_soft),
        ("percentile", inputs.percentile, tokens.run(0)),
        ("mse", inputs.least_error, tokens.run(1)),
    ];
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::strong(format!(
            "What enters layer {} {} on {} training samples",
            row.layer, row.name, inputs.samples
        )));
        for (name, range, colour) in methods {
            ui.label(theme::icon(icons::ICON_HORIZONTAL_DISTRIBUTE).size(14.0).color(colour));
            let text = format!("{name} {} to {}", figure(range.min), figure(range.max));
            ui.label(theme::label(ui, text));
        }
    });
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), PICTURE_HEIGHT - 14.0), Sense::hover());
    let name = format!("Values that enter layer {} {}", row.layer, row.name);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
    response.on_hover_text(
        "Heights are logarithms, so that rare large values are seen; a range leaves out what lies beyond its lines",
    );
    let painter = ui.painter_at(rect.expand(2.0));
    let (low, high) = (inputs.seen.min, inputs.seen.max.max(inputs.seen.min + f32::EPSILON));
    let x = |value: f32| rect.left() + (value - low) / (high - low) * rect.width();
    let height = |count: u64| (1.0 + count as f32).ln();
    let highest = inputs.counts.iter().map(|&count| height(count)).fold(1.0, f32::max);
    let width = rect.width() / inputs.counts.len().max(1) as f32;
    for (place, &count) in inputs.counts.iter().enumerate() {
        let left = rect.left() + place as f32 * width;
        let top = rect.bottom() - height(count) / highest * (rect.height() - 8.0);
        let bar = Rect::from_min_max(egui::pos2(left, top), egui::pos2(left + width - 1.0, rect.bottom()));
        painter.rect_filled(bar, 0.0, tokens.text_faint.gamma_multiply(0.6));
    }
    for (_, range, colour) in methods {
        for end in [range.min, range.max] {
            painter.vline(x(end), rect.y_range(), egui::Stroke::new(1.5, colour));
        }
    }
}

/// Three digits, without zeros that say nothing.
fn figure(value: f32) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// The points that were lost to the right of zero, those that were gained to its left.
fn bar_ui(ui: &Ui, rect: Rect, lost: f64, span: f64, is_locked: bool) {
    let tokens = Tokens::of(ui);
    let zero = rect.left() + rect.width() * ZERO;
    let text = format!("{lost:.2}");
    // Room for the figure behind the longest bar.
    let reach = rect.width() * (1.0 - ZERO) - 44.0;
    let end = zero + (lost / span) as f32 * reach;
    let end = end.clamp(rect.left(), rect.right());
    let (top, bottom) = (rect.center().y - BAR_HEIGHT / 2.0, rect.center().y + BAR_HEIGHT / 2.0);
    let bar = Rect::from_x_y_ranges(zero.min(end)..=zero.max(end), top..=bottom);
    let colour = match (is_locked, lost > 0.0) {
        (true, _) => tokens.text_faint,
        (false, true) => tokens.warn,
        (false, false) => tokens.good,
    };
    ui.painter().rect_filled(bar, 2.0, colour);
    ui.painter().vline(
        zero,
        rect.y_range().shrink(4.0),
        egui::Stroke::new(1.0, tokens.text_faint),
    );
    let place = egui::pos2(zero.max(end) + 6.0, rect.center().y);
    let font = egui::FontId::monospace(12.0);
    ui.painter()
        .text(place, Align2::LEFT_CENTER, text, font, tokens.text_soft);
}

/// Where the figures of a layer stand.
struct Columns {
    name: egui::Rangef,
    count: egui::Rangef,
    bar: egui::Rangef,
    score: egui::Rangef,
    signal: egui::Rangef,
}

impl Columns {
    fn within(rect: Rect) -> Self {
        let gap = theme::SPACE[2];
        let (left, right) = (rect.left(), rect.right());
        let signal = egui::Rangef::new(right - SIGNAL, right);
        let score = egui::Rangef::new(signal.min - gap - SCORE, signal.min - gap);
        let name = egui::Rangef::new(left, left + NAME);
        let count = egui::Rangef::new(name.max + gap, name.max + gap + COUNT);
        Self {
            bar: egui::Rangef::new(count.max + gap, (score.min - gap).max(count.max + gap)),
            name,
            count,
            score,
            signal,
        }
    }
}
