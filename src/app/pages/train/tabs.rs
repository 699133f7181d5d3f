//! What is under the charts: decision surface, confusion matrix, worst samples, weights, log.

use egui::Ui;

use crate::app::action::Actions;
use crate::app::state::Model;

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TabsView {}

/// A panel at the foot of the page.
pub fn tabs_ui(_: &mut Ui, _: &Model, _: &mut TabsView, _: &mut Actions) {}
