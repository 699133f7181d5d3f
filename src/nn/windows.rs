//! Convolutions, pools and batch norm as operations of our own: what the layers run on the CPU.

use std::sync::{Arc, OnceLock};

use super::fused::{Keeps, Operand, Operation, Output, Step};
use crate::kernels::InstructionSet;
use crate::kernels::training::{
    self, ConvolutionGradients, ConvolutionShape, Known, NormShape, Normed, PoolShape, Tail,
};

/// A convolution of input, weight and bias, and what follows it at once.
#[derive(Debug)]
pub struct Windows {
    pub shape: ConvolutionShape,
    pub tail: Tail,
}

/// A convolution of each channel with a window of its own, of input, weight and bias.
#[derive(Debug)]
pub struct ChannelWindows(pub ConvolutionShape);

/// The largest value of each window.
#[derive(Debug)]
pub struct Largest(pub PoolShape);

/// The mean of each channel over all positions.
#[derive(Debug)]
pub struct Mean {
    pub channels: usize,
    pub area: usize,
}

/// Batch normalisation of input, weight and bias.
#[derive(Debug)]
pub struct Norm {
    pub shape: NormShape,
    pub epsilon: f32,
    /// Mean and biased variance of each channel, once it has run.
    pub found: Arc<OnceLock<[Vec<f32>; 2]>>,
}

/// `[samples, values]` of so many values in all.
fn rows(samples: usize, values: Vec<f32>) -> (Vec<f32>, Vec<usize>) {
    let shape = vec![samples, values.len() / samples.max(1)];
    (values, shape)
}

fn three(gradients: ConvolutionGradients) -> [Option<Vec<f32>>; 3] {
    [gradients.input, gradients.weight, gradients.bias]
}

impl Operation<3> for Windows {
    /// Places of the pool.
    type Saved = Vec<u8>;

    fn forward(&self, inputs: [Operand; 3], wanted: [bool; 3]) -> Output<Vec<u8>> {
        let samples = inputs[0].shape()[0];
        let numbers = inputs.each_ref().map(Operand::values);
        let found = training::convolve(InstructionSet::best(), &self.shape, self.tail, numbers);
        let (values, shape) = rows(samples, found.out);
        let is_recorded = wanted.contains(&true);
        Output {
            values,
            shape,
            saved: if is_recorded { found.places } else { Vec::new() },
        }
    }

    fn keeps(&self, wanted: [bool; 3]) -> Keeps<3> {
        Keeps {
            inputs: [wanted[1], wanted[0], false],
            output: self.tail.relu && self.tail.pool == 1,
        }
    }

    fn backward(&self, step: Step<Vec<u8>, 3>) -> [Option<Vec<f32>>; 3] {
        let known = Known {
            x: step.inputs[0].values(),
            weight: step.inputs[1].values(),
            out: step.output.values(),
            places: &step.saved,
        };
        let set = InstructionSet::best();
        three(training::convolve_backward(
            set,
            &self.shape,
            self.tail,
            known,
            &step.gradient,
            step.wanted,
        ))
    }
}

impl Operation<3> for ChannelWindows {
    type Saved = ();

    fn forward(&self, inputs: [Operand; 3], _: [bool; 3]) -> Output<()> {
        let samples = inputs[0].shape()[0];
        let numbers = inputs.each_ref().map(Operand::values);
        let (values, shape) = rows(samples, training::depthwise(InstructionSet::best(), &self.0, numbers));
        Output {
            values,
            shape,
            saved: (),
        }
    }

    fn keeps(&self, _: [bool; 3]) -> Keeps<3> {
        Keeps {
            inputs: [true, true, false],
            output: false,
        }
    }

    fn backward(&self, step: Step<(), 3>) -> [Option<Vec<f32>>; 3] {
        let [x, weight, _] = step.inputs.each_ref().map(Operand::values);
        let set = InstructionSet::best();
        three(training::depthwise_backward(
            set,
            &self.0,
            [x, weight],
            &step.gradient,
            step.wanted,
        ))
    }
}

impl Operation<1> for Largest {
    /// Its place in the window.
    type Saved = Vec<u8>;

    fn forward(&self, [x]: [Operand; 1], wanted: [bool; 1]) -> Output<Vec<u8>> {
        let (out, places) = training::max_pool(InstructionSet::best(), &self.0, x.values());
        let (values, shape) = rows(x.shape()[0], out);
        Output {
            values,
            shape,
            saved: if wanted[0] { places } else { Vec::new() },
        }
    }

    fn keeps(&self, _: [bool; 1]) -> Keeps<1> {
        Keeps {
            inputs: [false],
            output: false,
        }
    }

    fn backward(&self, step: Step<Vec<u8>, 1>) -> [Option<Vec<f32>>; 1] {
        [Some(training::max_pool_backward(&self.0, &step.saved, &step.gradient))]
    }
}

impl Operation<1> for Mean {
    type Saved = ();

    fn forward(&self, [x]: [Operand; 1], _: [bool; 1]) -> Output<()> {
        Output {
            values: training::plane_means(InstructionSet::best(), self.area, x.values()),
            shape: vec![x.shape()[0], self.channels],
            saved: (),
        }
    }

    fn keeps(&self, _: [bool; 1]) -> Keeps<1> {
        Keeps {
            inputs: [false],
            output: false,
        }
    }

    fn backward(&self, step: Step<(), 1>) -> [Option<Vec<f32>>; 1] {
        [Some(training::plane_means_backward(self.area, &step.gradient))]
    }
}

impl Operation<3> for Norm {
    type Saved = ();

    fn forward(&self, inputs: [Operand; 3], _: [bool; 3]) -> Output<()> {
        let numbers = inputs.each_ref().map(Operand::values);
        let Normed { out, mean, variance } =
            training::batch_norm(InstructionSet::best(), &self.shape, numbers, self.epsilon);
        let _ = self.found.set([mean, variance]);
        Output {
            values: out,
            shape: inputs[0].shape().to_vec(),
            saved: (),
        }
    }

    fn keeps(&self, _: [bool; 3]) -> Keeps<3> {
        Keeps {
            inputs: [true, true, false],
            output: false,
        }
    }

    fn backward(&self, step: Step<(), 3>) -> [Option<Vec<f32>>; 3] {
        let [x, weight, _] = step.inputs.each_ref().map(Operand::values);
        let Some([mean, variance]) = self.found.get() else {
            return [None, None, None];
        };
        training::batch_norm_backward(
            InstructionSet::best(),
            &self.shape,
            [x, weight],
            [mean, variance],
            self.epsilon,
            &step.gradient,
            step.wanted,
        )
    }
}

#[cfg(test)]
mod tests;
