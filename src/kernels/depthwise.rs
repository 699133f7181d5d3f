//! Convolutions of each channel by itself: sixteen channels of several output pixels at once, straight from the padded image.
#![expect(
    unsafe_code,
    reason = "the kernels take raw pointers, and their instructions must be known to exist"
)]

#[cfg(target_arch = "x86_64")]
use super::avx512_depthwise;
use super::elementwise::Grid;
use super::lanes::{Work, run};
use super::panels::PANEL;
use super::product::{FloatOutput, IntegerColumns, IntegerOutput, IntegerStore};
use super::{InstructionSet, Walk};

/// Weights of a depth-wise convolution: for each sixteen channels, a line for each tap of the window.
pub struct Taps<T> {
    set: InstructionSet,
    channels: usize,
    taps: usize,
    lines: Vec<[T; PANEL]>,
}

/// One call of a kernel.
pub(super) struct DepthwiseCall<'a, X, W> {
    pub base: *const X,
    pub walk: &'a Walk,
    pub rows: usize,
    pub channels: usize,
    /// A line of sixteen for each tap of each sixteen channels.
    pub lines: *const W,
}

impl<T: Copy + Default> Taps<T> {
    /// Packs the weights whose element at a channel and a tap is `weight(channel, tap)`.
    pub fn pack(set: InstructionSet, channels: usize, taps: usize, weight: impl Fn(usize, usize) -> T) -> Self {
        let blocks = channels.div_ceil(PANEL);
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
            channels,
            taps,
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

    fn check(&self, walk: &Walk, rows: usize, len: usize, columns: &[usize]) {
        let padded = self.channels.next_multiple_of(PANEL);
        assert!(walk.runs() == self.taps && walk.run_len == self.channels && walk.span(rows, 1) <= len);
        assert!(columns.iter().all(|&len| len >= padded) && self.lines.len() * PANEL == padded * self.taps);
        assert!(self.set.is_available());
    }
}

/// Convolves floats and adds `bias` (padded to whole sixteens): `rows` output pixels. The walk has a run for each tap
/// ([`Walk::taps`]). Sizes that do not fit together panic.
pub fn depthwise_floats(
    input: &[f32],
    walk: &Walk,
    rows: usize,
    taps: &Taps<f32>,
    bias: &[f32],
    output: FloatOutput<'_>,
) {
    taps.check(walk, rows, input.len(), &[bias.len()]);
    assert!(output.pitch == taps.channels && output.out.len() >= rows * taps.channels);
    assert!(output.add.is_none_or(|add| add.len() >= rows * taps.channels));
    #[cfg(target_arch = "x86_64")]
    if taps.set == InstructionSet::Avx512Vnni {
        let call = DepthwiseCall {
            base: input.as_ptr(),
            walk,
            rows,
            channels: taps.channels,
            lines: taps.lines.as_ptr().cast(),
        };
        let add = output.add.map_or(std::ptr::null(), <[f32]>::as_ptr);
        // SAFETY: the assertions above keep all taps inside the input and the weights, and all stores inside the output.
        unsafe { avx512_depthwise::floats(&call, bias.as_ptr(), output.out.as_mut_ptr(), add, output.low) };
        return;
    }
    run(
        taps.set,
        PlainFloats {
            input,
            walk,
            rows,
            taps,
            bias,
            output,
        },
    );
}

/// Convolves bytes with signed bytes, as [`super::integer_product`] multiplies them: `rows` output pixels.
pub fn depthwise_integers(
    input: &[u8],
    walk: &Walk,
    rows: usize,
    taps: &Taps<i8>,
    columns: IntegerColumns<'_>,
    output: IntegerOutput<'_>,
) {
    taps.check(walk, rows, input.len(), &[columns.start.len(), columns.scale.len()]);
    let values = rows * taps.channels;
    match &output {
        IntegerOutput::Bytes { out, .. } => assert!(out.len() >= values),
        IntegerOutput::Floats(output) => {
            assert!(output.pitch == taps.channels && output.out.len() >= values);
            assert!(output.add.is_none_or(|add| add.len() >= values));
        }
    }
    #[cfg(target_arch = "x86_64")]
    if taps.set == InstructionSet::Avx512Vnni {
        let call = DepthwiseCall {
            base: input.as_ptr(),
            walk,
            rows,
            channels: taps.channels,
            lines: taps.lines.as_ptr().cast(),
        };
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
        // SAFETY: as in `depthwise_floats`.
        unsafe { avx512_depthwise::integers(&call, columns.start.as_ptr(), columns.scale.as_ptr(), store) };
        return;
    }
    run(
        taps.set,
        PlainIntegers {
            input,
            walk,
            rows,
            taps,
            columns,
            output,
        },
    );
}

struct PlainFloats<'a> {
    input: &'a [f32],
    walk: &'a Walk,
    rows: usize,
    taps: &'a Taps<f32>,
    bias: &'a [f32],
    output: FloatOutput<'a>,
}

impl Work for PlainFloats<'_> {
    #[inline(always)]
    fn run(self) {
        let FloatOutput { out, add, low, .. } = self.output;
        let channels = self.taps.channels;
        let mut starts = self.walk.starts();
        for row in 0..self.rows {
            let start = starts.next();
            for (block, lines) in self.taps.lines.chunks_exact(self.taps.taps).enumerate() {
                let first = block * PANEL;
                let count = (channels - first).min(PANEL);
                let mut sums = [0.0; PANEL];
                sums.copy_from_slice(&self.bias[first..][..PANEL]);
                for (line, run) in lines.iter().zip(&self.walk.runs) {
                    let values = &self.input[start + run + first..][..count];
                    for ((sum, weight), x) in sums.iter_mut().zip(line).zip(values) {
                        *sum += weight * x;
                    }
                }
                let place = row * channels + first;
                for (lane, sum) in sums.iter().enumerate().take(count) {
                    let sum = add.map_or(*sum, |add| sum + add[place + lane]);
                    out[place + lane] = if sum < low { low } else { sum };
                }
            }
        }
    }
}

struct PlainIntegers<'a> {
    input: &'a [u8],
    walk: &'a Walk,
    rows: usize,
    taps: &'a Taps<i8>,
    columns: IntegerColumns<'a>,
    output: IntegerOutput<'a>,
}

impl Work for PlainIntegers<'_> {
    #[inline(always)]
    fn run(mut self) {
        let channels = self.taps.channels;
        let mut starts = self.walk.starts();
        for row in 0..self.rows {
            let start = starts.next();
            for (block, lines) in self.taps.lines.chunks_exact(self.taps.taps).enumerate() {
                let first = block * PANEL;
                let count = (channels - first).min(PANEL);
                let mut sums = [0_i32; PANEL];
                sums.copy_from_slice(&self.columns.start[first..][..PANEL]);
                for (line, run) in lines.iter().zip(&self.walk.runs) {
                    let values = &self.input[start + run + first..][..count];
                    for ((sum, &weight), &x) in sums.iter_mut().zip(line).zip(values) {
                        *sum = sum.wrapping_add(i32::from(weight) * i32::from(x));
                    }
                }
                let place = row * channels + first;
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
            }
        }
    }
}
