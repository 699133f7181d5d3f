//! A short sequence as a small chart: a line for each feature, all in one frame.

use egui::{Rect, Response, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::app::theme::Tokens;
use crate::spec::{Shape, units};

/// Features that are drawn; more could not be told apart.
const MOST_LINES: usize = 8;

/// The chart of `values`, step by step, in a room of this size; `name` is said to those who do not see it. The values span the
/// height, or `span` where charts are to be compared.
pub fn lines_ui(
    ui: &mut Ui,
    shape: Shape,
    values: &[f32],
    size: egui::Vec2,
    span: Option<[f32; 2]>,
    name: &str,
) -> Response {
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, name));
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let tokens = Tokens::of(ui);
    let features = features_of(shape);
    let span = span.or_else(|| span_of(values));
    let Some([low, high]) = span else { return response };
    let steps = values.len() / features;
    let inner = rect.shrink2(vec2(1.0, 3.0));
    if low < 0.0 && high > 0.0 {
        let y = place(inner, 0, 1, 0.0, [low, high]).y;
        ui.painter().hline(inner.x_range(), y, Stroke::new(1.0, tokens.line));
    }
    for feature in 0..features.min(MOST_LINES) {
        let of_feature = values.iter().skip(feature).step_by(features);
        let points = of_feature
            .enumerate()
            .map(|(step, &value)| place(inner, step, steps, value, [low, high]));
        let stroke = Stroke::new(1.5, tokens.run(feature));
        ui.painter().add(egui::Shape::line(points.collect(), stroke));
    }
    response
}

/// Smallest and largest value; none where there are no finite ones.
pub fn span_of(values: &[f32]) -> Option<[f32; 2]> {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let span = finite.fold(None, |span: Option<[f32; 2]>, value| {
        let [low, high] = span.unwrap_or([value, value]);
        Some([low.min(value), high.max(value)])
    });
    // A constant lies in the middle.
    span.map(|[low, high]| {
        if low < high {
            [low, high]
        } else {
            [low - 1.0, high + 1.0]
        }
    })
}

/// `24 steps from -1.2 to 3.4`
pub fn in_words(shape: Shape, values: &[f32]) -> String {
    let steps = values.len() / features_of(shape);
    span_of(values).map_or_else(
        || format!("{steps} steps"),
        |[low, high]| {
            let [low, high] = [low, high].map(|value| units::significant(f64::from(value)));
            format!("{steps} steps from {low} to {high}")
        },
    )
}

fn features_of(shape: Shape) -> usize {
    match shape {
        Shape::Sequence { features, .. } => features.max(1),
        _ => 1,
    }
}

fn place(rect: Rect, step: usize, steps: usize, value: f32, [low, high]: [f32; 2]) -> egui::Pos2 {
    let x = rect.left() + rect.width() * step as f32 / steps.saturating_sub(1).max(1) as f32;
    let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
    pos2(x, rect.bottom() - rect.height() * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_span_the_height_and_a_constant_lies_in_the_middle() {
        assert_eq!(span_of(&[1.0, -2.0, f32::NAN]), Some([-2.0, 1.0]));
        assert_eq!(span_of(&[3.0, 3.0]), Some([2.0, 4.0]));
        assert_eq!(span_of(&[]), None);
        let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(10.0, 10.0));
        assert_eq!(place(rect, 0, 3, 4.0, [2.0, 4.0]), pos2(0.0, 0.0));
        assert_eq!(place(rect, 2, 3, 2.0, [2.0, 4.0]), pos2(10.0, 10.0));
        let shape = Shape::Sequence { steps: 2, features: 2 };
        assert_eq!(in_words(shape, &[0.0, 1.0, 2.0, 3.0]), "2 steps from 0 to 3.00");
    }
}
