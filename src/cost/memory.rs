//! The memory of a training run, predicted by following one step through the heap: what each operation of the `flex` device
//! allocates, keeps and gives back, read from burn-flex and burn-autodiff 0.22 and gemm 0.19 and confirmed by counting.

use std::thread::available_parallelism;

use super::{parameters, weights};
use crate::spec::{LayerSpec, MemoryLedger, ModelSpec, Placed, RunPlan};

/// Positions of an image for which the forward convolution unfolds its input at once.
const TILE: u64 = 512;
/// Of a sum over more products than these, the matrix product takes a part at a time.
const DEPTH: u64 = 512;
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
    let step = step(&plan.model, rows);
    let resting = model + best + optimizer;
    // The bytes of the file, a copy of the weights, and of the tensor that is being written.
    let checkpoint = 2 * resting + model + largest(&plan.model);
    let scores = 4 * (plan.dataset.split.train * plan.model.outputs().unwrap_or(0)) as u64;
    let scoring = resting + model + scores + step.scoring;
    // The rows in the order of the epoch, 8 bytes each.
    let order = 8 * plan.dataset.split.train as u64;
    let training = order + checkpoint.max(resting + batch + step.peak);
    let peak = bookkeeping(&plan.model) + training.max(scoring);
    let kept = resting + batch + step.activations + trainable;
    MemoryLedger {
        weights: model + best,
        gradients: trainable,
        optimizer,
        activations: step.activations,
        workspace: peak.saturating_sub(kept),
        batch,
    }
}

/// Bytes above weights, optimizer state and batch.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    activations: u64,
    peak: u64,
    /// Of a forward pass that keeps nothing.
    scoring: u64,
}

/// A heap in numbers.
#[derive(Debug, Clone, Copy, Default)]
struct Heap {
    live: u64,
    peak: u64,
}

impl Heap {
    /// Keeps `bytes`, after `temporary` more were held beside them for a moment.
    fn keep(&mut self, bytes: u64, temporary: u64) {
        self.live += bytes;
        self.peak = self.peak.max(self.live + temporary);
    }

    fn free(&mut self, bytes: u64) {
        self.live = self.live.saturating_sub(bytes);
    }
}

/// Follows one step on `rows` samples.
fn step(model: &ModelSpec, rows: u64) -> Step {
    let Ok(walk) = model.walk() else {
        return Step::default();
    };
    let threads = available_parallelism().map_or(1, |threads| threads.get() as u64);
    let layers: Vec<Traced> = walk
        .into_iter()
        .map(|placed| Traced { placed, rows, threads })
        .collect();
    let mut heap = Heap::default();
    for layer in &layers {
        layer.forward(&mut heap);
    }
    let activations = heap.live;
    // The outputs read out, their gradient, and the gradient that the backward pass begins with.
    let logits = layers.last().map_or(0, Traced::y);
    heap.keep(3 * logits, 0);
    for (index, layer) in layers.iter().enumerate().rev() {
        let tracked = layers[..index].iter().any(|layer| weights(&layer.placed) > 0);
        layer.backward(&mut heap, tracked);
    }
    Step {
        activations,
        peak: heap.peak,
        scoring: layers.iter().map(|layer| layer.x() + 2 * layer.y()).max().unwrap_or(0),
    }
}

/// A layer with the sizes of its tensors.
#[derive(Debug, Clone, Copy)]
struct Traced {
    placed: Placed,
    rows: u64,
    threads: u64,
}

impl Traced {
    /// Bytes of the input for the whole batch.
    fn x(&self) -> u64 {
        4 * self.rows * self.placed.input.len() as u64
    }

    /// Bytes of the output for the whole batch.
    fn y(&self) -> u64 {
        4 * self.rows * self.placed.output.len() as u64
    }

    fn weights(&self) -> u64 {
        4 * weights(&self.placed)
    }

    /// Every output is kept by the layer that follows, for its backward pass.
    fn forward(&self, heap: &mut Heap) {
        let y = self.y();
        match self.placed.layer {
            LayerSpec::Flatten => {}
            // A dense layer's product is copied once into the tensor.
            LayerSpec::Dense { .. } => {
                heap.keep(
                    y,
                    y.max(packed_unless_aligned(
                        self.placed.output.len() as u64,
                        self.placed.input.len() as u64,
                    )),
                );
            }
            // The centred input and its square.
            LayerSpec::BatchNorm => heap.keep(y, y),
            LayerSpec::Conv2d { .. } => heap.keep(y, self.unfolded_forward()),
            // Of dropout the mask is kept; the product takes the place of the input.
            LayerSpec::Activation { .. } | LayerSpec::Dropout { .. } => heap.keep(y, 0),
            // The places of the maxima, found in 64 bits and kept in 32.
            LayerSpec::MaxPool { .. } => heap.keep(2 * y, 2 * y),
            _ => heap.keep(y, y),
        }
    }

    /// Begins with the gradient of the output on the heap and ends with that of the input in its place, which the first
    /// layer with weights does not compute.
    fn backward(&self, heap: &mut Heap, tracked: bool) {
        let (x, y) = (self.x(), self.y());
        match self.placed.layer {
            LayerSpec::Flatten => {}
            LayerSpec::Dense { .. } => {
                let (inputs, units) = (self.placed.input.len() as u64, self.placed.output.len() as u64);
                if tracked {
                    heap.keep(x, x.max(packed(inputs, self.rows, units)));
                }
                let packed = packed_unless_aligned(units, self.rows);
                heap.keep(self.weights(), self.weights().max(packed));
                heap.free(if tracked { x + y } else { y });
            }
            LayerSpec::Conv2d { .. } => {
                if tracked {
                    heap.keep(x, 0);
                }
                heap.keep(self.weights(), self.unfolded_backward());
                heap.free(if tracked { x + y } else { y });
            }
            LayerSpec::BatchNorm => {
                heap.keep(0, 3 * x);
                heap.free(x);
            }
            LayerSpec::Activation { .. } => heap.free(x),
            LayerSpec::MaxPool { .. } => {
                heap.keep(x, 0);
                heap.free(x + 2 * y);
            }
            LayerSpec::Dropout { .. } => heap.free(y),
            _ => {
                heap.keep(x + self.weights(), 0);
                heap.free(x + y);
            }
        }
    }

    /// Beside a convolution's output: the input with its channels last, the filters likewise, and for each thread one tile
    /// unfolded, packed, and its product. Few channels, or kernels of one pixel, need none of it.
    fn unfolded_forward(&self) -> u64 {
        let LayerSpec::Conv2d {
            filters,
            kernel,
            stride,
            ..
        } = self.placed.layer
        else {
            return 0;
        };
        let (channels, filters) = (self.placed.input.channels() as u64, filters as u64);
        if (channels <= 4 && filters <= 16) || (kernel == 1 && stride == 1) {
            return 0;
        }
        let patch = channels * (kernel * kernel) as u64;
        let tile = (self.placed.output.len() as u64 / filters).min(TILE);
        let thread = 4 * (patch + filters) * tile + packed(tile, filters, patch);
        self.x() + self.weights() + self.threads.min(self.rows) * thread
    }

    /// The gradient of the filters is itself computed as a convolution, of the input with the output's gradient as its kernel
    /// and batch and channels exchanged: both are copied twice, and each busy thread unfolds one channel of the whole batch
    /// and packs it. How many unfold at once is the scheduler's choice; the middle between one and all is taken. The product,
    /// which takes longest, is at some moment with all.
    fn unfolded_backward(&self) -> u64 {
        let LayerSpec::Conv2d { filters, kernel, .. } = self.placed.layer else {
            return 0;
        };
        let channels = self.placed.input.channels() as u64;
        // An exchange with one channel moves nothing.
        let copies = |channels: u64| if channels > 1 { 2 } else { 1 };
        let positions = self.y() / filters as u64;
        let taps = (kernel * kernel) as u64;
        let busy = self.threads.min(channels);
        copies(channels) * self.x()
            + copies(filters as u64) * self.y()
            + (1 + busy) * positions * taps / 2
            + busy * packed(taps, filters as u64, positions / 4)
    }
}

/// Values in a vector register, and the rows of the block that the matrix product computes in registers.
fn registers() -> (u64, u64) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return (16, 64);
        }
        if is_x86_feature_detected!("fma") {
            return (8, 16);
        }
    }
    (4, 16)
}

/// The copy of its left factor that a matrix product makes, `rows` high and summed over `depth` products, where the factor's
/// rows are contiguous. Very small products are computed as dot products in place, and very high ones a block at a time.
fn packed(rows: u64, columns: u64, depth: u64) -> u64 {
    if rows * columns <= 256 {
        return 0;
    }
    packed_columns(rows, depth)
}

/// The same where the factor's columns are contiguous: whole registers of them need no copy.
fn packed_unless_aligned(rows: u64, depth: u64) -> u64 {
    if rows.is_multiple_of(registers().0) {
        return 0;
    }
    packed_columns(rows, depth)
}

/// The rows are filled up to whole blocks. A product over one or two, or with a single row, is none.
fn packed_columns(rows: u64, depth: u64) -> u64 {
    let (_, block) = registers();
    if depth <= 2 || rows <= 1 || rows > 16 * block {
        return 0;
    }
    let parts = depth.div_ceil(DEPTH);
    4 * depth.div_ceil(parts) * rows.next_multiple_of(block)
}

/// What is on the heap beside numbers.
fn bookkeeping(model: &ModelSpec) -> u64 {
    let layers = model.layers.iter().map(|layer| match layer {
        LayerSpec::Dense { .. } | LayerSpec::Conv2d { .. } => 2 * TENSOR + OPERATION,
        LayerSpec::BatchNorm => 4 * TENSOR + BATCH_NORM,
        _ => OPERATION,
    });
    layers.sum()
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
