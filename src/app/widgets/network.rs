//! A network as a picture: a bar for each layer, as high as it has filters or units.

use egui::{
    Align2, Color32, CornerRadius, FontId, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2,
    vec2,
};

use crate::app::theme::{self, Tokens};
use crate::cost;
use crate::spec::{ActivationKind, LayerSpec, ModelSpec, PositionKind, Shape, units};

/// Height of the labels below the bars.
const FOOT: f32 = 15.0;
/// Width of a layer without weights, beside 1 for one with them.
const THIN: f32 = 0.4;
/// Above this many layers the bars jump instead of moving.
const MOST_MOVING: usize = 64;

/// A layer with what is said of it; the first is the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// None for the input.
    pub layer: Option<LayerSpec>,
    pub output: Shape,
    pub parameters: u64,
}

/// The input and all layers; none where the shapes are wrong.
pub fn blocks(model: &ModelSpec) -> Vec<Block> {
    let Ok(walk) = model.walk() else {
        return Vec::new();
    };
    let input = Block {
        layer: None,
        output: model.input,
        parameters: 0,
    };
    let layers = walk.into_iter().map(|placed| Block {
        layer: Some(placed.layer),
        output: placed.output,
        parameters: cost::layer_parameters(&placed),
    });
    std::iter::once(input).chain(layers).collect()
}

impl Block {
    fn name(&self) -> &'static str {
        self.layer.as_ref().map_or("input", LayerSpec::name)
    }

    /// Filters or units.
    fn width(&self) -> usize {
        self.output.channels().max(1)
    }

    fn has_label(&self) -> bool {
        matches!(
            self.layer,
            None | Some(
                LayerSpec::Dense { .. }
                    | LayerSpec::Conv2d { .. }
                    | LayerSpec::DepthwiseConv2d { .. }
                    | LayerSpec::Conv1d { .. }
                    | LayerSpec::Embedding { .. }
                    | LayerSpec::Recurrent { .. }
                    | LayerSpec::SelfAttention { .. }
            )
        )
    }

    fn label(&self) -> String {
        match (self.layer, self.output) {
            (None, Shape::Image { height, width, .. }) => format!("{height}×{width}"),
            (None, Shape::Sequence { steps, features }) => format!("{steps}×{features}"),
            (None, Shape::Tokens { steps, .. }) => units::count(steps as f64),
            _ => units::count(self.width() as f64),
        }
    }

    fn colour(&self, tokens: &Tokens) -> Color32 {
        layer_colour(self.layer, tokens)
    }
}

/// The colour of this kind of layer; none stands for the input.
pub fn layer_colour(layer: Option<LayerSpec>, tokens: &Tokens) -> Color32 {
    match layer {
        None => tokens.text_soft,
        Some(LayerSpec::Conv2d { .. } | LayerSpec::DepthwiseConv2d { .. } | LayerSpec::Conv1d { .. }) => tokens.run(0),
        Some(LayerSpec::Dense { .. }) => tokens.run(1),
        Some(LayerSpec::Recurrent { .. }) => tokens.run(2),
        Some(LayerSpec::SelfAttention { .. }) => tokens.run(5),
        Some(LayerSpec::Embedding { .. }) => tokens.run(6),
        Some(LayerSpec::MaxPool { .. }) => tokens.run(3),
        Some(_) => tokens.edge,
    }
}

/// The picture, as wide as there is room; faint where it is not that of the present settings.
pub fn network_ui(ui: &mut Ui, blocks: &[Block], height: f32, is_current: bool) -> Response {
    let tokens = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let bars = bars(ui, response.id, rect.with_max_y(rect.bottom() - FOOT), blocks);
    let pointer = response.hover_pos();
    let under_pointer =
        pointer.and_then(|pointer| bars.iter().position(|(slot, _)| slot.x_range().contains(pointer.x)));
    let faint = if is_current { 1.0 } else { 0.4 };
    for (place, (block, (slot, bar))) in blocks.iter().zip(&bars).enumerate() {
        let colour = block.colour(&tokens).gamma_multiply(faint);
        let corner = CornerRadius::same(2);
        ui.painter().rect_filled(*bar, corner, colour);
        if under_pointer == Some(place) {
            let stroke = Stroke::new(1.5, tokens.text);
            ui.painter().rect_stroke(*bar, corner, stroke, StrokeKind::Outside);
        }
        if block.has_label() {
            let place = pos2(slot.center().x, rect.bottom());
            label(
                ui,
                &block.label(),
                place,
                slot.width(),
                tokens.text_faint.gamma_multiply(faint),
            );
        }
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, in_words(blocks)));
    match under_pointer.and_then(|place| blocks.get(place)) {
        Some(block) => response.on_hover_ui_at_pointer(|ui| block_ui(ui, block)),
        None => response,
    }
}

/// Slot (all height) and bar of every layer, side by side.
fn bars(ui: &Ui, id: egui::Id, room: Rect, blocks: &[Block]) -> Vec<(Rect, Rect)> {
    let thickness = |block: &Block| if block.has_label() { 1.0 } else { THIN };
    let total: f32 = blocks.iter().map(thickness).sum();
    let largest = blocks.iter().map(Block::width).max().unwrap_or(1).max(1);
    let secs = if blocks.len() <= MOST_MOVING {
        ui.style().animation_time.min(0.15)
    } else {
        0.0
    };
    let mut left = room.left();
    blocks
        .iter()
        .enumerate()
        .map(|(place, block)| {
            let wide = room.width() * thickness(block) / total.max(1.0);
            // The root, so that few units beside many can still be seen.
            let share = (block.width() as f32 / largest as f32).sqrt();
            let share = ui.ctx().animate_value_with_time(id.with(place), share, secs);
            let slot = Rect::from_min_size(pos2(left, room.top()), vec2(wide, room.height()));
            let gap = (wide * 0.12).clamp(0.0, 2.0);
            let high = (share * room.height()).max(2.0);
            // A wide bar would say that a layer is long.
            let thick = (wide - 2.0 * gap).clamp(0.5, 34.0 * thickness(block));
            let bar = Rect::from_center_size(slot.center(), vec2(thick, high));
            left += wide;
            (slot, bar)
        })
        .collect()
}

/// Text above `place`, left out where it is wider than its layer.
fn label(ui: &Ui, text: &str, place: Pos2, room: f32, colour: Color32) {
    let galley = ui
        .painter()
        .layout_no_wrap(text.to_owned(), FontId::monospace(10.0), colour);
    if galley.size().x <= room + 6.0 {
        let rect = Align2::CENTER_BOTTOM.anchor_size(place, galley.size());
        ui.painter().galley(rect.min, galley, colour);
    }
}

fn block_ui(ui: &mut Ui, block: &Block) {
    ui.label(theme::strong(super::field::sentence(block.name())));
    ui.label(theme::label(ui, layer_about(block.layer)));
    ui.label(theme::label(ui, format!("output {}", block.output)));
    if block.parameters > 0 {
        let exact = format!("{} parameters", block.parameters);
        ui.label(theme::label(ui, exact));
    }
}

/// What the layer does; none stands for the input.
pub fn layer_about(layer: Option<LayerSpec>) -> String {
    match layer {
        None => "one sample".to_owned(),
        Some(LayerSpec::Dense { units }) => format!("{units} units"),
        Some(LayerSpec::Conv2d { filters, kernel, .. }) => format!("{filters} filters of {kernel} × {kernel} pixels"),
        Some(LayerSpec::MaxPool { size }) => format!("the largest of {size} × {size} pixels"),
        Some(LayerSpec::BatchNorm) => "each channel to mean 0 and deviation 1, then scaled".to_owned(),
        Some(LayerSpec::LayerNorm) => "each step to mean 0 and deviation 1, then scaled".to_owned(),
        Some(LayerSpec::Activation { function }) => match function {
            ActivationKind::Relu => "what is below 0 becomes 0",
            ActivationKind::LeakyRelu => "what is below 0 becomes a hundredth of it",
            ActivationKind::Gelu | ActivationKind::Silu => "bends smoothly towards 0 below 0",
            ActivationKind::Tanh => "squeezes all into -1 to 1",
        }
        .to_owned(),
        Some(LayerSpec::Dropout { probability }) => {
            format!("leaves out {} of the units while training", units::percent(probability))
        }
        Some(LayerSpec::Flatten) => "all values as one row of numbers".to_owned(),
        Some(LayerSpec::DepthwiseConv2d { kernel, .. }) => {
            format!("one filter of {kernel} × {kernel} pixels for each channel")
        }
        Some(LayerSpec::Conv1d { filters, kernel, .. }) => format!("{filters} filters of {kernel} steps"),
        Some(LayerSpec::GlobalAveragePool) => "the mean over all pixels or steps".to_owned(),
        Some(LayerSpec::Rows) => "the image row by row".to_owned(),
        Some(LayerSpec::Patches { size }) => format!("the image in patches of {size} × {size} pixels"),
        Some(LayerSpec::Embedding { dimensions }) => format!("{dimensions} numbers for each token"),
        Some(LayerSpec::Positions { encoding }) => match encoding {
            PositionKind::Learned => "adds a learned vector for each place",
            PositionKind::Sinusoidal => "adds sines and cosines of the place",
        }
        .to_owned(),
        Some(LayerSpec::ClassToken) => "a learned step in front, to answer by".to_owned(),
        Some(LayerSpec::FirstStep) => "the first step alone".to_owned(),
        Some(LayerSpec::Recurrent {
            units, bidirectional, ..
        }) => {
            format!("{units} cells{}", if bidirectional { " in each direction" } else { "" })
        }
        Some(LayerSpec::SelfAttention { heads, .. }) => format!("{heads} heads look from every step at every step"),
        Some(LayerSpec::Branch) => "remembers the value".to_owned(),
        Some(LayerSpec::Sum) => "adds the value remembered at the branch".to_owned(),
    }
}

fn in_words(blocks: &[Block]) -> String {
    let layers: Vec<String> = blocks
        .iter()
        .map(|block| format!("{} {}", block.name(), block.output))
        .collect();
    format!("Network: {}", layers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::RunConfig;

    #[test]
    fn the_parameters_of_the_blocks_are_those_of_the_network() {
        let digits = Shape::Image {
            channels: 1,
            height: 8,
            width: 8,
        };
        let model = ModelSpec::from_config(&RunConfig::digits_cnn().model, digits, 10).unwrap();
        let blocks = blocks(&model);
        assert_eq!(blocks.len(), model.layers.len() + 1);
        let sum: u64 = blocks.iter().map(|block| block.parameters).sum();
        assert_eq!(sum, cost::parameters(&model));
        assert!(in_words(&blocks).starts_with("Network: input 1 x 8 x 8, convolution 16 x 8 x 8"));
    }
}
