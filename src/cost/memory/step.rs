//! One training step through the heap, layer by layer: what is alive, and the most that ever is.

use std::ops::Range;
use std::thread::available_parallelism;

use super::layers::{Terms, Traced};
use crate::cost::{Together, blocks, weights};
use crate::spec::{LayerSpec, ModelSpec};

/// Bytes above weights, optimizer state and batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Step {
    /// Kept when the forward pass ends.
    pub activations: u64,
    pub peak: u64,
    /// Of a forward pass that keeps nothing.
    pub scoring: u64,
}

impl Step {
    /// Of so many steps at once.
    pub fn times(self, steps: u64) -> Self {
        Self {
            activations: steps * self.activations,
            peak: steps * self.peak,
            ..self
        }
    }
}

/// A heap in numbers.
#[derive(Debug, Clone, Default)]
struct Heap {
    live: u64,
    peak: u64,
    /// Bytes and holders of each tensor.
    tensors: Vec<(u64, usize)>,
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

    /// A tensor with one holder.
    fn tensor(&mut self, bytes: u64, temporary: u64) -> usize {
        self.keep(bytes, temporary);
        self.tensors.push((bytes, 1));
        self.tensors.len() - 1
    }

    fn hold(&mut self, tensor: usize) {
        self.tensors[tensor].1 += 1;
    }

    fn release(&mut self, tensor: usize) {
        let (bytes, holders) = &mut self.tensors[tensor];
        *holders = holders.saturating_sub(1);
        if *holders == 0 {
            let bytes = std::mem::take(bytes);
            self.free(bytes);
        }
    }
}

/// Follows one step on `rows` samples.
pub fn step(model: &ModelSpec, rows: u64, recompute: bool) -> Step {
    let Ok(walk) = model.walk() else {
        return Step::default();
    };
    let threads = available_parallelism().map_or(1, |threads| threads.get() as u64);
    let first = walk.iter().position(|placed| weights(placed) > 0).unwrap_or(walk.len());
    let layers: Vec<Traced> = walk
        .into_iter()
        .map(|placed| Traced {
            placed,
            rows,
            threads,
            // The first layer with weights has no gradient to give on.
            tracked: placed.index > first,
            together: Together::ALONE,
        })
        .collect();
    let scoring = together(&layers).iter().map(Traced::scoring).max().unwrap_or(0);
    let mut heap = Heap::default();
    let parts = if recompute { blocks(model) } else { Vec::new() };
    let Some((last, earlier)) = parts.split_last() else {
        let activations = pass(&layers, &mut heap, true);
        return Step {
            activations,
            peak: heap.peak,
            scoring,
        };
    };
    // Forward without a graph: what enters each part stays.
    for part in earlier {
        let part = &layers[part.clone()];
        let widest = together(part).iter().map(Traced::scoring).max().unwrap_or(0);
        let entry = part.last().map_or(0, Traced::y);
        heap.keep(entry, widest.saturating_sub(entry));
    }
    let kept: u64 = heap.live;
    let activations = kept + pass(&layers[last.clone()], &mut heap, true);
    for part in earlier.iter().rev() {
        again(&layers, part, &mut heap);
    }
    Step {
        activations,
        peak: heap.peak,
        scoring,
    }
}

/// A part computed again, then backward. Of what it gives there is only the gradient left.
fn again(layers: &[Traced], part: &Range<usize>, heap: &mut Heap) {
    let layers = &layers[part.clone()];
    heap.free(layers.last().map_or(0, Traced::y));
    pass(layers, heap, false);
}

/// The layers with those put together that are computed as one.
fn together(layers: &[Traced]) -> Vec<Traced> {
    let placed: Vec<_> = layers.iter().map(|layer| layer.placed).collect();
    let mut found = Vec::with_capacity(layers.len());
    let mut at = 0;
    while at < layers.len() {
        let together = Together::of(&placed[at..]);
        let mut layer = layers[at];
        at += together.layers;
        layer.placed.output = placed[at - 1].output;
        layer.together = together;
        found.push(layer);
    }
    found
}

/// Forward and backward through `layers`; the bytes kept when forward ends.
fn pass(layers: &[Traced], heap: &mut Heap, is_end: bool) -> u64 {
    let layers = &together(layers);
    let before = heap.live;
    // What enters is counted where it comes from.
    let mut value = heap.tensor(0, 0);
    let mut remembered = Vec::new();
    // Terms, and the tensor held for the backward pass.
    let mut saved: Vec<(Terms, Option<usize>)> = Vec::new();
    for layer in layers {
        let unique = heap.tensors[value].1 == 1 && heap.tensors[value].0 > 0;
        let terms = layer.terms();
        let input = terms.saves_input.then_some(value);
        if let Some(input) = input {
            heap.hold(input);
        }
        match layer.placed.layer {
            LayerSpec::Branch => {
                heap.hold(value);
                remembered.push(value);
            }
            _ if terms.aliases || (terms.in_place && unique) => heap.keep(terms.kept, terms.forward),
            _ => {
                let output = heap.tensor(layer.y(), terms.kept + terms.forward);
                heap.keep(terms.kept, 0);
                heap.release(value);
                value = output;
            }
        }
        if layer.placed.layer == LayerSpec::Sum
            && let Some(shortcut) = remembered.pop()
        {
            if layer.placed.projection().is_some() {
                // Held for the gradient of the projection.
                saved.push((terms, Some(shortcut)));
                continue;
            }
            heap.release(shortcut);
        }
        if terms.saves_output {
            heap.hold(value);
        }
        saved.push((terms, if terms.saves_output { Some(value) } else { input }));
    }
    let activations = heap.live - before;
    let end = layers.last().map_or(0, Traced::y);
    if is_end {
        // The outputs read out, their gradient, and the gradient that the backward pass begins with.
        heap.keep(3 * end, 0);
        heap.release(value);
    } else {
        // The gradient of the output is made anew beside the one that was given.
        heap.release(value);
        heap.keep(0, end);
    }
    for (layer, (terms, held)) in layers.iter().zip(saved).rev() {
        let gradient = if layer.tracked { layer.x() } else { 0 };
        heap.keep(0, terms.backward);
        heap.free(layer.y() + terms.kept);
        if let Some(held) = held {
            heap.release(held);
        }
        heap.keep(layer.weights() + gradient, 0);
        match layer.placed.layer {
            LayerSpec::Sum => heap.keep(layer.shortcut(), 0),
            LayerSpec::Branch => heap.free(layer.x()),
            _ => {}
        }
    }
    activations
}
