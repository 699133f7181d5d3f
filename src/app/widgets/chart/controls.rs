//! The row above a view's charts: smoothing, axes, zoom, charts on demand.

use egui::{Button, Response, RichText, Slider, Ui};
use egui_material_icons::icons;

use super::{ChartView, Quantity};
use crate::app::theme::{self, Tokens};
use crate::timeline::XAxis;

/// Most that can be smoothed.
const MOST_SMOOTHING: f64 = 0.99;

/// How all charts of the view are drawn; `offered` are the charts that can be switched on.
pub fn controls_ui(ui: &mut Ui, view: &mut ChartView, offered: &[Quantity]) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        smoothing_ui(ui, view);
        ui.add_space(8.0);
        axes_ui(ui, view);
        ui.add_space(8.0);
        for &quantity in offered {
            let is_shown = view.extra.contains(&quantity);
            let name = quantity.title(false);
            if chip_ui(ui, name, is_shown, "Shows or hides this chart").clicked() && !view.extra.remove(&quantity) {
                view.extra.insert(quantity);
            }
        }
    });
}

fn smoothing_ui(ui: &mut Ui, view: &mut ChartView) {
    let label = ui.label(theme::label(ui, "Smoothing"));
    ui.spacing_mut().slider_width = 90.0;
    ui.add(
        Slider::new(&mut view.smoothing, 0.0..=MOST_SMOOTHING)
            .step_by(0.01)
            .show_value(false),
    )
    .on_hover_text(
        "Averages what is measured at every step, the latest values most; the values themselves stay behind it. \
         Validation, learning rate and memory are drawn as they are",
    )
    .labelled_by(label.id);
    ui.label(theme::number(format!("{:.2}", view.smoothing)).size(11.5));
}

fn axes_ui(ui: &mut Ui, view: &mut ChartView) {
    ui.label(theme::label(ui, "over"));
    for (axis, name, hover) in [
        (XAxis::Step, "Step", "Draws over optimizer steps"),
        (XAxis::Epoch, "Epoch", "Draws over passes through the training data"),
        (XAxis::Time, "Time", "Draws over the time of work, pauses left out"),
    ] {
        if chip_ui(ui, name, view.axis == axis, hover).clicked() {
            view.axis = axis;
            view.zoom.reset();
        }
    }
    ui.add_space(8.0);
    if chip_ui(ui, "Log x", view.log_x, "Draws the x axis by powers of ten").clicked() {
        view.log_x = !view.log_x;
        view.zoom.reset();
    }
    let hover = "Draws loss, learning rate and gradient norm by powers of ten; values of 0 have no place then";
    if chip_ui(ui, "Log y", view.log_y, hover).clicked() {
        view.log_y = !view.log_y;
        view.zoom.reset();
    }
    let reset = Button::new(theme::icon(icons::ICON_ZOOM_OUT_MAP).size(16.0)).frame(false);
    let response = ui.add_enabled(view.zoom.is_zoomed(), reset);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, view.zoom.is_zoomed(), "Reset zoom"));
    let hover =
        "Resets the zoom (double click). Drag to zoom into a box, turn the wheel to zoom, drag with Shift to move";
    if response.on_hover_text(hover).on_disabled_hover_text(hover).clicked() {
        view.zoom.reset();
    }
}

/// A word that is on or off.
fn chip_ui(ui: &mut Ui, name: &str, is_on: bool, hover: &str) -> Response {
    let tokens = Tokens::of(ui);
    let colour = if is_on { tokens.text } else { tokens.text_soft };
    let chip = Button::selectable(is_on, RichText::new(name).size(12.0).color(colour)).frame_when_inactive(true);
    let chip = ui.add(chip.min_size(egui::vec2(0.0, 24.0)));
    chip.on_hover_text(hover)
}
