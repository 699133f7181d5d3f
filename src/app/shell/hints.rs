//! The five first steps, in a strip below the top bar until it is closed.

use egui::{Align, Button, Frame, Layout, Margin, Panel, RichText, Ui};
use egui_material_icons::icons;

use crate::app::action::{Action, Actions, Page};
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::spec::RunStatus;

/// The strip, with what is done ticked off and the next step to be pressed.
pub fn hints_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let rows = model.runs.rows();
    let has_finished = rows.iter().any(|row| row.run.status == RunStatus::Finished);
    let has_child = rows
        .iter()
        .any(|row| row.origin.is_some() && row.run.status == RunStatus::Finished);
    let steps: [(&str, bool, Action); 5] = [
        ("Press Run", !rows.is_empty(), Action::Train),
        ("Watch it learn", has_finished, Action::Go(Page::Train)),
        ("Compress it", has_child, Action::Go(Page::Compress)),
        ("Compare", model.visited_compare, Action::Go(Page::Compare)),
        ("Try it", model.visited_try, Action::Go(Page::TryIt)),
    ];
    let next = steps.iter().position(|(_, done, _)| !done);
    let tokens = Tokens::of(ui);
    let frame = Frame::NONE.fill(tokens.card).inner_margin(Margin::symmetric(12, 4));
    Panel::top("first steps").frame(frame).resizable(false).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.label(theme::label(ui, "First steps"));
            for (place, (name, done, action)) in steps.into_iter().enumerate() {
                ui.add_space(theme::SPACE[1]);
                let is_next = next == Some(place);
                if done {
                    ui.label(theme::icon(icons::ICON_CHECK).size(14.0).color(tokens.good));
                    ui.label(RichText::new(name).color(tokens.text_soft));
                } else if is_next {
                    let text = theme::strong(format!("{}  {name}", place + 1)).color(tokens.accent);
                    let response = ui.add(Button::new(text).frame(false));
                    let named =
                        || egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Step {}: {name}", place + 1));
                    response.widget_info(named);
                    if response.clicked() {
                        actions.push(action);
                    }
                } else {
                    ui.label(RichText::new(format!("{}  {name}", place + 1)).color(tokens.text_faint));
                }
            }
            if next.is_none() {
                ui.add_space(theme::SPACE[1]);
                ui.label(theme::label(
                    ui,
                    "That is the whole path: export what you like from the menu of its run",
                ));
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let close = ui.add(Button::new(theme::icon(icons::ICON_CLOSE).size(14.0)).frame(false));
                close.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Hide the first steps"));
                if close.on_hover_text("Hide the first steps").clicked() {
                    actions.push(Action::ShowHints(false));
                }
            });
        });
    });
}
