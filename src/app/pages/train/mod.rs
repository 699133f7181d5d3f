//! The Train page: set-up on the left, live charts, and the tabs below them; in their place, what helps to set up a run.

pub mod live;
pub mod panels;
pub mod setup;
pub mod tabs;

use egui::Ui;

use crate::app::action::Actions;
use crate::app::state::Model;
use crate::app::widgets::chart::ChartView;

/// How the Train page likes to draw.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TrainView {
    pub setup: setup::SetupView,
    pub charts: ChartView,
    pub tabs: tabs::TabsView,
    #[serde(skip)]
    pub panels: panels::PanelsView,
}

pub fn train_ui(ui: &mut Ui, model: &Model, view: &mut TrainView, actions: &mut Actions) {
    setup::setup_ui(ui, model, &mut view.setup, actions);
    if let Some(panel) = model.panel {
        panels::panel_ui(ui, model, &mut view.panels, panel, actions);
        return;
    }
    tabs::tabs_ui(ui, model, &mut view.tabs, actions);
    live::charts_ui(ui, model, &mut view.charts, actions);
}
