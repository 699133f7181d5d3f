//! Small marks of a run: its colour, status, badge, and the difference to its baseline.

use egui::{Color32, CornerRadius, Response, RichText, Sense, Stroke, StrokeKind, Ui, vec2};
use egui_material_icons::icons;

use crate::app::state::Model;
use crate::app::theme::{self, Tokens};
use crate::spec::{Run, RunId, RunStatus, Speed, Verdict};

/// The colour in which a run is drawn: the text's for the pinned baseline.
pub fn run_colour(ui: &Ui, model: &Model, run: RunId) -> Color32 {
    let tokens = Tokens::of(ui);
    if model.runs.pinned == Some(run) {
        tokens.text
    } else {
        tokens.run(model.runs.colour(run))
    }
}

/// A run's width of line: the baseline and the run under the pointer are thicker.
pub fn run_width(model: &Model, run: RunId) -> f32 {
    let is_baseline = model.runs.pinned == Some(run);
    let is_hovered = model.runs.hovered() == Some(run);
    1.5 + if is_baseline { 0.75 } else { 0.0 } + if is_hovered { 1.0 } else { 0.0 }
}

/// A dot in the run's colour.
pub fn dot(ui: &mut Ui, colour: Color32) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(10.0, 14.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 4.5, colour);
    response
}

/// A ring in place of a dot, for what is drawn dashed.
pub fn ring(ui: &mut Ui, colour: Color32) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(10.0, 14.0), Sense::hover());
    ui.painter().circle_stroke(rect.center(), 3.5, Stroke::new(2.0, colour));
    response
}

/// An icon, and the colour in which it stands, for a status.
pub fn status_icon(ui: &Ui, status: RunStatus) -> RichText {
    let tokens = Tokens::of(ui);
    let (icon, colour) = match status {
        RunStatus::Queued => (icons::ICON_SCHEDULE, tokens.text_soft),
        RunStatus::Running => (icons::ICON_PLAY_ARROW, tokens.accent),
        RunStatus::Paused => (icons::ICON_PAUSE, tokens.warn),
        RunStatus::Finished => (icons::ICON_CHECK, tokens.good),
        RunStatus::Stopped => (icons::ICON_STOP, tokens.text_soft),
        RunStatus::Failed | RunStatus::Crashed => (icons::ICON_ERROR, tokens.bad),
        RunStatus::Interrupted => (icons::ICON_WARNING, tokens.warn),
    };
    theme::icon(icon).size(14.0).color(colour)
}

/// What a measured figure is worth: measured, simulated, or cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Badge {
    Measured,
    Simulated,
    CannotTell,
}

impl Badge {
    /// None of a run that has not been measured.
    pub fn of(run: &Run) -> Option<Self> {
        let deployed = run.deployed.as_ref()?;
        let is_judged = deployed.recipe.is_some() && run.timed_beside().is_some();
        Some(match (deployed.speed, deployed.verdict) {
            (Speed::Simulated, _) => Self::Simulated,
            (Speed::Measured, Verdict::CannotTell) if is_judged => Self::CannotTell,
            (Speed::Measured, _) => Self::Measured,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Simulated => "simulated",
            Self::CannotTell => "cannot tell",
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            Self::Measured => "Measured on the very file that is exported, in turn with the baseline",
            Self::Simulated => {
                "The weights are zeroed, but dense kernels take the same time: this sparsity buys no speed here. Size after zstd is real"
            }
            Self::CannotTell => {
                "Measured, but the difference in speed to the baseline lies within the noise (95 % bootstrap interval)"
            }
        }
    }
}

/// A chip: filled for measured, outlined for simulated, grey for cannot tell.
pub fn badge_ui(ui: &mut Ui, badge: Badge) -> Response {
    let tokens = Tokens::of(ui);
    let (text, fill, edge) = match badge {
        Badge::Measured => (tokens.good, tokens.good.gamma_multiply(0.14), Color32::TRANSPARENT),
        Badge::Simulated => (tokens.warn, Color32::TRANSPARENT, tokens.warn),
        Badge::CannotTell => (tokens.text_soft, tokens.line.gamma_multiply(0.6), Color32::TRANSPARENT),
    };
    let galley = ui
        .painter()
        .layout_no_wrap(badge.name().to_owned(), egui::FontId::proportional(11.0), text);
    let (rect, response) = ui.allocate_exact_size(galley.size() + vec2(12.0, 4.0), Sense::hover());
    let corner = CornerRadius::same(8);
    ui.painter().rect_filled(rect, corner, fill);
    if badge == Badge::Simulated {
        let points = [
            rect.left_top(),
            rect.right_top(),
            rect.right_bottom(),
            rect.left_bottom(),
            rect.left_top(),
        ];
        ui.painter()
            .extend(egui::Shape::dashed_line(&points, Stroke::new(1.0, edge), 3.0, 2.0));
    } else {
        ui.painter()
            .rect_stroke(rect, corner, Stroke::new(1.0, edge), StrokeKind::Inside);
    }
    let position = rect.center() - galley.size() / 2.0;
    ui.painter().galley(position, galley, text);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, badge.name()));
    response.on_hover_text(badge.reason())
}

/// A change in percent with its sign; `better` gives the colour.
pub fn change_text(ui: &Ui, ratio: f64, lower_is_better: bool) -> RichText {
    let percent = (ratio - 1.0) * 100.0;
    let is_visible = percent.abs() >= 0.5;
    let text = if is_visible {
        format!("{percent:+.0} %")
    } else {
        "±0 %".to_owned()
    };
    let better = is_visible.then_some((percent < 0.0) == lower_is_better);
    theme::number(text).size(11.0).color(Tokens::of(ui).signed(better))
}
