//! A series and what the network said of it: one window with its past, and the nearest step over the whole part.

use std::fmt::Write as _;

use egui::{Button, Color32, Layout, Pos2, Shape, Stroke, Ui, Vec2, vec2};
use egui_material_icons::icons;

use super::plane::{Axis, Plane};
use super::words::{beside_ui, choice_ui, pictures_ui, side_by_side};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::mark;
use crate::spec::{Forecast, ForecastWindow, TargetAnswers, units};
use crate::timeline::Series;

/// What is shown beyond the lowest and the highest value, as a share of their distance.
const MARGIN: f64 = 0.06;

/// Which column, and which of the windows.
#[derive(Debug, Default)]
pub struct ForecastView {
    column: usize,
    window: usize,
}

/// One forecast column.
struct Column<'a> {
    /// One a step ahead.
    targets: &'a [TargetAnswers],
    windows: &'a [ForecastWindow],
    place: usize,
}

impl Column<'_> {
    /// Root of the mean squared error of a step ahead (from 0), over the rows with finite values.
    fn error(&self, ahead: usize) -> Option<f64> {
        let rows = &self.targets.get(ahead)?.rows;
        root_mean_square(rows.iter().map(|[truth, predicted]| truth - predicted))
    }

    /// The same for whoever says that the value stays as it was last. Rows follow each other in time, so that what is last
    /// known in a row is the next step's truth of the row before.
    fn error_of_repeating(&self, ahead: usize) -> Option<f64> {
        let known = &self.targets.first()?.rows;
        let rows = self.targets.get(ahead)?.rows.iter().skip(1);
        root_mean_square(rows.zip(known).map(|([truth, _], [last, _])| truth - last))
    }
}

fn root_mean_square(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values
        .filter(|value| value.is_finite())
        .fold((0.0, 0), |(sum, count), value| (sum + value * value, count + 1));
    (count > 0).then(|| (sum / f64::from(count)).sqrt())
}

pub fn forecast_ui(ui: &mut Ui, forecast: &Forecast, targets: &[TargetAnswers], moment: &str, view: &mut ForecastView) {
    view.column = view.column.min(forecast.columns.len().saturating_sub(1));
    view.window = view.window.min(forecast.windows.len().saturating_sub(1));
    let horizon = forecast.horizon.max(1);
    let column = Column {
        targets: targets.chunks(horizon).nth(view.column).unwrap_or_default(),
        windows: &forecast.windows,
        place: view.column,
    };
    let name = forecast.columns.get(view.column).map_or("value", String::as_str);
    let window = view.window;
    beside_ui(
        ui,
        |ui| words_ui(ui, forecast, &column, moment, view),
        |ui| {
            pictures_ui(ui, |ui, available| {
                let widths = side_by_side(available.x, 0.42);
                let near = widths[0].min(available.y * 2.6);
                window_ui(ui, vec2(near, available.y), &column, window, name);
                let far = widths[0] + widths[1] - near;
                series_ui(ui, vec2(far, available.y), &column, name);
            });
        },
    );
}

fn words_ui(ui: &mut Ui, forecast: &Forecast, column: &Column<'_>, moment: &str, view: &mut ForecastView) {
    let names: Vec<&str> = forecast.columns.iter().map(String::as_str).collect();
    choice_ui(ui, "Column", &names, &mut view.column);
    let text = |error: Option<f64>| error.map_or_else(|| "–".to_owned(), units::significant);
    ui.label(theme::big_number(text(column.error(0))));
    ui.label(theme::label(ui, "root mean squared error, next step"));
    repeating_ui(ui, column, 0);
    let last = column.targets.len().saturating_sub(1);
    if last > 0 {
        let line = format!("{} after {} steps", text(column.error(last)), last + 1);
        ui.label(theme::label(ui, line));
        repeating_ui(ui, column, last);
    }
    ui.label(theme::hint(ui, moment));
    windows_ui(ui, forecast, view);
}

/// What a step's error is worth: that of repeating the last value.
fn repeating_ui(ui: &mut Ui, column: &Column<'_>, ahead: usize) {
    let tokens = Tokens::of(ui);
    let (Some(error), Some(repeating)) = (column.error(ahead), column.error_of_repeating(ahead)) else {
        return;
    };
    let (colour, word) = if error < repeating {
        (tokens.good, "better than")
    } else {
        (tokens.warn, "no better than")
    };
    let line = format!("{word} repeating: {}", units::significant(repeating));
    ui.label(egui::RichText::new(line).size(11.0).color(colour))
        .on_hover_text("The same error of whoever says that the value stays as it was last");
}

/// Which window is shown.
fn windows_ui(ui: &mut Ui, forecast: &Forecast, view: &mut ForecastView) {
    let count = forecast.windows.len();
    if count < 2 {
        return;
    }
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        for (icon, name, is_enabled, to) in [
            (
                icons::ICON_CHEVRON_LEFT,
                "Earlier window",
                view.window > 0,
                view.window.saturating_sub(1),
            ),
            (
                icons::ICON_CHEVRON_RIGHT,
                "Later window",
                view.window + 1 < count,
                view.window + 1,
            ),
        ] {
            let button = ui.add_enabled(is_enabled, Button::new(theme::icon(icon).size(16.0)));
            button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, is_enabled, name));
            if button.on_hover_text(name).clicked() {
                view.window = to;
            }
        }
        ui.label(theme::label(ui, format!("window {} of {count}", view.window + 1)));
    });
}

/// Past, truth and prediction of one window.
fn window_ui(ui: &mut Ui, size: Vec2, column: &Column<'_>, window: usize, name: &str) {
    let tokens = Tokens::of(ui);
    let Some(window) = column.windows.get(window) else {
        return;
    };
    let past = window.past.get(column.place).map_or(&[][..], Vec::as_slice);
    let ahead = column.targets.iter().filter_map(|target| target.rows.get(window.row));
    // Both begin at the last known value.
    let last = past.last().map(|&value| [0.0, value]);
    let mut lines = [Vec::new(), Vec::from_iter(last), Vec::from_iter(last)];
    let before = past.len().saturating_sub(1) as f64;
    lines[0].extend(
        past.iter()
            .enumerate()
            .map(|(place, &value)| [place as f64 - before, value]),
    );
    for (place, [truth, predicted]) in ahead.enumerate() {
        lines[1].push([place as f64 + 1.0, *truth]);
        lines[2].push([place as f64 + 1.0, *predicted]);
    }
    let colours = [tokens.text_soft, tokens.text, tokens.accent];
    let range = range(lines.iter().flatten());
    let x = Axis {
        name: "steps ahead",
        range: [-before, column.targets.len().max(1) as f64],
    };
    let names = [("past", colours[0]), ("truth", colours[1]), ("forecast", colours[2])];
    let y = Axis { name, range };
    let (plane, response) = plane_ui(ui, size, [&x, &y], "Forecast window", &names);
    for (line, colour) in lines.iter().zip(colours) {
        let points = line.iter().filter(|point| point[1].is_finite());
        let points: Vec<Pos2> = points.map(|&[x, y]| plane.at(x, y)).collect();
        if line.len() <= 24 {
            for &point in &points {
                ui.painter().circle_filled(point, 2.0, colour);
            }
        }
        ui.painter().add(Shape::line(points, Stroke::new(1.5, colour)));
    }
    let now = plane.at(0.0, range[0]).x;
    let ends = [egui::pos2(now, plane.rect.top()), egui::pos2(now, plane.rect.bottom())];
    ui.painter()
        .extend(Shape::dashed_line(&ends, Stroke::new(1.0, tokens.line), 3.0, 3.0));
    if let Some([x, _]) = response.hover_pos().and_then(|at| plane.value(at)) {
        response.on_hover_text_at_pointer(under_pointer(&lines, x.round()));
    }
}

fn under_pointer(lines: &[Vec<[f64; 2]>; 3], x: f64) -> String {
    let mut text = format!("step {x:+.0}");
    for (line, name) in lines.iter().zip(["past", "truth", "forecast"]) {
        if let Some([_, value]) = line.iter().find(|point| point[0] == x) {
            let _ = write!(text, "\n{name} {}", units::significant(*value));
        }
    }
    text
}

/// Truth and the forecast of the next step, row by row.
fn series_ui(ui: &mut Ui, size: Vec2, column: &Column<'_>, name: &str) {
    let tokens = Tokens::of(ui);
    let Some(target) = column.targets.first() else { return };
    let rows = &target.rows;
    let x = Axis {
        name: "row, over time",
        range: [0.0, rows.len().saturating_sub(1).max(1) as f64],
    };
    let values = rows.iter().flatten().map(|&value| [0.0, value]).collect::<Vec<_>>();
    let y = Axis {
        name,
        range: range(values.iter()),
    };
    let names = [("truth", tokens.text), ("forecast", tokens.accent)];
    let (plane, response) = plane_ui(ui, size, [&x, &y], "Next step over all rows", &names);
    let painter = ui.painter_at(plane.rect.expand(1.0));
    for (place, colour) in [(0, tokens.text), (1, tokens.accent)] {
        let mut series = Series::default();
        for (row, values) in rows.iter().enumerate() {
            series.push(row as f64, values[place]);
        }
        let columns = plane.rect.width().max(1.0) as usize;
        let edges: Vec<f64> = (0..=columns)
            .map(|edge| x.range[1] * edge as f64 / columns as f64)
            .collect();
        let points = series.envelope(&edges).into_iter().map(|[x, y]| plane.at(x, y));
        painter.add(Shape::line(points.collect(), Stroke::new(1.3, colour)));
    }
    if let Some([x, _]) = response.hover_pos().and_then(|at| plane.value(at)) {
        let row = x.round().max(0.0) as usize;
        if let Some([truth, predicted]) = rows.get(row) {
            let [truth, predicted] = [truth, predicted].map(|value| units::significant(*value));
            response.on_hover_text_at_pointer(format!("row {row}\ntruth {truth}\nforecast {predicted}"));
        }
    }
}

/// A plane below the names of its lines.
fn plane_ui(
    ui: &mut Ui,
    size: Vec2,
    [x, y]: [&Axis<'_>; 2],
    name: &str,
    lines: &[(&str, Color32)],
) -> (Plane, egui::Response) {
    const LEGEND: f32 = 18.0;
    const ROOMY: f32 = 240.0;
    let column = ui.allocate_ui_with_layout(size, Layout::top_down(egui::Align::Min), |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let row = vec2(size.x, LEGEND);
        ui.allocate_ui_with_layout(row, Layout::left_to_right(egui::Align::Center), |ui| {
            ui.set_min_size(row);
            // Above the plane, where there is room for all names.
            ui.add_space(if size.x < ROOMY { 0.0 } else { 56.0 });
            ui.spacing_mut().item_spacing.x = 4.0;
            for (name, colour) in lines {
                mark::dot(ui, *colour);
                ui.label(theme::hint(ui, *name));
                ui.add_space(4.0);
            }
        });
        Plane::show(ui, size - vec2(0.0, LEGEND), x, y, name)
    });
    column.inner
}

/// From the lowest to the highest finite value, and a little more.
fn range<'a>(points: impl Iterator<Item = &'a [f64; 2]>) -> [f64; 2] {
    let finite = points.map(|point| point[1]).filter(|value| value.is_finite());
    let [low, high] = finite.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
        [low.min(value), high.max(value)]
    });
    match high - low {
        span if span > 0.0 => [low - span * MARGIN, high + span * MARGIN],
        0.0 => [low - 1.0, high + 1.0],
        _ => [0.0, 1.0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_of_each_step_ahead_and_of_repeating_the_last_value() {
        let target = |rows: &[[f64; 2]]| TargetAnswers {
            name: "load".to_owned(),
            rows: rows.to_vec(),
        };
        let targets = [
            target(&[[1.0, 1.0], [3.0, 4.0], [5.0, f64::NAN]]),
            target(&[[3.0, 1.0], [5.0, 5.0]]),
        ];
        let column = Column {
            targets: &targets,
            windows: &[],
            place: 0,
        };
        assert_eq!(column.error(0), Some(0.5_f64.sqrt()));
        assert_eq!(column.error(1), Some(2.0_f64.sqrt()));
        assert_eq!(column.error(2), None);
        // The second step of a row is the first of the next one.
        assert_eq!(
            [0, 1, 2].map(|ahead| column.error_of_repeating(ahead)),
            [Some(2.0), Some(4.0), None]
        );
        assert_eq!(range([[0.0, 1.0], [0.0, f64::NAN]].iter()), [0.0, 2.0]);
    }
}
