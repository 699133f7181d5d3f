//! What helps to set up a run, in the place of the charts: advice, the layers, augmentation, measurements made before training.

mod augment;
mod choose;
mod layers;
mod list;
mod probes;
#[cfg(test)]
mod tests;

use egui::{Button, Margin, Ui};
use egui_material_icons::icons;

use crate::app::action::{Action, Actions, Panel};
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};

/// How the panels like to draw.
#[derive(Debug, Default)]
pub struct PanelsView {
    choose: choose::ChooseView,
    layers: layers::LayersView,
    augment: augment::AugmentView,
    probes: probes::ProbesView,
}

/// The panel, in what is left of the page.
pub fn panel_ui(ui: &mut Ui, model: &Model, view: &mut PanelsView, panel: Panel, actions: &mut Actions) {
    let frame = theme::card(ui).inner_margin(Margin::symmetric(12, 6));
    frame.show(ui, |ui| {
        ui.set_min_size(ui.available_size());
        strip_ui(ui, panel, actions);
        ui.add_space(theme::SPACE[1]);
        ui.push_id(panel, |ui| match panel {
            Panel::Choose => choose::choose_ui(ui, model, &mut view.choose, actions),
            Panel::Layers => layers::layers_ui(ui, model, &mut view.layers, actions),
            Panel::Augmentation => augment::augment_ui(ui, model, &mut view.augment, actions),
            Panel::Rate => probes::rate_ui(ui, model, actions),
            Panel::Batch => probes::batch_ui(ui, model, &mut view.probes, actions),
            Panel::Workers => probes::workers_ui(ui, model, actions),
            Panel::LearningCurve => probes::curve_ui(ui, model, actions),
        });
    });
}

/// The way back, and from one panel to another.
fn strip_ui(ui: &mut Ui, shown: Panel, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    ui.horizontal_wrapped(|ui| {
        let is_narrow = ui.available_width() < 700.0;
        ui.spacing_mut().item_spacing = egui::vec2(theme::SPACE[if is_narrow { 2 } else { 3 }], 0.0);
        ui.spacing_mut().button_padding.x = 0.0;
        let words = (
            theme::icon(icons::ICON_ARROW_BACK).size(16.0).color(tokens.accent),
            theme::strong("Charts").color(tokens.accent),
        );
        let back = ui
            .add(Button::new(words).frame(false))
            .accessible_name("Back to the charts");
        if back.on_hover_text("Back to the charts (Esc)").clicked() {
            actions.push(Action::ShowPanel(None));
        }
        for panel in Panel::ALL {
            let is_shown = panel == shown;
            let text = theme::strong(panel.name()).color(if is_shown { tokens.text } else { tokens.text_soft });
            let response = ui.add(Button::new(text).frame(false));
            response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Tab, true, is_shown, panel.name()));
            if is_shown || response.hovered() {
                let colour = if is_shown { tokens.accent } else { tokens.line };
                let line = response.rect.with_min_y(response.rect.bottom() - 2.0);
                ui.painter().rect_filled(line, 1, colour);
            }
            if response.on_hover_text(purpose(panel)).clicked() {
                actions.push(Action::ShowPanel(Some(panel)));
            }
        }
    });
}

/// What a panel is for.
fn purpose(panel: Panel) -> &'static str {
    match panel {
        Panel::Choose => "Which architecture suits the data, and why",
        Panel::Layers => "The layers themselves: add, remove, reorder, change",
        Panel::Augmentation => "Changes to training samples, seen before and after",
        Panel::Rate => "Finds a learning rate by a short test",
        Panel::Batch => "Finds the largest batch that fits, and the fastest",
        Panel::Workers => "Measures what more workers gain on this machine",
        Panel::LearningCurve => "Whether more data would help",
    }
}

/// An empty place: what it waits for.
fn empty_ui(ui: &mut Ui, what: &str, why: &str) {
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() / 3.0).max(8.0));
        ui.label(theme::label(ui, what));
        ui.label(theme::hint(ui, why));
    });
}
