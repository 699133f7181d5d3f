//! Arithmetic over a model description: what a network costs before it is ever built.

mod expected;
mod memory;

pub use expected::{Expected, as_trained, expected, kept_units, without_units};
pub use memory::memory;

use crate::spec::{LayerSpec, ModelSpec, Shape, ShapeError};

/// Trainable parameters: weights, biases, and scale and shift of batch norm. A model with wrong shapes has none.
pub fn parameters(model: &ModelSpec) -> u64 {
    sum(model, |layer, input, _| match *layer {
        LayerSpec::BatchNorm => 2 * channels(input),
        _ => weights(layer, input),
    })
}

/// Multiply-adds of dense and convolution layers for one sample; what the other layers do is small beside it.
pub fn multiply_adds(model: &ModelSpec) -> u64 {
    sum(model, |layer, input, output| match *layer {
        LayerSpec::Dense { units } => (input.len() * units) as u64,
        LayerSpec::Conv2d { kernel, .. } => output.len() as u64 * channels(input) * (kernel * kernel) as u64,
        _ => 0,
    })
}

/// Bytes of the weights as exported in 32 bits: batch norm is folded into the layer before it.
pub fn model_bytes(model: &ModelSpec) -> u64 {
    4 * sum(model, |layer, input, _| weights(layer, input))
}

/// Weights and biases of a dense or convolution layer.
fn weights(layer: &LayerSpec, input: Shape) -> u64 {
    match *layer {
        LayerSpec::Dense { units } => ((input.len() + 1) * units) as u64,
        LayerSpec::Conv2d { filters, kernel, .. } => (channels(input) * (kernel * kernel) as u64 + 1) * filters as u64,
        _ => 0,
    }
}

fn channels(shape: Shape) -> u64 {
    match shape {
        Shape::Features { features } => features as u64,
        Shape::Image { channels, .. } => channels as u64,
    }
}

/// Sum over layers of `cost(layer, input, output)`.
fn sum(model: &ModelSpec, cost: impl Fn(&LayerSpec, Shape, Shape) -> u64) -> u64 {
    let shapes = || Ok::<_, ShapeError>(model.inputs()?.into_iter().zip(model.shapes()?));
    shapes().map_or(0, |shapes| {
        let layers = model.layers.iter().zip(shapes);
        layers.map(|(layer, (input, output))| cost(layer, input, output)).sum()
    })
}
