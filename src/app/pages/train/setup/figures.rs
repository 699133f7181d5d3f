//! What the set-up would cost, before anything is built: the block at the foot of the panel.

use egui::{Align, Layout, Ui, vec2};

use crate::app::state::{Form, PreviewState};
use crate::app::theme;
use crate::app::widgets::ledger::ledger_ui;
use crate::app::widgets::network::{Block, blocks};
use crate::cost;
use crate::spec::{MemoryLedger, RunPlan, units};

/// Height of the block, whatever it shows.
pub const HEIGHT: f32 = 100.0;

/// A plan with all that is computed from it.
#[derive(Debug)]
pub struct Figures {
    pub plan: RunPlan,
    pub blocks: Vec<Block>,
    pub parameters: u64,
    /// For one sample.
    pub multiply_adds: u64,
    /// Of the exported file's weights in 32 bits.
    pub bytes: u64,
    pub ledger: MemoryLedger,
}

impl Figures {
    pub fn of(plan: &RunPlan) -> Self {
        Self {
            blocks: blocks(&plan.model),
            parameters: cost::parameters(&plan.model),
            multiply_adds: cost::multiply_adds(&plan.model),
            bytes: cost::model_bytes(&plan.model),
            ledger: cost::memory(plan),
            plan: plan.clone(),
        }
    }
}

/// Whether the last figures may stand for the present settings: these are right, or their data are being read.
pub fn are_current(form: &Form) -> bool {
    match &form.checked {
        Ok(_) => true,
        Err(issues) => issues.is_empty() && matches!(form.preview, PreviewState::Waiting),
    }
}

/// What there must be before there are figures.
pub fn what_is_missing(form: &Form) -> &'static str {
    match (&form.preview, &form.checked) {
        (_, Err(issues)) if !issues.is_empty() => "the settings are right",
        (PreviewState::Failed(_), _) => "there are data",
        _ => "the data are read",
    }
}

pub fn cost_ui(ui: &mut Ui, form: &Form, figures: Option<&Figures>) {
    ui.spacing_mut().interact_size.y = 18.0;
    ui.spacing_mut().item_spacing.y = 4.0;
    ui.label(theme::strong("Cost"));
    let Some(figures) = figures.filter(|_| are_current(form)) else {
        ui.centered_and_justified(|ui| {
            ui.label(theme::hint(ui, format!("Cost appears when {}", what_is_missing(form))));
        });
        return;
    };
    ui.columns(3, |columns| {
        if let [parameters, multiply_adds, size] = columns {
            let count = |value: f32| units::count(f64::from(value));
            let bytes = |value: f32| units::bytes(value as u64);
            figure_ui(parameters, "parameters", figures.parameters, "", count);
            figure_ui(
                multiply_adds,
                "multiply-adds",
                figures.multiply_adds,
                " for one sample",
                count,
            );
            figure_ui(size, "fp32 size", figures.bytes, " bytes of weights", bytes);
        }
    });
    ui.horizontal(|ui| {
        ui.label(theme::label(ui, "Memory in training, predicted"));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let total = figures.ledger.total();
            ui.label(theme::number(moving(ui, "memory", total, |value| {
                units::bytes(value as u64)
            })))
            .on_hover_text(format!("{total} bytes"));
        });
    });
    ledger_ui(ui, &figures.ledger, 12.0);
}

/// A figure over its name; the exact one on hover.
fn figure_ui(ui: &mut Ui, name: &'static str, exact: u64, unit: &str, text: impl Fn(f32) -> String) {
    ui.spacing_mut().item_spacing = vec2(0.0, 0.0);
    let figure = ui.label(theme::number(moving(ui, name, exact, text)).size(14.0));
    ui.label(theme::hint(ui, name));
    let unit = if unit.is_empty() {
        format!(" {name}")
    } else {
        unit.to_owned()
    };
    figure.on_hover_text(format!("{exact}{unit}"));
}

/// The figure on its way from what it was.
fn moving(ui: &Ui, name: &'static str, exact: u64, text: impl Fn(f32) -> String) -> String {
    let secs = ui.style().animation_time.min(0.15);
    let shown = ui
        .ctx()
        .animate_value_with_time(egui::Id::unique(("cost", name)), exact as f32, secs);
    text(shown)
}
