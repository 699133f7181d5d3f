//! Cells as a texture that is uploaded only where what it shows has changed.

use std::fmt;

use egui::{Color32, ColorImage, Rect, Sense, TextureHandle, TextureOptions, Ui, pos2, vec2};

use crate::app::theme::{self, Tokens};
use crate::spec::units;

/// A texture, and what it was made of, theme included.
pub struct Painted<K> {
    made_of: Option<(K, bool)>,
    texture: Option<TextureHandle>,
}

impl<K> Default for Painted<K> {
    fn default() -> Self {
        Self {
            made_of: None,
            texture: None,
        }
    }
}

impl<K> fmt::Debug for Painted<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Painted").finish_non_exhaustive()
    }
}

impl<K> Painted<K> {
    /// The texture of `key`, made where `is_same` does not know the last one for it.
    pub fn texture(
        &mut self,
        ui: &Ui,
        key: K,
        is_same: impl FnOnce(&K, &K) -> bool,
        options: TextureOptions,
        image: impl FnOnce(Tokens) -> ColorImage,
    ) -> TextureHandle {
        let is_dark = ui.visuals().dark_mode;
        if let (Some(texture), Some((made_of, theme))) = (&self.texture, &self.made_of)
            && *theme == is_dark
            && is_same(made_of, &key)
        {
            return texture.clone();
        }
        let image = image(Tokens::of(ui));
        let texture = match self.texture.take() {
            Some(mut texture) => {
                texture.set(image, options);
                texture
            }
            None => ui.ctx().load_texture("cells", image, options),
        };
        self.made_of = Some((key, is_dark));
        self.texture = Some(texture.clone());
        texture
    }
}

/// Pictures of one size side by side in one image.
#[derive(Debug, Clone, Copy)]
pub struct Atlas {
    /// Width and height of one picture, in cells.
    pub size: [usize; 2],
    pub count: usize,
}

impl Atlas {
    fn columns(self) -> usize {
        ((self.count as f32).sqrt().ceil() as usize).max(1)
    }

    fn rows(self) -> usize {
        self.count.div_ceil(self.columns()).max(1)
    }

    /// `colour` gives that of a cell of a picture, the cells row by row.
    pub fn image(self, ground: Color32, colour: impl Fn(usize, usize) -> Color32) -> ColorImage {
        let [width, height] = self.size.map(|edge| edge.max(1));
        let whole = [width * self.columns(), height * self.rows()];
        let mut pixels = vec![ground; whole[0] * whole[1]];
        for picture in 0..self.count {
            let corner = [picture % self.columns() * width, picture / self.columns() * height];
            for cell in 0..width * height {
                let [x, y] = [corner[0] + cell % width, corner[1] + cell / width];
                pixels[y * whole[0] + x] = colour(picture, cell);
            }
        }
        ColorImage::new(whole, pixels)
    }

    /// Where a picture lies in the texture.
    pub fn place(self, picture: usize) -> Rect {
        let size = vec2(1.0 / self.columns() as f32, 1.0 / self.rows() as f32);
        let corner = vec2(
            (picture % self.columns()) as f32 * size.x,
            (picture / self.columns()) as f32 * size.y,
        );
        Rect::from_min_size((corner).to_pos2(), size)
    }
}

/// What the signed colours mean: from `-largest` over 0 to `largest`.
pub fn signed_legend_ui(ui: &mut Ui, largest: f32) {
    let end = units::significant(f64::from(largest));
    scale_ui(ui, [format!("-{end}"), "0".to_owned(), end], |tokens, share| {
        tokens.diverging(2.0 * share - 1.0)
    });
}

/// A bar of colours with words below its ends and its middle.
pub fn scale_ui(ui: &mut Ui, words: [String; 3], colour: impl Fn(Tokens, f32) -> Color32) {
    const STEPS: usize = 32;
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(150.0, 26.0), Sense::hover());
    let name = format!("colours from {} over {} to {}", words[0], words[1], words[2]);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, &name));
    let bar = rect.with_max_y(rect.top() + 9.0);
    let step = bar.width() / STEPS as f32;
    for place in 0..STEPS {
        let left = bar.left() + step * place as f32;
        let cell = Rect::from_min_size(pos2(left, bar.top()), vec2(step + 0.5, bar.height()));
        let share = place as f32 / (STEPS - 1) as f32;
        ui.painter().rect_filled(cell, 0, colour(tokens, share));
    }
    ui.painter()
        .rect_stroke(bar, 0, egui::Stroke::new(1.0, tokens.line), egui::StrokeKind::Outside);
    let font = egui::FontId::monospace(10.5);
    let [low, middle, high] = words;
    for (at, align, text) in [
        (rect.left_bottom(), egui::Align2::LEFT_BOTTOM, low),
        (rect.center_bottom(), egui::Align2::CENTER_BOTTOM, middle),
        (rect.right_bottom(), egui::Align2::RIGHT_BOTTOM, high),
    ] {
        ui.painter().text(at, align, text, font.clone(), tokens.text_faint);
    }
}

/// Draws a part of a texture.
pub fn paint(ui: &Ui, texture: &TextureHandle, part: Rect, rect: Rect) {
    ui.painter().image(texture.id(), rect, part, theme::UNTINTED);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stand_side_by_side_and_are_found_again() {
        let tokens = Tokens::of_theme(egui::Theme::Dark);
        let atlas = Atlas { size: [2, 1], count: 3 };
        let image = atlas.image(tokens.card, |picture, cell| {
            if picture == 2 && cell == 1 {
                tokens.bad
            } else {
                tokens.good
            }
        });
        assert_eq!(image.size, [4, 2]);
        assert_eq!(image.pixels[4..], [tokens.good, tokens.bad, tokens.card, tokens.card]);
        assert_eq!(atlas.place(2), Rect::from_min_max(pos2(0.0, 0.5), pos2(0.5, 1.0)));
    }
}
