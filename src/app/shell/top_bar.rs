//! The top bar: what is configured, run control, progress.

use egui::Ui;

use super::ShellView;
use crate::app::action::Actions;
use crate::app::state::Model;

pub fn top_bar_ui(_: &mut Ui, _: &Model, _: &mut ShellView, _: &mut Actions) {}
