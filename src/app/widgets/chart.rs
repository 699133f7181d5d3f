//! Charts of runs over steps, epochs or time.

use egui::Ui;

use crate::app::action::Actions;
use crate::app::state::Model;
use crate::spec::RunId;

/// How charts are drawn: smoothing, axes, zoom. The charts of one view share their crosshair.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ChartView {}

/// What a chart shows of its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Training and validation loss.
    Loss,
    /// Accuracy or R2.
    Score,
    LearningRate,
    GradientNorm,
    /// Predicted bands and measured lines, of the first run.
    Memory,
    /// Samples a second, of the first run.
    Speed,
}

/// One chart in a card, filling `ui`'s available space. The pinned baseline is ghosted behind; the first run has its raw
/// trace behind the smoothed one.
pub fn run_chart_ui(_: &mut Ui, _: Quantity, _: &[RunId], _: &Model, _: &mut ChartView, _: &mut Actions) {}
