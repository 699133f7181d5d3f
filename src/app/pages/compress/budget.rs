//! What a result may cost, and which one to take: limits beside the results, the recommendation with its reason.

use egui::{Align, ComboBox, DragValue, Label, Layout, Ui};
use egui_material_icons::icons;

use crate::app::action::{Action, Actions};
use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::compare::{Axis, Budget, Recommendation, recommend};
use crate::jobs::RunRow;
use crate::spec::{RunId, units};

/// The limits, and what is to be saved within them.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Wishes {
    pub budget: Budget,
    pub save: Axis,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            budget: Budget {
                loss: Some(0.01),
                ..Budget::default()
            },
            save: Axis::Batch64,
        }
    }
}

/// How a result stands to the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Recommended,
    Fits,
    /// What it breaks.
    Over(String),
    /// It has not been measured.
    Unknown,
}

/// The results against the wishes.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    wishes: Wishes,
    recommended: Option<Recommendation>,
}

impl Judged {
    pub fn of<'a>(wishes: Wishes, parent: &RunRow, children: impl IntoIterator<Item = &'a RunRow>) -> Self {
        let runs = children.into_iter().map(|row| &row.run);
        Self {
            wishes,
            recommended: recommend(&parent.run, runs, &wishes.budget, wishes.save),
        }
    }

    pub fn recommended(&self) -> Option<RunId> {
        self.recommended.as_ref().map(|found| found.run)
    }

    pub fn standing(&self, row: &RunRow, parent: &RunRow) -> Standing {
        if row.run.deployed.is_none() {
            return Standing::Unknown;
        }
        if self.recommended() == Some(row.run.run) {
            return Standing::Recommended;
        }
        let excess = self.wishes.budget.excess(&row.run, &parent.run);
        if excess.is_empty() {
            Standing::Fits
        } else {
            let texts: Vec<String> = excess.iter().map(crate::compare::Excess::text).collect();
            Standing::Over(texts.join(", "))
        }
    }
}

/// The limits in one row.
pub fn wishes_ui(ui: &mut Ui, wishes: &mut Wishes) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = theme::SPACE[1];
        ui.label(theme::label(ui, "Save"));
        ComboBox::from_id_salt("what to save")
            .selected_text(wishes.save.name())
            .show_ui(ui, |ui| {
                for axis in Axis::ALL {
                    ui.selectable_value(&mut wishes.save, axis, axis.name())
                        .on_hover_text(axis.doc());
                }
            })
            .response
            .on_hover_text("What the recommended result has the least of, within the limits");
        let budget = &mut wishes.budget;
        ui.label(theme::label(ui, "within"));
        limit_ui(ui, &mut budget.loss, Limit::LOSS);
        limit_ui(ui, &mut budget.size, Limit::SIZE);
        limit_ui(ui, &mut budget.latency_batch1, Limit::BATCH1);
        limit_ui(ui, &mut budget.latency_batch64, Limit::BATCH64);
        limit_ui(ui, &mut budget.memory, Limit::MEMORY);
    });
}

/// How a limit is shown and dragged.
#[derive(Clone, Copy)]
struct Limit {
    name: &'static str,
    hover: &'static str,
    /// One of its units in the figure's own.
    unit: f64,
    text: fn(f64) -> String,
    read: fn(&str) -> Option<f64>,
}

impl Limit {
    const LOSS: Self = Self {
        name: "Loss",
        hover: "Points of accuracy (hundredths of R2) that may be lost against the run itself",
        unit: 0.001,
        text: |value| format!("{:.1} points", value * 100.0),
        read: |text| Some(text.trim_end_matches("points").trim().parse::<f64>().ok()? / 100.0),
    };
    const SIZE: Self = Self {
        name: "Size",
        hover: "Largest exported file, such as 20 kB; 0 for any",
        unit: 500.0,
        text: |value| units::bytes(value as u64),
        read: bytes,
    };
    const BATCH1: Self = Self {
        name: "Latency 1",
        hover: "Longest call with one sample, in microseconds; 0 for any",
        unit: 0.5,
        text: units::microseconds,
        read: microseconds,
    };
    const BATCH64: Self = Self {
        name: "Latency 64",
        hover: "Longest call with 64 samples, in microseconds; 0 for any",
        ..Self::BATCH1
    };
    const MEMORY: Self = Self {
        name: "Memory",
        hover: "Most memory of the loaded network at batch 64, such as 200 kB; 0 for any",
        ..Self::SIZE
    };
}

fn bytes(text: &str) -> Option<f64> {
    if text.trim() == "0" {
        return Some(0.0);
    }
    units::parse_bytes(text).map(|bytes| bytes as f64)
}

fn microseconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, factor) = text
        .strip_suffix("ms")
        .map(|text| (text, 1e3))
        .or_else(|| {
            text.strip_suffix("µs")
                .or(text.strip_suffix("us"))
                .map(|text| (text, 1.0))
        })
        .unwrap_or((text, 1.0));
    Some(number.trim().parse::<f64>().ok()? * factor)
}

/// A limit to drag or to type; none is "any".
fn limit_ui(ui: &mut Ui, limit: &mut Option<f64>, look: Limit) {
    let mut value = limit.unwrap_or(0.0);
    let is_loss = look.name == Limit::LOSS.name;
    let label = ui.label(theme::hint(ui, look.name));
    let drag = DragValue::new(&mut value)
        .range(0.0..=1e12)
        .speed(look.unit)
        .custom_formatter(move |value, _| {
            if value == 0.0 && !is_loss {
                "any".to_owned()
            } else {
                (look.text)(value)
            }
        })
        .custom_parser(move |text| {
            if text.trim() == "any" {
                Some(0.0)
            } else {
                (look.read)(text)
            }
        });
    let response = ui.add(drag).labelled_by(label.id).on_hover_text(look.hover);
    if response.changed() {
        *limit = (value > 0.0 || is_loss).then_some(value);
    }
}

/// The one to take, in a sentence; a press selects it.
pub fn recommended_ui(ui: &mut Ui, model: &Model, judged: &Judged, actions: &mut Actions) {
    let tokens = Tokens::of(ui);
    ui.horizontal(|ui| {
        ui.set_min_height(theme::CONTROL_HEIGHT);
        let Some(found) = &judged.recommended else {
            ui.label(theme::icon(icons::ICON_INFO).size(16.0).color(tokens.warn));
            ui.label(theme::label(ui, "Nothing fits these limits, not even the run itself"));
            return;
        };
        ui.label(theme::icon(icons::ICON_CHECK_CIRCLE).size(16.0).color(tokens.good));
        let row = model.runs.row(found.run);
        let name = row.map_or_else(
            || found.run.to_string(),
            |row| match &row.origin {
                Some((_, recipe)) => super::outlook::in_words(recipe),
                None => "As trained".to_owned(),
            },
        );
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.label(theme::label(ui, "Recommended:"));
            let take = ui.link(theme::strong(name));
            take.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Link, true, "The recommended result"));
            if take.on_hover_text("Selects it").clicked() {
                actions.push(Action::Select(found.run));
            }
            ui.add(Label::new(theme::label(ui, format!("· {}", found.reason))).truncate())
                .on_hover_text(&found.reason);
        });
    });
}
