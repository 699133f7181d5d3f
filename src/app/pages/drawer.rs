//! The drawer of runs: the same list below every page.

use egui::Ui;

use crate::app::action::Actions;
use crate::app::state::Model;

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct DrawerView {}

/// A panel at the foot of the window, folded where `model.drawer_open` is false.
pub fn drawer_ui(_: &mut Ui, _: &Model, _: &mut DrawerView, _: &mut Actions) {}
