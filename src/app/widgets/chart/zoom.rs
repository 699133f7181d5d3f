//! Which part of the charts is in sight: by wheel, by a box that is drawn, by moving.

use std::collections::HashMap;

use egui::{PointerButton, Pos2, Rect, Response, Ui, Vec2};
use egui_plot::PlotTransform;

use super::Quantity;

/// Wheel travel, in points, that zooms by a factor of e.
const WHEEL_TRAVEL: f32 = 250.0;
/// A box that is smaller than this was not meant as one.
const SMALLEST_BOX: f32 = 6.0;
/// A box that is lower than this zooms along x only.
const LOWEST_BOX: f32 = 14.0;
/// Smallest part of the whole that can be in sight.
const CLOSEST: f64 = 1e-5;

/// In places of the axes; the x axis is that of all charts of a view.
#[derive(Debug, Default)]
pub struct Zoom {
    x: Option<[f64; 2]>,
    y: HashMap<Quantity, [f64; 2]>,
    /// Where a box begins that is being drawn.
    corner: Option<Pos2>,
}

impl Zoom {
    pub fn is_zoomed(&self) -> bool {
        self.x.is_some() || !self.y.is_empty()
    }

    pub fn reset(&mut self) {
        *self = Self::default();
    }

    pub fn x(&self) -> Option<[f64; 2]> {
        self.x
    }

    pub fn y(&self, quantity: Quantity) -> Option<[f64; 2]> {
        self.y.get(&quantity).copied()
    }

    /// Takes `range` into sight, as far as it is within `whole`.
    fn set_x(&mut self, [from, to]: [f64; 2], whole: [f64; 2]) {
        let span = (to - from).max((whole[1] - whole[0]) * CLOSEST);
        if span >= whole[1] - whole[0] {
            self.x = None;
            return;
        }
        let from = from.clamp(whole[0], whole[1] - span);
        self.x = Some([from, from + span]);
    }

    /// What the pointer does in a chart; the box that is being drawn comes back.
    pub fn follow(
        &mut self,
        ui: &Ui,
        response: &Response,
        transform: &PlotTransform,
        quantity: Quantity,
        whole: [f64; 2],
        wheel_zooms: bool,
    ) -> Option<Rect> {
        if response.double_clicked() {
            self.reset();
            return None;
        }
        let [min, max] = [transform.bounds().min(), transform.bounds().max()];
        if response.contains_pointer()
            && let Some(pointer) = ui.input(|input| input.pointer.hover_pos())
        {
            let factor = zoom_factor(ui, wheel_zooms);
            if factor != 1.0 {
                let centre = transform.value_from_position(pointer).x;
                let edge = |edge: f64| centre + (edge - centre) / f64::from(factor);
                self.set_x([edge(min[0]), edge(max[0])], whole);
            }
        }
        let moves = response.dragged_by(PointerButton::Middle)
            || response.dragged_by(PointerButton::Secondary)
            || response.dragged_by(PointerButton::Primary) && ui.input(|input| input.modifiers.shift);
        if moves {
            let Vec2 { x, y } = response.drag_delta();
            let [x_a_point, y_a_point] = transform.dvalue_dpos();
            if self.x.is_some() {
                let by = f64::from(x) * x_a_point;
                self.set_x([min[0] - by, max[0] - by], whole);
            }
            if let Some(range) = self.y.get_mut(&quantity) {
                let by = f64::from(y) * y_a_point;
                *range = [range[0] - by, range[1] - by];
            }
            self.corner = None;
            return None;
        }
        let pointer = ui.input(|input| input.pointer.latest_pos())?;
        if response.drag_started_by(PointerButton::Primary) {
            self.corner = ui.input(|input| input.pointer.press_origin());
        }
        let ends = response.drag_stopped_by(PointerButton::Primary);
        if !ends && !response.dragged_by(PointerButton::Primary) {
            return None;
        }
        let drawn = Rect::from_two_pos(self.corner?, pointer).intersect(*transform.frame());
        let drawn = if drawn.height() < LOWEST_BOX {
            Rect::from_x_y_ranges(drawn.x_range(), transform.frame().y_range())
        } else {
            drawn
        };
        if !ends {
            return Some(drawn);
        }
        self.corner = None;
        if drawn.width() >= SMALLEST_BOX {
            let from = transform.value_from_position(drawn.left_bottom());
            let to = transform.value_from_position(drawn.right_top());
            self.set_x([from.x, to.x], whole);
            if drawn.height() < transform.frame().height() {
                self.y.insert(quantity, [from.y, to.y]);
            }
        }
        None
    }
}

/// By how much the wheel, or two fingers, zoom in this frame. What the wheel did is taken: nothing around scrolls by it.
fn zoom_factor(ui: &Ui, wheel_zooms: bool) -> f32 {
    let factor = ui.input(egui::InputState::zoom_delta);
    if !wheel_zooms {
        return factor;
    }
    let travel = ui.input_mut(|input| std::mem::take(&mut input.smooth_scroll_delta.y));
    factor * (travel / WHEEL_TRAVEL).exp()
}
