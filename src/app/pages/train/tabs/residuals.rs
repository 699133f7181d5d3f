//! What a regression gets wrong: residuals against the prediction, and how they are spread.

use egui::{Rect, Shape, Stroke, Ui, pos2, vec2};

use super::plane::{Axis, Plane};
use super::words::{beside_ui, pictures_ui, side_by_side, target_ui};
use crate::app::theme::{self, Tokens};
use crate::spec::{TargetAnswers, units};

/// Points that are drawn; more would cover each other.
const DRAWN: usize = 2000;
const BINS: usize = 24;
/// What is shown beyond the lowest and the highest value, as a share of their distance.
const MARGIN: f64 = 0.05;

/// Which target.
#[derive(Debug, Default)]
pub struct ResidualsView {
    pub target: usize,
}

pub fn residuals_ui(ui: &mut Ui, targets: &[TargetAnswers], moment: &str, view: &mut ResidualsView) {
    let place = view.target.min(targets.len().saturating_sub(1));
    let Some(target) = targets.get(place) else { return };
    let Some(residuals) = Residuals::of(&target.rows) else {
        ui.label(theme::label(ui, "The network answers no finite value"));
        return;
    };
    let words_ui = |ui: &mut Ui| {
        target_ui(ui, targets, &mut view.target);
        ui.label(theme::big_number(units::significant(residuals.deviation)));
        ui.label(theme::label(ui, "standard deviation of the residuals"));
        ui.label(theme::label(ui, format!("mean {}", units::significant(residuals.mean))));
        ui.label(theme::hint(ui, moment));
        let left_out = target.rows.len() - residuals.points.len();
        if left_out > 0 {
            let text = format!("{left_out} answers are not finite");
            ui.label(egui::RichText::new(text).size(11.0).color(Tokens::of(ui).bad));
        }
        ui.label(theme::hint(
            ui,
            "True minus predicted value. A good fit scatters evenly about 0; a bow or a funnel says what the model misses",
        ));
    };
    beside_ui(ui, words_ui, |ui| {
        pictures_ui(ui, |ui, available| {
            let widths = side_by_side(available.x, 0.58);
            let wide = widths[0].min(available.y * 2.4);
            scatter_ui(ui, vec2(wide, available.y), &residuals);
            let rest = widths[0] + widths[1] - wide;
            histogram_ui(ui, vec2(rest.min(available.y * 2.0), available.y), &residuals);
        });
    });
}

/// Residuals of the rows with finite values.
#[derive(Debug, PartialEq)]
struct Residuals {
    /// Predicted value and residual.
    points: Vec<[f64; 2]>,
    mean: f64,
    /// Standard deviation about the mean.
    deviation: f64,
    predicted: [f64; 2],
    /// Symmetric about 0.
    reach: f64,
}

impl Residuals {
    fn of(rows: &[[f64; 2]]) -> Option<Self> {
        let points = rows.iter().map(|[truth, predicted]| [*predicted, truth - predicted]);
        let points: Vec<[f64; 2]> = points
            .filter(|point| point.iter().all(|value| value.is_finite()))
            .collect();
        if points.is_empty() {
            return None;
        }
        let count = points.len() as f64;
        let mean = points.iter().map(|point| point[1]).sum::<f64>() / count;
        let square = points.iter().map(|point| (point[1] - mean).powi(2)).sum::<f64>();
        let low = points.iter().map(|point| point[0]).fold(f64::INFINITY, f64::min);
        let high = points.iter().map(|point| point[0]).fold(f64::NEG_INFINITY, f64::max);
        let margin = if high > low { (high - low) * MARGIN } else { 1.0 };
        let reach = points.iter().map(|point| point[1].abs()).fold(0.0, f64::max);
        Some(Self {
            mean,
            deviation: (square / count).sqrt(),
            predicted: [low - margin, high + margin],
            reach: if reach > 0.0 { reach * (1.0 + MARGIN) } else { 1.0 },
            points,
        })
    }

    /// Residuals in equal bins from `-reach` to `reach`.
    fn counts(&self) -> [usize; BINS] {
        let mut counts = [0; BINS];
        for [_, residual] in &self.points {
            let share = (residual + self.reach) / (2.0 * self.reach);
            counts[((share * BINS as f64) as usize).min(BINS - 1)] += 1;
        }
        counts
    }
}

fn scatter_ui(ui: &mut Ui, size: egui::Vec2, residuals: &Residuals) {
    let tokens = Tokens::of(ui);
    let x = Axis {
        name: "predicted value",
        range: residuals.predicted,
    };
    let y = Axis {
        name: "residual",
        range: [-residuals.reach, residuals.reach],
    };
    let (plane, response) = Plane::show(ui, size, &x, &y, "Residuals");
    let painter = ui.painter_at(plane.rect);
    let [low, high] = residuals.predicted;
    painter.line_segment(
        [plane.at(low, 0.0), plane.at(high, 0.0)],
        Stroke::new(1.0, tokens.text_faint),
    );
    let step = residuals.points.len().div_ceil(DRAWN).max(1);
    let colour = tokens.accent.gamma_multiply(0.7);
    for &[predicted, residual] in residuals.points.iter().step_by(step) {
        painter.circle_filled(plane.at(predicted, residual), 2.5, colour);
    }
    if step > 1 {
        response.on_hover_text(format!("Every {step}th row is drawn"));
    }
}

fn histogram_ui(ui: &mut Ui, size: egui::Vec2, residuals: &Residuals) {
    let tokens = Tokens::of(ui);
    let counts = residuals.counts();
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let x = Axis {
        name: "residual",
        range: [-residuals.reach, residuals.reach],
    };
    let y = Axis {
        name: "rows",
        range: [0.0, most],
    };
    let (plane, response) = Plane::show(ui, size, &x, &y, "Spread of the residuals");
    let width = 2.0 * residuals.reach / BINS as f64;
    for (bin, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let left = -residuals.reach + width * bin as f64;
        let bar = Rect::from_two_pos(plane.at(left, 0.0), plane.at(left + width, count as f64));
        ui.painter()
            .rect_filled(bar.shrink2(vec2(0.5, 0.0)), 0, tokens.accent.gamma_multiply(0.75));
    }
    let painter = ui.painter_at(plane.rect);
    let line = |at: f64, stroke: Stroke| {
        let x = plane.at(at, 0.0).x;
        let ends = [pos2(x, plane.rect.top()), pos2(x, plane.rect.bottom())];
        painter.extend(Shape::dashed_line(&ends, stroke, 3.0, 3.0));
    };
    line(residuals.mean, Stroke::new(1.5, tokens.text));
    for side in [-1.0, 1.0] {
        line(
            residuals.mean + side * residuals.deviation,
            Stroke::new(1.0, tokens.text_soft),
        );
    }
    let hover = format!(
        "mean {}, standard deviation {} (dashed)",
        units::significant(residuals.mean),
        units::significant(residuals.deviation)
    );
    response.on_hover_text(hover);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residuals_by_hand() {
        let rows = [[1.0, 2.0], [5.0, 4.0], [7.0, 4.0], [f64::NAN, 1.0]];
        let residuals = Residuals::of(&rows).unwrap();
        assert_eq!(residuals.points, [[2.0, -1.0], [4.0, 1.0], [4.0, 3.0]]);
        assert_eq!(residuals.mean, 1.0);
        assert!((residuals.deviation - (8.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(residuals.predicted, [1.9, 4.1]);
        assert!((residuals.reach - 3.15).abs() < 1e-12);
        let counts = residuals.counts();
        assert_eq!((counts.iter().sum::<usize>(), counts[BINS - 1]), (3, 1));
        assert_eq!(Residuals::of(&[[1.0, f64::INFINITY]]), None);
        assert_eq!(Residuals::of(&[[2.0, 2.0]]).unwrap().counts()[BINS / 2], 1);
    }
}
