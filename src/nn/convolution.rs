//! Layers that move a window over an image or over the steps of a sequence, and the mean over all of it.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module::{conv1d, conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};

use super::fused;
use super::layers::{Source, image};
use super::network::numbers;
use super::windows::{ChannelWindows, Largest, Mean, Windows};
use crate::cost::{self, Together};
use crate::kernels::training::{self, ConvolutionShape, PoolShape, Tail};
use crate::spec::{LayerSpec, Placed, Shape};

// What is taken to be done at once with a convolution can be.
const _: () = assert!(cost::LARGEST_POOL <= training::LARGEST_POOL);

/// Weight `[filters, channels, kernel, kernel]`; depth-wise `[channels, 1, kernel, kernel]`.
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
    /// 1, or one a channel.
    #[module(skip)]
    pub groups: usize,
}

/// Over the steps; weight `[filters, channels, kernel]`.
#[derive(Module, Debug)]
pub struct Convolution1d {
    pub weight: Param<Tensor<3>>,
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    steps: usize,
    #[module(skip)]
    stride: usize,
    /// Zeros at each end, in steps.
    #[module(skip)]
    padding: usize,
}

#[derive(Module, Debug)]
pub struct MaxPool {
    #[module(skip)]
    pub input: Shape,
    #[module(skip)]
    pub size: usize,
}

/// The mean over all pixels of a channel, or over the steps that are not padding.
#[derive(Module, Debug)]
pub struct AveragePool {
    #[module(skip)]
    pub input: Shape,
}

impl Convolution {
    pub fn new(placed: &Placed, source: &Source) -> Self {
        let (stride, padding, groups) = match placed.layer {
            LayerSpec::Conv2d {
                kernel,
                stride,
                padding,
                ..
            } => (stride, LayerSpec::padding_pixels(kernel, padding), 1),
            LayerSpec::DepthwiseConv2d {
                kernel,
                stride,
                padding,
            } => (
                stride,
                LayerSpec::padding_pixels(kernel, padding),
                placed.input.channels(),
            ),
            _ => (1, 0, 1),
        };
        Self {
            weight: source.tensor("weight"),
            bias: source.tensor("bias"),
            input: image(placed.input),
            stride,
            padding,
            groups,
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(x, self.weight.val(), self.bias.val())
    }

    /// With what follows it, where [`fused::serves`] says so.
    pub fn forward_with(&self, x: Tensor<2>, together: Together) -> Tensor<2> {
        let weight = self.weight.val();
        let windows = Windows {
            shape: self.shape(&weight),
            tail: Tail {
                relu: together.relu,
                pool: together.pool,
            },
        };
        fused::run(windows, [x.into(), weight.into(), self.bias.val().into()])
    }

    fn shape(&self, weight: &Tensor<4>) -> ConvolutionShape {
        let [channels, height, width] = self.input;
        let [filters, _, kernel, _] = weight.dims();
        ConvolutionShape {
            channels,
            filters,
            input: [height, width],
            kernel: [kernel; 2],
            stride: [self.stride; 2],
            padding: [self.padding; 2],
            channels_last: false,
        }
    }

    /// With other weights than its own.
    pub fn apply(&self, x: Tensor<2>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<2> {
        if fused::serves(&x) {
            let shape = self.shape(&weight);
            let inputs = [x.into(), weight.into(), bias.into()];
            if self.groups > 1 {
                return fused::run(ChannelWindows(shape), inputs);
            }
            return fused::run(
                Windows {
                    shape,
                    tail: Tail::NONE,
                },
                inputs,
            );
        }
        let [samples, _] = x.dims();
        let [channels, height, width] = self.input;
        let options = ConvOptions::new([self.stride; 2], [self.padding; 2], [1; 2], self.groups);
        let x = x.reshape([samples, channels, height, width]);
        conv2d(x, weight, Some(bias), options).flatten(1, 3)
    }

    pub fn parts(&self) -> Vec<(&'static str, Vec<f32>)> {
        vec![
            ("weight", numbers(self.weight.val())),
            ("bias", numbers(self.bias.val())),
        ]
    }
}

impl Convolution1d {
    pub fn new(placed: &Placed, source: &Source) -> Self {
        let (stride, padding) = match placed.layer {
            LayerSpec::Conv1d {
                kernel,
                stride,
                padding,
                ..
            } => (stride, LayerSpec::padding_pixels(kernel, padding)),
            _ => (1, 0),
        };
        Self {
            weight: source.tensor("weight"),
            bias: source.tensor("bias"),
            steps: placed.input.positions(),
            stride,
            padding,
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(x, self.weight.val(), self.bias.val())
    }

    /// With other weights than its own.
    pub fn apply(&self, x: Tensor<2>, weight: Tensor<3>, bias: Tensor<1>) -> Tensor<2> {
        let [samples, values] = x.dims();
        if fused::serves(&x) {
            let [filters, channels, kernel] = weight.dims();
            let shape = ConvolutionShape {
                channels,
                filters,
                input: [1, self.steps],
                kernel: [1, kernel],
                stride: [1, self.stride],
                padding: [0, self.padding],
                channels_last: true,
            };
            let tail = Tail::NONE;
            return fused::run(Windows { shape, tail }, [x.into(), weight.into(), bias.into()]);
        }
        let x = x.reshape([samples, self.steps, values / self.steps]).swap_dims(1, 2);
        let options = ConvOptions::new([self.stride], [self.padding], [1], 1);
        let y = conv1d(x, weight, Some(bias), options);
        y.swap_dims(1, 2).flatten(1, 2)
    }

    pub fn parts(&self) -> Vec<(&'static str, Vec<f32>)> {
        vec![
            ("weight", numbers(self.weight.val())),
            ("bias", numbers(self.bias.val())),
        ]
    }
}

impl MaxPool {
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [samples, _] = x.dims();
        let size = self.size;
        let shape = self.shape();
        if fused::serves(&x) && shape.fits() {
            return fused::run(Largest(shape), [x.into()]);
        }
        if let Shape::Image { .. } = self.input {
            let [channels, height, width] = image(self.input);
            let x = x.reshape([samples, channels, height, width]);
            return max_pool2d(x, MaxPoolOptions::new([size; 2])).flatten(1, 3);
        }
        let (steps, features) = (self.input.positions(), self.input.channels());
        let x = x.reshape([samples, 1, steps, features]);
        let options = MaxPoolOptions {
            kernel_size: [size, 1],
            stride: [size, 1],
            ..MaxPoolOptions::new([1; 2])
        };
        max_pool2d(x, options).flatten(1, 3)
    }
}

impl MaxPool {
    fn shape(&self) -> PoolShape {
        if let Shape::Image { height, width, .. } = self.input {
            return PoolShape {
                input: [height, width],
                window: [self.size; 2],
                values: 1,
            };
        }
        PoolShape {
            input: [self.input.positions(), 1],
            window: [self.size, 1],
            values: self.input.channels(),
        }
    }
}

impl AveragePool {
    /// `mask` is `[samples, steps]`, 1 where a step counts.
    pub fn forward(&self, x: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        let [samples, _] = x.dims();
        let (positions, channels) = (self.input.positions(), self.input.channels());
        if let Shape::Image { .. } = self.input {
            if fused::serves(&x) {
                let area = positions;
                return fused::run(Mean { channels, area }, [x.into()]);
            }
            return x.reshape([samples, channels, positions]).mean_dim(2).squeeze_dim(2);
        }
        let x = x.reshape([samples, positions, channels]);
        let Some(mask) = mask else {
            return x.mean_dim(1).squeeze_dim(1);
        };
        let share = mask.clone() / mask.sum_dim(1).clamp_min(1.0);
        (x * share.unsqueeze_dim(2)).sum_dim(1).squeeze_dim(1)
    }
}
