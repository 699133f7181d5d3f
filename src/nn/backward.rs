//! The backward pass of a training step: with all activations kept, or computed again block by block.

use std::ops::Range;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};

use super::kept;
use super::layers::Layer;
use super::network::{DropoutKey, Network, Pass, numbers};
use crate::cost;
use crate::spec::Precision;

impl Network {
    /// The same network, which keeps only what enters each block of layers and computes the rest again in the backward pass, if
    /// `recompute` (Chen et al. 2016): less memory for about a third more time.
    #[must_use]
    pub fn recomputing(mut self, recompute: bool) -> Self {
        self.recompute = recompute;
        self
    }

    /// The same network, which keeps activations for the backward pass in `precision`: in 16 bits half the memory, a fifth
    /// to a half more time, and gradients rounded accordingly. Weights, gradients and the forward pass stay in 32 bits.
    #[must_use]
    pub fn keeping(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// One forward pass of a training step over `rows` samples, the gradient that `differentiate` gives for its outputs
    /// (row by row), and the backward pass: the gradient of every parameter, in the order of
    /// [`parameters`](Self::parameters); or what `differentiate` failed with.
    pub fn gradients<E>(
        &self,
        inputs: Vec<f32>,
        rows: usize,
        key: DropoutKey,
        differentiate: impl FnOnce(&[f32]) -> Result<Vec<f32>, E>,
    ) -> Result<Vec<Vec<f32>>, E> {
        let width = inputs.len() / rows.max(1);
        let x = Tensor::from_data(TensorData::new(inputs, [rows, width]), &self.device);
        let blocks = if self.recompute {
            cost::blocks(self.model())
        } else {
            Vec::new()
        };
        let (last, earlier) = match blocks.split_last() {
            Some((last, earlier)) => (last.clone(), earlier),
            None => (0..self.layers.len(), [].as_slice()),
        };
        let mut pass = Pass::new(self, &x, Some(key));
        let mut value = x;
        let mut entries = Vec::with_capacity(earlier.len());
        if !earlier.is_empty() {
            let plain = self.valid();
            pass.moves_statistics = false;
            for block in earlier {
                entries.push((block.clone(), value.clone(), pass.mask.clone()));
                value = plain.through(block.clone(), value, &mut pass);
            }
            pass.moves_statistics = true;
        }
        let mut entry = Self::entry(last.start, value);
        let outputs = self.recorded(last.clone(), entry.clone(), &mut pass);
        let shape = outputs.dims();
        let gradient = differentiate(&numbers(outputs.clone().inner()))?;
        let gradient = Tensor::from_data(TensorData::new(gradient, shape), &self.device);
        let mut found = Vec::new();
        // Backward begins with ones, so what reaches `outputs` is the gradient that stands beside it in the product.
        let mut gradients = (outputs * gradient).backward();
        found.push(take(&self.layers[last], &mut gradients));
        while let Some((block, before, mask)) = entries.pop() {
            let Some(gradient) = entry.grad_remove(&mut gradients) else {
                break;
            };
            drop(gradients);
            entry = Self::entry(block.start, before);
            pass.mask = mask;
            let outputs = self.recorded(block.clone(), entry.clone(), &mut pass);
            // Only the sum is left of the product while backward goes on.
            gradients = (outputs * gradient).sum().backward();
            found.push(take(&self.layers[block], &mut gradients));
        }
        Ok(found.into_iter().rev().flatten().collect())
    }

    fn recorded(&self, range: Range<usize>, x: Tensor<2>, pass: &mut Pass) -> Tensor<2> {
        kept::keeping(self.precision, || self.through(range, x, pass))
    }

    /// What enters a block, so that its gradient can be taken; there is none before the first weights.
    fn entry(layer: usize, value: Tensor<2>) -> Tensor<2> {
        if layer == 0 {
            return value;
        }
        value.autodiff().require_grad()
    }
}

/// The gradient of every trainable parameter of `layers`.
fn take(layers: &[Layer], gradients: &mut Gradients) -> Vec<Vec<f32>> {
    struct Take<'a>(&'a mut Gradients, Vec<Vec<f32>>);
    impl ModuleVisitor for Take<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                let gradient = param.val().grad_remove(self.0);
                self.1
                    .push(gradient.map_or_else(|| vec![0.0; param.shape().num_elements()], numbers));
            }
        }
    }
    let mut take = Take(gradients, Vec::new());
    for layer in layers {
        layer.visit(&mut take);
    }
    take.1
}
