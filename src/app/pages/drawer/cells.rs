//! The cells of a run's row.

use egui::text::{CCursor, CCursorRange};
use egui::{Align, Button, Key, Layout, Response, RichText, TextEdit, Ui, vec2};
use egui_material_icons::{MaterialIcon, icons};

use super::{DrawerView, menu};
use crate::app::action::{Action, Actions};
use crate::app::state::{JobKind, Model, RowExt as _};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::figures::{self, figure_ui, two_lines_ui};
use crate::app::widgets::mark::{self, Badge, badge_ui, status_icon};
use crate::app::widgets::progress;
use crate::compare::Field;
use crate::jobs::RunRow;
use crate::spec::{RunStatus, units};

/// Swatch, eye, solo and pin.
pub fn marks_ui(ui: &mut Ui, model: &Model, row: &RunRow, actions: &mut Actions) {
    let run = row.run.run;
    let name = &row.run.name;
    let tokens = Tokens::of(ui);
    ui.spacing_mut().item_spacing.x = 0.0;
    ui.spacing_mut().button_padding = vec2(3.0, 2.0);
    ui.spacing_mut().interact_size = vec2(24.0, 24.0);
    menu::colour_ui(ui, model, row, actions);
    let is_shown = model.runs.is_shown(run);
    let (icon, word) = if is_shown {
        (icons::ICON_VISIBILITY, "Hide")
    } else {
        (icons::ICON_VISIBILITY_OFF, "Show")
    };
    if toggle_ui(ui, icon, is_shown, tokens.text_soft, &format!("{word} {name}")).clicked() {
        actions.push(Action::Show(run, !model.runs.shown.contains(&run)));
    }
    let is_solo = model.runs.solo == Some(run);
    let word = if is_solo {
        format!("Show others beside {name}")
    } else {
        format!("Show {name} alone")
    };
    if toggle_ui(ui, icons::ICON_CENTER_FOCUS_STRONG, is_solo, tokens.accent, &word).clicked() {
        actions.push(Action::Solo((!is_solo).then_some(run)));
    }
    let is_pinned = model.runs.pinned == Some(run);
    let word = if is_pinned {
        format!("Unpin {name}")
    } else {
        format!("Pin {name} as baseline")
    };
    if toggle_ui(ui, icons::ICON_PUSH_PIN, is_pinned, tokens.text, &word).clicked() {
        actions.push(Action::Pin((!is_pinned).then_some(run)));
    }
}

/// A small button that is faint while it is off.
fn toggle_ui(ui: &mut Ui, icon: MaterialIcon, is_on: bool, colour: egui::Color32, name: &str) -> Response {
    let tokens = Tokens::of(ui);
    let off = tokens.text_faint.lerp_to_gamma(tokens.panel, 0.45);
    let icon = theme::icon(icon).size(15.0).color(if is_on { colour } else { off });
    let response = ui.add(Button::new(icon).frame(false).min_size(vec2(24.0, 24.0)));
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_on, name));
    response.on_hover_text(name)
}

/// The name, or the field in which it is typed anew, and the menu. The answer is the name's own response.
pub fn name_ui(
    ui: &mut Ui,
    model: &Model,
    row: &RunRow,
    view: &mut DrawerView,
    actions: &mut Actions,
) -> Option<Response> {
    let run = row.run.run;
    if view.renaming.as_ref().is_some_and(|renaming| renaming.run == run) {
        rename_ui(ui, row, view, actions);
        return None;
    }
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        menu::menu_button_ui(ui, model, row, view, actions);
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.spacing_mut().button_padding.x = 2.0;
            let is_baseline = model.runs.pinned == Some(run);
            let text = if is_baseline {
                theme::strong(&row.run.name)
            } else {
                RichText::new(&row.run.name)
            };
            let response = ui.add(Button::new(text).frame(false).truncate());
            let is_selected = model.runs.selected().is_some_and(|selected| selected.run.run == run);
            let name = format!("{}, {run}", row.run.name);
            response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_selected, &name));
            let (renames, deletes) = ui.input(|input| (input.key_pressed(Key::F2), input.key_pressed(Key::Delete)));
            if response.double_clicked() || response.has_focus() && renames {
                view.rename(model, run);
            }
            if response.has_focus() && deletes {
                let runs = menu::deletable(model, &view.meant_by(run));
                if !runs.is_empty() {
                    actions.push(Action::Delete(runs));
                }
            }
            Some(response.on_hover_text(format!("{}\nDouble click or F2 renames", row.run.name)))
        })
        .inner
    })
    .inner
}

/// Enter, or leaving the field, commits; Esc cancels.
fn rename_ui(ui: &mut Ui, row: &RunRow, view: &mut DrawerView, actions: &mut Actions) {
    let Some(renaming) = &mut view.renaming else { return };
    let field = TextEdit::singleline(&mut renaming.name)
        .id_salt("name of a run")
        .desired_width(f32::INFINITY);
    let mut output = field.show(ui);
    let response = output
        .response
        .response
        .accessible_name(format!("New name of {}", row.run.name));
    if !renaming.has_begun {
        renaming.has_begun = true;
        let end = CCursor::new(renaming.name.chars().count());
        let all = CCursorRange::two(CCursor::new(0), end);
        output.state.cursor.set_char_range(Some(all));
        output.state.store(ui.ctx(), response.id);
        response.request_focus();
    } else if response.lost_focus() {
        let name = renaming.name.trim();
        let is_cancelled = ui.input(|input| input.key_pressed(Key::Escape));
        if !is_cancelled && !name.is_empty() && name != row.run.name {
            actions.push(Action::Rename(row.run.run, name.to_owned()));
        }
        view.renaming = None;
    }
}

pub fn cell_ui(
    ui: &mut Ui,
    field: Field,
    model: &Model,
    row: &RunRow,
    baseline: Option<&RunRow>,
    actions: &mut Actions,
) {
    match field {
        Field::Name => {}
        Field::Number => {
            let hover = format!("Created {}", units::utc(row.created_unix_secs));
            let text = theme::number(row.run.run.to_string()).color(Tokens::of(ui).text_soft);
            ui.label(text).on_hover_text(hover);
        }
        Field::Status => status_ui(ui, model, row, actions),
        Field::Dataset => {
            ui.label(RichText::new(&row.dataset).size(12.0))
                .on_hover_text(&row.dataset);
        }
        Field::Model => model_ui(ui, row),
        Field::Score => {
            let figure = figures::score(ui, row, baseline);
            figure_ui(ui, figure);
        }
        Field::Figure(axis) => {
            let figure = figures::cost(ui, axis, row, baseline);
            figure_ui(ui, figure);
        }
        Field::Badge => badge_cell_ui(ui, row),
    }
}

fn badge_cell_ui(ui: &mut Ui, row: &RunRow) {
    ui.add_space(theme::SPACE[1]);
    match Badge::of(&row.run) {
        Some(badge) => {
            badge_ui(ui, badge);
        }
        None if row.is_usable() => {
            ui.label(theme::hint(ui, "not measured")).on_hover_text(
                "Size, latency and memory are measured when it is compressed, exported or chosen in Compare",
            );
        }
        None => {
            ui.label(theme::hint(ui, "–"));
        }
    }
}

/// The architecture, and below it the recipe or the number of parameters.
fn model_ui(ui: &mut Ui, row: &RunRow) {
    let architecture = RichText::new(&row.architecture).size(12.0);
    let parameters = format!("{} parameters", units::count(row.run.parameters as f64));
    if let Some((parent, recipe)) = &row.origin {
        let recipe = recipe.to_string();
        let hover = format!("{recipe} of {parent}, {parameters}");
        let below = theme::hint(ui, recipe);
        two_lines_ui(ui, Align::Min, architecture, Some(below), &hover);
    } else {
        let below = (row.run.parameters > 0).then(|| theme::hint(ui, &parameters));
        two_lines_ui(ui, Align::Min, architecture, below, "");
    }
}

/// Icon and word, progress or reason below, and Resume where it can go on.
fn status_ui(ui: &mut Ui, model: &Model, row: &RunRow, actions: &mut Actions) {
    let run = row.run.run;
    let tokens = Tokens::of(ui);
    ui.spacing_mut().item_spacing.x = 4.0;
    ui.label(status_icon(ui, row.run.status));
    if model.live_run() == Some(run) && row.run.status.is_open() {
        live_ui(ui, model, row);
        return;
    }
    let is_waiting = model.queue.iter().any(|job| job.kind == JobKind::Resume(run));
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if row.can_resume() && !is_waiting {
            ui.spacing_mut().button_padding = vec2(3.0, 2.0);
            let icon = theme::icon(icons::ICON_RESUME).size(16.0).color(tokens.accent);
            let response = ui.add(Button::new(icon).small());
            let name = format!("Resume {}", row.run.name);
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
            if response.on_hover_text(row.on_resume()).clicked() {
                actions.push(Action::Resume(run));
            }
        }
        let (below, hover) = match (&row.run.failure, row.run.status) {
            (Some(failure), _) => (Some(theme::hint(ui, failure).color(tokens.bad)), failure.as_str()),
            (None, RunStatus::Queued) => (None, ""),
            (None, _) => {
                let epochs = row.run.epochs;
                let text = if epochs == 1 {
                    "1 epoch".to_owned()
                } else {
                    format!("{epochs} epochs")
                };
                ((epochs > 0).then(|| theme::hint(ui, text)), "")
            }
        };
        let word = if is_waiting {
            "waits to go on".to_owned()
        } else {
            row.run.status.to_string()
        };
        two_lines_ui(ui, Align::Min, RichText::new(word).size(12.0), below, hover);
    });
}

/// How far the run at work is.
fn live_ui(ui: &mut Ui, model: &Model, row: &RunRow) {
    let run = row.run.run;
    let view = model.runs.open(run).map(|open| &open.view);
    let (word, done, total) = match view {
        Some(view) => match &view.progress {
            Some(progress) => (progress.what.clone(), progress.done, progress.total),
            None if view.total_steps > 0 => {
                let epoch = view.step.div_ceil(view.steps_per_epoch.max(1)).max(1);
                let word = format!("epoch {epoch}/{}", view.total_epochs());
                (word, view.step, view.total_steps)
            }
            None => (row.run.status.to_string(), 0, 1),
        },
        None => (row.run.status.to_string(), 0, 1),
    };
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        ui.add_space(6.0);
        ui.label(RichText::new(word).size(12.0));
        let share = done as f32 / total.max(1) as f32;
        let (width, fill) = (ui.available_width(), mark::run_colour(ui, model, run));
        progress::bar_ui(ui, share, [width, 4.0], fill, &format!("Progress of {}", row.run.name));
    });
}
