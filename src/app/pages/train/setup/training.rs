//! How the network is trained, and what concerns this one execution.

use egui::Ui;
use egui_material_icons::icons;

use super::fields::{Fields, group_ui, note_ui};
use super::figures::{Figures, are_current};
use super::kinds::Tool;
use super::schedule::curve_ui;
use crate::app::action::{Action, Actions, Panel};
use crate::app::theme;
use crate::app::widgets::field::{self, Field, Number};
use crate::spec::{
    ClassWeights, Device, EarlyStopping, LossKind, MonitoredMetric, OptimizerKind, Precision, Pruning, RecipeError,
    RunConfig, ScheduleKind, StopTarget, TrainConfig,
};

/// Fields that are folded away.
const RARE: [&str; 15] = [
    "train.loss",
    "train.focal_gamma",
    "train.huber_delta",
    "train.class_weights",
    "train.l1",
    "train.decay_all",
    "train.average",
    "train.prune",
    "train.accumulate",
    "train.workers",
    "train.precision",
    "train.recompute",
    "train.time_limit",
    "train.target.metric",
    "train.target.value",
];

/// In a few words: `Adam, 1e-2, cosine, 30 epochs`.
pub fn summary(config: &RunConfig) -> String {
    if config.model.architecture.is_classical() {
        return "fitted in one go".to_owned();
    }
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
    more: &mut bool,
    actions: &mut Actions,
) {
    let is_classical = config.model.architecture.is_classical();
    let (train, defaults) = (&mut config.train, &defaults.train);
    if is_classical {
        field::note_ui(ui, "A baseline is fitted in one go: there is nothing to set");
        wrong_ui(ui, fields);
        return;
    }
    fields.number(ui, "train.epochs", &mut train.epochs, &defaults.epochs, Number::by(0.2));
    let find = Tool {
        icon: icons::ICON_STRAIGHTEN,
        name: "Which batch? Opens the measurement of batch sizes",
    };
    let (look, key) = (Number::by(0.5).counting("sample", "samples"), "train.batch_size");
    if fields.found_number(ui, key, &mut train.batch_size, &defaults.batch_size, look, &find) {
        actions.push(Action::ShowPanel(Some(Panel::Batch)));
    }
    rate_ui(ui, fields, train, defaults, actions);
    let options = ScheduleKind::ALL.map(|kind| (kind, kind.title()));
    fields.choice(ui, "train.schedule", &mut train.schedule, &defaults.schedule, &options);
    schedule_ui(ui, fields, train, defaults);
    curve_ui(ui, figures.map(|figures| &figures.plan), are_current(fields.form));
    optimizer_ui(ui, fields, train, defaults);
    let is_regression = fields.is_regression();
    if fields.sees("train.label_smoothing", !is_regression) {
        let (key, look) = ("train.label_smoothing", Number::by(0.002));
        let smoothing = &mut train.label_smoothing;
        fields.slider(ui, key, smoothing, &defaults.label_smoothing, look, (0.0, 0.5));
    }
    early_stopping_ui(ui, fields, &mut train.early_stopping, is_regression);
    fields.more_ui(ui, more, &RARE, |ui, fields| {
        loss_ui(ui, fields, train, defaults, is_regression);
        penalties_ui(ui, fields, train, defaults);
        resources_ui(ui, fields, train, defaults, actions);
        ends_ui(ui, fields, train, defaults, is_regression);
    });
}

/// What is wrong in settings that do not apply: they must be mended all the same.
fn wrong_ui(ui: &mut Ui, fields: &Fields) {
    let issues = fields.form.checked.as_ref().err().into_iter().flatten();
    for issue in issues.filter(|issue| issue.field.starts_with("train.")) {
        field::problem_ui(ui, &issue.to_string());
    }
}

fn rate_ui(ui: &mut Ui, fields: &mut Fields, train: &mut TrainConfig, defaults: &TrainConfig, actions: &mut Actions) {
    let find = Tool {
        icon: icons::ICON_QUERY_STATS,
        name: "Which rate? Opens the learning-rate finder",
    };
    let (key, mut is_asked) = ("train.learning_rate", false);
    let rate = &mut train.learning_rate;
    fields.show(ui, key, rate, &defaults.learning_rate, |ui, value, typed| {
        let look = Number::by((*value * 0.01).max(1e-7));
        super::kinds::beside_ui(
            ui,
            1,
            |ui| field::slider_ui(ui, value, typed, look, (1e-5, 1.0), "Learning rate"),
            |ui| is_asked = find.ui(ui),
        )
    });
    if is_asked {
        actions.push(Action::ShowPanel(Some(Panel::Rate)));
    }
}

/// The numbers of the schedule.
fn schedule_ui(ui: &mut Ui, fields: &mut Fields, train: &mut TrainConfig, defaults: &TrainConfig) {
    use ScheduleKind as S;
    let has_epochs = matches!(
        train.schedule,
        S::Step | S::Exponential | S::Plateau | S::CosineRestarts
    );
    if fields.sees("train.step_epochs", has_epochs) {
        match train.schedule {
            S::Plateau => fields.called("Patience of drop"),
            S::CosineRestarts => fields.called("First cycle"),
            _ => {}
        }
        let (key, look) = ("train.step_epochs", Number::by(0.1).counting("epoch", "epochs"));
        fields.number(ui, key, &mut train.step_epochs, &defaults.step_epochs, look);
    }
    let has_factor = matches!(train.schedule, S::Step | S::Exponential | S::Plateau);
    if fields.sees("train.step_factor", has_factor) {
        let (key, look) = ("train.step_factor", Number::by(0.005).unit("of the rate"));
        fields.number(ui, key, &mut train.step_factor, &defaults.step_factor, look);
    }
    let (key, look) = ("train.warmup_epochs", Number::by(0.02).counting("epoch", "epochs"));
    fields.number(ui, key, &mut train.warmup_epochs, &defaults.warmup_epochs, look);
}

fn optimizer_ui(ui: &mut Ui, fields: &mut Fields, train: &mut TrainConfig, defaults: &TrainConfig) {
    use OptimizerKind as O;
    let options = O::ALL.map(|kind| (kind, kind.title()));
    fields.choice(
        ui,
        "train.optimizer",
        &mut train.optimizer,
        &defaults.optimizer,
        &options,
    );
    let has_momentum = matches!(train.optimizer, O::Sgd | O::RmsProp);
    if fields.sees("train.momentum", has_momentum) {
        let (key, look) = ("train.momentum", Number::by(0.005));
        fields.slider(ui, key, &mut train.momentum, &defaults.momentum, look, (0.0, 0.99));
    }
    if train.optimizer == O::Sgd {
        fields.switch(ui, "train.nesterov", &mut train.nesterov, &defaults.nesterov);
    }
    let look = Number::by((train.weight_decay * 0.01).max(1e-6));
    let key = "train.weight_decay";
    fields.number(ui, key, &mut train.weight_decay, &defaults.weight_decay, look);
    let (key, look) = ("train.gradient_clip", Number::by(0.01).unit("norm"));
    let clip = &mut train.gradient_clip;
    fields.optional(ui, key, clip, &defaults.gradient_clip, look, 1.0, "off");
}

fn loss_ui(ui: &mut Ui, fields: &mut Fields, train: &mut TrainConfig, defaults: &TrainConfig, is_regression: bool) {
    group_ui(ui, "What counts as an error");
    let options: &[(LossKind, &str)] = if is_regression {
        &[(LossKind::Standard, "squared error"), (LossKind::Huber, "Huber")]
    } else {
        &[(LossKind::Standard, "cross entropy"), (LossKind::Focal, "focal")]
    };
    // A loss that the task lacks is named as long as it is chosen.
    let named = [(LossKind::Focal, "focal"), (LossKind::Huber, "Huber")];
    let stranger = named
        .into_iter()
        .filter(|(kind, _)| *kind == train.loss && options.iter().all(|(option, _)| option != kind));
    let options: Vec<(LossKind, &str)> = options.iter().copied().chain(stranger).collect();
    fields.choice(ui, "train.loss", &mut train.loss, &defaults.loss, &options);
    if fields.sees("train.focal_gamma", train.loss == LossKind::Focal) {
        let (key, look) = ("train.focal_gamma", Number::by(0.02));
        fields.number(ui, key, &mut train.focal_gamma, &defaults.focal_gamma, look);
    }
    if fields.sees("train.huber_delta", train.loss == LossKind::Huber) {
        let (key, look) = (
            "train.huber_delta",
            Number::by(0.01).counting("deviation", "deviations"),
        );
        fields.number(ui, key, &mut train.huber_delta, &defaults.huber_delta, look);
    }
    if fields.sees("train.class_weights", !is_regression) {
        let options = [(ClassWeights::None, "none"), (ClassWeights::Balanced, "balanced")];
        let key = "train.class_weights";
        fields.choice(ui, key, &mut train.class_weights, &defaults.class_weights, &options);
    }
}

fn penalties_ui(ui: &mut Ui, fields: &mut Fields, train: &mut TrainConfig, defaults: &TrainConfig) {
    group_ui(ui, "Against over-fitting");
    let look = Number::by((train.l1 * 0.01).max(1e-6));
    fields.number(ui, "train.l1", &mut train.l1, &defaults.l1, look);
    fields.switch(ui, "train.decay_all", &mut train.decay_all, &defaults.decay_all);
    let (key, look) = ("train.average", Number::by(0.001).unit("decay"));
    let average = &mut train.average;
    fields.optional(ui, key, average, &defaults.average, look, 0.99, "off");
}

fn resources_ui(
    ui: &mut Ui,
    fields: &mut Fields,
    train: &mut TrainConfig,
    defaults: &TrainConfig,
    actions: &mut Actions,
) {
    group_ui(ui, "Speed and memory");
    let (key, look) = ("train.accumulate", Number::by(0.05).counting("batch", "batches"));
    fields.number(ui, key, &mut train.accumulate, &defaults.accumulate, look);
    let measure = Tool {
        icon: icons::ICON_SPEED,
        name: "How many? Opens the measurement of workers",
    };
    let (key, look) = ("train.workers", Number::by(0.02));
    if fields.found_number(ui, key, &mut train.workers, &defaults.workers, look, &measure) {
        actions.push(Action::ShowPanel(Some(Panel::Workers)));
    }
    let options = [
        (Precision::F32, "f32"),
        (Precision::Bf16, "bf16"),
        (Precision::F16, "f16"),
    ];
    fields.choice(
        ui,
        "train.precision",
        &mut train.precision,
        &defaults.precision,
        &options,
    );
    if train.precision != Precision::F32 {
        note_ui(ui, "Saves memory and costs time; the bar below shows the memory");
    }
    fields.switch(ui, "train.recompute", &mut train.recompute, &defaults.recompute);
    let (key, prune) = ("train.prune", &mut train.prune);
    fields.show(ui, key, prune, &defaults.prune, |ui, value, typed| {
        let show = |prune: &Option<Pruning>| prune.as_ref().map_or_else(String::new, ToString::to_string);
        field::text_ui(ui, value, typed, "weights:0.9", show, |text| match text.trim() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|error: RecipeError| error.problem),
        })
    });
}

/// When training ends before its last epoch.
fn ends_ui(ui: &mut Ui, fields: &mut Fields, train: &mut TrainConfig, defaults: &TrainConfig, is_regression: bool) {
    group_ui(ui, "Ends early");
    let (key, look) = ("train.time_limit", Number::by(1.0).unit("s"));
    let limit = &mut train.time_limit;
    fields.optional(ui, key, limit, &defaults.time_limit, look, 600.0, "off");
    let switch = Field {
        label: "Good enough",
        doc: "Ends training as soon as a validation metric reaches a value",
        is_changed: train.target.is_some(),
        is_wide: false,
    };
    let is_reset = switch.show(ui, |ui| {
        let mut is_on = train.target.is_some();
        let response = field::switch_ui(ui, &mut is_on);
        if response.changed() {
            train.target = is_on.then(|| first_target(is_regression));
        }
        if !is_on {
            ui.label(theme::hint(ui, "off"));
        }
        response
    });
    if is_reset {
        train.target = None;
    }
    let Some(target) = &mut train.target else { return };
    let first = first_target(is_regression);
    let options = metrics(is_regression, target.metric);
    fields.choice(ui, "train.target.metric", &mut target.metric, &first.metric, &options);
    fields.number(
        ui,
        "train.target.value",
        &mut target.value,
        &first.value,
        Number::by(0.002),
    );
}

/// What is enough, to begin with.
fn first_target(is_regression: bool) -> StopTarget {
    if is_regression {
        StopTarget {
            metric: MonitoredMetric::R2,
            value: 0.9,
        }
    } else {
        StopTarget::default()
    }
}

/// The metrics that the task has, and the one that is chosen.
fn metrics(is_regression: bool, chosen: MonitoredMetric) -> Vec<(MonitoredMetric, &'static str)> {
    use MonitoredMetric as M;
    let name = |metric: M| match metric {
        M::Loss => "loss",
        M::Accuracy => "accuracy",
        M::F1 => "F1",
        M::R2 => "R2",
        M::Rmse => "RMSE",
    };
    let has = if is_regression {
        [M::Loss, M::R2, M::Rmse]
    } else {
        [M::Loss, M::Accuracy, M::F1]
    };
    let stranger = (!has.contains(&chosen)).then_some(chosen);
    has.into_iter()
        .chain(stranger)
        .map(|metric| (metric, name(metric)))
        .collect()
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
    let options = metrics(is_regression, early.metric);
    let key = "train.early_stopping.metric";
    fields.choice(ui, key, &mut early.metric, &defaults.metric, &options);
    let key = "train.early_stopping.patience";
    let look = Number::by(0.1).counting("epoch", "epochs");
    fields.number(ui, key, &mut early.patience, &defaults.patience, look);
    let key = "train.early_stopping.minimum_improvement";
    let least = &mut early.minimum_improvement;
    let look = Number::by((*least * 0.01).max(1e-5));
    fields.number(ui, key, least, &defaults.minimum_improvement, look);
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
