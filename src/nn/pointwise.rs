//! Layers that change every value by itself.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData, activation};
use rand_chacha::rand_core::Rng;

use super::DropoutKey;
use super::fused::{self, Keeps, Operand, Output, Step};
use crate::kernels::{Function, InstructionSet, training};
use crate::spec::{ActivationKind, LEAKY_SLOPE, stream};

#[derive(Module, Debug)]
pub struct Activation {
    #[module(skip)]
    pub function: ActivationKind,
}

/// Zeroes values and scales the others by `1 / (1 - probability)` (Srivastava et al. 2014), in training only.
#[derive(Module, Debug)]
pub struct Dropout {
    #[module(skip)]
    pub probability: f64,
    /// Place of the layer in its network: each layer draws from a stream of its own.
    #[module(skip)]
    pub layer: usize,
}

impl Activation {
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        if fused::serves(&x) {
            return fused::run(Fused(self.kernel()), [x.into()]);
        }
        match self.function {
            ActivationKind::Relu => activation::relu(x),
            ActivationKind::LeakyRelu => activation::leaky_relu(x, LEAKY_SLOPE),
            ActivationKind::Gelu => activation::gelu(x),
            ActivationKind::Silu => activation::silu(x),
            ActivationKind::Tanh => activation::tanh(x),
        }
    }

    fn kernel(&self) -> Function {
        match self.function {
            ActivationKind::Relu => Function::Relu,
            ActivationKind::LeakyRelu => Function::LeakyRelu(LEAKY_SLOPE as f32),
            ActivationKind::Gelu => Function::Gelu,
            ActivationKind::Silu => Function::Silu,
            ActivationKind::Tanh => Function::Tanh,
        }
    }
}

/// A function of every number, in place of its input where nobody else holds that.
#[derive(Debug)]
struct Fused(Function);

impl fused::Operation<1> for Fused {
    type Saved = ();

    fn forward(&self, [x]: [Operand; 1], _: [bool; 1]) -> Output<()> {
        let shape = x.shape().to_vec();
        let mut values = x.into_values();
        training::forward(InstructionSet::best(), self.0, &mut values);
        Output {
            values,
            shape,
            saved: (),
        }
    }

    fn keeps(&self, _: [bool; 1]) -> Keeps<1> {
        let output = training::slope_from_output(self.0);
        Keeps {
            inputs: [!output],
            output,
        }
    }

    fn backward(&self, step: Step<(), 1>) -> [Option<Vec<f32>>; 1] {
        let Step {
            inputs: [x],
            output,
            mut gradient,
            wanted: [wanted],
            ..
        } = step;
        if !wanted {
            return [None];
        }
        let kept = if training::slope_from_output(self.0) { output } else { x };
        training::through(InstructionSet::best(), self.0, kept.values(), &mut gradient);
        [Some(gradient)]
    }
}

impl Dropout {
    pub fn forward_training(&self, x: Tensor<2>, key: DropoutKey) -> Tensor<2> {
        let shape = x.dims();
        let mut generator = stream(key.seed, &format!("dropout.{}", self.layer), key.step as u64);
        generator.set_word_pos((key.first_row * shape[1]) as u128);
        let dropped = (self.probability * f64::from(u32::MAX)) as u32;
        let kept = (1.0 / (1.0 - self.probability)) as f32;
        let mask: Vec<f32> = (0..shape[0] * shape[1])
            .map(|_| if generator.next_u32() < dropped { 0.0 } else { kept })
            .collect();
        let mask = Tensor::from_data(TensorData::new(mask, shape), &x.device().without_autodiff());
        x * mask
    }
}
