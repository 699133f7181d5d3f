//! A sample as a picture.

use egui::{Rect, Response, Sense, Ui, Vec2};

use crate::app::theme::Tokens;
use crate::spec::{SampleView, Shape};

/// Pixels as squares (ink in the text's colour on the window's), `side` points wide; three channels are drawn in colour.
pub fn pixels_ui(ui: &mut Ui, shape: Shape, pixels: &[f32], side: f32, name: &str) -> Response {
    let [_, height, width] = size_of(shape);
    let cell = side / width.max(height) as f32;
    let size = Vec2::new(cell * width as f32, cell * height as f32);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, name));
    paint_pixels(ui, rect, shape, pixels);
    response
}

/// The same in a rectangle that is there already.
pub fn paint_pixels(ui: &Ui, rect: Rect, shape: Shape, pixels: &[f32]) {
    if !ui.is_rect_visible(rect) {
        return;
    }
    let [channels, height, width] = size_of(shape);
    let tokens = Tokens::of(ui);
    let at = |channel: usize, place: usize| pixels.get(channel * width * height + place).copied().unwrap_or(0.0);
    let cell = rect.size() / Vec2::new(width as f32, height as f32);
    let mut mesh = egui::Mesh::default();
    for place in 0..width * height {
        let corner = rect.min + Vec2::new((place % width) as f32, (place / width) as f32) * cell;
        let colour = if channels >= 3 {
            egui::Rgba::from_rgb(at(0, place), at(1, place), at(2, place)).into()
        } else {
            tokens.base.lerp_to_gamma(tokens.text, at(0, place).clamp(0.0, 1.0))
        };
        mesh.add_colored_rect(Rect::from_min_size(corner, cell), colour);
    }
    ui.painter().add(mesh);
}

/// Channels, height and width; features are one line.
pub fn size_of(shape: Shape) -> [usize; 3] {
    match shape {
        Shape::Image {
            channels,
            height,
            width,
        } => [channels, height.max(1), width.max(1)],
        Shape::Features { features } => [1, 1, features.max(1)],
        Shape::Sequence { steps, features } => [1, features.max(1), steps.max(1)],
        Shape::Tokens { steps, .. } => [1, 1, steps.max(1)],
    }
}

/// Whether the answer to a sample is its true class; none where nobody was asked, or a value was.
pub fn is_right(sample: &SampleView) -> Option<bool> {
    let (class, _) = sample.answer.rsplit_once(" (")?;
    Some(class == sample.truth)
}

/// A sample's picture with its truth and, where there is one, the answer below it.
pub fn sample_ui(ui: &mut Ui, sample: &SampleView, side: f32) -> Response {
    let tokens = Tokens::of(ui);
    let name = if sample.answer.is_empty() {
        format!("row {}: {}", sample.row, sample.truth)
    } else {
        format!("row {}: {}, answered {}", sample.row, sample.truth, sample.answer)
    };
    let line = |ui: &mut Ui, text: &str, colour| {
        let text = egui::RichText::new(text).size(11.0).color(colour);
        ui.add(egui::Label::new(text).truncate());
    };
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        let response = match &sample.pixels {
            Some((shape, pixels)) => pixels_ui(ui, *shape, pixels, side, &name),
            None => ui.label(crate::app::theme::number(sample.cells.join("  "))),
        };
        line(ui, &sample.truth, tokens.text_soft);
        if !sample.answer.is_empty() {
            let is_wrong = is_right(sample) == Some(false);
            line(ui, &sample.answer, if is_wrong { tokens.bad } else { tokens.text_soft });
        }
        response
    })
    .inner
    .on_hover_text(name)
}

/// A sample's picture with its truth below it, not to be pressed.
pub fn thumbnail_ui(ui: &mut Ui, sample: &SampleView, side: f32) -> Response {
    let name = format!("row {}: {}", sample.row, sample.truth);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 1.0;
        ui.set_width(side);
        if let Some((shape, pixels)) = &sample.pixels {
            pixels_ui(ui, *shape, pixels, side, &name);
        }
        ui.vertical_centered(|ui| ui.add(egui::Label::new(crate::app::theme::hint(ui, &sample.truth)).truncate()));
    })
    .response
    .on_hover_text(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_right_where_its_class_is_the_truth() {
        let answered = |truth: &str, answer: &str| SampleView {
            row: 0,
            truth: truth.to_owned(),
            answer: answer.to_owned(),
            columns: Vec::new(),
            cells: Vec::new(),
            pixels: None,
            series: None,
        };
        assert_eq!(is_right(&answered("1", "10 (54.0 %)")), Some(false));
        assert_eq!(is_right(&answered("a (b)", "a (b) (54.0 %)")), Some(true));
        assert_eq!(is_right(&answered("151", "148")), None);
        assert_eq!(is_right(&answered("1", "")), None);
    }
}
