//! Operations of our own in burn's graph: forward and backward by hand over plain numbers.
//!
//! They run on the device `flex`, the CPU, with and without autodiff. On every other device a layer composes burn's operations, which
//! is the plain twin that each of these is tested against: `if fused::serves(&x) { fused::run(...) } else { twin }`.

use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Flex, TensorMetadata};
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::kept::Halves;
use super::network::values;

type Plain = FloatTensor<Flex>;
type Tracked = FloatTensor<Autodiff<Flex>>;

/// An operation on `N` tensors: first an activation, then weights. It holds what is no tensor: sizes, slopes, masks.
pub trait Operation<const N: usize>: Debug + Send + 'static {
    /// What backward needs beside inputs and output; `()` where that is nothing.
    type Saved: Debug + Clone + Send + 'static;

    /// Whether what is kept of activations may wait in 16 bits. Of no use where backward needs all of it at once.
    const PACKS: bool = true;

    /// The output. `wanted` tells of which inputs [`backward`](Self::backward) will be asked for a gradient; where it is of none,
    /// nothing need be saved.
    fn forward(&self, inputs: [Operand; N], wanted: [bool; N]) -> Output<Self::Saved>;

    /// Which tensors stay alive for backward. What is not kept and not held by anybody else, forward may take and change in place.
    fn keeps(&self, wanted: [bool; N]) -> Keeps<N>;

    /// The gradient of every wanted input, in its own shape, row-major. Comes at most once.
    fn backward(&self, step: Step<Self::Saved, N>) -> [Option<Vec<f32>>; N];
}

/// A tensor as plain numbers, row-major.
#[derive(Debug, Clone)]
pub struct Operand {
    tensor: Option<Plain>,
    shape: Vec<usize>,
}

/// What an operation makes.
#[derive(Debug)]
pub struct Output<S> {
    pub values: Vec<f32>,
    pub shape: Vec<usize>,
    pub saved: S,
}

/// Tensors that stay alive for backward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeps<const N: usize> {
    pub inputs: [bool; N],
    pub output: bool,
}

/// All that backward is given.
#[derive(Debug, Clone)]
pub struct Step<S, const N: usize> {
    /// Those that were not kept have a shape and no values.
    pub inputs: [Operand; N],
    pub output: Operand,
    pub saved: S,
    /// Of the output.
    pub gradient: Vec<f32>,
    pub wanted: [bool; N],
}

/// A tensor on its way into an operation, whatever its rank.
#[derive(Debug)]
pub enum Input {
    Plain(Plain),
    Tracked(Tracked),
}

/// Whether operations of our own run where `tensor` is.
pub fn serves<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && tensor.device() == Device::flex()
}

/// Runs `operation`, and records it for backward where a gradient of one of `inputs` is wanted. All of them must be where
/// [`serves`] says so.
pub fn run<const N: usize, const D: usize, O: Operation<N>>(operation: O, inputs: [Input; N]) -> Tensor<D> {
    if inputs.iter().all(|input| matches!(input, Input::Plain(_))) {
        let output = operation.forward(inputs.map(|input| Operand::new(input.plain())), [false; N]);
        return Tensor::from_primitive::<Flex>(tensor(output.values, &output.shape));
    }
    let inputs = inputs.map(Input::tracked);
    let wanted = inputs.each_ref().map(Tracked::is_tracked);
    let guards = inputs.each_ref().map(Tracked::node);
    let operands = inputs.map(|input| Operand::new(input.into_primitive()));
    let keeps = operation.keeps(wanted);
    let is_recorded = wanted.contains(&true);
    let kept = std::array::from_fn(|place| match &operands[place] {
        operand if !(keeps.inputs[place] && is_recorded) => Held::nothing(&operand.shape),
        // What no gradient passes through belongs to the batch, and weights live on anyway.
        operand if place > 0 || !wanted[place] || !O::PACKS => Held::whole(operand),
        operand => Held::activation(operand),
    });
    let Output { values, shape, saved } = operation.forward(operands, wanted);
    let output = tensor(values, &shape);
    let prepared = Recorded(operation).prepare::<NoCheckpointing>(guards);
    Tensor::from_primitive::<Autodiff<Flex>>(match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let state = State {
                inputs: kept,
                output: if keeps.output {
                    Held::activation(&Operand::new(output.clone()))
                } else {
                    Held::nothing(&shape)
                },
                saved,
            };
            prepared.finish(state, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    })
}

impl Operand {
    fn new(tensor: Plain) -> Self {
        let shape = tensor.shape().to_vec();
        let tensor = if tensor.is_contiguous() {
            tensor
        } else {
            tensor.to_contiguous()
        };
        Self {
            shape,
            tensor: Some(tensor),
        }
    }

    /// Row-major; none of a tensor that was not kept.
    pub fn values(&self) -> &[f32] {
        self.tensor
            .as_ref()
            .and_then(|tensor| tensor.as_slice())
            .unwrap_or_default()
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values to be changed: without a copy where nobody else holds them.
    pub fn into_values(self) -> Vec<f32> {
        self.tensor.map(numbers).unwrap_or_default()
    }
}

impl Input {
    fn plain(self) -> Plain {
        match self {
            Self::Plain(tensor) => tensor,
            Self::Tracked(tensor) => tensor.into_primitive(),
        }
    }

    fn tracked(self) -> Tracked {
        match self {
            Self::Plain(tensor) => Autodiff::<Flex>::from_inner(tensor),
            Self::Tracked(tensor) => tensor,
        }
    }
}

impl<const D: usize> From<Tensor<D>> for Input {
    fn from(tensor: Tensor<D>) -> Self {
        let found = if tensor.device().is_autodiff() {
            tensor.try_into_primitive::<Autodiff<Flex>>().map(Self::Tracked)
        } else {
            tensor.try_into_primitive::<Flex>().map(Self::Plain)
        };
        found.unwrap_or_else(|error| unreachable!("callers ask `serves` first: {error:?}"))
    }
}

/// An operation in burn's graph.
#[derive(Debug)]
struct Recorded<O>(O);

#[derive(Debug, Clone)]
struct State<S, const N: usize> {
    inputs: [Held; N],
    output: Held,
    saved: S,
}

/// A tensor on its way to backward.
#[derive(Debug, Clone)]
struct Held {
    numbers: Numbers,
    shape: Vec<usize>,
}

#[derive(Debug, Clone)]
enum Numbers {
    Nothing,
    Whole(Plain),
    Packed(Arc<Halves>),
}

impl Held {
    fn nothing(shape: &[usize]) -> Self {
        Self {
            numbers: Numbers::Nothing,
            shape: shape.to_vec(),
        }
    }

    fn whole(operand: &Operand) -> Self {
        Self {
            numbers: operand.tensor.clone().map_or(Numbers::Nothing, Numbers::Whole),
            shape: operand.shape.clone(),
        }
    }

    /// In 16 bits where the step is to keep it so.
    fn activation(operand: &Operand) -> Self {
        match Halves::shared(operand.values()) {
            None => Self::whole(operand),
            Some(halves) => Self {
                numbers: Numbers::Packed(halves),
                shape: operand.shape.clone(),
            },
        }
    }

    fn operand(self) -> Operand {
        let tensor = match self.numbers {
            Numbers::Nothing => None,
            Numbers::Whole(tensor) => Some(tensor),
            Numbers::Packed(halves) => Some(tensor(halves.values(), &self.shape)),
        };
        Operand {
            tensor,
            shape: self.shape,
        }
    }
}

impl<const N: usize, O: Operation<N>> Backward<Flex, N> for Recorded<O> {
    type State = State<O::Saved, N>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let State { inputs, output, saved } = ops.state;
        let shapes = inputs.each_ref().map(|input| input.shape.clone());
        let found = self.0.backward(Step {
            wanted: ops.parents.each_ref().map(Option::is_some),
            gradient: numbers(gradients.consume::<Flex>(&ops.node)),
            inputs: inputs.map(Held::operand),
            output: output.operand(),
            saved,
        });
        for ((parent, gradient), shape) in ops.parents.into_iter().zip(found).zip(shapes) {
            if let Some((parent, gradient)) = parent.zip(gradient) {
                gradients.register::<Flex>(parent.id, tensor(gradient, &shape));
            }
        }
    }
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> Plain {
    Plain::from_data(TensorData::new(values, shape))
}

/// Row-major; without a copy where nobody else holds them, and else with one.
fn numbers(tensor: Plain) -> Vec<f32> {
    if tensor.is_unique() {
        return values(tensor.into_data());
    }
    tensor
        .to_contiguous()
        .as_slice()
        .map(<[f32]>::to_vec)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
