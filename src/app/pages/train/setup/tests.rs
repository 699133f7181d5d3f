//! The panel driven by accessible names, over real data read at once.

mod typing;

use std::collections::BTreeSet;

use egui::Key;
use egui::accesskit::{Role, Toggled};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::fields::{LABELS, label_of};
use super::{SetupView, setup_ui};
use crate::app::action::{Action, Actions, Panel};
use crate::app::state::{Form, Model, PreviewState};
use crate::app::theme;
use crate::data;
use crate::inspect::Viewer;
use crate::jobs::{self, Fetchable, Preview};
use crate::spec::{
    Architecture, DataKind, EarlyStopping, Finding, FindingKind, KEYS, LayerSpec, LossKind, OptimizerKind, RunConfig,
    ScheduleKind, StopTarget,
};

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

    pub fn check(&mut self) {
        read_at_once(&mut self.model.form);
    }
}

/// Reads and checks as the window does it, but at once.
pub fn read_at_once(form: &mut Form) {
    form.preview = match data::load(&form.config.data.unaugmented()) {
        Ok(dataset) => {
            let viewer = Viewer::new(&dataset);
            PreviewState::Ready(Box::new(Preview {
                summary: dataset.summary.clone(),
                samples: viewer.examples(),
                points: viewer.points().to_vec(),
                findings: data::health(&dataset).unwrap(),
            }))
        }
        Err(error) => PreviewState::Failed(error.to_string()),
    };
    form.checked = match &form.preview {
        PreviewState::Ready(preview) => jobs::check(&form.config, &preview.summary).map(Box::new),
        _ => Err(form.config.data.issues()),
    };
}

/// High enough that nothing has to be scrolled to.
fn stage(config: RunConfig) -> Harness<'static, Stage> {
    sized(config, 1440.0, 2400.0)
}

fn sized(config: RunConfig, width: f32, height: f32) -> Harness<'static, Stage> {
    shown(Stage::new(config), width, height)
}

fn shown(stage: Stage, width: f32, height: f32) -> Harness<'static, Stage> {
    let mut harness = Harness::builder()
        .with_size([width, height])
        .with_max_steps(64)
        .with_context_setup(theme::install)
        .build_ui_state(|ui, stage: &mut Stage| stage.ui(ui), stage);
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
    press(&mut harness, "Open a file…");
    press(&mut harness, "Open a folder…");
    let asked = &harness.state().asked;
    assert!(matches!(&asked[0], Action::CopyText(text) if text.contains("source = \"digits\"")));
    assert!(matches!(asked[1], Action::Open(_)));
    assert!(matches!(asked[2], Action::ChooseDataFile));
    assert!(matches!(asked[3], Action::ChooseDataFolder));
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
fn noise_is_offered_where_it_plays_a_part() {
    for (source, has_noise) in [("moons", true), ("sines", true), ("brackets", false), ("adding", false)] {
        let mut config = RunConfig::default();
        source.clone_into(&mut config.data.source);
        let harness = stage(config);
        let field = harness.query_all_by_label("Noise").next();
        assert_eq!(field.is_some(), has_noise, "{source}");
    }
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
    press(&mut harness, "Open another file…");
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

/// Keys whose field is seen with this form, all of it unfolded.
fn seen(stage: Stage, keys: &[&'static str]) -> BTreeSet<&'static str> {
    let mut stage = stage;
    stage.view.more = [true; 2];
    stage.view.data.more_open = true;
    let harness = shown(stage, 1440.0, 2600.0);
    let is_field = |name: &str| {
        let mut nodes = harness.query_all_by_label(name);
        nodes.any(|node| node.accesskit_node().role() != Role::Label)
    };
    keys.iter().copied().filter(|key| is_field(label_of(key))).collect()
}

fn with(change: impl FnOnce(&mut RunConfig)) -> Stage {
    let mut config = RunConfig::digits_cnn();
    change(&mut config);
    Stage::new(config)
}

fn of(architecture: Architecture, source: &str) -> Stage {
    with(|config| {
        config.model.architecture = architecture;
        source.clone_into(&mut config.data.source);
    })
}

/// As if the data were of this kind.
fn of_kind(kind: DataKind) -> Stage {
    let mut stage = with(|_| ());
    let PreviewState::Ready(preview) = &mut stage.model.form.preview else {
        panic!("the data are read")
    };
    preview.summary.kind = kind;
    "/somewhere/of/ones/own".clone_into(&mut stage.model.form.config.data.source);
    stage
}

#[test]
fn every_key_has_a_field_where_it_applies() {
    let keys: Vec<&'static str> = KEYS
        .iter()
        .map(|key| key.path)
        .filter(|path| path.contains('.'))
        .collect();
    assert_eq!(LABELS.map(|(path, _)| path).to_vec(), keys);

    let stages = vec![
        with(|config| {
            config.train.optimizer = OptimizerKind::Sgd;
            config.train.schedule = ScheduleKind::Step;
            config.train.loss = LossKind::Focal;
            config.train.early_stopping = Some(EarlyStopping::default());
            config.train.target = Some(StopTarget::default());
        }),
        with(|config| {
            "diabetes".clone_into(&mut config.data.source);
            config.model.architecture = Architecture::Mlp;
            config.train.loss = LossKind::Huber;
        }),
        with(|config| config.model.layers = Some(vec![LayerSpec::Flatten])),
        of(Architecture::Mlp, "moons"),
        of(Architecture::Gru, "digits"),
        of(Architecture::Transformer, "digits"),
        of(Architecture::Knn, "iris"),
        of(Architecture::Forest, "iris"),
        of(Architecture::Logistic, "iris"),
        of_kind(DataKind::Images),
        of_kind(DataKind::Text),
        of_kind(DataKind::Series),
    ];
    let found: BTreeSet<&str> = stages.into_iter().flat_map(|stage| seen(stage, &keys)).collect();
    let missing: Vec<&&str> = keys.iter().filter(|key| !found.contains(*key)).collect();
    assert!(missing.is_empty(), "no field for {missing:?}");
}

#[test]
fn the_first_start_is_calm_and_more_is_one_press_away() {
    let mut harness = stage(RunConfig::digits_cnn());
    let rare = ["Activation", "Loss", "Workers", "Memory"];
    for label in rare {
        assert!(harness.query_by_label(label).is_none(), "{label}");
    }
    for section in ["data", "model", "train"] {
        press(&mut harness, &format!("More {section} settings"));
    }
    for label in rare {
        assert!(
            harness.query_by_label(label).is_some() || says(&harness, label),
            "{label}"
        );
    }
    write(&mut harness, "Workers", "2");
    press(&mut harness, "Less train settings");
    assert!(harness.query_by_label("Workers").is_none());
    assert!(says(&harness, "1 changed"), "what is changed and folded is told");
    // What is wrong unfolds.
    harness.state_mut().edit(RunConfig {
        train: crate::spec::TrainConfig {
            workers: 0,
            ..RunConfig::digits_cnn().train
        },
        ..RunConfig::digits_cnn()
    });
    harness.run();
    assert!(harness.query_by_label("Workers").is_some());
}

#[test]
fn architectures_are_listed_baselines_first_and_misfits_say_why() {
    let mut harness = stage(on("iris"));
    press(&mut harness, "Architecture");
    let top = |name: &str| harness.get_by_role_and_label(Role::Button, name).rect().top();
    assert!(top("Majority") < top("Random forest") && top("Random forest") < top("MLP"));
    let node = harness.get_by_role_and_label(Role::Button, "CNN");
    assert!(node.accesskit_node().is_disabled());
    harness.get_by_role_and_label(Role::Button, "Random forest").click();
    harness.run();
    assert_eq!(config(&harness).model.architecture, Architecture::Forest);
    assert!(says(&harness, "A baseline is fitted in one go"));
    write(&mut harness, "Trees", "30");
    assert_eq!(config(&harness).model.trees, 30);
}

#[test]
fn a_preset_sets_the_widths() {
    let mut harness = stage(RunConfig::digits_cnn());
    let small = harness.get_by_role_and_label(Role::Button, "small");
    assert_eq!(small.accesskit_node().toggled(), Some(Toggled::True));
    press(&mut harness, "medium");
    assert_eq!(config(&harness).model.filters, [32, 64, 64]);
    press(&mut harness, "tiny");
    assert_eq!(config(&harness).model.filters, [8, 16]);
    assert!(harness.state().model.form.plan().is_some());
}

#[test]
fn several_targets_are_chosen_beside_each_other() {
    let mut harness = stage(on("diabetes"));
    press(&mut harness, "Target column");
    press(&mut harness, "Also predict bmi");
    press(&mut harness, "Also predict bp");
    assert_eq!(config(&harness).data.target.as_deref(), Some("bmi, bp"));
    press(&mut harness, "bmi");
    assert_eq!(config(&harness).data.target.as_deref(), Some("bmi"));
}

#[test]
fn panels_are_opened_from_the_fields_that_they_help_with() {
    let mut harness = stage(RunConfig::digits_cnn());
    for name in [
        "Which one? Opens a ranked list with reasons",
        "Edit layers…",
        "Which batch? Opens the measurement of batch sizes",
        "Which rate? Opens the learning-rate finder",
    ] {
        press(&mut harness, name);
    }
    let panels: Vec<Panel> = harness
        .state()
        .asked
        .iter()
        .filter_map(|action| match action {
            Action::ShowPanel(panel) => *panel,
            _ => None,
        })
        .collect();
    assert_eq!(panels, [Panel::Choose, Panel::Layers, Panel::Batch, Panel::Rate]);
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

#[test]
fn a_set_from_the_network_is_got_from_the_list_of_sets() {
    let mut stage = Stage::new(RunConfig::digits_cnn());
    let set = |name: &str, is_there| Fetchable {
        name: name.to_owned(),
        about: "60000 pictures".to_owned(),
        bytes: 11_600_000,
        folder: format!("/nowhere/{name}").into(),
        is_there,
    };
    stage.model.fetchable = vec![set("mnist", false), set("cifar10", true)];
    let mut harness = shown(stage, 1440.0, 2400.0);
    press(&mut harness, "Data set");
    harness.get_by_label("Get mnist").click_accesskit();
    harness.run();
    assert!(matches!(harness.state().asked.last(), Some(Action::Get(name)) if name == "mnist"));
    press(&mut harness, "Data set");
    harness.get_by_label("Get cifar10").click_accesskit();
    harness.run();
    assert_eq!(config(&harness).data.source, "/nowhere/cifar10");
}

#[test]
fn findings_stand_under_the_data_with_what_to_do() {
    let mut stage = Stage::new(on("iris"));
    let PreviewState::Ready(preview) = &mut stage.model.form.preview else {
        panic!("the data are read")
    };
    preview.findings = vec![Finding {
        kind: FindingKind::Leak,
        place: "petal_width".to_owned(),
        count: 1,
        what: "petal_width alone tells the class".to_owned(),
        remedy: "leave the column out if it is not known beforehand".to_owned(),
    }];
    let mut harness = shown(stage, 1440.0, 2400.0);
    assert!(!says(&harness, "Petal_width alone"));
    press(&mut harness, "1 finding in the data");
    assert!(says(&harness, "Petal_width alone tells the class"));
    assert!(says(&harness, "Leave the column out"));
}

#[test]
fn a_field_says_on_hover_what_it_does_what_it_costs_and_what_to_try() {
    let mut harness = stage(RunConfig::digits_cnn());
    let note = crate::advice::note("train.batch_size").unwrap();
    assert!(!says(&harness, &note.does));
    harness.get_by_label("Batch size").hover();
    harness.run();
    for text in [&note.does, &note.costs, &note.attempt] {
        assert!(says(&harness, text), "{text}");
    }
}

#[test]
fn the_panel_stays_as_wide_as_it_was_made_whatever_stands_in_it() {
    let right = |harness: &Harness<'static, Stage>| harness.get_by_label("Reset the set-up").rect().right();
    let mut harness = stage(RunConfig::digits_cnn());
    let before = right(&harness);
    for rate in [0.004_14, 0.000_012_345_678] {
        let mut config = RunConfig::digits_cnn();
        config.train.learning_rate = rate;
        config.model.layers = Some(vec![LayerSpec::Flatten; 12]);
        config.model.filters = vec![128; 30];
        config.data.source = "/a/long/way/to/a/file/with/a/name/that/does/not/fit/beside/its/label.csv".to_owned();
        harness.state_mut().edit(config);
        harness.run();
        for _ in 0..20 {
            harness.step();
        }
        assert_eq!(right(&harness), before, "learning rate {rate}");
    }
}

#[test]
fn titles_of_numbers_stand_over_their_ends() {
    let harness = stage(on("diabetes"));
    let PreviewState::Ready(preview) = &harness.state().model.form.preview else {
        panic!()
    };
    let sample = &preview.samples[0];
    for (name, cell) in sample.columns.iter().zip(&sample.cells).take(3) {
        let right_of = |text: &str| -> Vec<f32> {
            let labels = harness.query_all_by_label(text);
            labels.map(|label| label.rect().right()).collect()
        };
        let (heads, cells) = (right_of(name), right_of(cell));
        let is_over = heads
            .iter()
            .any(|head| cells.iter().any(|cell| (head - cell).abs() < 2.0));
        assert!(is_over, "{name} {heads:?}, {cell} {cells:?}");
    }
}
