//! Keys and dropped files.

use egui::{Event, Key, Ui};

use super::ShellView;
use crate::app::action::{Action, Actions, Command, Page};
use crate::app::state::Model;

/// Turns shortcuts and files dropped on the window into actions.
pub fn keys(ui: &Ui, model: &Model, view: &mut ShellView, actions: &mut Actions) {
    let has_focus = ui.memory(|memory| memory.focused().is_some());
    // The commands with the most modifiers first: Ctrl+Z would take Ctrl+Shift+Z too.
    let mut commands: Vec<Command> = Command::ALL
        .into_iter()
        .filter(|command| command.shortcut().is_some())
        .collect();
    commands.sort_by_key(|command| {
        let modifiers = command
            .shortcut()
            .map_or(egui::Modifiers::NONE, |shortcut| shortcut.modifiers);
        std::cmp::Reverse(usize::from(modifiers.shift) + usize::from(modifiers.command))
    });
    for command in commands {
        let Some(shortcut) = command.shortcut() else { continue };
        let needs_no_focus = shortcut.logical_key == Key::Space;
        if needs_no_focus && (has_focus || model.dialog.is_some()) {
            continue;
        }
        // Within a text field these are the field's own.
        if has_focus && matches!(command, Command::Undo | Command::Redo) && ui.ctx().egui_wants_keyboard_input() {
            continue;
        }
        let refused = || command.refusal(model).map(Action::Refuse);
        let Some(action) = command.action(model).or_else(refused) else {
            continue;
        };
        if ui.input_mut(|input| input.consume_shortcut(&shortcut)) {
            if command == Command::Palette {
                *view = ShellView::default();
            }
            actions.push(action);
        }
    }
    let asks_for_help = |event: &Event| matches!(event, Event::Text(text) if text == "?");
    if !has_focus && model.dialog.is_none() && ui.input(|input| input.events.iter().any(asks_for_help)) {
        actions.push(Action::Open(crate::app::action::Dialog::Shortcuts));
    }
    if ui.input(|input| input.key_pressed(Key::Escape)) {
        if model.dialog.is_some() {
            actions.push(Action::Close);
        } else if model.panel.is_some() && model.page == Page::Train && !has_focus {
            actions.push(Action::ShowPanel(None));
        }
    }
    for file in ui.input(|input| input.raw.dropped_files.clone()) {
        actions.push(Action::UseDataFile(file.path().to_path_buf()));
    }
}
