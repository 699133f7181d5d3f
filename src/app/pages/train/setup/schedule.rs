//! The learning rate's way through a run, as a picture.

use egui::{Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::app::theme::{self, Tokens};
use crate::app::widgets::field;
use crate::spec::RunPlan;

const CURVE_HEIGHT: f32 = 40.0;
/// Points of the drawn curve.
const CURVE_POINTS: usize = 160;

/// The learning rate over the run.
pub fn curve_ui(ui: &mut Ui, plan: Option<&RunPlan>, is_current: bool) -> Response {
    let tokens = Tokens::of(ui);
    let size = vec2(ui.available_width(), CURVE_HEIGHT);
    let (outer, response) = ui.allocate_exact_size(size, Sense::hover());
    let rect = outer.shrink2(vec2(field::GUTTER, 4.0));
    let painter = ui.painter();
    let ground = Stroke::new(1.0, tokens.line);
    painter.hline(rect.x_range(), rect.bottom(), ground);
    let Some(plan) = plan else {
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Learning rate over the run: not known yet"));
        return response;
    };
    let (schedule, last) = (plan.schedule(), plan.total_steps().saturating_sub(1));
    let step_at = |share: f32| (share * last as f32).round() as usize;
    let y_of = |rate: f64| rect.bottom() - (rate / schedule.peak.max(f64::MIN_POSITIVE)) as f32 * rect.height();
    let points = (0..=CURVE_POINTS)
        .map(|point| {
            let share = point as f32 / CURVE_POINTS as f32;
            let rate = schedule.learning_rate(step_at(share));
            pos2(rect.left() + share * rect.width(), y_of(rate))
        })
        .collect();
    let colour = if is_current { tokens.accent } else { tokens.line };
    painter.add(egui::Shape::line(points, Stroke::new(1.5, colour)));
    let name = format!(
        "Learning rate over the run: {} at its highest, {} at the end",
        field::plain(schedule.peak),
        rate_text(schedule.learning_rate(last))
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let Some(pointer) = response.hover_pos() else {
        return response;
    };
    let share = ((pointer.x - rect.left()) / rect.width()).clamp(0.0, 1.0);
    let step = step_at(share);
    let rate = schedule.learning_rate(step);
    painter.circle_filled(pos2(rect.left() + share * rect.width(), y_of(rate)), 3.0, colour);
    let epoch = step / plan.steps_per_epoch.max(1) + 1;
    response.on_hover_ui_at_pointer(|ui| {
        ui.label(theme::number(rate_text(rate)));
        ui.label(theme::hint(ui, format!("step {}, epoch {epoch}", step + 1)));
    })
}

fn rate_text(rate: f64) -> String {
    field::plain(field::three_digits(rate))
}
