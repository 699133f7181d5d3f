//! The kinds of layer as burn modules. Each maps `[samples, values]` to `[samples, values]` and knows its own image shape,
//! so that a network is a plain list.

use burn::module::{Module, Param, RunningState};
use burn::tensor::module::{batch_norm, batch_norm_train, conv2d, linear, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData, activation};
use rand_chacha::rand_core::Rng;

use super::DropoutKey;
use crate::spec::{BATCH_NORM_EPSILON, Shape, stream};

/// Weight of the newest batch in the running statistics, as in PyTorch.
const BATCH_NORM_MOMENTUM: f64 = 0.1;

#[derive(Module, Debug)]
pub enum Layer {
    Dense(Dense),
    Convolution(Convolution),
    BatchNorm(BatchNorm),
    Relu(Relu),
    MaxPool(MaxPool),
    Dropout(Dropout),
    Flatten(Flatten),
}

/// `y = x W + b`; the weight is `[inputs, units]`, PyTorch's transposed.
#[derive(Module, Debug)]
pub struct Dense {
    pub weight: Param<Tensor<2>>,
    pub bias: Param<Tensor<1>>,
}

/// Weight `[filters, channels, kernel, kernel]`.
#[derive(Module, Debug)]
pub struct Convolution {
    pub weight: Param<Tensor<4>>,
    pub bias: Param<Tensor<1>>,
    /// Channels, height and width.
    #[module(skip)]
    pub input: [usize; 3],
    #[module(skip)]
    pub stride: usize,
    /// Zeros at each edge, in pixels.
    #[module(skip)]
    pub padding: usize,
}

/// Batch normalisation (Ioffe and Szegedy 2015) of each channel. The running variance is the unbiased one, as in PyTorch.
#[derive(Module, Debug)]
pub struct BatchNorm {
    pub weight: Param<Tensor<1>>,
    pub bias: Param<Tensor<1>>,
    pub running_mean: RunningState<Tensor<1>>,
    pub running_variance: RunningState<Tensor<1>>,
    /// Values of a channel in one sample.
    #[module(skip)]
    pub area: usize,
}

#[derive(Module, Debug)]
pub struct Relu {}

#[derive(Module, Debug)]
pub struct MaxPool {
    /// Channels, height and width.
    #[module(skip)]
    pub input: [usize; 3],
    #[module(skip)]
    pub size: usize,
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

/// The values stand channel by channel already.
#[derive(Module, Debug)]
pub struct Flatten {}

impl Layer {
    /// `[samples, inputs]` to `[samples, outputs]`; with a key, as a training step does it.
    pub fn forward(&self, x: Tensor<2>, training: Option<DropoutKey>) -> Tensor<2> {
        match self {
            Self::Dense(dense) => linear(x, dense.weight.val(), Some(dense.bias.val())),
            Self::Convolution(convolution) => convolution.forward(x),
            Self::BatchNorm(norm) if training.is_some() => norm.forward_training(x),
            Self::BatchNorm(norm) => norm.forward(x),
            Self::Relu(_) => activation::relu(x),
            Self::MaxPool(pool) => pool.forward(x),
            Self::Dropout(dropout) => match training {
                Some(key) => dropout.forward_training(x, key),
                None => x,
            },
            Self::Flatten(_) => x,
        }
    }
}

impl Convolution {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [samples, _] = x.dims();
        let [channels, height, width] = self.input;
        let options = ConvOptions::new([self.stride; 2], [self.padding; 2], [1; 2], 1);
        let x = x.reshape([samples, channels, height, width]);
        conv2d(x, self.weight.val(), Some(self.bias.val()), options).flatten(1, 3)
    }
}

impl BatchNorm {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        batch_norm(
            self.by_channel(x),
            self.weight.val(),
            self.bias.val(),
            self.running_mean.value_sync(),
            self.running_variance.value_sync(),
            BATCH_NORM_EPSILON,
        )
        .flatten(1, 2)
    }

    fn forward_training(&self, x: Tensor<2>) -> Tensor<2> {
        let count = (x.dims()[0] * self.area) as f64;
        let batch = batch_norm_train(
            self.by_channel(x),
            self.weight.val(),
            self.bias.val(),
            BATCH_NORM_EPSILON,
        );
        let unbiased = batch.variance.mul_scalar(count / (count - 1.0).max(1.0));
        for (running, newest) in [(&self.running_mean, batch.mean), (&self.running_variance, unbiased)] {
            let old = running.value_sync().mul_scalar(1.0 - BATCH_NORM_MOMENTUM);
            running.update(old + newest.mul_scalar(BATCH_NORM_MOMENTUM));
            // What one thread has updated, the others see from now on.
            running.value_sync();
        }
        batch.output.flatten(1, 2)
    }

    fn by_channel(&self, x: Tensor<2>) -> Tensor<3> {
        let [samples, values] = x.dims();
        x.reshape([samples, values / self.area, self.area])
    }
}

impl MaxPool {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [samples, _] = x.dims();
        let [channels, height, width] = self.input;
        let x = x.reshape([samples, channels, height, width]);
        max_pool2d(x, MaxPoolOptions::new([self.size; 2])).flatten(1, 3)
    }
}

impl Dropout {
    fn forward_training(&self, x: Tensor<2>, key: DropoutKey) -> Tensor<2> {
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

/// Channels, height and width; features are channels of one pixel.
pub fn image(shape: Shape) -> [usize; 3] {
    match shape {
        Shape::Features { features } => [features, 1, 1],
        Shape::Image {
            channels,
            height,
            width,
        } => [channels, height, width],
        Shape::Sequence { steps, features } => [features, steps, 1],
        Shape::Tokens { steps, .. } => [1, steps, 1],
    }
}

/// A trainable tensor of the device's own autodiff context.
pub fn parameter<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::from_data(TensorData::new(values, shape), device)
}
