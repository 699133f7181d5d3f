//! What can be done with a run: the menu of its row, and the choice of its colour.

use egui::containers::menu::MenuButton;
use egui::{Button, Popup, Role, Sense, Stroke, Ui, WidgetInfo, vec2};
use egui_material_icons::{MaterialIcon, icons};

use super::{DrawerView, compare_alone};
use crate::app::action::{Action, Actions, Dialog, Page};
use crate::app::state::{Model, RowExt};
use crate::app::theme::{self, RUN_COLOUR_COUNT, Tokens};
use crate::app::widgets::mark;
use crate::jobs::RunRow;
use crate::spec::RunId;

/// Names of the run colours, in the theme's order.
const COLOURS: [&str; RUN_COLOUR_COUNT] = [
    "Sky",
    "Orange",
    "Green",
    "Purple",
    "Vermilion",
    "Yellow",
    "Blue",
    "Grey",
];

/// Those that nobody works on.
pub fn deletable(model: &Model, runs: &[RunId]) -> Vec<RunId> {
    let is_free = |run: &RunId| model.runs.row(*run).is_some_and(|row| !row.run.status.is_open());
    runs.iter().copied().filter(is_free).collect()
}

/// The run's colour; pressed, it offers the others.
pub fn colour_ui(ui: &mut Ui, model: &Model, row: &RunRow, actions: &mut Actions) {
    let run = row.run.run;
    let (rect, response) = ui.allocate_exact_size(vec2(22.0, 24.0), Sense::click());
    let name = format!("Colour of {}", row.run.name);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    let colour = mark::run_colour(ui, model, run);
    ui.painter().circle_filled(rect.center(), 5.0, colour);
    if response.hovered() || response.has_focus() {
        let ring = Stroke::new(1.5, Tokens::of(ui).edge);
        ui.painter().circle_stroke(rect.center(), 8.0, ring);
    }
    let response = response.on_hover_text(name);
    Popup::menu(&response).show(|ui| {
        ui.set_min_width(132.0);
        let tokens = Tokens::of(ui);
        for (index, name) in COLOURS.into_iter().enumerate() {
            let is_chosen = model.runs.colour(run) == index;
            let dot = theme::icon(icons::ICON_CIRCLE).size(13.0).color(tokens.run(index));
            let response = ui.add(Button::selectable(is_chosen, (dot, name)));
            response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_chosen, name));
            if response.clicked() {
                actions.push(Action::Recolour(run, index));
            }
        }
        if model.runs.pinned == Some(run) {
            ui.label(theme::hint(ui, "The baseline is drawn in the text's colour"));
        }
    });
}

/// The button at the end of the name, with the same menu as the right mouse button.
pub fn menu_button_ui(ui: &mut Ui, model: &Model, row: &RunRow, view: &mut DrawerView, actions: &mut Actions) {
    ui.spacing_mut().button_padding = vec2(1.0, 2.0);
    let icon = theme::icon(icons::ICON_MORE_VERT)
        .size(16.0)
        .color(Tokens::of(ui).text_soft);
    let button = MenuButton::from_button(Button::new(icon).frame(false));
    let (response, _) = button.ui(ui, |ui| run_menu_ui(ui, model, row, view, actions));
    let name = format!("Actions of {}", row.run.name);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    response.on_hover_text(name);
}

pub fn run_menu_ui(ui: &mut Ui, model: &Model, row: &RunRow, view: &mut DrawerView, actions: &mut Actions) {
    let run = row.run.run;
    let meant = view.meant_by(run);
    ui.set_min_width(216.0);
    if meant.len() > 1 {
        many_ui(ui, model, &meant, actions);
        return;
    }
    if entry_ui(ui, icons::ICON_OPEN_IN_NEW, "Open on the Train page", true) {
        actions.push(Action::Select(run));
        actions.push(Action::Go(Page::Train));
    }
    if entry_ui(ui, icons::ICON_EDIT, "Rename", true) {
        view.rename(model, run);
    }
    let is_pinned = model.runs.pinned == Some(run);
    let pin = if is_pinned { "Unpin" } else { "Pin as baseline" };
    if entry_ui(ui, icons::ICON_PUSH_PIN, pin, true) {
        actions.push(Action::Pin((!is_pinned).then_some(run)));
    }
    let is_solo = model.runs.solo == Some(run);
    let solo = if is_solo { "Show all again" } else { "Show alone" };
    if entry_ui(ui, icons::ICON_CENTER_FOCUS_STRONG, solo, true) {
        actions.push(Action::Solo((!is_solo).then_some(run)));
    }
    ui.separator();
    if entry_ui(ui, icons::ICON_EDIT_NOTE, "Clone to the form", true) {
        actions.push(Action::CloneToForm(run));
    }
    if entry_ui(ui, icons::ICON_CONTENT_COPY, "Copy configuration", true) {
        actions.push(Action::CopyConfig(run));
    }
    ui.separator();
    if row.can_resume() && entry_ui(ui, icons::ICON_RESUME, "Resume", true) {
        actions.push(Action::Resume(run));
    }
    let is_usable = row.is_usable();
    if entry_ui(ui, icons::ICON_COMPRESS, "Compress", is_usable) {
        actions.push(Action::Select(run));
        actions.push(Action::Go(Page::Compress));
    }
    if entry_ui(ui, icons::ICON_SPEED, "Measure", is_usable) {
        actions.push(Action::Measure(beside_baseline(model, &[run])));
    }
    if entry_ui(ui, icons::ICON_IOS_SHARE, "Export…", is_usable) {
        actions.push(Action::Open(Dialog::Export(run)));
    }
    ui.separator();
    if entry_ui(ui, icons::ICON_DELETE, "Delete", !row.run.status.is_open()) {
        actions.push(Action::Delete(vec![run]));
    }
}

/// The menu of several chosen runs.
fn many_ui(ui: &mut Ui, model: &Model, runs: &[RunId], actions: &mut Actions) {
    let many = runs.len();
    if entry_ui(ui, icons::ICON_SCATTER_PLOT, &format!("Compare {many} runs"), true) {
        compare_alone(model, runs, actions);
    }
    let usable: Vec<RunId> = runs
        .iter()
        .copied()
        .filter(|&run| model.runs.row(run).is_some_and(RowExt::is_usable))
        .collect();
    let measure = format!("Measure {} runs side by side", usable.len());
    if entry_ui(ui, icons::ICON_SPEED, &measure, !usable.is_empty()) {
        actions.push(Action::Measure(beside_baseline(model, &usable)));
    }
    ui.separator();
    let free = deletable(model, runs);
    let delete = format!("Delete {} runs", free.len());
    if entry_ui(ui, icons::ICON_DELETE, &delete, !free.is_empty()) {
        actions.push(Action::Delete(free));
    }
}

/// The runs after the usable baselines that they are compared with, so that all are timed in turn.
pub fn beside_baseline(model: &Model, runs: &[RunId]) -> Vec<RunId> {
    let baselines = runs.iter().filter_map(|&run| model.runs.baseline_of(run));
    let mut all: Vec<RunId> = baselines
        .filter(|baseline| baseline.is_usable())
        .map(|baseline| baseline.run.run)
        .collect();
    all.extend(runs);
    let mut once = Vec::with_capacity(all.len());
    for run in all {
        if !once.contains(&run) {
            once.push(run);
        }
    }
    once
}

fn entry_ui(ui: &mut Ui, icon: MaterialIcon, text: &str, is_enabled: bool) -> bool {
    let icon = theme::icon(icon).size(15.0).color(Tokens::of(ui).text_soft);
    let response = ui.add_enabled(is_enabled, Button::new((icon, text)));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, is_enabled, text));
    response.clicked()
}
