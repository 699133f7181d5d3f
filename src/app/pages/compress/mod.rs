//! The Compress page: a recipe as a chain of chips, the queue of recipes, each result against its parent.

mod budget;
mod chain;
mod ladder;
mod layers;
mod outlook;
mod recipe;
#[cfg(test)]
mod tests;
mod waiting;

use egui::{Panel, ScrollArea, Ui, vec2};
use egui_material_icons::icons;

use crate::app::action::{Action, Actions, Page};
use crate::app::state::{Model, RowExt as _};
use crate::app::theme::{self, Tokens};
use crate::compare::Budget;
use crate::jobs::RunRow;
use crate::spec::{Architecture, Recipe};
use chain::Chain;
use ladder::Ladder;

/// From this width on the recipe stands beside the results, below it above them.
const WIDE: f32 = 1080.0;
const RECIPE_WIDTH: f32 = 404.0;
/// Between cards.
const GAP: f32 = theme::SPACE[2];
/// The results scroll within at least this height.
const LADDER_HEIGHT: f32 = 240.0;
/// The recipes at work have at least this height.
const WAITING_HEIGHT: f32 = 150.0;

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CompressView {
    chain: Chain,
    /// Recipes put aside, to be compressed by in one job.
    list: Vec<Recipe>,
    /// What is typed as a recipe, until it can be read and the field is left.
    #[serde(skip)]
    typed: Option<String>,
    wishes: budget::Wishes,
    asked: layers::Asked,
    /// The layer that was pointed at last.
    #[serde(skip)]
    looked: Option<usize>,
    face: Face,
    /// How many ladders that were opened are on the list.
    #[serde(skip)]
    taken: usize,
    #[serde(skip)]
    ladder: Ladder,
}

impl CompressView {
    /// The limits that a result is held to.
    pub fn budget(&self) -> Budget {
        self.wishes.budget
    }
}

/// What stands beside the recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
enum Face {
    #[default]
    Results,
    Layers,
}

pub fn compress_ui(ui: &mut Ui, model: &Model, view: &mut CompressView, actions: &mut Actions) {
    let Some(parent) = model.parent() else {
        empty_ui(ui, model, actions);
        return;
    };
    if let Some(architecture) = parent.classical() {
        classical_ui(ui, model, parent, architecture, actions);
        return;
    }
    if let (number, Some(opened)) = &model.opened_ladder
        && *number != view.taken
    {
        view.taken = *number;
        view.list.clone_from(&opened.rungs);
    }
    if ui.available_width() >= WIDE {
        let frame = egui::Frame::NONE.outer_margin(egui::Margin {
            right: GAP as i8,
            ..egui::Margin::ZERO
        });
        Panel::left("recipe")
            .frame(frame)
            .exact_size(RECIPE_WIDTH)
            .resizable(false)
            .show_separator_line(false)
            .show(ui, |ui| {
                let bottom = ui.max_rect().bottom();
                ScrollArea::vertical().id_salt("recipe").show(ui, |ui| {
                    let top = ui.cursor().top();
                    recipe::recipe_ui(ui, model, parent, view, actions);
                    ui.add_space(GAP - ui.spacing().item_spacing.y);
                    let scrolled = top - ui.clip_rect().top();
                    let height = (bottom - (ui.cursor().top() - scrolled)).max(WAITING_HEIGHT);
                    waiting::waiting_ui(ui, model, height, actions);
                });
            });
        let height = ui.available_height();
        ladder::ladder_ui(ui, model, parent, view, height, actions);
        return;
    }
    ScrollArea::vertical()
        .id_salt("compress page")
        .auto_shrink(false)
        .show(ui, |ui| {
            let top = ui.cursor().top();
            let page = ui.clip_rect().height();
            ui.horizontal_top(|ui| {
                let left = (ui.available_width() * 0.58).round();
                let recipe = ui
                    .allocate_ui(vec2(left, 0.0), |ui| {
                        ui.vertical(|ui| recipe::recipe_ui(ui, model, parent, view, actions));
                    })
                    .response
                    .rect;
                ui.add_space(GAP - ui.spacing().item_spacing.x);
                ui.vertical(|ui| waiting::waiting_ui(ui, model, recipe.height(), actions));
            });
            ui.add_space(GAP - ui.spacing().item_spacing.y);
            let height = (page - (ui.cursor().top() - top)).max(LADDER_HEIGHT);
            ladder::ladder_ui(ui, model, parent, view, height, actions);
        });
}

/// The selected run has no layers.
fn classical_ui(ui: &mut Ui, model: &Model, parent: &RunRow, architecture: Architecture, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.25).max(16.0));
        ui.label(theme::icon(icons::ICON_COMPRESS).size(40.0).color(tokens.text_faint));
        ui.label(theme::title(format!("{} has no layers to compress", parent.run.name)));
        let words = format!(
            "It is a classical baseline ({}), which no recipe makes smaller: {}.",
            architecture.title().to_lowercase(),
            architecture.instead_of_compressing()
        );
        ui.allocate_ui(vec2(RECIPE_WIDTH, 0.0), |ui| {
            ui.vertical_centered(|ui| ui.add(egui::Label::new(theme::label(ui, words)).wrap()));
            ui.add_space(theme::SPACE[1]);
            recipe::parent_ui(ui, model, parent, actions);
        });
        ui.add_space(theme::SPACE[2]);
        train_ui(ui, "Train a network", actions);
    });
}

fn train_ui(ui: &mut Ui, words: &str, actions: &mut Actions) {
    let text = theme::strong(words).color(Tokens::of(ui).on_accent);
    let button = theme::primary_button(ui, text).min_size(vec2(140.0, theme::CONTROL_HEIGHT));
    if ui.add(button).clicked() {
        actions.push(Action::Go(Page::Train));
    }
}

/// No run can be compressed yet.
fn empty_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.25).max(16.0));
        if !model.runs.is_loaded() {
            ui.label(theme::label(ui, "Reading the runs…"));
            return;
        }
        ui.label(theme::icon(icons::ICON_COMPRESS).size(40.0).color(tokens.text_faint));
        ui.label(theme::title("Make a trained network smaller"));
        let words = "Here a finished network loses units, weights or precision, and you see on the very file you would \
                     take away what that cost in accuracy and bought in size, speed and memory.";
        ui.allocate_ui(vec2(460.0, 0.0), |ui| {
            ui.vertical_centered(|ui| ui.add(egui::Label::new(theme::label(ui, words)).wrap()));
        });
        ui.add_space(theme::SPACE[1]);
        let (words, button) = if model.is_running() {
            (
                "A run is at work; it can be compressed when it has finished.",
                "Watch it",
            )
        } else {
            ("It takes a finished run to begin with.", "Train a network")
        };
        ui.label(theme::label(ui, words));
        ui.add_space(theme::SPACE[2]);
        train_ui(ui, button, actions);
    });
}
