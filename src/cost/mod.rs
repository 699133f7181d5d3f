//! Arithmetic over a model description: what a network costs before it is ever built.

mod classical;
mod expected;
mod memory;

pub use classical::{Cost, cost};
pub use expected::{Expected, as_trained, expected, kept_units, without_units};
pub use memory::memory;

use crate::spec::{LayerSpec, ModelSpec, Placed};

/// Trainable parameters: weights, biases, and scale and shift of the norms. A model with wrong shapes has none.
pub fn parameters(model: &ModelSpec) -> u64 {
    sum(model, |placed| match placed.layer {
        // Running statistics are not trained.
        LayerSpec::BatchNorm => placed.values() as u64 / 2,
        _ => placed.values() as u64,
    })
}

/// Multiply-adds of the layers that multiply by weights, and of attention, for one sample; what the other layers do is small
/// beside it.
pub fn multiply_adds(model: &ModelSpec) -> u64 {
    sum(model, |placed| {
        let channels = placed.input.channels() as u64;
        let positions = placed.input.positions() as u64;
        let outputs = placed.output.len() as u64;
        match placed.layer {
            LayerSpec::Dense { .. } => outputs * channels,
            LayerSpec::Conv2d { kernel, .. } => outputs * channels * (kernel * kernel) as u64,
            LayerSpec::DepthwiseConv2d { kernel, .. } => outputs * (kernel * kernel) as u64,
            LayerSpec::Conv1d { kernel, .. } => outputs * channels * kernel as u64,
            LayerSpec::Recurrent {
                cell,
                units,
                bidirectional,
                ..
            } => {
                let directions = 1 + u64::from(bidirectional);
                directions * positions * (cell.gates() * units) as u64 * (channels + units as u64)
            }
            // Four projections, and two products of every step with every step.
            LayerSpec::SelfAttention { .. } => {
                4 * positions * channels * channels + 2 * positions * positions * channels
            }
            LayerSpec::Sum => placed
                .projection()
                .map_or(0, |projection| outputs * projection.inputs as u64),
            _ => 0,
        }
    })
}

/// Bytes of the weights as exported in 32 bits: batch norm is folded into the layer before it.
pub fn model_bytes(model: &ModelSpec) -> u64 {
    4 * sum(model, weights)
}

/// Values of a layer's tensors; none of a batch norm.
fn weights(placed: &Placed) -> u64 {
    match placed.layer {
        LayerSpec::BatchNorm => 0,
        _ => placed.values() as u64,
    }
}

/// Sum over the layers of `cost`.
fn sum(model: &ModelSpec, cost: impl Fn(&Placed) -> u64) -> u64 {
    model.walk().map_or(0, |walk| walk.iter().map(cost).sum())
}
