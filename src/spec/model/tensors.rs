//! The tensors of every kind of layer, in PyTorch's names and layout: the one table that building, saving, checking, counting and
//! exporting go by.

use super::{LayerSpec, Placed, PositionKind, Shape};

/// Every part's name, in the order in which a layer has them.
pub const PART_NAMES: [&str; 16] = [
    "weight",
    "bias",
    "running_mean",
    "running_var",
    "weight_ih_l0",
    "weight_hh_l0",
    "bias_ih_l0",
    "bias_hh_l0",
    "weight_ih_l0_reverse",
    "weight_hh_l0_reverse",
    "bias_ih_l0_reverse",
    "bias_hh_l0_reverse",
    "in_proj_weight",
    "in_proj_bias",
    "out_proj.weight",
    "out_proj.bias",
];

/// What sinusoidal positions add, step by step: `sin(step / 10000^(2i / features))` at feature `2i` and the cosine behind it
/// (Vaswani et al. 2017).
pub fn sinusoidal(steps: usize, features: usize) -> Vec<f32> {
    let at = |step: usize, feature: usize| {
        let angle = step as f64 / 10_000_f64.powf((feature - feature % 2) as f64 / features as f64);
        if feature.is_multiple_of(2) {
            angle.sin()
        } else {
            angle.cos()
        }
    };
    (0..steps)
        .flat_map(|step| (0..features).map(move |feature| at(step, feature) as f32))
        .collect()
}

impl Placed {
    /// Names and shapes of the layer's tensors, in the order of [`PART_NAMES`].
    pub fn tensors(&self) -> Vec<(&'static str, Vec<usize>)> {
        let channels = self.input.channels();
        match self.layer {
            LayerSpec::Dense { units } => vec![("weight", vec![units, channels]), ("bias", vec![units])],
            LayerSpec::Conv2d { filters, kernel, .. } => vec![
                ("weight", vec![filters, channels, kernel, kernel]),
                ("bias", vec![filters]),
            ],
            LayerSpec::DepthwiseConv2d { kernel, .. } => {
                vec![("weight", vec![channels, 1, kernel, kernel]), ("bias", vec![channels])]
            }
            LayerSpec::Conv1d { filters, kernel, .. } => {
                vec![("weight", vec![filters, channels, kernel]), ("bias", vec![filters])]
            }
            LayerSpec::BatchNorm => ["weight", "bias", "running_mean", "running_var"]
                .map(|part| (part, vec![channels]))
                .to_vec(),
            LayerSpec::LayerNorm => vec![("weight", vec![channels]), ("bias", vec![channels])],
            LayerSpec::Embedding { dimensions } => {
                let vocabulary = match self.input {
                    Shape::Tokens { vocabulary, .. } => vocabulary,
                    _ => 0,
                };
                vec![("weight", vec![vocabulary, dimensions])]
            }
            LayerSpec::Positions {
                encoding: PositionKind::Learned,
            } => vec![("weight", vec![self.input.positions(), channels])],
            LayerSpec::ClassToken => vec![("weight", vec![channels])],
            LayerSpec::Recurrent {
                cell,
                units,
                bidirectional,
                ..
            } => {
                let rows = cell.gates() * units;
                let shapes = [vec![rows, channels], vec![rows, units], vec![rows], vec![rows]];
                let directions = if bidirectional { 2 } else { 1 };
                let names = PART_NAMES[4..].iter().copied();
                names.zip(shapes.iter().cloned().cycle()).take(4 * directions).collect()
            }
            LayerSpec::SelfAttention { .. } => {
                let attended = self.heads().map_or(0, |[heads, width]| heads * width);
                vec![
                    ("in_proj_weight", vec![3 * attended, channels]),
                    ("in_proj_bias", vec![3 * attended]),
                    ("out_proj.weight", vec![channels, attended]),
                    ("out_proj.bias", vec![channels]),
                ]
            }
            LayerSpec::Sum => self.projection().map_or_else(Vec::new, |projection| {
                let mut weight = vec![projection.outputs, projection.inputs];
                if matches!(self.input, Shape::Image { .. }) {
                    weight.extend([1, 1]);
                }
                vec![("weight", weight), ("bias", vec![projection.outputs])]
            }),
            LayerSpec::Activation { .. }
            | LayerSpec::MaxPool { .. }
            | LayerSpec::GlobalAveragePool
            | LayerSpec::Dropout { .. }
            | LayerSpec::Flatten
            | LayerSpec::Rows
            | LayerSpec::Patches { .. }
            | LayerSpec::Positions { .. }
            | LayerSpec::FirstStep
            | LayerSpec::Branch => Vec::new(),
        }
    }

    /// Values in all tensors, running statistics included.
    pub fn values(&self) -> usize {
        let sizes = self.tensors().into_iter();
        sizes.map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}
