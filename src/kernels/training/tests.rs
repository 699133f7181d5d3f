//! Operations of training against plain loops, on every instruction set.

mod convolution;
mod norm;
mod windows;

use crate::kernels::InstructionSet;

fn sets() -> Vec<InstructionSet> {
    InstructionSet::ALL
        .into_iter()
        .filter(|set| set.is_available())
        .collect()
}

/// Some numbers between -1 and 1.
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn close(what: &str, ours: &[f32], plain: &[f32]) {
    assert_eq!(ours.len(), plain.len(), "{what}");
    let largest = plain.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
    for (place, (a, b)) in ours.iter().zip(plain).enumerate() {
        assert!((a - b).abs() <= 4e-6 * largest, "{what} at {place}: {a} and {b}");
    }
}
