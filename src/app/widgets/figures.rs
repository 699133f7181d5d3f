//! A run's figures with their difference to the baseline, the same in every table of runs.

use egui::{Align, Layout, RichText, Ui};

use super::mark::change_text;
use crate::app::state::RowExt as _;
use crate::app::theme::{self, Tokens};
use crate::compare::{Axis, score_difference, verdicts};
use crate::jobs::RunRow;
use crate::spec::{Speed, Verdict, units};

/// A figure as it stands in a table.
#[derive(Debug)]
pub struct Figure {
    pub text: String,
    /// The difference to the baseline, for runs other than that.
    pub change: Option<RichText>,
    /// The exact value, and what it is.
    pub hover: String,
}

/// Accuracy or R2; none before the first epoch has ended.
pub fn score(ui: &Ui, row: &RunRow, baseline: Option<&RunRow>) -> Option<Figure> {
    let score = row.score()?;
    let run = &row.run;
    let of_what = if run.deployed.is_some() {
        "on the test rows, answered by the exported file".to_owned()
    } else if run.test.is_some() {
        "on the test rows, before the export".to_owned()
    } else if let Some(folds) = row.folds.filter(|_| run.folds.is_some()) {
        format!("mean of {folds} folds")
    } else {
        "on the validation rows, of the best epoch so far".to_owned()
    };
    let difference = baseline.and_then(|baseline| score_difference(run, &baseline.run));
    Some(Figure {
        text: score_text(row, score),
        change: difference.map(|difference| difference_text(ui, row, difference)),
        hover: format!("{} {score}, {of_what}", row.score_name()),
    })
}

/// A cost; none where it was not measured.
pub fn cost(ui: &Ui, axis: Axis, row: &RunRow, baseline: Option<&RunRow>) -> Option<Figure> {
    let value = axis.of(&row.run)?;
    let mut hover = match axis.spread(&row.run) {
        Some([low, high]) => format!(
            "{}: {value:.2} µs, 80 % of the calls between {low:.2} and {high:.2} µs",
            axis.doc()
        ),
        None => format!("{}: {value}", axis.doc()),
    };
    let ratio = baseline.and_then(|baseline| axis.ratio(&row.run, &baseline.run));
    let change = ratio.zip(baseline).map(|(ratio, baseline)| {
        let text = change_text(ui, ratio, true);
        let Some(why) = why_no_verdict(axis, row, baseline) else {
            return text;
        };
        hover.push_str(why);
        text.color(Tokens::of(ui).text_soft)
    });
    Some(Figure {
        text: axis.text(value),
        change,
        hover,
    })
}

/// Why a difference is neither a gain nor a loss: one of times, that the measurement does not tell apart.
fn why_no_verdict(axis: Axis, row: &RunRow, baseline: &RunRow) -> Option<&'static str> {
    let deployed = row.run.deployed.as_ref()?;
    let [batch1, batch64] = verdicts(deployed, baseline.run.run).map_or([None; 2], |both| both.map(Some));
    let verdict = match axis {
        Axis::Batch1 => batch1,
        Axis::Batch64 => batch64,
        _ => return None,
    };
    match (deployed.speed, verdict) {
        (Speed::Simulated, _) => Some(". Simulated: the zeros buy no time, a difference is chance"),
        (Speed::Measured, None) => Some(". Not timed in turn with the baseline: measure both together for a verdict"),
        (Speed::Measured, Some(Verdict::CannotTell)) => Some(". The difference lies within the noise"),
        (Speed::Measured, Some(Verdict::Faster | Verdict::Slower)) => None,
    }
}

/// `97.4 %` for an accuracy, `0.812` for an R2.
pub fn score_text(row: &RunRow, score: f64) -> String {
    if row.score_name() == "R2" {
        units::significant(score)
    } else {
        units::percent(score)
    }
}

/// A difference of scores with its sign: `-0.4 pt` for accuracies, in percentage points.
pub fn difference_text(ui: &Ui, row: &RunRow, difference: f64) -> RichText {
    let (text, is_visible) = if row.score_name() == "R2" {
        (format!("{difference:+.3}"), difference.abs() >= 5e-4)
    } else {
        (format!("{:+.1} pt", difference * 100.0), difference.abs() >= 5e-4)
    };
    let text = if is_visible {
        text
    } else {
        text.replace(['+', '-'], "±")
    };
    let better = is_visible.then_some(difference > 0.0);
    theme::number(text).size(11.0).color(Tokens::of(ui).signed(better))
}

/// A figure in a table's cell, to the right, with the difference below it.
pub fn figure_ui(ui: &mut Ui, figure: Option<Figure>) {
    let Some(figure) = figure else {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(theme::hint(ui, "–"))
        });
        return;
    };
    two_lines_ui(ui, Align::Max, theme::number(figure.text), figure.change, &figure.hover);
}

/// One or two short lines in the middle of a cell's height.
pub fn two_lines_ui(ui: &mut Ui, align: Align, first: RichText, second: Option<RichText>, hover: &str) {
    const LINES: [f32; 2] = [17.0, 15.0];
    ui.with_layout(Layout::top_down(align), |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let height = LINES[0] + if second.is_some() { LINES[1] } else { 0.0 };
        ui.add_space(((ui.available_height() - height) / 2.0).max(0.0));
        for text in [Some(first), second].into_iter().flatten() {
            let response = ui.label(text);
            if !hover.is_empty() {
                response.on_hover_text(hover);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::models::{child, measured, row};
    use crate::spec::RunId;

    #[test]
    fn only_a_verdict_on_measured_times_is_a_gain_or_a_loss() {
        egui::__run_test_ui(|ui| {
            let parent = measured(row(1, "digits"), 0.97, 100.0, 2.0, Verdict::CannotTell);
            let change = |recipe: &str, verdict: Verdict, against: i64| {
                let mut row = measured(child(2, &parent, recipe), 0.97, 50.0, 1.0, verdict);
                row.run.deployed.as_mut().unwrap().against = Some(RunId(against));
                cost(ui, Axis::Batch64, &row, Some(&parent)).unwrap().change.unwrap()
            };
            let gain = change_text(ui, 0.5, true);
            let neither = gain.clone().color(Tokens::of(ui).text_soft);
            assert_eq!(change("units:0.5", Verdict::Faster, 1), gain);
            assert_eq!(change("units:0.5", Verdict::CannotTell, 1), neither);
            assert_eq!(
                change("units:0.5", Verdict::Faster, 7),
                neither,
                "timed beside another run"
            );
            assert_eq!(change("weights:0.8", Verdict::Faster, 1), neither, "simulated");
        });
    }
}
