//! How the network is trained, with the learning rate's way as a picture, and what concerns this one execution.

use egui::{Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::fields::Fields;
use super::figures::{Figures, are_current};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::field::{self, Field, Number};
use crate::spec::{
    Device, EarlyStopping, MonitoredMetric, OptimizerKind, RunConfig, RunPlan, ScheduleKind, TrainConfig,
};

const CURVE_HEIGHT: f32 = 40.0;
/// Points of the drawn curve.
const CURVE_POINTS: usize = 160;

/// In a few words: `Adam, 1e-2, cosine, 30 epochs`.
pub fn summary(config: &RunConfig) -> String {
    let train = &config.train;
    let (name, schedule) = (train.optimizer.title(), train.schedule.title());
    let rate = if train.learning_rate < 0.1 {
        format!("{:e}", train.learning_rate)
    } else {
        field::plain(train.learning_rate)
    };
    format!("{name}, {rate}, {schedule}, {} epochs", train.epochs)
}

/// In a few words: `seed 0, flex`.
pub fn run_summary(config: &RunConfig) -> String {
    let name = config
        .run
        .name
        .as_ref()
        .map_or_else(String::new, |name| format!("{name}, "));
    format!("{name}seed {}, {}", config.run.seed, config.run.device)
}

pub fn training_ui(
    ui: &mut Ui,
    fields: &mut Fields,
    config: &mut RunConfig,
    defaults: &RunConfig,
    figures: Option<&Figures>,
) {
    let (train, defaults) = (&mut config.train, &defaults.train);
    fields.show(
        ui,
        "train.epochs",
        &mut train.epochs,
        &defaults.epochs,
        |ui, value, typed| field::number_ui(ui, value, typed, Number::by(0.2)),
    );
    let key = "train.batch_size";
    fields.show(
        ui,
        key,
        &mut train.batch_size,
        &defaults.batch_size,
        |ui, value, typed| field::number_ui(ui, value, typed, Number::by(0.5).unit("samples")),
    );
    let key = "train.learning_rate";
    let rate = &mut train.learning_rate;
    fields.show(ui, key, rate, &defaults.learning_rate, |ui, value, typed| {
        let look = Number::by((*value * 0.01).max(1e-7));
        field::slider_ui(ui, value, typed, look, (1e-5, 1.0), "Learning rate")
    });
    let key = "train.schedule";
    fields.show(ui, key, &mut train.schedule, &defaults.schedule, |ui, value, _| {
        field::choice_ui(ui, value, &ScheduleKind::ALL.map(|kind| (kind, kind.title())))
    });
    let is_step = train.schedule == ScheduleKind::Step;
    if is_step || fields.is_wrong("train.step_epochs") {
        let key = "train.step_epochs";
        fields.show(
            ui,
            key,
            &mut train.step_epochs,
            &defaults.step_epochs,
            |ui, value, typed| field::number_ui(ui, value, typed, Number::by(0.1).unit("epochs")),
        );
    }
    if is_step || fields.is_wrong("train.step_factor") {
        let key = "train.step_factor";
        fields.show(
            ui,
            key,
            &mut train.step_factor,
            &defaults.step_factor,
            |ui, value, typed| field::number_ui(ui, value, typed, Number::by(0.005).unit("of the rate")),
        );
    }
    let key = "train.warmup_epochs";
    let warmup = &mut train.warmup_epochs;
    fields.show(ui, key, warmup, &defaults.warmup_epochs, |ui, value, typed| {
        field::number_ui(ui, value, typed, Number::by(0.02).unit("epochs"))
    });
    curve_ui(ui, figures.map(|figures| &figures.plan), are_current(fields.form));
    optimizer_ui(ui, fields, train, defaults);
    let is_regression = fields
        .form
        .last_preview()
        .is_some_and(|preview| preview.summary.task.is_regression());
    if !is_regression || fields.is_wrong("train.label_smoothing") {
        let key = "train.label_smoothing";
        let smoothing = &mut train.label_smoothing;
        fields.show(ui, key, smoothing, &defaults.label_smoothing, |ui, value, typed| {
            field::slider_ui(ui, value, typed, Number::by(0.002), (0.0, 0.5), "Label smoothing")
        });
    }
    early_stopping_ui(ui, fields, &mut train.early_stopping, is_regression);
}

fn optimizer_ui(ui: &mut Ui, fields: &mut Fields, train: &mut TrainConfig, defaults: &TrainConfig) {
    let key = "train.optimizer";
    fields.show(ui, key, &mut train.optimizer, &defaults.optimizer, |ui, value, _| {
        field::choice_ui(ui, value, &OptimizerKind::ALL.map(|kind| (kind, kind.title())))
    });
    if train.optimizer == OptimizerKind::Sgd || fields.is_wrong("train.momentum") {
        let key = "train.momentum";
        fields.show(ui, key, &mut train.momentum, &defaults.momentum, |ui, value, typed| {
            let look = Number::by(0.005);
            field::slider_ui(ui, value, typed, look, (0.0, 0.99), "Momentum")
        });
    }
    let key = "train.weight_decay";
    fields.show(
        ui,
        key,
        &mut train.weight_decay,
        &defaults.weight_decay,
        |ui, value, typed| {
            let speed = (*value * 0.01).max(1e-6);
            field::number_ui(ui, value, typed, Number::by(speed))
        },
    );
    let key = "train.gradient_clip";
    fields.show(
        ui,
        key,
        &mut train.gradient_clip,
        &defaults.gradient_clip,
        |ui, value, typed| {
            let mut is_on = value.is_some();
            let switch = field::switch_ui(ui, &mut is_on);
            if switch.changed() {
                *value = is_on.then_some(1.0);
                *typed = None;
            }
            if let Some(norm) = value {
                let look = Number::by(0.01).unit("norm");
                field::number_ui(ui, norm, typed, look).accessible_name("Largest norm");
            } else {
                ui.label(theme::hint(ui, "off"));
            }
            switch
        },
    );
}

/// A switch, and the three fields that come with it.
fn early_stopping_ui(ui: &mut Ui, fields: &mut Fields, early: &mut Option<EarlyStopping>, is_regression: bool) {
    let switch = Field {
        label: "Early stopping",
        doc: "Ends training when the watched metric no longer improves, and keeps the best weights",
        is_changed: early.is_some(),
        is_wide: false,
    };
    let is_reset = switch.show(ui, |ui| {
        let mut is_on = early.is_some();
        let response = field::switch_ui(ui, &mut is_on);
        if response.changed() {
            *early = is_on.then(EarlyStopping::default);
        }
        if !is_on {
            ui.label(theme::hint(ui, "off"));
        }
        response
    });
    if is_reset {
        *early = None;
    }
    let Some(early) = early else { return };
    let defaults = EarlyStopping::default();
    let score = if is_regression {
        (MonitoredMetric::R2, "R2")
    } else {
        (MonitoredMetric::Accuracy, "accuracy")
    };
    let mut options = vec![(MonitoredMetric::Loss, "loss"), score];
    // A metric that the task lacks is named as long as it is chosen.
    for known in [(MonitoredMetric::Accuracy, "accuracy"), (MonitoredMetric::R2, "R2")] {
        if early.metric == known.0 && score.0 != known.0 {
            options.push(known);
        }
    }
    let key = "train.early_stopping.metric";
    fields.show(ui, key, &mut early.metric, &defaults.metric, |ui, value, _| {
        field::choice_ui(ui, value, &options)
    });
    let key = "train.early_stopping.patience";
    fields.show(ui, key, &mut early.patience, &defaults.patience, |ui, value, typed| {
        let look = Number::by(0.1).unit("epochs");
        field::number_ui(ui, value, typed, look)
    });
    let key = "train.early_stopping.minimum_improvement";
    let least = &mut early.minimum_improvement;
    fields.show(ui, key, least, &defaults.minimum_improvement, |ui, value, typed| {
        let speed = (*value * 0.01).max(1e-5);
        field::number_ui(ui, value, typed, Number::by(speed))
    });
}

/// The learning rate over the run.
fn curve_ui(ui: &mut Ui, plan: Option<&RunPlan>, is_current: bool) -> Response {
    let tokens = Tokens::of(ui);
    let size = vec2(ui.available_width(), CURVE_HEIGHT);
    let (outer, response) = ui.allocate_exact_size(size, Sense::hover());
    let rect = outer.shrink2(vec2(field::GUTTER, 4.0));
    let painter = ui.painter();
    let ground = Stroke::new(1.0, tokens.line);
    painter.hline(rect.x_range(), rect.bottom(), ground);
    let Some(plan) = plan else {
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Learning rate over the run: not known yet"));
        return response;
    };
    let (schedule, last) = (plan.schedule(), plan.total_steps().saturating_sub(1));
    let step_at = |share: f32| (share * last as f32).round() as usize;
    let y_of = |rate: f64| rect.bottom() - (rate / schedule.peak.max(f64::MIN_POSITIVE)) as f32 * rect.height();
    let points = (0..=CURVE_POINTS)
        .map(|point| {
            let share = point as f32 / CURVE_POINTS as f32;
            let rate = schedule.learning_rate(step_at(share));
            pos2(rect.left() + share * rect.width(), y_of(rate))
        })
        .collect();
    let colour = if is_current { tokens.accent } else { tokens.line };
    painter.add(egui::Shape::line(points, Stroke::new(1.5, colour)));
    let name = format!(
        "Learning rate over the run: {} at its highest, {} at the end",
        field::plain(schedule.peak),
        rate_text(schedule.learning_rate(last))
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let Some(pointer) = response.hover_pos() else {
        return response;
    };
    let share = ((pointer.x - rect.left()) / rect.width()).clamp(0.0, 1.0);
    let step = step_at(share);
    let rate = schedule.learning_rate(step);
    painter.circle_filled(pos2(rect.left() + share * rect.width(), y_of(rate)), 3.0, colour);
    let epoch = step / plan.steps_per_epoch.max(1) + 1;
    response.on_hover_ui_at_pointer(|ui| {
        ui.label(theme::number(rate_text(rate)));
        ui.label(theme::hint(ui, format!("step {}, epoch {epoch}", step + 1)));
    })
}

fn rate_text(rate: f64) -> String {
    field::plain(field::three_digits(rate))
}

pub fn run_ui(ui: &mut Ui, fields: &mut Fields, config: &mut RunConfig, defaults: &RunConfig) {
    let by_itself = std::path::Path::new(&config.data.source)
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let hint = format!("{by_itself}-{}", config.model.architecture);
    let (run, defaults) = (&mut config.run, &defaults.run);
    fields.show(ui, "run.name", &mut run.name, &defaults.name, |ui, value, typed| {
        let show = |name: &Option<String>| name.clone().unwrap_or_default();
        field::text_ui(ui, value, typed, &hint, show, |text| {
            Ok((!text.trim().is_empty()).then(|| text.to_owned()))
        })
    });
    fields.show(ui, "run.seed", &mut run.seed, &defaults.seed, field::seed_ui);
    fields.show(ui, "run.device", &mut run.device, &defaults.device, |ui, value, _| {
        let options = [(Device::Flex, "flex"), (Device::Ndarray, "ndarray")];
        field::choice_ui(ui, value, &options)
    });
}
