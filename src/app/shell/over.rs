//! What lies over the page: dialogs, notices, the first steps.

use egui::Ui;

use crate::app::action::Actions;
use crate::app::state::{Model, Views};

pub fn over_ui(_: &mut Ui, _: &Model, _: &mut Views, _: &mut Actions) {}
