//! What each step of one sample attends to: a map for every head of every layer, and the sample with the shares on it.

use std::sync::Arc;

use egui::{
    Align, Button, Color32, DragValue, FontId, Layout, Pos2, Rect, RichText, ScrollArea, Sense, Stroke, StrokeKind,
    TextureHandle, TextureOptions, Ui, Vec2, pos2, vec2,
};
use egui_material_icons::{MaterialIcon, icons};

use super::painted::{Atlas, Painted, paint, scale_ui};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::picture;
use crate::spec::{AnswersSeen, Attention, AttentionLayer, SampleView, Snapshot, units};

/// Least and most width of the sample's side, its share of all, and the edge of its picture.
const SIDE: [f32; 2] = [216.0, 306.0];
const SHARE: f32 = 0.43;
const PICTURE: f32 = 112.0;
/// Least and most edge of a map.
const MAP: [f32; 2] = [56.0, 150.0];
const GAP: f32 = 8.0;
/// Height of a line of words, and width of a layer's name.
const LINE: f32 = 16.0;
const LAYER: f32 = 46.0;
/// Around a token's word.
const TOKEN_MARGIN: Vec2 = vec2(4.0, 2.0);

/// Which sample, and which head.
#[derive(Debug, Default)]
pub struct AttentionView {
    /// Row of the answered part.
    pub row: usize,
    /// Layer (by its order) and head whose shares lie on the sample.
    chosen: [usize; 2],
    textures: Vec<Painted<Arc<Snapshot>>>,
}

/// What the pointer is on: layer, head, and the step that attends.
type Pointed = Option<[usize; 3]>;

pub fn attention_ui(ui: &mut Ui, snapshot: &Arc<Snapshot>, attention: &Attention, view: &mut AttentionView) {
    let mut pointed: Pointed = None;
    let whole = ui.available_rect_before_wrap();
    let width = (SHARE * whole.width()).clamp(SIDE[0], SIDE[1]);
    let side = Rect::from_min_size(whole.min, vec2(width, whole.height()));
    let maps = whole.with_min_x(side.right() + theme::SPACE[3]);
    let mut content = ui.new_child(egui::UiBuilder::new().id_salt("maps").max_rect(maps));
    maps_ui(&mut content, snapshot, attention, view, &mut pointed);
    let mut content = ui.new_child(egui::UiBuilder::new().id_salt("sample").max_rect(side));
    content.shrink_clip_rect(side);
    ScrollArea::vertical()
        .id_salt("attention sample")
        .auto_shrink(false)
        .show(&mut content, |ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            choice_ui(ui, snapshot, attention, view);
            sample_ui(ui, attention, view, pointed);
        });
}

/// Which row is looked at.
fn choice_ui(ui: &mut Ui, snapshot: &Snapshot, attention: &Attention, view: &mut AttentionView) {
    let last = attention.rows.saturating_sub(1);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let step = |ui: &mut Ui, icon: MaterialIcon, name: &str, is_enabled: bool| {
            let button = ui.add_enabled(is_enabled, Button::new(theme::icon(icon).size(16.0)));
            button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, is_enabled, name));
            button.on_hover_text(name).clicked()
        };
        let label = ui.label(theme::label(ui, format!("{} row", snapshot.part)));
        if step(ui, icons::ICON_CHEVRON_LEFT, "Previous sample", view.row > 0) {
            view.row -= 1;
        }
        ui.add(DragValue::new(&mut view.row).range(0..=last).speed(0.2))
            .labelled_by(label.id);
        if step(ui, icons::ICON_CHEVRON_RIGHT, "Next sample", view.row < last) {
            view.row += 1;
        }
        worst_ui(ui, snapshot, view);
    });
    view.row = view.row.min(last);
}

/// Goes through the rows that are most wrong.
fn worst_ui(ui: &mut Ui, snapshot: &Snapshot, view: &mut AttentionView) {
    let (AnswersSeen::Classes { worst, .. } | AnswersSeen::Values { worst, .. }) = &snapshot.answers;
    let Some(first) = worst.first() else { return };
    let place = worst.iter().position(|sample| sample.row == view.row);
    let next = place.map_or(first, |place| &worst[(place + 1) % worst.len()]);
    let name = if place.is_some() {
        "Next worst sample"
    } else {
        "Worst sample"
    };
    let button = ui.add(Button::new(RichText::new(name).size(12.0)));
    if button
        .on_hover_text("Goes through the samples that the network gets most wrong")
        .clicked()
    {
        view.row = next.row;
    }
}

/// The shares on the sample: those that the pointed step gives, else the mean over all steps.
fn sample_ui(ui: &mut Ui, attention: &Attention, view: &AttentionView, pointed: Pointed) {
    let [place, head] = pointed.map_or(view.chosen, |[layer, head, _]| [layer, head]);
    let Some(layer) = attention.layers.get(place).or(attention.layers.first()) else {
        return;
    };
    let head = head.min(layer.heads.saturating_sub(1));
    let step = pointed.map(|[.., step]| step);
    let shares = received(layer, head, step);
    let most = shares.iter().copied().fold(0.0, f32::max);
    let words_ui = |ui: &mut Ui| {
        let SampleView { truth, answer, .. } = &attention.sample;
        ui.label(theme::label(ui, format!("truth {truth}, answered {answer}")));
        let of_whom = match step {
            Some(step) => format!("What {} attends to", label(attention, step)),
            None => "What all steps attend to, on average".to_owned(),
        };
        let whose = format!("{of_whom}: layer {}, head {}", place + 1, head + 1);
        ui.label(theme::hint(ui, whose));
        let most = units::percent(f64::from(most));
        scale_ui(ui, ["0".to_owned(), String::new(), most], |tokens, share| {
            tokens.heat(share)
        });
    };
    let (Some((shape, pixels)), Some(grid)) = (&attention.sample.pixels, attention.grid) else {
        words_ui(ui);
        return tokens_ui(ui, attention, &shares, step);
    };
    ui.horizontal_top(|ui| {
        let side = PICTURE.min(ui.available_height().max(64.0));
        let response = picture::pixels_ui(ui, *shape, pixels, side, "The sample");
        grid_ui(ui, response.rect, grid, &shares, step);
        ui.vertical(words_ui);
    });
}

/// What each step gets of one step's attention, or of all steps' on average.
fn received(layer: &AttentionLayer, head: usize, step: Option<usize>) -> Vec<f32> {
    let steps = layer.steps;
    let row = |step: usize| layer.shares.get((head * steps + step) * steps..).unwrap_or_default();
    if let Some(step) = step {
        return row(step).iter().take(steps).copied().collect();
    }
    let mean = |to: usize| (0..steps).filter_map(|from| row(from).get(to)).sum::<f32>() / steps.max(1) as f32;
    (0..steps).map(mean).collect()
}

fn label(attention: &Attention, step: usize) -> String {
    attention
        .labels
        .get(step)
        .cloned()
        .unwrap_or_else(|| format!("step {}", step + 1))
}

/// The shares as a veil over the picture; a class token has no place in it.
fn grid_ui(ui: &Ui, rect: Rect, [columns, rows]: [usize; 2], shares: &[f32], step: Option<usize>) {
    let tokens = Tokens::of(ui);
    let first = shares.len().saturating_sub(columns * rows);
    let most = shares.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let size = vec2(rect.width() / columns.max(1) as f32, rect.height() / rows.max(1) as f32);
    for (place, share) in shares.iter().skip(first).enumerate() {
        let corner = rect.min + vec2((place % columns) as f32 * size.x, (place / columns) as f32 * size.y);
        let cell = Rect::from_min_size(corner, size);
        let veil = tokens.accent.gamma_multiply(0.75 * share / most);
        ui.painter().rect_filled(cell, 0, veil);
        if step == Some(place + first) {
            ui.painter()
                .rect_stroke(cell, 0, Stroke::new(2.0, tokens.text), StrokeKind::Inside);
        }
    }
}

/// The steps in words, each on the colour of its share.
fn tokens_ui(ui: &mut Ui, attention: &Attention, shares: &[f32], step: Option<usize>) {
    let tokens = Tokens::of(ui);
    let most = shares.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(2.0, 2.0);
        for (place, &share) in shares.iter().enumerate() {
            let text = label(attention, place);
            if text == "padding" {
                continue;
            }
            let ground = tokens.heat(share / most);
            let colour = if ground == tokens.card {
                tokens.text
            } else {
                Tokens::text_on(ground)
            };
            let edge = if step == Some(place) {
                tokens.text
            } else {
                Color32::TRANSPARENT
            };
            // Of one piece, so that a word without room goes to the next line instead of being broken into letters.
            let galley = ui
                .painter()
                .layout_no_wrap(text.clone(), FontId::proportional(11.0), colour);
            let (rect, response) = ui.allocate_exact_size(galley.size() + 2.0 * TOKEN_MARGIN, Sense::hover());
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &text));
            let stroke = Stroke::new(1.0, edge);
            ui.painter().rect(rect, 2, ground, stroke, StrokeKind::Inside);
            ui.painter().galley(rect.min + TOKEN_MARGIN, galley, colour);
            response.on_hover_text(format!("{text}: {}", units::percent(f64::from(share))));
        }
    });
}

/// One line a layer, one map a head.
fn maps_ui(
    ui: &mut Ui,
    snapshot: &Arc<Snapshot>,
    attention: &Attention,
    view: &mut AttentionView,
    pointed: &mut Pointed,
) {
    view.textures.resize_with(attention.layers.len(), Painted::default);
    let most = attention
        .layers
        .iter()
        .map(|layer| layer.heads)
        .max()
        .unwrap_or(1)
        .max(1);
    let available = ui.available_size();
    let lines = attention.layers.len().max(1) as f32;
    let edge = ((available.x - LAYER) / most as f32 - GAP)
        .min((available.y - LINE - GAP) / lines - LINE - GAP)
        .clamp(MAP[0], MAP[1]);
    ScrollArea::both().id_salt("maps").auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(GAP, 4.0);
        for (place, layer) in attention.layers.iter().enumerate() {
            let atlas = Atlas {
                size: [layer.steps; 2],
                count: layer.heads,
            };
            let cells = layer.steps * layer.steps;
            // Each map has its own scale: with many steps all shares are small.
            let most: Vec<f32> = layer
                .shares
                .chunks_exact(cells.max(1))
                .map(|map| map.iter().copied().fold(f32::MIN_POSITIVE, f32::max))
                .collect();
            let texture = view.textures[place].texture(
                ui,
                Arc::clone(snapshot),
                Arc::ptr_eq,
                TextureOptions::NEAREST,
                |tokens| {
                    atlas.image(tokens.card, |head, cell| {
                        let share = layer.shares.get(head * cells + cell).copied().unwrap_or(0.0);
                        tokens.heat(share / most.get(head).copied().unwrap_or(1.0))
                    })
                },
            );
            ui.horizontal_top(|ui| {
                let name = vec2(LAYER, edge);
                ui.allocate_ui_with_layout(name, Layout::top_down(Align::Min), |ui| {
                    ui.set_min_size(name);
                    ui.label(theme::label(ui, format!("layer {}", place + 1)));
                });
                for head in 0..layer.heads {
                    let down = Layout::top_down(Align::Min);
                    ui.allocate_ui_with_layout(vec2(edge, edge + LINE), down, |ui| {
                        ui.spacing_mut().item_spacing.y = 2.0;
                        let text = format!("head {}", head + 1);
                        ui.add(egui::Label::new(theme::hint(ui, &text)).truncate());
                        let step = map_ui(ui, &texture, atlas, attention, [place, head], edge, view);
                        *pointed = pointed.or(step.map(|step| [place, head, step]));
                    });
                }
            });
        }
        ui.label(theme::hint(
            ui,
            "Each row is a step that attends, each column one that is attended to; a row sums to 1. Press a map to keep it on the sample",
        ));
    });
}

/// One head's map; the row under the pointer.
fn map_ui(
    ui: &mut Ui,
    texture: &TextureHandle,
    atlas: Atlas,
    attention: &Attention,
    [place, head]: [usize; 2],
    edge: f32,
    view: &mut AttentionView,
) -> Option<usize> {
    let tokens = Tokens::of(ui);
    let layer = &attention.layers[place];
    let (rect, response) = ui.allocate_exact_size(vec2(edge, edge), Sense::click());
    paint(ui, texture, atlas.place(head), rect);
    let is_chosen = view.chosen == [place, head];
    let name = format!("Attention of layer {}, head {}", place + 1, head + 1);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_chosen, &name));
    let line = if is_chosen {
        Stroke::new(1.5, tokens.accent)
    } else {
        Stroke::new(1.0, tokens.line)
    };
    ui.painter().rect_stroke(rect, 0, line, StrokeKind::Outside);
    if response.clicked() {
        view.chosen = [place, head];
    }
    let at = response.hover_pos().filter(|at| rect.contains(*at))?;
    let [from, to] = cell(rect, at, layer.steps);
    let band = row_of(rect, from, layer.steps);
    ui.painter()
        .rect_stroke(band, 0, Stroke::new(1.0, tokens.text), StrokeKind::Outside);
    let share = layer.shares.get((head * layer.steps + from) * layer.steps + to)?;
    response.on_hover_text_at_pointer(format!(
        "{} gives {} to {}",
        label(attention, from),
        units::percent(f64::from(*share)),
        label(attention, to)
    ));
    Some(from)
}

/// Row and column under a point.
fn cell(rect: Rect, at: Pos2, steps: usize) -> [usize; 2] {
    let place = |share: f32| ((share * steps as f32) as usize).min(steps.saturating_sub(1));
    [
        place((at.y - rect.top()) / rect.height()),
        place((at.x - rect.left()) / rect.width()),
    ]
}

fn row_of(rect: Rect, row: usize, steps: usize) -> Rect {
    let height = rect.height() / steps.max(1) as f32;
    let top = rect.top() + row as f32 * height;
    Rect::from_min_max(pos2(rect.left(), top), pos2(rect.right(), top + height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_pointed_step_or_of_all_on_average() {
        let layer = AttentionLayer {
            layer: 3,
            heads: 2,
            steps: 2,
            shares: vec![0.5, 0.5, 0.0, 1.0, 1.0, 0.0, 0.2, 0.8],
        };
        assert_eq!(received(&layer, 0, Some(1)), [0.0, 1.0]);
        assert_eq!(received(&layer, 1, Some(1)), [0.2, 0.8]);
        assert_eq!(received(&layer, 0, None), [0.25, 0.75]);
        assert_eq!(received(&layer, 7, Some(0)), Vec::<f32>::new());
        let rect = Rect::from_min_size(pos2(10.0, 10.0), vec2(20.0, 20.0));
        assert_eq!(cell(rect, pos2(29.0, 12.0), 2), [0, 1]);
        assert_eq!(cell(rect, pos2(30.0, 30.0), 2), [1, 1]);
        assert_eq!(row_of(rect, 1, 2).top(), 20.0);
    }
}
