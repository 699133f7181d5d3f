//! How well a class's probability tells its rows from all others, over every threshold.

use crate::spec::RocCurve;

/// Distance from one kept point to the next, along either axis.
const STEP: f32 = 0.005;

/// One curve a class from `rows x width` probabilities; of two classes only the second one's.
pub(super) fn curves(probabilities: &[f32], truths: &[u32], width: usize) -> Vec<RocCurve> {
    if probabilities.is_empty() {
        return Vec::new();
    }
    let first = usize::from(width == 2);
    let mut ranked = Vec::with_capacity(truths.len());
    let classes = first..width;
    classes
        .map(|class| {
            ranked.clear();
            let own = probabilities.iter().skip(class).step_by(width);
            ranked.extend(own.zip(truths).map(|(&probability, &truth)| {
                // What is no number stands behind all that is.
                let score = if probability.is_nan() { -1.0 } else { probability };
                (score, truth as usize == class)
            }));
            curve(class as u32, &mut ranked)
        })
        .collect()
}

/// From scores and whether each is of the class. Equal scores are passed at once, so that the area counts a tie as half
/// (Mann and Whitney 1947).
fn curve(class: u32, ranked: &mut [(f32, bool)]) -> RocCurve {
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let own = ranked.iter().filter(|(_, is_own)| *is_own).count();
    let others = ranked.len() - own;
    let share = |part: usize, whole: usize| part as f32 / whole.max(1) as f32;
    let mut points = vec![[0.0, 0.0]];
    // Rows passed so far: others and own; pairs in the right order, twice.
    let (mut passed, mut found, mut pairs) = (0_usize, 0_usize, 0_u64);
    for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
        let new = tied.iter().filter(|(_, is_own)| *is_own).count();
        pairs += ((tied.len() - new) * (2 * found + new)) as u64;
        found += new;
        passed += tied.len() - new;
        let point = [share(passed, others), share(found, own)];
        let is_last = passed + found == ranked.len();
        let is_far = points
            .last()
            .is_none_or(|last| point[0] - last[0] >= STEP || point[1] - last[1] >= STEP);
        if is_far || is_last {
            points.push(point);
        }
    }
    let all = 2.0 * own as f64 * others as f64;
    RocCurve {
        class,
        rows: [own, others],
        area: (all > 0.0).then(|| pairs as f64 / all),
        points,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Share of pairs of an own and another row that the score orders rightly, ties half.
    fn area(ranked: &[(f32, bool)]) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0.0);
        for (own, _) in ranked.iter().filter(|(_, is_own)| *is_own) {
            for (other, _) in ranked.iter().filter(|(_, is_own)| !is_own) {
                count += 1.0;
                sum += if own > other {
                    1.0
                } else if own == other {
                    0.5
                } else {
                    0.0
                };
            }
        }
        (count > 0.0).then(|| sum / count)
    }

    #[test]
    fn a_curve_by_hand() {
        // Fawcett's way: high to low, up for an own row, right for another; the two at 0.4 are passed at once.
        let mut ranked = [
            (0.1, false),
            (0.9, true),
            (0.4, true),
            (0.8, false),
            (0.4, false),
            (0.7, true),
        ];
        let curve = curve(3, &mut ranked);
        let third = 1.0 / 3.0;
        let expected = [
            [0.0, 0.0],
            [0.0, third],
            [third, third],
            [third, 2.0 * third],
            [2.0 * third, 1.0],
            [1.0, 1.0],
        ];
        assert_eq!(curve.points, expected);
        assert_eq!((curve.class, curve.rows), (3, [3, 3]));
        // Of nine pairs 3 + 2 + 1.5 are in order.
        assert!((curve.area.unwrap() - 6.5 / 9.0).abs() < 1e-12);
    }

    #[test]
    fn a_class_without_rows_has_no_area_and_two_classes_have_one_curve() {
        let all = curves(&[0.2, 0.5, 0.3, 0.1, 0.8, 0.1], &[0, 0], 3);
        assert_eq!(all.iter().map(|curve| curve.area).collect::<Vec<_>>(), [None; 3]);
        let binary = curves(&[0.8, 0.2, 0.3, 0.7, f32::NAN, f32::NAN], &[0, 1, 0], 2);
        assert_eq!(binary.len(), 1);
        assert_eq!((binary[0].class, binary[0].area), (1, Some(1.0)));
        assert!(curves(&[], &[0, 1], 2).is_empty());
    }

    proptest! {
        #[test]
        fn the_area_is_that_of_all_pairs_and_the_curve_rises(
            scores in prop::collection::vec((0_u8..20, any::<bool>()), 1..400),
        ) {
            let mut ranked: Vec<(f32, bool)> = scores.iter().map(|&(score, own)| (f32::from(score) / 20.0, own)).collect();
            let expected = area(&ranked);
            let curve = curve(0, &mut ranked);
            match (curve.area, expected) {
                (Some(area), Some(expected)) => prop_assert!((area - expected).abs() < 1e-12),
                (area, expected) => prop_assert_eq!(area, expected),
            }
            prop_assert!(curve.points.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1]));
            prop_assert!(curve.points.len() <= 402);
            let last = curve.points.last().unwrap();
            prop_assert_eq!(last[0], if curve.rows[1] > 0 { 1.0 } else { 0.0 });
            prop_assert_eq!(last[1], if curve.rows[0] > 0 { 1.0 } else { 0.0 });
        }
    }
}
