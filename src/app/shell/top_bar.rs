//! The top bar: what is configured, run control, progress, undo, notices.

use egui::{Align, Button, Layout, Panel, Response, Ui, vec2};
use egui_material_icons::{MaterialIcon, icons};

use crate::app::action::{Action, Actions, Command, Dialog};
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::app::update::why_not;
use crate::app::widgets::progress;

/// Below this width the words beside icons go.
const NARROW: f32 = 1150.0;

pub fn top_bar_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let frame = egui::Frame::NONE
        .fill(Tokens::of(ui).panel)
        .inner_margin(egui::Margin::symmetric(12, 8));
    Panel::top("top bar").frame(frame).resizable(false).show(ui, |ui| {
        let is_narrow = ui.ctx().content_rect().width() < NARROW;
        ui.horizontal(|ui| {
            ui.set_min_height(theme::CONTROL_HEIGHT);
            run_controls_ui(ui, model, is_narrow, actions);
            ui.separator();
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                tools_ui(ui, model, actions);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| status_ui(ui, model, actions));
            });
        });
    });
}

/// Run, pause, stop.
fn run_controls_ui(ui: &mut Ui, model: &Model, is_narrow: bool, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    let why = why_not(model);
    let run = (
        theme::icon(icons::ICON_PLAY_ARROW).color(tokens.on_accent),
        theme::strong(if model.is_running() { "Queue" } else { "Run" }).color(tokens.on_accent),
    );
    let button = theme::primary_button(ui, run).min_size(vec2(76.0, theme::CONTROL_HEIGHT));
    let response = ui.add_enabled(why.is_none(), button);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, why.is_none(), "Run"));
    let hover = if model.is_running() {
        "Trains the set-up after the jobs that wait (Ctrl+Enter)"
    } else {
        "Trains the network of the set-up on the left (Ctrl+Enter)"
    };
    let response = response.on_hover_text(hover);
    if response.clicked() {
        actions.push(Action::Train);
    }
    if let Some(why) = &why {
        response.on_disabled_hover_text(why);
    }
    let (icon, word, command) = if model.is_paused() {
        (icons::ICON_PLAY_ARROW, "Go on", Command::Continue)
    } else {
        (icons::ICON_PAUSE, "Pause", Command::Pause)
    };
    command_ui(ui, model, icon, word, command, is_narrow, actions);
    command_ui(ui, model, icons::ICON_STOP, "Stop", Command::Stop, is_narrow, actions);
}

/// A button that is pressed where its command makes sense.
fn command_ui(
    ui: &mut Ui,
    model: &Model,
    icon: MaterialIcon,
    word: &str,
    command: Command,
    is_narrow: bool,
    actions: &mut Actions,
) {
    let action = command.action(model);
    let button = if is_narrow {
        Button::new(theme::icon(icon))
    } else {
        Button::new((theme::icon(icon), word))
    };
    let response = ui.add_enabled(action.is_some(), button);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, action.is_some(), word));
    let response = response.on_hover_text(with_shortcut(ui, command));
    if let Some(action) = action
        && response.clicked()
    {
        actions.push(action);
    }
}

/// What is going on, or what the form would do.
fn status_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    if let Some(job) = model.queue.first() {
        let (words, share) = model.progress_of(job);
        let line = words.map_or_else(|| job.what.clone(), |words| format!("{words} · {}", job.what));
        if let Some(share) = share {
            bar_ui(ui, share);
        }
        let waiting = model.queue.len() - 1;
        if waiting > 0 {
            let response = ui.button(format!("{waiting} waiting"));
            if response
                .on_hover_text("Shows the queue: reorder or cancel what waits")
                .clicked()
            {
                actions.push(Action::Open(Dialog::Queue));
            }
        }
        line_ui(ui, theme::number(&line), line);
    } else if let Some(row) = model.run_elsewhere().and_then(|run| model.runs.row(run)) {
        let progress = model.progress_of_run(row.run.run);
        if let Some((_, share)) = &progress {
            bar_ui(ui, *share);
        }
        let words = progress.map_or_else(String::new, |(words, _)| format!("{words} · "));
        let line = format!("{words}{} · at work in another process", row.run.name);
        line_ui(ui, theme::number(&line), line);
    } else if let Some(why) = why_not(model) {
        let text = egui::RichText::new(&why).color(Tokens::of(ui).warn);
        line_ui(ui, text, why);
    } else {
        let line = form_line(model);
        line_ui(ui, theme::label(ui, &line), line);
    }
}

fn bar_ui(ui: &mut Ui, share: f32) {
    let accent = Tokens::of(ui).accent;
    progress::bar_ui(ui, share, [110.0, 8.0], accent, "Progress of the job");
}

/// One line that ends where the space does; whole on hover.
fn line_ui(ui: &mut Ui, text: egui::RichText, whole: String) {
    ui.add(egui::Label::new(text).truncate()).on_hover_text(whole);
}

/// The form in a line: data, architecture, optimizer.
fn form_line(model: &Model) -> String {
    let config = &model.form.config;
    let source = config.data.source.rsplit(['/', '\\']).next().unwrap_or_default();
    format!(
        "{source} · {} · {} · {} epochs",
        config.model.architecture,
        format!("{:?}", config.train.optimizer).to_lowercase(),
        config.train.epochs
    )
}

/// From the right: notices, palette, redo, undo.
fn tools_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let help = icon_button(ui, icons::ICON_KEYBOARD, "Keyboard shortcuts (F1 or ?)", true);
    if help.clicked() {
        actions.push(Action::Open(Dialog::Shortcuts));
    }
    if icon_button(ui, icons::ICON_NOTIFICATIONS, "Past notices", true).clicked() {
        actions.push(Action::Open(Dialog::Notices));
    }
    if icon_button(ui, icons::ICON_SEARCH, "All actions (Ctrl+K)", true).clicked() {
        actions.push(Action::Open(Dialog::Palette));
    }
    if icon_button(ui, icons::ICON_REDO, "Redo (Ctrl+Shift+Z)", model.form.can_redo()).clicked() {
        actions.push(Action::Redo);
    }
    if icon_button(ui, icons::ICON_UNDO, "Undo (Ctrl+Z)", model.form.can_undo()).clicked() {
        actions.push(Action::Undo);
    }
}

/// A button that is an icon; `name` is its tooltip and its accessible name.
fn icon_button(ui: &mut Ui, icon: MaterialIcon, name: &str, is_enabled: bool) -> Response {
    let response = ui.add_enabled(is_enabled, Button::new(theme::icon(icon)).frame(false));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, is_enabled, name));
    response.on_hover_text(name)
}

fn with_shortcut(ui: &Ui, command: Command) -> String {
    match command.shortcut() {
        Some(shortcut) => format!("{} ({})", command.name(), ui.ctx().format_shortcut(&shortcut)),
        None => command.name().to_owned(),
    }
}
