//! The drawing pad, and beside it the small picture that the network really sees.

use egui::{
    Align2, Button, ColorImage, CursorIcon, Event, FontId, PointerButton, Pos2, Rect, Response, Sense, Stroke,
    StrokeKind, TextureHandle, TextureOptions, Ui, lerp, pos2, remap_clamp, vec2,
};
use egui_material_icons::{MaterialIcon, icons};

use super::drawing::Drawing;
use super::input::{Input, Source};
use crate::app::theme::{self, Tokens};
use crate::app::widgets::picture;
use crate::spec::Shape;

/// Longer side of the pad and of the small picture, in points.
const SIDE: f32 = 240.0;
const SMALL: f32 = 88.0;
/// Pixels across up to which they are shown as a grid.
const GRID: usize = 16;

/// How the pad is held: what is under the pointer, and the canvas as a texture.
#[derive(Default)]
pub struct Pad {
    erases: bool,
    /// Where the stroke under way has come to, in shares of the pad.
    last: Option<[f32; 2]>,
    texture: Option<TextureHandle>,
    /// Revision, size and theme of the texture.
    made_of: Option<(u64, [usize; 2], bool)>,
}

impl std::fmt::Debug for Pad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pad")
            .field("erases", &self.erases)
            .finish_non_exhaustive()
    }
}

impl Pad {
    /// The canvas as a texture, uploaded anew only where it or the theme has changed.
    fn texture(&mut self, ui: &Ui, drawing: &Drawing) -> TextureHandle {
        let size = drawing.cells();
        let made_of = (drawing.revision(), size, ui.visuals().dark_mode);
        if let Some(texture) = &self.texture
            && self.made_of == Some(made_of)
        {
            return texture.clone();
        }
        let tokens = Tokens::of(ui);
        let colour = |ink: &f32| tokens.text.gamma_multiply(*ink);
        let image = ColorImage::new(size, drawing.ink().iter().map(colour).collect());
        let texture = match self.texture.take() {
            Some(mut texture) => {
                texture.set(image, TextureOptions::LINEAR);
                texture
            }
            None => ui.ctx().load_texture("drawing", image, TextureOptions::LINEAR),
        };
        self.made_of = Some(made_of);
        self.texture = Some(texture.clone());
        texture
    }
}

/// Pad, tools, and what the network sees.
pub fn picture_ui(ui: &mut Ui, input: &mut Input, pad: &mut Pad) {
    let Some(mut drawing) = input.drawing.take() else {
        return;
    };
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = theme::SPACE[2];
        pad_ui(ui, input, &mut drawing, pad);
        ui.vertical(|ui| {
            let name = "What the network sees";
            ui.label(theme::hint(ui, name));
            let seen = match (&input.sample, input.source) {
                (Some(sample), Source::TestRow) => sample.pixels.as_ref().map(|(_, pixels)| pixels.as_slice()),
                _ => Some(drawing.pixels()),
            };
            let [_, height, width] = picture::size_of(drawing.shape());
            let response = picture::pixels_ui(ui, drawing.shape(), seen.unwrap_or_default(), SMALL, name);
            let hover = "A drawing is cut out, scaled and centred as the pictures of the data were";
            response.on_hover_text(hover);
            ui.label(theme::hint(ui, format!("{width} × {height} pixels")));
            ui.add_space(theme::SPACE[1]);
            ui.label(theme::hint(ui, "Draw with the mouse; the right button erases"));
        });
    });
    ui.horizontal(|ui| tools_ui(ui, input, &mut drawing, pad));
    input.drawing = Some(drawing);
}

fn pad_ui(ui: &mut Ui, input: &mut Input, drawing: &mut Drawing, pad: &mut Pad) {
    let tokens = Tokens::of(ui);
    let [_, height, width] = picture::size_of(drawing.shape());
    let cell = SIDE / height.max(width) as f32;
    let (rect, response) = ui.allocate_exact_size(
        vec2(cell * width as f32, cell * height as f32),
        Sense::CLICK | Sense::DRAG,
    );
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Canvas, true, "Drawing pad"));
    draw(ui, rect, &response, input, drawing, pad);
    let painter = ui.painter_at(rect);
    let shown = input.sample.as_ref().filter(|_| input.source == Source::TestRow);
    if let Some((shape, pixels)) = shown.and_then(|sample| sample.pixels.as_ref()) {
        picture::paint_pixels(ui, rect, *shape, pixels);
    } else {
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        painter.rect_filled(rect, 0, tokens.base);
        grid(ui, rect, drawing.shape());
        painter.image(pad.texture(ui, drawing).id(), rect, whole, theme::UNTINTED);
    }
    if shown.is_none() && drawing.is_empty() {
        let text = if width == 8 && height == 8 {
            "Draw a digit here"
        } else {
            "Draw here"
        };
        let font = FontId::proportional(13.0);
        painter.text(rect.center(), Align2::CENTER_CENTER, text, font, tokens.text_soft);
    }
    let edge = if response.hovered() { tokens.accent } else { tokens.edge };
    ui.painter()
        .rect_stroke(rect, 0, Stroke::new(1.0, edge), StrokeKind::Outside);
    let hover = "Draws where the mouse is held down; the right button erases";
    response.on_hover_cursor(CursorIcon::Crosshair).on_hover_text(hover);
}

/// Follows the pointer, through every place that it was at since the last frame.
fn draw(ui: &Ui, rect: Rect, response: &Response, input: &mut Input, drawing: &mut Drawing, pad: &mut Pad) {
    let share = |at: Pos2| {
        [
            remap_clamp(at.x, rect.x_range(), 0.0..=1.0),
            remap_clamp(at.y, rect.y_range(), 0.0..=1.0),
        ]
    };
    let at = response.interact_pointer_pos();
    let Some(at) = at.filter(|_| response.is_pointer_button_down_on()) else {
        pad.last = None;
        return;
    };
    if input.source != Source::Drawing {
        drawing.clear();
        input.source = Source::Drawing;
    }
    let (erases, mut places) = ui.input(|input| {
        let moved = input.events.iter().filter_map(|event| match event {
            Event::PointerMoved(at) => Some(share(*at)),
            _ => None,
        });
        let places: Vec<[f32; 2]> = moved.collect();
        (
            pad.erases || input.pointer.button_down(PointerButton::Secondary),
            places,
        )
    });
    let Some(mut last) = pad.last else {
        // The stroke begins where the button went down; what the pointer did before is no part of it.
        drawing.stroke(share(at), share(at), erases);
        pad.last = Some(share(at));
        return;
    };
    places.push(share(at));
    for place in places {
        if place != last {
            drawing.stroke(last, place, erases);
        }
        last = place;
    }
    pad.last = Some(last);
}

/// The pixels of the data, faintly.
fn grid(ui: &Ui, rect: Rect, shape: Shape) {
    let [_, height, width] = picture::size_of(shape);
    if width.max(height) > GRID {
        return;
    }
    let stroke = Stroke::new(1.0, Tokens::of(ui).grid());
    for column in 1..width {
        let x = lerp(rect.x_range(), column as f32 / width as f32);
        ui.painter().vline(x, rect.y_range(), stroke);
    }
    for row in 1..height {
        let y = lerp(rect.y_range(), row as f32 / height as f32);
        ui.painter().hline(rect.x_range(), y, stroke);
    }
}

fn tools_ui(ui: &mut Ui, input: &mut Input, drawing: &mut Drawing, pad: &mut Pad) {
    if tool_ui(ui, icons::ICON_BRUSH, "Draw", Some(!pad.erases)) {
        pad.erases = false;
    }
    if tool_ui(ui, icons::ICON_INK_ERASER, "Erase", Some(pad.erases)) {
        pad.erases = true;
    }
    if tool_ui(ui, icons::ICON_DELETE, "Clear", None) {
        drawing.clear();
        input.source = Source::Drawing;
        pad.erases = false;
    }
}

/// A button; one that is held or not shows it. True if it was pressed.
fn tool_ui(ui: &mut Ui, icon: MaterialIcon, word: &str, is_held: Option<bool>) -> bool {
    let button = Button::new((theme::icon(icon), word)).selected(is_held == Some(true));
    let response = ui.add(button);
    response.widget_info(|| match is_held {
        Some(is_held) => egui::WidgetInfo::selected(egui::Role::Button, true, is_held, word),
        None => egui::WidgetInfo::labeled(egui::Role::Button, true, word),
    });
    response.clicked()
}
