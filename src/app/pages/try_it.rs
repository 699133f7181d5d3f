//! The Try it page: exported networks answer what a person draws, types or chooses.

use egui::Ui;

use crate::app::action::Actions;
use crate::app::state::Model;

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TryView {}

pub fn try_ui(_: &mut Ui, _: &Model, _: &mut TryView, _: &mut Actions) {}
