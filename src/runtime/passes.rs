//! Rewrites a chain of layers into fewer layers that give the same results.
//!
//! Quantize/dequantize pairs say what an integer engine may compute; these passes find the layers whose input, weights and
//! output are all on a grid, and make integer layers of them. What does not match stays as the file says, in floats.

use half::f16;

use super::chain::{Activation, Bias, Kind, Layer, Pooling, Product, Weights};
use super::constants::scaled;
use crate::kernels::Grid;

/// Applies all passes.
pub(super) fn optimise(layers: Vec<Layer>) -> Vec<Layer> {
    let layers = keep_bytes(layers);
    let layers = fold_into_products(layers);
    fuse_grids(layers)
}

/// Moves dequantization behind layers that only choose or keep values, and drops it where the same quantization follows: pooling
/// and flattening then work on bytes.
fn keep_bytes(layers: Vec<Layer>) -> Vec<Layer> {
    let mut kept: Vec<Layer> = Vec::with_capacity(layers.len());
    for layer in layers {
        let grid = match kept.last().map(|last| &last.kind) {
            Some(Kind::Dequantize(grid)) => Some(*grid),
            _ => None,
        };
        match (&layer.kind, grid) {
            (Kind::Flatten | Kind::Pool(Pooling::Max { .. }), Some(_)) => kept.insert(kept.len() - 1, layer),
            (Kind::Quantize(to), Some(from)) if *to == from => {
                kept.pop();
            }
            _ => kept.push(layer),
        }
    }
    kept
}

/// Folds scale and shift into the weights before it (Jacob et al. 2018), and ReLU into the store.
fn fold_into_products(layers: Vec<Layer>) -> Vec<Layer> {
    let mut folded: Vec<Layer> = Vec::with_capacity(layers.len());
    for layer in layers {
        let before = match folded.last_mut().map(|last| &mut last.kind) {
            Some(Kind::Product(product)) => Some(product),
            _ => None,
        };
        match (&layer.kind, before) {
            (Kind::ScaleShift { scale, shift }, Some(product)) if product.takes(scale.len()) => {
                product.fold(scale, shift);
            }
            (Kind::Activation(Activation::Relu), Some(product)) => product.relu = true,
            _ => folded.push(layer),
        }
    }
    folded
}

/// Makes integer layers of products between grids, and floats of integer weights that meet floats.
fn fuse_grids(layers: Vec<Layer>) -> Vec<Layer> {
    let mut fused: Vec<Layer> = Vec::with_capacity(layers.len());
    for mut layer in layers {
        match (&mut layer.kind, fused.last_mut().map(|last| &mut last.kind)) {
            (Kind::Product(product), Some(Kind::Dequantize(grid))) if product.fits(*grid) => {
                product.input_grid = Some(*grid);
                fused.pop();
                fused.push(layer);
            }
            (Kind::Product(product), _) => {
                product.leave_integers();
                fused.push(layer);
            }
            (Kind::Quantize(grid), Some(Kind::Product(product))) if product.input_grid.is_some() => {
                product.output_grid = Some(*grid);
            }
            _ => fused.push(layer),
        }
    }
    fused
}

impl Product {
    /// Whether a scale and shift of so many channels can be folded into the weights without changing their form.
    fn takes(&self, channels: usize) -> bool {
        channels == self.outputs && !self.relu && matches!(self.weights, Weights::Single(_))
    }

    fn fold(&mut self, scale: &[f32], shift: &[f32]) {
        if let Weights::Single(weights) = &mut self.weights {
            let inner = weights.len() / self.outputs;
            for (filter, scale) in weights.chunks_exact_mut(inner).zip(scale) {
                for weight in filter {
                    *weight *= scale;
                }
            }
        }
        let bias = self.bias.to_floats();
        let bias = bias
            .iter()
            .zip(scale.iter().zip(shift))
            .map(|(bias, (scale, shift))| bias * scale + shift);
        self.bias = Bias::Float(bias.collect());
    }

    /// Whether weights and bias are integers whose products are on the bias's grid for an input on `grid`.
    pub(super) fn fits(&self, grid: Grid) -> bool {
        let Weights::Integer { scales, .. } = &self.weights else {
            return false;
        };
        match &self.bias {
            Bias::Float(values) => values.iter().all(|&value| value == 0.0),
            Bias::Integer {
                scales: bias_scales, ..
            } => scales.iter().zip(bias_scales).all(|(weight, bias)| {
                let product = weight * grid.scale;
                (product - bias).abs() <= 1e-4 * product
            }),
        }
    }

    /// Makes floats of integer weights and biases: they compute in floats because their input does.
    pub(super) fn leave_integers(&mut self) {
        if let Weights::Integer { values, scales } = &self.weights {
            self.weights = Weights::Single(scaled(values, scales, f32::from));
        }
        self.bias = Bias::Float(self.bias.to_floats());
    }
}

impl Weights {
    /// The number of weights.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Half(values) => <[f16]>::len(values),
            Self::Integer { values, .. } => values.len(),
        }
    }
}
