//! The compared runs' configurations side by side, key by key.

use egui::{Grid, ScrollArea, Ui};

use super::CompareView;
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::app::widgets::mark;
use crate::compare::{Difference, differences};
use crate::spec::{KEYS, Recipe, RunConfig, RunId};

/// Columns at most.
const MOST: usize = 8;

/// The configurations of the runs that are at hand; made anew when those are others.
#[derive(Debug, Default)]
pub struct Configs {
    runs: Vec<RunId>,
    rows: Vec<Difference>,
}

impl Configs {
    fn refresh(&mut self, model: &Model, wanted: &[RunId]) {
        let at_hand: Vec<RunId> = wanted
            .iter()
            .copied()
            .filter(|&run| model.runs.open(run).is_some())
            .take(MOST)
            .collect();
        if self.runs == at_hand {
            return;
        }
        let columns: Vec<(&RunConfig, Option<&Recipe>)> = at_hand
            .iter()
            .filter_map(|&run| model.runs.open(run))
            .map(|open| {
                (
                    &open.record.plan.config,
                    open.record.origin.as_ref().map(|(_, recipe)| recipe),
                )
            })
            .collect();
        self.rows = differences(&columns);
        self.runs = at_hand;
    }
}

pub fn differences_ui(ui: &mut Ui, model: &Model, view: &mut CompareView, wanted: &[RunId]) {
    view.configs.refresh(model, wanted);
    let Configs { runs, rows } = &view.configs;
    theme::card(ui).show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        if wanted.len() < 2 {
            ui.label(theme::label(
                ui,
                "With two runs or more, what was set differently stands here",
            ));
            return;
        }
        ui.horizontal(|ui| {
            ui.checkbox(&mut view.show_identical, "Show identical")
                .on_hover_text("Also keys with the same value in every run");
            let missing = wanted.len().min(MOST) - runs.len().min(MOST);
            if missing > 0 {
                ui.label(theme::hint(ui, format!("{missing} more are being read")));
            } else if wanted.len() > MOST {
                ui.label(theme::hint(ui, format!("the first {MOST} of {} runs", wanted.len())));
            }
        });
        let shown: Vec<&Difference> = rows.iter().filter(|row| view.show_identical || !row.is_same).collect();
        if shown.is_empty() {
            ui.label(theme::label(ui, "All were configured alike, save for their names"));
            return;
        }
        grid_ui(ui, model, runs, &shown);
    });
}

fn grid_ui(ui: &mut Ui, model: &Model, runs: &[RunId], rows: &[&Difference]) {
    ScrollArea::horizontal().id_salt("differences").show(ui, |ui| {
        Grid::new("differences")
            .num_columns(runs.len() + 1)
            .spacing([20.0, 6.0])
            .show(ui, |ui| {
                ui.label("");
                for &run in runs {
                    ui.horizontal(|ui| {
                        mark::dot(ui, mark::run_colour(ui, model, run));
                        let name = model
                            .runs
                            .row(run)
                            .map_or_else(|| run.to_string(), |row| row.run.name.clone());
                        ui.label(theme::strong(name)).on_hover_text(run.to_string());
                    });
                }
                ui.end_row();
                for row in rows {
                    let doc = KEYS.iter().find(|key| key.path == row.key).map_or("", |key| key.doc);
                    let key = ui.label(theme::label(ui, row.key));
                    if !doc.is_empty() {
                        key.on_hover_text(doc);
                    }
                    // What is not as in the first column stands out.
                    let first = row.values.first();
                    for value in &row.values {
                        let tokens = Tokens::of(ui);
                        let differs = Some(value) != first;
                        let text = theme::number(value.as_deref().unwrap_or("–"));
                        let colour = if differs { tokens.text } else { tokens.text_soft };
                        ui.label(text.color(colour));
                    }
                    ui.end_row();
                }
            });
    });
}
