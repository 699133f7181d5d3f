//! The decision surface: what the network answers over the plane of two inputs, with the training rows on it.

use std::sync::Arc;

use egui::{Color32, ColorImage, Rect, TextureOptions, Ui, pos2, vec2};

use super::painted::{Painted, paint};
use super::plane::{Axis, Plane};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::mark;
use crate::spec::{AnswersSeen, Snapshot, Surface, units};

/// Opacity of a cell that is undecided, and of one that is sure.
const OPACITY: [f32; 2] = [0.1, 0.7];
/// Room for the legend, in points.
const LEGEND: f32 = 190.0;

/// The cells as a texture.
#[derive(Debug, Default)]
pub struct SurfaceView(Painted<Arc<Snapshot>>);

/// Names of the classes; none for a regression.
fn classes(snapshot: &Snapshot) -> &[String] {
    match &snapshot.answers {
        AnswersSeen::Classes { classes, .. } => classes,
        AnswersSeen::Values { .. } => &[],
    }
}

/// The highest row of the plane is the first of the picture.
fn image(surface: &Surface, classes: &[String], tokens: Tokens) -> ColorImage {
    let size = surface.size;
    let undecided = 1.0 / classes.len().max(2) as f32;
    let colour = |&(class, value): &(u32, f32)| {
        if classes.is_empty() {
            return tokens.heat(value);
        }
        let surety = ((value - undecided) / (1.0 - undecided)).clamp(0.0, 1.0);
        let opacity = egui::lerp(OPACITY[0]..=OPACITY[1], surety);
        tokens.card.lerp_to_gamma(tokens.run(class as usize), opacity)
    };
    let rows = surface.cells.chunks_exact(size.max(1)).take(size).rev();
    let mut pixels: Vec<Color32> = rows.flatten().map(colour).collect();
    pixels.resize(size * size, tokens.card);
    ColorImage::new([size, size], pixels)
}

pub fn surface_ui(ui: &mut Ui, snapshot: &Arc<Snapshot>, view: &mut SurfaceView) {
    let Some(surface) = &snapshot.surface else {
        ui.label(theme::label(
            ui,
            "The data of this run have more or less than two numeric inputs",
        ));
        return;
    };
    let tokens = Tokens::of(ui);
    let classes = classes(snapshot);
    let texture = view.0.texture(
        ui,
        Arc::clone(snapshot),
        Arc::ptr_eq,
        TextureOptions::LINEAR,
        |tokens| image(surface, classes, tokens),
    );
    ui.horizontal_top(|ui| {
        let available = ui.available_size();
        let size = vec2((available.x - LEGEND).clamp(120.0, available.y * 2.2), available.y);
        let [x, y] = &surface.columns;
        let x = Axis {
            name: x,
            range: surface.x,
        };
        let y = Axis {
            name: y,
            range: surface.y,
        };
        let (plane, response) = Plane::show(ui, size, &x, &y, "Decision surface");
        let painter = ui.painter_at(plane.rect);
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        paint(ui, &texture, whole, plane.rect);
        for &([x, y], class) in &surface.points {
            let colour = if classes.is_empty() {
                tokens.text
            } else {
                tokens.run(class as usize)
            };
            let at = plane.at(x, y);
            painter.circle_filled(at, 3.0, tokens.base);
            painter.circle_filled(at, 2.2, colour);
        }
        if let Some([x, y]) = response.hover_pos().and_then(|at| plane.value(at)) {
            response.on_hover_text_at_pointer(under_pointer(surface, classes, x, y));
        }
        ui.add_space(theme::SPACE[2]);
        ui.vertical(|ui| legend_ui(ui, surface, classes));
    });
}

/// The values at a point, and what the network answers there.
fn under_pointer(surface: &Surface, classes: &[String], x: f64, y: f64) -> String {
    let place = |value: f64, [low, high]: [f64; 2]| {
        let share = (value - low) / (high - low).max(f64::MIN_POSITIVE);
        ((share * surface.size as f64) as usize).min(surface.size.saturating_sub(1))
    };
    let cell = place(y, surface.y) * surface.size + place(x, surface.x);
    let answer = match surface.cells.get(cell) {
        Some(&(class, probability)) if !classes.is_empty() => {
            let class = classes.get(class as usize).map_or("", String::as_str);
            format!("{class}, {}", units::percent(f64::from(probability)))
        }
        Some(&(_, value)) => format!("{} of the training rows' range", units::percent(f64::from(value))),
        None => String::new(),
    };
    let [column_x, column_y] = &surface.columns;
    let (x, y) = (units::significant(x), units::significant(y));
    format!("{column_x} {x} · {column_y} {y}\n{answer}")
}

fn legend_ui(ui: &mut Ui, surface: &Surface, classes: &[String]) {
    let tokens = Tokens::of(ui);
    if classes.is_empty() {
        ui.label(theme::label(ui, "Predicted value"));
        ui.horizontal(|ui| {
            let (rect, _) = ui.allocate_exact_size(vec2(120.0, 10.0), egui::Sense::hover());
            let step = rect.width() / 24.0;
            for place in 0..24 {
                let left = rect.left() + step * place as f32;
                let cell = Rect::from_min_size(pos2(left, rect.top()), vec2(step, rect.height()));
                ui.painter().rect_filled(cell, 0, tokens.heat(place as f32 / 23.0));
            }
        });
        ui.label(theme::hint(ui, "from the lowest to the highest training row"));
    } else {
        egui::ScrollArea::vertical().id_salt("classes").show(ui, |ui| {
            ui.spacing_mut().interact_size.y = 16.0;
            for (class, name) in classes.iter().enumerate() {
                ui.horizontal(|ui| {
                    mark::dot(ui, tokens.run(class));
                    ui.add(egui::Label::new(name).truncate());
                });
            }
        });
        ui.label(theme::hint(ui, "Fainter where the model is unsure"));
    }
    ui.label(theme::hint(
        ui,
        format!("Points: {} training rows", surface.points.len()),
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Wanted;

    fn surface(cells: Vec<(u32, f32)>) -> Surface {
        Surface {
            columns: ["a".to_owned(), "b".to_owned()],
            x: [0.0, 2.0],
            y: [10.0, 20.0],
            size: 2,
            cells,
            points: Vec::new(),
        }
    }

    #[test]
    fn the_lowest_row_of_the_plane_is_the_last_of_the_picture_and_the_sure_cell_the_strongest() {
        let tokens = Tokens::of_theme(egui::Theme::Dark);
        let classes = ["no".to_owned(), "yes".to_owned()];
        let surface = surface(vec![(0, 1.0), (1, 0.5), (1, 1.0), (0, 0.75)]);
        let picture = image(&surface, &classes, tokens);
        assert_eq!(picture.size, [2, 2]);
        let of = |class: usize, opacity: f32| tokens.card.lerp_to_gamma(tokens.run(class), opacity);
        assert_eq!(picture.pixels, [of(1, 0.7), of(0, 0.4), of(0, 0.7), of(1, 0.1)]);
        assert_eq!(
            under_pointer(&surface, &classes, 0.2, 19.0),
            "a 0.200 · b 19.0\nyes, 100.0 %"
        );
    }

    #[test]
    fn cells_are_uploaded_only_where_they_have_changed() {
        let context = egui::Context::default();
        let mut view = SurfaceView::default();
        let mut uploads = |snapshot: &Arc<Snapshot>| {
            let mut output = context.run_ui(egui::RawInput::default(), |ui| surface_ui(ui, snapshot, &mut view));
            let set = output.textures_delta.set.keys();
            let count = set.filter(|texture| **texture != egui::TextureId::default()).count();
            output.textures_delta.clear();
            count
        };
        let snapshot = |probability: f32| {
            Arc::new(Snapshot {
                epoch: 1,
                part: "validation",
                wanted: Wanted::default(),
                answers: AnswersSeen::Classes {
                    classes: vec!["no".to_owned(), "yes".to_owned()],
                    rows: Vec::new(),
                    curves: Vec::new(),
                    worst: Vec::new(),
                },
                surface: Some(surface(vec![(0, probability); 4])),
                histograms: Vec::new(),
                filters: None,
                gradients: None,
                attention: None,
                changes: None,
            })
        };
        let (first, second) = (snapshot(1.0), snapshot(0.8));
        assert_eq!([&first, &first, &first].map(&mut uploads), [1, 0, 0]);
        assert_eq!([&second, &second].map(&mut uploads), [1, 0]);
    }

    #[test]
    fn a_regression_is_a_heat_map() {
        let tokens = Tokens::of_theme(egui::Theme::Light);
        let picture = image(&surface(vec![(0, 0.0), (0, 1.0), (0, 0.5), (0, 0.5)]), &[], tokens);
        assert_eq!(
            (picture.pixels[2], picture.pixels[3]),
            (tokens.heat(0.0), tokens.heat(1.0))
        );
    }
}
