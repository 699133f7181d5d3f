//! The panels driven by accessible names, over real data read at once.

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::{PanelsView, panel_ui};
use crate::app::action::{Action, Actions, Panel};
use crate::app::pages::train::setup::tests::read_at_once;
use crate::app::state::{Form, Model};
use crate::app::theme;
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
    write(&mut harness, "Layer 1 filters", "8");
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
    press(&mut harness, "Move layer 12, dropout up");
    assert!(matches!(layers(&harness).unwrap()[10], LayerSpec::Dropout { .. }));
    press(&mut harness, "Remove layer 11, dropout");
    assert_eq!(layers(&harness).unwrap().len(), 11);
    // By the keys, from the layer's name.
    harness.get_by_label("Layer 2, batch norm").focus();
    harness.run();
    harness.key_press_modifiers(egui::Modifiers::ALT, Key::ArrowDown);
    harness.run();
    assert!(matches!(layers(&harness).unwrap()[2], LayerSpec::BatchNorm));
    harness.get_by_label("Layer 3, batch norm").focus();
    harness.run();
    harness.key_press(Key::Delete);
    harness.run();
    assert_eq!(layers(&harness).unwrap().len(), 10);
}

#[test]
fn a_layer_is_dragged_to_its_place() {
    let mut harness = stage(Panel::Layers, RunConfig::digits_cnn());
    let from = harness.get_by_label("Drag layer 1, convolution").rect().center();
    let to = harness.get_by_label("Drag layer 3, activation").rect().center() + egui::vec2(0.0, 6.0);
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
    press(&mut harness, "Remove layer 9, flatten");
    assert!(says(&harness, "Needs features; put a flatten layer before it"));
    let node = harness.get_by_label("Layer 9, dense");
    let told = node.accesskit_node().description().unwrap();
    assert!(told.contains("put a flatten layer before it"), "{told}");
    assert!(harness.state().model.form.plan().is_none());
    // What does not fit a place can't be added there.
    press(&mut harness, "Layer 8, max pool");
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
    press(&mut harness, "Layer 3, activation");
    press(&mut harness, "Add layer");
    press(&mut harness, "Add residual block");
    let own = layers(&harness).unwrap();
    assert_eq!(own[3..5], [LayerSpec::Branch, LayerSpec::Sum]);
    assert!(harness.state().model.form.plan().is_some());
    press(&mut harness, "Remove the block of layer 5, residual sum");
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
