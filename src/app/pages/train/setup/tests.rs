//! The panel driven by accessible names, over real data read at once.

use std::collections::BTreeSet;

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::fields::{LABELS, label_of};
use super::{SetupView, setup_ui};
use crate::app::action::{Action, Actions};
use crate::app::state::{Form, Model, PreviewState};
use crate::app::theme;
use crate::data;
use crate::inspect::Viewer;
use crate::jobs::{self, Preview};
use crate::spec::{Architecture, EarlyStopping, KEYS, OptimizerKind, RunConfig, ScheduleKind};

/// The model as far as the panel reads it, and what the panel asked for.
#[derive(Default)]
pub(super) struct Stage {
    pub model: Model,
    pub view: SetupView,
    actions: Actions,
    /// What was asked for beside changes of the form.
    asked: Vec<Action>,
}

impl Stage {
    pub fn new(config: RunConfig) -> Self {
        let mut stage = Self::default();
        stage.model.datasets = jobs::datasets();
        stage.model.form = Form::new(config);
        stage.view.open = [true; 4];
        stage.check();
        stage
    }

    fn ui(&mut self, ui: &mut egui::Ui) {
        setup_ui(ui, &self.model, &mut self.view, &mut self.actions);
        for action in std::mem::take(&mut self.actions.0) {
            match action {
                Action::Edit(config) => self.edit(*config),
                Action::ResetForm => self.edit(RunConfig::digits_cnn()),
                other => self.asked.push(other),
            }
        }
    }

    fn edit(&mut self, config: RunConfig) {
        self.model.form.edit(config, false);
        self.check();
    }

    /// As the window does it, but at once.
    pub fn check(&mut self) {
        let form = &mut self.model.form;
        form.preview = match data::load(&form.config.data) {
            Ok(dataset) => {
                let viewer = Viewer::new(&dataset);
                PreviewState::Ready(Box::new(Preview {
                    summary: dataset.summary.clone(),
                    samples: viewer.examples(),
                    points: viewer.points().to_vec(),
                }))
            }
            Err(error) => PreviewState::Failed(error.to_string()),
        };
        form.checked = match &form.preview {
            PreviewState::Ready(preview) => jobs::check(&form.config, &preview.summary).map(Box::new),
            _ => Err(form.config.data.issues()),
        };
    }
}

/// High enough that nothing has to be scrolled to.
fn stage(config: RunConfig) -> Harness<'static, Stage> {
    sized(config, 1440.0, 2400.0)
}

fn sized(config: RunConfig, width: f32, height: f32) -> Harness<'static, Stage> {
    let mut harness = Harness::builder()
        .with_size([width, height])
        .with_max_steps(64)
        .with_context_setup(theme::install)
        .build_ui_state(|ui, stage: &mut Stage| stage.ui(ui), Stage::new(config));
    harness.run();
    harness
}

fn on(source: &str) -> RunConfig {
    let mut config = RunConfig::default();
    source.clone_into(&mut config.data.source);
    config
}

fn config<'a>(harness: &'a Harness<'static, Stage>) -> &'a RunConfig {
    &harness.state().model.form.config
}

/// Puts `text` in the place of what stands in the field.
fn write(harness: &mut Harness<'static, Stage>, field: &str, text: &str) {
    harness.get_by_label(field).focus();
    harness.run();
    harness.key_press_modifiers(egui::Modifiers::COMMAND, Key::A);
    harness.run();
    harness.get_by_label(field).type_text(text);
    harness.run();
}

fn press(harness: &mut Harness<'static, Stage>, name: &str) {
    harness.get_by_label(name).click();
    harness.run();
}

fn says(harness: &Harness<'static, Stage>, text: &str) -> bool {
    harness.query_all_by_label_contains(text).next().is_some()
}

#[test]
fn a_number_is_changed_and_reset() {
    let mut harness = stage(RunConfig::digits_cnn());
    assert!(harness.query_by_label("Reset Epochs").is_none());
    write(&mut harness, "Epochs", "7");
    assert_eq!(config(&harness).train.epochs, 7);
    press(&mut harness, "Reset Epochs");
    assert_eq!(*config(&harness), RunConfig::digits_cnn());
    assert!(harness.query_by_label("Reset Epochs").is_none());
}

#[test]
fn the_whole_form_is_reset_copied_and_pasted_into() {
    let mut harness = stage(on("iris"));
    press(&mut harness, "Reset the set-up");
    assert_eq!(*config(&harness), RunConfig::digits_cnn());
    press(&mut harness, "Copy config");
    press(&mut harness, "Paste config");
    press(&mut harness, "Open a table…");
    let asked = &harness.state().asked;
    assert!(matches!(&asked[0], Action::CopyText(text) if text.contains("source = \"digits\"")));
    assert!(matches!(asked[1], Action::Open(_)));
    assert!(matches!(asked[2], Action::ChooseDataFile));
}

#[test]
fn a_wrong_batch_size_has_its_reason_below_and_costs_nothing() {
    let mut harness = stage(RunConfig::digits_cnn());
    assert!(says(&harness, "Memory in training"));
    write(&mut harness, "Batch size", "0");
    assert_eq!(config(&harness).train.batch_size, 0);
    assert!(says(&harness, "0 is out of range; use 1 to 1000000 samples"));
    assert!(says(&harness, "Cost appears when the settings are right"));
    assert!(says(&harness, "1 to mend"));
    press(&mut harness, "Reset Batch size");
    assert!(!says(&harness, "to mend"));
    assert!(says(&harness, "Memory in training"));
}

#[test]
fn a_convolution_on_a_table_offers_an_mlp() {
    let mut harness = stage(RunConfig {
        data: on("iris").data,
        ..RunConfig::digits_cnn()
    });
    assert!(says(
        &harness,
        "A cnn needs images, and this data is a table; choose mlp or linear"
    ));
    press(&mut harness, "Use an MLP");
    assert_eq!(config(&harness).model.architecture, Architecture::Mlp);
    assert!(harness.state().model.form.plan().is_some());
    assert!(harness.query_by_label("Use an MLP").is_none());
}

#[test]
fn text_that_is_no_list_stays_in_its_field_and_changes_nothing() {
    let mut harness = stage(RunConfig::digits_cnn());
    write(&mut harness, "Filters", "8, 16, many");
    let before = RunConfig::digits_cnn();
    assert_eq!(config(&harness).model.filters, before.model.filters);
    assert!(says(&harness, "\"many\" is not a whole number"));
    // Also without the focus.
    harness.get_by_label("Hidden units").focus();
    harness.run();
    let node = harness.get_by_label("Filters");
    assert_eq!(node.accesskit_node().value().as_deref(), Some("8, 16, many"));
    write(&mut harness, "Filters", "8, 16, 24");
    assert_eq!(config(&harness).model.filters, [8, 16, 24]);
    assert!(!says(&harness, "is not a whole number"));
    press(&mut harness, "Filters: one layer less");
    assert_eq!(config(&harness).model.filters, [8, 16]);
}

#[test]
fn text_that_is_no_number_stays_until_it_is_one() {
    let mut harness = stage(RunConfig::digits_cnn());
    write(&mut harness, "Learning rate", "fast");
    harness.get_by_label("Epochs").focus();
    harness.run();
    assert_eq!(config(&harness).train.learning_rate, 0.01);
    assert!(says(&harness, "\"fast\" is not a number of at least 0"));
    let node = harness.get_by_label("Learning rate");
    assert_eq!(node.accesskit_node().value().as_deref(), Some("fast"));
    write(&mut harness, "Learning rate", "3e-4");
    assert_eq!(config(&harness).train.learning_rate, 3e-4);
    assert!(!says(&harness, "is not a number"));
    write(&mut harness, "Epochs", "2.5");
    press(&mut harness, "Reset Epochs");
    assert_eq!(config(&harness).train.epochs, 30);
    assert!(!says(&harness, "is not a whole number"));
}

#[test]
fn typed_text_goes_when_the_value_is_changed_elsewhere() {
    let mut harness = stage(RunConfig::digits_cnn());
    write(&mut harness, "Hidden units", "64, ?");
    assert!(says(&harness, "is not a whole number"));
    harness.state_mut().edit(RunConfig::default());
    harness.run();
    assert!(!says(&harness, "is not a whole number"));
    let node = harness.get_by_label("Hidden units");
    assert_eq!(node.accesskit_node().value().as_deref(), Some("32"));
}

#[test]
fn another_set_takes_its_own_target() {
    let mut before = on("iris");
    before.data.target = Some("sepal_width".to_owned());
    let mut harness = stage(before);
    press(&mut harness, "Data set");
    press(&mut harness, "moons");
    let data = &config(&harness).data;
    assert_eq!((data.source.as_str(), data.target.as_ref()), ("moons", None));
    assert!(says(&harness, "Scatter of"));
    write(&mut harness, "Points", "40");
    assert!(says(&harness, "40 rows"));
}

#[test]
fn data_that_cannot_be_read_say_so_and_the_rest_stays_usable() {
    let mut harness = stage(on("/nowhere/table.csv"));
    assert!(says(&harness, "The data cannot be used"));
    assert!(says(&harness, "/nowhere/table.csv: cannot be read"));
    write(&mut harness, "Epochs", "3");
    assert_eq!(config(&harness).train.epochs, 3);
    press(&mut harness, "Open another table…");
    assert!(matches!(harness.state().asked[0], Action::ChooseDataFile));
    press(&mut harness, "Data set");
    press(&mut harness, "wine");
    assert!(says(&harness, "178 rows"));
    assert!(harness.state().model.form.plan().is_some());
}

#[test]
fn a_folded_section_says_what_is_in_it() {
    let mut harness = stage(RunConfig::digits_cnn());
    for section in ["Data", "Model", "Training", "Run"] {
        press(&mut harness, &format!("{section} settings"));
    }
    assert!(harness.query_by_label("Epochs").is_none());
    for summary in [
        "digits, 1797 rows, 8 × 8 pixels, 10 classes",
        "CNN 16, 32, dense 64",
        "Adam, 1e-2, cosine, 30 epochs",
        "seed 0, flex",
    ] {
        assert!(says(&harness, summary), "{summary}");
    }
    assert!(says(&harness, "Memory in training"));
}

/// Keys that the form does not show yet.
const FROM_THE_FILE_ALONE: &[&str] = &[
    "data.steps",
    "data.window",
    "data.horizon",
    "data.vocabulary",
    "data.image_size",
    "data.grey",
    "data.memory_mb",
    "data.augment",
    "model.activation",
    "model.initialiser",
    "model.units",
    "model.bidirectional",
    "model.dimensions",
    "model.heads",
    "model.blocks",
    "model.feed_forward",
    "model.positions",
    "model.summary",
    "model.pre_norm",
    "model.patch",
    "model.trees",
    "model.neighbours",
    "model.penalty",
    "model.layers",
    "train.accumulate",
    "train.nesterov",
    "train.decay_all",
    "train.l1",
    "train.loss",
    "train.focal_gamma",
    "train.huber_delta",
    "train.class_weights",
    "train.average",
    "train.precision",
    "train.recompute",
    "train.workers",
    "train.time_limit",
    "train.target.metric",
    "train.target.value",
];

#[test]
fn every_key_has_a_field_where_it_applies() {
    let keys: Vec<&str> = KEYS
        .iter()
        .map(|key| key.path)
        .filter(|path| path.contains('.'))
        .collect();
    assert_eq!(LABELS.map(|(path, _)| path).to_vec(), keys);

    let mut stepwise = RunConfig::digits_cnn();
    stepwise.train.optimizer = OptimizerKind::Sgd;
    stepwise.train.schedule = ScheduleKind::Step;
    stepwise.train.early_stopping = Some(EarlyStopping::default());
    let mut seen = BTreeSet::new();
    for config in [stepwise, on("moons"), on("diabetes")] {
        let harness = stage(config);
        let is_field = |label: &str| {
            let mut nodes = harness.query_all_by_label(label);
            nodes.any(|node| node.accesskit_node().role() != Role::Label)
        };
        seen.extend(keys.iter().copied().filter(|key| is_field(label_of(key))));
    }
    let missing: Vec<&&str> = keys
        .iter()
        .filter(|key| !seen.contains(*key) && !FROM_THE_FILE_ALONE.contains(*key))
        .collect();
    assert!(missing.is_empty(), "no field for {missing:?}");
}

#[test]
fn fields_that_do_not_apply_are_hidden_unless_they_are_wrong() {
    let mut config = RunConfig::digits_cnn();
    let harness = stage(config.clone());
    for label in ["Momentum", "Drop every", "Points", "Noise", "Target column"] {
        assert!(harness.query_by_label(label).is_none(), "{label}");
    }
    config.train.momentum = 2.0;
    let harness = stage(config);
    assert!(harness.query_by_label("Momentum").is_some());
    assert!(says(&harness, "2 is out of range"));
}

#[test]
fn everything_is_reached_by_keyboard() {
    let mut harness = stage(RunConfig::digits_cnn());
    let wanted = [
        "Copy config",
        "Data settings",
        "Data set",
        "Filters",
        "Learning rate",
        "Seed",
    ];
    let mut reached = BTreeSet::new();
    for _ in 0..120 {
        harness.key_press(Key::Tab);
        harness.run();
        reached.extend(
            wanted
                .iter()
                .copied()
                .filter(|name| harness.get_by_label(name).is_focused()),
        );
    }
    assert_eq!(reached, BTreeSet::from(wanted));
}

#[test]
fn it_fits_a_small_window() {
    let harness = sized(RunConfig::digits_cnn(), 1024.0, 632.0);
    let cost = harness.get_by_label_contains("Memory in training ").rect();
    assert!(cost.bottom() < 632.0 && cost.right() < 290.0, "{cost:?}");
}
