//! Turns a chain of layers into steps with packed weights, and gives every value its place in memory.
//!
//! A value is alive from the step that makes it to the next, so two neighbours of a chain lie at opposite ends of one arena:
//! it is as long as the largest pair. Floats and bytes have an arena each.

use super::LoadError;
use super::chain::{ConvWindow, Kind, Layer, Pooling, Product};
use super::node::EXPORT_AGAIN;
use super::products::{MAX_VALUES, PackedKernel, Shape, image_of, lowest, pack, window_out};
use super::steps::{ByteStep, FloatStep, QuantizeStep, WidenStep};
use crate::kernels::{Grid, ImageShape, InstructionSet, Pool};

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
pub(super) fn plan(input_shape: &[usize], layers: &[Layer], set: InstructionSet) -> Result<Plan, LoadError> {
    let mut planner = Planner::new(input_shape, set)?;
    for layer in layers {
        planner.add(layer)?;
    }
    planner.finish()
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

impl Planner {
    fn new(input_shape: &[usize], set: InstructionSet) -> Result<Self, LoadError> {
        let (image, is_flat) = match *input_shape {
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
                    channels: input_shape.iter().product(),
                },
                true,
            ),
        };
        let values = input_shape.iter().try_fold(1_usize, |len, &size| len.checked_mul(size));
        if values.is_none_or(|values| values > MAX_VALUES) {
            let problem = format!("its input of shape {input_shape:?} is too large");
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
        let out = window_out(layer, &window, self.shape.image)?;
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
        let packed = pack(layer, product, self.shape, self.set)?;
        self.plan.staged_floats = self.plan.staged_floats.max(packed.staged_floats);
        self.plan.staged_integers = self.plan.staged_integers.max(packed.staged_integers);
        let low = lowest(product);
        let action = match (packed.kernel, product.output_grid) {
            (PackedKernel::Float(layer), _) => Action::Float(FloatStep::Product(*layer)),
            (PackedKernel::Integer(packed), grid) => {
                self.plan.integer_layers.push(layer.name.clone());
                match grid {
                    Some(Grid { zero_point, .. }) => {
                        let low = if product.relu { zero_point } else { 0 };
                        Action::Byte(ByteStep::Product {
                            layer: packed,
                            zero_point,
                            low,
                        })
                    }
                    None => Action::Widen(WidenStep::Product { layer: packed, low }),
                }
            }
        };
        self.push(action, packed.out);
        Ok(())
    }

    /// The current value, which must be an image.
    fn image(&self, layer: &Layer) -> Result<ImageShape, LoadError> {
        image_of(layer, self.shape)
    }
}
