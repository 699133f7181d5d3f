//! What happens around the products: quantizing, changing the order of an image, padding, pooling.
//!
//! Plain loops over fixed-size chunks that the compiler turns into vector code. Images have their channels last.

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
    #[inline]
    pub fn quantize(self, real: f32) -> u8 {
        self.round(real / self.scale)
    }

    /// The byte nearest to a number of steps from the zero point, ties to even, clamped; 0 for what is not a number.
    #[inline]
    pub(super) fn round(self, steps: f32) -> u8 {
        let zero = f32::from(self.zero_point);
        let steps = if steps > -zero { steps } else { -zero };
        let steps = if steps < 255.0 - zero { steps } else { 255.0 - zero };
        (round_half_even(steps) + i32::from(self.zero_point)) as u8
    }

    /// The real number that a byte stands for.
    #[inline]
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

/// Brings the channels of an image from first to last, and maps each value on the way. Input and output are of one length.
pub fn channels_last<T: Copy, U>(input: &[T], channels: usize, out: &mut [U], map: impl Fn(T) -> U) {
    if channels == 1 {
        out.iter_mut().zip(input).for_each(|(out, &value)| *out = map(value));
        return;
    }
    for (channel, plane) in input.chunks_exact(input.len() / channels).enumerate() {
        for (pixel, &value) in out.chunks_exact_mut(channels).zip(plane) {
            pixel[channel] = map(value);
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
pub fn max_pool<T: Copy + PartialOrd>(input: &[T], pool: &Pool, out: &mut [T]) {
    let larger = |a: T, b: T| if b > a { b } else { a };
    if pool.is_two_by_two() {
        fold_two_by_two(input, pool, out, larger);
    } else {
        pool_with(input, pool, out, larger, |value, _| value);
    }
}

/// The mean of each window: over the values inside the image, or over `whole_window` where padding counts as zeros.
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
#[inline]
fn round_half_even(value: f32) -> i32 {
    // Adding 1.5 * 2^23 leaves no bits for a fraction: the addition itself rounds.
    const MAGIC: f32 = 12_582_912.0;
    (value + MAGIC).to_bits().cast_signed() - MAGIC.to_bits().cast_signed()
}
