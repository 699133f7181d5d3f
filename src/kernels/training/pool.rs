//! Pooling: the largest value of each window and the place where it stood, and the mean of whole planes.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

use super::lines::total;
use super::output::{is_shared, produce, share};
use crate::kernels::InstructionSet;
use crate::kernels::lanes::{Work, run};

/// The place of a largest value that lets no gradient through.
pub(super) const NOWHERE: u8 = u8::MAX;

/// Windows that lie side by side; positions beyond the last whole one are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolShape {
    /// Height and width of the image.
    pub input: [usize; 2],
    /// Height and width of a window: fewer than 256 positions.
    pub window: [usize; 2],
    /// Values that stand together at each position, pooled each by itself.
    pub values: usize,
}

impl PoolShape {
    /// Height and width of the result.
    pub fn out(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.input[axis] / self.window[axis])
    }

    /// Whether the places in a window are few enough.
    pub fn fits(&self) -> bool {
        (1..usize::from(NOWHERE)).contains(&(self.window[0] * self.window[1]))
    }

    fn input_len(&self) -> usize {
        self.input[0] * self.input[1] * self.values
    }

    fn output_len(&self) -> usize {
        self.out()[0] * self.out()[1] * self.values
    }

    /// How far behind a window's first value the place `tap` lies.
    #[inline(always)]
    pub(super) fn offset(&self, tap: usize) -> usize {
        (tap / self.window[1] * self.input[1] + tap % self.window[1]) * self.values
    }

    /// Where a line of windows begins.
    #[inline(always)]
    fn line(&self, y: usize) -> usize {
        y * self.window[0] * self.input[1] * self.values
    }
}

/// The largest value of each window of each image, the first of equal ones and NaN above all, and its place in the window.
/// A window with too many places panics.
pub fn max_pool(set: InstructionSet, shape: &PoolShape, x: &[f32]) -> (Vec<f32>, Vec<u8>) {
    assert!(shape.fits());
    let (inputs, outputs) = (shape.input_len().max(1), shape.output_len());
    let images = x.len() / inputs;
    let share = share(images, x.len());
    let (out, places) = produce([images * outputs, share * outputs], is_shared(x.len()), |part, out| {
        let mut places = vec![0; out.len()];
        let x = x[part * share * inputs..].chunks_exact(inputs);
        let results = out
            .chunks_exact_mut(outputs.max(1))
            .zip(places.chunks_exact_mut(outputs.max(1)));
        for (from, (out, places)) in x.zip(results) {
            run(
                set,
                Pool {
                    shape,
                    from,
                    out,
                    places,
                },
            );
        }
        places
    });
    (out, places.concat())
}

/// The gradient of [`max_pool`]'s input.
pub fn max_pool_backward(shape: &PoolShape, places: &[u8], gradient: &[f32]) -> Vec<f32> {
    assert!(shape.fits() && places.len() == gradient.len());
    let (inputs, outputs) = (shape.input_len(), shape.output_len().max(1));
    let images = gradient.len() / outputs;
    let share = share(images, images * inputs);
    let offsets: Vec<usize> = (0..shape.window[0] * shape.window[1])
        .map(|tap| shape.offset(tap))
        .collect();
    let line = shape.out()[1] * shape.values;
    let sizes = [images * inputs, share * inputs];
    let (out, _) = produce(sizes, is_shared(images * inputs), |part, out| {
        let first = part * share * outputs;
        let known = gradient[first..]
            .chunks_exact(outputs)
            .zip(places[first..].chunks_exact(outputs));
        for (out, (gradient, places)) in out.chunks_exact_mut(inputs.max(1)).zip(known) {
            let lines = gradient.chunks_exact(line).zip(places.chunks_exact(line));
            for (y, (gradient, places)) in lines.enumerate() {
                let out = &mut out[shape.line(y)..];
                for (place, (&gradient, &tap)) in gradient.iter().zip(places).enumerate() {
                    let (x, value) = (place / shape.values, place % shape.values);
                    out[x * shape.window[1] * shape.values + value + offsets[usize::from(tap)]] = gradient;
                }
            }
        }
    });
    out
}

/// Pools one image.
pub(super) struct Pool<'a> {
    pub shape: &'a PoolShape,
    pub from: &'a [f32],
    pub out: &'a mut [f32],
    pub places: &'a mut [u8],
}

impl Work for Pool<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let PoolShape { window, values, .. } = *self.shape;
        let line = self.shape.out()[1] * values;
        let lines = self.out.chunks_exact_mut(line).zip(self.places.chunks_exact_mut(line));
        for (y, (out, places)) in lines.enumerate() {
            let from = &self.from[self.shape.line(y)..];
            if values > 1 {
                let windows = out.chunks_exact_mut(values).zip(places.chunks_exact_mut(values));
                for (x, (out, places)) in windows.enumerate() {
                    let from = &from[x * window[1] * values..];
                    for tap in 0..window[0] * window[1] {
                        let from = &from[self.shape.offset(tap)..][..values];
                        choose(tap, from, out, places);
                    }
                }
                continue;
            }
            if window == [2, 2] {
                let (upper, lower) = from.split_at(self.shape.input[1]);
                let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
                for ((out, place), (&[a, b], &[c, d])) in out.iter_mut().zip(places).zip(pairs) {
                    let mut best = (a, 0);
                    for (tap, value) in [b, c, d].into_iter().enumerate() {
                        let is_larger = value > best.0 || value.is_nan();
                        best = if is_larger { (value, tap as u8 + 1) } else { best };
                    }
                    (*out, *place) = best;
                }
                continue;
            }
            for (x, (out, place)) in out.iter_mut().zip(places).enumerate() {
                let from = &from[x * window[1]..];
                let mut best = (from[0], 0);
                for tap in 1..window[0] * window[1] {
                    let value = from[self.shape.offset(tap)];
                    if value > best.0 || value.is_nan() {
                        best = (value, tap as u8);
                    }
                }
                (*out, *place) = best;
            }
        }
    }
}

/// Takes what is larger than the largest so far.
#[inline(always)]
fn choose(tap: usize, from: &[f32], out: &mut [f32], places: &mut [u8]) {
    if tap == 0 {
        out.copy_from_slice(from);
        places.fill(0);
        return;
    }
    for ((largest, place), &value) in out.iter_mut().zip(places).zip(from) {
        let is_larger = value > *largest || value.is_nan();
        *largest = if is_larger { value } else { *largest };
        *place = if is_larger { tap as u8 } else { *place };
    }
}

/// The mean of each stretch of `area` values.
pub fn plane_means(set: InstructionSet, area: usize, x: &[f32]) -> Vec<f32> {
    let area = area.max(1);
    let mut out = vec![0.0; x.len() / area];
    run(set, Means(area, x, &mut out));
    out
}

/// The gradient of [`plane_means`]'s input.
pub fn plane_means_backward(area: usize, gradient: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(gradient.len() * area);
    for value in gradient {
        out.extend(std::iter::repeat_n(value / area as f32, area));
    }
    out
}

struct Means<'a>(usize, &'a [f32], &'a mut [f32]);

impl Work for Means<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self(area, x, out) = self;
        for (out, plane) in out.iter_mut().zip(x.chunks_exact(area)) {
            *out = total(plane) / area as f32;
        }
    }
}
