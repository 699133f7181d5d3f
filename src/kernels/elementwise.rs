//! What happens around the products: quantizing, sums, changing the order of an image, padding, pooling. Images have their
//! channels last.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

use super::InstructionSet;
use super::lanes::{Work, run};

/// The grid of an unsigned 8-bit tensor: `real = (byte - zero_point) * scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Size of a step; positive and finite.
    pub scale: f32,
    /// The byte that stands for zero.
    pub zero_point: u8,
}

/// Height, width and channels of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageShape {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
}

/// A pooling window, height before width. Windows are cut at the image's edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Shape of the image.
    pub input: ImageShape,
    /// Height and width of the result.
    pub out: [usize; 2],
    /// Size of the window.
    pub kernel: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Padding above and to the left.
    pub pad: [usize; 2],
}

impl Grid {
    /// The byte nearest to a real number, ties to even, clamped; 0 for what is not a number.
    #[inline(always)]
    pub fn quantize(self, real: f32) -> u8 {
        self.round(real / self.scale)
    }

    /// The byte nearest to a number of steps from the zero point, ties to even, clamped; 0 for what is not a number.
    #[inline(always)]
    pub(super) fn round(self, steps: f32) -> u8 {
        let zero = f32::from(self.zero_point);
        let steps = if steps > -zero { steps } else { -zero };
        let steps = if steps < 255.0 - zero { steps } else { 255.0 - zero };
        (round_half_even(steps) + i32::from(self.zero_point)) as u8
    }

    /// The real number that a byte stands for.
    #[inline(always)]
    pub fn dequantize(self, byte: u8) -> f32 {
        f32::from(i16::from(byte) - i16::from(self.zero_point)) * self.scale
    }
}

impl ImageShape {
    /// Values of the image.
    pub fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether the image has no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl Pool {
    /// Whether windows of two by two pixels tile the image from its upper left corner.
    fn is_two_by_two(&self) -> bool {
        let whole = self.out[0] * 2 <= self.input.height && self.out[1] * 2 <= self.input.width;
        self.kernel == [2, 2] && self.stride == [2, 2] && self.pad == [0, 0] && whole
    }
}

/// The bytes nearest to real numbers; see [`Grid::quantize`].
pub fn quantize(set: InstructionSet, grid: Grid, input: &[f32], out: &mut [u8]) {
    run(set, Pairwise(input, out, |x: &f32| grid.quantize(*x)));
}

/// The real numbers that bytes stand for.
pub fn dequantize(set: InstructionSet, grid: Grid, input: &[u8], out: &mut [f32]) {
    run(set, Pairwise(input, out, |byte: &u8| grid.dequantize(*byte)));
}

struct Pairwise<'a, T, U, F>(&'a [T], &'a mut [U], F);

impl<T, U, F: Fn(&T) -> U> Work for Pairwise<'_, T, U, F> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (out, value) in self.1.iter_mut().zip(self.0) {
            *out = (self.2)(value);
        }
    }
}

/// How a sum of two quantized values is quantized: `clamp(round(a * scale_a + b * scale_b + offset), low, 255)` of the bytes, with
/// everything in steps of the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ByteSum {
    scales: [f32; 2],
    offset: f32,
    low: f32,
}

impl ByteSum {
    /// The sum of values on two grids, on a third; of a sum with a ReLU behind it, what is below zero is zero.
    pub fn new(grids: [Grid; 2], out: Grid, relu: bool) -> Self {
        let scales = grids.map(|grid| grid.scale / out.scale);
        let zeros = grids.map(|grid| f32::from(grid.zero_point));
        let zero = f32::from(out.zero_point);
        Self {
            scales,
            offset: zero - (scales[0] * zeros[0] + scales[1] * zeros[1]),
            low: if relu { zero } else { 0.0 },
        }
    }

    #[inline(always)]
    fn of(&self, a: u8, b: u8) -> u8 {
        let steps = f32::from(a) * self.scales[0] + (f32::from(b) * self.scales[1] + self.offset);
        let steps = if steps > self.low { steps } else { self.low };
        let steps = if steps < 255.0 { steps } else { 255.0 };
        round_half_even(steps) as u8
    }
}

/// Sums of quantized values.
pub fn add_bytes(set: InstructionSet, sum: ByteSum, a: &[u8], b: &[u8], out: &mut [u8]) {
    run(set, AddBytes(sum, a, b, out));
}

struct AddBytes<'a>(ByteSum, &'a [u8], &'a [u8], &'a mut [u8]);

impl Work for AddBytes<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for ((out, &a), &b) in self.3.iter_mut().zip(self.1).zip(self.2) {
            *out = self.0.of(a, b);
        }
    }
}

/// A function of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// `a + b`
    Add,
    /// `a - b`
    Subtract,
    /// `a * b`
    Multiply,
    /// `a / b`
    Divide,
    /// The smaller.
    Smaller,
    /// The larger.
    Larger,
}

/// What stands on the right of a [`Pair`].
#[derive(Clone, Copy)]
pub enum Right<'a> {
    /// A number for each on the left.
    Each(&'a [f32]),
    /// One for all.
    One(f32),
}

/// Puts `f(left, right)` in the place of each left number.
pub fn combine(set: InstructionSet, pair: Pair, left: &mut [f32], right: Right<'_>) {
    match pair {
        Pair::Add => run(set, Combine(left, right, |a, b| a + b)),
        Pair::Subtract => run(set, Combine(left, right, |a, b| a - b)),
        Pair::Multiply => run(set, Combine(left, right, |a, b| a * b)),
        Pair::Divide => run(set, Combine(left, right, |a, b| a / b)),
        Pair::Smaller => run(set, Combine(left, right, |a, b| if b < a { b } else { a })),
        Pair::Larger => run(set, Combine(left, right, |a, b| if b > a { b } else { a })),
    }
}

struct Combine<'a, F>(&'a mut [f32], Right<'a>, F);

impl<F: Fn(f32, f32) -> f32> Work for Combine<'_, F> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        match self.1 {
            Right::Each(right) => {
                for (left, &right) in self.0.iter_mut().zip(right) {
                    *left = (self.2)(*left, right);
                }
            }
            Right::One(right) => {
                for left in self.0 {
                    *left = (self.2)(*left, right);
                }
            }
        }
    }
}

/// Brings the channels of an image from first to last.
pub fn channels_last<T: Copy>(input: &[T], channels: usize, out: &mut [T]) {
    for (channel, plane) in input.chunks_exact(input.len() / channels).enumerate() {
        for (pixel, &value) in out.chunks_exact_mut(channels).zip(plane) {
            pixel[channel] = value;
        }
    }
}

/// Brings the channels of an image from last to first.
pub fn channels_first<T: Copy>(input: &[T], channels: usize, out: &mut [T]) {
    for (channel, plane) in out.chunks_exact_mut(input.len() / channels).enumerate() {
        for (value, pixel) in plane.iter_mut().zip(input.chunks_exact(channels)) {
            *value = pixel[channel];
        }
    }
}

/// Copies rows of `len` values to places `pitch` apart.
pub fn place_rows<T: Copy, U: From<T>>(input: &[T], len: usize, pitch: usize, out: &mut [U]) {
    for (row, out) in input.chunks_exact(len).zip(out.chunks_mut(pitch)) {
        out[..len]
            .iter_mut()
            .zip(row)
            .for_each(|(out, &value)| *out = U::from(value));
    }
}

/// The largest value of each window.
pub fn max_pool<T: Copy + PartialOrd>(set: InstructionSet, input: &[T], pool: &Pool, out: &mut [T]) {
    run(set, MaxPool(input, pool, out));
}

struct MaxPool<'a, T>(&'a [T], &'a Pool, &'a mut [T]);

impl<T: Copy + PartialOrd> Work for MaxPool<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let larger = |a: T, b: T| if b > a { b } else { a };
        if self.1.is_two_by_two() {
            fold_two_by_two(self.0, self.1, self.2, larger);
        } else {
            pool_with(self.0, self.1, self.2, larger, |value, _| value);
        }
    }
}

/// The mean of each window: over the values inside the image, or over the whole window where padding counts as zeros.
pub fn average_pool(input: &[f32], pool: &Pool, counts_padding: bool, out: &mut [f32]) {
    let whole = pool.kernel[0] * pool.kernel[1];
    pool_with(
        input,
        pool,
        out,
        |a, b| a + b,
        |sum, taps| sum / (if counts_padding { whole } else { taps }) as f32,
    );
}

/// Folds the four pixels of each window of the commonest shape, whose pairs of pixels lie next to each other.
#[inline(always)]
fn fold_two_by_two<T: Copy>(input: &[T], pool: &Pool, out: &mut [T], fold: impl Fn(T, T) -> T) {
    let channels = pool.input.channels;
    let line = pool.input.width * channels;
    for (out, lines) in out
        .chunks_exact_mut(pool.out[1] * channels)
        .zip(input.chunks_exact(2 * line))
    {
        let (upper, lower) = lines.split_at(line);
        let pairs = upper.chunks_exact(2 * channels).zip(lower.chunks_exact(2 * channels));
        for (out, (upper, lower)) in out.chunks_exact_mut(channels).zip(pairs) {
            let ((a, b), (c, d)) = (upper.split_at(channels), lower.split_at(channels));
            for ((((out, &a), &b), &c), &d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *out = fold(fold(a, b), fold(c, d));
            }
        }
    }
}

/// Folds the pixels of each window, then finishes with the number of pixels folded.
#[inline(always)]
fn pool_with<T: Copy>(
    input: &[T],
    pool: &Pool,
    out: &mut [T],
    fold: impl Fn(T, T) -> T,
    finish: impl Fn(T, usize) -> T,
) {
    const CHUNK: usize = 16;
    let ImageShape {
        height,
        width,
        channels,
    } = pool.input;
    let inside = |out: usize, axis: usize, size: usize| {
        let start = out * pool.stride[axis];
        let end = (start + pool.kernel[axis]).saturating_sub(pool.pad[axis]).min(size);
        start.saturating_sub(pool.pad[axis])..end
    };
    for (place, out) in out.chunks_exact_mut(channels).enumerate() {
        let rows = inside(place / pool.out[1], 0, height);
        let columns = inside(place % pool.out[1], 1, width);
        let taps = rows.len() * columns.len();
        let (chunks, rest) = out.as_chunks_mut::<CHUNK>();
        let tail = chunks.len() * CHUNK;
        for (i, chunk) in chunks.iter_mut().enumerate() {
            let mut folded: Option<[T; CHUNK]> = None;
            for y in rows.clone() {
                for x in columns.clone() {
                    let Some(tap) = input[(y * width + x) * channels + i * CHUNK..].first_chunk::<CHUNK>() else {
                        return;
                    };
                    folded =
                        Some(folded.map_or(*tap, |folded| std::array::from_fn(|lane| fold(folded[lane], tap[lane]))));
                }
            }
            if let Some(folded) = folded {
                *chunk = folded.map(|value| finish(value, taps));
            }
        }
        for (i, value) in rest.iter_mut().enumerate() {
            let taps_of = rows
                .clone()
                .flat_map(|y| columns.clone().map(move |x| (y * width + x) * channels + tail + i));
            if let Some(folded) = taps_of.map(|place| input[place]).reduce(&fold) {
                *value = finish(folded, taps);
            }
        }
    }
}

/// The nearest integer to a number between -2^22 and 2^22, ties to even, without a call to the mathematical library.
#[inline(always)]
fn round_half_even(value: f32) -> i32 {
    // Adding 1.5 * 2^23 leaves no bits for a fraction: the addition itself rounds.
    const MAGIC: f32 = 12_582_912.0;
    (value + MAGIC).to_bits().cast_signed() - MAGIC.to_bits().cast_signed()
}
