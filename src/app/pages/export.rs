//! The export: where to, what was written, with sizes and sums.

use egui::Ui;

use crate::app::action::Actions;
use crate::app::state::Model;
use crate::spec::RunId;

#[derive(Debug, Default)]
pub struct ExportView {}

/// The contents of the export dialog of `run`.
pub fn export_ui(_: &mut Ui, _: &Model, _: &mut ExportView, _: RunId, _: &mut Actions) {}
