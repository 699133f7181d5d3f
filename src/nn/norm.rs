//! Normalisation: over the batch, and over the features of one step.

use std::sync::{Arc, OnceLock};

use burn::module::{Module, Param, RunningState};
use burn::tensor::module::{batch_norm, batch_norm_train, layer_norm};
use burn::tensor::{Tensor, TensorData};

use super::fused::{self, Keeps, Operand, Operation, Output, Step};
use super::layers::Source;
use super::network::numbers;
use super::windows::Norm;
use crate::kernels::InstructionSet;
use crate::kernels::training::{self, Moments, NormShape};
use crate::spec::{BATCH_NORM_EPSILON, LAYER_NORM_EPSILON, Placed, Shape};

/// Weight of the newest batch in the running statistics, as in PyTorch.
const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// Batch normalisation (Ioffe and Szegedy 2015) of each channel. The running variance is the unbiased one, as in PyTorch.
#[derive(Module, Debug)]
pub struct BatchNorm {
    pub weight: Param<Tensor<1>>,
    pub bias: Param<Tensor<1>>,
    pub running_mean: RunningState<Tensor<1>>,
    pub running_variance: RunningState<Tensor<1>>,
    /// Values of a channel in one sample.
    #[module(skip)]
    area: usize,
    /// The channels stand together at each place, and not the places of each channel.
    #[module(skip)]
    by_step: bool,
}

/// Layer normalisation (Ba et al. 2016) of the features of each step.
#[derive(Module, Debug)]
pub struct LayerNorm {
    pub weight: Param<Tensor<1>>,
    pub bias: Param<Tensor<1>>,
}

impl BatchNorm {
    pub fn new(placed: &Placed, source: &Source) -> Self {
        Self {
            weight: source.tensor("weight"),
            bias: source.tensor("bias"),
            running_mean: RunningState::new(source.constant("running_mean")),
            running_variance: RunningState::new(source.constant("running_var")),
            area: placed.input.positions(),
            by_step: matches!(placed.input, Shape::Sequence { .. }),
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = batch_norm(
            self.by_channel(x),
            self.weight.val(),
            self.bias.val(),
            self.running_mean.value_sync(),
            self.running_variance.value_sync(),
            BATCH_NORM_EPSILON,
        );
        self.back(y)
    }

    pub fn forward_training(&self, x: Tensor<2>, moves_statistics: bool) -> Tensor<2> {
        let [samples, values] = x.dims();
        let count = (samples * self.area) as f64;
        let (y, mean, variance) = if fused::serves(&x) {
            let found = Arc::new(OnceLock::new());
            let norm = Norm {
                shape: NormShape {
                    channels: values / self.area,
                    area: self.area,
                    channels_last: self.by_step,
                },
                epsilon: BATCH_NORM_EPSILON as f32,
                found: found.clone(),
            };
            let y = fused::run(norm, [x.into(), self.weight.val().into(), self.bias.val().into()]);
            if !moves_statistics {
                return y;
            }
            let device = self.running_mean.value_sync().device();
            let [mean, variance] = found.get().cloned().unwrap_or_default();
            let line = |values: Vec<f32>| {
                let channels = values.len();
                Tensor::from_data(TensorData::new(values, [channels]), &device)
            };
            (y, line(mean), line(variance))
        } else {
            let batch = batch_norm_train(
                self.by_channel(x),
                self.weight.val(),
                self.bias.val(),
                BATCH_NORM_EPSILON,
            );
            let y = self.back(batch.output);
            if !moves_statistics {
                return y;
            }
            (y, batch.mean, batch.variance)
        };
        let unbiased = variance.mul_scalar(count / (count - 1.0).max(1.0));
        for (running, newest) in [(&self.running_mean, mean), (&self.running_variance, unbiased)] {
            let old = running.value_sync().mul_scalar(1.0 - BATCH_NORM_MOMENTUM);
            running.update(old + newest.mul_scalar(BATCH_NORM_MOMENTUM));
            // What one thread has updated, the others see from now on.
            running.value_sync();
        }
        y
    }

    fn by_channel(&self, x: Tensor<2>) -> Tensor<3> {
        let [samples, values] = x.dims();
        let channels = values / self.area;
        if self.by_step {
            x.reshape([samples, self.area, channels]).swap_dims(1, 2)
        } else {
            x.reshape([samples, channels, self.area])
        }
    }

    fn back(&self, y: Tensor<3>) -> Tensor<2> {
        if self.by_step {
            y.swap_dims(1, 2).flatten(1, 2)
        } else {
            y.flatten(1, 2)
        }
    }

    pub fn parts(&self) -> Vec<(&'static str, Vec<f32>)> {
        vec![
            ("weight", numbers(self.weight.val())),
            ("bias", numbers(self.bias.val())),
            ("running_mean", numbers(self.running_mean.value_sync())),
            ("running_var", numbers(self.running_variance.value_sync())),
        ]
    }
}

impl LayerNorm {
    pub fn new(source: &Source) -> Self {
        Self {
            weight: source.tensor("weight"),
            bias: source.tensor("bias"),
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        if fused::serves(&x) {
            return fused::run(Normalised, [x.into(), self.weight.val().into(), self.bias.val().into()]);
        }
        let [samples, values] = x.dims();
        let [channels] = self.weight.dims();
        let x = x.reshape([samples * values / channels, channels]);
        layer_norm(x, self.weight.val(), Some(self.bias.val()), LAYER_NORM_EPSILON).reshape([samples, values])
    }

    pub fn parts(&self) -> Vec<(&'static str, Vec<f32>)> {
        vec![
            ("weight", numbers(self.weight.val())),
            ("bias", numbers(self.bias.val())),
        ]
    }
}

/// [`LayerNorm`] of the features of each step.
#[derive(Debug)]
struct Normalised;

impl Operation<3> for Normalised {
    type Saved = Vec<Moments>;

    fn forward(&self, [x, weight, bias]: [Operand; 3], _: [bool; 3]) -> Output<Vec<Moments>> {
        let learnt = [weight.values(), bias.values()];
        let (values, saved) =
            training::layer_norm(InstructionSet::best(), x.values(), learnt, LAYER_NORM_EPSILON as f32);
        Output {
            values,
            shape: x.shape().to_vec(),
            saved,
        }
    }

    fn keeps(&self, _: [bool; 3]) -> Keeps<3> {
        Keeps {
            inputs: [true, true, false],
            output: false,
        }
    }

    fn backward(&self, step: Step<Vec<Moments>, 3>) -> [Option<Vec<f32>>; 3] {
        let [x, weight, _] = step.inputs;
        let mut gradient = step.gradient;
        let [by_weight, by_bias] = training::layer_norm_backward(
            InstructionSet::best(),
            x.values(),
            weight.values(),
            &step.saved,
            &mut gradient,
        );
        [Some(gradient), Some(by_weight), Some(by_bias)]
    }
}
