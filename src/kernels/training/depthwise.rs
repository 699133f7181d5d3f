//! Depth-wise convolution: each channel with a window of its own. A plane is padded once, and its positions are then one long row,
//! the ends of the lines included, along which every place of the window is a shift.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "loops over constant ranges are unrolled, which keeps the sums in registers"
)]

use super::convolution_backward::{ConvolutionGradients, PARTS};
use super::lines::{copy, halved, total};
use super::output::{is_shared, produce, share};
use super::shape::{ConvolutionShape, Tail};
use crate::kernels::InstructionSet;
use crate::kernels::lanes::{Work, multiply_add, run};

/// Values that are computed together.
const WIDE: usize = 2 * LANES;
const LANES: usize = 16;

/// `x` is `[samples, channels, height, width]`, `weight` is `[channels, height, width]` of the window, and `bias` one a channel. Of the
/// shape as many filters as channels, and channels first, are taken for granted. Sizes that do not fit panic.
pub fn depthwise(set: InstructionSet, shape: &ConvolutionShape, [x, weight, bias]: [&[f32]; 3]) -> Vec<f32> {
    let (inputs, outputs) = (shape.input_len().max(1), shape.output_len(Tail::NONE));
    let samples = x.len() / inputs;
    let rows = &Rows::new(shape);
    assert!(weight.len() == shape.channels * rows.taps.len() && bias.len() == shape.channels);
    let work = samples * outputs * rows.taps.len();
    let share = share(samples, work);
    let (out, _) = produce([samples * outputs, share * outputs], is_shared(work), |part, out| {
        let x = &x[part * share * inputs..];
        run(
            set,
            Forward {
                shape,
                rows,
                x,
                weight,
                bias,
                out,
            },
        );
    });
    out
}

/// The gradients of input, weight and bias that are `wanted`, of the gradient of the output of [`depthwise`].
pub fn depthwise_backward(
    set: InstructionSet,
    shape: &ConvolutionShape,
    [x, weight]: [&[f32]; 2],
    gradient: &[f32],
    wanted: [bool; 3],
) -> ConvolutionGradients {
    let (inputs, outputs) = (shape.input_len().max(1), shape.output_len(Tail::NONE));
    let samples = x.len() / inputs;
    let rows = &Rows::new(shape);
    assert!(weight.len() == shape.channels * rows.taps.len() && gradient.len() == samples * outputs);
    let part = samples.div_ceil(PARTS).max(1);
    let shared = is_shared(2 * samples * outputs * rows.taps.len());
    let (input, sums) = produce([samples * inputs, part * inputs], shared, |index, out| {
        let first = index * part;
        let mut sums = [vec![0.0; weight.len()], vec![0.0; shape.channels]];
        let [weights, biases] = &mut sums;
        run(
            set,
            Backward {
                shape,
                rows,
                x: &x[first * inputs..],
                weight,
                gradient: &gradient[first * outputs..],
                out,
                wanted,
                weights,
                biases,
            },
        );
        sums
    });
    let mut total = [vec![0.0; weight.len()], vec![0.0; shape.channels]];
    for sums in &sums {
        for (total, sums) in total.iter_mut().zip(sums) {
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
    }
    let [weights, biases] = total;
    ConvolutionGradients {
        input: wanted[0].then_some(input),
        weight: wanted[1].then_some(weights),
        bias: wanted[2].then_some(biases),
    }
}

/// A padded plane as one row.
struct Rows {
    /// Height and width, padding included.
    size: [usize; 2],
    /// How far behind a position each place of its window lies.
    taps: Vec<usize>,
    /// The farthest.
    reach: usize,
    /// Positions from the first window to the last, rounded up.
    len: usize,
}

impl Rows {
    fn new(shape: &ConvolutionShape) -> Self {
        let size = [0, 1].map(|axis| shape.input[axis] + 2 * shape.padding[axis]);
        let [height, width] = shape.kernel;
        let taps: Vec<usize> = (0..height)
            .flat_map(|y| (0..width).map(move |x| y * size[1] + x))
            .collect();
        let reach = taps.last().copied().unwrap_or(0);
        Self {
            len: (size[0] * size[1]).saturating_sub(reach).next_multiple_of(WIDE),
            size,
            taps,
            reach,
        }
    }

    /// A row of zeros, as long as a window at any position reads.
    fn zeros(&self) -> Vec<f32> {
        vec![0.0; self.size[0] * self.size[1] + 2 * self.reach + 2 * WIDE]
    }

    #[inline(always)]
    fn pad(&self, shape: &ConvolutionShape, plane: &[f32], row: &mut [f32]) {
        for (y, line) in plane.chunks_exact(shape.input[1]).enumerate() {
            let start = (y + shape.padding[0]) * self.size[1] + shape.padding[1];
            copy(line, &mut row[start..]);
        }
    }
}

/// `sums[i] = start + sum of weights[k] * row[i + taps[k]]`, one line of the window after another.
#[inline(always)]
fn shifted<const FUSED: bool>(
    row: &[f32],
    taps: &[usize],
    weights: &[f32],
    start: f32,
    width: usize,
    sums: &mut [f32],
) {
    sums.fill(start);
    for (taps, weights) in taps.chunks_exact(width).zip(weights.chunks_exact(width)) {
        match width {
            3 => line::<FUSED, 3>(row, taps, weights, sums),
            5 => line::<FUSED, 5>(row, taps, weights, sums),
            _ => {
                for (taps, weights) in taps.chunks_exact(1).zip(weights.chunks_exact(1)) {
                    line::<FUSED, 1>(row, taps, weights, sums);
                }
            }
        }
    }
}

/// Adds what some places of the window bring.
#[inline(always)]
fn line<const FUSED: bool, const N: usize>(row: &[f32], taps: &[usize], weights: &[f32], sums: &mut [f32]) {
    let len = sums.len();
    let rows: [&[f32]; N] = std::array::from_fn(|tap| &row[taps[tap]..][..len]);
    let weights: [f32; N] = std::array::from_fn(|tap| weights[tap]);
    for place in 0..len {
        let mut sum = sums[place];
        for tap in 0..N {
            sum = multiply_add::<FUSED>(rows[tap][place], weights[tap], sum);
        }
        sums[place] = sum;
    }
}

/// The sum of products of two rows, over whole stretches.
#[inline(always)]
fn dot<const FUSED: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [[0.0; LANES]; 2];
    for (a, b) in a.as_chunks::<WIDE>().0.iter().zip(b.as_chunks::<WIDE>().0) {
        for half in 0..2 {
            for lane in 0..LANES {
                let place = half * LANES + lane;
                sums[half][lane] = multiply_add::<FUSED>(a[place], b[place], sums[half][lane]);
            }
        }
    }
    let [lower, upper] = sums.map(halved);
    lower + upper
}

struct Forward<'a> {
    shape: &'a ConvolutionShape,
    rows: &'a Rows,
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    out: &'a mut [f32],
}

impl Work for Forward<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { shape, rows, .. } = self;
        let (mut row, mut sums) = (rows.zeros(), vec![0.0; rows.len]);
        let [height, width] = shape.out();
        let planes = self.x.chunks_exact(shape.input[0] * shape.input[1]);
        for (index, (out, plane)) in self.out.chunks_exact_mut(height * width).zip(planes).enumerate() {
            let channel = index % shape.channels;
            let weights = &self.weight[channel * rows.taps.len()..][..rows.taps.len()];
            rows.pad(shape, plane, &mut row);
            shifted::<FUSED>(
                &row,
                &rows.taps,
                weights,
                self.bias[channel],
                shape.kernel[1],
                &mut sums,
            );
            for (y, out) in out.chunks_exact_mut(width).enumerate() {
                let sums = &sums[y * shape.stride[0] * rows.size[1]..];
                if shape.stride[1] == 1 {
                    copy(&sums[..width], out);
                } else {
                    let sums = sums.iter().step_by(shape.stride[1]);
                    out.iter_mut().zip(sums).for_each(|(out, &sum)| *out = sum);
                }
            }
        }
    }
}

struct Backward<'a> {
    shape: &'a ConvolutionShape,
    rows: &'a Rows,
    x: &'a [f32],
    weight: &'a [f32],
    gradient: &'a [f32],
    out: &'a mut [f32],
    wanted: [bool; 3],
    weights: &'a mut [f32],
    biases: &'a mut [f32],
}

impl Work for Backward<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { shape, rows, .. } = self;
        let count = rows.taps.len();
        // Each place of the window, met from the output's side.
        let back: Vec<usize> = rows.taps.iter().map(|tap| rows.reach - tap).collect();
        let (mut row, mut spread) = (rows.zeros(), rows.zeros());
        let mut sums = vec![0.0; (rows.size[0] * rows.size[1]).next_multiple_of(WIDE)];
        let [height, width] = shape.out();
        let (area, plane) = (height * width, shape.input[0] * shape.input[1]);
        let known = self.x.chunks_exact(plane).zip(self.gradient.chunks_exact(area));
        for (index, (out, (x, gradient))) in self.out.chunks_exact_mut(plane).zip(known).enumerate() {
            let channel = index % shape.channels;
            // The gradient where the windows begin, and zeros between and before them.
            for (y, line) in gradient.chunks_exact(width).enumerate() {
                let start = rows.reach + y * shape.stride[0] * rows.size[1];
                if shape.stride[1] == 1 {
                    copy(line, &mut spread[start..]);
                    continue;
                }
                let places = spread[start..].iter_mut().step_by(shape.stride[1]);
                places.zip(line).for_each(|(place, &value)| *place = value);
            }
            if self.wanted[0] {
                let weights = &self.weight[channel * count..][..count];
                shifted::<FUSED>(&spread, &back, weights, 0.0, shape.kernel[1], &mut sums);
                for (y, out) in out.chunks_exact_mut(shape.input[1]).enumerate() {
                    let start = (y + shape.padding[0]) * rows.size[1] + shape.padding[1];
                    copy(&sums[start..start + out.len()], out);
                }
            }
            let starts = &spread[rows.reach..][..rows.len];
            if self.wanted[1] {
                rows.pad(shape, x, &mut row);
                for (&tap, sum) in rows.taps.iter().zip(&mut self.weights[channel * count..]) {
                    *sum += dot::<FUSED>(starts, &row[tap..][..rows.len]);
                }
            }
            if self.wanted[2] {
                self.biases[channel] += total(gradient);
            }
        }
    }
}
