//! Charts of runs over steps, epochs or time.

mod axis;
mod cache;
mod controls;
mod export;
mod marks;
mod plot;
#[cfg(test)]
mod tests;
mod tooltip;
mod zoom;

use std::collections::BTreeSet;

use egui::{Align, Button, Color32, Layout, Popup, Rect, Role, Ui, WidgetInfo, vec2};
use egui_material_icons::icons;

pub use controls::controls_ui;

use self::axis::Unit;
use self::cache::Cache;
use self::zoom::Zoom;
use super::mark;
use crate::app::action::{Action, Actions};
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::spec::RunId;
use crate::timeline::{Concern, RunView, Trace, XAxis};

/// Room between a card's edge and what is in it.
const CARD_MARGIN: egui::Margin = egui::Margin::symmetric(12, 7);
const HEADER_HEIGHT: f32 = 22.0;
/// Below this width a chart's header has its title and its values only.
const NARROW: f32 = 400.0;

/// How charts are drawn: smoothing, axes, zoom. The charts of one view share them, and their crosshair.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ChartView {
    /// From 0 to below 1: how much of a smoothed value is the one before it.
    pub smoothing: f64,
    pub axis: XAxis,
    pub log_x: bool,
    pub log_y: bool,
    /// What is shown on demand.
    pub extra: BTreeSet<Quantity>,
    /// The charts are in a place that the wheel scrolls: it zooms with Ctrl only.
    #[serde(skip)]
    pub is_in_scroll_area: bool,
    #[serde(skip)]
    zoom: Zoom,
    #[serde(skip)]
    cache: Cache,
}

impl Default for ChartView {
    fn default() -> Self {
        Self {
            smoothing: 0.6,
            axis: XAxis::Step,
            log_x: false,
            log_y: false,
            extra: BTreeSet::new(),
            is_in_scroll_area: false,
            zoom: Zoom::default(),
            cache: Cache::default(),
        }
    }
}

/// What a chart shows of its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Quantity {
    /// Training and validation loss.
    Loss,
    /// Accuracy or R2.
    Score,
    LearningRate,
    GradientNorm,
    /// Predicted bands and measured lines, of the first run.
    Memory,
    /// Samples a second, of the first run.
    Speed,
    /// Cores that are busy, of the first run.
    CpuUse,
}

impl Quantity {
    /// What is drawn.
    fn traces(self) -> &'static [Trace] {
        match self {
            Self::Loss => &[Trace::TrainLoss, Trace::ValidationLoss],
            Self::Score => &[Trace::TrainScore, Trace::ValidationScore],
            Self::LearningRate => &[Trace::LearningRate],
            Self::GradientNorm => &[Trace::GradientNorm],
            Self::Memory => &[Trace::HeapInUse, Trace::ResidentSize],
            Self::Speed => &[Trace::SamplesPerSecond],
            Self::CpuUse => &[Trace::CpuCores],
        }
    }

    /// Of what kind of targets the values are, they can't be compared across kinds.
    fn depends_on_task(self) -> bool {
        matches!(self, Self::Loss | Self::Score)
    }

    /// Only the first run is drawn.
    fn is_of_one_run(self) -> bool {
        matches!(self, Self::Memory | Self::Speed | Self::CpuUse)
    }

    fn can_be_log(self) -> bool {
        matches!(self, Self::Loss | Self::LearningRate | Self::GradientNorm)
    }

    /// The y axis begins at 0.
    fn begins_at_zero(self) -> bool {
        matches!(self, Self::LearningRate | Self::Memory | Self::Speed | Self::CpuUse)
    }

    fn concerns(self) -> &'static [Concern] {
        match self {
            Self::Loss => &[
                Concern::LossSpike,
                Concern::Divergence,
                Concern::OverFitting,
                Concern::GradientExplosion,
            ],
            Self::Score => &[Concern::OverFitting],
            Self::GradientNorm => &[Concern::GradientExplosion],
            Self::Memory => &[Concern::Memory],
            Self::LearningRate | Self::Speed | Self::CpuUse => &[],
        }
    }

    pub fn title(self, is_regression: bool) -> &'static str {
        match self {
            Self::Loss => "Loss",
            Self::Score if is_regression => "R2",
            Self::Score => "Accuracy",
            Self::LearningRate => "Learning rate",
            Self::GradientNorm => "Gradient norm",
            Self::Memory => "Memory",
            Self::Speed => "Speed",
            Self::CpuUse => "CPU use",
        }
    }

    /// What is measured, and in what.
    fn subtitle(self, is_regression: bool) -> &'static str {
        match self {
            Self::Loss if is_regression => "squared error, standardised",
            Self::Loss => "cross entropy in nats",
            Self::Score if is_regression => "explained share of the variance",
            Self::Score => "share of right answers",
            Self::LearningRate => "of each step",
            Self::GradientNorm => "L2, before clipping",
            Self::Memory => "predicted and measured",
            Self::Speed => "in training steps",
            Self::CpuUse => "of the whole process",
        }
    }

    /// A learner's sentence.
    fn explanation(self) -> &'static str {
        match self {
            Self::Loss => "How far the answers are from the truth; training makes it small",
            Self::Score => "How good the answers are, on samples of the training and on those held back for validation",
            Self::LearningRate => "How far each step moves the weights",
            Self::GradientNorm => {
                "How steep the loss is where the weights are; a jump warns of steps that are too long"
            }
            Self::Memory => {
                "The bands are what training needs by prediction; the line is what the whole program has taken since \
                 before the first step"
            }
            Self::Speed => "Samples that training steps get through in a second, validation and pauses left out",
            Self::CpuUse => "Processor cores that are busy, on average",
        }
    }

    /// What follows a value, where its unit does not say it.
    fn suffix(self) -> &'static str {
        match self {
            Self::Speed => " samples/s",
            Self::CpuUse => " cores",
            _ => "",
        }
    }

    fn unit(self, is_regression: bool) -> Unit {
        match self {
            Self::Score if !is_regression => Unit::Percent,
            Self::Memory => Unit::Bytes,
            Self::Speed => Unit::Count,
            _ => Unit::Plain,
        }
    }
}

/// Whether smoothing changes a trace: only what is measured at every step, and is noisy.
fn is_smoothed(trace: Trace) -> bool {
    matches!(
        trace,
        Trace::TrainLoss | Trace::GradientNorm | Trace::SamplesPerSecond | Trace::CpuCores
    )
}

fn is_validation(trace: Trace) -> bool {
    matches!(trace, Trace::ValidationLoss | Trace::ValidationScore)
}

/// How a run takes part in a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The first one, of which most is told.
    Focus,
    Other,
    /// The baseline, behind the others.
    Ghost,
}

/// A run in a chart.
struct Member<'a> {
    run: RunId,
    name: &'a str,
    view: &'a RunView,
    part: Part,
    is_hovered: bool,
    colour: Color32,
    width: f32,
}

/// What a chart draws.
struct Chart<'a> {
    quantity: Quantity,
    is_regression: bool,
    unit: Unit,
    /// The focus first, then by the order in which they were given.
    members: Vec<Member<'a>>,
    /// Runs with another kind of target, which can't be drawn on the same axis.
    strangers: usize,
    /// The first step's place at the least and the last step's at the most, of all runs that were asked for.
    extent: Option<[f64; 2]>,
    is_live: bool,
    /// What is said where nothing can be drawn yet.
    why_empty: String,
}

impl<'a> Chart<'a> {
    fn new(ui: &Ui, quantity: Quantity, runs: &[RunId], model: &'a Model, axis: XAxis) -> Self {
        let is_regression = |run: RunId| {
            let plan = &model.runs.open(run)?.record.plan;
            Some(plan.dataset.task.is_regression())
        };
        let focus = runs.first().copied();
        let focus_kind = focus.and_then(is_regression);
        let ghost = focus
            .and_then(|run| model.runs.baseline_of(run))
            .map(|row| row.run.run)
            .filter(|&run| model.runs.pinned == Some(run) || !runs.contains(&run));
        let mut chart = Self {
            quantity,
            is_regression: focus_kind.unwrap_or(false),
            unit: quantity.unit(focus_kind.unwrap_or(false)),
            members: Vec::new(),
            strangers: 0,
            extent: None,
            is_live: false,
            why_empty: why_empty(model, focus),
        };
        let beyond = ghost.filter(|run| !runs.contains(run));
        for &run in runs.iter().chain(&beyond) {
            let Some(open) = model.runs.open(run) else {
                continue;
            };
            let view = &open.view;
            if let Some([first, last]) = view.extent(axis) {
                let [least, most] = chart.extent.unwrap_or([f64::INFINITY, 0.0]);
                let first = if first > 0.0 { first } else { last };
                chart.extent = Some([least.min(first), most.max(last)]);
                chart.is_live |= view.status.is_open();
            }
            let part = if Some(run) == focus {
                Part::Focus
            } else if Some(run) == ghost {
                Part::Ghost
            } else {
                Part::Other
            };
            if quantity.is_of_one_run() && part != Part::Focus {
                continue;
            }
            if quantity.depends_on_task() && is_regression(run) != focus_kind {
                chart.strangers += 1;
                continue;
            }
            let colour = if part == Part::Ghost {
                Tokens::of(ui).text
            } else {
                mark::run_colour(ui, model, run)
            };
            chart.members.push(Member {
                run,
                name: model.runs.row(run).map_or("", |row| row.run.name.as_str()),
                view,
                part,
                is_hovered: model.runs.hovered() == Some(run),
                colour,
                width: mark::run_width(model, run),
            });
        }
        chart
    }

    fn focus(&self) -> Option<&Member<'a>> {
        self.members.iter().find(|member| member.part == Part::Focus)
    }

    fn title(&self) -> &'static str {
        self.quantity.title(self.is_regression)
    }
}

/// What a chart says before it can draw its first run.
fn why_empty(model: &Model, focus: Option<RunId>) -> String {
    let Some(run) = focus else {
        return "No run to show".to_owned();
    };
    if let Some(failure) = model.runs.failure(run) {
        return failure.to_owned();
    }
    match model.runs.open(run) {
        None => "Reading the run".to_owned(),
        Some(open) if open.view.status.is_open() => "Waiting for the first steps".to_owned(),
        Some(_) => "Nothing was recorded".to_owned(),
    }
}

/// One chart in a card, filling `ui`'s available space. The pinned baseline is ghosted behind; the first run has its raw
/// trace behind the smoothed one.
pub fn run_chart_ui(
    ui: &mut Ui,
    quantity: Quantity,
    runs: &[RunId],
    model: &Model,
    view: &mut ChartView,
    actions: &mut Actions,
) {
    let card = ui.available_rect_before_wrap();
    ui.push_id(quantity, |ui| {
        theme::card(ui).inner_margin(CARD_MARGIN).show(ui, |ui| {
            ui.set_min_size(ui.available_size());
            ui.spacing_mut().item_spacing = vec2(8.0, 2.0);
            view.cache.begin(ui.ctx().cumulative_frame_nr());
            let chart = Chart::new(ui, quantity, runs, model, view.axis);
            let plane = plot::prepare(ui, &chart, view);
            let size = vec2(ui.available_width(), HEADER_HEIGHT);
            ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
                header_ui(ui, &chart, view, card, actions);
            });
            plot::plot_ui(ui, &chart, &plane, view, actions);
        });
    });
}

/// From the right: menu, what the lines are and their latest values, title.
fn header_ui(ui: &mut Ui, chart: &Chart<'_>, view: &ChartView, card: Rect, actions: &mut Actions) {
    let is_narrow = ui.available_width() < NARROW;
    menu_ui(ui, chart, card, actions);
    for &trace in chart.quantity.traces().iter().rev() {
        value_ui(ui, chart, view, trace, is_narrow);
    }
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.label(theme::strong(chart.title()));
        if chart.strangers > 0 {
            let text = format!("{} left out", chart.strangers);
            ui.label(theme::hint(ui, text))
                .on_hover_text("Runs with another kind of target are not drawn: their values can't be compared");
        }
        if !is_narrow {
            subtitle_ui(ui, chart);
        }
    });
}

/// What is measured, where there is room for all of it.
fn subtitle_ui(ui: &mut Ui, chart: &Chart<'_>) {
    let text = theme::hint(ui, chart.quantity.subtitle(chart.is_regression));
    let galley = egui::WidgetText::from(text).into_galley(
        ui,
        Some(egui::TextWrapMode::Extend),
        f32::INFINITY,
        egui::TextStyle::Small,
    );
    if galley.size().x <= ui.available_width() {
        ui.label(galley).on_hover_text(chart.quantity.explanation());
    }
}

/// From the right: the first run's latest value of a trace, and among several traces its name and how it is drawn. The exact
/// value comes on hover.
fn value_ui(ui: &mut Ui, chart: &Chart<'_>, view: &ChartView, trace: Trace, is_narrow: bool) {
    let Some(focus) = chart.focus() else { return };
    let Some(line) = view.cache.line(focus.run, trace) else {
        return;
    };
    let Some([_, value]) = line.curve.shown().last() else {
        return;
    };
    let stroke = plot::stroke(focus, trace, &Tokens::of(ui));
    // Of a run that has ended, its last moment says less than the whole.
    let mean = focus.view.samples_per_second();
    let (value, how) = match trace {
        Trace::SamplesPerSecond if !focus.view.status.is_open() && mean > 0.0 => (mean, ", over the whole run"),
        _ if line.curve.is_smoothed() => (value, ", smoothed"),
        _ => (value, ""),
    };
    let text = format!("{}{}", chart.unit.value(value), chart.quantity.suffix());
    let hover = format!("{} of {}{how}: {value}", trace.name(), focus.name);
    let colour = if chart.quantity == Quantity::Memory {
        stroke.color
    } else {
        focus.colour
    };
    ui.label(theme::number(text).color(colour)).on_hover_text(hover);
    if chart.quantity.traces().len() == 1 {
        return;
    }
    ui.spacing_mut().item_spacing.x = 5.0;
    if !is_narrow {
        let name = trace.name().trim_end_matches(" loss").trim_end_matches(" score");
        ui.label(theme::hint(ui, name));
    }
    let (rect, _) = ui.allocate_exact_size(vec2(16.0, 10.0), egui::Sense::hover());
    let ends = [rect.left_center(), rect.right_center()];
    if is_validation(trace) {
        ui.painter().extend(egui::Shape::dashed_line(&ends, stroke, 4.0, 2.5));
    } else {
        ui.painter().line_segment(ends, stroke);
    }
    ui.add_space(6.0);
}

fn menu_ui(ui: &mut Ui, chart: &Chart<'_>, card: Rect, actions: &mut Actions) {
    let name = format!("{} chart menu", chart.title());
    let icon = theme::icon(icons::ICON_MORE_VERT).color(Tokens::of(ui).text_soft);
    let button = ui.add(Button::new(icon).frame(false).min_size(vec2(22.0, 22.0)));
    button.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    let button = button.on_hover_text("Save or copy what is drawn");
    let file = chart.title().to_lowercase().replace(' ', "-");
    Popup::menu(&button).show(|ui| {
        if ui.button("Save picture…").clicked() {
            actions.push(Action::SavePicture {
                rect: card,
                name: format!("{file}.png"),
            });
        }
        if ui.button("Save data as CSV…").clicked() {
            actions.push(Action::SaveText {
                name: format!("{file}.csv"),
                text: export::csv(chart),
            });
        }
        if ui.button("Copy data").clicked() {
            actions.push(Action::CopyText(export::csv(chart)));
        }
    });
}
