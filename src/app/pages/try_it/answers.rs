//! What the networks say, one card each, side by side.

use egui::{Align, Align2, FontId, Label, Layout, Rect, RichText, ScrollArea, Sense, Ui, pos2, vec2};
use egui_material_icons::{MaterialIcon, icons};

use super::family::Family;
use super::titled;
use crate::app::action::{Action, Actions, Page};
use crate::app::state::{Model, RowExt as _};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::mark;
use crate::jobs::{RunRow, Trial, Tried};
use crate::spec::{RunId, units};

/// Least and most width of a card, in points.
const WIDTH: [f32; 2] = [182.0, 300.0];
/// Classes whose probabilities, or values, have room on a card.
const CLASSES: usize = 12;
/// Width of one of several values and of its error, and height of its line.
const VALUE: f32 = 58.0;
const OFF: f32 = 56.0;
const VALUE_LINE: f32 = 18.0;
/// Height of a bar with its words, and the width of a class's name and of the percents.
const BAR: f32 = 17.0;
const BAR_STEP: f32 = BAR + 4.0;
/// What a card takes beside its head and its bars, so that it keeps its height while an answer is awaited.
const REST: f32 = 94.0;
const NAME: f32 = 64.0;
const PERCENT: f32 = 56.0;

pub struct Answers<'a> {
    pub family: &'a Family<'a>,
    pub chosen: &'a [&'a RunRow],
    /// The last answer; none before the first, or where nothing is asked.
    pub result: Option<Result<&'a Tried, &'a str>>,
    /// Nothing is drawn.
    pub is_empty: bool,
    /// Classes that there are, as far as is known; none for a regression.
    pub classes: usize,
}

impl<'a> Answers<'a> {
    fn trial(&self, run: RunId) -> Option<Result<&'a Trial, &'a str>> {
        let tried = self.result?.ok()?;
        let (_, trial) = tried.trials.iter().find(|(other, _)| *other == run)?;
        Some(trial.as_ref().map_err(String::as_str))
    }

    fn truth(&self) -> Option<&'a str> {
        self.result?.ok()?.truth.as_deref()
    }

    fn true_values(&self) -> &'a [(String, f64)] {
        match self.result {
            Some(Ok(tried)) => &tried.true_values,
            _ => &[],
        }
    }

    fn baseline(&self) -> Option<&'a Trial> {
        self.trial(self.family.baseline().run.run)?.ok()
    }
}

pub fn answers_ui(ui: &mut Ui, answers: &Answers<'_>, model: &Model, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    ScrollArea::vertical()
        .id_salt("answers")
        .auto_shrink(false)
        .show(ui, |ui| {
            if let Some(Err(reason)) = answers.result {
                theme::card(ui).show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    word_ui(ui, icons::ICON_ERROR, tokens.bad, reason);
                });
                ui.add_space(theme::SPACE[1]);
            }
            if answers.chosen.is_empty() {
                ui.label(theme::label(ui, "Tick a network to have it answer"));
                return;
            }
            let gap = theme::SPACE[2];
            let available = ui.available_width();
            let in_a_row = (((available + gap) / (WIDTH[0] + gap)) as usize).clamp(1, answers.chosen.len().max(1));
            let width = ((available + gap) / in_a_row as f32 - gap).min(WIDTH[1]).floor();
            ui.spacing_mut().item_spacing = vec2(gap, gap);
            for row in answers.chosen.chunks(in_a_row) {
                ui.horizontal_top(|ui| {
                    for run in row {
                        card_ui(ui, width, run, answers, model, actions);
                    }
                });
            }
            let can_be_compressed = answers.family.baseline().classical().is_none();
            if answers.family.members.len() == 1 && can_be_compressed {
                ui.horizontal(|ui| {
                    ui.label(theme::label(
                        ui,
                        "Compress this run to see its smaller versions answer beside it",
                    ));
                    if ui.button("Compress it").clicked() {
                        actions.push(Action::Go(Page::Compress));
                    }
                });
            }
        });
}

fn card_ui(ui: &mut Ui, width: f32, row: &RunRow, answers: &Answers<'_>, model: &Model, actions: &mut Actions) {
    let run = row.run.run;
    let down = Layout::top_down(Align::Min);
    let response = ui
        .allocate_ui_with_layout(vec2(width, 0.0), down, |ui| {
            theme::card(ui).show(ui, |ui| {
                ui.set_width(width - 26.0);
                ui.spacing_mut().item_spacing = vec2(8.0, 4.0);
                ui.spacing_mut().interact_size.y = 18.0;
                head_ui(ui, row, model);
                match answers.trial(run) {
                    Some(Ok(trial)) => trial_ui(ui, row, trial, answers),
                    Some(Err(reason)) => {
                        let text = RichText::new(reason).color(Tokens::of(ui).bad);
                        ui.add(Label::new(text).wrap());
                    }
                    None => {
                        let words = if answers.is_empty {
                            "Answers as you draw"
                        } else {
                            "Answers in a moment"
                        };
                        ui.label(theme::hint(ui, words));
                        ui.add_space(REST + BAR_STEP * answers.classes.min(CLASSES) as f32);
                    }
                }
            });
        })
        .response;
    if response.contains_pointer() {
        actions.push(Action::Hover(run));
    }
}

/// Colour, name, recipe.
fn head_ui(ui: &mut Ui, row: &RunRow, model: &Model) {
    let run = row.run.run;
    ui.horizontal(|ui| {
        mark::dot(ui, mark::run_colour(ui, model, run));
        ui.add(Label::new(theme::strong(titled(row))).truncate())
            .on_hover_text(titled(row));
    });
    let recipe = match &row.origin {
        Some((_, recipe)) => recipe.to_string(),
        None => "uncompressed".to_owned(),
    };
    ui.add(Label::new(theme::hint(ui, &recipe)).truncate())
        .on_hover_text(recipe);
}

fn trial_ui(ui: &mut Ui, row: &RunRow, trial: &Trial, answers: &Answers<'_>) {
    let is_baseline = answers.family.baseline().run.run == row.run.run;
    let true_values = answers.true_values();
    if trial.values.len() > 1 {
        values_ui(ui, trial, true_values);
    } else {
        ui.horizontal(|ui| {
            let number = ui.add(Label::new(theme::big_number(&trial.answer)).truncate());
            if let [(name, value)] = &trial.values[..] {
                number.on_hover_text(format!("{name} {value}"));
            }
            if let Some(truth) = answers.truth() {
                truth_ui(ui, trial, truth, true_values);
            }
        });
    }
    if let Some(baseline) = answers.baseline()
        && answers.chosen.len() > 1
    {
        if is_baseline {
            let soft = Tokens::of(ui).text_soft;
            word_ui(ui, icons::ICON_KEEP, soft, "the baseline");
        } else {
            agreement_ui(ui, trial, baseline);
        }
    }
    if !trial.probabilities.is_empty() {
        ui.add_space(theme::SPACE[0]);
        bars_ui(ui, trial);
    }
    ui.add_space(theme::SPACE[0]);
    let baseline = answers.baseline().filter(|_| !is_baseline);
    let ratio = baseline.map(|baseline| trial.microseconds / baseline.microseconds);
    let time = units::microseconds(trial.microseconds);
    let hover = "Median of a few calls with this one row, just now, with the noise that one try has; Compare shows what was \
                 measured in many turns";
    figure_ui(ui, "time", &time, ratio, hover);
    let size = row.run.deployed.as_ref().map(|deployed| deployed.size_bytes as f64);
    let of_baseline = answers.family.baseline().run.deployed.as_ref();
    let ratio = match (size, of_baseline) {
        (Some(size), Some(other)) if !is_baseline => Some(size / other.size_bytes as f64),
        _ => None,
    };
    let text = size.map_or_else(|| "not measured".to_owned(), |size| units::bytes(size as u64));
    let hover = "Size of the exported file; Compare measures a run that was not";
    figure_ui(ui, "file", &text, ratio, hover);
}

/// Each value of several, and how far it is off where the truth is known.
fn values_ui(ui: &mut Ui, trial: &Trial, true_values: &[(String, f64)]) {
    let right = Layout::right_to_left(Align::Center);
    let number_ui = |ui: &mut Ui, width: f32, words: RichText| {
        ui.allocate_ui_with_layout(vec2(width, VALUE_LINE), right, |ui| {
            ui.set_min_width(width);
            ui.label(words);
        });
    };
    let line_ui = |ui: &mut Ui, name: RichText, value: RichText, off: Option<RichText>| {
        ui.allocate_ui_with_layout(vec2(ui.available_width(), VALUE_LINE), right, |ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            if let Some(off) = off {
                number_ui(ui, OFF, off);
            }
            number_ui(ui, VALUE, value);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(name).truncate());
            });
        })
        .response
    };
    if !true_values.is_empty() {
        let off = theme::hint(ui, "off by");
        line_ui(ui, theme::hint(ui, ""), theme::hint(ui, "answer"), Some(off));
    }
    for (name, value) in trial.values.iter().take(CLASSES) {
        let truth = value_of(true_values, name);
        let off = truth.map(|truth| theme::hint(ui, units::significant((value - truth).abs())).monospace());
        let label = theme::label(ui, name);
        let response = line_ui(ui, label, theme::number(units::significant(*value)), off);
        let truth = truth.map_or_else(String::new, |truth| format!(", truth {truth}"));
        response.on_hover_text(format!("{name} {value}{truth}"));
    }
    if trial.values.len() > CLASSES {
        let rest = trial.values.len() - CLASSES;
        ui.label(theme::hint(ui, format!("and {rest} more values")));
    }
}

fn value_of(values: &[(String, f64)], name: &str) -> Option<f64> {
    let (_, value) = values.iter().find(|(other, _)| other == name)?;
    Some(*value)
}

/// Whether the answer is the truth; how far it is off, for a value.
fn truth_ui(ui: &mut Ui, trial: &Trial, truth: &str, true_values: &[(String, f64)]) {
    let tokens = Tokens::of(ui);
    if let [(name, value)] = &trial.values[..] {
        if let Some(true_value) = value_of(true_values, name) {
            let off = units::significant((value - true_value).abs());
            ui.label(theme::label(ui, format!("truth {truth} · off by {off}")));
        }
    } else if trial.answer == truth {
        word_ui(ui, icons::ICON_CHECK, tokens.good, "right");
    } else {
        word_ui(ui, icons::ICON_CLOSE, tokens.bad, &format!("wrong, it is {truth}"));
    }
}

/// Whether a network says what the baseline says.
fn agreement_ui(ui: &mut Ui, trial: &Trial, baseline: &Trial) {
    let tokens = Tokens::of(ui);
    let agrees = if trial.values.is_empty() {
        trial.answer == baseline.answer
    } else {
        trial.values == baseline.values
    };
    if agrees {
        return word_ui(ui, icons::ICON_CHECK, tokens.good, "agrees with baseline");
    }
    let pairs = trial.values.iter();
    let pairs = pairs.filter_map(|(name, value)| Some((*value, value_of(&baseline.values, name)?)));
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let (colour, words) = match pairs[..] {
        [] => (tokens.warn, format!("the baseline says {}", baseline.answer)),
        [(value, other)] => {
            let sign = if value > other { "above" } else { "below" };
            let words = format!("{} {sign} the baseline", units::significant((value - other).abs()));
            (tokens.text_soft, words)
        }
        _ => {
            let most = pairs.iter().map(|(value, other)| (value - other).abs());
            let most = units::significant(most.fold(0.0, f64::max));
            (tokens.text_soft, format!("within {most} of the baseline"))
        }
    };
    word_ui(ui, icons::ICON_DIFFERENCE, colour, &words);
}

fn word_ui(ui: &mut Ui, icon: MaterialIcon, colour: egui::Color32, words: &str) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = theme::SPACE[0];
        ui.label(theme::icon(icon).size(14.0).color(colour));
        let text = RichText::new(words).size(12.0).color(colour);
        ui.add(Label::new(text).truncate()).on_hover_text(words);
    });
}

/// Each class with its probability, in the task's order; of many classes the likeliest.
fn bars_ui(ui: &mut Ui, trial: &Trial) {
    let tokens = Tokens::of(ui);
    let shown = likeliest(&trial.probabilities);
    let font = FontId::proportional(11.0);
    for (class, probability) in &shown {
        let is_winner = *class == trial.answer;
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), BAR), Sense::hover());
        let percent = units::percent(f64::from(*probability));
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Meter, true, format!("{class}: {percent}")));
        let strong = if is_winner { tokens.text } else { tokens.text_soft };
        let mut job = egui::text::LayoutJob::simple_singleline(class.clone(), font.clone(), strong);
        job.wrap = egui::text::TextWrapping::truncate_at_width(NAME - 6.0);
        let name = ui.painter().layout_job(job);
        let width = shown.iter().map(|(class, _)| class.len()).max().unwrap_or(0) as f32 * 7.0 + 10.0;
        let left = rect.left() + width.min(NAME);
        let y = rect.center().y;
        ui.painter()
            .galley(pos2(left - 6.0 - name.size().x, y - name.size().y / 2.0), name, strong);
        let track = Rect::from_min_max(pos2(left, y - 4.0), pos2(rect.right() - PERCENT, y + 4.0));
        ui.painter().rect_filled(track, 2, tokens.line.gamma_multiply(0.5));
        let bar = track.with_max_x(track.left() + track.width() * probability.clamp(0.0, 1.0));
        let colour = if is_winner { tokens.accent } else { tokens.text_faint };
        ui.painter().rect_filled(bar, 2, colour);
        let font = FontId::monospace(11.0);
        ui.painter()
            .text(pos2(rect.right(), y), Align2::RIGHT_CENTER, percent, font, strong);
    }
    if shown.len() < trial.probabilities.len() {
        let rest = trial.probabilities.len() - shown.len();
        ui.label(theme::hint(ui, format!("and {rest} less likely classes")));
    }
}

/// At most as many classes as there is room for, in the task's order.
fn likeliest(probabilities: &[(String, f32)]) -> Vec<(String, f32)> {
    let mut places: Vec<usize> = (0..probabilities.len()).collect();
    places.sort_by(|&a, &b| probabilities[b].1.total_cmp(&probabilities[a].1));
    places.truncate(CLASSES);
    places.sort_unstable();
    places.into_iter().map(|place| probabilities[place].clone()).collect()
}

/// A figure with its name, and what it is of the baseline's.
fn figure_ui(ui: &mut Ui, name: &str, text: &str, ratio: Option<f64>, hover: &str) {
    ui.horizontal(|ui| {
        ui.label(theme::label(ui, name));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(theme::number(text)).on_hover_text(hover);
            if let Some(ratio) = ratio.filter(|ratio| ratio.is_finite()) {
                let words = format!("{} ×", units::significant(ratio));
                ui.label(theme::hint(ui, words))
                    .on_hover_text("Times that of the baseline");
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_classes_the_likeliest_are_shown_in_the_task_s_order() {
        let few: Vec<(String, f32)> = (0..5).map(|class| (class.to_string(), 0.2)).collect();
        assert_eq!(likeliest(&few), few);
        let many: Vec<(String, f32)> = (0..40).map(|class| (class.to_string(), class as f32)).collect();
        let shown = likeliest(&many);
        assert_eq!(shown.len(), CLASSES);
        assert_eq!((shown[0].0.as_str(), shown[CLASSES - 1].0.as_str()), ("28", "39"));
    }
}
