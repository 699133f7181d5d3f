//! The slopes of functions of one number, in a form that compilers can vectorise.

use super::super::InstructionSet;
use super::super::functions::{Function, apply, erf, exp, sigmoid};
use super::super::lanes::{Work, multiply_add, run};
use super::parts::each;

/// Whether a function's slope follows from its result, and not from where it was taken.
pub fn slope_from_output(function: Function) -> bool {
    match function {
        Function::Relu | Function::Tanh | Function::Sigmoid => true,
        Function::LeakyRelu(slope) => slope > 0.0,
        Function::Erf | Function::Silu | Function::Gelu => false,
    }
}

/// Values of one part; with more than one part, each thread takes its own.
const PART: usize = 1 << 14;

/// Applies a function to all values.
pub fn forward(set: InstructionSet, function: Function, values: &mut [f32]) {
    let pays = values.len() >= 2 * PART;
    each(values.chunks_mut(PART), pays, |values| apply(set, function, values));
}

/// Multiplies each gradient of a function's result by the slope of the function there. `kept` are the function's results where
/// [`slope_from_output`] says so, else the places where it was taken.
pub fn through(set: InstructionSet, function: Function, kept: &[f32], gradient: &mut [f32]) {
    let pays = gradient.len() >= 2 * PART;
    let parts = kept.chunks(PART).zip(gradient.chunks_mut(PART));
    each(parts, pays, |(kept, gradient)| part(set, function, kept, gradient));
}

fn part(set: InstructionSet, function: Function, kept: &[f32], gradient: &mut [f32]) {
    match function {
        Function::Relu => run(set, Relu(kept, gradient)),
        Function::LeakyRelu(slope) => run(set, LeakyRelu(kept, gradient, slope)),
        Function::Tanh => run(set, Tanh(kept, gradient)),
        Function::Sigmoid => run(set, Sigmoid(kept, gradient)),
        Function::Erf => run(set, Erf(kept, gradient)),
        Function::Silu => run(set, Silu(kept, gradient)),
        Function::Gelu => run(set, Gelu(kept, gradient)),
    }
}

/// Work on each value and what was kept of it.
macro_rules! on_each {
    ($name:ident($($field:ident: $type:ty)?), ($k:ident, $g:ident) => $result:expr) => {
        struct $name<'a>(&'a [f32], &'a mut [f32] $(, $type)?);

        impl Work for $name<'_> {
            #[inline(always)]
            fn run<const FUSED: bool>(self) {
                let Self(kept, gradient $(, $field)?) = self;
                for (gradient, &$k) in gradient.iter_mut().zip(kept) {
                    let $g = *gradient;
                    *gradient = $result;
                }
            }
        }
    };
}

on_each!(Relu(), (y, g) => if y > 0.0 { g } else { 0.0 });
on_each!(LeakyRelu(slope: f32), (y, g) => if y < 0.0 { g * slope } else { g });
on_each!(Tanh(), (y, g) => g * (1.0 - y * y));
on_each!(Sigmoid(), (y, g) => g * (y * (1.0 - y)));
on_each!(Erf(), (x, g) => g * (std::f32::consts::FRAC_2_SQRT_PI * exp::<FUSED>(-x * x)));
on_each!(Silu(), (x, g) => {
    let share = sigmoid::<FUSED>(x);
    g * share * multiply_add::<FUSED>(x, 1.0 - share, 1.0)
});
on_each!(Gelu(), (x, g) => {
    // 1 / sqrt(2 pi)
    let density = 0.398_942_3 * exp::<FUSED>(-0.5 * x * x);
    let share = multiply_add::<FUSED>(0.5, erf::<FUSED>(x * std::f32::consts::FRAC_1_SQRT_2), 0.5);
    g * multiply_add::<FUSED>(x, density, share)
});

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTIONS: [Function; 7] = [
        Function::Relu,
        Function::LeakyRelu(0.01),
        Function::Tanh,
        Function::Sigmoid,
        Function::Erf,
        Function::Silu,
        Function::Gelu,
    ];

    #[test]
    fn slopes_are_central_differences_on_every_instruction_set() {
        let places: Vec<f32> = (-90..=90).map(|place| place as f32 / 15.0 + 0.01).collect();
        for function in FUNCTIONS {
            let at = |change: f32| {
                let mut values: Vec<f32> = places.iter().map(|place| place + change).collect();
                apply(InstructionSet::Scalar, function, &mut values);
                values
            };
            let step = 1.0 / 256.0;
            let (above, below, results) = (at(step), at(-step), at(0.0));
            let kept = if slope_from_output(function) { &results } else { &places };
            let mut plain = vec![2.0; places.len()];
            through(InstructionSet::Scalar, function, kept, &mut plain);
            for (place, slope) in plain.iter().enumerate() {
                let expected = (above[place] - below[place]) / step;
                assert!(
                    (slope - expected).abs() < 5e-4,
                    "{function:?} at {}: {slope} {expected}",
                    places[place]
                );
            }
            for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
                let mut found = vec![2.0; places.len()];
                through(set, function, kept, &mut found);
                for (found, plain) in found.iter().zip(&plain) {
                    assert!((found - plain).abs() < 2e-6, "{function:?} {set}: {found} {plain}");
                }
            }
        }
    }
}
