//! Products with constant weights in a graph: the packed layers of chains, which want the channels last.

use crate::kernels::{Grid, channels_first, channels_last};
use crate::runtime::products::PackedKernel;
use crate::runtime::steps::{STAGED_ROWS, Staging};

/// Room that all products share.
#[derive(Default)]
pub struct Scratch {
    pub staging: Staging,
    /// One image with its channels last.
    pub image: Vec<f32>,
    /// The same on a grid, or some rows.
    pub bytes: Vec<u8>,
    /// The result of one image.
    pub result: Vec<f32>,
    /// Where the sums of each column start, and what they are multiplied with.
    pub columns: (Vec<i32>, Vec<f32>),
}

/// A dense layer over rows, or a convolution.
pub struct Product {
    pub kernel: PackedKernel,
    /// The grid of the input, where the layer runs on integers.
    pub grid: Option<Grid>,
    /// The smallest result: 0 after a ReLU.
    pub low: f32,
    /// Channels of the input and the result; of a dense layer none.
    pub channels: Option<[usize; 2]>,
    /// Values of a row or an image.
    pub input_len: usize,
    pub output_len: usize,
}

/// A convolution of each channel by itself; sizes are height before width.
pub struct Depthwise {
    /// `[channels, height, width]`
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Padding above and to the left.
    pub pad: [usize; 2],
    pub input: [usize; 2],
    pub out: [usize; 2],
    pub relu: bool,
}

impl Product {
    pub fn run(&self, input: &[f32], out: &mut [f32], scratch: &mut Scratch) {
        let Scratch {
            staging,
            image,
            bytes,
            result,
            ..
        } = scratch;
        let Some([channels, filters]) = self.channels else {
            self.rows(input, out, staging, bytes);
            return;
        };
        let samples = input
            .chunks_exact(self.input_len)
            .zip(out.chunks_exact_mut(self.output_len));
        let result = &mut result[..self.output_len];
        for (input, out) in samples {
            if let Some(grid) = self.grid {
                let bytes = &mut bytes[..self.input_len];
                channels_last(input, channels, bytes, |value| grid.quantize(value));
                self.integers(bytes, 1, result, staging);
            } else {
                let image = &mut image[..self.input_len];
                channels_last(input, channels, image, |value| value);
                self.floats(image, 1, result, staging);
            }
            channels_first(result, filters, out);
        }
    }

    fn rows(&self, input: &[f32], out: &mut [f32], staging: &mut Staging, bytes: &mut [u8]) {
        let Some(grid) = self.grid else {
            self.floats(input, input.len() / self.input_len, out, staging);
            return;
        };
        let blocks = input
            .chunks(STAGED_ROWS * self.input_len)
            .zip(out.chunks_mut(STAGED_ROWS * self.output_len));
        for (input, out) in blocks {
            let bytes = &mut bytes[..input.len()];
            channels_last(input, 1, bytes, |value| grid.quantize(value));
            self.integers(bytes, input.len() / self.input_len, out, staging);
        }
    }

    fn floats(&self, input: &[f32], samples: usize, out: &mut [f32], staging: &mut Staging) {
        if let PackedKernel::Float(layer) = &self.kernel {
            layer.run(samples, input, &mut staging.floats, out);
        }
    }

    fn integers(&self, input: &[u8], samples: usize, out: &mut [f32], staging: &mut Staging) {
        if let PackedKernel::Integer(layer) = &self.kernel {
            layer.run_to_floats(samples, input, staging, self.low, out);
        }
    }

    pub fn weight_bytes(&self) -> usize {
        match &self.kernel {
            PackedKernel::Float(layer) => layer.weight_bytes(),
            PackedKernel::Integer(layer) => layer.weight_bytes(),
        }
    }
}

impl Depthwise {
    pub fn run(&self, input: &[f32], out: &mut [f32]) {
        let channels = self.bias.len();
        let taps = self.kernel[0] * self.kernel[1];
        let planes = input.chunks_exact(self.input[0] * self.input[1]);
        for (plane, (input, out)) in planes.zip(out.chunks_exact_mut(self.out[0] * self.out[1])).enumerate() {
            let channel = plane % channels;
            out.fill(self.bias[channel]);
            for (tap, &weight) in self.weights[channel * taps..][..taps].iter().enumerate() {
                self.add_tap(input, out, [tap / self.kernel[1], tap % self.kernel[1]], weight);
            }
            if self.relu {
                for x in out {
                    *x = if *x < 0.0 { 0.0 } else { *x };
                }
            }
        }
    }

    /// Adds what one weight makes of a plane.
    fn add_tap(&self, input: &[f32], out: &mut [f32], tap: [usize; 2], weight: f32) {
        // Where the tap lies within the image: `0 <= place * stride + offset - pad < size`.
        let range = |axis: usize| {
            let offset = tap[axis] * self.dilation[axis];
            let first = self.pad[axis].saturating_sub(offset).div_ceil(self.stride[axis]);
            let room = (self.input[axis] + self.pad[axis]).saturating_sub(offset);
            let end = room.div_ceil(self.stride[axis]).min(self.out[axis]);
            (first, end, offset)
        };
        let ((top, bottom, below), (left, right, beside)) = (range(0), range(1));
        if left >= right {
            return;
        }
        for y in top..bottom {
            let from = (y * self.stride[0] + below - self.pad[0]) * self.input[1];
            let row = &input[from..from + self.input[1]];
            let first = left * self.stride[1] + beside - self.pad[1];
            let out = &mut out[y * self.out[1]..][left..right];
            if self.stride[1] == 1 {
                out.iter_mut()
                    .zip(&row[first..])
                    .for_each(|(out, x)| *out += weight * x);
            } else {
                let row = row[first..].iter().step_by(self.stride[1]);
                out.iter_mut().zip(row).for_each(|(out, x)| *out += weight * x);
            }
        }
    }
}
