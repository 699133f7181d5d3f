//! Recipes that are at work or wait for their turn.

use egui::{Button, Layout, ScrollArea, Ui};
use egui_material_icons::{MaterialIcon, icons};

use super::outlook;
use crate::app::action::{Action, Actions, Dialog};
use crate::app::state::{JobKind, Model, QueuedJob};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::progress;
use crate::spec::{Recipe, RunId};

const LINE_HEIGHT: f32 = 18.0;

/// A card of this height; what does not fit is scrolled.
pub fn waiting_ui(ui: &mut Ui, model: &Model, height: f32, actions: &mut Actions) {
    theme::card(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.set_height(height - 26.0);
        ui.horizontal(|ui| {
            ui.label(theme::strong("At work"));
            let others = model.queue.len() - jobs(model).count();
            ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
                let words = match others {
                    0 => "Queue".to_owned(),
                    _ => format!("Queue · {others} more"),
                };
                let hover = "All jobs, trainings and exports too: reorder or cancel what waits";
                if ui.button(words).on_hover_text(hover).clicked() {
                    actions.push(Action::Open(Dialog::Queue));
                }
            });
        });
        if jobs(model).next().is_none() {
            ui.label(theme::label(ui, "No recipe is at work or waits"));
            return;
        }
        ScrollArea::vertical()
            .id_salt("recipes at work")
            .auto_shrink([false, true])
            .show(ui, |ui| {
                for (job, parent, recipes) in jobs(model) {
                    ui.scope(|ui| job_ui(ui, model, job, parent, recipes, actions));
                }
            });
    });
}

fn jobs(model: &Model) -> impl Iterator<Item = (&QueuedJob, RunId, &[String])> {
    model.queue.iter().filter_map(|job| match &job.kind {
        JobKind::Compress { parent, recipes } => Some((job, *parent, recipes.as_slice())),
        _ => None,
    })
}

/// A job: its run, its recipes, and at which of them it is.
fn job_ui(ui: &mut Ui, model: &Model, job: &QueuedJob, parent: RunId, recipes: &[String], actions: &mut Actions) {
    let name = model
        .runs
        .row(parent)
        .map_or_else(|| parent.to_string(), |row| row.run.name.clone());
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
            let what = format!("Cancel {}", job.what);
            let cancel = ui.add(Button::new(theme::icon(icons::ICON_CLOSE).size(14.0)).frame(false));
            cancel.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &what));
            if cancel.on_hover_text(what).clicked() {
                actions.push(Action::CancelJob(job.id));
            }
            ui.with_layout(Layout::left_to_right(egui::Align::Center), |ui| {
                ui.add(egui::Label::new(theme::strong(name_line(&name, job))).truncate());
            });
        });
    });
    ui.spacing_mut().interact_size.y = LINE_HEIGHT;
    ui.spacing_mut().item_spacing.y = theme::SPACE[0];
    let place = place_of(model, job, recipes);
    let (words, share) = model.progress_of(job);
    for (index, recipe) in recipes.iter().enumerate() {
        let is_current = place == Some(index);
        let is_done = place.is_some_and(|place| index < place);
        ui.horizontal(|ui| {
            let tokens = Tokens::of(ui);
            let (icon, colour): (MaterialIcon, _) = if is_done {
                (icons::ICON_CHECK, tokens.text_soft)
            } else if is_current {
                (icons::ICON_PLAY_ARROW, tokens.accent)
            } else {
                (icons::ICON_SCHEDULE, tokens.text_faint)
            };
            ui.label(theme::icon(icon).size(14.0).color(colour));
            ui.label(spoken(recipe)).on_hover_text(recipe);
            if is_current {
                progress_ui(ui, words.as_deref(), share);
            }
        });
    }
    if place == Some(recipes.len()) {
        ui.horizontal(|ui| progress_ui(ui, words.as_deref(), share));
    }
}

fn name_line(name: &str, job: &QueuedJob) -> String {
    if job.is_begun {
        name.to_owned()
    } else {
        format!("{name} · waiting")
    }
}

/// A bar where the share is known, and words.
pub fn progress_ui(ui: &mut Ui, words: Option<&str>, share: Option<f32>) {
    if let Some(share) = share {
        let accent = Tokens::of(ui).accent;
        progress::bar_ui(ui, share, [110.0, 8.0], accent, "Progress of the recipe");
    }
    ui.add(egui::Label::new(theme::label(ui, words.unwrap_or("at work"))).truncate());
}

/// The recipe that is at work; their number while what came of them is measured, none before the first.
fn place_of(model: &Model, job: &QueuedJob, recipes: &[String]) -> Option<usize> {
    let row = job.run().and_then(|run| model.runs.row(run));
    if job.progress.is_some() {
        return Some(recipes.len());
    }
    let (_, recipe) = row?.origin.as_ref()?;
    let recipe = recipe.to_string();
    recipes.iter().position(|listed| *listed == recipe)
}

/// A recipe's text in words.
fn spoken(recipe: &str) -> String {
    recipe
        .parse::<Recipe>()
        .map_or_else(|_| recipe.to_owned(), |recipe| outlook::in_words(&recipe))
}
