//! The figures of a rung: each with its difference to the baseline and a bar. A time counts as a gain or a loss only where
//! the measurement says so.

use egui::{Align, Color32, Rect, RichText, Sense, Stroke, StrokeKind, Ui, vec2};

use super::columns::{BATCH1, BATCH64, Columns, MEMORY, PACKED, SCORE, SIZE, SPEED, Widest};
use crate::app::state::{Model, RowExt as _};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::mark::{self, Badge};
use crate::compare::Delta;
use crate::jobs::RunRow;
use crate::spec::{Deployed, LatencySummary, Speed, Verdict, units};

const BAR_HEIGHT: f32 = 4.0;

/// A figure in its column.
struct Figure {
    text: String,
    /// The difference to the baseline; empty in the baseline's own rung.
    change: RichText,
    /// Its share of the column's longest bar.
    share: f64,
    /// The baseline's share.
    mark: Option<f64>,
    /// The bar is only outlined: the figure is no gain.
    is_hollow: bool,
    hover: String,
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
    let baseline = parent.run.deployed.as_ref().filter(|_| row.run.run != parent.run.run);
    let delta = baseline.map(|baseline| Delta::between(baseline, deployed));
    let colour = if row.run.run == parent.run.run {
        Tokens::of(ui).text_soft
    } else {
        mark::run_colour(ui, model, row.run.run)
    };
    let draw = |ui: &mut Ui, column: usize, figure: Figure| {
        let rect = columns.of(rung, column);
        columns.place(ui, rung, column, Align::Max, |ui| {
            ui.label(theme::number(&figure.text));
            ui.label(figure.change);
        });
        let bar = Rect::from_min_size(
            egui::pos2(rect.left(), rect.bottom() - 11.0),
            vec2(rect.width(), BAR_HEIGHT),
        );
        bar_ui(ui, bar, colour, figure.share, figure.mark, figure.is_hollow);
        let id = ui.scope_id().with((row.run.run, column));
        ui.interact(rect, id, Sense::hover()).on_hover_text(figure.hover);
    };

    draw(ui, SCORE, score(ui, row, deployed, baseline));
    let bytes = |ui: &Ui, of: fn(&Deployed) -> u64, ratio: Option<f64>, widest: f64| Figure {
        text: units::bytes(of(deployed)),
        change: ratio.map_or_else(|| RichText::new(" "), |ratio| mark::change_text(ui, ratio, true)),
        share: of(deployed) as f64 / widest,
        mark: baseline.map(|baseline| of(baseline) as f64 / widest),
        is_hollow: false,
        hover: format!("{} bytes", of(deployed)),
    };
    let figure = bytes(
        ui,
        |deployed| deployed.size_bytes,
        delta.map(|delta| delta.size),
        widest.size,
    );
    draw(ui, SIZE, figure);
    let figure = bytes(
        ui,
        |deployed| deployed.zstd_bytes,
        delta.map(|delta| delta.zstd),
        widest.packed,
    );
    draw(ui, PACKED, figure);
    let figure = bytes(
        ui,
        |deployed| deployed.memory_bytes,
        delta.map(|delta| delta.memory),
        widest.memory,
    );
    draw(ui, MEMORY, figure);

    let time = |ui: &Ui, of: fn(&Deployed) -> LatencySummary, verdict: Verdict, widest: f64| {
        let summary = of(deployed);
        let ratio = baseline.map(|baseline| summary.median / of(baseline).median);
        Figure {
            text: units::microseconds(summary.median),
            change: ratio.map_or_else(
                || RichText::new(" "),
                |ratio| time_change(ui, ratio, deployed.speed, verdict),
            ),
            share: summary.median / widest,
            mark: baseline.map(|baseline| of(baseline).median / widest),
            is_hollow: baseline.is_some() && deployed.speed == Speed::Simulated,
            hover: time_hover(deployed, summary, baseline.map(|_| verdict)),
        }
    };
    let figure = time(
        ui,
        |deployed| deployed.latency_us.batch64,
        deployed.verdict,
        widest.batch64,
    );
    draw(ui, BATCH64, figure);
    let figure = time(
        ui,
        |deployed| deployed.latency_us.batch1,
        deployed.verdict_batch1,
        widest.batch1,
    );
    draw(ui, BATCH1, figure);

    columns.place(ui, rung, SPEED, Align::Min, |ui| {
        let badge = Badge::of(deployed);
        mark::badge_ui(ui, badge);
        let words = match (baseline, badge) {
            (None, _) => "baseline".to_owned(),
            (Some(_), Badge::Simulated) => "no gain in time".to_owned(),
            (Some(_), Badge::CannotTell) => "within the noise".to_owned(),
            (Some(_), Badge::Measured) => deployed.verdict.to_string(),
        };
        let tokens = Tokens::of(ui);
        let better = better(deployed.speed, deployed.verdict).filter(|_| baseline.is_some());
        ui.label(theme::label(ui, words).color(tokens.signed(better)));
    });
}

/// Accuracy with the difference in points, or R2.
fn score(ui: &Ui, row: &RunRow, deployed: &Deployed, baseline: Option<&Deployed>) -> Figure {
    let change = baseline.map_or_else(
        || RichText::new(" "),
        |baseline| {
            let difference = deployed.accuracy - baseline.accuracy;
            let better = (difference.abs() >= 5e-5).then_some(difference > 0.0);
            let text = if row.score_name() == "R2" {
                format!("{difference:+.4}")
            } else {
                format!("{:+.1} points", difference * 100.0)
            };
            theme::number(text).size(11.0).color(Tokens::of(ui).signed(better))
        },
    );
    Figure {
        text: score_text(row, deployed.accuracy),
        change,
        share: deployed.accuracy.clamp(0.0, 1.0),
        mark: baseline.map(|baseline| baseline.accuracy.clamp(0.0, 1.0)),
        is_hollow: false,
        hover: format!("{} on the test split, by the exported file", deployed.accuracy),
    }
}

pub fn score_text(row: &RunRow, score: f64) -> String {
    if row.score_name() == "R2" {
        format!("{score:.4}")
    } else {
        units::percent(score)
    }
}

/// Better or worse, where the times can tell.
fn better(speed: Speed, verdict: Verdict) -> Option<bool> {
    match (speed, verdict) {
        (Speed::Simulated, _) | (_, Verdict::CannotTell) => None,
        (Speed::Measured, verdict) => Some(verdict == Verdict::Faster),
    }
}

fn time_change(ui: &Ui, ratio: f64, speed: Speed, verdict: Verdict) -> RichText {
    let text = format!("{:+.0} %", (ratio - 1.0) * 100.0);
    let colour = Tokens::of(ui).signed(better(speed, verdict));
    theme::number(text).size(11.0).color(colour)
}

fn time_hover(deployed: &Deployed, time: LatencySummary, verdict: Option<Verdict>) -> String {
    let LatencySummary { p10, median, p90, n } = time;
    let mut text = format!(
        "Median {median:.2} µs, 10 % below {p10:.2}, 90 % below {p90:.2}, {n} rounds, one thread, {}",
        deployed.engine
    );
    if let Some(verdict) = verdict {
        text.push_str(&match deployed.speed {
            Speed::Simulated => ". Simulated: the zeros buy no time, a difference is chance".to_owned(),
            Speed::Measured => format!(". Against the baseline: {verdict}"),
        });
    }
    text
}

/// A bar from the left, with a tick where the baseline's ends.
fn bar_ui(ui: &Ui, rect: Rect, colour: Color32, share: f64, mark: Option<f64>, is_hollow: bool) {
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
    let bar = Rect::from_min_size(rect.min, vec2(at(share).max(2.0), rect.height()));
    if is_hollow {
        painter.rect_stroke(bar, 2.0, Stroke::new(1.0, tokens.text_faint), StrokeKind::Inside);
    } else {
        painter.rect_filled(bar, 2.0, colour);
    }
    if let Some(mark) = mark {
        let x = rect.left() + at(mark) - 0.5;
        painter.vline(x, rect.top() - 2.0..=rect.bottom() + 2.0, Stroke::new(1.0, tokens.text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_measured_verdict_is_a_gain_or_a_loss() {
        assert_eq!(better(Speed::Measured, Verdict::Faster), Some(true));
        assert_eq!(better(Speed::Measured, Verdict::Slower), Some(false));
        assert_eq!(better(Speed::Measured, Verdict::CannotTell), None);
        for verdict in [Verdict::Faster, Verdict::Slower, Verdict::CannotTell] {
            assert_eq!(better(Speed::Simulated, verdict), None);
        }
    }
}
