//! Products with constant weights, as the file describes them and as they run: packed for the kernels, in floats or in integers.

use half::f16;

use super::LoadError;
use super::constants::scaled;
use super::layers::{Columns, FloatLayer, FloatWeights, IntegerLayer, IntegerWeights, Layer, PaddedImage};
use super::node::{EXPORT_AGAIN, Node};
use crate::kernels::{
    FloatPanels, GROUP, Grid, INTEGER_STEP, ImageShape, InstructionSet, IntegerPanels, MAX_STEPS, MatrixShape, PANEL,
    Plane, Taps, Walk, Window, ZERO_CODE,
};

/// The most values of a sample at any point of a network: a bound on what a damaged file can ask for.
pub const MAX_VALUES: usize = 1 << 26;
pub const SMALLER: &str = "use a smaller network or image";

/// A dense layer or a convolution.
pub struct Product {
    /// The window of a convolution; a dense layer has none.
    pub window: Option<ConvWindow>,
    /// Outputs of a dense layer, filters of a convolution.
    pub outputs: usize,
    /// Inputs of a dense layer, channels that each filter of a convolution reads.
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
pub struct ConvWindow {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    pub pads: [usize; 4],
}

pub enum Weights {
    Single(Vec<f32>),
    Half(Vec<f16>),
    /// Of a dense layer, in 4 bits: two codes a byte, the lower bits first, and a scale for each of `inputs.div_ceil(GROUP)` groups, output by
    /// output.
    Nibbles {
        codes: Vec<u8>,
        scales: Vec<f32>,
    },
    /// One scale for each output.
    Integer {
        values: Vec<i8>,
        scales: Vec<f32>,
    },
}

pub enum Bias {
    Float(Vec<f32>),
    /// One scale for each output.
    Integer {
        values: Vec<i32>,
        scales: Vec<f32>,
    },
}

pub enum Packed {
    Float(FloatLayer),
    Integer(IntegerLayer),
}

impl Product {
    /// Whether a scale and shift of so many channels can be folded into the weights without changing their form.
    pub fn takes(&self, channels: usize) -> bool {
        channels == self.outputs && matches!(self.weights, Weights::Single(_))
    }

    /// Folds scale and shift behind the product into its weights (Jacob et al. 2018).
    pub fn fold(&mut self, scale: &[f32], shift: &[f32]) {
        if let Weights::Single(weights) = &mut self.weights {
            let inner = weights.len() / self.outputs;
            for (filter, scale) in weights.chunks_exact_mut(inner).zip(scale) {
                for weight in filter {
                    *weight *= scale;
                }
            }
        }
        let bias = self.bias.to_floats();
        let bias = bias
            .iter()
            .zip(scale.iter().zip(shift))
            .map(|(bias, (scale, shift))| bias * scale + shift);
        self.bias = Bias::Float(bias.collect());
    }

    /// Whether weights and bias are integers whose products are on the bias's grid for an input on `grid`.
    pub fn fits(&self, grid: Grid) -> bool {
        let Weights::Integer { scales, .. } = &self.weights else {
            return false;
        };
        match &self.bias {
            Bias::Float(values) => values.iter().all(|&value| value == 0.0),
            Bias::Integer {
                scales: bias_scales, ..
            } => scales.iter().zip(bias_scales).all(|(weight, bias)| {
                let product = weight * grid.scale;
                (product - bias).abs() <= 1e-4 * product
            }),
        }
    }

    /// Makes floats of integer weights and biases: they compute in floats because their input does.
    pub fn leave_integers(&mut self) {
        if let Weights::Integer { values, scales } = &self.weights {
            self.weights = Weights::Single(scaled(values, scales, f32::from));
        }
        self.bias = Bias::Float(self.bias.to_floats());
    }

    fn low(&self) -> f32 {
        if self.relu { 0.0 } else { f32::NEG_INFINITY }
    }

    /// Packs the weights for inputs that lie as `image` says; of a dense layer it is the image that has been flattened.
    pub fn pack(&self, node: &Node<'_, '_>, image: ImageShape, set: InstructionSet) -> Result<Packed, LoadError> {
        let mut plane = None;
        let (walk, padded) = match &self.window {
            None => {
                let pitch = if self.input_grid.is_some() {
                    self.inputs.next_multiple_of(INTEGER_STEP)
                } else {
                    self.inputs
                };
                (Walk::rows(self.inputs, pitch), None)
            }
            Some(window) if self.inputs != image.channels => {
                let depthwise = window.plane(node, image)?;
                plane = Some(depthwise);
                (Walk::rows(1, 1), Some(PaddedImage::unpadded(image, depthwise.out)))
            }
            Some(window) => {
                let (walk, padded) = padded_window(node, window, image)?;
                (walk, Some(padded))
            }
        };
        let pixels = padded.as_ref().map_or(1, |image| image.out_pixels);
        let output_len = within_bounds(node, &[pixels, self.outputs])?;
        let place = Place {
            image,
            window: self.window,
        };
        match (&self.weights, self.input_grid) {
            (Weights::Integer { values, scales }, Some(grid)) => Ok(Packed::Integer(Layer {
                weights: self.integer_weights(values, plane, &walk, &place, set),
                columns: self.columns(node, values, scales, grid)?,
                walk,
                image: padded,
                input_len: image.len(),
                output_len,
                low: self.low(),
            })),
            (Weights::Integer { .. }, None) => Err(node.refuse("its input is not quantized", EXPORT_AGAIN)),
            _ => {
                let mut bias = self.bias.to_floats();
                bias.resize(self.outputs.next_multiple_of(PANEL), 0.0);
                Ok(Packed::Float(Layer {
                    weights: self.float_weights(plane, &walk, &place, set),
                    columns: bias,
                    walk,
                    image: padded,
                    input_len: image.len(),
                    output_len,
                    low: self.low(),
                }))
            }
        }
    }

    fn matrix(&self, walk: &Walk) -> MatrixShape {
        MatrixShape {
            columns: self.outputs,
            runs: walk.runs(),
            run_len: walk.run_len(),
        }
    }

    fn integer_weights(
        &self,
        values: &[i8],
        plane: Option<Plane>,
        walk: &Walk,
        place: &Place,
        set: InstructionSet,
    ) -> IntegerWeights {
        let inner = values.len() / self.outputs;
        if let Some(plane) = plane {
            return IntegerWeights::Taps(Taps::pack(set, plane, self.outputs, |channel, tap| {
                values[channel * inner + tap]
            }));
        }
        IntegerWeights::Panels(IntegerPanels::pack(set, self.matrix(walk), |column, run, depth| {
            values[column * inner + place.in_filter(run, depth)]
        }))
    }

    fn float_weights(&self, plane: Option<Plane>, walk: &Walk, place: &Place, set: InstructionSet) -> FloatWeights {
        let inner = match &self.window {
            None => self.inputs,
            Some(_) => self.weights.len() / self.outputs,
        };
        if let Some(plane) = plane {
            let weight = |channel: usize, tap: usize| self.weights.at(channel * inner + tap);
            return FloatWeights::Taps(Taps::pack(set, plane, self.outputs, weight));
        }
        let matrix = self.matrix(walk);
        let at = |column: usize, run, depth| column * inner + place.in_filter(run, depth);
        FloatWeights::Panels(match &self.weights {
            Weights::Half(values) => FloatPanels::pack_half(set, matrix, |c, r, d| values[at(c, r, d)]),
            // Groups that a flattened image takes apart are widened.
            Weights::Nibbles { codes, scales } if (0..inner).all(|depth| place.in_filter(0, depth) == depth) => {
                let groups = inner.div_ceil(GROUP);
                FloatPanels::pack_nibbles(
                    set,
                    [self.outputs, inner],
                    |column, depth| code(codes, column * groups * GROUP + depth),
                    |column, group| scales[column * groups + group],
                )
            }
            weights @ Weights::Nibbles { .. } => FloatPanels::pack(set, matrix, |column, run, depth| {
                weights.at(column * inner.next_multiple_of(GROUP) + place.in_filter(run, depth))
            }),
            weights => FloatPanels::pack(set, matrix, |c, r, d| weights.at(at(c, r, d))),
        })
    }

    /// Starts and scales of an integer layer's outputs.
    fn columns(
        &self,
        node: &Node<'_, '_>,
        values: &[i8],
        weight_scales: &[f32],
        grid: Grid,
    ) -> Result<Columns, LoadError> {
        let inner = values.len() / self.outputs;
        let padded = self.outputs.next_multiple_of(PANEL);
        let (mut start, mut scale) = (vec![0; padded], vec![0.0; padded]);
        for (column, filter) in values.chunks_exact(inner).enumerate() {
            let bias = match &self.bias {
                Bias::Integer { values, .. } => i64::from(values[column]),
                Bias::Float(_) => 0,
            };
            let sum: i64 = filter.iter().map(|&weight| i64::from(weight)).sum();
            let magnitude: i64 = filter.iter().map(|&weight| i64::from(weight).abs()).sum();
            let largest = bias.abs() + 255 * magnitude;
            // In the order of operations of ONNX Runtime, whose results must be met bit for bit.
            scale[column] = grid.scale * weight_scales[column];
            if let Some(out) = self.output_grid {
                scale[column] /= out.scale;
            }
            let steps = largest as f32 * scale[column];
            if largest > i64::from(i32::MAX) || !steps.is_finite() {
                return Err(node.refuse(format!("the sums of output {column} can leave 32 bits"), SMALLER));
            }
            if self.output_grid.is_some() && steps > MAX_STEPS {
                let problem = format!("output {column} can be {steps} steps of its grid");
                return Err(node.refuse(problem, "quantize again with more calibration samples"));
            }
            // The sums wrap, so a start beyond 32 bits still ends at the right sum.
            start[column] = (bias - i64::from(grid.zero_point) * sum) as i32;
        }
        Ok(Columns {
            start,
            scale,
            zero_point: grid.zero_point,
            out: self.output_grid,
        })
    }
}

impl Weights {
    /// The number of weights.
    fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Half(values) => <[f16]>::len(values),
            Self::Nibbles { codes, .. } => 2 * codes.len(),
            Self::Integer { values, .. } => values.len(),
        }
    }

    /// A weight as a float; of integers, in steps.
    fn at(&self, place: usize) -> f32 {
        match self {
            Self::Single(values) => values[place],
            Self::Half(values) => values[place].to_f32(),
            Self::Nibbles { codes, scales } => {
                (f32::from(code(codes, place)) - f32::from(ZERO_CODE)) * scales[place / GROUP]
            }
            Self::Integer { values, .. } => f32::from(values[place]),
        }
    }
}

fn code(codes: &[u8], place: usize) -> u8 {
    codes[place / 2] >> (4 * (place % 2)) & 15
}

impl Bias {
    /// The real values.
    pub fn to_floats(&self) -> Vec<f32> {
        match self {
            Self::Float(values) => values.clone(),
            Self::Integer { values, scales } => scaled(values, scales, |value| value as f32),
        }
    }
}

/// The walk over a convolution's padded input, and that input.
fn padded_window(
    node: &Node<'_, '_>,
    window: &ConvWindow,
    input: ImageShape,
) -> Result<(Walk, PaddedImage), LoadError> {
    let out = window.out(node, [input.height, input.width])?;
    let padded_width = input.width + window.pads[1] + window.pads[3];
    let padded_height = input.height + window.pads[0] + window.pads[2];
    let padded_len = within_bounds(node, &[padded_height, padded_width, input.channels])?;
    let pitch = padded_width * input.channels;
    let first = window.pads[0] * pitch + window.pads[1] * input.channels;
    let windows = Window {
        channels: input.channels,
        padded_width,
        out_width: out[1],
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
    };
    Ok((
        Walk::window(&windows),
        PaddedImage {
            input,
            first,
            pitch,
            padded_len,
            out_pixels: out[0] * out[1],
        },
    ))
}

impl ConvWindow {
    /// The window of a depth-wise convolution over an image.
    fn plane(&self, node: &Node<'_, '_>, image: ImageShape) -> Result<Plane, LoadError> {
        let input = [image.height, image.width];
        Ok(Plane {
            input,
            out: self.out(node, input)?,
            kernel: self.kernel,
            stride: self.stride,
            dilation: self.dilation,
            pad: [self.pads[0], self.pads[1]],
        })
    }

    /// Height and width of what the window makes of an image of this size.
    pub fn out(&self, node: &Node<'_, '_>, size: [usize; 2]) -> Result<[usize; 2], LoadError> {
        let mut out = [0; 2];
        for axis in 0..2 {
            let padded = size[axis] + self.pads[axis] + self.pads[axis + 2];
            let reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
            let Some(room) = padded.checked_sub(reach) else {
                let problem = format!("its window of {reach} is larger than the padded image of {padded}");
                return Err(node.refuse(problem, "use a smaller kernel or a larger image"));
            };
            out[axis] = room / self.stride[axis] + 1;
        }
        Ok(out)
    }
}

/// How weights in the file's order are found from their place in memory.
struct Place {
    image: ImageShape,
    window: Option<ConvWindow>,
}

impl Place {
    /// Where in a filter, or in an output's row of weights, the weight at a depth of a run is.
    fn in_filter(&self, run: usize, depth: usize) -> usize {
        let ImageShape {
            height,
            width,
            channels,
        } = self.image;
        let Some(ConvWindow { kernel, dilation, .. }) = self.window else {
            return depth % channels * (height * width) + depth / channels;
        };
        let (y, x) = if dilation[1] == 1 {
            (run, depth / channels)
        } else {
            (run / kernel[1], run % kernel[1])
        };
        (depth % channels * kernel[0] + y) * kernel[1] + x
    }
}

/// The product of the sizes, if it is within what a network may hold.
pub fn within_bounds(node: &Node<'_, '_>, sizes: &[usize]) -> Result<usize, LoadError> {
    let values = sizes.iter().try_fold(1_usize, |len, &size| len.checked_mul(size));
    values
        .filter(|&values| values <= MAX_VALUES)
        .ok_or_else(|| node.refuse(format!("{sizes:?} values are too many"), SMALLER))
}
