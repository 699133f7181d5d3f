//! Rounding to 16 bits, its edges, and that the same values are kept once.

use proptest::prelude::*;

use super::*;

fn halves(precision: Precision, values: &[f32]) -> Vec<f32> {
    keeping(precision, || Halves::shared(values).unwrap().values())
}

proptest! {
    #[test]
    fn numbers_come_back_to_within_half_a_step(values in prop::collection::vec(-6e4_f32..6e4, 1..700)) {
        for (precision, step) in [(Precision::F16, 1.0 / 2048.0), (Precision::Bf16, 1.0 / 256.0)] {
            for (before, after) in values.iter().zip(halves(precision, &values)) {
                prop_assert!((before - after).abs() <= before.abs() * step + 3e-8, "{before} {after}");
                prop_assert!(after == 0.0 || before.signum() == after.signum());
            }
        }
    }
}

#[test]
fn bf16_is_that_of_the_crate() {
    // Ties to even, both ways, denormal numbers, the ends, and a stretch of everything between.
    let edges = [
        0x3f80_8000,
        0x3f81_8000,
        0x0000_0001,
        0x007f_ffff,
        0x7f7f_ffff,
        0xff80_0000,
        0x8000_0000,
    ];
    for bits in (0..u32::MAX).step_by(65_521).chain(edges) {
        let value = f32::from_bits(bits);
        let (found, expected) = (half::bf16::from_bits(bf16_of(value)), half::bf16::from_f32(value));
        assert!(
            found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()),
            "{value}"
        );
    }
}

#[test]
fn the_edges_of_the_range_stay_numbers() {
    assert_eq!(
        halves(Precision::F16, &[1e9, -1e9, 65504.0, 0.0]),
        [65504.0, -65504.0, 65504.0, 0.0]
    );
    assert_eq!(
        halves(Precision::Bf16, &[2.0_f32.powi(100), -1.0]),
        [2.0_f32.powi(100), -1.0]
    );
    for precision in [Precision::F16, Precision::Bf16] {
        let found = halves(precision, &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        assert!(found[0].is_nan());
        assert_eq!(found[1..], [f32::INFINITY, f32::NEG_INFINITY]);
    }
}

#[test]
fn the_same_values_are_kept_once_as_long_as_they_are_kept() {
    assert!(Halves::shared(&[1.0]).is_none());
    keeping(Precision::Bf16, || {
        let values: Vec<f32> = (0..40_000).map(|value| value as f32).collect();
        let first = Halves::shared(&values).unwrap();
        assert!(Arc::ptr_eq(&first, &Halves::shared(&values.clone()).unwrap()));
        let mut others = values.clone();
        others[39_999] = 7.0;
        let second = Halves::shared(&others).unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        assert_eq!(second.values()[39_999], 7.0);
        let weak = Arc::downgrade(&first);
        drop(first);
        assert!(weak.upgrade().is_none());
        assert_eq!(Halves::shared(&values).unwrap().values()[..3], [0.0, 1.0, 2.0]);
    });
    assert!(matches!(Kept::new(vec![1.0]), Kept::Whole(_)));
    assert_eq!(
        keeping(Precision::F16, || Kept::new(vec![0.1])).into_values(),
        [0.099_975_586]
    );
}
