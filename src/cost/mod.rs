//! Arithmetic over a model description: what a network costs before it is ever built.

mod classical;
mod expected;
mod memory;
mod together;
mod units;

pub use classical::{Cost, cost};
pub use expected::{Expected, as_trained, expected};
pub use memory::{memory, memory_holding};
pub use together::{LARGEST_POOL, Together};
pub use units::{UnitError, UnitPlan, kept_units, plan_units, removable_blocks, removed_blocks, without_layers};

use std::ops::Range;

use crate::spec::{LayerSpec, ModelSpec, Placed};

/// Trainable parameters: weights, biases, and scale and shift of the norms. A model with wrong shapes has none.
pub fn parameters(model: &ModelSpec) -> u64 {
    sum(model, layer_parameters)
}

/// Trainable parameters of one layer.
pub fn layer_parameters(placed: &Placed) -> u64 {
    match placed.layer {
        // Running statistics are not trained.
        LayerSpec::BatchNorm => placed.values() as u64 / 2,
        _ => placed.values() as u64,
    }
}

/// Multiply-adds of the layers that multiply by weights, and of attention, for one sample; what the other layers do is small
/// beside it.
pub fn multiply_adds(model: &ModelSpec) -> u64 {
    sum(model, layer_multiply_adds)
}

/// Multiply-adds of one layer for one sample.
pub fn layer_multiply_adds(placed: &Placed) -> u64 {
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
            let attended = placed.heads().map_or(0, |[heads, width]| (heads * width) as u64);
            4 * positions * channels * attended + 2 * positions * positions * attended
        }
        LayerSpec::Sum => placed
            .projection()
            .map_or(0, |projection| outputs * projection.inputs as u64),
        _ => 0,
    }
}

/// The parts of the network between which a training step that computes activations again keeps nothing but one value. A part
/// begins before each layer that multiplies by weights, and none is within a branch.
pub fn blocks(model: &ModelSpec) -> Vec<Range<usize>> {
    let mut starts = vec![0];
    let mut open = 0_usize;
    for (index, layer) in model.layers.iter().enumerate() {
        let multiplies = matches!(
            layer,
            LayerSpec::Dense { .. }
                | LayerSpec::Conv2d { .. }
                | LayerSpec::DepthwiseConv2d { .. }
                | LayerSpec::Conv1d { .. }
                | LayerSpec::Recurrent { .. }
                | LayerSpec::SelfAttention { .. }
                | LayerSpec::Branch
        );
        if open == 0 && index > 0 && multiplies {
            starts.push(index);
        }
        match layer {
            LayerSpec::Branch => open += 1,
            LayerSpec::Sum => open = open.saturating_sub(1),
            _ => {}
        }
    }
    // What comes before the first weights belongs to the part with them.
    let first = model.layers.iter().position(|layer| !is_plain(layer));
    starts.retain(|&start| start == 0 || first.is_some_and(|first| start > first));
    let ends = starts[1..].iter().copied().chain([model.layers.len()]);
    starts
        .iter()
        .copied()
        .zip(ends)
        .map(|(start, end)| start..end)
        .collect()
}

/// Has no weights of any kind.
fn is_plain(layer: &LayerSpec) -> bool {
    matches!(
        layer,
        LayerSpec::Activation { .. }
            | LayerSpec::MaxPool { .. }
            | LayerSpec::GlobalAveragePool
            | LayerSpec::Dropout { .. }
            | LayerSpec::Flatten
            | LayerSpec::Rows
            | LayerSpec::Patches { .. }
            | LayerSpec::Positions { .. }
            | LayerSpec::FirstStep
            | LayerSpec::Branch
            | LayerSpec::Sum
    )
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
