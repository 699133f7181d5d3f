//! The live charts: loss, score, memory, speed.

use egui::Ui;

use crate::app::action::Actions;
use crate::app::state::Model;
use crate::app::widgets::chart::ChartView;

/// All charts, in what is left of the page.
pub fn charts_ui(_: &mut Ui, _: &Model, _: &mut ChartView, _: &mut Actions) {}
