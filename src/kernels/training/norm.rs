//! Layer normalisation with its backward pass.
#![expect(unsafe_code, reason = "registers are loaded from raw pointers")]
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

use super::super::InstructionSet;
use super::parts::each;
use super::vectors::{Vector, Work, places, run};

/// Rows of one part: what a thread takes at once, and what the gradients of scale and shift are sums of.
const ROWS: usize = 128;
/// Values above which another thread is worth waking.
const WORTH_A_THREAD: usize = 1 << 15;

/// Mean of a row, and `1 / sqrt(variance + epsilon)`.
pub type Moments = [f32; 2];

/// Normalises each row of `input` to mean 0 and variance 1 (Ba et al. 2016), then scales and shifts it. Gives the result and what
/// [`layer_norm_backward`] needs of the rows.
pub fn layer_norm(
    set: InstructionSet,
    input: &[f32],
    [scale, shift]: [&[f32]; 2],
    epsilon: f32,
) -> (Vec<f32>, Vec<Moments>) {
    let width = scale.len().max(1);
    let mut out = vec![0.0; input.len()];
    let mut moments = vec![[0.0; 2]; input.len() / width];
    let parts = input
        .chunks(ROWS * width)
        .zip(out.chunks_mut(ROWS * width))
        .zip(moments.chunks_mut(ROWS));
    each(parts, input.len() > WORTH_A_THREAD, |((input, out), moments)| {
        let (scale, shift) = (scale, shift);
        run(
            set,
            Forward {
                input,
                scale,
                shift,
                epsilon,
                out,
                moments,
            },
        );
    });
    (out, moments)
}

/// Turns the gradient of the result into that of the input, in place; gives the gradients of scale and shift.
pub fn layer_norm_backward(
    set: InstructionSet,
    input: &[f32],
    scale: &[f32],
    moments: &[Moments],
    gradient: &mut [f32],
) -> [Vec<f32>; 2] {
    let width = scale.len().max(1);
    let pays = input.len() > WORTH_A_THREAD;
    let mut sums = vec![0.0; moments.len().div_ceil(ROWS) * 2 * width];
    let parts = input
        .chunks(ROWS * width)
        .zip(gradient.chunks_mut(ROWS * width))
        .zip(moments.chunks(ROWS).zip(sums.chunks_mut(2 * width)));
    each(parts, pays, |((input, gradient), (moments, sums))| {
        run(
            set,
            Backward {
                input,
                scale,
                moments,
                gradient,
                sums,
            },
        );
    });
    let mut whole = [vec![0.0; width], vec![0.0; width]];
    for part in sums.chunks_exact(2 * width) {
        for (whole, part) in whole.iter_mut().zip(part.chunks_exact(width)) {
            for (whole, part) in whole.iter_mut().zip(part) {
                *whole += part;
            }
        }
    }
    whole
}

struct Forward<'a> {
    input: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    epsilon: f32,
    out: &'a mut [f32],
    moments: &'a mut [Moments],
}

impl Work for Forward<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let width = self.scale.len();
        let rows = self.input.chunks_exact(width).zip(self.out.chunks_exact_mut(width));
        for ((input, out), moments) in rows.zip(self.moments) {
            // SAFETY: places are those of a row, of scale and of shift, which are `width` long; the instructions are the caller's.
            unsafe {
                let (input, out) = (input.as_ptr(), out.as_mut_ptr());
                let (scale, shift) = (self.scale.as_ptr(), self.shift.as_ptr());
                let mut sums = V::zero();
                for (place, mask) in places::<V>(width) {
                    sums = sums.plus(V::load_first(mask, input.add(place)));
                }
                let mean = sums.sum() / width as f32;
                let centre = V::each(mean);
                let mut squares = V::zero();
                for (place, mask) in places::<V>(width) {
                    let x = V::load_first(mask, input.add(place))
                        .minus(centre)
                        .choose(mask, V::zero());
                    squares = x.times_plus(x, squares);
                }
                let factor = 1.0 / (squares.sum() / width as f32 + self.epsilon).sqrt();
                let each = V::each(factor);
                for (place, mask) in places::<V>(width) {
                    let normal = V::load_first(mask, input.add(place)).minus(centre).times(each);
                    let result = normal.times_plus(
                        V::load_first(mask, scale.add(place)),
                        V::load_first(mask, shift.add(place)),
                    );
                    result.store_first(mask, out.add(place));
                }
                *moments = [mean, factor];
            }
        }
    }
}

/// With `n = (x - mean) factor` and `h = gradient scale`: `factor (h - mean(h) - n mean(h n))`.
struct Backward<'a> {
    input: &'a [f32],
    scale: &'a [f32],
    moments: &'a [Moments],
    gradient: &'a mut [f32],
    /// Of `gradient n` and of `gradient`.
    sums: &'a mut [f32],
}

impl Work for Backward<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let width = self.scale.len();
        let (products, sums) = self.sums.split_at_mut(width);
        let rows = self
            .input
            .chunks_exact(width)
            .zip(self.gradient.chunks_exact_mut(width));
        for ((input, gradient), &[mean, factor]) in rows.zip(self.moments) {
            // SAFETY: as in the forward pass.
            unsafe {
                let (input, gradient) = (input.as_ptr(), gradient.as_mut_ptr());
                let (scale, sums, products) = (self.scale.as_ptr(), sums.as_mut_ptr(), products.as_mut_ptr());
                let (centre, each) = (V::each(mean), V::each(factor));
                let (mut along, mut across) = (V::zero(), V::zero());
                for (place, mask) in places::<V>(width) {
                    let (g, n) = (
                        V::load_first(mask, gradient.add(place)),
                        V::load_first(mask, input.add(place)).minus(centre).times(each),
                    );
                    let h = g.times(V::load_first(mask, scale.add(place)));
                    along = along.plus(h);
                    across = h.times_plus(n, across);
                    g.times_plus(n, V::load_first(mask, products.add(place)))
                        .store_first(mask, products.add(place));
                    g.plus(V::load_first(mask, sums.add(place)))
                        .store_first(mask, sums.add(place));
                }
                let along = V::each(-along.sum() / width as f32);
                let across = V::each(-across.sum() / width as f32);
                for (place, mask) in places::<V>(width) {
                    let h = V::load_first(mask, gradient.add(place))
                        .times_plus(V::load_first(mask, scale.add(place)), along);
                    let result = V::load_first(mask, input.add(place))
                        .minus(centre)
                        .times(each)
                        .times_plus(across, h)
                        .times(each);
                    result.store_first(mask, gradient.add(place));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(length: usize, seed: usize) -> Vec<f32> {
        (0..length)
            .map(|place| ((place + seed) * 7919 % 211) as f32 / 100.0 - 1.0)
            .collect()
    }

    /// The result in double precision.
    fn plain(input: &[f64], [scale, shift]: [&[f32]; 2]) -> Vec<f64> {
        let width = scale.len();
        let mut out = Vec::new();
        for row in input.chunks_exact(width) {
            let mean = row.iter().sum::<f64>() / width as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            for (x, (scale, shift)) in row.iter().zip(scale.iter().zip(shift)) {
                out.push((x - mean) / (variance + 1e-5).sqrt() * f64::from(*scale) + f64::from(*shift));
            }
        }
        out
    }

    #[test]
    fn it_is_its_formula_and_its_gradient_a_central_difference_on_every_instruction_set() {
        for [rows, width] in [[1, 1], [1, 5], [3, 16], [7, 40], [300, 64], [2, 100]] {
            let input = numbers(rows * width, 1);
            let (scale, shift) = (numbers(width, 5), numbers(width, 9));
            let learnt = [&scale[..], &shift[..]];
            let upstream = numbers(rows * width, 3);
            let doubles: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
            let loss = |input: &[f64]| -> f64 {
                let out = plain(input, learnt);
                out.iter().zip(&upstream).map(|(y, g)| y * f64::from(*g)).sum()
            };
            let expected = plain(&doubles, learnt);
            for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
                let (out, moments) = layer_norm(set, &input, learnt, 1e-5);
                for (found, expected) in out.iter().zip(&expected) {
                    assert!((f64::from(*found) - expected).abs() < 1e-5, "{set}: {found} {expected}");
                }
                let mut gradient = upstream.clone();
                let [by_scale, by_shift] = layer_norm_backward(set, &input, &scale, &moments, &mut gradient);
                for place in (0..rows * width).step_by(1 + rows * width / 30) {
                    let at = |change: f64| {
                        let mut moved = doubles.clone();
                        moved[place] += change;
                        loss(&moved)
                    };
                    let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
                    let error = (f64::from(gradient[place]) - slope).abs();
                    assert!(
                        error < 1e-4 * slope.abs().max(1.0),
                        "{set} {rows} {width}: {} {slope}",
                        gradient[place]
                    );
                }
                for column in 0..width {
                    let each =
                        |what: &dyn Fn(usize) -> f64| (0..rows).map(|row| what(row * width + column)).sum::<f64>();
                    let sum = each(&|place| f64::from(upstream[place]));
                    let normal = plain(&doubles, [&vec![1.0; width], &vec![0.0; width]]);
                    let product = each(&|place| f64::from(upstream[place]) * normal[place]);
                    assert!((f64::from(by_shift[column]) - sum).abs() < 1e-4);
                    assert!((f64::from(by_scale[column]) - product).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let (rows, width) = (1000, 48);
        let input = numbers(rows * width, 1);
        let (scale, shift) = (numbers(width, 5), numbers(width, 9));
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let set = InstructionSet::best();
                let (mut out, moments) = layer_norm(set, &input, [&scale, &shift], 1e-5);
                let learnt = layer_norm_backward(set, &input, &scale, &moments, &mut out);
                (out, learnt)
            })
        };
        assert!(on(1) == on(2) && on(1) == on(5));
    }
}
