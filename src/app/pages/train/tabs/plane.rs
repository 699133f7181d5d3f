//! A plane with two named axes, for pictures that are drawn over the values of two columns.

use egui::epaint::TextShape;
use egui::{Align2, FontId, Pos2, Rect, Response, Sense, Stroke, StrokeKind, Ui, Vec2, lerp, pos2, remap, vec2};

use crate::app::theme::Tokens;
use crate::spec::units;

/// Room for the labels at the left and at the foot, in points.
const GUTTER: Vec2 = vec2(58.0, 18.0);
const FONT: FontId = FontId::proportional(11.0);

/// A column and the part of it that is shown.
pub struct Axis<'a> {
    pub name: &'a str,
    pub range: [f64; 2],
}

/// Where the values lie on the screen.
pub struct Plane {
    pub rect: Rect,
    x: [f64; 2],
    y: [f64; 2],
}

/// A value at the end of an axis; a whole one, as of rows, has no decimals.
fn mark(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e4 {
        format!("{value}")
    } else {
        units::significant(value)
    }
}

impl Plane {
    /// Allocates `size` and draws axes and edge. What is drawn over it belongs into [`Self::rect`].
    pub fn show(ui: &mut Ui, size: Vec2, x: &Axis<'_>, y: &Axis<'_>, name: &str) -> (Self, Response) {
        Self::show_marked(ui, size, x, y, y.range[1], name)
    }

    /// The same with the upper mark of the upright axis at `top`, where that does not end there.
    pub fn show_marked(ui: &mut Ui, size: Vec2, x: &Axis<'_>, y: &Axis<'_>, top: f64, name: &str) -> (Self, Response) {
        let tokens = Tokens::of(ui);
        let (whole, response) = ui.allocate_exact_size(size, Sense::hover());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, name));
        let rect = Rect::from_min_max(
            pos2(whole.left() + GUTTER.x, whole.top() + 2.0),
            whole.max - vec2(2.0, GUTTER.y),
        );
        let painter = ui.painter();
        painter.rect_stroke(rect, 0, Stroke::new(1.0, tokens.line), StrokeKind::Outside);
        let faint = tokens.text_faint;
        let text = |at: Pos2, align: Align2, text: String| {
            painter.text(at, align, text, FONT, faint);
        };
        let below = rect.bottom() + 4.0;
        text(pos2(rect.left(), below), Align2::LEFT_TOP, mark(x.range[0]));
        text(pos2(rect.right(), below), Align2::RIGHT_TOP, mark(x.range[1]));
        let beside = rect.left() - 5.0;
        text(pos2(beside, rect.bottom()), Align2::RIGHT_BOTTOM, mark(y.range[0]));
        let plane = Self {
            rect,
            x: x.range,
            y: y.range,
        };
        let (place, align) = if top < y.range[1] {
            (plane.at(x.range[0], top).y, Align2::RIGHT_CENTER)
        } else {
            (rect.top(), Align2::RIGHT_TOP)
        };
        text(pos2(beside, place), align, mark(top));
        let column = |name: &str, room: f32| {
            let mut job = egui::text::LayoutJob::simple_singleline(name.to_owned(), FONT, tokens.text_soft);
            job.wrap = egui::text::TextWrapping::truncate_at_width(room.max(20.0));
            painter.layout_job(job)
        };
        let ends = x.range.map(|end| {
            let galley = painter.layout_no_wrap(mark(end), FONT, faint);
            galley.size().x
        });
        let galley = column(x.name, rect.width() - 2.0 * ends[0].max(ends[1]) - 12.0);
        painter.galley(
            pos2(rect.center().x - galley.size().x / 2.0, below),
            galley,
            tokens.text_soft,
        );
        let galley = column(y.name, rect.height() - 40.0);
        let centre = pos2(whole.left() + 10.0, rect.center().y);
        let shape = TextShape::new(centre - galley.size() / 2.0, galley, tokens.text_soft);
        painter.add(shape.with_angle_and_anchor(-std::f32::consts::FRAC_PI_2, Align2::CENTER_CENTER));
        (plane, response)
    }

    /// Where a value lies.
    pub fn at(&self, x: f64, y: f64) -> Pos2 {
        let share = |value: f64, [low, high]: [f64; 2]| ((value - low) / (high - low).max(f64::MIN_POSITIVE)) as f32;
        pos2(
            lerp(self.rect.x_range(), share(x, self.x)),
            lerp(self.rect.y_range(), 1.0 - share(y, self.y)),
        )
    }

    /// The value under a point of the screen, if that lies in the plane.
    pub fn value(&self, at: Pos2) -> Option<[f64; 2]> {
        let rect = self.rect;
        rect.contains(at).then(|| {
            let x = remap(
                f64::from(at.x),
                f64::from(rect.left())..=f64::from(rect.right()),
                self.x[0]..=self.x[1],
            );
            let y = remap(
                f64::from(at.y),
                f64::from(rect.bottom())..=f64::from(rect.top()),
                self.y[0]..=self.y[1],
            );
            [x, y]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_marks_have_no_decimals() {
        let marks = [0.0, 7.0, 267.0, -23.0, 0.5, 2.217].map(mark);
        assert_eq!(marks, ["0", "7", "267", "-23", "0.500", "2.22"]);
    }
}
