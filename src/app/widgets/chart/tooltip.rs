//! What the pointer is at: the nearest run is highlighted everywhere, and every run's value is listed by its distance.

use egui::{Align, Layout, Pos2, Response, Tooltip, Ui, vec2};
use egui_plot::{PlotPoint, PlotResponse, PlotTransform};

use super::axis::Unit;
use super::plot::Plane;
use super::{Chart, ChartView, Member, Quantity, is_smoothed};
use crate::app::action::{Action, Actions};
use crate::app::theme;
use crate::app::widgets::bands::legend_ui;
use crate::app::widgets::{ledger, mark};
use crate::timeline::XAxis;

/// A curve that is farther away than this is not hovered.
const REACH: f32 = 24.0;
/// Runs that are listed; of the others only the number.
const MOST_ROWS: usize = 10;

/// A run's values where the pointer is.
struct Row<'a> {
    member: &'a Member<'a>,
    distance: f32,
    /// One for each trace: smoothed, and as it was measured.
    values: Vec<Option<[f64; 2]>>,
}

pub fn follow_pointer(
    chart: &Chart<'_>,
    view: &ChartView,
    plane: &Plane,
    plot: &PlotResponse<()>,
    actions: &mut Actions,
) {
    let response = &plot.response;
    let Some(pointer) = response.hover_pos().filter(|_| !response.dragged()) else {
        return;
    };
    let mut rows: Vec<Row<'_>> = chart
        .members
        .iter()
        .filter_map(|member| row(chart, view, plane, member, &plot.transform, pointer))
        .collect();
    rows.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    if let Some(nearest) = rows.first().filter(|row| row.distance <= REACH) {
        actions.push(Action::Hover(nearest.member.run));
    }
    if !rows.is_empty() {
        let x = plot.transform.value_from_position(pointer).x;
        tooltip_ui(response, |ui| {
            let x = plane.window.x.value(x);
            let place = match view.axis {
                XAxis::Step => format!("step {x:.0}"),
                XAxis::Epoch => format!("epoch {x:.1}"),
                XAxis::Time => Unit::Seconds.value(x.max(0.0)),
            };
            ui.label(theme::label(ui, place));
            rows_ui(ui, chart, view, &rows);
            if chart.quantity == Quantity::Memory {
                let bytes = plot.transform.value_from_position(pointer).y;
                ledger_ui(ui, chart, bytes);
            }
        });
    }
}

fn tooltip_ui(response: &Response, content: impl FnOnce(&mut Ui)) {
    let anchor = egui::PopupAnchor::Pointer;
    Tooltip::always_open(response.ctx.clone(), response.layer_id, response.id, anchor)
        .gap(14.0)
        .show(|ui| {
            ui.spacing_mut().item_spacing.y = 3.0;
            content(ui);
        });
}

/// A run's values at the pointer, if it has any near it.
fn row<'a>(
    chart: &Chart<'_>,
    view: &ChartView,
    plane: &Plane,
    member: &'a Member<'_>,
    transform: &PlotTransform,
    pointer: Pos2,
) -> Option<Row<'a>> {
    let place = transform.value_from_position(pointer).x;
    let x = plane.window.x.value(place);
    let traces = chart.quantity.traces();
    let mut distance = f32::INFINITY;
    let mut values = Vec::with_capacity(traces.len());
    for &trace in traces {
        let line = view.cache.line(member.run, trace)?;
        if let Some(y) = line.shown.at(place) {
            let position = transform.position_from_point(&PlotPoint::new(place, y));
            distance = distance.min((position.y - pointer.y).abs());
        }
        let reaches = line.curve.raw().last().is_some_and(|last| last[0] >= x);
        let value = line
            .curve
            .shown()
            .nearest(x)
            .zip(line.curve.raw().nearest(x))
            .filter(|_| reaches)
            .map(|(shown, raw)| [shown[1], raw[1]]);
        values.push(value);
    }
    values.iter().any(Option::is_some).then_some(Row {
        member,
        distance,
        values,
    })
}

fn rows_ui(ui: &mut Ui, chart: &Chart<'_>, view: &ChartView, rows: &[Row<'_>]) {
    let traces = chart.quantity.traces();
    ui.spacing_mut().interact_size.y = 0.0;
    let right = Layout::right_to_left(Align::Center);
    let grid = egui::Grid::new("values").spacing(vec2(12.0, 3.0)).min_col_width(0.0);
    grid.show(ui, |ui| {
        if traces.len() > 1 {
            ui.label("");
            ui.label("");
            for trace in traces {
                ui.with_layout(right, |ui| ui.label(theme::hint(ui, heading(trace.name()))));
            }
            ui.end_row();
        }
        for (place, row) in rows.iter().take(MOST_ROWS).enumerate() {
            mark::dot(ui, row.member.colour);
            let name = format!("{} {}", row.member.run, row.member.name);
            ui.label(if place == 0 && row.distance <= REACH {
                theme::strong(name)
            } else {
                theme::label(ui, name)
            });
            for (value, &trace) in row.values.iter().zip(traces) {
                let text = match value {
                    Some([shown, raw]) if is_smoothed(trace) && view.smoothing > 0.0 => {
                        format!("{} ({})", chart.unit.value(*shown), chart.unit.value(*raw))
                    }
                    Some([_, raw]) => format!("{}{}", chart.unit.value(*raw), chart.quantity.suffix()),
                    None => "–".to_owned(),
                };
                ui.with_layout(right, |ui| ui.label(theme::number(text)));
            }
            ui.end_row();
        }
    });
    if view.smoothing > 0.0 && traces.iter().any(|&trace| is_smoothed(trace)) {
        ui.label(theme::hint(ui, "in brackets: not smoothed"));
    }
    if rows.len() > MOST_ROWS {
        ui.label(theme::hint(ui, format!("and {} more", rows.len() - MOST_ROWS)));
    }
}

/// A trace's name without what the chart's title says.
fn heading(name: &str) -> &str {
    name.trim_end_matches(" loss").trim_end_matches(" score")
}

/// What the memory was predicted to be used for.
fn ledger_ui(ui: &mut Ui, chart: &Chart<'_>, bytes: f64) {
    let Some(focus) = chart.focus() else { return };
    let bands = ledger::bands(&focus.view.predicted);
    let mut above = 0.0;
    let under_pointer = bands.iter().position(|band| {
        above += band.size as f64;
        (0.0..above).contains(&bytes)
    });
    ui.separator();
    let total = focus.view.predicted.total();
    ui.label(theme::hint(
        ui,
        format!("predicted {}", crate::spec::units::bytes(total)),
    ));
    legend_ui(ui, &bands, crate::spec::units::bytes, under_pointer);
}
