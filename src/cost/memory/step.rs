//! One training step through the heap, layer by layer: what is alive, and the most that ever is.

use std::collections::HashMap;
use std::ops::Range;

use super::layers::{Terms, Traced};
use crate::cost::{Together, blocks, weights};
use crate::spec::{LayerSpec, ModelSpec, Precision, TrainConfig};

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
    /// Of a tensor the one that holds its values in 16 bits.
    packed: HashMap<usize, usize>,
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

    /// The tensor's values in 16 bits, `bytes` in all, held once more.
    fn pack(&mut self, tensor: usize, bytes: u64) -> usize {
        match self.packed.get(&tensor) {
            Some(&packed) if self.tensors[packed].1 > 0 => {
                self.hold(packed);
                packed
            }
            _ => {
                let packed = self.tensor(bytes, 0);
                self.packed.insert(tensor, packed);
                packed
            }
        }
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
pub fn step(model: &ModelSpec, rows: u64, train: &TrainConfig) -> Step {
    let Ok(walk) = model.walk() else {
        return Step::default();
    };
    let threads = rayon::current_num_threads() as u64;
    let first = walk.iter().position(|placed| weights(placed) > 0).unwrap_or(walk.len());
    let layers: Vec<Traced> = walk
        .into_iter()
        .map(|placed| Traced {
            placed,
            rows,
            threads,
            // The first layer with weights has no gradient to give on.
            tracked: placed.index > first,
            packs: train.precision != Precision::F32 && !matches!(placed.layer, LayerSpec::Recurrent { .. }),
            together: Together::ALONE,
        })
        .collect();
    let scoring = together(&layers).iter().map(Traced::scoring).max().unwrap_or(0);
    let mut heap = Heap::default();
    let parts = if train.recompute { blocks(model) } else { Vec::new() };
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

/// What is held of a layer for the backward pass: a tensor, or where that is in 16 bits the bytes that it will take in 32.
#[derive(Debug, Clone, Copy)]
struct Held {
    tensor: usize,
    unpacked: u64,
}

/// A tensor of `bytes`, held for the backward pass once more.
fn held(heap: &mut Heap, tensor: usize, bytes: u64, packs: bool) -> Held {
    if packs {
        return Held {
            tensor: heap.pack(tensor, bytes / 2),
            unpacked: bytes,
        };
    }
    heap.hold(tensor);
    Held { tensor, unpacked: 0 }
}

/// Forward and backward through `layers`; the bytes kept when forward ends.
fn pass(layers: &[Traced], heap: &mut Heap, is_end: bool) -> u64 {
    let layers = &together(layers);
    let before = heap.live;
    // What enters is counted where it comes from.
    let mut value = heap.tensor(0, 0);
    let mut remembered = Vec::new();
    let mut saved: Vec<(Terms, Option<Held>)> = Vec::new();
    for layer in layers {
        let unique = heap.tensors[value].1 == 1 && heap.tensors[value].0 > 0;
        let terms = layer.terms();
        let input = terms
            .saves_input
            .then(|| held(heap, value, layer.x(), layer.packs && layer.tracked));
        match layer.placed.layer {
            LayerSpec::Branch => {
                heap.hold(value);
                remembered.push(value);
            }
            _ if terms.aliases => heap.keep(terms.kept, terms.forward),
            _ if terms.in_place && unique => {
                heap.packed.remove(&value);
                heap.keep(terms.kept, terms.forward);
            }
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
            let held = layer.placed.projection().is_some().then(|| {
                // For the gradient of the projection.
                let packs = layer.packs && layer.tracked;
                held(heap, shortcut, layer.shortcut(), packs)
            });
            heap.release(shortcut);
            saved.push((terms, held));
            continue;
        }
        let output = terms.saves_output.then(|| held(heap, value, layer.y(), layer.packs));
        saved.push((terms, output.or(input)));
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
        let unpacked = held.map_or(0, |held| held.unpacked);
        heap.keep(unpacked, 0);
        if let Some(held) = held.filter(|held| held.unpacked > 0) {
            heap.release(held.tensor);
        }
        heap.keep(0, terms.backward);
        heap.free(layer.y() + terms.kept + unpacked);
        if let Some(held) = held.filter(|held| held.unpacked == 0) {
            heap.release(held.tensor);
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
