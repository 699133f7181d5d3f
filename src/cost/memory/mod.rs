//! The memory of a training run, predicted by following one step through the heap: what each operation of the `flex` device
//! allocates, keeps and gives back, read from burn-flex and burn-autodiff 0.22 and gemm 0.19 and confirmed by counting.

mod convolutions;
mod layers;
mod step;

use super::{parameters, weights};
use crate::spec::{LayerSpec, MemoryLedger, ModelSpec, Placed, RunPlan};

/// What the run holds beside its tensors: names, tallies, messages on their way.
const SESSION: u64 = 7 << 10;
/// What burn keeps for a tensor of weights beside its values, and autodiff for the operations of a layer and of a batch norm.
const TENSOR: u64 = 2048;
const OPERATION: u64 = 1200;
const BATCH_NORM: u64 = 12 << 10;

/// Where the memory of a training run goes, in bytes.
///
/// `activations` are those kept when the forward pass ends, `gradients` those that the backward pass leaves, and `weights`
/// hold the best epoch's copy too where early stopping keeps one. `workspace` is what the widest moment takes above all the
/// others: the backward pass of one layer, the writing of a checkpoint, or the scoring of the training split, with what burn
/// keeps to itself. Of a model with wrong shapes no tensor is counted.
pub fn memory(plan: &RunPlan) -> MemoryLedger {
    if plan.config.model.architecture.is_classical() {
        return super::classical::memory(plan);
    }
    let train = &plan.config.train;
    let rows = train.batch_size.min(plan.dataset.split.train.max(1)) as u64;
    let model = weight_bytes(&plan.model);
    let trainable = 4 * parameters(&plan.model);
    let best = if train.early_stopping.is_some() { model } else { 0 };
    let optimizer = trainable * train.optimizer_slots() as u64;
    // One 4-byte target a row, whatever the task.
    let batch = 4 * rows * (plan.model.input.len() as u64 + 1);
    // Each of several workers has a network, a share of the rows and gradients of its own, and there is a copy of the weights that
    // they take over.
    let workers = (train.workers.max(1) as u64).min(rows.max(1));
    let step = step::step(&plan.model, rows.div_ceil(workers), train).times(workers);
    let (replicas, shares, own_gradients) = if workers > 1 {
        (workers * model, batch, (workers - 1) * trainable)
    } else {
        (0, 0, 0)
    };
    let resting = model + best + optimizer + replicas;
    // The bytes of the file, a copy of the weights, and of the tensor that is being written.
    let checkpoint = 2 * resting + model + largest(&plan.model);
    let scores = 4 * (plan.dataset.split.train * plan.model.outputs().unwrap_or(0)) as u64;
    let scoring = resting + model + scores + step::step(&plan.model, rows, train).scoring;
    // The rows in the order of the epoch, 8 bytes each.
    let order = 8 * plan.dataset.split.train as u64;
    let training = checkpoint.max(resting + batch + shares + own_gradients + step.peak);
    let peak = SESSION + workers * bookkeeping(&plan.model, train.recompute) + order + training.max(scoring);
    let kept = resting + batch + step.activations + workers * trainable;
    MemoryLedger {
        weights: model + best + replicas,
        gradients: workers * trainable,
        optimizer,
        activations: step.activations,
        workspace: peak.saturating_sub(kept),
        batch,
    }
}

/// What is on the heap beside numbers: of every tensor, and of the graph, which is of one part at a time where activations are
/// computed again.
fn bookkeeping(model: &ModelSpec, recompute: bool) -> u64 {
    let walk = model.walk().unwrap_or_default();
    let tensors: usize = walk.iter().map(|placed| placed.tensors().len()).sum();
    let graph = |placed: &Placed| match placed.layer {
        LayerSpec::BatchNorm => BATCH_NORM,
        _ => operations(placed) * OPERATION,
    };
    let nodes = if recompute {
        let parts = super::blocks(model).into_iter();
        parts.map(|part| walk[part].iter().map(graph).sum()).max().unwrap_or(0)
    } else {
        walk.iter().map(graph).sum::<u64>()
    };
    tensors as u64 * TENSOR + nodes
}

/// Nodes of the graph that autodiff keeps for a layer.
fn operations(placed: &Placed) -> u64 {
    match placed.layer {
        // The directions are put side by side.
        LayerSpec::Recurrent {
            bidirectional: true, ..
        } => 6,
        LayerSpec::SelfAttention { .. } => 3,
        _ => 1,
    }
}

/// Weights and running statistics.
fn weight_bytes(model: &ModelSpec) -> u64 {
    4 * super::sum(model, |placed| placed.values() as u64)
}

/// The largest weight tensor.
fn largest(model: &ModelSpec) -> u64 {
    let walk = model.walk().unwrap_or_default();
    walk.iter().map(|placed| 4 * weights(placed)).max().unwrap_or(0)
}
