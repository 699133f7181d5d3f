//! The Compress page: a recipe as a chain of chips, the queue of recipes, each result against its parent.

use egui::Ui;

use crate::app::action::Actions;
use crate::app::state::Model;

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CompressView {}

pub fn compress_ui(_: &mut Ui, _: &Model, _: &mut CompressView, _: &mut Actions) {}
