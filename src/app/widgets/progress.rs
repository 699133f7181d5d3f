//! How far something is: a bar whose track can be seen on every ground.

use egui::{Color32, ProgressBar, Role, Ui, WidgetInfo};

use crate::app::theme::Tokens;

/// A bar of this width and height, filled by `share` (0 to 1); `name` is for screen readers.
pub fn bar_ui(ui: &mut Ui, share: f32, [width, height]: [f32; 2], fill: Color32, name: &str) {
    ui.scope(|ui| {
        ui.visuals_mut().extreme_bg_color = Tokens::of(ui).line;
        let bar = ProgressBar::new(share)
            .desired_width(width)
            .desired_height(height)
            .fill(fill);
        let response = ui.add(bar);
        response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, name));
    });
}
