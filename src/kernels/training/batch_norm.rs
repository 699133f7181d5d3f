//! Batch normalisation (Ioffe and Szegedy 2015) by the statistics of the batch, and its backward pass.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

use super::lines::{halved, total};
use super::output::{is_shared, produce};
use crate::kernels::InstructionSet;
use crate::kernels::lanes::{Work, run};

/// Parts in which sums over the batch are taken, whatever the number of threads.
const PARTS: usize = 8;

/// Sums that are taken side by side along a plane.
const WIDE: usize = 16;

/// How a sample's values lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormShape {
    /// Means and variances.
    pub channels: usize,
    /// Values of a channel in a sample.
    pub area: usize,
    /// Whether the channels of a position stand together, and not the positions of a channel.
    pub channels_last: bool,
}

/// A batch that has been normalised.
#[derive(Debug, Clone, PartialEq)]
pub struct Normed {
    /// `(x - mean) / sqrt(variance + epsilon) * weight + bias`
    pub out: Vec<f32>,
    /// Of each channel.
    pub mean: Vec<f32>,
    /// Of each channel: the biased one, without epsilon.
    pub variance: Vec<f32>,
}

/// Gradients of input, weight and bias; none where it is not wanted.
pub type NormGradients = [Option<Vec<f32>>; 3];

/// Normalises a batch by its own statistics. Sizes that do not fit panic.
pub fn batch_norm(set: InstructionSet, shape: &NormShape, [x, weight, bias]: [&[f32]; 3], epsilon: f32) -> Normed {
    assert!(weight.len() == shape.channels && bias.len() == shape.channels);
    let split = Split::new(shape, x.len());
    let count = split.count as f32;
    let [sums, _] = split.sums(set, x, x, &vec![0.0; shape.channels], [true, false]);
    let mean: Vec<f32> = sums.iter().map(|sum| sum / count).collect();
    let [_, squares] = split.sums(set, x, x, &mean, [false, true]);
    let variance: Vec<f32> = squares.iter().map(|square| square / count).collect();
    let scale = scales(&variance, weight, epsilon);
    let (out, _) = produce([x.len(), split.part], split.shared, |index, out| {
        let x = &x[index * split.part..][..out.len()];
        let lines = [&scale[..], &mean, bias];
        run(
            set,
            Apply {
                shape,
                x,
                out,
                lines,
                value: |x: f32, [scale, mean, bias]: [f32; 3], _| (x - mean) * scale + bias,
            },
        );
    });
    Normed { out, mean, variance }
}

/// The gradients of [`batch_norm`] that are `wanted`, through the statistics too.
pub fn batch_norm_backward(
    set: InstructionSet,
    shape: &NormShape,
    [x, weight]: [&[f32]; 2],
    [mean, variance]: [&[f32]; 2],
    epsilon: f32,
    gradient: &[f32],
    wanted: [bool; 3],
) -> NormGradients {
    assert!(x.len() == gradient.len() && [weight, mean, variance].iter().all(|line| line.len() == shape.channels));
    let split = Split::new(shape, x.len());
    let count = split.count as f32;
    let [biases, products] = split.sums(set, gradient, x, mean, [true, true]);
    let inverse = scales(variance, &vec![1.0; shape.channels], epsilon);
    let scale = scales(variance, weight, epsilon);
    let weights: Vec<f32> = products
        .iter()
        .zip(&inverse)
        .map(|(product, inverse)| product * inverse)
        .collect();
    let input = wanted[0].then(|| {
        // What the mean takes from each, and the variance from each by its distance.
        let shift: Vec<f32> = biases.iter().map(|bias| bias / count).collect();
        let slope: Vec<f32> = weights
            .iter()
            .zip(&inverse)
            .map(|(weight, inverse)| weight * inverse / count)
            .collect();
        let (out, _) = produce([x.len(), split.part], split.shared, |index, out| {
            let range = index * split.part..index * split.part + out.len();
            out.copy_from_slice(&gradient[range.clone()]);
            let lines = [&scale[..], mean, &shift, &slope];
            run(
                set,
                Apply {
                    shape,
                    x: &x[range],
                    out,
                    lines,
                    value: |x: f32, [scale, mean, shift, slope]: [f32; 4], gradient: f32| {
                        scale * (gradient - shift - (x - mean) * slope)
                    },
                },
            );
        });
        out
    });
    [input, wanted[1].then_some(weights), wanted[2].then_some(biases)]
}

fn scales(variance: &[f32], weight: &[f32], epsilon: f32) -> Vec<f32> {
    let scale = |(variance, weight): (&f32, &f32)| weight / (variance + epsilon).sqrt();
    variance.iter().zip(weight).map(scale).collect()
}

/// How a batch is divided.
struct Split<'a> {
    shape: &'a NormShape,
    /// Values of a part: whole samples.
    part: usize,
    /// Values of a channel in the batch.
    count: usize,
    shared: bool,
}

impl<'a> Split<'a> {
    fn new(shape: &'a NormShape, len: usize) -> Self {
        let sample = (shape.channels * shape.area).max(1);
        let samples = len / sample;
        assert_eq!(len, samples * sample);
        Self {
            shape,
            part: samples.div_ceil(PARTS).max(1) * sample,
            count: samples * shape.area,
            shared: is_shared(len),
        }
    }

    /// For each channel the sum of `a`, and that of `a * (b - mean)`, where `b` is `a` that of its square.
    fn sums(&self, set: InstructionSet, a: &[f32], b: &[f32], mean: &[f32], wanted: [bool; 2]) -> [Vec<f32>; 2] {
        let channels = self.shape.channels;
        let parts = a.len().div_ceil(self.part);
        let is_square = std::ptr::eq(a, b);
        let (sums, _) = produce([parts * 2 * channels, 2 * channels], self.shared, |index, out| {
            let range = index * self.part..((index + 1) * self.part).min(a.len());
            let (sums, products) = out.split_at_mut(channels);
            run(
                set,
                ChannelSums {
                    shape: self.shape,
                    a: &a[range.clone()],
                    b: &b[range],
                    mean,
                    wanted,
                    is_square,
                    sums,
                    products,
                },
            );
        });
        let mut total = [vec![0.0; channels], vec![0.0; channels]];
        for (index, sums) in sums.chunks_exact(channels.max(1)).enumerate() {
            total[index % 2]
                .iter_mut()
                .zip(sums)
                .for_each(|(total, sum)| *total += sum);
        }
        total
    }
}

struct ChannelSums<'a> {
    shape: &'a NormShape,
    a: &'a [f32],
    b: &'a [f32],
    mean: &'a [f32],
    wanted: [bool; 2],
    is_square: bool,
    sums: &'a mut [f32],
    products: &'a mut [f32],
}

impl Work for ChannelSums<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { mean, is_square, .. } = self;
        let product = |a: f32, b: f32, mean: f32| {
            let b = b - mean;
            if is_square { b * b } else { a * b }
        };
        let NormShape { channels, area, .. } = *self.shape;
        if self.shape.channels_last || area == 1 {
            for (a, b) in self.a.chunks_exact(channels).zip(self.b.chunks_exact(channels)) {
                if self.wanted[0] {
                    self.sums.iter_mut().zip(a).for_each(|(sum, a)| *sum += a);
                }
                if self.wanted[1] {
                    let values = a.iter().zip(b).zip(mean);
                    for (sum, ((&a, &b), &mean)) in self.products.iter_mut().zip(values) {
                        *sum += product(a, b, mean);
                    }
                }
            }
            return;
        }
        let planes = self.a.chunks_exact(area).zip(self.b.chunks_exact(area));
        for (index, (a, b)) in planes.enumerate() {
            let channel = index % channels;
            if self.wanted[0] {
                self.sums[channel] += total(a);
            }
            if self.wanted[1] {
                let mean = mean[channel];
                let mut sums = [0.0; WIDE];
                let (whole, rest) = (a.as_chunks::<WIDE>(), b.as_chunks::<WIDE>());
                let (whole, rest) = (whole.0.iter().zip(rest.0), whole.1.iter().zip(rest.1));
                for (a, b) in whole {
                    for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
                        *sum += product(a, b, mean);
                    }
                }
                for (sum, (&a, &b)) in sums.iter_mut().zip(rest) {
                    *sum += product(a, b, mean);
                }
                self.products[channel] += halved(sums);
            }
        }
    }
}

/// `out = value(x, the channel's of each line, out)`.
struct Apply<'a, const N: usize, F> {
    shape: &'a NormShape,
    x: &'a [f32],
    out: &'a mut [f32],
    lines: [&'a [f32]; N],
    value: F,
}

impl<const N: usize, F: Fn(f32, [f32; N], f32) -> f32> Work for Apply<'_, N, F> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let NormShape { channels, area, .. } = *self.shape;
        if self.shape.channels_last || area == 1 {
            let lines = self.lines.map(|line| &line[..channels]);
            for (out, x) in self.out.chunks_exact_mut(channels).zip(self.x.chunks_exact(channels)) {
                for channel in 0..channels {
                    out[channel] = (self.value)(x[channel], lines.map(|line| line[channel]), out[channel]);
                }
            }
            return;
        }
        let planes = self.out.chunks_exact_mut(area).zip(self.x.chunks_exact(area));
        for (index, (out, x)) in planes.enumerate() {
            let lines = self.lines.map(|line| line[index % channels]);
            for (out, &x) in out.iter_mut().zip(x) {
                *out = (self.value)(x, lines, *out);
            }
        }
    }
}
