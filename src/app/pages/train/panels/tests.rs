//! The panels driven by accessible names, over real data read at once.

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::{PanelsView, panel_ui};
use crate::app::action::{Action, Actions, Panel};
use crate::app::pages::train::setup::tests::read_at_once;
use crate::app::state::{Form, Found, Model};
use crate::app::theme;
use crate::jobs::{
    BatchMeasure, CurvePoint, Finding, LargestBatch, LearningCurve, Probe, RatePoint, RateRange, Spread, WorkerSpeed,
};
use crate::spec::{Architecture, Augmentation, LayerSpec, RunConfig};

struct Stage {
    model: Model,
    view: PanelsView,
    panel: Panel,
    actions: Actions,
    asked: Vec<Action>,
}

impl Stage {
    fn ui(&mut self, ui: &mut egui::Ui) {
        let panel = self.panel;
        egui::CentralPanel::default().show(ui, |ui| {
            panel_ui(ui, &self.model, &mut self.view, panel, &mut self.actions);
        });
        for action in std::mem::take(&mut self.actions.0) {
            match action {
                Action::Edit(config) => {
                    self.model.form.edit(*config, false);
                    read_at_once(&mut self.model.form);
                }
                Action::ShowPanel(Some(panel)) => self.panel = panel,
                other => self.asked.push(other),
            }
        }
    }
}

type Panels = Harness<'static, Stage>;

fn stage(panel: Panel, config: RunConfig) -> Panels {
    let mut model = Model {
        form: Form::new(config),
        ..Model::default()
    };
    read_at_once(&mut model.form);
    let stage = Stage {
        model,
        view: PanelsView::default(),
        panel,
        actions: Actions::default(),
        asked: Vec::new(),
    };
    let mut harness = Harness::builder()
        .with_size([1040.0, 900.0])
        .with_max_steps(64)
        .with_context_setup(theme::install)
        .build_ui_state(|ui, stage: &mut Stage| stage.ui(ui), stage);
    harness.run();
    harness
}

fn press(harness: &mut Panels, name: &str) {
    harness.get_by_label(name).click();
    harness.run();
}

fn write(harness: &mut Panels, field: &str, text: &str) {
    harness.get_by_label(field).focus();
    harness.run();
    harness.key_press_modifiers(egui::Modifiers::COMMAND, Key::A);
    harness.run();
    harness.get_by_label(field).type_text(text);
    harness.run();
}

fn says(harness: &Panels, text: &str) -> bool {
    harness.query_all_by_label_contains(text).next().is_some()
}

fn layers(harness: &Panels) -> Option<&Vec<LayerSpec>> {
    harness.state().model.form.config.model.layers.as_ref()
}

#[test]
fn the_first_change_makes_the_knobs_network_a_list_and_the_way_back_is_kept() {
    let mut harness = stage(Panel::Layers, RunConfig::digits_cnn());
    assert!(says(&harness, "Made by the knobs"));
    assert!(harness.query_by_label("Back to the knobs").is_none());
    write(&mut harness, "Layer 0 filters", "8");
    let own = layers(&harness).unwrap();
    assert!(matches!(own[0], LayerSpec::Conv2d { filters: 8, .. }), "{own:?}");
    assert_eq!(own.len(), 11, "all the layers of the knobs but the output");
    assert!(says(&harness, "Layers of its own"));
    press(&mut harness, "Back to the knobs");
    assert!(layers(&harness).is_none());
    harness.state_mut().model.form.undo();
    harness.run();
    assert!(says(&harness, "Layers of its own"));
}

#[test]
fn layers_are_added_moved_and_removed() {
    let mut harness = stage(Panel::Layers, RunConfig::digits_cnn());
    press(&mut harness, "Add layer");
    press(&mut harness, "Add dropout");
    assert!(matches!(
        layers(&harness).unwrap().last(),
        Some(LayerSpec::Dropout { .. })
    ));
    press(&mut harness, "Move layer 11, dropout up");
    assert!(matches!(layers(&harness).unwrap()[10], LayerSpec::Dropout { .. }));
    press(&mut harness, "Remove layer 10, dropout");
    assert_eq!(layers(&harness).unwrap().len(), 11);
    // By the keys, from the layer's name.
    harness.get_by_label("Layer 1, batch norm").focus();
    harness.run();
    harness.key_press_modifiers(egui::Modifiers::ALT, Key::ArrowDown);
    harness.run();
    assert!(matches!(layers(&harness).unwrap()[2], LayerSpec::BatchNorm));
    harness.get_by_label("Layer 2, batch norm").focus();
    harness.run();
    harness.key_press(Key::Delete);
    harness.run();
    assert_eq!(layers(&harness).unwrap().len(), 10);
}

#[test]
fn a_layer_is_dragged_to_its_place() {
    let mut harness = stage(Panel::Layers, RunConfig::digits_cnn());
    let from = harness.get_by_label("Drag layer 0, convolution").rect().center();
    let to = harness.get_by_label("Drag layer 2, activation").rect().center() + egui::vec2(0.0, 6.0);
    harness.drag_at(from);
    harness.run();
    for step in 1..=4 {
        harness.hover_at(from + (to - from) * step as f32 / 4.0);
        harness.run();
    }
    harness.drop_at(to);
    harness.run();
    let own = layers(&harness).unwrap();
    assert!(matches!(own[2], LayerSpec::Conv2d { .. }), "{own:?}");
}

#[test]
fn a_wrong_chain_is_marked_on_the_layer_with_the_reason() {
    let mut harness = stage(Panel::Layers, RunConfig::digits_cnn());
    press(&mut harness, "Remove layer 8, flatten");
    assert!(says(&harness, "Needs features; put a flatten layer before it"));
    let node = harness.get_by_label("Layer 8, dense");
    let told = node.accesskit_node().description().unwrap();
    assert!(told.contains("put a flatten layer before it"), "{told}");
    assert!(harness.state().model.form.plan().is_none());
    // What does not fit a place can't be added there.
    press(&mut harness, "Layer 7, max pool");
    press(&mut harness, "Add layer");
    let node = harness.get_by_label("Add self-attention");
    assert!(node.accesskit_node().is_disabled());
    press(&mut harness, "Add flatten");
    assert!(harness.state().model.form.plan().is_some());
    assert!(
        harness
            .query_by_label_contains("put a flatten layer before it")
            .is_none()
    );
}

#[test]
fn a_residual_block_comes_and_goes_with_both_ends() {
    let mut harness = stage(Panel::Layers, RunConfig::digits_cnn());
    press(&mut harness, "Layer 2, activation");
    press(&mut harness, "Add layer");
    press(&mut harness, "Add residual block");
    let own = layers(&harness).unwrap();
    assert_eq!(own[3..5], [LayerSpec::Branch, LayerSpec::Sum]);
    assert!(harness.state().model.form.plan().is_some());
    press(&mut harness, "Remove the block of layer 4, residual sum");
    assert_eq!(layers(&harness).unwrap().len(), 11);
}

#[test]
fn a_baseline_has_no_layers_and_says_so() {
    let mut config = RunConfig::digits_cnn();
    config.model.architecture = Architecture::Forest;
    let harness = stage(Panel::Layers, config);
    assert!(says(&harness, "Random forest has no layers"));
}

#[test]
fn every_number_of_the_layers_has_a_name() {
    let harness = stage(Panel::Layers, RunConfig::digits_cnn());
    let unnamed = harness.query_all_by_role(Role::SpinButton);
    let unnamed: Vec<_> = unnamed.filter(|node| node.accesskit_node().label().is_none()).collect();
    assert!(unnamed.is_empty(), "{}", unnamed.len());
}

fn changes(harness: &Panels) -> &[Augmentation] {
    &harness.state().model.form.config.data.augment
}

#[test]
fn augmentation_is_an_ordered_list() {
    let mut harness = stage(Panel::Augmentation, RunConfig::digits_cnn());
    assert!(says(&harness, "Nothing is changed yet"));
    for name in ["Add shift", "Add rotate"] {
        press(&mut harness, "Add change");
        press(&mut harness, name);
    }
    press(&mut harness, "Move rotate up");
    write(&mut harness, "Rotate, strength", "15");
    let expected = [
        Augmentation::Rotate { degrees: 15.0 },
        Augmentation::Shift { pixels: 2.0 },
    ];
    assert_eq!(changes(&harness), expected);
    press(&mut harness, "Add change");
    assert!(harness.get_by_label("Add time warp").accesskit_node().is_disabled());
    harness.key_press(Key::Escape);
    harness.run();
    write(&mut harness, "Rotate, strength", "500");
    assert!(says(&harness, "Rotate needs degrees from 0 to 180"));
    press(&mut harness, "Remove rotate");
    assert_eq!(changes(&harness), expected[1..].to_vec());
}

#[test]
fn the_strip_leads_from_panel_to_panel_and_back() {
    let mut harness = stage(Panel::Layers, RunConfig::digits_cnn());
    press(&mut harness, "Augmentation");
    assert_eq!(harness.state().panel, Panel::Augmentation);
    press(&mut harness, "Back to the charts");
    assert!(matches!(harness.state().asked.last(), Some(Action::ShowPanel(None))));
}

#[test]
fn a_choice_is_taken_with_its_reasons_and_the_baselines_are_queued() {
    let mut harness = stage(Panel::Choose, RunConfig::default());
    assert!(says(&harness, "For digits"));
    let before = harness.state().model.form.config.clone();
    press(&mut harness, "Take CNN");
    let config = &harness.state().model.form.config;
    assert_eq!(config.model.architecture, Architecture::Cnn);
    assert_eq!((&config.data, &config.run), (&before.data, &before.run));
    assert!(says(&harness, "in the set-up"));
    harness.state_mut().model.form.undo();
    assert_eq!(harness.state().model.form.config, before, "one step of undo");
    press(&mut harness, "Run the baselines first");
    let Some(Action::TrainAll(configs)) = harness.state().asked.last() else {
        panic!("the baselines are asked for")
    };
    let is_baseline = |config: &RunConfig| {
        let architecture = config.model.architecture;
        architecture.is_classical() || architecture == Architecture::Mlp
    };
    assert!(configs.len() >= 4 && configs.iter().all(is_baseline));
}

#[test]
fn what_does_not_fit_is_left_out_with_the_reason() {
    let mut config = RunConfig::default();
    "iris".clone_into(&mut config.data.source);
    let harness = stage(Panel::Choose, config);
    assert!(harness.query_by_label("Take CNN").is_none());
    assert!(says(&harness, "CNN: a cnn needs images"));
}

fn found(harness: &mut Panels, finding: Finding) {
    let config = harness.state().model.form.config.clone();
    let finding = Box::new(finding);
    harness.state_mut().model.found.push(Found { config, finding });
    harness.run();
}

#[test]
fn the_suggested_rate_is_one_press_away() {
    let mut harness = stage(Panel::Rate, RunConfig::digits_cnn());
    press(&mut harness, "Find a learning rate");
    let asked = harness.state().asked.last();
    assert!(matches!(asked, Some(Action::Probe(Probe::LearningRate))));
    let point = |step: i32| RatePoint {
        learning_rate: 10_f64.powf(f64::from(step) / 10.0 - 6.0),
        loss: 2.3 - 0.02 * f64::from(step),
        smoothed: 2.3 - 0.02 * f64::from(step),
    };
    let range = RateRange {
        points: (0..60).map(point).collect(),
        steepest: Some(0.003_127),
        lowest: Some(0.05),
        suggested: Some(0.003_127),
        blew_up: true,
    };
    found(&mut harness, Finding::LearningRate(range));
    assert!(says(
        &harness,
        "Loss against learning rate, 60 steps; suggested 0.00313"
    ));
    press(&mut harness, "Use the suggested rate 0.00313");
    assert_eq!(harness.state().model.form.config.train.learning_rate, 0.003_13);
    assert!(says(&harness, "in the set-up"));
    assert!(
        !says(&harness, "have been changed since"),
        "the rate itself is no other setting"
    );
    harness.state_mut().model.form.undo();
    assert_eq!(
        harness.state().model.form.config,
        RunConfig::digits_cnn(),
        "one step of undo"
    );
    let mut other = RunConfig::digits_cnn();
    other.model.filters = vec![4];
    harness.state_mut().model.form.edit(other, false);
    harness.run();
    assert!(says(&harness, "have been changed since"));
}

#[test]
fn batches_and_workers_are_measured_and_used() {
    let mut harness = stage(Panel::Batch, RunConfig::digits_cnn());
    write(&mut harness, "Memory that a step may take", "64");
    press(&mut harness, "Find the largest batch");
    let Some(Action::Probe(Probe::LargestBatch { budget_bytes })) = harness.state().asked.last() else {
        panic!("it is asked for")
    };
    assert_eq!(*budget_bytes, 64_000_000);
    press(&mut harness, "Time the batches");
    assert!(matches!(
        harness.state().asked.last(),
        Some(Action::Probe(Probe::Throughput))
    ));
    let measure = |batch_size: usize| BatchMeasure {
        batch_size,
        samples_per_second: 100.0 * batch_size as f64,
        peak_bytes: 1000 * batch_size as u64,
    };
    let largest = LargestBatch {
        budget_bytes: 64_000_000,
        found: Some(measure(128)),
        is_all_rows: false,
        measured: vec![measure(64), measure(128)],
    };
    found(&mut harness, Finding::LargestBatch(largest));
    assert!(says(&harness, "The largest batch within 64.0 MB is 128"));
    press(&mut harness, "Use a batch of 128");
    assert_eq!(harness.state().model.form.config.train.batch_size, 128);
    press(&mut harness, "Workers");
    press(&mut harness, "Measure the workers");
    assert!(matches!(
        harness.state().asked.last(),
        Some(Action::Probe(Probe::Workers))
    ));
    let speed = |workers: usize, speed_up: f64| WorkerSpeed {
        workers,
        samples_per_second: 1000.0 * speed_up,
        speed_up,
    };
    let speeds = vec![speed(1, 1.0), speed(2, 1.7)];
    found(
        &mut harness,
        Finding::Workers {
            batch_size: 128,
            speeds,
        },
    );
    assert!(says(&harness, "1.70 times"));
    press(&mut harness, "Use 2 workers");
    assert_eq!(harness.state().model.form.config.train.workers, 2);
}

#[test]
fn the_learning_curve_says_what_it_means() {
    let mut harness = stage(Panel::LearningCurve, RunConfig::digits_cnn());
    press(&mut harness, "Draw the learning curve");
    let asked = harness.state().asked.last();
    assert!(matches!(asked, Some(Action::Probe(Probe::LearningCurve { .. }))));
    let point = |rows: usize, mean: f64| CurvePoint {
        rows,
        train: Spread { mean: 1.0, sd: 0.0 },
        test: Spread { mean, sd: 0.01 },
    };
    let curve = LearningCurve {
        score: "accuracy",
        folds: 3,
        points: vec![point(100, 0.8), point(1000, 0.95)],
        advice: "more rows would help".to_owned(),
    };
    found(&mut harness, Finding::LearningCurve(curve));
    assert!(says(&harness, "More rows would help"));
    assert!(says(&harness, "0.950 with 1000 rows"));
}

#[test]
fn a_baseline_is_not_measured_step_by_step() {
    let mut config = RunConfig::digits_cnn();
    config.model.architecture = Architecture::Forest;
    let harness = stage(Panel::Rate, config);
    let button = harness.get_by_label("Find a learning rate");
    assert!(button.accesskit_node().is_disabled());
}
