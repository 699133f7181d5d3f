//! Reliability: whether answers given with 80 % probability are right four times of five.

use std::sync::Arc;

use egui::{Align2, FontId, Rect, Sense, Shape, Stroke, StrokeKind, Ui, pos2, vec2};

use super::confusion::Subject;
use super::moment;
use super::plane::{Axis, Plane};
use super::words::beside_ui;
use crate::app::theme::{self, Tokens};
use crate::spec::{Calibration, CalibrationBin, Snapshot, units};

/// Difference of confidence and accuracy below which neither is said to be too high.
const EVEN: f64 = 0.01;

/// What was counted, and from what.
#[derive(Debug, Default)]
pub struct CalibrationView {
    counted: Option<(Arc<Snapshot>, Calibration)>,
}

pub fn calibration_ui(ui: &mut Ui, subject: &Subject<'_>, view: &mut CalibrationView) {
    let is_same = |(of, _): &(Arc<Snapshot>, Calibration)| Arc::ptr_eq(of, subject.snapshot);
    if !view.counted.as_ref().is_some_and(is_same) {
        view.counted = Some((Arc::clone(subject.snapshot), Calibration::of(subject.rows)));
    }
    let Some((_, calibration)) = &view.counted else { return };
    beside_ui(
        ui,
        |ui| words_ui(ui, subject, calibration),
        |ui| {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = theme::SPACE[3];
                let available = ui.available_size();
                let width = ((available.x - theme::SPACE[3]) / 2.0).max(140.0);
                reliability_ui(ui, vec2(width.min(available.y * 2.0), available.y), calibration);
                counts_ui(ui, vec2(width.min(available.y * 2.0), available.y), calibration);
            });
        },
    );
}

fn words_ui(ui: &mut Ui, subject: &Subject<'_>, calibration: &Calibration) {
    let tokens = Tokens::of(ui);
    ui.label(theme::big_number(units::percent(calibration.error)));
    ui.label(theme::label(ui, "expected calibration error")).on_hover_text(
        "Mean distance of confidence and accuracy over ten bins, weighted by their rows (Guo et al. 2017)",
    );
    let [confidence, accuracy] = means(calibration);
    let (word, colour) = match confidence - accuracy {
        gap if gap > EVEN => ("Over-confident", tokens.warn),
        gap if gap < -EVEN => ("Under-confident", tokens.warn),
        _ => ("As sure as it is right", tokens.good),
    };
    ui.label(egui::RichText::new(word).size(12.0).color(colour));
    let line = format!(
        "{} sure on average, {} right",
        units::percent(confidence),
        units::percent(accuracy)
    );
    ui.label(theme::hint(ui, line));
    ui.label(theme::hint(ui, moment(subject.snapshot)));
    ui.label(theme::hint(
        ui,
        "On the dashed line an answer is as often right as it is sure",
    ));
}

/// Confidence and accuracy over all rows.
fn means(calibration: &Calibration) -> [f64; 2] {
    let rows: usize = calibration.bins.iter().map(|bin| bin.rows).sum();
    let mean = |of: fn(&CalibrationBin) -> f64| {
        let sum: f64 = calibration.bins.iter().map(|bin| bin.rows as f64 * of(bin)).sum();
        sum / rows.max(1) as f64
    };
    [mean(|bin| bin.confidence), mean(|bin| bin.accuracy)]
}

fn bounds(place: usize) -> [f64; 2] {
    [place as f64 / 10.0, (place + 1) as f64 / 10.0]
}

/// The bin in words.
fn words(place: usize, bin: &CalibrationBin) -> String {
    let [low, high] = bounds(place).map(|bound| 100.0 * bound);
    if bin.rows == 0 {
        return format!("{low:.0} to {high:.0} % sure: no rows");
    }
    format!(
        "{low:.0} to {high:.0} % sure: {} rows, {} right, {} sure on average",
        bin.rows,
        units::percent(bin.accuracy),
        units::percent(bin.confidence)
    )
}

fn reliability_ui(ui: &mut Ui, size: egui::Vec2, calibration: &Calibration) {
    let tokens = Tokens::of(ui);
    let axis = |name| Axis {
        name,
        range: [0.0, 1.0],
    };
    let names = ("probability", "share that is right");
    let (plane, _) = Plane::show(ui, size, &axis(names.0), &axis(names.1), "Reliability");
    for (place, bin) in calibration.bins.iter().enumerate() {
        let column = column(&plane, place);
        let response = ui.interact(column, ui.scope_id().with(("bin", place)), Sense::hover());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, words(place, bin)));
        if bin.rows > 0 {
            let top = plane.at(0.0, bin.accuracy).y;
            let bar = Rect::from_min_max(
                pos2(column.left() + 1.0, top),
                pos2(column.right() - 1.0, column.bottom()),
            );
            ui.painter().rect_filled(bar, 0, tokens.accent.gamma_multiply(0.75));
            // From what is right to what was promised.
            let sure = plane.at(0.0, bin.confidence).y;
            let gap = Rect::from_two_pos(pos2(bar.left(), top), pos2(bar.right(), sure));
            ui.painter().rect_filled(gap, 0, tokens.bad.gamma_multiply(0.25));
            ui.painter()
                .rect_stroke(gap, 0, Stroke::new(1.0, tokens.bad), StrokeKind::Inside);
        }
        response.on_hover_text(words(place, bin));
    }
    let line = [plane.at(0.0, 0.0), plane.at(1.0, 1.0)];
    ui.painter()
        .extend(Shape::dashed_line(&line, Stroke::new(1.0, tokens.text_soft), 4.0, 4.0));
}

fn column(plane: &Plane, place: usize) -> Rect {
    let [low, high] = bounds(place).map(|bound| plane.at(bound, 0.0).x);
    Rect::from_x_y_ranges(low..=high, plane.rect.y_range())
}

fn counts_ui(ui: &mut Ui, size: egui::Vec2, calibration: &Calibration) {
    let tokens = Tokens::of(ui);
    let most = calibration.bins.iter().map(|bin| bin.rows).max().unwrap_or(0).max(1);
    let x = Axis {
        name: "probability",
        range: [0.0, 1.0],
    };
    let y = Axis {
        name: "rows",
        // The counts stand over their bars.
        range: [0.0, most as f64 * 1.15],
    };
    let (plane, _) = Plane::show_marked(ui, size, &x, &y, most as f64, "Rows in each bin");
    for (place, bin) in calibration.bins.iter().enumerate().filter(|(_, bin)| bin.rows > 0) {
        let column = column(&plane, place);
        let top = plane.at(0.0, bin.rows as f64).y;
        let bar = Rect::from_min_max(
            pos2(column.left() + 1.0, top),
            pos2(column.right() - 1.0, column.bottom()),
        );
        ui.painter().rect_filled(bar, 0, tokens.accent.gamma_multiply(0.75));
        ui.painter().text(
            pos2(column.center().x, top - 1.0),
            Align2::CENTER_BOTTOM,
            bin.rows,
            FontId::monospace(10.5),
            tokens.text_soft,
        );
    }
}
