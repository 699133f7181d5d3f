//! Scaled dot-product attention with its backward pass.
#![expect(unsafe_code, reason = "registers are loaded from raw pointers")]
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

use super::super::InstructionSet;
use super::parts::each;
use super::product::{Matrix, Product, Start, product};
use super::vectors::{LONGEST, Vector, Work, places, run};

/// Multiply-adds of all products above which another thread is worth waking.
const WORTH_A_THREAD: usize = 200_000;

/// The sizes of an attention, and what is masked in it.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a> {
    pub samples: usize,
    pub heads: usize,
    pub steps: usize,
    /// Features of one head.
    pub width: usize,
    /// `[samples, steps]`, 1 where a step may be attended to.
    pub mask: Option<&'a [f32]>,
    /// The score of a step that may not.
    pub masked: f32,
}

/// `softmax(q k^T / sqrt(width)) v` in each head (Vaswani et al. 2017). `projected` is `[samples, steps, 3, heads, width]`: query, key
/// and value. Gives `[samples, steps, heads, width]` and, if they are to be kept, the shares `[samples, heads, steps, steps]`.
pub fn attention(set: InstructionSet, shape: &Heads<'_>, projected: &[f32], keeps: bool) -> (Vec<f32>, Vec<f32>) {
    let &Heads {
        samples,
        heads,
        steps,
        width,
        ..
    } = shape;
    let features = heads * width;
    let mut out = vec![0.0; samples * steps * features];
    let mut shares = vec![0.0; if keeps { samples * heads * steps * steps } else { 0 }];
    if out.is_empty() {
        return (out, shares);
    }
    let mut kept = shares.chunks_mut(heads * steps * steps);
    let parts = projected
        .chunks_exact(3 * steps * features)
        .zip(out.chunks_exact_mut(steps * features))
        .enumerate()
        .map(|(sample, (projected, out))| (sample, projected, out, kept.next().unwrap_or_default()));
    each(parts, shape.pays(), |(sample, projected, out, kept)| {
        let allowed = shape.allowed(sample);
        // Rows apart from each other, since what is read close behind a masked store waits for it.
        let pitch = steps.next_multiple_of(LONGEST);
        let mut scores = vec![0.0; steps * pitch];
        for head in 0..heads {
            let [query, key, value] = shape.matrices(projected, head);
            multiply(set, query, key.transposed(), &mut scores, pitch);
            run(
                set,
                Softmax {
                    allowed: &allowed,
                    scale: shape.scale(),
                    scores: &mut scores,
                    pitch,
                },
            );
            let kept = kept.chunks_exact_mut(steps).skip(head * steps);
            for (kept, scores) in kept.zip(scores.chunks_exact(pitch)) {
                kept.copy_from_slice(&scores[..steps]);
            }
            let scores = Matrix::with_pitch(&scores, steps, steps, pitch);
            multiply(set, scores, value, &mut out[head * width..], features);
        }
    });
    (out, shares)
}

/// The gradient of `projected` by that of the result of [`attention`].
pub fn attention_backward(
    set: InstructionSet,
    shape: &Heads<'_>,
    projected: &[f32],
    shares: &[f32],
    gradient: &[f32],
) -> Vec<f32> {
    let &Heads {
        heads, steps, width, ..
    } = shape;
    let features = heads * width;
    let mut out = vec![0.0; projected.len()];
    if out.is_empty() {
        return out;
    }
    let parts = projected
        .chunks_exact(3 * steps * features)
        .zip(out.chunks_exact_mut(3 * steps * features))
        .zip(shares.chunks_exact(heads * steps * steps))
        .zip(gradient.chunks_exact(steps * features))
        .enumerate();
    each(
        parts,
        shape.pays(),
        |(sample, (((projected, out), shares), gradient))| {
            let allowed = shape.allowed(sample);
            let mut slopes = vec![0.0; steps * steps];
            for (head, shares) in shares.chunks_exact(steps * steps).enumerate() {
                let [query, key, value] = shape.matrices(projected, head);
                let gradient = Matrix::with_pitch(&gradient[head * width..], steps, width, features);
                let whole = Matrix::new(shares, steps, steps);
                let [to_query, to_key, to_value] = [0, 1, 2].map(|part| part * features + head * width);
                multiply(set, whole.transposed(), gradient, &mut out[to_value..], 3 * features);
                multiply(set, gradient, value.transposed(), &mut slopes, steps);
                run(
                    set,
                    SoftmaxBackward {
                        allowed: &allowed,
                        scale: shape.scale(),
                        shares,
                        slopes: &mut slopes,
                    },
                );
                let slopes = Matrix::new(&slopes, steps, steps);
                multiply(set, slopes, key, &mut out[to_query..], 3 * features);
                multiply(set, slopes.transposed(), query, &mut out[to_key..], 3 * features);
            }
        },
    );
    out
}

fn multiply(set: InstructionSet, a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], pitch: usize) {
    let whole = Product {
        a,
        b,
        start: Start::Zero,
        relu: false,
    };
    product(set, &whole, out, pitch);
}

impl Heads<'_> {
    fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    fn pays(&self) -> bool {
        self.samples * self.heads * self.steps * self.steps * self.width >= WORTH_A_THREAD
    }

    /// 0 for each step that may be attended to, else what replaces its score.
    fn allowed(&self, sample: usize) -> Vec<f32> {
        let mut allowed = vec![0.0; self.steps];
        if let Some(mask) = self.mask {
            for (allowed, &mask) in allowed.iter_mut().zip(&mask[sample * self.steps..][..self.steps]) {
                if mask < 0.5 {
                    *allowed = self.masked;
                }
            }
        }
        allowed
    }

    /// Query, key and value of a head, `[steps, width]` each.
    fn matrices<'a>(&self, projected: &'a [f32], head: usize) -> [Matrix<'a>; 3] {
        let features = self.heads * self.width;
        [0, 1, 2].map(|part| {
            let values = &projected[part * features + head * self.width..];
            Matrix::with_pitch(values, self.steps, self.width, 3 * features)
        })
    }
}

/// Scores to shares, row by row.
struct Softmax<'a> {
    allowed: &'a [f32],
    scale: f32,
    scores: &'a mut [f32],
    /// From a row to the next: whole registers.
    pitch: usize,
}

impl Work for Softmax<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let steps = self.allowed.len();
        for row in self.scores.chunks_exact_mut(self.pitch) {
            // SAFETY: places are those of `allowed`, which is `steps` long, and of a row, which has whole registers; the instructions are
            // the caller's.
            unsafe {
                let row = row.as_mut_ptr();
                let scale = V::each(self.scale);
                let mut largest = V::each(f32::NEG_INFINITY);
                for (place, mask) in places::<V>(steps) {
                    let allowed = V::load_first(mask, self.allowed.as_ptr().add(place));
                    let score = V::load(row.add(place)).times(scale);
                    let score = score.choose(allowed.is_zero(), allowed);
                    let score = score.choose(mask, V::each(f32::NEG_INFINITY));
                    score.store(row.add(place));
                    largest = score.or_larger(largest);
                }
                let largest = V::each(largest.largest());
                let mut sums = V::zero();
                for (place, _) in places::<V>(steps) {
                    let score = V::load(row.add(place)).minus(largest);
                    // Exactly nothing instead of numbers so small that processors stumble over them.
                    let power = V::zero().choose(score.is_below(V::each(-80.0)), score.exp());
                    power.store(row.add(place));
                    sums = sums.plus(power);
                }
                let factor = V::each(1.0 / sums.sum());
                for (place, _) in places::<V>(steps) {
                    V::load(row.add(place)).times(factor).store(row.add(place));
                }
            }
        }
    }
}

/// The gradient of shares `p` to that of scores, in place: `scale p (g - sum(p g))`, none where a score was replaced.
struct SoftmaxBackward<'a> {
    allowed: &'a [f32],
    scale: f32,
    shares: &'a [f32],
    slopes: &'a mut [f32],
}

impl Work for SoftmaxBackward<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let steps = self.allowed.len();
        let rows = self.shares.chunks_exact(steps).zip(self.slopes.chunks_exact_mut(steps));
        for (shares, slopes) in rows {
            // SAFETY: as in the forward pass.
            unsafe {
                let (shares, slopes) = (shares.as_ptr(), slopes.as_mut_ptr());
                let mut along = V::zero();
                for (place, mask) in places::<V>(steps) {
                    let share = V::load_first(mask, shares.add(place));
                    along = share.times_plus(V::load_first(mask, slopes.add(place)), along);
                }
                let (along, scale) = (V::each(along.sum()), V::each(self.scale));
                for (place, mask) in places::<V>(steps) {
                    let share = V::load_first(mask, shares.add(place)).times(scale);
                    let slope = V::load_first(mask, slopes.add(place)).minus(along).times(share);
                    let allowed = V::load_first(mask, self.allowed.as_ptr().add(place));
                    let slope = slope.choose(allowed.is_zero(), V::zero());
                    slope.store_first(mask, slopes.add(place));
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
            .map(|place| ((place + seed) * 7919 % 211) as f32 / 60.0 - 1.7)
            .collect()
    }

    /// The formula, in double precision.
    fn plain(shape: &Heads<'_>, projected: &[f64]) -> Vec<f64> {
        let &Heads {
            samples,
            heads,
            steps,
            width,
            ..
        } = shape;
        let features = heads * width;
        let at = |sample: usize, step: usize, part: usize, head: usize, place: usize| {
            projected[((sample * steps + step) * 3 + part) * features + head * width + place]
        };
        let mut out = vec![0.0; samples * steps * features];
        for sample in 0..samples {
            for head in 0..heads {
                for step in 0..steps {
                    let score = |other: usize| {
                        if shape.mask.is_some_and(|mask| mask[sample * steps + other] < 0.5) {
                            return f64::from(shape.masked);
                        }
                        let sum: f64 = (0..width)
                            .map(|place| at(sample, step, 0, head, place) * at(sample, other, 1, head, place))
                            .sum();
                        sum / (width as f64).sqrt()
                    };
                    let scores: Vec<f64> = (0..steps).map(score).collect();
                    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
                    for place in 0..width {
                        let shares = scores.iter().enumerate();
                        out[(sample * steps + step) * features + head * width + place] = shares
                            .map(|(other, score)| (score - largest).exp() / sum * at(sample, other, 2, head, place))
                            .sum();
                    }
                }
            }
        }
        out
    }

    #[test]
    fn it_is_its_formula_and_its_gradient_a_central_difference_on_every_instruction_set() {
        for (case, [samples, heads, steps, width]) in
            [[1, 1, 1, 1], [2, 2, 5, 3], [3, 4, 28, 16], [1, 2, 16, 8], [2, 1, 33, 5]]
                .into_iter()
                .enumerate()
        {
            let projected = numbers(samples * steps * 3 * heads * width, case);
            // Padding in front; the last sample of some is nothing else.
            let mask: Vec<f32> = (0..samples * steps)
                .map(|place| f32::from(u8::from(place % steps >= steps / 3 && (case % 2 == 0 || place < steps))))
                .collect();
            for mask in [None, Some(&mask[..])] {
                let shape = Heads {
                    samples,
                    heads,
                    steps,
                    width,
                    mask,
                    masked: -1e4,
                };
                let doubles: Vec<f64> = projected.iter().map(|&x| f64::from(x)).collect();
                let expected = plain(&shape, &doubles);
                let upstream = numbers(expected.len(), 7);
                let loss = |projected: &[f64]| -> f64 {
                    let out = plain(&shape, projected);
                    out.iter().zip(&upstream).map(|(y, g)| y * f64::from(*g)).sum()
                };
                for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
                    let (out, shares) = attention(set, &shape, &projected, true);
                    for (found, expected) in out.iter().zip(&expected) {
                        assert!(
                            (f64::from(*found) - expected).abs() < 1e-5,
                            "{set} {case}: {found} {expected}"
                        );
                    }
                    assert!(
                        shares
                            .chunks(steps)
                            .all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5)
                    );
                    assert_eq!(attention(set, &shape, &projected, false), (out, Vec::new()));
                    let gradient = attention_backward(set, &shape, &projected, &shares, &upstream);
                    for place in (0..projected.len()).step_by(1 + projected.len() / 40) {
                        let at = |change: f64| {
                            let mut moved = doubles.clone();
                            moved[place] += change;
                            loss(&moved)
                        };
                        let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
                        let error = (f64::from(gradient[place]) - slope).abs();
                        assert!(
                            error < 2e-5 * slope.abs().max(1.0),
                            "{set} {case} {place}: {} {slope}",
                            gradient[place]
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let shape = Heads {
            samples: 9,
            heads: 4,
            steps: 28,
            width: 16,
            mask: None,
            masked: -1e4,
        };
        let projected = numbers(9 * 28 * 3 * 64, 1);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let set = InstructionSet::best();
                let (out, shares) = attention(set, &shape, &projected, true);
                attention_backward(set, &shape, &projected, &shares, &out)
            })
        };
        assert!(on(1) == on(2) && on(1) == on(4));
    }
}
