//! The queue: the job at work and those that wait.

use egui::Ui;

use crate::app::action::Actions;
use crate::app::state::Model;

/// The contents of the queue dialog.
pub fn queue_ui(_: &mut Ui, _: &Model, _: &mut Actions) {}
