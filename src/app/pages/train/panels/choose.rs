//! Which architecture suits the data: a ranked list with reasons and predicted cost. One press takes one into the set-up, another
//! runs the baselines first.

use egui::{Align, Button, Label, Layout, ScrollArea, Ui, vec2};
use egui_material_icons::icons;

use super::empty_ui;
use crate::advice::{self, Choice, Reason};
use crate::app::action::{Action, Actions};
use crate::app::pages::train::setup::{data_facts, misfit};
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::app::widgets::field;
use crate::spec::{Architecture, DataConfig, DatasetSummary, RunConfig, units};

/// Below this width a choice's cost stands below its reasons.
const NARROW: f32 = 760.0;
const COST_WIDTH: f32 = 250.0;
const RANK_WIDTH: f32 = 28.0;
/// Reasons that are shown before the rest is asked for.
const FIRST_REASONS: usize = 2;

/// What is kept between frames.
#[derive(Debug, Default)]
pub struct ChooseView {
    advice: Option<Advice>,
    /// Whose reasons are all shown.
    open: Option<Architecture>,
}

/// What is said of some data.
#[derive(Debug)]
struct Advice {
    data: DataConfig,
    dataset: DatasetSummary,
    choices: Vec<Choice>,
    baselines: Vec<RunConfig>,
    /// What does not fit, with the reason.
    left_out: Vec<(Architecture, String)>,
}

impl ChooseView {
    /// The advice on these data; worked out anew only where they are others.
    fn advice(&mut self, data: &DataConfig, dataset: &DatasetSummary) -> &Advice {
        let known = self.advice.take();
        let advice = known
            .filter(|advice| advice.data == *data && advice.dataset == *dataset)
            .unwrap_or_else(|| Advice::on(data, dataset));
        self.advice.insert(advice)
    }
}

impl Advice {
    fn on(data: &DataConfig, dataset: &DatasetSummary) -> Self {
        let choices = advice::choose(data, dataset);
        let is_out = |architecture: &Architecture| choices.iter().all(|choice| choice.architecture != *architecture);
        let left_out = Architecture::ALL.into_iter().filter(is_out).map(|architecture| {
            let why = misfit(architecture, dataset.input, &dataset.task);
            (
                architecture,
                why.unwrap_or_else(|| "does not fit the settings of the data".to_owned()),
            )
        });
        Self {
            data: data.clone(),
            dataset: dataset.clone(),
            left_out: left_out.collect(),
            baselines: advice::baselines(data, dataset),
            choices,
        }
    }
}

pub fn choose_ui(ui: &mut Ui, model: &Model, view: &mut ChooseView, actions: &mut Actions) {
    let form = &model.form;
    let Some(preview) = form.last_preview() else {
        return empty_ui(ui, "The data are being read", "Architectures are ranked for them here");
    };
    let open = view.open;
    let advice = view.advice(&form.config.data, &preview.summary);
    if advice.choices.is_empty() {
        let why = "Something about the data must be mended first: see Data on the left";
        return empty_ui(ui, "No architecture can be trained on these data", why);
    }
    head_ui(ui, advice, actions);
    ui.add_space(theme::SPACE[1]);
    let mut toggled = None;
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for (place, choice) in advice.choices.iter().enumerate() {
            let card = Card {
                choice,
                place,
                is_taken: form.config.model == choice.config.model,
                is_open: open == Some(choice.architecture),
            };
            match card.ui(ui) {
                Some(Press::Take) => {
                    let config = RunConfig {
                        data: form.config.data.clone(),
                        run: form.config.run.clone(),
                        ..choice.config.clone()
                    };
                    actions.push(Action::Edit(Box::new(config)));
                }
                Some(Press::Reasons) => toggled = Some(choice.architecture),
                None => {}
            }
        }
        if !advice.left_out.is_empty() {
            ui.add_space(theme::SPACE[1]);
            ui.label(theme::label(ui, "Not for these data"));
            for (architecture, why) in &advice.left_out {
                ui.label(theme::hint(ui, format!("{}: {why}", architecture.title())));
            }
        }
    });
    if let Some(architecture) = toggled {
        view.open = (open != Some(architecture)).then_some(architecture);
    }
}

/// What the advice is about, and the baselines.
fn head_ui(ui: &mut Ui, advice: &Advice, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let words = (
                theme::icon(icons::ICON_PLAY_ARROW).size(16.0).color(tokens.on_accent),
                theme::strong("Run the baselines first").color(tokens.on_accent),
            );
            let names = advice.baselines.iter().map(|config| config.model.architecture.title());
            let hover = format!(
                "Puts {} on the queue: what they reach is what a larger model must beat",
                names.collect::<Vec<_>>().join(", ")
            );
            let button = theme::primary_button(ui, words);
            let response = ui.add_enabled(!advice.baselines.is_empty(), button);
            let response = response.accessible_name("Run the baselines first");
            if response.on_hover_text(hover).clicked() {
                actions.push(Action::TrainAll(advice.baselines.clone()));
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = theme::SPACE[1];
                ui.label(theme::strong(format!("For {}", advice.dataset.name)));
                let facts = data_facts(&advice.dataset).join(" · ");
                ui.add(Label::new(theme::hint(ui, facts)).truncate());
            });
        });
    });
}

enum Press {
    Take,
    Reasons,
}

/// One choice.
struct Card<'a> {
    choice: &'a Choice,
    place: usize,
    /// It is what the form has.
    is_taken: bool,
    is_open: bool,
}

impl Card<'_> {
    fn ui(&self, ui: &mut Ui) -> Option<Press> {
        let tokens = Tokens::of(ui);
        let mut pressed = None;
        let mut frame = theme::card(ui)
            .fill(tokens.panel)
            .inner_margin(egui::Margin::symmetric(10, 8));
        if self.place == 0 {
            frame = frame.stroke(egui::Stroke::new(1.0, tokens.accent));
        }
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            let is_narrow = ui.available_width() < NARROW;
            let width = ui.available_width();
            ui.horizontal_top(|ui| {
                let rank = theme::number((self.place + 1).to_string()).color(tokens.text_faint);
                ui.allocate_ui_with_layout(
                    vec2(RANK_WIDTH, theme::CONTROL_HEIGHT),
                    Layout::left_to_right(Align::Center),
                    |ui| {
                        ui.set_min_width(RANK_WIDTH);
                        ui.label(rank);
                    },
                );
                let rest = width - RANK_WIDTH - ui.spacing().item_spacing.x;
                let words = if is_narrow { rest } else { rest - COST_WIDTH };
                ui.vertical(|ui| {
                    ui.set_width(words);
                    ui.spacing_mut().item_spacing.y = 3.0;
                    ui.horizontal(|ui| {
                        ui.set_min_height(theme::CONTROL_HEIGHT);
                        ui.label(theme::strong(self.choice.architecture.title()));
                        if self.take_ui(ui) {
                            pressed = Some(Press::Take);
                        }
                    });
                    if self.reasons_ui(ui) {
                        pressed = Some(Press::Reasons);
                    }
                    if is_narrow {
                        ui.add(Label::new(theme::hint(ui, self.cost_words())).truncate());
                    }
                });
                if !is_narrow {
                    self.cost_ui(ui);
                }
            });
        });
        ui.add_space(2.0);
        pressed
    }

    fn take_ui(&self, ui: &mut Ui) -> bool {
        let tokens = Tokens::of(ui);
        if self.is_taken {
            ui.label(theme::icon(icons::ICON_CHECK).size(14.0).color(tokens.good));
            ui.label(theme::hint(ui, "in the set-up"));
            return false;
        }
        let name = format!("Take {}", self.choice.architecture.title());
        let hover = "Puts its small preset into the set-up, with training settings that suit it (Ctrl+Z undoes it)";
        let button = Button::new("Take it").min_size(vec2(0.0, 24.0));
        ui.add(button).accessible_name(name).on_hover_text(hover).clicked()
    }

    /// The first reasons, or all; true when the others are asked for.
    fn reasons_ui(&self, ui: &mut Ui) -> bool {
        let reasons = &self.choice.reasons;
        let shown = if self.is_open {
            reasons.len()
        } else {
            reasons.len().min(FIRST_REASONS)
        };
        for reason in &reasons[..shown] {
            reason_ui(ui, reason);
        }
        let more = reasons.len() - reasons.len().min(FIRST_REASONS);
        if more == 0 {
            return false;
        }
        let words = match (self.is_open, more) {
            (true, _) => "Fewer reasons".to_owned(),
            (false, 1) => "1 reason more".to_owned(),
            (false, _) => format!("{more} reasons more"),
        };
        let name = format!("{}: {words}", self.choice.architecture.title());
        let text = egui::RichText::new(&words).size(11.0).color(Tokens::of(ui).accent);
        ui.add(Button::new(text).frame(false)).accessible_name(name).clicked()
    }

    /// Each with `most` before it where the data decide, and it is what it takes at most.
    fn figures(&self, most: &str) -> [(&'static str, String); 3] {
        let choice = self.choice;
        let most = if choice.is_estimate { most } else { "" };
        [
            ("parameters", units::count(choice.parameters as f64)),
            ("multiply-adds", units::count(choice.multiply_adds as f64)),
            ("in training", units::bytes(choice.memory_bytes)),
        ]
        .map(|(name, figure)| (name, format!("{most}{figure}")))
    }

    fn cost_words(&self) -> String {
        let figures = self.figures("up to ").map(|(name, figure)| format!("{figure} {name}"));
        format!("predicted: {}", figures.join(" · "))
    }

    /// Predicted cost: three figures, each over its name.
    fn cost_ui(&self, ui: &mut Ui) {
        ui.spacing_mut().item_spacing.x = 4.0;
        for (name, figure) in self.figures("≤ ") {
            ui.vertical(|ui| {
                ui.set_width(COST_WIDTH / 3.0 - 8.0);
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.label(theme::number(figure));
                ui.label(theme::hint(ui, name));
            })
            .response
            .on_hover_text("Predicted from the network's description; nothing has been trained");
        }
    }
}

/// For or against, by a sign and in words.
fn reason_ui(ui: &mut Ui, reason: &Reason) {
    let tokens = Tokens::of(ui);
    let (icon, colour) = if reason.points >= 0 {
        (icons::ICON_ADD, tokens.good)
    } else {
        (icons::ICON_REMOVE, tokens.warn)
    };
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label(theme::icon(icon).size(13.0).color(colour));
        let text = egui::RichText::new(field::sentence(&reason.text)).size(12.0);
        ui.add(Label::new(text.color(tokens.text_soft)).wrap());
    });
}
