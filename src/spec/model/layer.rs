//! The kinds of layer, and what each makes of the shape before it.

use serde::{Deserialize, Serialize};

use super::Shape;
use crate::spec::PaddingKind;

/// One layer. A network is a flat list of these; a residual block is what stands between [`Branch`](Self::Branch) and
/// [`Sum`](Self::Sum).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LayerSpec {
    /// `y = W x + b`, `units` outputs; on a sequence the same for every step.
    Dense {
        units: usize,
    },
    /// Square convolution with bias over `[channels, height, width]`.
    Conv2d {
        filters: usize,
        kernel: usize,
        stride: usize,
        padding: PaddingKind,
    },
    /// Square convolution of each channel by itself, with bias (Howard et al. 2017).
    DepthwiseConv2d {
        kernel: usize,
        stride: usize,
        padding: PaddingKind,
    },
    /// Convolution with bias over the steps of a sequence.
    Conv1d {
        filters: usize,
        kernel: usize,
        stride: usize,
        padding: PaddingKind,
    },
    /// Batch normalisation of each channel, or of each feature (Ioffe and Szegedy 2015).
    BatchNorm,
    /// Normalisation over the features, of each step by itself (Ba et al. 2016).
    LayerNorm,
    Activation {
        function: ActivationKind,
    },
    /// Square window of an image, or window of steps, with a stride of its own size; a remainder at the edge is dropped.
    MaxPool {
        size: usize,
    },
    /// Mean over all pixels of a channel, or over all steps that are not padding.
    GlobalAveragePool,
    /// Active in training only (Srivastava et al. 2014).
    Dropout {
        probability: f64,
    },
    /// Image or sequence to features, in the order of memory.
    Flatten,
    /// An image as the sequence of its rows, each with the row's pixels of all channels.
    Rows,
    /// An image as the sequence of its square patches, row by row (Dosovitskiy et al. 2021); each step holds a patch's pixels,
    /// channel by channel.
    Patches {
        size: usize,
    },
    /// Tokens to a sequence of learned vectors; padding is the zero vector.
    Embedding {
        dimensions: usize,
    },
    /// Adds to each step what tells its place.
    Positions {
        encoding: PositionKind,
    },
    /// Puts one learned step in front, for [`FirstStep`](Self::FirstStep) to read.
    ClassToken,
    /// The first step of a sequence as features.
    FirstStep,
    /// A recurrent layer of `units` cells, or as many in each direction.
    Recurrent {
        cell: CellKind,
        units: usize,
        bidirectional: bool,
        /// All states as a sequence; else the last one as features (of the backward direction, that after the first step).
        sequence: bool,
    },
    /// Scaled dot-product attention of every step to every step that is not padding, in `heads` heads that share the features
    /// (Vaswani et al. 2017), with its four projections. A head is as wide as its share of the features, unless it says how wide:
    /// then heads can be missing.
    SelfAttention {
        heads: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        head_width: Option<usize>,
    },
    /// Remembers the value, for the [`Sum`](Self::Sum) that closes the block.
    Branch,
    /// Adds the remembered value (He et al. 2016). Where the shapes differ, a learned projection of one pixel, or one step, with
    /// the stride that fits comes before the sum.
    Sum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationKind {
    /// `max(x, 0)`
    Relu,
    /// `x` above 0, `0.01 x` below.
    LeakyRelu,
    /// `x Phi(x)`, exactly, by the error function (Hendrycks and Gimpel 2016).
    Gelu,
    /// `x sigmoid(x)` (Elfwing et al. 2018).
    Silu,
    Tanh,
}

/// What a recurrent layer computes in each step; gates and their order are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellKind {
    /// `h = tanh(W x + b + U h + c)` (Elman 1990).
    Rnn,
    /// Gates reset, update, new (Cho et al. 2014).
    Gru,
    /// Gates input, forget, cell, output (Hochreiter and Schmidhuber 1997).
    Lstm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PositionKind {
    /// One vector a place, learned.
    Learned,
    /// Sines and cosines of falling frequencies (Vaswani et al. 2017).
    Sinusoidal,
}

impl ActivationKind {
    pub const ALL: [Self; 5] = [Self::Relu, Self::LeakyRelu, Self::Gelu, Self::Silu, Self::Tanh];

    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "ReLU",
            Self::LeakyRelu => "leaky ReLU",
            Self::Gelu => "GELU",
            Self::Silu => "SiLU",
            Self::Tanh => "tanh",
        }
    }
}

/// Slope of leaky ReLU below zero.
pub const LEAKY_SLOPE: f64 = 0.01;

impl CellKind {
    /// Blocks of rows in the weights: one a gate.
    pub fn gates(self) -> usize {
        self.gate_names().len().max(1)
    }

    /// What the gates are called, in the order of the blocks; nothing where there are none.
    pub fn gate_names(self) -> &'static [&'static str] {
        match self {
            Self::Rnn => &[],
            Self::Gru => &["reset", "update", "new"],
            Self::Lstm => &["input", "forget", "cell", "output"],
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Rnn => "RNN",
            Self::Gru => "GRU",
            Self::Lstm => "LSTM",
        }
    }
}

impl LayerSpec {
    /// The field's word for this kind of layer.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dense { .. } => "dense",
            Self::Conv2d { .. } => "convolution",
            Self::DepthwiseConv2d { .. } => "depth-wise convolution",
            Self::Conv1d { .. } => "1-D convolution",
            Self::BatchNorm => "batch norm",
            Self::LayerNorm => "layer norm",
            Self::Activation { function } => function.name(),
            Self::MaxPool { .. } => "max pool",
            Self::GlobalAveragePool => "global average pool",
            Self::Dropout { .. } => "dropout",
            Self::Flatten => "flatten",
            Self::Rows => "rows as steps",
            Self::Patches { .. } => "patches as steps",
            Self::Embedding { .. } => "embedding",
            Self::Positions { .. } => "positions",
            Self::ClassToken => "class token",
            Self::FirstStep => "first step",
            Self::Recurrent { cell, .. } => cell.name(),
            Self::SelfAttention { .. } => "self-attention",
            Self::Branch => "branch",
            Self::Sum => "residual sum",
        }
    }

    /// Zeros added at each edge.
    pub fn padding_pixels(kernel: usize, padding: PaddingKind) -> usize {
        match padding {
            PaddingKind::Same => kernel / 2,
            PaddingKind::Valid => 0,
        }
    }

    /// Shape of the output for one sample of shape `input`; the error says what is wrong and what would fit. What a
    /// [`Sum`](Self::Sum) adds is for the whole list to know: [`ModelSpec::walk`](super::ModelSpec::walk).
    #[expect(clippy::too_many_lines, reason = "one arm a kind of layer")]
    pub fn output(&self, input: Shape) -> Result<Shape, String> {
        if let Shape::Tokens { .. } = input
            && !matches!(self, Self::Embedding { .. } | Self::Dropout { .. })
        {
            return Err("needs numbers, and tokens are places in a vocabulary; put an embedding first".to_owned());
        }
        match *self {
            Self::Dense { units } => dense(units, input),
            Self::Conv2d {
                filters,
                kernel,
                stride,
                padding,
            } => convolved(filters, kernel, stride, padding, input),
            Self::DepthwiseConv2d {
                kernel,
                stride,
                padding,
            } => convolved(input.channels(), kernel, stride, padding, input),
            Self::Conv1d {
                filters,
                kernel,
                stride,
                padding,
            } => {
                let Shape::Sequence { steps, .. } = input else {
                    return Err(NEEDS_SEQUENCE.to_owned());
                };
                let steps = window([filters, kernel, stride], padding, &[steps], "sequence")?[0];
                Ok(Shape::Sequence {
                    steps,
                    features: filters,
                })
            }
            Self::MaxPool { size } => pooled(size, input),
            Self::GlobalAveragePool => match input {
                Shape::Features { .. } => Err("needs an image or a sequence to take the mean over".to_owned()),
                _ => Ok(Shape::Features {
                    features: input.channels(),
                }),
            },
            Self::Dropout { probability } if !(0.0..1.0).contains(&probability) => {
                Err(format!("probability {probability} is not in 0 to below 1"))
            }
            Self::LayerNorm if matches!(input, Shape::Image { .. }) => {
                Err("normalises features or steps; use batch norm for images".to_owned())
            }
            Self::Flatten => Ok(Shape::Features { features: input.len() }),
            Self::Rows => match input {
                Shape::Image {
                    channels,
                    height,
                    width,
                } => Ok(Shape::Sequence {
                    steps: height,
                    features: channels * width,
                }),
                _ => Err(NEEDS_IMAGE.to_owned()),
            },
            Self::Patches { size } => patches(size, input),
            Self::Embedding { dimensions: 0 } => Err("has no dimensions; use at least 1".to_owned()),
            Self::Embedding { dimensions } => match input {
                Shape::Tokens { steps, .. } => Ok(Shape::Sequence {
                    steps,
                    features: dimensions,
                }),
                _ => Err("needs tokens; numbers need none".to_owned()),
            },
            Self::Positions { .. } => sequence(input).map(|_| input),
            Self::ClassToken => {
                let (steps, features) = sequence(input)?;
                Ok(Shape::Sequence {
                    steps: steps + 1,
                    features,
                })
            }
            Self::FirstStep => {
                let (_, features) = sequence(input)?;
                Ok(Shape::Features { features })
            }
            Self::Recurrent {
                units,
                bidirectional,
                sequence: all,
                ..
            } => {
                let (steps, _) = sequence(input)?;
                if units == 0 {
                    return Err("has no units; use at least 1".to_owned());
                }
                let features = units * (1 + usize::from(bidirectional));
                Ok(if all {
                    Shape::Sequence { steps, features }
                } else {
                    Shape::Features { features }
                })
            }
            Self::SelfAttention { heads, head_width } => {
                let (_, features) = sequence(input)?;
                if head_width.is_some_and(|width| width > 0 && heads > 0) {
                    return Ok(input);
                }
                if heads == 0 || features % heads != 0 {
                    return Err(format!(
                        "{heads} heads can't share {features} features; use a divisor of {features}"
                    ));
                }
                Ok(input)
            }
            Self::BatchNorm
            | Self::LayerNorm
            | Self::Activation { .. }
            | Self::Dropout { .. }
            | Self::Branch
            | Self::Sum => Ok(input),
        }
    }
}

const NEEDS_IMAGE: &str = "needs an image; this data has no height and width";
const NEEDS_SEQUENCE: &str = "needs a sequence; this data has no order of steps";

fn dense(units: usize, input: Shape) -> Result<Shape, String> {
    match input {
        _ if units == 0 => Err("has no units; use at least 1".to_owned()),
        Shape::Image { .. } => Err("needs features; put a flatten layer before it".to_owned()),
        _ => Ok(input.with_channels(units)),
    }
}

fn sequence(input: Shape) -> Result<(usize, usize), String> {
    match input {
        Shape::Sequence { steps, features } => Ok((steps, features)),
        Shape::Image { .. } => Err("needs a sequence; put rows as steps or patches as steps before it".to_owned()),
        _ => Err(NEEDS_SEQUENCE.to_owned()),
    }
}

fn convolved(
    filters: usize,
    kernel: usize,
    stride: usize,
    padding: PaddingKind,
    input: Shape,
) -> Result<Shape, String> {
    let Shape::Image { height, width, .. } = input else {
        return Err(NEEDS_IMAGE.to_owned());
    };
    let edges = window([filters, kernel, stride], padding, &[height, width], "image")?;
    Ok(Shape::Image {
        channels: filters,
        height: edges[0],
        width: edges[1],
    })
}

/// Positions of a window along each of `edges`.
fn window(
    [filters, kernel, stride]: [usize; 3],
    padding: PaddingKind,
    edges: &[usize],
    of: &str,
) -> Result<Vec<usize>, String> {
    if filters == 0 || kernel == 0 || stride == 0 {
        return Err("filters, kernel and stride must be at least 1".to_owned());
    }
    if padding == PaddingKind::Same && kernel % 2 == 0 {
        return Err(format!("same padding needs an odd kernel, not {kernel}"));
    }
    let pad = LayerSpec::padding_pixels(kernel, padding);
    if edges.iter().any(|edge| kernel > edge + 2 * pad) {
        let size: Vec<String> = edges.iter().map(ToString::to_string).collect();
        return Err(format!(
            "a kernel of {kernel} is larger than the {of} of {} at this place; use a smaller kernel or fewer pools",
            size.join(" x ")
        ));
    }
    Ok(edges
        .iter()
        .map(|edge| (edge + 2 * pad - kernel) / stride + 1)
        .collect())
}

fn pooled(size: usize, input: Shape) -> Result<Shape, String> {
    let refuse = |of: String| {
        Err(format!(
            "a window of {size} does not fit the {of} at this place; use a smaller window or fewer pools"
        ))
    };
    match input {
        Shape::Image {
            channels,
            height,
            width,
        } => {
            if size == 0 || size > height || size > width {
                return refuse(format!("image of {height} x {width}"));
            }
            Ok(Shape::Image {
                channels,
                height: height / size,
                width: width / size,
            })
        }
        Shape::Sequence { steps, features } => {
            if size == 0 || size > steps {
                return refuse(format!("sequence of {steps} steps"));
            }
            Ok(Shape::Sequence {
                steps: steps / size,
                features,
            })
        }
        _ => Err("needs an image or a sequence; this data has neither pixels nor steps".to_owned()),
    }
}

fn patches(size: usize, input: Shape) -> Result<Shape, String> {
    let Shape::Image {
        channels,
        height,
        width,
    } = input
    else {
        return Err(NEEDS_IMAGE.to_owned());
    };
    if size == 0 || height % size != 0 || width % size != 0 {
        return Err(format!(
            "patches of {size} do not divide the image of {height} x {width}; use a divisor of both"
        ));
    }
    Ok(Shape::Sequence {
        steps: (height / size) * (width / size),
        features: channels * size * size,
    })
}
