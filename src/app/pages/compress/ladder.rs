//! The results: the run that was compressed on top, and below it what came of each recipe, with every figure beside the
//! baseline's.

mod cells;
mod columns;

use egui::{Align, Button, Layout, Rect, ScrollArea, Sense, Ui, UiBuilder, vec2};
use egui_material_icons::icons;

use super::budget::{self, Judged, Standing};
use super::{CompressView, Face, layers, outlook, waiting};
use crate::app::action::{Action, Actions, Dialog, Page};
use crate::app::state::{Model, RowExt};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::figures::score_text;
use crate::app::widgets::mark;
use crate::jobs::RunRow;
use crate::spec::{RunId, RunStatus};
use columns::{Columns, Widest};

const RUNG_HEIGHT: f32 = 54.0;

/// What came of each recipe of one run; made anew when the list of runs has changed.
#[derive(Debug, Default)]
pub struct Ladder {
    key: Option<(u64, RunId)>,
    /// The newest first.
    children: Vec<RunId>,
    widest: Widest,
}

impl Ladder {
    fn refresh(&mut self, model: &Model, parent: &RunRow) {
        let key = Some((model.runs.revision(), parent.run.run));
        if self.key == key {
            return;
        }
        self.key = key;
        let is_child = |row: &&RunRow| row.origin.as_ref().is_some_and(|(origin, _)| *origin == parent.run.run);
        let children: Vec<&RunRow> = model.runs.rows().iter().rev().filter(is_child).collect();
        self.children = children.iter().map(|row| row.run.run).collect();
        self.widest = Widest::among(parent, &children);
    }
}

/// A card of this height.
pub fn ladder_ui(
    ui: &mut Ui,
    model: &Model,
    parent: &RunRow,
    view: &mut CompressView,
    height: f32,
    actions: &mut Actions,
) {
    view.ladder.refresh(model, parent);
    theme::card(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.set_height(height - 26.0);
        ui.horizontal(|ui| {
            for (face, name) in [(Face::Results, "Results"), (Face::Layers, "Layer by layer")] {
                ui.selectable_value(&mut view.face, face, theme::strong(name));
            }
            ui.add(egui::Label::new(theme::label(ui, format!("of {}", parent.run.name))).truncate());
            if view.face == Face::Results {
                let right = Layout::right_to_left(Align::Center);
                ui.with_layout(right, |ui| measure_ui(ui, model, parent, &view.ladder, actions));
            }
        });
        if view.face == Face::Layers {
            layers::layers_ui(ui, model, parent, view, actions);
            return;
        }
        let CompressView { ladder, wishes, .. } = view;
        let children = ladder.children.iter().filter_map(|&run| model.runs.row(run));
        let judged = Judged::of(*wishes, parent, children);
        if !ladder.children.is_empty() {
            budget::wishes_ui(ui, wishes);
            if parent.run.deployed.is_some() {
                budget::recommended_ui(ui, model, &judged, actions);
            }
        }
        ScrollArea::horizontal().id_salt("results, sideways").show(ui, |ui| {
            let columns = Columns::within(ui.available_width());
            columns.head_ui(ui, parent.score_name());
            let spacing = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 0.0);
            rung_ui(ui, model, parent, parent, &columns, (ladder, &judged), actions);
            if ladder.children.is_empty() {
                ui.add_space(theme::SPACE[2]);
                let words = "Each recipe makes a run of its own, which is measured beside this one and listed here. The \
                             run itself stays as it is.";
                ui.set_max_width(columns.width());
                ui.add(egui::Label::new(theme::label(ui, words)).wrap());
            }
            ScrollArea::vertical()
                .id_salt("results")
                .auto_shrink([false, true])
                .show_rows(ui, RUNG_HEIGHT, ladder.children.len(), |ui, places| {
                    for place in places {
                        if let Some(row) = ladder.children.get(place).and_then(|&run| model.runs.row(run)) {
                            rung_ui(ui, model, row, parent, &columns, (ladder, &judged), actions);
                        }
                    }
                });
            ui.spacing_mut().item_spacing.y = spacing;
        });
    });
}

/// Measures everything that has finished once more, in the same rounds.
fn measure_ui(ui: &mut Ui, model: &Model, parent: &RunRow, ladder: &Ladder, actions: &mut Actions) {
    let finished = ladder.children.iter().copied();
    let finished = finished.filter(|&run| model.runs.row(run).is_some_and(RowExt::is_usable));
    let runs: Vec<RunId> = std::iter::once(parent.run.run).chain(finished).collect();
    let response = ui.add_enabled(runs.len() > 1, Button::new("Measure side by side"));
    let hover = "Measures the exported files of this run and of all its finished results again, in the same rounds";
    let response = response.on_hover_text(hover);
    if response.clicked() {
        actions.push(Action::Measure(runs));
    }
    response.on_disabled_hover_text("There is no finished result yet");
}

/// One run: its recipe, and its figures or why it has none.
fn rung_ui(
    ui: &mut Ui,
    model: &Model,
    row: &RunRow,
    parent: &RunRow,
    columns: &Columns,
    (ladder, judged): (&Ladder, &Judged),
    actions: &mut Actions,
) {
    let tokens = Tokens::of(ui);
    let run = row.run.run;
    let (rect, response) = ui.allocate_exact_size(vec2(columns.width(), RUNG_HEIGHT), Sense::click());
    if !ui.is_rect_visible(rect) {
        return;
    }
    let is_selected = model.runs.selected().is_some_and(|selected| selected.run.run == run);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_selected, &row.run.name));
    if response.contains_pointer() {
        actions.push(Action::Hover(run));
    }
    if response.clicked() {
        actions.push(Action::Select(run));
    }
    let ground = rect.shrink2(vec2(0.0, 1.0));
    if is_selected {
        ui.painter().rect_filled(ground, 4.0, ui.visuals().selection.bg_fill);
    } else if model.runs.hovered() == Some(run) {
        ui.painter().rect_filled(ground, 4.0, ui.visuals().faint_bg_color);
    }
    ui.painter()
        .hline(rect.x_range(), rect.bottom(), egui::Stroke::new(1.0, tokens.line));
    let is_baseline = run == parent.run.run;
    columns.place(ui, rect, columns::WHAT, Align::Min, |ui| {
        what_ui(ui, model, row, is_baseline, &judged.standing(row, parent));
    });
    if row.run.deployed.is_some() {
        cells::figures_ui(ui, model, row, parent, rect, columns, &ladder.widest);
    } else {
        let rest = columns.figures(rect);
        let mut rest = ui.new_child(
            UiBuilder::new()
                .max_rect(rest)
                .layout(Layout::left_to_right(Align::Center)),
        );
        without_figures_ui(&mut rest, model, row, parent, actions);
    }
    columns.place(ui, rect, columns::MENU, Align::Center, |ui| {
        menu_ui(ui, row, is_baseline, actions);
    });
}

/// The recipe and the run's name.
fn what_ui(ui: &mut Ui, model: &Model, row: &RunRow, is_baseline: bool, standing: &Standing) {
    let tokens = Tokens::of(ui);
    let recipe = row.origin.as_ref().map(|(_, recipe)| recipe);
    let words = recipe.map_or_else(|| "As trained".to_owned(), outlook::in_words);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        if is_baseline {
            ui.label(theme::icon(icons::ICON_KEEP).size(14.0))
                .on_hover_text("The baseline of these results");
        } else {
            ui.label(mark::status_icon(ui, row.run.status))
                .on_hover_text(row.run.status.name());
        }
        match standing {
            Standing::Recommended => {
                ui.label(theme::icon(icons::ICON_CHECK_CIRCLE).size(14.0).color(tokens.good))
                    .on_hover_text("Recommended within the limits");
            }
            Standing::Over(excess) => {
                let icon = ui.label(theme::icon(icons::ICON_BLOCK).size(14.0).color(tokens.warn));
                icon.on_hover_text(format!("Over the limits: {excess}"));
            }
            Standing::Fits | Standing::Unknown => {}
        }
        let label = ui.add(egui::Label::new(theme::strong(words)).truncate());
        if let Some(recipe) = recipe {
            label.on_hover_text(recipe.to_string());
        }
    });
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        mark::dot(ui, mark::run_colour(ui, model, row.run.run));
        let name = format!("{} · {}", row.run.run, row.run.name);
        ui.add(egui::Label::new(theme::hint(ui, &name)).truncate())
            .on_hover_text(name);
    });
}

/// What stands in place of the figures, and the way to get them.
fn without_figures_ui(ui: &mut Ui, model: &Model, row: &RunRow, parent: &RunRow, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    let run = row.run.run;
    let say = |ui: &mut Ui, words: &str| {
        ui.add(egui::Label::new(theme::label(ui, words)).truncate());
    };
    let offer = |ui: &mut Ui, name: &str, hover: &str| {
        let response = ui.button(name);
        response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("{name}: {}", row.run.name)));
        response.on_hover_text(hover).clicked()
    };
    match row.run.status {
        RunStatus::Queued | RunStatus::Running | RunStatus::Paused => {
            let job = model.current_job().filter(|job| job.run() == Some(run));
            let (words, share) = job.map_or((None, None), |job| model.progress_of(job));
            waiting::progress_ui(ui, words.as_deref().or(Some(row.run.status.name())), share);
        }
        RunStatus::Finished if run == parent.run.run => {
            let score = row
                .score()
                .map_or_else(String::new, |score| score_text(row, score) + " · ");
            say(
                ui,
                &format!("{score}size, time and memory are measured with the first recipe"),
            );
        }
        RunStatus::Finished => {
            if offer(
                ui,
                "Measure",
                "Measures its exported file in turn with that of the run it stems from",
            ) {
                actions.push(Action::Measure(vec![parent.run.run, run]));
            }
            say(ui, "Finished, but not measured yet");
        }
        RunStatus::Failed | RunStatus::Crashed => {
            if offer(ui, "Try again", row.on_resume()) {
                actions.push(Action::Resume(run));
            }
            let reason = row.run.failure.as_deref().unwrap_or("No reason was recorded");
            let text = egui::RichText::new(reason).size(12.0).color(tokens.bad);
            ui.add(egui::Label::new(text).wrap()).on_hover_text(reason);
        }
        RunStatus::Stopped | RunStatus::Interrupted => {
            if offer(ui, "Resume", row.on_resume()) {
                actions.push(Action::Resume(run));
            }
            say(
                ui,
                match row.run.status {
                    RunStatus::Stopped => "Stopped before it was done",
                    _ => "The program ended before it was done",
                },
            );
        }
    }
}

fn menu_ui(ui: &mut Ui, row: &RunRow, is_baseline: bool, actions: &mut Actions) {
    let run = row.run.run;
    let button = Button::new(theme::icon(icons::ICON_MORE_VERT)).frame_when_inactive(false);
    let (response, _) = egui::containers::menu::MenuButton::from_button(button).ui(ui, |ui| {
        ui.set_min_width(150.0);
        let mut offer = |ui: &mut Ui, name: &str, is_possible: bool, wanted: &[Action]| {
            if ui.add_enabled(is_possible, Button::new(name)).clicked() {
                for action in wanted {
                    actions.push(action.clone());
                }
                ui.close();
            }
        };
        offer(
            ui,
            "Open in Train",
            true,
            &[Action::Select(run), Action::Go(Page::Train)],
        );
        let is_usable = row.is_usable();
        offer(ui, "Try it", is_usable, &[Action::Select(run), Action::Go(Page::TryIt)]);
        offer(ui, "Export…", is_usable, &[Action::Open(Dialog::Export(run))]);
        if !is_baseline {
            offer(ui, "Compress further", is_usable, &[Action::CompressFurther(run)]);
            ui.separator();
            offer(ui, "Delete", !row.run.status.is_open(), &[Action::Delete(vec![run])]);
        }
    });
    let name = format!("Actions of {}", row.run.name);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
    response.on_hover_text(name);
}

/// The part of a rung's rectangle that a column has.
fn part(rect: Rect, range: egui::Rangef) -> Rect {
    Rect::from_x_y_ranges(range.min + rect.left()..=range.max + rect.left(), rect.y_range())
}
