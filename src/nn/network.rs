//! The network: a list of layers that trains, evaluates, and lends its parameters to an optimizer as plain slices.

use std::ops::Range;
use std::sync::Arc;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::fused;
use super::layers::{Layer, Source};
use super::{Grids, WeightError};
use crate::cost::Together;
use crate::spec::{AttentionLayer, Initialiser, ModelSpec, Placed, Precision, Shape, ShapeError, Weights};

/// A [`ModelSpec`] with weights on a device. On an autodiff device it can be trained.
#[derive(Module, Debug)]
pub struct Network {
    pub(super) layers: Vec<Layer>,
    #[module(skip)]
    model: ModelSpec,
    #[module(skip)]
    pub(super) placed: Vec<Placed>,
    /// Without autodiff.
    #[module(skip)]
    pub(super) device: Device,
    /// Computes activations again in the backward pass.
    #[module(skip)]
    pub(super) recompute: bool,
    /// Of the activations that are kept for the backward pass.
    #[module(skip)]
    pub(super) precision: Precision,
    /// Those that it computes on.
    #[module(skip)]
    grids: Option<Arc<Grids>>,
}

/// From which numbers a training step's dropout masks are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropoutKey {
    pub seed: u64,
    /// Counted from 0 over the whole run.
    pub step: usize,
    /// Place of the first of these samples among all of the step: each row draws a mask of its own, however the step's
    /// samples are divided.
    pub first_row: usize,
}

/// What travels beside the value from layer to layer.
#[derive(Debug)]
pub struct Pass {
    /// As a training step does it: batch statistics, and dropout.
    pub training: Option<DropoutKey>,
    /// Whether the batch statistics move the running ones, which they do once a step.
    pub moves_statistics: bool,
    /// Of open branches, the latest last.
    pub remembered: Vec<Tensor<2>>,
    /// `[samples, steps]`: 0 where a step is padding.
    pub mask: Option<Tensor<2>>,
    grids: Option<Arc<Grids>>,
}

impl Network {
    /// Fresh weights by He's rule, as [`initialised`](Self::initialised) draws them.
    pub fn new(model: &ModelSpec, seed: u64, device: &Device) -> Result<Self, ShapeError> {
        Self::initialised(model, Initialiser::Kaiming, seed, device)
    }

    /// Fresh weights. Those of dense layers and convolutions follow `initialiser`: by He's rule (He et al. 2015), uniform with
    /// variance `2 / inputs` in front of an activation that cuts and `1 / inputs` elsewhere. Biases are 0; recurrent layers and
    /// attention begin as in PyTorch unless another rule is chosen. Drawn from `seed`, so that the same seed gives the same weights
    /// on every device.
    pub fn initialised(
        model: &ModelSpec,
        initialiser: Initialiser,
        seed: u64,
        device: &Device,
    ) -> Result<Self, ShapeError> {
        let weights = super::initial::initial(model, initialiser, seed)?;
        Self::build(model, &weights, device)
    }

    /// A network with these weights, in PyTorch's layout.
    pub fn from_weights(model: &ModelSpec, weights: &Weights, device: &Device) -> Result<Self, WeightError> {
        super::weights::check(model, weights)?;
        Ok(Self::build(model, weights, device)?)
    }

    fn build(model: &ModelSpec, weights: &Weights, device: &Device) -> Result<Self, ShapeError> {
        let placed = model.walk()?;
        let layer = |placed: &Placed| {
            Layer::new(
                placed,
                &Source {
                    placed,
                    weights,
                    device,
                },
            )
        };
        Ok(Self {
            layers: placed.iter().map(layer).collect(),
            placed,
            recompute: false,
            precision: Precision::F32,
            grids: None,
            model: model.clone(),
            device: device.clone().without_autodiff(),
        })
    }

    /// The same network, computing as if on these grids of it. Copies share the grids.
    #[must_use]
    pub fn on_grids(mut self, grids: Arc<Grids>) -> Self {
        self.grids = Some(grids);
        self
    }

    /// A copy of all weights and running statistics, in PyTorch's layout and names.
    pub fn to_weights(&self) -> Weights {
        super::weights::extract(self)
    }

    pub fn model(&self) -> &ModelSpec {
        &self.model
    }

    /// `[samples, inputs]` to `[samples, outputs]`, as a finished network answers: running statistics, no dropout.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let mut pass = Pass::new(self, &x, None);
        self.through(0..self.layers.len(), x, &mut pass)
    }

    /// As [`forward`](Self::forward), with the output `[samples, values]` of every layer, in their order.
    pub fn forward_layers(&self, x: Tensor<2>) -> Vec<Tensor<2>> {
        let mut pass = Pass::new(self, &x, None);
        let layers = self.layers.iter().zip(&self.placed);
        layers
            .scan(x, |x, (layer, placed)| {
                *x = pass.step(layer, placed, x.clone());
                Some(x.clone())
            })
            .collect()
    }

    /// What enters each layer in the answers to the samples `[samples, inputs]`, and of attention what its heads gather; row by row.
    pub fn entering(&self, x: Tensor<2>) -> Vec<[Vec<f32>; 2]> {
        let mut pass = Pass::new(self, &x, None);
        let mut x = x;
        let mut found = Vec::with_capacity(self.layers.len());
        for (layer, placed) in self.layers.iter().zip(&self.placed) {
            let gathered = match layer {
                Layer::Attention(attention) => {
                    let mask = pass.mask.clone().filter(|_| placed.padded);
                    numbers(attention.gathered(x.clone(), mask))
                }
                _ => Vec::new(),
            };
            found.push([numbers(x.clone()), gathered]);
            x = pass.step(layer, placed, x);
        }
        found
    }

    /// The value behind a range of layers.
    pub(super) fn through(&self, range: Range<usize>, x: Tensor<2>, pass: &mut Pass) -> Tensor<2> {
        let (mut at, mut x) = (range.start, x);
        while at < range.end {
            let together = pass.together(&self.placed[at..range.end], &x);
            x = match &self.layers[at] {
                Layer::Convolution(convolution) if together.layers > 1 => convolution.forward_with(x, together),
                layer => pass.step(layer, &self.placed[at], x),
            };
            at += together.layers;
        }
        x
    }

    /// Outputs for `rows` samples of plain numbers, row by row.
    pub fn predict(&self, inputs: Vec<f32>, rows: usize) -> Vec<f32> {
        let width = inputs.len() / rows.max(1);
        numbers(self.forward(Tensor::from_data(TensorData::new(inputs, [rows, width]), &self.device)))
    }

    /// Answers as [`predict`](Self::predict) does, and calls `after` with the place of each layer that is done.
    pub fn watched(&self, inputs: Vec<f32>, rows: usize, mut after: impl FnMut(usize)) {
        let network = self.valid();
        let width = inputs.len() / rows.max(1);
        let mut x = Tensor::from_data(TensorData::new(inputs, [rows, width]), &network.device);
        let mut pass = Pass::new(&network, &x, None);
        for (layer, placed) in network.layers.iter().zip(&network.placed) {
            x = pass.step(layer, placed, x);
            after(placed.index);
        }
    }

    /// How every step attends to every other in the answer to one sample: one a layer that does, in their order.
    pub fn attention(&self, inputs: &[f32]) -> Vec<AttentionLayer> {
        let network = self.valid();
        let x = TensorData::new(inputs.to_vec(), [1, inputs.len()]);
        let mut x = Tensor::from_data(x, &network.device);
        let mut pass = Pass::new(&network, &x, None);
        let mut found = Vec::new();
        for (layer, placed) in network.layers.iter().zip(&network.placed) {
            if let Layer::Attention(attention) = layer {
                let mask = pass.mask.clone().filter(|_| placed.padded);
                found.push(attention.seen(placed.index, x.clone(), mask));
            }
            x = pass.step(layer, placed, x);
        }
        found
    }

    /// Copies of the trainable parameters in this module's own layout, layer by layer: the order of
    /// [`gradients`](Self::gradients) and [`update`](Self::update).
    pub fn parameters(&self) -> Vec<Vec<f32>> {
        struct Read(Vec<Vec<f32>>);
        impl ModuleVisitor for Read {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if param.is_require_grad() {
                    self.0.push(numbers(param.val()));
                }
            }
        }
        let mut read = Read(Vec::new());
        self.visit(&mut read);
        read.0
    }

    /// Hands each trainable parameter to `step`, with its place in the order, to be changed in place.
    pub fn update(&mut self, step: impl FnMut(usize, &mut [f32])) {
        struct Update<F>(F, usize);
        impl<F: FnMut(usize, &mut [f32])> ModuleMapper for Update<F> {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                if !param.is_require_grad() {
                    return param;
                }
                let (id, tensor, mapper) = param.consume();
                let device = tensor.device();
                let shape = tensor.dims();
                let mut values = numbers(tensor.inner());
                (self.0)(self.1, &mut values);
                self.1 += 1;
                let tensor = Tensor::from_data(TensorData::new(values, shape), &device).require_grad();
                Param::from_mapped_value(id, tensor, mapper)
            }
        }
        self.layers = std::mem::take(&mut self.layers).map(&mut Update(step, 0));
    }
}

impl Pass {
    /// At the input `x` of `network`.
    pub fn new(network: &Network, x: &Tensor<2>, training: Option<DropoutKey>) -> Self {
        let is_text = matches!(network.model.input, Shape::Tokens { .. });
        Self {
            training,
            moves_statistics: true,
            remembered: Vec::new(),
            mask: is_text.then(|| super::steps::mask(x)),
            grids: network.grids.clone(),
        }
    }

    /// The training step, where its values count for the ranges of grids.
    pub fn observed_step(&self) -> Option<usize> {
        self.training.filter(|_| self.moves_statistics).map(|key| key.step)
    }

    /// What is done at once with the first of `layers`.
    fn together(&self, layers: &[Placed], x: &Tensor<2>) -> Together {
        if self.grids.is_none() && fused::serves(x) {
            Together::of(layers)
        } else {
            Together::ALONE
        }
    }

    fn step(&mut self, layer: &Layer, placed: &Placed, x: Tensor<2>) -> Tensor<2> {
        if !placed.padded {
            self.mask = None;
        }
        let Some(grids) = self.grids.clone() else {
            return layer.forward(x, self);
        };
        let index = placed.index;
        let step = self.observed_step();
        let x = if index == 0 { grids.entering(x, step) } else { x };
        let x = grids.before(index, x, step);
        let x = match grids.weights(index) {
            Some(rounding) => layer.forward_rounded(x, self, rounding, (&grids, index)),
            None => layer.forward(x, self),
        };
        grids.after(index, x, step)
    }
}

/// The values of a tensor, row-major; without a copy when nobody else holds it.
pub(super) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    values(tensor.into_data())
}

/// The same of what a tensor gives away.
pub(super) fn values(data: TensorData) -> Vec<f32> {
    let (bytes, _, _) = data.into_parts();
    bytes.try_into_vec().unwrap_or_else(|bytes| {
        bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect()
    })
}
