//! The five first steps, in a strip below the top bar until it is closed.

use egui::{Align, Button, Frame, Label, Layout, Margin, Panel, RichText, Ui};
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
    let tokens = Tokens::of(ui);
    let frame = Frame::NONE.fill(tokens.card).inner_margin(Margin::symmetric(12, 4));
    Panel::top("first steps").frame(frame).resizable(false).show(ui, |ui| {
        ui.horizontal(|ui| {
            // The button first: the words get what room it leaves.
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let close = ui.add(Button::new(theme::icon(icons::ICON_CLOSE).size(14.0)).frame(false));
                close.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Hide the first steps"));
                if close.on_hover_text("Hide the first steps").clicked() {
                    actions.push(Action::ShowHints(false));
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| steps_ui(ui, steps, actions));
            });
        });
    });
}

/// What is done, what comes next, and what is left.
fn steps_ui(ui: &mut Ui, steps: [(&str, bool, Action); 5], actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    let next = steps.iter().position(|(_, done, _)| !done);
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
            let named = || egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Step {}: {name}", place + 1));
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
        let text = theme::label(
            ui,
            "That is the whole path: export what you like from the menu of its run",
        );
        ui.add(Label::new(text).truncate());
    }
}

#[cfg(test)]
mod tests {
    use egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::tests::models::{child, row, scene, with_runs};

    #[test]
    fn the_strip_is_closed_at_every_width() {
        for width in [800.0, 1024.0, 1440.0] {
            for visited in [false, true] {
                let parent = row(1, "digits-cnn");
                let mut model = with_runs(vec![parent.clone(), child(2, &parent, "fp16")]);
                (model.visited_compare, model.visited_try) = (true, visited);
                let builder = Harness::builder().with_size([width, 120.0]);
                let mut stage = scene(builder, model, (), |ui, model, (), actions| {
                    hints_ui(ui, model, actions);
                });
                stage.run();
                let button = stage.get_by_role_and_label(Role::Button, "Hide the first steps");
                assert!(button.rect().right() <= width - 12.0, "{:?} of {width}", button.rect());
                button.click();
                stage.run();
                let asked = &stage.state().asked;
                assert!(matches!(asked[..], [Action::ShowHints(false)]), "{asked:?}");
            }
        }
    }
}
