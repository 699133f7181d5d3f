//! The Try it page: exported networks answer what a person draws, types or chooses, side by side.

mod answers;
mod drawing;
mod family;
mod fields;
mod input;
mod pad;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use egui::{Checkbox, ComboBox, Panel, ScrollArea, Ui, vec2};
use egui_material_icons::icons;

use crate::app::action::{Action, Actions, Page};
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::app::widgets::mark;
use crate::jobs::{RunRow, Tried, TryInput};
use crate::spec::{DatasetSummary, RunId, Shape};
use family::Family;
use input::{Input, Kind};
use pad::Pad;

/// Shortest time between two questions, in seconds.
const BETWEEN_SECS: f64 = 0.2;
/// Width of the input's side.
const INPUT_WIDTH: f32 = 384.0;

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TryView {
    /// Networks ticked or unticked by hand.
    #[serde(skip)]
    ticks: BTreeMap<RunId, bool>,
    /// Name of the data that the input is for.
    #[serde(skip)]
    dataset: String,
    #[serde(skip)]
    input: Input,
    #[serde(skip)]
    pad: Pad,
    #[serde(skip)]
    asked: Option<Asked>,
}

/// The last question.
#[derive(Debug)]
struct Asked {
    runs: Vec<RunId>,
    input: TryInput,
    /// Seconds since the window's start.
    at: f64,
}

pub fn try_ui(ui: &mut Ui, model: &Model, view: &mut TryView, actions: &mut Actions) {
    let Some(family) = Family::of(model) else {
        return empty_ui(ui, model, actions);
    };
    view.follow(&family, model);
    let frame = egui::Frame::NONE.outer_margin(egui::Margin {
        right: 12,
        ..egui::Margin::ZERO
    });
    Panel::left("try input")
        .frame(frame)
        .exact_size(INPUT_WIDTH)
        .resizable(false)
        .show_separator_line(false)
        .show(ui, |ui| {
            ScrollArea::vertical().id_salt("try input").show(ui, |ui| {
                theme::card(ui).show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    family_ui(ui, &family, model, actions);
                    ui.add_space(theme::SPACE[1]);
                    input_ui(ui, &family, model, view);
                });
                ui.add_space(theme::SPACE[1]);
                theme::card(ui).show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    members_ui(ui, &family, model, view);
                });
            });
        });
    let chosen = family.chosen(&view.ticks);
    view.ask(ui, chosen.iter().map(|row| row.run.run).collect(), model, actions);
    let answers = answers::Answers {
        family: &family,
        chosen: &chosen,
        result: view.result(model),
        is_empty: view.input.wanted().is_none(),
        classes: family.dataset(model).map_or(0, |dataset| dataset.class_rows.len()),
    };
    answers::answers_ui(ui, &answers, model, actions);
}

impl TryView {
    /// Other data: the input begins anew.
    fn follow(&mut self, family: &Family<'_>, model: &Model) {
        if self.dataset != family.root.dataset {
            self.dataset.clone_from(&family.root.dataset);
            self.input = Input::default();
            self.asked = None;
        }
        if self.input.kind.is_none()
            && let Some(dataset) = family.dataset(model)
        {
            self.input.set_kind(Kind::of_dataset(dataset));
        }
        let is_answered = |asked: &Asked| !model.trial.is_waiting && self.input.is(&asked.input);
        if self.asked.as_ref().is_some_and(is_answered)
            && let Some(Ok(tried)) = &model.trial.result
        {
            self.input.take(tried);
        }
    }

    /// What was answered; while a newer answer is awaited, the one before.
    fn result<'a>(&self, model: &'a Model) -> Option<Result<&'a Tried, &'a str>> {
        self.asked.as_ref()?;
        self.input.wanted()?;
        let result = model.trial.result.as_ref()?;
        Some(result.as_ref().map_err(String::as_str))
    }

    /// Asks where the input or the networks are others than those of the last question, and no answer is awaited.
    fn ask(&mut self, ui: &Ui, runs: Vec<RunId>, model: &Model, actions: &mut Actions) {
        let is_same = |asked: &Asked| asked.runs == runs && self.input.is(&asked.input);
        if model.trial.is_waiting || runs.is_empty() || self.asked.as_ref().is_some_and(is_same) {
            return;
        }
        let Some(input) = self.input.wanted() else { return };
        let now = ui.input(|input| input.time);
        if let Some(asked) = &self.asked
            && now < asked.at + BETWEEN_SECS
        {
            let rest = asked.at + BETWEEN_SECS - now;
            ui.ctx().request_repaint_after(Duration::from_secs_f64(rest));
            return;
        }
        actions.push(Action::Try {
            runs: runs.clone(),
            input: input.clone(),
        });
        self.asked = Some(Asked { runs, input, at: now });
    }
}

/// Name and number: several may have the same name.
fn titled(row: &RunRow) -> String {
    format!("{} · {}", row.run.name, row.run.run)
}

/// The run whose family answers.
fn family_ui(ui: &mut Ui, family: &Family<'_>, model: &Model, actions: &mut Actions) {
    ui.horizontal(|ui| {
        ui.label(theme::title("Try it"));
        ui.add_space(theme::SPACE[1]);
        let name = titled(family.root);
        let combo = ComboBox::from_id_salt("family")
            .width(ui.available_width())
            .truncate()
            .selected_text(name.as_str());
        let response = combo.show_ui(ui, |ui| {
            let roots: Vec<_> = family::roots(model).collect();
            let height = ui.spacing().interact_size.y;
            ScrollArea::vertical()
                .max_height(280.0)
                .show_rows(ui, height, roots.len(), |ui, shown| {
                    for row in roots.get(shown).unwrap_or_default() {
                        let is_present = row.run.run == family.root.run.run;
                        if ui.selectable_label(is_present, titled(row)).clicked() {
                            actions.push(Action::Select(row.run.run));
                            ui.close();
                        }
                    }
                });
        });
        let info = || egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Finished run to try");
        response.response.widget_info(info);
        response
            .response
            .on_hover_text("The finished run that answers, beside what was compressed from it");
    });
}

fn input_ui(ui: &mut Ui, family: &Family<'_>, model: &Model, view: &mut TryView) {
    match view.input.kind.clone() {
        Some(Kind::Picture(_)) => pad::picture_ui(ui, &mut view.input, &mut view.pad),
        Some(Kind::Table(_)) => {}
        None => {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(theme::label(ui, "Reading a test sample"));
            });
        }
    }
    let rows = family.dataset(model).map(|dataset| dataset.split.test);
    fields::row_ui(ui, &mut view.input, rows);
    if let Some(Kind::Table(columns)) = &view.input.kind {
        let columns = columns.clone();
        let is_text = |dataset: &DatasetSummary| matches!(dataset.input, Shape::Tokens { .. });
        let is_text = family.dataset(model).is_some_and(is_text);
        fields::cells_ui(ui, &mut view.input, &columns, is_text);
    }
}

/// The networks that answer.
fn members_ui(ui: &mut Ui, family: &Family<'_>, model: &Model, view: &mut TryView) {
    ui.label(theme::strong("Networks"));
    let chosen: Vec<RunId> = family.chosen(&view.ticks).iter().map(|row| row.run.run).collect();
    ui.spacing_mut().interact_size.y = 22.0;
    ui.style_mut().wrap_mode = Some(egui::TextWrapMode::Truncate);
    for row in &family.members {
        let run = row.run.run;
        let mut is_chosen = chosen.contains(&run);
        ui.horizontal(|ui| {
            mark::dot(ui, mark::run_colour(ui, model, run));
            let response = ui.add(Checkbox::new(&mut is_chosen, titled(row)));
            if response.on_hover_text(titled(row)).changed() {
                view.ticks.insert(run, is_chosen);
            }
        });
    }
}

/// No run can be tried yet.
fn empty_ui(ui: &mut Ui, model: &Model, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.25).max(16.0));
        if !model.runs.is_loaded() {
            ui.label(theme::label(ui, "Reading the runs"));
            return;
        }
        ui.label(theme::icon(icons::ICON_DRAW).size(40.0).color(tokens.text_faint));
        ui.label(theme::title("Try a trained network yourself"));
        let words = "Draw a digit, type a row or take a test sample: the network and its compressed versions answer side \
                     by side, from the very files that you would take away, with the time that each took";
        ui.add_sized([460.0, 32.0], egui::Label::new(theme::label(ui, words)).wrap());
        ui.add_space(theme::SPACE[1]);
        let (words, button) = if model.is_running() {
            ("A run is at work; it can be tried when it has finished", "Watch it")
        } else {
            ("It takes a finished run to begin with", "Train a network")
        };
        ui.label(theme::label(ui, words));
        ui.add_space(theme::SPACE[2]);
        let text = theme::strong(button).color(tokens.on_accent);
        let button = theme::primary_button(ui, text).min_size(vec2(140.0, theme::CONTROL_HEIGHT));
        if ui.add(button).clicked() {
            actions.push(Action::Go(Page::Train));
        }
    });
}
