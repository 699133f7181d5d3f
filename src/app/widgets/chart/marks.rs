//! What is pointed out in a chart: the best epoch, the peak of memory, alarms, names of bands.

use std::sync::Arc;

use egui::{
    Align2, Color32, FontId, Galley, Painter, Pos2, Rect, Role, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2,
};
use egui_plot::{PlotPoint, PlotTransform};

use super::plot::{self, Plane};
use super::{Chart, ChartView, Member, Quantity};
use crate::app::theme::Tokens;
use crate::app::widgets::ledger::bands;
use crate::spec::units;
use crate::timeline::{Alarm, Trace};

/// A band that is lower than this has no name in it.
const LOWEST_NAMED_BAND: f32 = 15.0;
/// Height and width of a flag.
const POLE: f32 = 16.0;
const CLOTH: f32 = 8.0;
/// Flags closer to each other than this are one.
const FLAGS_APART: f32 = 10.0;

pub fn marks_ui(ui: &Ui, chart: &Chart<'_>, view: &ChartView, plane: &Plane, transform: &PlotTransform) {
    let Some(focus) = chart.focus() else { return };
    let place = |step: usize, value: f64| -> Option<Pos2> {
        let x = plane.window.x.place(focus.view.place(plane.window.axis, step))?;
        let y = plane.window.y.place(value)?;
        let position = transform.position_from_point(&PlotPoint::new(x, y));
        transform.frame().expand(1.0).contains(position).then_some(position)
    };
    let mut last = f32::NEG_INFINITY;
    let mut flags = Vec::new();
    for (number, alarm) in view.cache.alarms(focus.run).iter().enumerate() {
        if !chart.quantity.concerns().contains(&alarm.about) {
            continue;
        }
        let value = flagged_value(chart, view, focus, plane, alarm);
        if let Some(position) = value.and_then(|value| place(alarm.step, value))
            && position.x - last >= FLAGS_APART
        {
            last = position.x;
            flags.push(flag(ui, transform, position, alarm, number));
        }
    }
    // Words last: nothing is drawn over them.
    if chart.quantity == Quantity::Memory {
        if let Some((step, bytes)) = focus.view.peak()
            && let Some(position) = place(step, bytes as f64)
        {
            let text = format!("peak {}", units::bytes(bytes));
            flags.push(pin(ui, transform, position, Tokens::of(ui).text, &text, &flags));
        }
        name_bands(ui, focus, transform, &flags);
    }
    if let Some((step, value, epoch)) = best(chart, focus)
        && let Some(position) = place(step, value)
    {
        let text = format!("best {}, epoch {epoch}", chart.unit.value(value));
        pin(ui, transform, position, focus.colour, &text, &flags);
    }
}

/// Steps done, value and number of the epoch whose weights are kept.
fn best(chart: &Chart<'_>, focus: &Member<'_>) -> Option<(usize, f64, usize)> {
    let best = focus.view.best()?;
    let value = match chart.quantity {
        Quantity::Loss => best.validation.loss,
        Quantity::Score => best.validation.accuracy.or(best.validation.r2)?,
        _ => return None,
    };
    Some((best.step, value, best.epoch))
}

/// Where on the curve an alarm's flag stands.
fn flagged_value(chart: &Chart<'_>, view: &ChartView, focus: &Member<'_>, plane: &Plane, alarm: &Alarm) -> Option<f64> {
    let trace = match alarm.about {
        crate::timeline::Concern::OverFitting if chart.quantity == Quantity::Loss => Trace::ValidationLoss,
        _ => *chart.quantity.traces().first()?,
    };
    let x = focus.view.place(plane.window.axis, alarm.step);
    Some(view.cache.line(focus.run, trace)?.curve.shown().nearest(x)?[1])
}

/// A ring with words beside it, on the side where there is room, and no flag if that can be; the place of the words.
fn pin(ui: &Ui, transform: &PlotTransform, position: Pos2, colour: Color32, text: &str, flags: &[Rect]) -> Rect {
    let frame = *transform.frame();
    let painter = ui.painter().with_clip_rect(frame.expand(6.0));
    painter.circle(position, 4.0, Tokens::of(ui).card, Stroke::new(2.0, colour));
    let is_right = position.x > frame.center().x;
    let is_top = position.y < frame.top() + 22.0;
    let galley = ui
        .painter()
        .layout_no_wrap(text.to_owned(), FontId::proportional(11.0), Tokens::of(ui).text);
    let place = |is_right: bool| {
        let align = match (is_right, is_top) {
            (true, true) => Align2::RIGHT_TOP,
            (true, false) => Align2::RIGHT_BOTTOM,
            (false, true) => Align2::LEFT_TOP,
            (false, false) => Align2::LEFT_BOTTOM,
        };
        let aside = vec2(if is_right { -6.0 } else { 6.0 }, if is_top { 6.0 } else { -6.0 });
        align.anchor_size(position + aside, galley.size())
    };
    let is_free = |rect: &Rect| {
        let is_inside = frame.x_range().contains(rect.left()) && frame.x_range().contains(rect.right());
        is_inside && !flags.iter().any(|flag| flag.intersects(*rect))
    };
    let sides = [place(is_right), place(!is_right)];
    let rect = sides.into_iter().find(is_free).unwrap_or(sides[0]);
    words(ui.painter(), &Tokens::of(ui), rect, galley)
}

/// Words that stand out from the lines behind them; their place with what is around them.
fn words(painter: &Painter, tokens: &Tokens, rect: Rect, galley: Arc<Galley>) -> Rect {
    let plate = rect.expand2(vec2(3.0, 1.0));
    painter.rect_filled(plate, 3.0, tokens.card.gamma_multiply(0.75));
    painter.galley(rect.min, galley, tokens.text);
    plate
}

/// At the right end of each, or left of what stands there.
fn name_bands(ui: &Ui, focus: &Member<'_>, transform: &PlotTransform, taken: &[Rect]) {
    let tokens = Tokens::of(ui);
    let frame = *transform.frame();
    let painter = ui.painter().with_clip_rect(frame);
    let mut below = 0;
    for band in bands(&focus.view.predicted) {
        let height = |bytes: u64| transform.position_from_point_y(bytes as f64);
        let (bottom, top) = (height(below), height(below + band.size));
        below += band.size;
        if bottom - top >= LOWEST_NAMED_BAND {
            let text = format!("{} {}", band.name, units::bytes(band.size));
            let galley = painter.layout_no_wrap(text, FontId::proportional(11.0), tokens.text_soft);
            let at =
                |right: f32| Align2::RIGHT_CENTER.anchor_size(pos2(right, f32::midpoint(bottom, top)), galley.size());
            let mut rect = at(frame.right() - 6.0);
            for other in taken {
                if other.intersects(rect) {
                    rect = at(other.left() - 6.0);
                }
            }
            words(&painter, &tokens, rect, galley);
        }
    }
}

/// A flag whose reason comes on hover; its place.
fn flag(ui: &Ui, transform: &PlotTransform, position: Pos2, alarm: &Alarm, number: usize) -> Rect {
    let frame = *transform.frame();
    let colour = Tokens::of(ui).warn;
    let foot = position.y.clamp(frame.top() + POLE, frame.bottom());
    let top = pos2(position.x, foot - POLE);
    let painter = ui.painter().with_clip_rect(frame.expand(2.0));
    painter.add(plot::vertical(
        position.x,
        egui::Rangef::new(top.y, foot),
        Stroke::new(1.5, colour),
    ));
    let side = if position.x + CLOTH > frame.right() {
        -CLOTH
    } else {
        CLOTH
    };
    let cloth = vec![top, top + vec2(side, CLOTH / 2.0), top + vec2(0.0, CLOTH)];
    painter.add(Shape::convex_polygon(cloth, colour, Stroke::NONE));
    let rect = Rect::from_two_pos(top, pos2(position.x + side, foot));
    let response = ui.interact(
        rect.expand(4.0),
        ui.make_persistent_id(("flag", number)),
        Sense::hover(),
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &alarm.text));
    response.on_hover_text(&alarm.text);
    rect
}
