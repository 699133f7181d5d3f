//! A whole in its parts, as bands of one bar with a legend on hover.

use egui::{Color32, CornerRadius, Rect, Response, Role, Sense, Ui, WidgetInfo, vec2};

use super::mark;
use crate::app::theme::{self, Tokens};
use crate::spec::units;

/// A part of a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    pub name: &'static str,
    /// A learner's sentence.
    pub doc: &'static str,
    /// In the whole's unit.
    pub size: u64,
}

/// The colour of the band at this place.
pub fn band_colour(tokens: &Tokens, place: usize) -> Color32 {
    // Grey for the sixth, which is what is left.
    tokens.run(if place == 5 { 7 } else { place })
}

/// How a bar takes new sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// The eye follows the parts to their new places: for sizes that change when somebody moves a knob.
    Glides,
    /// At once: for readings that come many times a second, which would keep the window drawing.
    Jumps,
}

/// The bands as one bar, as wide as there is room; its legend comes on hover. `text` writes sizes, and `title` says what the whole is.
pub fn bands_ui(
    ui: &mut Ui,
    bands: &[Band],
    title: &str,
    height: f32,
    motion: Motion,
    text: fn(u64) -> String,
) -> Response {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let secs = ui.style().animation_time.min(0.15);
    let shown: Vec<f32> = bands
        .iter()
        .map(|band| match motion {
            Motion::Jumps => band.size as f32,
            Motion::Glides => {
                let id = response.id.with(band.name);
                ui.ctx().animate_value_with_time(id, band.size as f32, secs)
            }
        })
        .collect();
    let total: f32 = shown.iter().sum();
    let corner = CornerRadius::same(3);
    ui.painter().rect_filled(rect, corner, tokens.line);
    let pointer = response.hover_pos();
    let mut under_pointer = None;
    let mut left = rect.left();
    for (place, &size) in shown.iter().enumerate() {
        let right = left + rect.width() * size / total.max(1.0);
        let part = Rect::from_x_y_ranges(left..=right, rect.y_range());
        // A sliver of ground keeps neighbours apart.
        let seen = part.with_max_x((right - 1.0).max(left));
        ui.painter().rect_filled(seen, 1.0, band_colour(&tokens, place));
        if pointer.is_some_and(|pointer| part.contains(pointer)) {
            under_pointer = Some(place);
        }
        left = right;
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, in_words(bands, title, text)));
    response.on_hover_ui(|ui| legend_ui(ui, bands, text, under_pointer))
}

/// All sizes in a sentence.
pub fn in_words(bands: &[Band], title: &str, text: fn(u64) -> String) -> String {
    let parts: Vec<String> = bands
        .iter()
        .map(|band| format!("{} {}", band.name, text(band.size)))
        .collect();
    format!("{title} {}: {}", text(total(bands)), parts.join(", "))
}

fn total(bands: &[Band]) -> u64 {
    bands.iter().map(|band| band.size).sum()
}

/// Colour, name, size and share of every band; that under the pointer with what it is.
pub fn legend_ui(ui: &mut Ui, bands: &[Band], text: fn(u64) -> String, under_pointer: Option<usize>) {
    let tokens = Tokens::of(ui);
    let total = total(bands).max(1) as f64;
    ui.spacing_mut().interact_size.y = 16.0;
    ui.spacing_mut().item_spacing.y = 2.0;
    egui::Grid::new("legend")
        .num_columns(4)
        .min_col_width(0.0)
        .spacing(vec2(10.0, 2.0))
        .show(ui, |ui| {
            for (place, band) in bands.iter().enumerate() {
                mark::dot(ui, band_colour(&tokens, place));
                ui.label(if under_pointer == Some(place) {
                    theme::strong(band.name)
                } else {
                    theme::label(ui, band.name)
                });
                // Digits are equally wide, so spaces align them.
                ui.label(theme::number(format!("{:>8}", text(band.size))));
                ui.label(theme::number(format!(
                    "{:>7}",
                    units::percent(band.size as f64 / total)
                )));
                ui.end_row();
            }
        });
    if let Some(band) = under_pointer.and_then(|place| bands.get(place)) {
        ui.label(theme::hint(ui, band.doc));
    }
}
