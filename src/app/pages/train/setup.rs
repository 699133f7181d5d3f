//! The set-up form: data, model, training, cost.

use egui::Ui;

use crate::app::action::Actions;
use crate::app::state::Model;

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct SetupView {}

/// The panel on the left.
pub fn setup_ui(ui: &mut Ui, model: &Model, _: &mut SetupView, _: &mut Actions) {
    egui::Panel::left("setup").default_size(320.0).show(ui, |ui| {
        ui.label(format!("{} sets", model.datasets.len()));
    });
}
