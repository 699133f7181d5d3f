//! The figures of a rung: each with its difference to the baseline and a bar. A time counts as a gain or a loss only where
//! the measurement says so.

use egui::{Align, Color32, Rect, RichText, Sense, Stroke, StrokeKind, Ui, vec2};

use super::columns::{AXES, Columns, SCORE, SPEED, Widest};
use crate::app::state::{Model, RowExt as _};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::figures::{self, Figure};
use crate::app::widgets::mark::{self, Badge};
use crate::compare::{Axis, verdicts};
use crate::jobs::RunRow;
use crate::spec::{Deployed, RunId, Speed, Verdict};

const BAR_HEIGHT: f32 = 4.0;

/// How far a bar reaches, of its column's width.
struct Bar {
    share: f64,
    /// Where the baseline's ends; none in the baseline's own rung.
    mark: Option<f64>,
    /// Only outlined: what it shows is no gain.
    is_hollow: bool,
}

pub fn figures_ui(
    ui: &mut Ui,
    model: &Model,
    row: &RunRow,
    parent: &RunRow,
    rung: Rect,
    columns: &Columns,
    widest: &Widest,
) {
    let Some(deployed) = &row.run.deployed else { return };
    let baseline = (row.run.run != parent.run.run).then_some(parent);
    let colour = match baseline {
        Some(_) => mark::run_colour(ui, model, row.run.run),
        None => Tokens::of(ui).text_soft,
    };
    let draw = |ui: &mut Ui, column: usize, figure: Option<Figure>, bar: &Bar| {
        let Some(figure) = figure else { return };
        let rect = columns.of(rung, column);
        columns.place(ui, rung, column, Align::Max, |ui| {
            ui.label(theme::number(figure.text));
            ui.label(figure.change.unwrap_or_else(|| RichText::new(" ")));
        });
        let place = egui::pos2(rect.left(), rect.bottom() - 11.0);
        bar_ui(
            ui,
            Rect::from_min_size(place, vec2(rect.width(), BAR_HEIGHT)),
            colour,
            bar,
        );
        let id = ui.scope_id().with((row.run.run, column));
        ui.interact(rect, id, Sense::hover()).on_hover_text(figure.hover);
    };
    let bar = Bar {
        share: deployed.accuracy,
        mark: baseline.and_then(RunRow::score),
        is_hollow: false,
    };
    draw(ui, SCORE, figures::score(ui, row, baseline), &bar);
    for (place, (column, axis, _)) in AXES.into_iter().enumerate() {
        let share = |row: &RunRow| axis.of(&row.run).unwrap_or_default() / widest.of(place);
        let is_time = matches!(axis, Axis::Batch1 | Axis::Batch64);
        let bar = Bar {
            share: share(row),
            mark: baseline.map(share),
            is_hollow: is_time && deployed.speed == Speed::Simulated,
        };
        draw(ui, column, figures::cost(ui, axis, row, baseline), &bar);
    }
    columns.place(ui, rung, SPEED, Align::Min, |ui| {
        speed_ui(ui, deployed, baseline.map(|baseline| baseline.run.run));
    });
}

/// What the times are worth, and what they say of the 64 rows.
fn speed_ui(ui: &mut Ui, deployed: &Deployed, baseline: Option<RunId>) {
    let verdict = baseline.map(|baseline| verdicts(deployed, baseline).map(|[_, batch64]| batch64));
    let (badge, words, better) = match (deployed.speed, verdict) {
        (_, None) => (Badge::Measured, "baseline", None),
        (Speed::Simulated, Some(_)) => (Badge::Simulated, "no gain in time", None),
        (Speed::Measured, Some(None)) => (Badge::Measured, "timed apart", None),
        (Speed::Measured, Some(Some(Verdict::CannotTell))) => (Badge::CannotTell, "within the noise", None),
        (Speed::Measured, Some(Some(Verdict::Faster))) => (Badge::Measured, "faster", Some(true)),
        (Speed::Measured, Some(Some(Verdict::Slower))) => (Badge::Measured, "slower", Some(false)),
    };
    mark::badge_ui(ui, badge);
    let text = theme::label(ui, words).color(Tokens::of(ui).signed(better));
    let response = ui.label(text);
    if verdict == Some(None) {
        response.on_hover_text("Not timed in turn with the baseline: measure them side by side for a verdict");
    }
}

/// A bar from the left, with a tick where the baseline's ends.
fn bar_ui(ui: &Ui, rect: Rect, colour: Color32, bar: &Bar) {
    let tokens = Tokens::of(ui);
    let painter = ui.painter();
    painter.rect_filled(rect, 2.0, tokens.line);
    let at = |share: f64| {
        rect.width()
            * if share.is_finite() {
                share.clamp(0.0, 1.0) as f32
            } else {
                0.0
            }
    };
    let filled = Rect::from_min_size(rect.min, vec2(at(bar.share).max(2.0), rect.height()));
    if bar.is_hollow {
        painter.rect_stroke(filled, 2.0, Stroke::new(1.0, tokens.text_faint), StrokeKind::Inside);
    } else {
        painter.rect_filled(filled, 2.0, colour);
    }
    if let Some(mark) = bar.mark {
        let x = rect.left() + at(mark) - 0.5;
        painter.vline(x, rect.top() - 2.0..=rect.bottom() + 2.0, Stroke::new(1.0, tokens.text));
    }
}
