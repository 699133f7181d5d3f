//! The plane of a chart: axes, bands, lines.

use egui::{FontId, Rangef, Role, Shape, Stroke, Ui, Vec2b, WidgetInfo};
use egui_plot::{
    AxisHints, FilledArea, GridInput, Line, LineStyle, Plot, PlotBounds, PlotPoints, PlotResponse, PlotUi, Points,
};

use super::axis::{Scale, Unit};
use super::cache::{Drawn, Window};
use super::{Chart, ChartView, Member, Part, Quantity, is_smoothed, is_validation, marks, tooltip};
use crate::app::action::Actions;
use crate::app::theme::{self, Tokens};
use crate::app::widgets::bands::band_colour;
use crate::app::widgets::ledger::bands;
use crate::spec::RunId;
use crate::timeline::{Trace, XAxis};

/// Room for the numbers beside the y axis: equal for all charts, so that those above each other line up.
const Y_AXIS_WIDTH: f32 = 50.0;
const X_AXIS_HEIGHT: f32 = 18.0;
/// Least room between ticks.
const X_TICKS_APART: f64 = 64.0;
const Y_TICKS_APART: f64 = 30.0;
/// Points of width for each column of an envelope.
const COLUMN_WIDTH: f32 = 2.0;
/// Columns of all runs together that are not in focus, and the least that one has.
const COLUMNS_OF_OTHERS: usize = 2400;
const LEAST_COLUMNS: usize = 60;
/// Runs that are not in focus, validation behind training, the baseline behind all.
const OTHERS_OPACITY: f32 = 0.85;
const VALIDATION_OPACITY: f32 = 0.75;
const GHOST_OPACITY: f32 = 0.5;
const BAND_OPACITY: f32 = 0.4;
/// Curves of up to so many points have a dot at each.
const MOST_DOTS: usize = 40;
/// Free part of the y axis above and below the lines.
const Y_MARGIN: f64 = 0.07;
/// Memory that is not the run's is drawn only if it does not flatten what is: up to this many times as high.
const HIGHEST_RESIDENT: f64 = 1.6;

/// What is drawn where.
pub struct Plane {
    pub window: Window,
    /// Places of the left and the right edge with everything in sight.
    whole: [f64; 2],
    /// Places of the lower and the upper edge.
    pub y: [f64; 2],
}

/// Brings every line up to date, for the width that `ui` has.
pub fn prepare(ui: &Ui, chart: &Chart<'_>, view: &mut ChartView) -> Plane {
    let whole = whole_range(chart, view);
    let window = window(chart, view, whole);
    prepare_lines(ui, chart, view, window);
    let y = y_range(chart, view, window);
    Plane { window, whole, y }
}

pub fn plot_ui(ui: &mut Ui, chart: &Chart<'_>, plane: &Plane, view: &mut ChartView, actions: &mut Actions) {
    let response = {
        let view = &*view;
        draw(ui, chart, view, plane)
    };
    let name = format!("{} chart", chart.title());
    response
        .response
        .widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let frame = *response.transform.frame();
    let drawn = view.zoom.follow(
        ui,
        &response.response,
        &response.transform,
        chart.quantity,
        plane.whole,
        !view.is_in_scroll_area,
    );
    let tokens = Tokens::of(ui);
    let painter = ui.painter().with_clip_rect(frame);
    if let Some(drawn) = drawn {
        painter.rect(
            drawn,
            2.0,
            tokens.accent.gamma_multiply(0.15),
            Stroke::new(1.0, tokens.accent),
            egui::StrokeKind::Inside,
        );
    }
    let unit = match view.axis {
        XAxis::Step => "step",
        XAxis::Epoch => "epoch",
        XAxis::Time => "time",
    };
    let corner = frame.right_bottom();
    let font = FontId::proportional(11.0);
    ui.painter()
        .text(corner, egui::Align2::RIGHT_TOP, unit, font.clone(), tokens.text_faint);
    if chart.extent.is_none() {
        let place = frame.center();
        painter.text(
            place,
            egui::Align2::CENTER_CENTER,
            &chart.why_empty,
            font,
            tokens.text_faint,
        );
        return;
    }
    marks::marks_ui(ui, chart, view, plane, &response.transform);
    if drawn.is_none() {
        tooltip::follow_pointer(chart, view, plane, &response, actions);
    }
}

/// Places of both ends of the x axis with everything in sight.
fn whole_range(chart: &Chart<'_>, view: &ChartView) -> [f64; 2] {
    let Some([least, most]) = chart.extent else {
        return [0.0, 1.0];
    };
    if view.log_x && least > 0.0 && most > least {
        return [least.log10(), most.log10()];
    }
    let most = if most > 0.0 { most } else { 1.0 };
    if !chart.is_live {
        return [0.0, most * 1.01];
    }
    // A live run grows into free space: the axis moves now and then, not at every step.
    let stride = 2_f64.powf((most / 32.0).log2().floor());
    [0.0, ((most / stride).floor() + 1.0) * stride]
}

fn window(chart: &Chart<'_>, view: &ChartView, whole: [f64; 2]) -> Window {
    // Other runs may have been chosen since the zoom, which end before what was in sight.
    let zoomed = view.zoom.x().filter(|[from, to]| *from < whole[1] && *to > whole[0]);
    let [from, to] = zoomed.unwrap_or(whole);
    Window {
        axis: view.axis,
        x: Scale {
            unit: match view.axis {
                XAxis::Step => Unit::Count,
                XAxis::Epoch => Unit::Plain,
                XAxis::Time => Unit::Seconds,
            },
            is_log: view.log_x && chart.extent.is_some_and(|[least, most]| least > 0.0 && most > least),
        },
        y: Scale {
            unit: chart.unit,
            is_log: view.log_y && chart.quantity.can_be_log(),
        },
        from,
        to,
    }
}

fn prepare_lines(ui: &Ui, chart: &Chart<'_>, view: &mut ChartView, window: Window) {
    let width = (ui.available_width() - Y_AXIS_WIDTH).max(COLUMN_WIDTH);
    let most = (width / COLUMN_WIDTH) as usize;
    for member in &chart.members {
        let is_focus = member.part == Part::Focus;
        let columns = if is_focus {
            most
        } else {
            most.min((COLUMNS_OF_OTHERS / chart.members.len()).max(LEAST_COLUMNS))
        };
        for &trace in chart.quantity.traces() {
            let smoothing = if is_smoothed(trace) { view.smoothing } else { 0.0 };
            let run = (member.run, member.view);
            view.cache.prepare(run, trace, smoothing, window, columns, is_focus);
        }
        if is_focus {
            view.cache.watch(member.run, member.view);
        }
    }
}

fn y_range(chart: &Chart<'_>, view: &ChartView, window: Window) -> [f64; 2] {
    if let Some(range) = view.zoom.y(chart.quantity) {
        return range;
    }
    let [low, high] = match chart.quantity {
        Quantity::Memory => memory_range(chart, view),
        _ => lines_range(chart, view),
    }
    .unwrap_or([0.0, 1.0]);
    let low = if chart.quantity.begins_at_zero() && !window.y.is_log {
        low.min(0.0)
    } else {
        low
    };
    let span = if high > low { high - low } else { high.abs().max(1e-3) };
    let margin = Y_MARGIN * span;
    let low = if low == 0.0 && chart.quantity.begins_at_zero() {
        0.0
    } else {
        low - margin
    };
    [low, high + margin]
}

/// Another run may widen the range of the first one by this much of its span, so that one that diverged does not press
/// all others flat.
const WIDEST: f64 = 3.0;

/// The lowest and the highest place of the lines in sight.
fn lines_range(chart: &Chart<'_>, view: &ChartView) -> Option<[f64; 2]> {
    let mut ranges = chart
        .members
        .iter()
        .filter_map(|member| member_range(chart, view, member.run));
    let [low, high] = ranges.next()?;
    let reach = WIDEST * (high - low);
    let (floor, ceiling) = (low - reach, high + reach);
    Some(ranges.fold([low, high], |[least, most], [low, high]| {
        [least.min(low.max(floor)), most.max(high.min(ceiling))]
    }))
}

fn member_range(chart: &Chart<'_>, view: &ChartView, run: RunId) -> Option<[f64; 2]> {
    let lines = chart
        .quantity
        .traces()
        .iter()
        .filter_map(|&trace| view.cache.line(run, trace));
    lines
        .flat_map(|line| [Some(line.shown), line.raw].into_iter().flatten())
        .filter_map(|drawn| drawn.extremes)
        .reduce(|[least, most], [low, high]| [least.min(low), most.max(high)])
}

/// Up to the prediction and what was measured.
fn memory_range(chart: &Chart<'_>, view: &ChartView) -> Option<[f64; 2]> {
    let focus = chart.focus()?;
    let peak = focus.view.peak().map_or(0, |(_, bytes)| bytes);
    let own = peak.max(focus.view.predicted.total()) as f64;
    let resident = view.cache.line(focus.run, Trace::ResidentSize)?.shown.extremes;
    let most = resident.map_or(own, |[_, high]| if high <= HIGHEST_RESIDENT * own { high } else { own });
    Some([0.0, most])
}

fn draw<'a>(ui: &mut Ui, chart: &'a Chart<'_>, view: &'a ChartView, plane: &Plane) -> PlotResponse<()> {
    let tokens = Tokens::of(ui);
    let Window { x, y, from, to, .. } = plane.window;
    let [low, high] = plane.y;
    let font = FontId::proportional(11.0);
    let hints = |hints: AxisHints<'a>| {
        hints
            .tick_label_color(tokens.text_faint)
            .tick_label_font(font.clone())
            .label_spacing(Rangef::new(1.0, 2.0))
    };
    // The last tick makes room for the axis' unit.
    let unit_begins = to - (to - from) * f64::from(52.0 / (ui.available_width() - Y_AXIS_WIDTH).max(60.0));
    // The y axis' 0 stands in the corner.
    let corner_ends = from + (to - from) * if low == 0.0 { 0.03 } else { 0.0 };
    let is_empty = chart.extent.is_none();
    let x_axis = hints(AxisHints::new_x())
        .min_thickness(X_AXIS_HEIGHT)
        .formatter(move |mark, _| {
            if is_empty || mark.value > unit_begins || mark.value < corner_ends {
                String::new()
            } else {
                x.tick(mark, to)
            }
        });
    let y_axis = hints(AxisHints::new_y())
        .min_thickness(Y_AXIS_WIDTH)
        .formatter(move |mark, _| if is_empty { String::new() } else { y.tick(mark, high) });
    let spacer = |scale: Scale, apart: f64| {
        move |input: GridInput| scale.ticks(input.bounds.0, input.bounds.1, apart * input.base_step_size)
    };
    let bounds = PlotBounds::from_min_max([from, low], [to, high]);
    Plot::new("plot")
        .show_background(false)
        .show_grid(!is_empty)
        .grid_color(tokens.grid())
        .grid_fade(0.0)
        .grid_spacing(Rangef::new(1.0, 2.0))
        .x_grid_spacer(spacer(x, X_TICKS_APART))
        .y_grid_spacer(spacer(y, Y_TICKS_APART))
        .custom_x_axes(vec![x_axis])
        .custom_y_axes(vec![y_axis])
        .allow_zoom(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_axis_zoom_drag(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .show_x(true)
        .show_y(false)
        .link_cursor(egui::Id::unique("charts"), Vec2b::new(true, false))
        .cursor_color(tokens.text_faint.gamma_multiply(0.6))
        .show(ui, move |plot| {
            plot.set_plot_bounds(bounds);
            if chart.quantity == Quantity::Memory {
                bands_in(plot, chart, from, to, &tokens);
            }
            lines_in(plot, chart, view, &tokens);
        })
}

/// The predicted ledger, one band above the other.
fn bands_in(plot: &mut PlotUi<'_>, chart: &Chart<'_>, from: f64, to: f64, tokens: &Tokens) {
    let Some(focus) = chart.focus() else { return };
    let mut below = 0;
    for (place, band) in bands(&focus.view.predicted).into_iter().enumerate() {
        let above = below + band.size;
        let edge = |bytes: u64| [bytes as f64; 2];
        let colour = tokens.card.lerp_to_gamma(band_colour(tokens, place), BAND_OPACITY);
        plot.add(FilledArea::new(band.name, &[from, to], &edge(below), &edge(above)).fill_color(colour));
        below = above;
    }
}

/// The baseline behind the others, what the pointer is at before them.
fn lines_in<'a>(plot: &mut PlotUi<'a>, chart: &'a Chart<'_>, view: &'a ChartView, tokens: &Tokens) {
    let mut members: Vec<&Member<'_>> = chart.members.iter().collect();
    members.sort_by_key(|member| match member.part {
        Part::Ghost => 0,
        Part::Other if !member.is_hovered => 1,
        Part::Focus => 2,
        Part::Other => 3,
    });
    for member in members {
        for &trace in chart.quantity.traces() {
            let Some(line) = view.cache.line(member.run, trace) else {
                continue;
            };
            let stroke = stroke(member, trace, tokens);
            if let Some(raw) = line.raw {
                let faint = Stroke::new(1.0, stroke.color.gamma_multiply(theme::RAW_OPACITY));
                plot.line(line_of(raw, faint));
            }
            let is_alone = member.part == Part::Focus || member.is_hovered;
            let style = if is_validation(trace) && (is_alone || member.part == Part::Ghost) {
                LineStyle::Dashed { length: 5.0 }
            } else {
                LineStyle::Solid
            };
            plot.line(line_of(line.shown, stroke).style(style));
            let points = &line.shown.points;
            if member.part == Part::Focus && points.len() <= MOST_DOTS {
                let dots = Points::new("", PlotPoints::Borrowed(points));
                plot.points(dots.radius(2.2).color(stroke.color).allow_hover(false));
            }
        }
    }
}

fn line_of(drawn: &Drawn, stroke: Stroke) -> Line<'_> {
    Line::new("", PlotPoints::Borrowed(&drawn.points))
        .stroke(stroke)
        .allow_band(false)
        .allow_hover(false)
}

pub fn stroke(member: &Member<'_>, trace: Trace, tokens: &Tokens) -> Stroke {
    match trace {
        Trace::HeapInUse => return Stroke::new(2.0, tokens.text),
        Trace::ResidentSize => return Stroke::new(1.0, tokens.text_soft),
        _ => {}
    }
    let opacity = match member.part {
        _ if member.is_hovered => 1.0,
        Part::Focus => 1.0,
        Part::Other => OTHERS_OPACITY,
        Part::Ghost => GHOST_OPACITY,
    };
    let (opacity, width) = if is_validation(trace) {
        (opacity * VALIDATION_OPACITY, (member.width - 0.25).max(1.0))
    } else {
        (opacity, member.width)
    };
    Stroke::new(width, member.colour.gamma_multiply(opacity))
}

/// A line across the plane, for marks.
pub fn vertical(x: f32, y: Rangef, stroke: Stroke) -> Shape {
    Shape::line_segment([egui::pos2(x, y.min), egui::pos2(x, y.max)], stroke)
}
