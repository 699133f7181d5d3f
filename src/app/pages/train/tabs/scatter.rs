//! A regression's answers: the predicted value of each row against the true one.

use egui::{Stroke, Ui, vec2};

use super::plane::{Axis, Plane};
use super::residuals::ResidualsView;
use super::words::{beside_ui, target_ui};
use crate::app::theme::{self, Tokens};
use crate::spec::{TargetAnswers, units};

/// Points that are drawn; more would cover each other.
const DRAWN: usize = 2000;
/// What is shown beyond the lowest and the highest value, as a share of their distance.
const MARGIN: f64 = 0.04;

/// The target is chosen together with that of the residuals.
pub fn scatter_ui(ui: &mut Ui, targets: &[TargetAnswers], moment: &str, view: &mut ResidualsView) {
    let tokens = Tokens::of(ui);
    let place = view.target.min(targets.len().saturating_sub(1));
    let Some(TargetAnswers { rows, .. }) = targets.get(place) else {
        return;
    };
    let Some(fit) = Fit::of(rows) else {
        ui.label(theme::label(ui, "The network answers no finite value"));
        return;
    };
    let words_ui = |ui: &mut Ui| {
        target_ui(ui, targets, &mut view.target);
        ui.label(theme::big_number(units::significant(fit.error)));
        ui.label(theme::label(ui, "root mean squared error"));
        ui.label(theme::hint(ui, format!("{} {moment}", rows.len())));
        if fit.finite < rows.len() {
            let text = format!("{} answers are not finite", rows.len() - fit.finite);
            ui.label(egui::RichText::new(text).size(11.0).color(tokens.bad));
        }
        if fit.finite > DRAWN {
            ui.label(theme::hint(ui, format!("{DRAWN} of them are drawn, evenly chosen")));
        }
        ui.label(theme::hint(ui, "On the line the prediction is the truth"));
    };
    beside_ui(ui, words_ui, |ui| {
        let available = ui.available_size();
        let size = vec2(available.x.clamp(120.0, available.y * 2.2), available.y);
        let axis = |name| Axis { name, range: fit.range };
        let (plane, _) = Plane::show(
            ui,
            size,
            &axis("true value"),
            &axis("predicted value"),
            "True and predicted",
        );
        let painter = ui.painter_at(plane.rect);
        let [low, high] = fit.range;
        painter.line_segment(
            [plane.at(low, low), plane.at(high, high)],
            Stroke::new(1.0, tokens.text_faint),
        );
        let colour = tokens.accent.gamma_multiply(0.7);
        let step = fit.finite.div_ceil(DRAWN).max(1);
        for &[truth, predicted] in rows.iter().filter(|row| is_finite(row)).step_by(step) {
            painter.circle_filled(plane.at(truth, predicted), 2.5, colour);
        }
    });
}

fn is_finite(row: &[f64; 2]) -> bool {
    row.iter().all(|value| value.is_finite())
}

/// What is known of the rows with finite values.
#[derive(Debug, PartialEq)]
struct Fit {
    finite: usize,
    /// Of both axes, so that the diagonal is the line of right answers.
    range: [f64; 2],
    /// Root of the mean squared error.
    error: f64,
}

impl Fit {
    fn of(rows: &[[f64; 2]]) -> Option<Self> {
        let mut range = [f64::INFINITY, f64::NEG_INFINITY];
        let (mut finite, mut squares) = (0, 0.0);
        for row in rows.iter().filter(|row| is_finite(row)) {
            finite += 1;
            squares += (row[0] - row[1]).powi(2);
            range = [range[0].min(row[0]).min(row[1]), range[1].max(row[0]).max(row[1])];
        }
        if finite == 0 {
            return None;
        }
        let margin = match range[1] - range[0] {
            span if span > 0.0 => span * MARGIN,
            _ => 1.0,
        };
        Some(Self {
            finite,
            range: [range[0] - margin, range[1] + margin],
            error: (squares / finite as f64).sqrt(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fit_leaves_out_what_is_not_finite() {
        let fit = Fit::of(&[[0.0, 3.0], [100.0, 96.0], [5.0, f64::NAN]]).unwrap();
        assert_eq!((fit.finite, fit.range), (2, [-4.0, 104.0]));
        assert!((fit.error - 12.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(Fit::of(&[[1.0, f64::INFINITY]]), None);
        assert_eq!(Fit::of(&[[2.0, 2.0]]).unwrap().range, [1.0, 3.0]);
    }
}
