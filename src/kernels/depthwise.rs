//! Convolutions of each channel by itself: sixteen channels of several output pixels at once, straight from the image. At its edges
//! the taps that lie outside are left out.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]
#![expect(
    unsafe_code,
    reason = "the kernels take raw pointers, and their instructions must be known to exist"
)]

use std::ops::Range;

use super::InstructionSet;
#[cfg(target_arch = "x86_64")]
use super::avx512_depthwise;
use super::elementwise::Grid;
use super::lanes::{Work, run};
use super::panels::PANEL;
use super::product::{FloatOutput, IntegerColumns, IntegerOutput, IntegerStore};

/// A depth-wise convolution's window over an image whose channels are last; height before width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plane {
    /// Size of the image.
    pub input: [usize; 2],
    /// Size of the result.
    pub out: [usize; 2],
    /// Size of the window.
    pub kernel: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Steps between the taps of a window.
    pub dilation: [usize; 2],
    /// Padding above and to the left.
    pub pad: [usize; 2],
}

/// Weights of a depth-wise convolution: for each sixteen channels, a line for each tap of the window.
pub struct Taps<T> {
    set: InstructionSet,
    plane: Plane,
    channels: usize,
    lines: Vec<[T; PANEL]>,
}

/// One call of a kernel.
pub(super) struct DepthwiseCall<X, W> {
    pub base: *const X,
    pub plane: Plane,
    pub channels: usize,
    /// A line of sixteen for each tap of each sixteen channels.
    pub lines: *const W,
}

impl Plane {
    /// The taps along an axis that lie inside the image for an output place.
    #[inline(always)]
    pub(super) fn inside(&self, axis: usize, out: usize) -> Range<usize> {
        let (start, pad, step) = (out * self.stride[axis], self.pad[axis], self.dilation[axis]);
        let first = pad.saturating_sub(start).div_ceil(step);
        let end = (self.input[axis] + pad).saturating_sub(start).div_ceil(step);
        let end = end.min(self.kernel[axis]);
        first.min(end)..end
    }

    /// The output places along an axis for which all taps lie inside.
    #[inline(always)]
    pub(super) fn whole(&self, axis: usize) -> Range<usize> {
        let first = self.pad[axis].div_ceil(self.stride[axis]).min(self.out[axis]);
        let reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
        let room = (self.input[axis] + self.pad[axis] + 1).saturating_sub(reach);
        let end = room.div_ceil(self.stride[axis]).min(self.out[axis]);
        first..end.max(first)
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }
}

impl<T: Copy + Default> Taps<T> {
    /// Packs the weights whose element at a channel and a tap is `weight(channel, tap)`.
    pub fn pack(set: InstructionSet, plane: Plane, channels: usize, weight: impl Fn(usize, usize) -> T) -> Self {
        let (blocks, taps) = (channels.div_ceil(PANEL), plane.taps());
        let lines = (0..blocks * taps).map(|line| {
            std::array::from_fn(|lane| {
                let channel = line / taps * PANEL + lane;
                if channel < channels {
                    weight(channel, line % taps)
                } else {
                    T::default()
                }
            })
        });
        Self {
            set,
            plane,
            channels,
            lines: lines.collect(),
        }
    }

    /// Bytes that the packed weights take.
    pub fn bytes(&self) -> usize {
        size_of_val(self.lines.as_slice())
    }

    /// Channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Checks the sizes; the values of the result.
    fn check(&self, len: usize, columns: &[usize]) -> usize {
        let Plane { input, out, .. } = self.plane;
        let padded = self.channels.next_multiple_of(PANEL);
        let steps = [self.plane.stride, self.plane.dilation, self.plane.kernel];
        assert!(steps.iter().flatten().all(|&step| step > 0) && input[0] * input[1] * self.channels <= len);
        assert!(columns.iter().all(|&len| len >= padded));
        assert!(self.lines.len() * PANEL == padded * self.plane.taps() && self.set.is_available());
        out[0] * out[1] * self.channels
    }

    #[cfg(target_arch = "x86_64")]
    fn call<X, W>(&self, input: &[X]) -> DepthwiseCall<X, W> {
        DepthwiseCall {
            base: input.as_ptr(),
            plane: self.plane,
            channels: self.channels,
            lines: self.lines.as_ptr().cast(),
        }
    }
}

/// Convolves an image of floats and adds `bias` (padded to whole sixteens). Sizes that do not fit together panic.
pub fn depthwise_floats(input: &[f32], taps: &Taps<f32>, bias: &[f32], output: FloatOutput<'_>) {
    let values = taps.check(input.len(), &[bias.len()]);
    assert!(output.pitch == taps.channels && output.out.len() >= values);
    assert!(output.add.is_none_or(|add| add.len() >= values));
    #[cfg(target_arch = "x86_64")]
    if taps.set == InstructionSet::Avx512Vnni {
        let add = output.add.map_or(std::ptr::null(), <[f32]>::as_ptr);
        // SAFETY: the assertions above keep all taps inside the input and the weights, and all stores inside the output.
        unsafe {
            avx512_depthwise::floats(
                &taps.call(input),
                bias.as_ptr(),
                output.out.as_mut_ptr(),
                add,
                output.low,
            );
        };
        return;
    }
    run(
        taps.set,
        PlainFloats {
            input,
            taps,
            bias,
            output,
        },
    );
}

/// Convolves an image of bytes with signed bytes, as [`super::integer_product`] multiplies them; `zero_point` is what lies around
/// the image.
pub fn depthwise_integers(
    input: &[u8],
    zero_point: u8,
    taps: &Taps<i8>,
    columns: IntegerColumns<'_>,
    output: IntegerOutput<'_>,
) {
    let values = taps.check(input.len(), &[columns.start.len(), columns.scale.len()]);
    match &output {
        IntegerOutput::Bytes { out, .. } => assert!(out.len() >= values),
        IntegerOutput::Floats(output) => {
            assert!(output.pitch == taps.channels && output.out.len() >= values);
            assert!(output.add.is_none_or(|add| add.len() >= values));
        }
    }
    #[cfg(target_arch = "x86_64")]
    if taps.set == InstructionSet::Avx512Vnni {
        let store = match output {
            IntegerOutput::Bytes { out, zero_point, low } => IntegerStore::Bytes {
                out: out.as_mut_ptr(),
                zero_point,
                low,
            },
            IntegerOutput::Floats(output) => IntegerStore::Floats {
                out: output.out.as_mut_ptr(),
                add: output.add.map_or(std::ptr::null(), <[f32]>::as_ptr),
                low: output.low,
            },
        };
        let (start, scale) = (columns.start.as_ptr(), columns.scale.as_ptr());
        // SAFETY: as in `depthwise_floats`.
        unsafe { avx512_depthwise::integers(&taps.call(input), zero_point, start, scale, store) };
        return;
    }
    run(
        taps.set,
        PlainIntegers {
            input,
            zero_point,
            taps,
            columns,
            output,
        },
    );
}

struct PlainFloats<'a> {
    input: &'a [f32],
    taps: &'a Taps<f32>,
    bias: &'a [f32],
    output: FloatOutput<'a>,
}

impl Work for PlainFloats<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let FloatOutput { out, add, low, .. } = self.output;
        let channels = self.taps.channels;
        each_block(self.taps, |place, window, first, count, lines| {
            let mut sums = [0.0; PANEL];
            sums.copy_from_slice(&self.bias[first..][..PANEL]);
            for (line, from) in lines.iter().zip(window.pixels()) {
                let Some(from) = from else { continue };
                let values = &self.input[from * channels + first..][..count];
                for ((sum, weight), x) in sums.iter_mut().zip(line).zip(values) {
                    *sum += weight * x;
                }
            }
            let place = place * channels + first;
            for (lane, sum) in sums.iter().enumerate().take(count) {
                let sum = add.map_or(*sum, |add| sum + add[place + lane]);
                out[place + lane] = if sum < low { low } else { sum };
            }
        });
    }
}

struct PlainIntegers<'a> {
    input: &'a [u8],
    zero_point: u8,
    taps: &'a Taps<i8>,
    columns: IntegerColumns<'a>,
    output: IntegerOutput<'a>,
}

impl Work for PlainIntegers<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(mut self) {
        let channels = self.taps.channels;
        let around = [self.zero_point; PANEL];
        each_block(self.taps, |place, window, first, count, lines| {
            let mut sums = [0_i32; PANEL];
            sums.copy_from_slice(&self.columns.start[first..][..PANEL]);
            for (line, from) in lines.iter().zip(window.pixels()) {
                let values = from.map_or(&around[..count], |from| &self.input[from * channels + first..][..count]);
                for ((sum, &weight), &x) in sums.iter_mut().zip(line).zip(values) {
                    *sum = sum.wrapping_add(i32::from(weight) * i32::from(x));
                }
            }
            let place = place * channels + first;
            for (lane, &sum) in sums.iter().enumerate().take(count) {
                let value = sum as f32 * self.columns.scale[first + lane];
                match &mut self.output {
                    IntegerOutput::Bytes { out, zero_point, low } => {
                        let grid = Grid {
                            scale: 1.0,
                            zero_point: *zero_point,
                        };
                        out[place + lane] = grid.round(value).max(*low);
                    }
                    IntegerOutput::Floats(output) => {
                        let value = output.add.map_or(value, |add| value + add[place + lane]);
                        output.out[place + lane] = value.max(output.low);
                    }
                }
            }
        });
    }
}

/// The window of one output pixel.
struct Placed {
    plane: Plane,
    out: [usize; 2],
}

impl Placed {
    /// The pixel of the input under each tap; none outside.
    #[inline(always)]
    fn pixels(&self) -> impl Iterator<Item = Option<usize>> {
        let Self { plane, out } = self;
        (0..plane.taps()).map(move |tap| {
            let tap = [tap / plane.kernel[1], tap % plane.kernel[1]];
            let mut from = [0; 2];
            for axis in 0..2 {
                let at = out[axis] * plane.stride[axis] + tap[axis] * plane.dilation[axis];
                from[axis] = at.checked_sub(plane.pad[axis]).filter(|&at| at < plane.input[axis])?;
            }
            Some(from[0] * plane.input[1] + from[1])
        })
    }
}

/// Visits each sixteen channels of each output pixel: the pixel and its window, the first channel and how many there are, and the
/// taps' weights.
#[inline(always)]
fn each_block<T>(taps: &Taps<T>, mut visit: impl FnMut(usize, &Placed, usize, usize, &[[T; PANEL]])) {
    let plane = taps.plane;
    for place in 0..plane.out[0] * plane.out[1] {
        let window = Placed {
            plane,
            out: [place / plane.out[1], place % plane.out[1]],
        };
        for (block, lines) in taps.lines.chunks_exact(plane.taps()).enumerate() {
            let first = block * PANEL;
            let count = (taps.channels - first).min(PANEL);
            visit(place, &window, first, count, lines);
        }
    }
}
