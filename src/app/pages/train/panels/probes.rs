//! Measurements made before training: the learning-rate finder, batches, workers, and the learning curve. Each begins with a
//! press, shows how far it is, and can be stopped; what it finds is one press from the set-up.

use egui::{Align, Button, Label, Layout, ScrollArea, Ui, vec2};
use egui_material_icons::icons;
use egui_plot::{Corner, FilledArea, GridMark, Line, LineStyle, Plot, Points, VLine};

use super::empty_ui;
use crate::app::action::{Action, Actions};
use crate::app::state::{Found, JobKind, Model};
use crate::app::theme::{self, Tokens};
use crate::app::update::why_not;
use crate::app::widgets::field::{self, Number, Typed};
use crate::app::widgets::progress::bar_ui;
use crate::jobs::{BatchMeasure, CurvePoint, Finding, LearningCurve, Probe, RateRange, WorkerSpeed};
use crate::spec::{RunConfig, units};

const BYTES_PER_MB: u64 = 1_000_000;
/// Rows of the learning curve, and folds of each.
const CURVE_POINTS: usize = 5;
const CURVE_FOLDS: usize = 3;
const LINE: f32 = 30.0;
/// Of the figures of a measured line.
const WIDTHS: [f32; 3] = [112.0, 140.0, 92.0];

/// A spread of a point of the learning curve.
type SpreadOf = fn(&CurvePoint) -> crate::jobs::Spread;

/// What is kept between frames.
#[derive(Debug)]
pub struct ProbesView {
    /// Memory that a batch may take, in MB.
    budget_mb: usize,
    typed: Option<Typed>,
}

impl Default for ProbesView {
    fn default() -> Self {
        Self {
            budget_mb: 512,
            typed: None,
        }
    }
}

/// What a probe is for, how it is begun, and how far it is; true when it was asked for.
fn begin_ui(ui: &mut Ui, model: &Model, probe: Probe, button: &str, about: &str, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    let is_same = |kind: &JobKind| matches!(kind, JobKind::Probe(known) if std::mem::discriminant(known) == std::mem::discriminant(&probe));
    let job = model.queue.iter().find(|job| is_same(&job.kind));
    ui.horizontal(|ui| {
        ui.set_min_height(theme::CONTROL_HEIGHT);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if let Some(job) = job {
                let stop = Button::new((theme::icon(icons::ICON_STOP).size(16.0), "Stop"));
                let name = format!("Stop: {button}");
                if ui.add(stop).accessible_name(name).clicked() {
                    actions.push(Action::CancelJob(job.id));
                }
                let (words, share) = model.progress_of(job);
                let share = share.unwrap_or(0.0);
                bar_ui(ui, share, [120.0, 8.0], tokens.accent, "Progress of the measurement");
                let words = if job.is_begun {
                    words.unwrap_or_else(|| "at work".to_owned())
                } else {
                    "waiting for its turn".to_owned()
                };
                ui.add(Label::new(theme::hint(ui, words)).truncate());
            } else {
                let is_classical = model.form.config.model.architecture.is_classical();
                let why = if is_classical {
                    Some("A baseline is fitted without steps: choose a network first".to_owned())
                } else {
                    why_not(model)
                };
                let words = (
                    theme::icon(icons::ICON_PLAY_ARROW).size(16.0).color(tokens.on_accent),
                    theme::strong(button).color(tokens.on_accent),
                );
                let response = ui.add_enabled(why.is_none(), theme::primary_button(ui, words));
                let response = response.accessible_name(button);
                if response.clicked() {
                    actions.push(Action::Probe(probe));
                }
                if let Some(why) = why {
                    response.on_disabled_hover_text(why);
                }
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(theme::hint(ui, about)).truncate())
                    .on_hover_text(about);
            });
        });
    });
}

/// Says so where what was found is that of other settings.
fn other_settings_ui(ui: &mut Ui, found: &Found, form: &RunConfig, same: impl Fn(&mut RunConfig, &RunConfig)) {
    let mut then = found.config.clone();
    then.run.clone_from(&form.run);
    same(&mut then, form);
    if then != *form {
        let tokens = Tokens::of(ui);
        ui.horizontal(|ui| {
            ui.label(theme::icon(icons::ICON_INFO).size(14.0).color(tokens.warn));
            ui.label(theme::hint(
                ui,
                "Found for settings that have been changed since: measure again to be sure",
            ));
        });
    }
}

/// A button that takes a value into the form.
fn use_ui(ui: &mut Ui, words: &str, name: &str, is_in_form: bool) -> bool {
    if is_in_form {
        ui.label(theme::icon(icons::ICON_CHECK).size(14.0).color(Tokens::of(ui).good));
        ui.label(theme::hint(ui, "in the set-up"));
        return false;
    }
    ui.add(Button::new(words)).accessible_name(name).clicked()
}

fn edit(model: &Model, actions: &mut Actions, change: impl FnOnce(&mut RunConfig)) {
    let mut config = model.form.config.clone();
    change(&mut config);
    actions.push(Action::Edit(Box::new(config)));
}

pub fn rate_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let about =
        "Raises the rate step by step from far too small: the loss falls fastest where learning is best (Smith 2017)";
    begin_ui(ui, model, Probe::LearningRate, "Find a learning rate", about, actions);
    let Some((found, range)) = model.found.iter().find_map(|found| match &*found.finding {
        Finding::LearningRate(range) => Some((found, range)),
        _ => None,
    }) else {
        let why = "It takes a few seconds, trains nothing that is kept, and suggests a rate";
        return empty_ui(ui, "Loss against learning rate", why);
    };
    let form = &model.form.config;
    other_settings_ui(ui, found, form, |then, form| {
        then.train.learning_rate = form.train.learning_rate;
    });
    ui.horizontal(|ui| {
        ui.set_min_height(theme::CONTROL_HEIGHT);
        match range.suggested {
            Some(rate) => {
                let rate = field::three_digits(rate);
                let text = field::plain(rate);
                ui.label(theme::label(ui, "Suggested"));
                ui.label(theme::big_number(&text));
                let name = format!("Use the suggested rate {text}");
                if use_ui(ui, "Use it", &name, form.train.learning_rate == rate) {
                    edit(model, actions, |config| config.train.learning_rate = rate);
                }
                ui.add(Label::new(theme::hint(ui, reason(range))).truncate());
            }
            None => {
                let words = "The loss never fell: no rate can be suggested. Try another optimizer, or look at the data";
                ui.label(theme::label(ui, words));
            }
        }
    });
    rate_chart_ui(ui, range, form.train.learning_rate);
}

/// Why this rate.
fn reason(range: &RateRange) -> String {
    let lowest = range.lowest.map_or_else(String::new, |rate| {
        format!("; the loss is lowest at {}", field::plain(field::three_digits(rate)))
    });
    let end = if range.blew_up { ", then it blows up" } else { "" };
    match range.steepest {
        Some(_) => format!("where the loss falls fastest{lowest}{end}"),
        None => format!("a tenth of the rate with the lowest loss{lowest}{end}"),
    }
}

fn rate_chart_ui(ui: &mut Ui, range: &RateRange, now: f64) {
    let tokens = Tokens::of(ui);
    let line = |value: fn(&crate::jobs::RatePoint) -> f64| -> Vec<[f64; 2]> {
        let points = range
            .points
            .iter()
            .map(|point| [point.learning_rate.log10(), value(point)]);
        points.filter(|point| point[1].is_finite()).collect()
    };
    // The raw loss may jump far beyond what is to be seen.
    let smoothed = line(|point| point.smoothed);
    let first = smoothed.first().map_or(1.0, |point| point[1]);
    let lowest = smoothed.iter().map(|point| point[1]).fold(first, f64::min);
    let highest = (first + 0.5 * (first - lowest)).max(lowest + 1e-6);
    let raw = line(|point| point.loss);
    let response = chart(ui, "learning rate range", Corner::LeftBottom)
        .include_y(lowest - 0.05 * (highest - lowest))
        .include_y(highest)
        .default_y_bounds(lowest - 0.05 * (highest - lowest), highest)
        .x_axis_label("learning rate")
        .y_axis_label("loss")
        .x_axis_formatter(|mark, _| power_of_ten(mark.value))
        .x_grid_spacer(decades)
        .show(ui, |plot| {
            plot.line(
                Line::new("each step", raw)
                    .color(tokens.run(0).gamma_multiply(theme::RAW_OPACITY))
                    .allow_hover(false),
            );
            plot.line(Line::new("smoothed", smoothed).color(tokens.run(0)).width(2.0));
            let dashed = VLine::new("in the set-up", now.log10())
                .color(tokens.text_soft)
                .style(LineStyle::dashed_dense());
            plot.vline(dashed);
            if let Some(rate) = range.suggested {
                plot.vline(VLine::new("suggested", rate.log10()).color(tokens.accent).width(2.0));
            }
        })
        .response;
    let suggested = range
        .suggested
        .map_or_else(|| "none".to_owned(), |rate| field::plain(field::three_digits(rate)));
    let name = format!(
        "Loss against learning rate, {} steps; suggested {suggested}",
        range.points.len()
    );
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
}

/// A line at every whole power of ten.
#[expect(clippy::needless_pass_by_value, reason = "the plot hands it over")]
fn decades(input: egui_plot::GridInput) -> Vec<egui_plot::GridMark> {
    let (low, high) = input.bounds;
    let whole = low.ceil() as i32..=high.floor() as i32;
    whole
        .map(|exponent| egui_plot::GridMark {
            value: f64::from(exponent),
            step_size: 1.0,
        })
        .collect()
}

/// A whole power of ten as a rate; nothing between them.
fn power_of_ten(exponent: f64) -> String {
    if (exponent - exponent.round()).abs() < 1e-6 {
        field::plain(10_f64.powi(exponent.round() as i32))
    } else {
        String::new()
    }
}

/// A chart that is looked at, not moved.
/// `legend` is a corner that the curves leave free.
fn chart(ui: &Ui, id: &'static str, legend: Corner) -> Plot<'static> {
    let legend = egui_plot::Legend::default().position(legend).background_alpha(0.0);
    Plot::new(id)
        .height((ui.available_height() - 4.0).clamp(160.0, 460.0))
        .show_background(false)
        .grid_color(Tokens::of(ui).grid())
        .allow_zoom(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .legend(legend)
        .y_axis_min_width(44.0)
}

pub fn batch_ui(ui: &mut Ui, model: &Model, view: &mut ProbesView, actions: &mut Actions) {
    let budget_bytes = view.budget_mb as u64 * BYTES_PER_MB;
    let probe = Probe::LargestBatch { budget_bytes };
    let about = "Takes real steps with ever larger batches and watches the memory";
    begin_ui(ui, model, probe, "Find the largest batch", about, actions);
    ui.horizontal(|ui| {
        let label = ui.label(theme::label(ui, "Memory that a step may take"));
        let layout = Layout::left_to_right(Align::Center);
        let number = ui.allocate_ui_with_layout(vec2(110.0, theme::CONTROL_HEIGHT), layout, |ui| {
            let look = Number::by(4.0).unit("MB");
            field::number_ui(ui, &mut view.budget_mb, &mut view.typed, look)
        });
        number.inner.labelled_by(label.id);
    });
    let about = "Times steps of batches of 8, 16, 32 and so on: larger ones are faster up to a point";
    begin_ui(ui, model, Probe::Throughput, "Time the batches", about, actions);
    let mut largest = None;
    let mut measured: Vec<BatchMeasure> = Vec::new();
    for found in &model.found {
        match &*found.finding {
            Finding::LargestBatch(found) => {
                largest = Some(found);
                measured.extend(&found.measured);
            }
            Finding::Throughput { measured: all } => measured.extend(all),
            _ => {}
        }
    }
    if measured.is_empty() {
        let why = "Both take some seconds and keep nothing; a size is then one press from the set-up";
        return empty_ui(ui, "Samples a second and memory against the size of the batch", why);
    }
    measured.sort_by_key(|measure| measure.batch_size);
    measured.dedup_by_key(|measure| measure.batch_size);
    if let Some(largest) = largest {
        let budget = units::bytes(largest.budget_bytes);
        let words = match largest.found {
            Some(found) if largest.is_all_rows => {
                format!(
                    "All training rows fit into one batch of {} within {budget}",
                    found.batch_size
                )
            }
            Some(found) => format!(
                "The largest batch within {budget} is {}: it takes {}",
                found.batch_size,
                units::bytes(found.peak_bytes)
            ),
            None => format!("Not even one sample fits into {budget}: use a smaller network"),
        };
        ui.label(theme::strong(words));
    }
    let now = model.form.config.train.batch_size;
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let fastest = measured.iter().map(|measure| measure.samples_per_second).fold(0.0, f64::max);
        for measure in &measured {
            let share = measure.samples_per_second / fastest.max(f64::MIN_POSITIVE);
            let figures = [
                format!("{} samples", measure.batch_size),
                format!("{} samples/s", units::count(measure.samples_per_second)),
                units::bytes(measure.peak_bytes),
            ];
            let name = format!("Use a batch of {}", measure.batch_size);
            if measure_ui(ui, &figures, share, &name, now == measure.batch_size) {
                edit(model, actions, |config| config.train.batch_size = measure.batch_size);
            }
        }
        ui.label(theme::hint(
            ui,
            "Bars: samples a second against the fastest. A larger batch takes fewer steps an epoch; raise the rate with it",
        ));
    });
}

/// A measured line: figures, a bar for the speed, and the way into the form; true when that was pressed.
fn measure_ui(ui: &mut Ui, figures: &[String; 3], share: f64, name: &str, is_in_form: bool) -> bool {
    let tokens = Tokens::of(ui);
    let mut pressed = false;
    ui.horizontal(|ui| {
        ui.set_min_height(LINE);
        for (figure, width) in figures.iter().zip(WIDTHS) {
            let size = vec2(width, LINE);
            ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
                ui.set_min_width(size.x);
                ui.label(theme::number(figure));
            });
        }
        ui.add_space(theme::SPACE[1]);
        let width = (ui.available_width() - 130.0).clamp(40.0, 420.0);
        bar_ui(
            ui,
            share as f32,
            [width, 10.0],
            tokens.run(0),
            &format!("{name}: speed"),
        );
        pressed = use_ui(ui, "Use it", name, is_in_form);
    });
    pressed
}

pub fn workers_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let about =
        "Replicas share every batch and average their gradients: the same result, faster where a step is large enough";
    begin_ui(ui, model, Probe::Workers, "Measure the workers", about, actions);
    let Some((found, batch_size, speeds)) = model.found.iter().find_map(|found| match &*found.finding {
        Finding::Workers { batch_size, speeds } => Some((found, *batch_size, speeds)),
        _ => None,
    }) else {
        let why = "Times 1, 2, 4 and so on, up to one a core of this machine";
        return empty_ui(ui, "What more workers gain here", why);
    };
    let form = &model.form.config;
    other_settings_ui(ui, found, form, |then, form| then.train.workers = form.train.workers);
    let best = speeds.iter().map(|speed| speed.speed_up).fold(0.0, f64::max);
    ui.label(theme::label(
        ui,
        format!("With batches of {batch_size} samples, on this machine"),
    ));
    for WorkerSpeed {
        workers,
        samples_per_second,
        speed_up,
    } in speeds
    {
        let figures = [
            if *workers == 1 {
                "1 worker".to_owned()
            } else {
                format!("{workers} workers")
            },
            format!("{} samples/s", units::count(*samples_per_second)),
            format!("{speed_up:.2} times"),
        ];
        let name = format!("Use {workers} workers");
        let is_in_form = form.train.workers == *workers;
        if measure_ui(ui, &figures, speed_up / best.max(f64::MIN_POSITIVE), &name, is_in_form) {
            edit(model, actions, |config| config.train.workers = *workers);
        }
    }
    if best < 1.1 {
        let words =
            "More workers gain nothing here: a step of this network is too small to divide. A larger batch helps first";
        ui.label(theme::hint(ui, words));
    }
}

pub fn curve_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let probe = Probe::LearningCurve {
        points: CURVE_POINTS,
        folds: CURVE_FOLDS,
    };
    let about =
        "Trains this set-up on a part of the rows, on more, and on all, three times each with other rows left out";
    begin_ui(ui, model, probe, "Draw the learning curve", about, actions);
    let Some((found, curve)) = model.found.iter().find_map(|found| match &*found.finding {
        Finding::LearningCurve(curve) => Some((found, curve)),
        _ => None,
    }) else {
        let why = "It takes about as long as ten runs, and keeps nothing";
        return empty_ui(ui, "Whether more data would help, or another model", why);
    };
    other_settings_ui(ui, found, &model.form.config, |_, _| ());
    ui.add(Label::new(theme::strong(field::sentence(&curve.advice))).wrap());
    curve_chart_ui(ui, curve);
}

fn curve_chart_ui(ui: &mut Ui, curve: &LearningCurve) {
    let tokens = Tokens::of(ui);
    let rows = |point: &CurvePoint| point.rows as f64;
    // One at each number of rows that was measured; as wide apart as all of them, they are never too faint to be read.
    let width = curve.points.last().map_or(1.0, rows);
    let marks: Vec<GridMark> = curve
        .points
        .iter()
        .map(|point| GridMark {
            value: rows(point),
            step_size: width,
        })
        .collect();
    let response = chart(ui, "learning curve", Corner::RightBottom)
        .x_axis_label("training rows")
        .y_axis_label(curve.score)
        .x_grid_spacer(move |_| marks.clone())
        .x_axis_formatter(|mark, _| format!("{:.0}", mark.value))
        .show(ui, |plot| {
            let series: [(&str, egui::Color32, SpreadOf); 2] = [
                ("on the rows trained on", tokens.run(1), |point| point.train),
                ("on rows left out", tokens.run(0), |point| point.test),
            ];
            for (name, colour, of) in series {
                let at = |sign: f64| {
                    let value = move |point: &CurvePoint| of(point).mean + sign * of(point).sd;
                    curve.points.iter().map(value).collect::<Vec<f64>>()
                };
                let xs: Vec<f64> = curve.points.iter().map(rows).collect();
                // Without a name, and so not in the legend.
                plot.add(FilledArea::new("", &xs, &at(-1.0), &at(1.0)).fill_color(colour.gamma_multiply(0.15)));
                let means: Vec<[f64; 2]> = xs.iter().zip(at(0.0)).map(|(&x, mean)| [x, mean]).collect();
                plot.line(Line::new(name, means.clone()).color(colour).width(2.0));
                plot.points(Points::new(name, means).color(colour).radius(3.5));
            }
        })
        .response;
    let last = curve.points.last().map_or_else(String::new, |point| {
        format!(", {} with {} rows", units::significant(point.test.mean), point.rows)
    });
    let name = format!("Learning curve: {} against training rows{last}", curve.score);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
}
