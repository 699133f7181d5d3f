//! A network as a chain of layers, between the file and the plan: what the graph passes rewrite.

use half::f16;

use super::LoadError;
use super::constants::scaled;
use crate::kernels::Grid;

/// One layer and where it comes from.
pub(super) struct Layer {
    /// Name of the node, or of its output where it has none.
    pub name: String,
    /// The ONNX operator.
    pub operator: String,
    pub kind: Kind,
}

pub(super) enum Kind {
    Quantize(Grid),
    Dequantize(Grid),
    Product(Product),
    /// `x * scale + shift`, one pair for each channel.
    ScaleShift {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Activation(Activation),
    Pool(Pooling),
    Flatten,
}

/// A dense layer or a convolution.
pub(super) struct Product {
    /// The window of a convolution; a dense layer has none.
    pub window: Option<ConvWindow>,
    /// Outputs of a dense layer, filters of a convolution.
    pub outputs: usize,
    /// Inputs of a dense layer, channels of a convolution.
    pub inputs: usize,
    /// `[outputs, inputs, height, width]`.
    pub weights: Weights,
    pub bias: Bias,
    pub relu: bool,
    /// The grid of the input, where the layer runs on integers.
    pub input_grid: Option<Grid>,
    /// The grid of the output, where it is quantized in the store.
    pub output_grid: Option<Grid>,
}

/// Sizes are height before width; pads are above, left, below, right.
#[derive(Clone, Copy)]
pub(super) struct ConvWindow {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    pub pads: [usize; 4],
}

pub(super) enum Weights {
    Single(Vec<f32>),
    Half(Vec<f16>),
    /// One scale for each output.
    Integer {
        values: Vec<i8>,
        scales: Vec<f32>,
    },
}

pub(super) enum Bias {
    Float(Vec<f32>),
    /// One scale for each output.
    Integer {
        values: Vec<i32>,
        scales: Vec<f32>,
    },
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Activation {
    Relu,
    LeakyRelu { slope: f32 },
    Tanh,
    Sigmoid,
}

/// Sizes are height before width; pads are above, left, below, right.
#[derive(Clone, Copy)]
pub(super) enum Pooling {
    Max {
        kernel: [usize; 2],
        stride: [usize; 2],
        pads: [usize; 4],
    },
    Average {
        kernel: [usize; 2],
        stride: [usize; 2],
        pads: [usize; 4],
        counts_padding: bool,
    },
    /// The mean of a whole channel.
    GlobalAverage,
}

impl Layer {
    /// The error that names this layer.
    pub(super) fn refuse(&self, problem: impl Into<String>, remedy: &'static str) -> LoadError {
        let (node, operator) = (self.name.clone(), self.operator.clone());
        LoadError::Node {
            node,
            operator,
            problem: problem.into(),
            remedy,
        }
    }
}

impl Activation {
    /// The value of the function.
    pub(super) fn apply(self, x: f32) -> f32 {
        match self {
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::LeakyRelu { slope } => {
                if x < 0.0 {
                    x * slope
                } else {
                    x
                }
            }
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        }
    }
}

impl Bias {
    /// The real values.
    pub(super) fn to_floats(&self) -> Vec<f32> {
        match self {
            Self::Float(values) => values.clone(),
            Self::Integer { values, scales } => scaled(values, scales, |value| value as f32),
        }
    }
}
