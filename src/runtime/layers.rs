//! Dense layers and convolutions with packed weights, and how their inputs are staged. Images have their channels last; sizes are per
//! sample.

use crate::kernels::{
    FloatOutput, FloatPanels, Grid, INTEGER_STEP, ImageShape, InstructionSet, IntegerActivations, IntegerColumns,
    IntegerOutput, IntegerPanels, Taps, Walk, depthwise_floats, depthwise_integers, float_product, integer_product,
};

/// Rows of a dense layer's input that are staged together.
const STAGED_ROWS: usize = 24;

/// A dense layer or convolution.
pub struct Layer<W, C> {
    pub weights: W,
    pub columns: C,
    pub walk: Walk,
    /// The image of a convolution.
    pub image: Option<PaddedImage>,
    /// Values of a sample.
    pub input_len: usize,
    /// Values of a result.
    pub output_len: usize,
    /// The smallest result: 0 after a ReLU, else minus infinity.
    pub low: f32,
}

/// In floats; biases are padded to whole panels.
pub type FloatLayer = Layer<FloatWeights, Vec<f32>>;
/// In integers.
pub type IntegerLayer = Layer<IntegerWeights, Columns>;

pub enum FloatWeights {
    Panels(FloatPanels),
    /// Of a convolution of each channel by itself.
    Taps(Taps<f32>),
}

pub enum IntegerWeights {
    Panels(IntegerPanels),
    /// Of a convolution of each channel by itself.
    Taps(Taps<i8>),
}

/// What belongs to each output of an integer layer, padded to whole panels.
pub struct Columns {
    pub start: Vec<i32>,
    pub scale: Vec<f32>,
    /// The byte that stands for zero in the input.
    pub zero_point: u8,
    /// The grid of the result, where it stays on one.
    pub out: Option<Grid>,
}

/// How a convolution's input lies in its padded copy.
pub struct PaddedImage {
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
pub struct Staging {
    pub floats: Vec<f32>,
    pub wide: Vec<i16>,
    pub bytes: Vec<u8>,
    /// Rows that are quantized as they come, and what that makes of the outputs' starts and steps.
    pub rows: Vec<u8>,
    pub starts: Vec<i32>,
    pub steps: Vec<f32>,
}

/// Values that staging takes.
#[derive(Clone, Copy, Default)]
pub struct Staged {
    pub floats: usize,
    pub wide: usize,
    pub bytes: usize,
    pub rows: usize,
    pub columns: usize,
}

impl Staged {
    pub fn largest(self, other: Self) -> Self {
        Self {
            floats: self.floats.max(other.floats),
            wide: self.wide.max(other.wide),
            bytes: self.bytes.max(other.bytes),
            rows: self.rows.max(other.rows),
            columns: self.columns.max(other.columns),
        }
    }
}

/// Whether inputs are staged as bytes rather than as 16-bit integers.
pub fn stages_bytes(set: InstructionSet) -> bool {
    matches!(set, InstructionSet::AvxVnni | InstructionSet::Avx512Vnni)
}

impl FloatLayer {
    /// Bytes of the packed weights and of the vectors beside them.
    pub fn weight_bytes(&self) -> usize {
        let weights = match &self.weights {
            FloatWeights::Panels(panels) => panels.bytes(),
            FloatWeights::Taps(taps) => taps.bytes(),
        };
        weights + size_of_val(self.columns.as_slice())
    }

    pub fn staged(&self) -> Staged {
        let padded = self.image.as_ref().filter(|image| image.is_padded());
        Staged {
            floats: padded.map_or(0, |image| image.padded_len),
            ..Staged::default()
        }
    }

    /// The results for all samples of `input`, and what is to be `add`ed to them.
    pub fn run(&self, input: &[f32], add: Option<&[f32]>, staging: &mut Staging, out: &mut [f32]) {
        let Some(image) = &self.image else {
            self.product(input, input.len() / self.input_len, out, add);
            return;
        };
        let results = out.chunks_exact_mut(self.output_len).enumerate();
        for (input, (sample, out)) in input.chunks_exact(self.input_len).zip(results) {
            let add = add.map(|add| &add[sample * self.output_len..][..self.output_len]);
            if image.is_padded() {
                let padded = &mut staging.floats[..image.padded_len];
                image.place(input, 0.0, padded);
                self.product(padded, image.out_pixels, out, add);
            } else {
                self.product(input, image.out_pixels, out, add);
            }
        }
    }

    fn product(&self, input: &[f32], rows: usize, out: &mut [f32], add: Option<&[f32]>) {
        let low = self.low;
        match &self.weights {
            FloatWeights::Panels(panels) => {
                let pitch = panels.shape().columns;
                let output = FloatOutput { out, pitch, add, low };
                float_product(input, &self.walk, rows, panels, &self.columns, output);
            }
            FloatWeights::Taps(taps) => {
                let pitch = taps.channels();
                let output = FloatOutput { out, pitch, add, low };
                depthwise_floats(input, taps, &self.columns, output);
            }
        }
    }
}

impl IntegerLayer {
    /// Bytes of the packed weights and of the vectors beside them.
    pub fn weight_bytes(&self) -> usize {
        let weights = match &self.weights {
            IntegerWeights::Panels(panels) => panels.bytes(),
            IntegerWeights::Taps(taps) => taps.bytes(),
        };
        weights + size_of_val(self.columns.start.as_slice()) + size_of_val(self.columns.scale.as_slice())
    }

    pub fn staged(&self, set: InstructionSet) -> Staged {
        let len = self.staged_len();
        let as_bytes = stages_bytes(set) || matches!(self.weights, IntegerWeights::Taps(_));
        match (as_bytes, self.reads_in_place()) {
            (true, true) => Staged::default(),
            (true, false) => Staged {
                bytes: len,
                ..Staged::default()
            },
            (false, _) => Staged {
                wide: len,
                ..Staged::default()
            },
        }
    }

    fn staged_len(&self) -> usize {
        match &self.image {
            Some(image) => image.padded_len.max(self.walk.span(image.out_pixels, INTEGER_STEP)),
            None => self.input_len.next_multiple_of(INTEGER_STEP) * STAGED_ROWS,
        }
    }

    /// Whether bytes can be multiplied where they are.
    fn reads_in_place(&self) -> bool {
        if let IntegerWeights::Taps(_) = self.weights {
            return true;
        }
        match &self.image {
            Some(image) => !image.is_padded() && self.walk.span(image.out_pixels, INTEGER_STEP) <= self.input_len,
            None => self.input_len.is_multiple_of(INTEGER_STEP),
        }
    }

    /// The results for all samples of `input` as bytes.
    pub fn run_to_bytes(&self, input: &[u8], staging: &mut Staging, out: &mut [u8]) {
        let zero_point = self.columns.out.map_or(0, |grid| grid.zero_point);
        let low = if self.low == 0.0 { zero_point } else { 0 };
        self.run(input, staging, |activations, rows, first| {
            let columns = self.output_columns();
            let out = &mut out[first * columns..][..rows * columns];
            self.product(activations, rows, IntegerOutput::Bytes { out, zero_point, low });
        });
    }

    /// The results as floats, and what is to be `add`ed to them.
    pub fn run_to_floats(&self, input: &[u8], add: Option<&[f32]>, staging: &mut Staging, out: &mut [f32]) {
        self.run(input, staging, |activations, rows, first| {
            let columns = self.output_columns();
            let range = first * columns..(first + rows) * columns;
            let output = FloatOutput {
                out: &mut out[range.clone()],
                pitch: columns,
                add: add.map(|add| &add[range]),
                low: self.low,
            };
            self.product(activations, rows, IntegerOutput::Floats(output));
        });
    }

    fn output_columns(&self) -> usize {
        match &self.weights {
            IntegerWeights::Panels(panels) => panels.shape().columns,
            IntegerWeights::Taps(taps) => taps.channels(),
        }
    }

    /// Stages the input piece by piece, and hands each to `product` with its number of output rows and the first of them.
    fn run(&self, input: &[u8], staging: &mut Staging, mut product: impl FnMut(IntegerActivations<'_>, usize, usize)) {
        let as_bytes = match &self.weights {
            IntegerWeights::Panels(panels) => panels.reads_bytes(),
            IntegerWeights::Taps(_) => true,
        };
        match (as_bytes, self.reads_in_place()) {
            (true, true) => match &self.image {
                Some(image) => {
                    for (sample, input) in input.chunks_exact(self.input_len).enumerate() {
                        let rows = image.out_pixels;
                        product(IntegerActivations::Bytes(input), rows, sample * rows);
                    }
                }
                None => product(IntegerActivations::Bytes(input), input.len() / self.input_len, 0),
            },
            (true, false) => self.stage(input, &mut staging.bytes, |staged, rows, first| {
                product(IntegerActivations::Bytes(staged), rows, first);
            }),
            (false, _) => self.stage(input, &mut staging.wide, |staged, rows, first| {
                product(IntegerActivations::Wide(staged), rows, first);
            }),
        }
    }

    fn stage<T: Copy + From<u8>>(&self, input: &[u8], staged: &mut [T], mut product: impl FnMut(&[T], usize, usize)) {
        let zero = T::from(self.columns.zero_point);
        let staged = &mut staged[..self.staged_len()];
        if let Some(image) = &self.image {
            for (sample, input) in input.chunks_exact(self.input_len).enumerate() {
                image.place(input, zero, staged);
                product(staged, image.out_pixels, sample * image.out_pixels);
            }
        } else {
            let pitch = self.input_len.next_multiple_of(INTEGER_STEP);
            for (block, input) in input.chunks(STAGED_ROWS * self.input_len).enumerate() {
                for (row, staged) in input.chunks_exact(self.input_len).zip(staged.chunks_exact_mut(pitch)) {
                    copy(row, staged);
                }
                product(staged, input.len() / self.input_len, block * STAGED_ROWS);
            }
        }
    }

    fn product(&self, activations: IntegerActivations<'_>, rows: usize, output: IntegerOutput<'_>) {
        let columns = IntegerColumns {
            start: &self.columns.start,
            scale: &self.columns.scale,
        };
        match (&self.weights, activations) {
            (IntegerWeights::Panels(panels), _) => {
                integer_product(activations, &self.walk, rows, panels, columns, output);
            }
            (IntegerWeights::Taps(taps), IntegerActivations::Bytes(bytes)) => {
                depthwise_integers(bytes, self.columns.zero_point, taps, columns, output);
            }
            // Depth-wise convolutions read bytes.
            (IntegerWeights::Taps(_), IntegerActivations::Wide(_)) => {}
        }
    }
}

impl PaddedImage {
    /// An image that is read where it is.
    pub fn unpadded(input: ImageShape, out: [usize; 2]) -> Self {
        Self {
            input,
            first: 0,
            pitch: input.width * input.channels,
            padded_len: input.len(),
            out_pixels: out[0] * out[1],
        }
    }

    pub fn is_padded(&self) -> bool {
        self.padded_len != self.input.len()
    }

    /// Copies an image into the middle of its padded copy, around which `zero` is put.
    fn place<T: Copy, U: Copy + From<T>>(&self, input: &[T], zero: U, padded: &mut [U]) {
        let len = self.input.width * self.input.channels;
        let left = self.first % self.pitch;
        let above = self.first - left;
        padded[..above].fill(zero);
        let (body, below) = padded[above..].split_at_mut(self.input.height * self.pitch);
        for (row, padded) in input.chunks_exact(len).zip(body.chunks_exact_mut(self.pitch)) {
            padded[..left].fill(zero);
            copy(row, &mut padded[left..]);
            padded[left + len..].fill(zero);
        }
        below.fill(zero);
    }
}

fn copy<T: Copy, U: From<T>>(from: &[T], to: &mut [U]) {
    to.iter_mut().zip(from).for_each(|(to, &value)| *to = U::from(value));
}
