//! The kinds of layer as one burn module. Each maps `[samples, values]` to `[samples, values]` and knows the shape of a sample,
//! so that a network is a plain list.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::attention::Attention;
use super::convolution::{AveragePool, Convolution, Convolution1d, MaxPool};
use super::dense::{Dense, linear};
use super::grids::{Grids, Order, WeightRounding};
use super::network::{Pass, numbers};
use super::norm::{BatchNorm, LayerNorm};
use super::pointwise::{Activation, Dropout};
use super::recurrent::Recurrent;
use super::steps::{ClassToken, Embedding, FirstStep, Patches, Positions, Rows};
use crate::spec::{LayerSpec, Placed, Shape, Weights};

#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a network has few layers, and modules are not boxed"
)]
pub enum Layer {
    Dense(Dense),
    Convolution(Convolution),
    Convolution1d(Convolution1d),
    BatchNorm(BatchNorm),
    LayerNorm(LayerNorm),
    Activation(Activation),
    MaxPool(MaxPool),
    AveragePool(AveragePool),
    Dropout(Dropout),
    Flatten(Flatten),
    Rows(Rows),
    Patches(Patches),
    Embedding(Embedding),
    Positions(Positions),
    ClassToken(ClassToken),
    FirstStep(FirstStep),
    Recurrent(Recurrent),
    Attention(Attention),
    Branch(Branch),
    Sum(Sum),
}

/// The values stand in the order of memory already.
#[derive(Module, Debug)]
pub struct Flatten {}

/// Remembers its input.
#[derive(Module, Debug)]
pub struct Branch {}

/// Adds what the branch remembered, projected where the shapes differ.
#[derive(Module, Debug)]
pub struct Sum {
    projection: Option<Projector>,
}

#[derive(Module, Debug)]
enum Projector {
    Dense(Dense),
    Convolution(Convolution),
}

impl Layer {
    /// The layer at its place, with weights that have been checked against it.
    pub fn new(placed: &Placed, source: &Source) -> Self {
        match placed.layer {
            LayerSpec::Dense { .. } => Self::Dense(Dense::new(source)),
            LayerSpec::Conv2d { .. } | LayerSpec::DepthwiseConv2d { .. } => {
                Self::Convolution(Convolution::new(placed, source))
            }
            LayerSpec::Conv1d { .. } => Self::Convolution1d(Convolution1d::new(placed, source)),
            LayerSpec::BatchNorm => Self::BatchNorm(BatchNorm::new(placed, source)),
            LayerSpec::LayerNorm => Self::LayerNorm(LayerNorm::new(source)),
            LayerSpec::Activation { function } => Self::Activation(Activation { function }),
            LayerSpec::MaxPool { size } => Self::MaxPool(MaxPool {
                input: placed.input,
                size,
            }),
            LayerSpec::GlobalAveragePool => Self::AveragePool(AveragePool { input: placed.input }),
            LayerSpec::Dropout { probability } => Self::Dropout(Dropout {
                probability,
                layer: placed.index,
            }),
            LayerSpec::Flatten => Self::Flatten(Flatten {}),
            LayerSpec::Rows => Self::Rows(Rows { input: placed.input }),
            LayerSpec::Patches { size } => Self::Patches(Patches {
                input: placed.input,
                size,
            }),
            LayerSpec::Embedding { .. } => Self::Embedding(Embedding::new(source)),
            LayerSpec::Positions { encoding } => Self::Positions(Positions::new(encoding, placed.input, source)),
            LayerSpec::ClassToken => Self::ClassToken(ClassToken::new(source)),
            LayerSpec::FirstStep => Self::FirstStep(FirstStep { input: placed.input }),
            LayerSpec::Recurrent {
                cell,
                bidirectional,
                sequence,
                ..
            } => Self::Recurrent(Recurrent::new(cell, bidirectional, sequence, placed.input, source)),
            LayerSpec::SelfAttention { heads, .. } => Self::Attention(Attention::new(heads, placed.input, source)),
            LayerSpec::Branch => Self::Branch(Branch {}),
            LayerSpec::Sum => Self::Sum(Sum::new(placed, source)),
        }
    }

    /// `[samples, inputs]` to `[samples, outputs]`.
    pub fn forward(&self, x: Tensor<2>, pass: &mut Pass) -> Tensor<2> {
        match self {
            Self::Dense(dense) => dense.forward(x),
            Self::Convolution(convolution) => convolution.forward(x),
            Self::Convolution1d(convolution) => convolution.forward(x),
            Self::BatchNorm(norm) if pass.training.is_some() => norm.forward_training(x, pass.moves_statistics),
            Self::BatchNorm(norm) => norm.forward(x),
            Self::LayerNorm(norm) => norm.forward(x),
            Self::Activation(activation) => activation.forward(x),
            Self::MaxPool(pool) => pool.forward(x),
            Self::AveragePool(pool) => pool.forward(x, pass.mask.clone()),
            Self::Dropout(dropout) => match pass.training {
                Some(key) => dropout.forward_training(x, key),
                None => x,
            },
            Self::Flatten(_) => x,
            Self::Rows(rows) => rows.forward(x),
            Self::Patches(patches) => patches.forward(x),
            Self::Embedding(embedding) => embedding.forward(x),
            Self::Positions(positions) => positions.forward(x),
            Self::ClassToken(token) => {
                pass.mask = pass.mask.take().map(super::steps::with_class);
                token.forward(x)
            }
            Self::FirstStep(first) => first.forward(x),
            Self::Recurrent(recurrent) => recurrent.forward(x),
            Self::Attention(attention) => attention.forward(x, pass.mask.clone()),
            Self::Branch(_) => {
                pass.remembered.push(x.clone());
                x
            }
            Self::Sum(sum) => match pass.remembered.pop() {
                Some(remembered) => x + sum.shortcut(remembered),
                None => x,
            },
        }
    }

    /// As [`forward`](Self::forward) of the layer at `index` whose weights are put on `grids` first, by `rounding`; layers without such
    /// weights give back their input.
    pub fn forward_rounded(
        &self,
        x: Tensor<2>,
        pass: &Pass,
        rounding: WeightRounding,
        (grids, index): (&Grids, usize),
    ) -> Tensor<2> {
        match self {
            Self::Attention(attention) => {
                let gather = |gathered| grids.gathered(index, gathered, pass.observed_step());
                attention.forward_rounded(x, pass.mask.clone(), rounding, gather)
            }
            Self::Dense(dense) => {
                let (weight, bias) = rounding.put(dense.weight.val(), dense.bias.val(), Order::Columns);
                linear(x, weight, bias)
            }
            Self::Convolution(convolution) => {
                let (weight, bias) = rounding.put(convolution.weight.val(), convolution.bias.val(), Order::Rows);
                convolution.apply(x, weight, bias)
            }
            Self::Convolution1d(convolution) => {
                let (weight, bias) = rounding.put(convolution.weight.val(), convolution.bias.val(), Order::Rows);
                convolution.apply(x, weight, bias)
            }
            _ => x,
        }
    }

    /// All tensors as plain numbers in PyTorch's layout, by their names.
    pub fn parts(&self) -> Vec<(&'static str, Vec<f32>)> {
        match self {
            Self::Dense(dense) => dense.parts(),
            Self::Convolution(convolution) => convolution.parts(),
            Self::Convolution1d(convolution) => convolution.parts(),
            Self::BatchNorm(norm) => norm.parts(),
            Self::LayerNorm(norm) => norm.parts(),
            Self::Embedding(embedding) => vec![("weight", numbers(embedding.weight.val()))],
            Self::Positions(positions) => positions.parts(),
            Self::ClassToken(token) => vec![("weight", numbers(token.weight.val()))],
            Self::Recurrent(recurrent) => recurrent.parts(),
            Self::Attention(attention) => attention.parts(),
            Self::Sum(sum) => match &sum.projection {
                Some(Projector::Dense(dense)) => dense.parts(),
                Some(Projector::Convolution(convolution)) => convolution.parts(),
                None => Vec::new(),
            },
            Self::Activation(_)
            | Self::MaxPool(_)
            | Self::AveragePool(_)
            | Self::Dropout(_)
            | Self::Flatten(_)
            | Self::Rows(_)
            | Self::Patches(_)
            | Self::FirstStep(_)
            | Self::Branch(_) => Vec::new(),
        }
    }
}

impl Sum {
    fn new(placed: &Placed, source: &Source) -> Self {
        let projection = placed.projection().zip(placed.shortcut);
        Self {
            projection: projection.map(|(projection, from)| match from {
                Shape::Image { .. } => Projector::Convolution(Convolution {
                    weight: source.tensor("weight"),
                    bias: source.tensor("bias"),
                    input: image(from),
                    stride: projection.stride,
                    padding: 0,
                    groups: 1,
                }),
                _ => Projector::Dense(Dense::new(source)),
            }),
        }
    }

    fn shortcut(&self, remembered: Tensor<2>) -> Tensor<2> {
        match &self.projection {
            Some(Projector::Dense(dense)) => dense.forward(remembered),
            Some(Projector::Convolution(convolution)) => convolution.forward(remembered),
            None => remembered,
        }
    }
}

/// Where a layer takes its weights from.
#[derive(Debug)]
pub struct Source<'a> {
    pub placed: &'a Placed,
    pub weights: &'a Weights,
    /// With autodiff for a network that is to be trained.
    pub device: &'a Device,
}

impl Source<'_> {
    fn values(&self, part: &str) -> (Vec<f32>, Vec<usize>) {
        let shape = self.placed.tensors().into_iter().find(|(name, _)| *name == part);
        let tensor = self.weights.part(self.placed.index, part);
        (
            tensor.map(|tensor| tensor.data.clone()).unwrap_or_default(),
            shape.map(|(_, shape)| shape).unwrap_or_default(),
        )
    }

    /// A trainable tensor in PyTorch's layout.
    pub fn tensor<const D: usize>(&self, part: &str) -> Param<Tensor<D>> {
        let (values, shape) = self.values(part);
        Param::from_data(TensorData::new(values, shape), self.device)
    }

    /// A trainable matrix `[inputs, outputs]`, where PyTorch has `[outputs, inputs]`.
    pub fn transposed(&self, part: &str) -> Param<Tensor<2>> {
        let (values, shape) = self.values(part);
        let (rows, columns) = (shape[0], shape[1]);
        Param::from_data(
            TensorData::new(transpose(&values, rows, columns), [columns, rows]),
            self.device,
        )
    }

    /// A tensor that is not trained.
    pub fn constant<const D: usize>(&self, part: &str) -> Tensor<D> {
        let (values, shape) = self.values(part);
        Tensor::from_data(TensorData::new(values, shape), self.device)
    }
}

/// The numbers of a matrix in PyTorch's layout.
pub fn transposed(matrix: &Param<Tensor<2>>) -> Vec<f32> {
    let [rows, columns] = matrix.dims();
    transpose(&numbers(matrix.val()), rows, columns)
}

/// `[rows, columns]` to `[columns, rows]`, row-major.
fn transpose(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut transposed = vec![0.0; matrix.len()];
    for (row, values) in matrix.chunks_exact(columns.max(1)).enumerate() {
        for (column, &value) in values.iter().enumerate() {
            transposed[column * rows + row] = value;
        }
    }
    transposed
}

/// Channels, height and width; features are channels of one pixel, and steps lie below each other.
pub fn image(shape: Shape) -> [usize; 3] {
    match shape {
        Shape::Image {
            channels,
            height,
            width,
        } => [channels, height, width],
        _ => [shape.channels(), shape.positions(), 1],
    }
}
