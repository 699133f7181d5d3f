//! Short lines of numbers: summed, and copied without a call.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

/// The sum of numbers side by side, by halves; how many is a power of two.
#[inline(always)]
pub(super) fn halved<const N: usize>(mut values: [f32; N]) -> f32 {
    let mut half = N / 2;
    while half > 0 {
        let (lower, upper) = values.split_at_mut(half);
        lower.iter_mut().zip(upper).for_each(|(lower, upper)| *lower += *upper);
        half /= 2;
    }
    values[0]
}

/// The sum of a line, sixteen numbers side by side.
#[inline(always)]
pub(super) fn total(line: &[f32]) -> f32 {
    let mut sums = [0.0; 16];
    let (whole, rest) = line.as_chunks::<16>();
    for values in whole {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    sums.iter_mut().zip(rest).for_each(|(sum, value)| *sum += value);
    halved(sums)
}

/// Copies a line to the beginning of another.
#[inline(always)]
pub(super) fn copy(from: &[f32], to: &mut [f32]) {
    let (from, from_rest) = from.as_chunks::<8>();
    let (to, to_rest) = to[..from.len() * 8 + from_rest.len()].as_chunks_mut::<8>();
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    let (from, from_rest) = from_rest.as_chunks::<4>();
    let (to, to_rest) = to_rest.as_chunks_mut::<4>();
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    for (to, &from) in to_rest.iter_mut().zip(from_rest) {
        *to = from;
    }
}
