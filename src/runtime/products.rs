//! Dense layers and convolutions with their weights packed for the kernels, in floats or in integers.

use super::LoadError;
use super::chain::{Bias, ConvWindow, Layer, Product, Weights};
use super::node::EXPORT_AGAIN;
use super::steps::{FloatLayer, IntegerLayer, PaddedImage, STAGED_ROWS};
use crate::kernels::{
    FloatPanels, Grid, INTEGER_STEP, ImageShape, InstructionSet, IntegerPanels, MAX_STEPS, MatrixShape, Walk, Window,
};

/// The most values of a sample at any point of a network: a bound on what a damaged file can ask for.
pub(super) const MAX_VALUES: usize = 1 << 26;
pub(super) const SMALLER: &str = "use a smaller network or image";

/// Shape of a value; in memory the channels are always last.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub image: ImageShape,
    /// Flattened, in the file's eyes, with the channels first.
    pub is_flat: bool,
}

impl Shape {
    pub(super) fn len(self) -> usize {
        self.image.len()
    }

    /// Where the value at a place in memory is in the file's order.
    pub(super) fn place_in_file(self, place: usize) -> usize {
        let ImageShape {
            height,
            width,
            channels,
        } = self.image;
        place % channels * (height * width) + place / channels
    }

    /// Whether memory and file agree on the order.
    pub(super) fn is_in_file_order(self) -> bool {
        self.image.channels == 1 || self.image.height * self.image.width == 1
    }
}

/// A packed layer.
pub(super) struct Packed {
    pub kernel: PackedKernel,
    pub out: Shape,
    /// Floats that its padded image takes.
    pub staged_floats: usize,
    /// Bytes, widened or not, that its staged input takes.
    pub staged_integers: usize,
}

pub(super) enum PackedKernel {
    Float(Box<FloatLayer>),
    /// For the input's grid.
    Integer(Box<IntegerLayer>),
}

/// Packs a dense layer or convolution for inputs of `shape`.
pub(super) fn pack(layer: &Layer, product: &Product, shape: Shape, set: InstructionSet) -> Result<Packed, LoadError> {
    let found = if product.window.is_some() {
        image_of(layer, shape)?.channels
    } else {
        shape.len()
    };
    if product.window.is_none() && !shape.is_flat {
        return Err(layer.refuse("its input is an image", "put a Flatten before it"));
    }
    if found != product.inputs {
        let problem = format!("its weights are for {} inputs, it has {found}", product.inputs);
        return Err(layer.refuse(problem, EXPORT_AGAIN));
    }
    let image = ImageShape {
        height: 1,
        width: 1,
        channels: product.outputs,
    };
    let (walk, padded, out) = match &product.window {
        None => (
            Walk::rows(product.inputs, product.inputs),
            None,
            Shape { image, is_flat: true },
        ),
        Some(window) => {
            let (walk, padded, [height, width]) = padded_window(layer, window, shape)?;
            (
                walk,
                Some(padded),
                Shape {
                    image: ImageShape { height, width, ..image },
                    is_flat: false,
                },
            )
        }
    };
    within_bounds(layer, &[out.image.height, out.image.width, out.image.channels])?;
    let order = WeightOrder {
        shape,
        window: product.window,
    };
    let matrix = MatrixShape {
        columns: product.outputs,
        runs: walk.runs(),
        run_len: walk.run_len(),
    };
    if let (Weights::Integer { .. }, Some(grid)) = (&product.weights, product.input_grid) {
        let kernel = integer_kernel(layer, product, grid, shape.len(), set, (walk, padded, matrix, &order))?;
        return Ok(Packed {
            staged_integers: kernel.staged_len,
            kernel: PackedKernel::Integer(Box::new(kernel)),
            out,
            staged_floats: 0,
        });
    }
    let inner = product.weights.len() / product.outputs;
    let place = |column: usize, run, depth| column * inner + order.place_in_filter(run, depth);
    let panels = match &product.weights {
        Weights::Single(values) => FloatPanels::pack(set, matrix, |c, r, d| values[place(c, r, d)]),
        Weights::Half(values) => FloatPanels::pack_half(set, matrix, |c, r, d| values[place(c, r, d)]),
        Weights::Integer { .. } => return Err(layer.refuse("its input is not quantized", EXPORT_AGAIN)),
    };
    let mut bias = product.bias.to_floats();
    bias.resize(matrix.padded_columns(), 0.0);
    let staged = padded.as_ref().filter(|image| image.padded_len != image.input.len());
    Ok(Packed {
        staged_floats: staged.map_or(0, |image| image.padded_len),
        staged_integers: 0,
        out,
        kernel: PackedKernel::Float(Box::new(FloatLayer {
            panels,
            bias,
            low: lowest(product),
            walk,
            image: padded,
        })),
    })
}

fn integer_kernel(
    layer: &Layer,
    product: &Product,
    grid: Grid,
    input_len: usize,
    set: InstructionSet,
    (walk, image, matrix, order): (Walk, Option<PaddedImage>, MatrixShape, &WeightOrder),
) -> Result<IntegerLayer, LoadError> {
    let Weights::Integer {
        values,
        scales: weight_scales,
    } = &product.weights
    else {
        return Err(layer.refuse("its weights are not integers", EXPORT_AGAIN));
    };
    let inner = values.len() / product.outputs;
    let panels = IntegerPanels::pack(set, matrix, |column, run, depth| {
        values[column * inner + order.place_in_filter(run, depth)]
    });
    let mut start = vec![0; matrix.padded_columns()];
    let mut scale = vec![0.0; matrix.padded_columns()];
    for (column, filter) in values.chunks_exact(inner).enumerate() {
        let bias = match &product.bias {
            Bias::Integer { values, .. } => i64::from(values[column]),
            Bias::Float(_) => 0,
        };
        let sum: i64 = filter.iter().map(|&weight| i64::from(weight)).sum();
        let magnitude: i64 = filter.iter().map(|&weight| i64::from(weight).abs()).sum();
        let largest = bias.abs() + 255 * magnitude;
        // In the order of operations of ONNX Runtime, whose results must be met bit for bit.
        scale[column] = grid.scale * weight_scales[column];
        if let Some(out) = product.output_grid {
            scale[column] /= out.scale;
        }
        let steps = largest as f32 * scale[column];
        if largest > i64::from(i32::MAX) || !steps.is_finite() {
            return Err(layer.refuse(format!("the sums of output {column} can leave 32 bits"), SMALLER));
        }
        if product.output_grid.is_some() && steps > MAX_STEPS {
            let problem = format!("output {column} can be {steps} steps of its grid");
            return Err(layer.refuse(problem, "quantize again with more calibration samples"));
        }
        // The sums wrap, so a start beyond 32 bits still ends at the right sum.
        start[column] = (bias - i64::from(grid.zero_point) * sum) as i32;
    }
    let (walk, staged_len) = if let Some(image) = &image {
        let span = walk.span(image.out_pixels, INTEGER_STEP).max(image.padded_len);
        (walk, span)
    } else {
        let pitch = input_len.next_multiple_of(INTEGER_STEP);
        (Walk::rows(input_len, pitch), pitch * STAGED_ROWS)
    };
    let zero_point = grid.zero_point;
    Ok(IntegerLayer {
        panels,
        start,
        scale,
        walk,
        image,
        zero_point,
        input_len,
        staged_len,
    })
}

/// The walk over a convolution's padded input, that input, and the size of the result.
fn padded_window(
    layer: &Layer,
    window: &ConvWindow,
    shape: Shape,
) -> Result<(Walk, PaddedImage, [usize; 2]), LoadError> {
    let input = image_of(layer, shape)?;
    let out = window_out(layer, window, input)?;
    let padded_width = input.width + window.pads[1] + window.pads[3];
    let padded_height = input.height + window.pads[0] + window.pads[2];
    let padded_len = within_bounds(layer, &[padded_height, padded_width, input.channels])?;
    let pitch = padded_width * input.channels;
    let first = window.pads[0] * pitch + window.pads[1] * input.channels;
    let walk = Walk::window(&Window {
        channels: input.channels,
        padded_width,
        out_width: out[1],
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
    });
    Ok((
        walk,
        PaddedImage {
            input,
            first,
            pitch,
            padded_len,
            out_pixels: out[0] * out[1],
        },
        out,
    ))
}

/// Height and width of what a window makes of the current image.
pub(super) fn window_out(layer: &Layer, window: &ConvWindow, image: ImageShape) -> Result<[usize; 2], LoadError> {
    let size = [image.height, image.width];
    let mut out = [0; 2];
    for axis in 0..2 {
        let padded = size[axis] + window.pads[axis] + window.pads[axis + 2];
        let reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
        let Some(room) = padded.checked_sub(reach) else {
            let problem = format!("its window of {reach} is larger than the padded image of {padded}");
            return Err(layer.refuse(problem, "use a smaller kernel or a larger image"));
        };
        out[axis] = room / window.stride[axis] + 1;
    }
    Ok(out)
}
/// The value of `shape`, which must be an image.
pub(super) fn image_of(layer: &Layer, shape: Shape) -> Result<ImageShape, LoadError> {
    if shape.is_flat {
        return Err(layer.refuse("its input is flat", "put it before the Flatten"));
    }
    Ok(shape.image)
}

/// How weights in the file's order are found from their place in memory.
struct WeightOrder {
    shape: Shape,
    window: Option<ConvWindow>,
}

impl WeightOrder {
    /// Where in a filter, or in an output's row of weights, the weight at a depth of a run is.
    fn place_in_filter(&self, run: usize, depth: usize) -> usize {
        let Some(ConvWindow { kernel, dilation, .. }) = self.window else {
            return self.shape.place_in_file(depth);
        };
        let channels = self.shape.image.channels;
        let (y, x) = if dilation[1] == 1 {
            (run, depth / channels)
        } else {
            (run / kernel[1], run % kernel[1])
        };
        (depth % channels * kernel[0] + y) * kernel[1] + x
    }
}

/// The smallest result: 0 after a ReLU.
pub(super) fn lowest(product: &Product) -> f32 {
    if product.relu { 0.0 } else { f32::NEG_INFINITY }
}

/// The product of the sizes, if it is within what a network may hold.
pub(super) fn within_bounds(layer: &Layer, sizes: &[usize]) -> Result<usize, LoadError> {
    let values = sizes.iter().try_fold(1_usize, |len, &size| len.checked_mul(size));
    values
        .filter(|&values| values <= MAX_VALUES)
        .ok_or_else(|| layer.refuse(format!("{sizes:?} values are too many"), SMALLER))
}
