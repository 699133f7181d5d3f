//! Turns a chain of layers into steps with packed weights, and gives every value its place in memory.
//!
//! A value is alive from the step that makes it to the next, so two neighbours of a chain lie at opposite ends of one arena:
//! it is as long as the largest pair. Floats and bytes have an arena each.

use super::LoadError;
use super::chain::{Bias, ConvWindow, Kind, Layer, Pooling, Product, Weights};
use super::read::Network;
use super::steps::{ByteStep, FloatLayer, FloatStep, IntegerLayer, PaddedImage, QuantizeStep, STAGED_ROWS, WidenStep};
use crate::kernels::{
    FloatPanels, Grid, INTEGER_STEP, ImageShape, InstructionSet, IntegerPanels, MAX_STEPS, MatrixShape, Pool, Walk,
    Window,
};

/// The most values of a sample at any point of a network: a bound on what a damaged file can ask for.
const MAX_VALUES: usize = 1 << 26;
const EXPORT_AGAIN: &str = "export the model again";
const SMALLER: &str = "use a smaller network or image";

/// A network that is ready to run.
pub(super) struct Plan {
    pub steps: Vec<Step>,
    /// Values of one sample of the output.
    pub output_len: usize,
    /// Floats of the arena for one sample.
    pub arena_floats: usize,
    /// Bytes of the arena for one sample.
    pub arena_bytes: usize,
    /// Floats that the largest padded image takes.
    pub staged_floats: usize,
    /// Bytes, widened or not, that the largest staged input takes.
    pub staged_integers: usize,
    /// Bytes of packed weights and of the vectors beside them.
    pub weight_bytes: usize,
    /// Names of the layers that run on integer kernels.
    pub integer_layers: Vec<String>,
}

/// What is done, and where the result lies.
pub(super) struct Step {
    pub action: Action,
    pub to: Slot,
}

pub(super) enum Action {
    Float(FloatStep),
    Byte(ByteStep),
    Quantize(QuantizeStep),
    Widen(WidenStep),
}

/// A place in an arena.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    /// Values of a sample.
    pub len: usize,
    /// At the end of the arena rather than at its beginning.
    pub at_end: bool,
}

/// Plans a network for an instruction set.
pub(super) fn plan(network: &Network, layers: &[Layer], set: InstructionSet) -> Result<Plan, LoadError> {
    let mut planner = Planner::new(network, set)?;
    for layer in layers {
        planner.add(layer)?;
    }
    planner.finish()
}

/// Shape of a value; in memory the channels are always last.
#[derive(Clone, Copy)]
struct Shape {
    image: ImageShape,
    /// Flattened, in the file's eyes, with the channels first.
    is_flat: bool,
}

struct Planner {
    set: InstructionSet,
    plan: Plan,
    shape: Shape,
    holds_bytes: bool,
    /// The input is still as the caller gave it, with the channels first.
    is_untouched: bool,
    last: Option<(bool, Slot)>,
}

impl Shape {
    fn len(self) -> usize {
        self.image.len()
    }

    /// Where the value at a place in memory is in the file's order.
    fn place_in_file(self, place: usize) -> usize {
        let ImageShape {
            height,
            width,
            channels,
        } = self.image;
        place % channels * (height * width) + place / channels
    }

    /// Whether memory and file agree on the order.
    fn is_in_file_order(self) -> bool {
        self.image.channels == 1 || self.image.height * self.image.width == 1
    }
}

impl Planner {
    fn new(network: &Network, set: InstructionSet) -> Result<Self, LoadError> {
        let (image, is_flat) = match *network.input_shape.as_slice() {
            [channels, height, width] => (
                ImageShape {
                    height,
                    width,
                    channels,
                },
                false,
            ),
            _ => (
                ImageShape {
                    height: 1,
                    width: 1,
                    channels: network.input_shape.iter().product(),
                },
                true,
            ),
        };
        let values = network
            .input_shape
            .iter()
            .try_fold(1_usize, |len, &size| len.checked_mul(size));
        if values.is_none_or(|values| values > MAX_VALUES) {
            let problem = format!("its input of shape {:?} is too large", network.input_shape);
            return Err(LoadError::File { problem });
        }
        let plan = Plan {
            steps: Vec::new(),
            output_len: 0,
            arena_floats: 0,
            arena_bytes: 0,
            staged_floats: 0,
            staged_integers: 0,
            weight_bytes: 0,
            integer_layers: Vec::new(),
        };
        let shape = Shape { image, is_flat };
        Ok(Self {
            set,
            plan,
            shape,
            holds_bytes: false,
            is_untouched: true,
            last: None,
        })
    }

    fn finish(mut self) -> Result<Plan, LoadError> {
        if self.holds_bytes {
            return Err(LoadError::File {
                problem: "its output is quantized, which no DequantizeLinear undoes".into(),
            });
        }
        if self.plan.steps.is_empty() {
            // The input is the output: a copy.
            self.push(Action::Float(FloatStep::ChannelsFirst { channels: 1 }), self.shape);
        } else if !self.shape.is_in_file_order() {
            let channels = self.shape.image.channels;
            self.push(Action::Float(FloatStep::ChannelsFirst { channels }), self.shape);
        }
        self.plan.output_len = self.shape.len();
        Ok(self.plan)
    }

    fn add(&mut self, layer: &Layer) -> Result<(), LoadError> {
        let expects_bytes = match &layer.kind {
            Kind::Dequantize(_) => true,
            Kind::Product(product) => product.input_grid.is_some(),
            Kind::Pool(Pooling::Max { .. }) | Kind::Flatten => self.holds_bytes,
            _ => false,
        };
        if expects_bytes != self.holds_bytes {
            let found = if self.holds_bytes { "quantized" } else { "real" };
            return Err(layer.refuse(format!("it follows {found} values"), EXPORT_AGAIN));
        }
        if self.is_untouched && !matches!(layer.kind, Kind::Flatten | Kind::Quantize(_)) {
            if !self.shape.is_in_file_order() {
                let channels = self.shape.image.channels;
                self.push(Action::Float(FloatStep::ChannelsLast { channels }), self.shape);
            }
            self.is_untouched = false;
        }
        match &layer.kind {
            Kind::Flatten => {
                self.shape.is_flat = true;
                if self.is_untouched {
                    let channels = self.shape.len();
                    self.shape.image = ImageShape {
                        height: 1,
                        width: 1,
                        channels,
                    };
                }
            }
            Kind::Quantize(grid) => {
                let arranges = self.is_untouched && !self.shape.is_in_file_order();
                let channels = if arranges { self.shape.image.channels } else { 1 };
                self.is_untouched = false;
                self.push(Action::Quantize(QuantizeStep { grid: *grid, channels }), self.shape);
            }
            Kind::Dequantize(grid) => self.push(Action::Widen(WidenStep::Dequantize(*grid)), self.shape),
            Kind::Activation(activation) => {
                self.push(Action::Float(FloatStep::Activation(*activation)), self.shape);
            }
            Kind::ScaleShift { scale, shift } => self.scale_shift(layer, scale, shift)?,
            Kind::Pool(pooling) => self.pool(layer, *pooling)?,
            Kind::Product(product) => self.product(layer, product)?,
        }
        Ok(())
    }

    /// Appends a step and finds the place of its result, which has the given shape from here on.
    fn push(&mut self, action: Action, shape: Shape) {
        let to_bytes = matches!(action, Action::Byte(_) | Action::Quantize(_));
        self.plan.weight_bytes += match &action {
            Action::Float(step) => step.weight_bytes(),
            Action::Byte(ByteStep::Product { layer, .. }) | Action::Widen(WidenStep::Product { layer, .. }) => {
                layer.weight_bytes()
            }
            _ => 0,
        };
        let beside = self.last.filter(|(bytes, _)| *bytes == to_bytes).map(|(_, slot)| slot);
        let to = Slot {
            len: shape.len(),
            at_end: beside.is_some_and(|slot| !slot.at_end),
        };
        let arena = if to_bytes {
            &mut self.plan.arena_bytes
        } else {
            &mut self.plan.arena_floats
        };
        *arena = (*arena).max(to.len + beside.map_or(0, |slot| slot.len));
        self.plan.steps.push(Step { action, to });
        self.shape = shape;
        self.holds_bytes = to_bytes;
        self.last = Some((to_bytes, to));
    }

    fn scale_shift(&mut self, layer: &Layer, scale: &[f32], shift: &[f32]) -> Result<(), LoadError> {
        let expected = if self.shape.is_flat {
            self.shape.len()
        } else {
            self.shape.image.channels
        };
        if scale.len() != expected {
            return Err(layer.refuse(
                format!("it has {} channels, its input {expected}", scale.len()),
                EXPORT_AGAIN,
            ));
        }
        let shape = self.shape;
        let in_memory = |values: &[f32]| -> Vec<f32> {
            let place = |i| if shape.is_flat { shape.place_in_file(i) } else { i };
            (0..expected).map(|i| values[place(i)]).collect()
        };
        let step = FloatStep::ScaleShift {
            scale: in_memory(scale),
            shift: in_memory(shift),
        };
        self.push(Action::Float(step), shape);
        Ok(())
    }

    fn pool(&mut self, layer: &Layer, pooling: Pooling) -> Result<(), LoadError> {
        let ImageShape {
            height,
            width,
            channels,
        } = self.image(layer)?;
        let (kernel, stride, pads) = match pooling {
            Pooling::Max { kernel, stride, pads }
            | Pooling::Average {
                kernel, stride, pads, ..
            } => (kernel, stride, pads),
            Pooling::GlobalAverage => ([height, width], [1, 1], [0; 4]),
        };
        if (0..4).any(|side| pads[side] >= kernel[side % 2]) {
            return Err(layer.refuse("its padding is not smaller than its window", EXPORT_AGAIN));
        }
        let window = ConvWindow {
            kernel,
            stride,
            pads,
            dilation: [1, 1],
        };
        let out = self.window_out(layer, &window)?;
        let pool = Pool {
            input: self.shape.image,
            out,
            kernel,
            stride,
            pad: [pads[0], pads[1]],
        };
        let action = match pooling {
            Pooling::Max { .. } if self.holds_bytes => Action::Byte(ByteStep::MaxPool(pool)),
            Pooling::Max { .. } => Action::Float(FloatStep::MaxPool(pool)),
            Pooling::Average { counts_padding, .. } => Action::Float(FloatStep::AveragePool { pool, counts_padding }),
            Pooling::GlobalAverage => Action::Float(FloatStep::AveragePool {
                pool,
                counts_padding: false,
            }),
        };
        let image = ImageShape {
            height: out[0],
            width: out[1],
            channels,
        };
        self.push(action, Shape { image, is_flat: false });
        Ok(())
    }

    fn product(&mut self, layer: &Layer, product: &Product) -> Result<(), LoadError> {
        let found = if product.window.is_some() {
            self.image(layer)?.channels
        } else {
            self.shape.len()
        };
        if product.window.is_none() && !self.shape.is_flat {
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
                let (walk, padded, [height, width]) = self.window(layer, window)?;
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
            shape: self.shape,
            window: product.window,
        };
        let matrix = MatrixShape {
            columns: product.outputs,
            runs: walk.runs(),
            run_len: walk.run_len(),
        };
        let action = match (&product.weights, product.input_grid) {
            (Weights::Integer { values, scales }, Some(grid)) => {
                let layer = Box::new(self.integer_layer(
                    layer,
                    product,
                    (values, scales),
                    grid,
                    (walk, padded, matrix, order),
                )?);
                match product.output_grid {
                    Some(Grid { zero_point, .. }) => {
                        let low = if product.relu { zero_point } else { 0 };
                        Action::Byte(ByteStep::Product { layer, zero_point, low })
                    }
                    None => Action::Widen(WidenStep::Product {
                        layer,
                        low: lowest(product),
                    }),
                }
            }
            (weights, _) => {
                let inner = weights.len() / product.outputs;
                let place = |column: usize, run, depth| column * inner + order.place_in_filter(run, depth);
                let panels = match weights {
                    Weights::Single(values) => FloatPanels::pack(self.set, matrix, |c, r, d| values[place(c, r, d)]),
                    Weights::Half(values) => FloatPanels::pack_half(self.set, matrix, |c, r, d| values[place(c, r, d)]),
                    Weights::Integer { .. } => return Err(layer.refuse("its input is not quantized", EXPORT_AGAIN)),
                };
                let mut bias = product.bias.to_floats();
                bias.resize(matrix.padded_columns(), 0.0);
                let staged = padded.as_ref().filter(|image| image.padded_len != image.input.len());
                self.plan.staged_floats = self.plan.staged_floats.max(staged.map_or(0, |image| image.padded_len));
                let layer = FloatLayer {
                    panels,
                    bias,
                    low: lowest(product),
                    walk,
                    image: padded,
                };
                Action::Float(FloatStep::Product(layer))
            }
        };
        self.push(action, out);
        Ok(())
    }

    fn integer_layer(
        &mut self,
        layer: &Layer,
        product: &Product,
        (values, weight_scales): (&[i8], &[f32]),
        grid: Grid,
        (walk, image, matrix, order): (Walk, Option<PaddedImage>, MatrixShape, WeightOrder),
    ) -> Result<IntegerLayer, LoadError> {
        let inner = values.len() / product.outputs;
        let panels = IntegerPanels::pack(self.set, matrix, |column, run, depth| {
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
        let input_len = self.shape.len();
        let (walk, staged_len) = if let Some(image) = &image {
            let span = walk.span(image.out_pixels, INTEGER_STEP).max(image.padded_len);
            (walk, span)
        } else {
            let pitch = input_len.next_multiple_of(INTEGER_STEP);
            (Walk::rows(input_len, pitch), pitch * STAGED_ROWS)
        };
        self.plan.staged_integers = self.plan.staged_integers.max(staged_len);
        self.plan.integer_layers.push(layer.name.clone());
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
    fn window(&self, layer: &Layer, window: &ConvWindow) -> Result<(Walk, PaddedImage, [usize; 2]), LoadError> {
        let input = self.image(layer)?;
        let out = self.window_out(layer, window)?;
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
    fn window_out(&self, layer: &Layer, window: &ConvWindow) -> Result<[usize; 2], LoadError> {
        let size = [self.shape.image.height, self.shape.image.width];
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

    /// The current value, which must be an image.
    fn image(&self, layer: &Layer) -> Result<ImageShape, LoadError> {
        if self.shape.is_flat {
            return Err(layer.refuse("its input is flat", "put it before the Flatten"));
        }
        Ok(self.shape.image)
    }
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

fn lowest(product: &Product) -> f32 {
    if product.relu { 0.0 } else { f32::NEG_INFINITY }
}

/// The product of the sizes, if it is within what a network may hold.
fn within_bounds(layer: &Layer, sizes: &[usize]) -> Result<usize, LoadError> {
    let values = sizes.iter().try_fold(1_usize, |len, &size| len.checked_mul(size));
    values
        .filter(|&values| values <= MAX_VALUES)
        .ok_or_else(|| layer.refuse(format!("{sizes:?} values are too many"), SMALLER))
}
