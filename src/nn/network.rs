//! The network: a list of layers that trains, evaluates, and lends its parameters to an optimizer as plain slices.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

use super::WeightError;
use super::layers::Layer;
use crate::spec::{ModelSpec, ShapeError, Weights};

/// A [`ModelSpec`] with weights on a device. On an autodiff device it can be trained.
#[derive(Module, Debug)]
pub struct Network {
    pub(super) layers: Vec<Layer>,
    #[module(skip)]
    model: ModelSpec,
    /// Without autodiff.
    #[module(skip)]
    device: Device,
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

impl Network {
    /// Fresh weights by He's rule (He et al. 2015), uniform: the variance is `2 / inputs` in front of a `ReLU` and `1 / inputs`
    /// elsewhere, biases are 0. Drawn from `seed`, so that the same seed gives the same weights on every device.
    pub fn new(model: &ModelSpec, seed: u64, device: &Device) -> Result<Self, ShapeError> {
        let weights = super::weights::initial(model, seed)?;
        Self::build(model, &weights, device)
    }

    /// A network with these weights, in PyTorch's layout.
    pub fn from_weights(model: &ModelSpec, weights: &Weights, device: &Device) -> Result<Self, WeightError> {
        super::weights::check(model, weights)?;
        Ok(Self::build(model, weights, device)?)
    }

    fn build(model: &ModelSpec, weights: &Weights, device: &Device) -> Result<Self, ShapeError> {
        Ok(Self {
            layers: super::weights::build(model, weights, device)?,
            model: model.clone(),
            device: device.clone().without_autodiff(),
        })
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
        self.layers.iter().fold(x, |x, layer| layer.forward(x, None))
    }

    /// As [`forward`](Self::forward), with the output `[samples, values]` of every layer, in their order.
    pub fn forward_layers(&self, x: Tensor<2>) -> Vec<Tensor<2>> {
        self.layers
            .iter()
            .scan(x, |x, layer| {
                *x = layer.forward(x.clone(), None);
                Some(x.clone())
            })
            .collect()
    }

    /// The forward pass of a training step: batch statistics, which also move the running ones, and dropout.
    fn forward_training(&self, x: Tensor<2>, key: DropoutKey) -> Tensor<2> {
        self.layers.iter().fold(x, |x, layer| layer.forward(x, Some(key)))
    }

    /// Outputs for `rows` samples of plain numbers, row by row.
    pub fn predict(&self, inputs: Vec<f32>, rows: usize) -> Vec<f32> {
        let width = inputs.len() / rows.max(1);
        numbers(self.forward(Tensor::from_data(TensorData::new(inputs, [rows, width]), &self.device)))
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
        let outputs = self.forward_training(x, key);
        let shape = outputs.dims();
        let gradient = differentiate(&numbers(outputs.clone().inner()))?;
        // Backward begins with ones, so what reaches `outputs` is the gradient that stands beside it in the product.
        let gradient = Tensor::from_data(TensorData::new(gradient, shape), &self.device);
        Ok(self.take((outputs * gradient).backward()))
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

    /// The gradient of every trainable parameter.
    fn take(&self, gradients: Gradients) -> Vec<Vec<f32>> {
        struct Take(Gradients, Vec<Vec<f32>>);
        impl ModuleVisitor for Take {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if param.is_require_grad() {
                    let gradient = param.val().grad_remove(&mut self.0);
                    self.1
                        .push(gradient.map_or_else(|| vec![0.0; param.shape().num_elements()], numbers));
                }
            }
        }
        let mut take = Take(gradients, Vec::new());
        self.visit(&mut take);
        take.1
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

/// The values of a tensor, row-major; without a copy when nobody else holds it.
pub(super) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let (bytes, _, _) = tensor.into_data().into_parts();
    bytes.try_into_vec().unwrap_or_else(|bytes| {
        bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect()
    })
}
