//! The first layer's weights as pictures of what it looks for.

use std::sync::Arc;

use egui::{Align2, FontId, Rect, ScrollArea, Sense, TextureHandle, TextureOptions, Ui, pos2, vec2};
use egui_extras::{Column, TableBuilder};

use super::painted::{Atlas, Painted, paint, signed_legend_ui};
use super::words::beside_ui;
use crate::app::theme::{self, Tokens};
use crate::spec::{FilterPicture, Filters, Snapshot, units};

/// Least and most edge of a picture's longer side, in points.
const SIDE: [f32; 2] = [40.0, 96.0];
/// Width of the longest bar of a filter over steps alone, and its height.
const GAP: f32 = 8.0;
/// Most channels of a filter that are drawn side by side.
const CHANNELS: usize = 4;
/// Room for the names of a matrix's columns.
const NAMES: f32 = 62.0;

/// The weights as a texture.
#[derive(Debug, Default)]
pub struct FiltersView(Painted<Arc<Snapshot>>);

pub fn filters_ui(ui: &mut Ui, snapshot: &Arc<Snapshot>, filters: &Filters, view: &mut FiltersView) {
    beside_ui(
        ui,
        |ui| words_ui(ui, filters),
        |ui| match &filters.picture {
            FilterPicture::Images { shape, images, .. } => {
                let [channels, height, width] = *shape;
                let shown = channels.min(CHANNELS);
                let atlas = Atlas {
                    size: [width, height],
                    count: images.len() * shown,
                };
                let value = |picture: usize, cell: usize| {
                    let image = &images[picture / shown];
                    image.get(picture % shown * width * height + cell).copied()
                };
                let texture = texture(ui, snapshot, filters, view, atlas, value);
                images_ui(ui, &texture, atlas, shown, images);
            }
            FilterPicture::Matrix {
                gates,
                columns,
                size,
                values,
                ..
            } => {
                let atlas = Atlas {
                    size: [size[1], size[0]],
                    count: 1,
                };
                let texture = texture(ui, snapshot, filters, view, atlas, |_, cell| values.get(cell).copied());
                matrix_ui(ui, &texture, &named(gates, columns, *size), *size, values);
            }
            FilterPicture::Neighbours { tokens, .. } => neighbours_ui(ui, tokens),
        },
    );
}

fn texture(
    ui: &Ui,
    snapshot: &Arc<Snapshot>,
    filters: &Filters,
    view: &mut FiltersView,
    atlas: Atlas,
    value: impl Fn(usize, usize) -> Option<f32>,
) -> TextureHandle {
    let largest = filters.largest.max(f32::MIN_POSITIVE);
    let image = |tokens: Tokens| {
        atlas.image(tokens.card, |picture, cell| {
            value(picture, cell).map_or(tokens.card, |value| tokens.diverging(value / largest))
        })
    };
    view.0
        .texture(ui, Arc::clone(snapshot), Arc::ptr_eq, TextureOptions::NEAREST, image)
}

fn words_ui(ui: &mut Ui, filters: &Filters) {
    let some_of = |shown: usize, total: usize, what: &str| match total {
        1 => format!("1 {}", what.trim_end_matches('s')),
        _ if shown < total => format!("the first {shown} of {total} {what}"),
        _ => format!("{total} {what}"),
    };
    ui.label(theme::strong(format!("First layer: {}", filters.layer)));
    ui.label(theme::label(ui, &filters.tensor));
    let (line, hint) = match &filters.picture {
        FilterPicture::Images { shape, images, total } => {
            let [channels, height, width] = shape;
            let size = if *channels > 1 {
                format!("{channels} x {height} x {width} weights each")
            } else {
                format!("{height} x {width} weights each")
            };
            let line = some_of(images.len(), *total, "filters");
            let hint = match *channels {
                1 => "A filter answers strongest to what looks like its picture".to_owned(),
                2..=CHANNELS => "Its channels stand side by side".to_owned(),
                _ => format!("Its first {CHANNELS} channels stand side by side"),
            };
            (line, format!("{size}. {hint}"))
        }
        FilterPicture::Matrix { gates, size, total, .. } => {
            let columns = some_of(size[1] / gates.len().max(1), total[1], "inputs");
            let hint = match &gates[..] {
                [] => format!("{columns}. One row a unit, one column an input: what is strong in a column is used"),
                gates => format!(
                    "{columns}, weighed anew for {}. One row a unit, the inputs of one after those of the other",
                    gates.join(", ")
                ),
            };
            (some_of(size[0], total[0], "units"), hint)
        }
        FilterPicture::Neighbours { tokens, total } => (
            some_of(tokens.len(), *total, "tokens"),
            "Beside each those whose vectors point the same way, with the cosine".to_owned(),
        ),
    };
    ui.label(theme::label(ui, line));
    if !matches!(filters.picture, FilterPicture::Neighbours { .. }) {
        ui.add_space(theme::SPACE[0]);
        signed_legend_ui(ui, filters.largest);
    }
    ui.label(theme::hint(ui, hint));
}

fn images_ui(ui: &mut Ui, texture: &TextureHandle, atlas: Atlas, shown: usize, images: &[Vec<f32>]) {
    let [width, height] = atlas.size.map(|edge| edge.max(1) as f32);
    let available = ui.available_size();
    // As large as lets all be seen at once, within bounds.
    let edge_of = |lines: f32| (available.y / lines - GAP) / height * width.max(height);
    let mut side = SIDE[0];
    for lines in 1..=6 {
        let edge = edge_of(lines as f32).clamp(SIDE[0], SIDE[1]);
        let scale = edge / width.max(height);
        let per_line = ((available.x + GAP) / (scale * width * shown as f32 + GAP)).floor();
        if per_line * lines as f32 >= images.len() as f32 {
            side = edge;
            break;
        }
    }
    let scale = side / width.max(height);
    let one = vec2(width * scale, height * scale);
    let size = vec2(one.x * shown as f32 + 2.0 * (shown - 1) as f32, one.y.max(6.0));
    let in_a_row = (((available.x + GAP) / (size.x + GAP)) as usize).max(1);
    let lines = images.len().div_ceil(in_a_row);
    ui.spacing_mut().item_spacing = vec2(GAP, GAP);
    let area = ScrollArea::vertical().id_salt("filters").auto_shrink(false);
    area.show_rows(ui, size.y, lines, |ui, visible| {
        for line in visible {
            ui.horizontal_top(|ui| {
                for picture in (line * in_a_row..images.len()).take(in_a_row) {
                    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
                    for channel in 0..shown {
                        let corner = rect.min + vec2((one.x + 2.0) * channel as f32, 0.0);
                        let part = atlas.place(picture * shown + channel);
                        paint(ui, texture, part, Rect::from_min_size(corner, vec2(one.x, size.y)));
                    }
                    let name = image_name(picture, &images[picture]);
                    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
                    response.on_hover_text(name);
                }
            });
        }
    });
}

fn image_name(picture: usize, values: &[f32]) -> String {
    let low = values.iter().copied().fold(f32::INFINITY, f32::min);
    let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let [low, high] = [low, high].map(|end| units::significant(f64::from(end)));
    format!("filter {picture}: from {low} to {high}")
}

/// What the columns of a matrix are called: the inputs, and of several gates which.
fn named(gates: &[&str], columns: &[String], size: [usize; 2]) -> Vec<String> {
    if gates.is_empty() {
        return columns.to_vec();
    }
    let inputs = (size[1] / gates.len()).max(1);
    let name = |gate: &&str, input: usize| match columns.get(input) {
        Some(column) => format!("{gate}, {column}"),
        None if inputs == 1 => (*gate).to_owned(),
        None => format!("{gate} {input}"),
    };
    gates
        .iter()
        .flat_map(|gate| (0..inputs).map(move |input| name(gate, input)))
        .collect()
}

fn matrix_ui(ui: &mut Ui, texture: &TextureHandle, columns: &[String], size: [usize; 2], values: &[f32]) {
    let tokens = Tokens::of(ui);
    let available = ui.available_size();
    let names = if columns.is_empty() { 0.0 } else { NAMES };
    let [rows, width] = size.map(|edge| edge.max(1) as f32);
    let cell = vec2(
        (available.x / width).clamp(3.0, 34.0),
        ((available.y - names) / rows).clamp(3.0, 22.0),
    );
    let whole = vec2(cell.x * width, cell.y * rows);
    ScrollArea::both().id_salt("matrix").auto_shrink(false).show(ui, |ui| {
        // A name leans to the right, over the columns behind it.
        let room = vec2(whole.x + names, whole.y + names);
        let (rect, response) = ui.allocate_exact_size(room, Sense::hover());
        let cells = Rect::from_min_size(pos2(rect.left(), rect.top() + names), whole);
        let every = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        paint(ui, texture, every, cells);
        let name = format!("Weights of {} units for {} inputs", size[0], size[1]);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, &name));
        for (column, name) in columns.iter().enumerate().filter(|_| cell.x >= 10.0) {
            let mut job =
                egui::text::LayoutJob::simple_singleline(name.clone(), FontId::proportional(11.0), tokens.text_soft);
            job.wrap = egui::text::TextWrapping::truncate_at_width(NAMES * 1.3);
            let galley = ui.painter().layout_job(job);
            let foot = pos2(cells.left() + (column as f32 + 0.5) * cell.x, cells.top() - 4.0);
            let shape = egui::epaint::TextShape::new(foot - vec2(0.0, galley.size().y), galley, tokens.text_soft);
            ui.painter()
                .add(shape.with_angle_and_anchor(-0.75, Align2::LEFT_BOTTOM));
        }
        let Some(at) = response.hover_pos().filter(|at| cells.contains(*at)) else {
            return;
        };
        let [row, column] = [(at.y - cells.top()) / cell.y, (at.x - cells.left()) / cell.x].map(|place| place as usize);
        if let Some(value) = values.get(row * size[1] + column) {
            let input = columns
                .get(column)
                .cloned()
                .unwrap_or_else(|| format!("input {column}"));
            response.on_hover_text_at_pointer(format!(
                "unit {row}, {input}: {}",
                units::significant(f64::from(*value))
            ));
        }
    });
}

fn neighbours_ui(ui: &mut Ui, tokens: &[(String, Vec<(String, f32)>)]) {
    const LINE: f32 = 22.0;
    let most = tokens.iter().map(|(_, near)| near.len()).max().unwrap_or(0);
    ScrollArea::horizontal()
        .id_salt("tokens")
        .auto_shrink(false)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.x = theme::SPACE[3];
            TableBuilder::new(ui)
                .id_salt("tokens")
                .auto_shrink(false)
                .column(Column::auto().at_least(80.0))
                .columns(Column::auto().at_least(96.0), most)
                .header(LINE, |mut header| {
                    header.col(|ui| {
                        ui.label(theme::label(ui, "Token"));
                    });
                    header.col(|ui| {
                        ui.label(theme::label(ui, "Most alike"));
                    });
                })
                .body(|body| {
                    body.rows(LINE, tokens.len(), |mut line| {
                        let (token, near) = &tokens[line.index()];
                        line.col(|ui| {
                            ui.label(theme::strong(token));
                        });
                        for (name, cosine) in near {
                            // Without the sign of what is rounded to zero.
                            let cosine = (cosine * 100.0).round() / 100.0 + 0.0;
                            line.col(|ui| {
                                ui.label(name);
                                ui.label(
                                    theme::number(format!("{cosine:.2}"))
                                        .size(11.0)
                                        .color(Tokens::of(ui).text_faint),
                                );
                            });
                        }
                    });
                });
        });
}
