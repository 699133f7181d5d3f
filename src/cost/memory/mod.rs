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
/// Copies of the weights while it is decided which of them go: themselves, scores, their order, masks, and a network.
const PRUNING: u64 = 6;

/// Where the memory of a training run goes, in bytes.
///
/// `activations` are those kept when the forward pass ends, `gradients` those that the backward pass leaves, and `weights`
/// hold the best epoch's copy too where early stopping keeps one, the moving average, and the mask of what is pruned.
/// `workspace` is what the widest moment takes above all the others: the backward pass of one layer, the writing of a
/// checkpoint, or the scoring of the training split, with what burn keeps to itself. Of a model with wrong shapes no tensor is
/// counted.
pub fn memory(plan: &RunPlan) -> MemoryLedger {
    memory_holding(plan, plan.config.train.prune.is_some())
}

/// The same, of a training that holds pruned weights at zero, or does not.
pub fn memory_holding(plan: &RunPlan, mask: bool) -> MemoryLedger {
    if plan.config.model.architecture.is_classical() {
        return super::classical::memory(plan);
    }
    let train = &plan.config.train;
    let rows = train.batch_size.min(plan.dataset.split.train.max(1)) as u64;
    let model = weight_bytes(&plan.model);
    let trainable = 4 * parameters(&plan.model);
    let best = if train.early_stopping.is_some() { model } else { 0 };
    // The average, and the network that is made of it to be scored and kept.
    let (average, averaged) = if train.average.is_some() {
        (model, model + TENSOR * tensors(&plan.model))
    } else {
        (0, 0)
    };
    let (mask, pruning) = if mask { (trainable, PRUNING * model) } else { (0, 0) };
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
    let resting = model + best + average + mask + optimizer + replicas;
    // The bytes of the file, a copy of the weights, and of the tensor that is being written.
    let checkpoint = 2 * resting + model + averaged + largest(&plan.model);
    let passing = step::step(&plan.model, rows, train).scoring;
    let scores =
        |rows: usize| resting + model + averaged + 4 * (rows * plan.model.outputs().unwrap_or(0)) as u64 + passing;
    let training = checkpoint
        .max(resting + pruning)
        .max(resting + batch + shares + own_gradients + step.peak);
    // The loader has the targets of all rows, 4 bytes each, and while an epoch goes on their order, 8 bytes each.
    let split = &plan.dataset.split;
    let task = &plan.dataset.task;
    let targets = if task.is_regression() { task.outputs() } else { 1 };
    let targets = 4 * (split.train * targets) as u64;
    let order = 8 * split.train as u64;
    let widest = (order + training.max(scores(split.validation))).max(scores(split.train));
    let peak = SESSION + workers * bookkeeping(&plan.model, train.recompute) + targets + widest;
    let kept = resting + batch + step.activations + workers * trainable;
    MemoryLedger {
        weights: model + best + average + mask + replicas,
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
    tensors(model) * TENSOR + nodes
}

/// Tensors of weights and running statistics.
fn tensors(model: &ModelSpec) -> u64 {
    super::sum(model, |placed| placed.tensors().len() as u64)
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
