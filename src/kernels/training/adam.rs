//! Adam's step over plain numbers.
#![expect(unsafe_code, reason = "registers are loaded from raw pointers")]
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the plainest processor"
)]

use super::super::InstructionSet;
use super::vectors::{Vector, Work, places, run};

/// The numbers of one step: `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`, `p = shrink p - rate m / (sqrt(v) / root + epsilon)`, where
/// `g` is `scale` times the gradient plus `penalty` times the parameter (Kingma and Ba 2015).
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    pub scale: f32,
    pub penalty: f32,
    pub shrink: f32,
    pub rate: f32,
    /// What is kept of the first and the second moment.
    pub keep: [f32; 2],
    /// What is taken of the newest gradient and its square.
    pub take: [f32; 2],
    pub root: f32,
    pub epsilon: f32,
}

/// Moves parameters; all slices are as long as the first.
pub fn adam(set: InstructionSet, step: &Adam, parameter: &mut [f32], gradient: &[f32], moments: [&mut [f32]; 2]) {
    let length = parameter.len();
    assert!(gradient.len() == length && moments.iter().all(|moment| moment.len() == length));
    run(
        set,
        Step {
            numbers: step,
            parameter,
            gradient,
            moments,
        },
    );
}

struct Step<'a> {
    numbers: &'a Adam,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    moments: [&'a mut [f32]; 2],
}

impl Work for Step<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [first, second] = self.moments.map(<[f32]>::as_mut_ptr);
        let (parameter, gradient) = (self.parameter.as_mut_ptr(), self.gradient.as_ptr());
        let length = self.gradient.len();
        // SAFETY: places are those of slices of one length; the instructions are the caller's.
        unsafe {
            let (scale, penalty) = (V::each(self.numbers.scale), V::each(self.numbers.penalty));
            let (shrink, rate) = (V::each(self.numbers.shrink), V::each(-self.numbers.rate));
            let (keep1, keep2) = (V::each(self.numbers.keep[0]), V::each(self.numbers.keep[1]));
            let (take1, take2) = (V::each(self.numbers.take[0]), V::each(self.numbers.take[1]));
            let (root, epsilon) = (V::each(1.0 / self.numbers.root), V::each(self.numbers.epsilon));
            for (place, mask) in places::<V>(length) {
                let p = V::load_first(mask, parameter.add(place));
                let g = V::load_first(mask, gradient.add(place)).times_plus(scale, penalty.times(p));
                let m = V::load_first(mask, first.add(place)).times_plus(keep1, take1.times(g));
                let v = V::load_first(mask, second.add(place)).times_plus(keep2, take2.times(g.times(g)));
                let step = rate.times(m).over(v.root().times_plus(root, epsilon));
                m.store_first(mask, first.add(place));
                v.store_first(mask, second.add(place));
                p.times_plus(shrink, step).store_first(mask, parameter.add(place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_its_formula_on_every_instruction_set() {
        let step = Adam {
            scale: 0.5,
            penalty: 0.1,
            shrink: 0.99,
            rate: 0.01,
            keep: [0.9, 0.999],
            take: [0.1, 0.001],
            root: 0.3,
            epsilon: 1e-8,
        };
        let numbers = |seed: usize| -> Vec<f32> {
            (0..77)
                .map(|place| ((place + seed) * 7919 % 101) as f32 / 50.0)
                .collect()
        };
        let (p, g, m, v) = (numbers(1), numbers(2), numbers(3), numbers(4));
        for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
            let (mut moved, mut first, mut second) = (p.clone(), m.clone(), v.clone());
            adam(set, &step, &mut moved, &g, [&mut first, &mut second]);
            for place in 0..p.len() {
                let [p, g, m, v] = [p[place], g[place], m[place], v[place]].map(f64::from);
                let g = 0.5 * g + 0.1 * p;
                let (m, v) = (0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g);
                let expected = 0.99 * p - 0.01 * m / (v.sqrt() / 0.3 + 1e-8);
                assert!(
                    (f64::from(moved[place]) - expected).abs() < 1e-6,
                    "{set}: {} {expected}",
                    moved[place]
                );
                assert!((f64::from(first[place]) - m).abs() < 1e-6 && (f64::from(second[place]) - v).abs() < 1e-6);
            }
        }
    }
}
