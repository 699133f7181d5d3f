//! The drawer of runs: the same list below every page, and what can be done with each run.

mod cells;
mod menu;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use egui::{Align, Button, Key, Layout, Panel, TextEdit, Ui, vec2};
use egui_material_icons::icons;

use crate::app::action::{Action, Actions, Page};
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::compare::Sort;
use crate::spec::RunId;
use table::Listed;

/// In a window lower than this the drawer is folded at the start.
const LOW: f32 = 760.0;
const HEIGHT: f32 = 216.0;
const SMALLEST: f32 = 132.0;
/// Largest share of the window.
const SHARE: f32 = 0.6;
const BAR_HEIGHT: f32 = 36.0;

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct DrawerView {
    sort: Sort,
    #[serde(skip)]
    search: String,
    #[serde(skip)]
    renaming: Option<Renaming>,
    /// Runs chosen together with Ctrl or Shift.
    #[serde(skip)]
    marked: BTreeSet<RunId>,
    /// Where a choice with Shift begins.
    #[serde(skip)]
    anchor: Option<RunId>,
    #[serde(skip)]
    listed: Listed,
    /// The first frame has been drawn.
    #[serde(skip)]
    has_begun: bool,
}

/// A name that is being typed.
#[derive(Debug)]
struct Renaming {
    run: RunId,
    name: String,
    /// The field has had the focus.
    has_begun: bool,
}

impl DrawerView {
    /// Begins to rename a run, in its row.
    fn rename(&mut self, model: &Model, run: RunId) {
        if let Some(row) = model.runs.row(run) {
            self.renaming = Some(Renaming {
                run,
                name: row.run.name.clone(),
                has_begun: false,
            });
        }
    }

    /// The runs that an action on `run` is meant for: all that are chosen, if it is one of them.
    fn meant_by(&self, run: RunId) -> Vec<RunId> {
        if self.marked.len() > 1 && self.marked.contains(&run) {
            self.marked.iter().copied().collect()
        } else {
            vec![run]
        }
    }
}

/// A panel at the foot of the window, folded where `model.drawer_open` is false.
pub fn drawer_ui(ui: &mut Ui, model: &Model, view: &mut DrawerView, actions: &mut Actions) {
    let window = ui.ctx().content_rect().height();
    let mut is_open = model.drawer_open;
    if !view.has_begun {
        view.has_begun = true;
        if is_open && window < LOW {
            actions.push(Action::ToggleDrawer);
            is_open = false;
        }
    }
    view.marked.retain(|&run| model.runs.row(run).is_some());
    let frame = theme::panel(ui).inner_margin(egui::Margin::symmetric(12, 0));
    if !is_open {
        Panel::bottom("folded runs")
            .exact_size(BAR_HEIGHT)
            .frame(frame)
            .show(ui, |ui| bar_ui(ui, model, view, false, actions));
        return;
    }
    keys(ui, model, view);
    Panel::bottom("runs")
        .resizable(true)
        .default_size(HEIGHT)
        .size_range(SMALLEST..=(window * SHARE).max(SMALLEST))
        .frame(frame)
        .show(ui, |ui| {
            bar_ui(ui, model, view, true, actions);
            if model.runs.rows().is_empty() {
                empty_ui(ui, model);
            } else {
                table::table_ui(ui, model, view, actions);
            }
        });
}

/// F2 renames the selected run, where no field is being typed in.
fn keys(ui: &Ui, model: &Model, view: &mut DrawerView) {
    if model.dialog.is_some() || ui.ctx().egui_wants_keyboard_input() {
        return;
    }
    if let Some(row) = model.runs.selected()
        && ui.input(|input| input.key_pressed(Key::F2))
    {
        view.rename(model, row.run.run);
    }
}

/// Fold, number of runs, search; to the right what concerns the chosen ones and the baseline.
fn bar_ui(ui: &mut Ui, model: &Model, view: &mut DrawerView, is_open: bool, actions: &mut Actions) {
    ui.allocate_ui_with_layout(
        vec2(ui.available_width(), BAR_HEIGHT),
        Layout::left_to_right(Align::Center),
        |ui| {
            let (icon, name) = if is_open {
                (icons::ICON_KEYBOARD_ARROW_DOWN, "Hide runs")
            } else {
                (icons::ICON_KEYBOARD_ARROW_UP, "Show runs")
            };
            let response = ui.add(Button::new(theme::icon(icon)).frame(false));
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
            if response.on_hover_text(format!("{name} (Ctrl+J)")).clicked() {
                actions.push(Action::ToggleDrawer);
            }
            ui.label(theme::strong("Runs"));
            ui.label(theme::label(ui, count_text(model, view, is_open)));
            if is_open && !model.runs.rows().is_empty() {
                search_ui(ui, view);
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                baseline_ui(ui, model, actions);
                if is_open {
                    chosen_ui(ui, model, view, actions);
                }
            });
        },
    );
}

fn count_text(model: &Model, view: &DrawerView, is_open: bool) -> String {
    let all = model.runs.rows().len();
    let found = view.listed.len();
    if !model.runs.is_loaded() {
        "are being read…".to_owned()
    } else if is_open && !view.search.trim().is_empty() && found != all {
        format!("{found} of {all}")
    } else {
        all.to_string()
    }
}

fn search_ui(ui: &mut Ui, view: &mut DrawerView) {
    let tokens = Tokens::of(ui);
    let field = TextEdit::singleline(&mut view.search)
        .hint_text("Search runs")
        .prefix(theme::icon(icons::ICON_SEARCH).size(16.0).color(tokens.text_faint))
        .desired_width(200.0);
    let response = ui.add(field).accessible_name("Search runs");
    let response = response.on_hover_text("Name, number, data, model, recipe or status; every word must match");
    if response.has_focus() && ui.input(|input| input.key_pressed(Key::Escape)) {
        view.search.clear();
    }
    if !view.search.is_empty() {
        let clear = ui.add(Button::new(theme::icon(icons::ICON_CLOSE).size(14.0)).frame(false));
        clear.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Clear the search"));
        if clear.on_hover_text("Clear the search").clicked() {
            view.search.clear();
        }
    }
}

/// What the others are compared with, and whether one run is shown alone.
fn baseline_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    ui.spacing_mut().button_padding = vec2(8.0, 2.0);
    ui.spacing_mut().interact_size.y = 24.0;
    if let Some(row) = model.runs.pinned.and_then(|run| model.runs.row(run)) {
        let text = (
            theme::icon(icons::ICON_PUSH_PIN).size(14.0).color(tokens.text),
            egui::RichText::new(&row.run.name).size(12.0),
            theme::icon(icons::ICON_CLOSE).size(12.0).color(tokens.text_soft),
        );
        let response = ui.add(Button::new(text));
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Take the baseline's pin off"));
        let hover = format!(
            "Every run is compared with {}. Press to compare each with its parent",
            row.run.name
        );
        if response.on_hover_text(hover).clicked() {
            actions.push(Action::Pin(None));
        }
    }
    if let Some(row) = model.runs.solo.and_then(|run| model.runs.row(run)) {
        let response = ui.button(egui::RichText::new("Show all again").size(12.0));
        let hover = format!("Only {} is shown", row.run.name);
        if response.on_hover_text(hover).clicked() {
            actions.push(Action::Solo(None));
        }
    }
}

/// What can be done with several chosen runs at once.
fn chosen_ui(ui: &mut Ui, model: &Model, view: &mut DrawerView, actions: &mut Actions) {
    if view.marked.len() < 2 {
        return;
    }
    let runs: Vec<RunId> = view.marked.iter().copied().collect();
    let deletable = menu::deletable(model, &runs);
    let delete = ui.add_enabled(!deletable.is_empty(), Button::new("Delete"));
    if delete
        .on_hover_text("Delete the chosen runs; it can be undone")
        .clicked()
    {
        actions.push(Action::Delete(deletable));
    }
    let compare = ui.button("Compare");
    if compare
        .on_hover_text("Show these runs alone on the Compare page")
        .clicked()
    {
        compare_alone(model, &runs, actions);
    }
    if ui.button("Clear").on_hover_text("Choose none").clicked() {
        view.marked.clear();
    }
    ui.label(theme::label(ui, format!("{} chosen", runs.len())));
}

/// Opens the eyes of `runs`, closes all others, and goes to the Compare page.
fn compare_alone(model: &Model, runs: &[RunId], actions: &mut Actions) {
    actions.push(Action::Solo(None));
    for &run in model.runs.shown.iter().filter(|run| !runs.contains(run)) {
        actions.push(Action::Show(run, false));
    }
    for &run in runs {
        actions.push(Action::Show(run, true));
    }
    actions.push(Action::Go(Page::Compare));
}

fn empty_ui(ui: &mut Ui, model: &Model) {
    // The panel keeps its height while the list is read.
    ui.set_min_size(ui.available_size());
    let words = if model.runs.is_loaded() {
        "Every run is listed here with its accuracy, size, latency and memory, and stays after the program is closed."
    } else {
        "Reading the runs…"
    };
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() / 2.0 - 20.0).max(0.0));
        ui.label(theme::label(ui, words));
        if model.runs.is_loaded() {
            ui.label(theme::hint(ui, "Press Run above to train the first one"));
        }
    });
}
