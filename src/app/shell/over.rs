//! What lies over the page: dialogs and notices.

use egui::{Align, Align2, Area, Id, Key, Layout, Modal, Order, RichText, ScrollArea, TextEdit, Ui, vec2};
use egui_material_icons::icons;

use super::ShellView;
use super::queue::queue_ui;
use crate::app::action::{Action, Actions, Command, Dialog};
use crate::app::pages::export;
use crate::app::state::{Model, Notice, Tone, Views};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::samples::asked_samples_ui;
use crate::spec::parse_config;

/// Seconds that a notice stays on the screen; one that is bad, or has a button, stays longer.
const STAY_SECS: f64 = 5.0;
const STAY_LONGER_SECS: f64 = 12.0;
/// Notices on the screen at once.
const AT_ONCE: usize = 4;

pub fn over_ui(ui: &mut Ui, model: &Model, views: &mut Views, actions: &mut Actions) {
    if views.shell.dialog != model.dialog {
        views.shell = ShellView {
            dialog: model.dialog,
            wants_focus: true,
            ..ShellView::default()
        };
    }
    if let Some(dialog) = model.dialog {
        let id = Id::unique("dialog");
        let frame = egui::Frame::window(ui.style()).inner_margin(egui::Margin::same(16));
        let modal = Modal::new(id).frame(frame).show(ui, |ui| {
            let available = ui.ctx().content_rect().size();
            ui.set_max_height(available.y - 120.0);
            ui.set_width(width_of(dialog).min(available.x - 64.0));
            dialog_ui(ui, dialog, model, views, actions);
        });
        if modal.should_close() {
            actions.push(Action::Close);
        }
    }
    asked_samples_ui(ui, model, actions);
    notices_ui(ui, model, actions);
}

fn width_of(dialog: Dialog) -> f32 {
    match dialog {
        Dialog::Palette | Dialog::Shortcuts | Dialog::Settings => 440.0,
        Dialog::Notices | Dialog::Queue => 560.0,
        Dialog::Export(_) | Dialog::PasteConfig => 680.0,
    }
}

fn dialog_ui(ui: &mut Ui, dialog: Dialog, model: &Model, views: &mut Views, actions: &mut Actions) {
    let title = match dialog {
        Dialog::Palette => "All actions",
        Dialog::Shortcuts => "Keyboard shortcuts",
        Dialog::Notices => "Past notices",
        Dialog::Settings => "Settings",
        Dialog::Queue => "Queue",
        Dialog::Export(_) => "Export",
        Dialog::PasteConfig => "Paste a configuration",
    };
    ui.horizontal(|ui| {
        ui.label(theme::title(title));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let response = ui.add(egui::Button::new(theme::icon(icons::ICON_CLOSE)).frame(false));
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Close"));
            if response.on_hover_text("Close (Esc)").clicked() {
                actions.push(Action::Close);
            }
        });
    });
    ui.add_space(theme::SPACE[1]);
    match dialog {
        Dialog::Palette => palette_ui(ui, model, &mut views.shell, actions),
        Dialog::Shortcuts => shortcuts_ui(ui),
        Dialog::Notices => history_ui(ui, model),
        Dialog::Settings => settings_ui(ui, model, actions),
        Dialog::Queue => queue_ui(ui, model, actions),
        Dialog::Export(run) => export::export_ui(ui, model, &mut views.export, run, actions),
        Dialog::PasteConfig => paste_ui(ui, &mut views.shell, actions),
    }
}

/// A search field and every command that makes sense now.
fn palette_ui(ui: &mut Ui, model: &Model, view: &mut ShellView, actions: &mut Actions) {
    let edit = TextEdit::singleline(&mut view.search)
        .hint_text("Type a few letters")
        .desired_width(f32::INFINITY);
    let response = ui.add(edit);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Search actions"));
    if !response.has_focus() {
        response.request_focus();
    }
    let words: Vec<String> = view
        .search
        .to_lowercase()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let found: Vec<(Command, Action)> = Command::ALL
        .into_iter()
        .filter(|command| *command != Command::Palette)
        .filter(|command| {
            let name = command.name().to_lowercase();
            words.iter().all(|word| name.contains(word))
        })
        .filter_map(|command| Some((command, command.action(model)?)))
        .collect();
    if response.changed() {
        view.line = 0;
    }
    let (up, down, enter) = ui.input_mut(|input| {
        (
            input.consume_key(egui::Modifiers::NONE, Key::ArrowUp),
            input.consume_key(egui::Modifiers::NONE, Key::ArrowDown),
            input.key_pressed(Key::Enter),
        )
    });
    view.line = (view.line + usize::from(down))
        .saturating_sub(usize::from(up))
        .min(found.len().saturating_sub(1));
    let mut chosen = enter.then_some(view.line);
    ui.add_space(theme::SPACE[0]);
    ScrollArea::vertical()
        .max_height(340.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            for (place, (command, _)) in found.iter().enumerate() {
                let shortcut = command
                    .shortcut()
                    .map_or_else(String::new, |shortcut| ui.ctx().format_shortcut(&shortcut));
                let text = egui::Button::selectable(place == view.line, command.name())
                    .right_text(theme::hint(ui, shortcut))
                    .min_size(vec2(ui.available_width(), theme::CONTROL_HEIGHT));
                let response = ui.add(text);
                if place == view.line && (up || down) {
                    response.scroll_to_me(None);
                }
                if response.clicked() {
                    chosen = Some(place);
                }
            }
            if found.is_empty() {
                ui.label(theme::label(ui, "No action has these words"));
            }
        });
    if let Some((_, action)) = chosen.and_then(|place| found.into_iter().nth(place)) {
        // The dialog closes first: the action may open another one.
        actions.push(Action::Close);
        actions.push(action);
    }
}

fn shortcuts_ui(ui: &mut Ui) {
    egui::Grid::new("shortcuts")
        .num_columns(2)
        .spacing([24.0, 6.0])
        .show(ui, |ui| {
            for command in Command::ALL {
                // Pause and going on share a key.
                if let Some(shortcut) = command.shortcut().filter(|_| command != Command::Continue) {
                    ui.label(theme::number(ui.ctx().format_shortcut(&shortcut)));
                    ui.label(match command {
                        Command::Pause => "Pause the run, or go on with it (while no field has the focus)",
                        _ => command.name(),
                    });
                    ui.end_row();
                }
            }
            for (keys, what) in [
                ("?", "These shortcuts (while no field has the focus)"),
                ("Esc", "Close what is on top"),
                ("Tab", "Next field or button; Space or Enter presses it"),
            ] {
                ui.label(theme::number(keys));
                ui.label(what);
                ui.end_row();
            }
        });
}

fn history_ui(ui: &mut Ui, model: &Model) {
    if model.notices.all.is_empty() {
        ui.label(theme::label(ui, "Nothing has been said yet"));
        return;
    }
    ScrollArea::vertical()
        .max_height(420.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            for notice in model.notices.all.iter().rev() {
                ui.horizontal_top(|ui| {
                    ui.label(tone_icon(ui, notice.tone));
                    ui.add(egui::Label::new(&notice.text).wrap().selectable(true));
                });
            }
        });
}

fn settings_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    ui.label(theme::strong("Theme"));
    ui.horizontal(|ui| {
        for (theme, name) in [
            (egui::ThemePreference::System, "System"),
            (egui::ThemePreference::Light, "Light"),
            (egui::ThemePreference::Dark, "Dark"),
        ] {
            if ui.selectable_label(model.theme == theme, name).clicked() {
                actions.push(Action::SetTheme(theme));
            }
        }
    });
    ui.add_space(theme::SPACE[2]);
    ui.label(theme::strong("First steps"));
    let mut hints = model.hints;
    if ui.checkbox(&mut hints, "Show the five steps over the page").changed() {
        actions.push(Action::ShowHints(hints));
    }
    ui.add_space(theme::SPACE[2]);
    ui.label(theme::strong("Where runs are kept"));
    ui.add(
        egui::Label::new(theme::number(model.home.display().to_string()))
            .wrap()
            .selectable(true),
    );
}

fn paste_ui(ui: &mut Ui, view: &mut ShellView, actions: &mut Actions) {
    ui.label(theme::label(
        ui,
        "The TOML of a configuration: from a file, a colleague, or \"Copy config\" of a run",
    ));
    ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
        let edit = TextEdit::multiline(&mut view.pasted)
            .code_editor()
            .desired_rows(14)
            .hint_text(theme::hint(ui, "[data]\nsource = \"digits\"").monospace())
            .desired_width(f32::INFINITY);
        let response = ui.add(edit);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Configuration text"));
        if view.wants_focus {
            view.wants_focus = !response.has_focus();
            response.request_focus();
        }
        if response.changed() {
            view.refusal.clear();
        }
    });
    refusal_ui(ui, &view.refusal);
    ui.horizontal(|ui| {
        let is_enabled = !view.pasted.trim().is_empty();
        let button = theme::primary_button(
            ui,
            RichText::new("Take it into the form").color(Tokens::of(ui).on_accent),
        );
        if ui.add_enabled(is_enabled, button).clicked() {
            match parse_config(&view.pasted, &[]) {
                Ok(config) => actions.push(Action::PasteConfig(Box::new(config))),
                Err(error) => view.refusal = error.to_string(),
            }
        }
        if ui.button("Cancel").clicked() {
            actions.push(Action::Close);
        }
    });
}

/// Why a configuration is not taken. A mark below a place of the text needs characters of equal width, and whole lines.
fn refusal_ui(ui: &mut Ui, refusal: &str) {
    if refusal.is_empty() {
        return;
    }
    let has_mark = refusal.contains('\n');
    let text = theme::number(refusal).size(12.0).color(Tokens::of(ui).bad);
    let label = egui::Label::new(text).selectable(true);
    ScrollArea::both()
        .id_salt("refusal")
        .max_height(140.0)
        .auto_shrink([false, true])
        .show(ui, |ui| ui.add(if has_mark { label.extend() } else { label.wrap() }));
}

fn tone_icon(ui: &Ui, tone: Tone) -> RichText {
    let tokens = Tokens::of(ui);
    let (icon, colour) = match tone {
        Tone::Good => (icons::ICON_CHECK, tokens.good),
        Tone::Info => (icons::ICON_INFO, tokens.accent),
        Tone::Warn => (icons::ICON_WARNING, tokens.warn),
        Tone::Bad => (icons::ICON_ERROR, tokens.bad),
    };
    theme::icon(icon).color(colour)
}

/// The latest notices, at the lower right, above the drawer's edge.
fn notices_ui(ui: &Ui, model: &Model, actions: &mut Actions) {
    let stay = |notice: &Notice| match (notice.tone, &notice.offer) {
        (Tone::Bad | Tone::Warn, _) | (_, Some(_)) => STAY_LONGER_SECS,
        _ => STAY_SECS,
    };
    let now = ui.input(|input| input.time);
    let fresh: Vec<(usize, &Notice)> = model
        .notices
        .all
        .iter()
        .enumerate()
        .filter(|(_, notice)| !notice.is_dismissed && now - notice.said_at < stay(notice))
        .collect();
    if fresh.is_empty() {
        return;
    }
    let soonest = fresh
        .iter()
        .map(|(_, notice)| notice.said_at + stay(notice) - now)
        .fold(f64::INFINITY, f64::min);
    ui.ctx().request_repaint_after_secs(soonest as f32 + 0.02);
    let place = vec2(-16.0, -16.0);
    Area::new(Id::unique("notices"))
        .order(Order::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, place)
        .interactable(true)
        .show(ui, |ui| {
            ui.set_max_width(380.0);
            for (place, notice) in fresh.iter().rev().take(AT_ONCE).rev() {
                egui::Frame::popup(ui.style()).show(ui, |ui| {
                    ui.set_width(356.0);
                    ui.horizontal_top(|ui| {
                        ui.label(tone_icon(ui, notice.tone));
                        ui.with_layout(Layout::right_to_left(Align::TOP), |ui| {
                            let close =
                                ui.add(egui::Button::new(theme::icon(icons::ICON_CLOSE).size(14.0)).frame(false));
                            close.widget_info(|| {
                                egui::WidgetInfo::labeled(egui::Role::Button, true, "Dismiss the notice")
                            });
                            if close.clicked() {
                                actions.push(Action::Dismiss(*place));
                            }
                            if let Some((button, action)) = &notice.offer
                                && ui.button(*button).clicked()
                            {
                                actions.push((**action).clone());
                                actions.push(Action::Dismiss(*place));
                            }
                            ui.with_layout(Layout::left_to_right(Align::TOP), |ui| {
                                ui.add(egui::Label::new(&notice.text).wrap());
                            });
                        });
                    });
                });
            }
        });
}
