//! The description of a network: an ordered list of layers, with the shape after each. `cost` reads it, `nn` builds it,
//! `compress` edits it, `deploy` writes it; a new kind of layer is one variant in `layer` and one arm in each reader.

mod build;
mod coupling;
mod cut;
mod layer;
mod preset;
mod shape;
mod tensors;

use serde::{Deserialize, Serialize};

pub use coupling::{Axis, AxisRole, Coupling, Owners, Unit, UnitGroup, UnitKind};
pub use cut::{Cut, KeptUnits};
pub use layer::{ActivationKind, CellKind, LEAKY_SLOPE, LayerSpec, PositionKind};
pub use preset::PresetSize;
pub use shape::Shape;
pub use tensors::{PART_NAMES, sinusoidal};

/// A network: every layer feeds the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    pub input: Shape,
    pub layers: Vec<LayerSpec>,
}

/// Added to the variance in batch normalisation.
pub const BATCH_NORM_EPSILON: f64 = 1e-5;
/// Added to the variance in layer normalisation.
pub const LAYER_NORM_EPSILON: f64 = 1e-5;
/// Takes the place of an attention score whose key is padding, so that its share is zero; of a text of padding alone all shares
/// are equal. A 16-bit number holds it.
pub const MASKED_SCORE: f64 = -1e4;

/// A layer that cannot follow what stands before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {layer} ({name}): {problem}")]
pub struct ShapeError {
    /// Index into [`ModelSpec::layers`].
    pub layer: usize,
    pub name: &'static str,
    pub problem: String,
}

/// A layer at its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Index into [`ModelSpec::layers`].
    pub index: usize,
    pub layer: LayerSpec,
    pub input: Shape,
    pub output: Shape,
    /// What a residual sum adds: the shape of the remembered value. None for other layers.
    pub shortcut: Option<Shape>,
    /// Whether it is known of each step of the input if it is padding: from the tokens on, until a layer changes the steps. A
    /// [`LayerSpec::ClassToken`] adds one that is none.
    pub padded: bool,
}

/// The learned part of a residual sum whose two shapes differ: `outputs x inputs` weights and a bias at every `stride`-th place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Projection {
    pub inputs: usize,
    pub outputs: usize,
    pub stride: usize,
}

impl Placed {
    /// The heads of self-attention and the features of each; none of other layers.
    pub fn heads(&self) -> Option<[usize; 2]> {
        match self.layer {
            LayerSpec::SelfAttention { heads, head_width } => {
                Some([heads, head_width.unwrap_or(self.input.channels() / heads.max(1))])
            }
            _ => None,
        }
    }

    /// How a residual sum brings the remembered value to the shape of the other; none where it is the same already, and for
    /// other layers.
    pub fn projection(&self) -> Option<Projection> {
        let shortcut = self.shortcut.filter(|shortcut| *shortcut != self.input)?;
        Some(Projection {
            inputs: shortcut.channels(),
            outputs: self.input.channels(),
            stride: stride(shortcut, self.input).unwrap_or(1),
        })
    }
}

/// The stride with which a window of one takes `from` to the places of `to`.
fn stride(from: Shape, to: Shape) -> Option<usize> {
    match (from, to) {
        (
            Shape::Image { height, width, .. },
            Shape::Image {
                height: rows,
                width: columns,
                ..
            },
        ) => {
            let stride = height.div_ceil(rows.max(1));
            (height.div_ceil(stride) == rows && width.div_ceil(stride) == columns).then_some(stride)
        }
        (Shape::Sequence { steps, .. }, Shape::Sequence { steps: after, .. }) => (steps == after).then_some(1),
        (Shape::Features { .. }, Shape::Features { .. }) => Some(1),
        _ => None,
    }
}

impl ModelSpec {
    /// Every layer at its place, or what is wrong with the first that does not fit.
    pub fn walk(&self) -> Result<Vec<Placed>, ShapeError> {
        match self.trace() {
            (placed, None) => Ok(placed),
            (_, Some(error)) => Err(error),
        }
    }

    /// The layers at their places as far as they fit, and what is wrong with the one that does not: the next one, or a branch that
    /// is never closed.
    pub fn trace(&self) -> (Vec<Placed>, Option<ShapeError>) {
        let mut input = self.input;
        let mut padded = matches!(input, Shape::Tokens { .. });
        let mut remembered: Vec<(usize, Shape)> = Vec::new();
        let mut placed = Vec::with_capacity(self.layers.len());
        for (index, &layer) in self.layers.iter().enumerate() {
            let refuse = |problem: String| ShapeError {
                layer: index,
                name: layer.name(),
                problem,
            };
            let output = match layer.output(input) {
                Ok(output) => output,
                Err(problem) => return (placed, Some(refuse(problem))),
            };
            let mut shortcut = None;
            if layer == LayerSpec::Branch {
                remembered.push((index, input));
            } else if layer == LayerSpec::Sum {
                let problem = match remembered.pop() {
                    None => Some("closes no branch; put a branch before the block".to_owned()),
                    Some((_, from)) if stride(from, input).is_none() => Some(format!(
                        "can't add {from} to {input}; keep the size within the block, or halve it with a stride of 2"
                    )),
                    Some((_, from)) => {
                        shortcut = Some(from);
                        None
                    }
                };
                if let Some(problem) = problem {
                    return (placed, Some(refuse(problem)));
                }
            }
            placed.push(Placed {
                index,
                layer,
                input,
                output,
                shortcut,
                padded,
            });
            padded &= matches!(output, Shape::Sequence { .. } | Shape::Tokens { .. })
                && (layer == LayerSpec::ClassToken || output.positions() == input.positions());
            input = output;
        }
        let open = remembered.pop().map(|(index, _)| ShapeError {
            layer: index,
            name: LayerSpec::Branch.name(),
            problem: "is never closed; put a residual sum behind the block".to_owned(),
        });
        (placed, open)
    }

    /// Shape after each layer, in their order.
    pub fn shapes(&self) -> Result<Vec<Shape>, ShapeError> {
        Ok(self.walk()?.iter().map(|placed| placed.output).collect())
    }

    /// Shape of the input of each layer, in their order.
    pub fn inputs(&self) -> Result<Vec<Shape>, ShapeError> {
        Ok(self.walk()?.iter().map(|placed| placed.input).collect())
    }

    /// Values in the network's output.
    pub fn outputs(&self) -> Result<usize, ShapeError> {
        Ok(self.shapes()?.last().copied().unwrap_or(self.input).len())
    }
}

#[cfg(test)]
mod tests;
