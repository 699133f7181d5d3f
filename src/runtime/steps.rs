//! The steps of a plan, and what each does with a batch. Images have their channels last; sizes are per sample.

use crate::kernels::{
    FloatPanels, Grid, ImageShape, IntegerActivations, IntegerColumns, IntegerOutput, IntegerPanels, Pool, Walk,
    average_pool, channels_first, channels_last, float_product, integer_product, max_pool, place_rows,
};

use super::chain::Activation;

/// Rows of a dense layer's input that are staged together.
pub(super) const STAGED_ROWS: usize = 24;

/// A step from floats to floats.
pub(super) enum FloatStep {
    /// Channels from first to last.
    ChannelsLast {
        channels: usize,
    },
    /// Channels from last to first.
    ChannelsFirst {
        channels: usize,
    },
    Product(FloatLayer),
    MaxPool(Pool),
    AveragePool {
        pool: Pool,
        counts_padding: bool,
    },
    /// One pair for each channel, or for each value of a sample.
    ScaleShift {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Activation(Activation),
}

/// A step from bytes to bytes.
pub(super) enum ByteStep {
    Product {
        layer: Box<IntegerLayer>,
        zero_point: u8,
        low: u8,
    },
    MaxPool(Pool),
}

/// A step from floats to bytes: quantizes, and brings the channels from first to last where there are several.
pub(super) struct QuantizeStep {
    pub grid: Grid,
    pub channels: usize,
}

/// A step from bytes to floats.
pub(super) enum WidenStep {
    Dequantize(Grid),
    Product { layer: Box<IntegerLayer>, low: f32 },
}

/// A dense layer or convolution in floats.
pub(super) struct FloatLayer {
    pub panels: FloatPanels,
    /// Padded to whole panels.
    pub bias: Vec<f32>,
    /// The smallest result: 0 after a ReLU, else minus infinity.
    pub low: f32,
    pub walk: Walk,
    /// The image of a convolution.
    pub image: Option<PaddedImage>,
}

/// A dense layer or convolution in integers.
pub(super) struct IntegerLayer {
    pub panels: IntegerPanels,
    /// Padded to whole panels.
    pub start: Vec<i32>,
    /// Padded to whole panels.
    pub scale: Vec<f32>,
    pub walk: Walk,
    /// The image of a convolution.
    pub image: Option<PaddedImage>,
    /// The byte that stands for zero in the input.
    pub zero_point: u8,
    /// Values of a sample.
    pub input_len: usize,
    /// Values that are staged at once.
    pub staged_len: usize,
}

/// How a convolution's input lies in its padded copy.
pub(super) struct PaddedImage {
    pub input: ImageShape,
    /// Place of the first value.
    pub first: usize,
    /// Length of a padded row.
    pub pitch: usize,
    /// Values of the padded image.
    pub padded_len: usize,
    /// Pixels of the result.
    pub out_pixels: usize,
}

/// Room for padded or widened inputs; only one of the integer forms is used, as the instruction set wants.
#[derive(Default)]
pub(super) struct Staging {
    pub floats: Vec<f32>,
    pub wide: Vec<i16>,
    pub bytes: Vec<u8>,
}

impl FloatStep {
    pub(super) fn run(&self, batch: usize, input: &[f32], staging: &mut Staging, out: &mut [f32]) {
        match self {
            Self::ChannelsLast { channels } => each_sample(batch, input, out, |input, out| {
                channels_last(input, *channels, out, |value| value);
            }),
            Self::ChannelsFirst { channels } => each_sample(batch, input, out, |input, out| {
                channels_first(input, *channels, out);
            }),
            Self::Product(layer) => layer.run(batch, input, &mut staging.floats, out),
            Self::MaxPool(pool) => each_sample(batch, input, out, |input, out| max_pool(input, pool, out)),
            Self::AveragePool { pool, counts_padding } => {
                each_sample(batch, input, out, |input, out| {
                    average_pool(input, pool, *counts_padding, out);
                });
            }
            Self::ScaleShift { scale, shift } => {
                for (input, out) in input.chunks_exact(scale.len()).zip(out.chunks_exact_mut(scale.len())) {
                    let pairs = scale.iter().zip(shift);
                    for ((x, out), (scale, shift)) in input.iter().zip(out).zip(pairs) {
                        *out = x * scale + shift;
                    }
                }
            }
            Self::Activation(activation) => {
                out.iter_mut()
                    .zip(input)
                    .for_each(|(out, &x)| *out = activation.apply(x));
            }
        }
    }

    /// Bytes of the packed weights and of the vectors beside them.
    pub(super) fn weight_bytes(&self) -> usize {
        match self {
            Self::Product(layer) => layer.weight_bytes(),
            Self::ScaleShift { scale, shift } => size_of_val(scale.as_slice()) + size_of_val(shift.as_slice()),
            _ => 0,
        }
    }
}

impl ByteStep {
    pub(super) fn run(&self, batch: usize, input: &[u8], staging: &mut Staging, out: &mut [u8]) {
        match self {
            Self::Product { layer, zero_point, low } => {
                layer.run(batch, input, staging, |rows, out_row, activations| {
                    let columns = layer.panels.shape().columns;
                    let out = &mut out[out_row * columns..][..rows * columns];
                    let output = IntegerOutput::Bytes {
                        out,
                        zero_point: *zero_point,
                        low: *low,
                    };
                    layer.product(activations, rows, output);
                });
            }
            Self::MaxPool(pool) => each_sample(batch, input, out, |input, out| max_pool(input, pool, out)),
        }
    }
}

impl QuantizeStep {
    pub(super) fn run(&self, batch: usize, input: &[f32], out: &mut [u8]) {
        if self.channels == 1 {
            channels_last(input, 1, out, |value| self.grid.quantize(value));
        } else {
            each_sample(batch, input, out, |input, out| {
                channels_last(input, self.channels, out, |value| self.grid.quantize(value));
            });
        }
    }
}

impl WidenStep {
    pub(super) fn run(&self, batch: usize, input: &[u8], staging: &mut Staging, out: &mut [f32]) {
        match self {
            Self::Dequantize(grid) => {
                out.iter_mut()
                    .zip(input)
                    .for_each(|(out, &byte)| *out = grid.dequantize(byte));
            }
            Self::Product { layer, low } => layer.run_to_floats(batch, input, staging, *low, out),
        }
    }
}

impl FloatLayer {
    /// Bytes of the packed weights and of the vectors beside them.
    pub(super) fn weight_bytes(&self) -> usize {
        self.panels.bytes() + size_of_val(self.bias.as_slice())
    }

    pub(super) fn run(&self, batch: usize, input: &[f32], staging: &mut [f32], out: &mut [f32]) {
        let Some(image) = &self.image else {
            float_product(input, &self.walk, batch, &self.panels, &self.bias, self.low, out);
            return;
        };
        let is_padded = image.padded_len != image.input.len();
        let padded = &mut staging[..if is_padded { image.padded_len } else { 0 }];
        padded.fill(0.0);
        each_sample(batch, input, out, |input, out| {
            let source = if is_padded {
                image.place(input, padded);
                &*padded
            } else {
                input
            };
            float_product(
                source,
                &self.walk,
                image.out_pixels,
                &self.panels,
                &self.bias,
                self.low,
                out,
            );
        });
    }
}

impl IntegerLayer {
    /// Bytes of the packed weights and of the vectors beside them.
    pub(super) fn weight_bytes(&self) -> usize {
        self.panels.bytes() + size_of_val(self.start.as_slice()) + size_of_val(self.scale.as_slice())
    }

    /// The results as floats, at least `low`.
    pub(super) fn run_to_floats(&self, batch: usize, input: &[u8], staging: &mut Staging, low: f32, out: &mut [f32]) {
        self.run(batch, input, staging, |rows, out_row, activations| {
            let columns = self.panels.shape().columns;
            let out = &mut out[out_row * columns..][..rows * columns];
            self.product(activations, rows, IntegerOutput::Floats { out, low });
        });
    }

    /// Stages the input piece by piece, and hands each to `product` with its number of output rows and the first of them.
    fn run(
        &self,
        batch: usize,
        input: &[u8],
        staging: &mut Staging,
        product: impl FnMut(usize, usize, IntegerActivations<'_>),
    ) {
        if staging.bytes.is_empty() {
            let staged = &mut staging.wide[..self.staged_len];
            self.stage(batch, input, staged, |staged| IntegerActivations::Wide(staged), product);
        } else {
            let staged = &mut staging.bytes[..self.staged_len];
            self.stage(
                batch,
                input,
                staged,
                |staged| IntegerActivations::Bytes(staged),
                product,
            );
        }
    }

    fn stage<T: Copy + From<u8>>(
        &self,
        batch: usize,
        input: &[u8],
        staged: &mut [T],
        activations: impl Fn(&[T]) -> IntegerActivations<'_>,
        mut product: impl FnMut(usize, usize, IntegerActivations<'_>),
    ) {
        if let Some(image) = &self.image {
            staged.fill(T::from(self.zero_point));
            for (sample, input) in input.chunks_exact(self.input_len).take(batch).enumerate() {
                image.place(input, staged);
                product(image.out_pixels, sample * image.out_pixels, activations(staged));
            }
        } else {
            let pitch = staged.len() / STAGED_ROWS;
            for (block, input) in input.chunks(STAGED_ROWS * self.input_len).enumerate() {
                place_rows(input, self.input_len, pitch, staged);
                product(input.len() / self.input_len, block * STAGED_ROWS, activations(staged));
            }
        }
    }

    fn product(&self, activations: IntegerActivations<'_>, rows: usize, output: IntegerOutput<'_>) {
        let columns = IntegerColumns {
            start: &self.start,
            scale: &self.scale,
        };
        integer_product(activations, &self.walk, rows, &self.panels, columns, output);
    }
}

impl PaddedImage {
    fn place<T: Copy, U: From<T>>(&self, input: &[T], padded: &mut [U]) {
        place_rows(
            input,
            self.input.width * self.input.channels,
            self.pitch,
            &mut padded[self.first..],
        );
    }
}

fn each_sample<T, U>(batch: usize, input: &[T], out: &mut [U], mut run: impl FnMut(&[T], &mut [U])) {
    let samples = input
        .chunks_exact(input.len() / batch)
        .zip(out.chunks_exact_mut(out.len() / batch));
    samples.for_each(|(input, out)| run(input, out));
}
