//! Fewer points for a chart, without hiding a peak.

/// The points of `series` that an envelope of `buckets` columns needs: of each run of neighbours the lowest and the highest
/// `y`, in the order in which they stand, and the first and last point of all.
///
/// `x` must not fall. A point whose `y` is NaN is left out, since no chart can place it; infinities count as extremes. A
/// series that has no more than `2 * buckets` points is kept whole. At most `2 * buckets + 2` points come back.
pub fn min_max(series: &[[f64; 2]], buckets: usize) -> Vec<[f64; 2]> {
    let series: Vec<[f64; 2]> = series.iter().copied().filter(|point| !point[1].is_nan()).collect();
    if series.len() <= 2 * buckets {
        return series;
    }
    let mut kept = Vec::with_capacity(2 * buckets + 2);
    kept.push(0);
    for bucket in 0..buckets {
        let places = bucket * series.len() / buckets..(bucket + 1) * series.len() / buckets;
        let by_y = |a: &usize, b: &usize| series[*a][1].total_cmp(&series[*b][1]);
        let lowest = places.clone().min_by(by_y).unwrap_or(places.start);
        let highest = places.max_by(by_y).unwrap_or(lowest);
        kept.extend([lowest.min(highest), lowest.max(highest)]);
    }
    kept.push(series.len() - 1);
    kept.dedup();
    kept.into_iter().map(|place| series[place]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::min_max;

    proptest! {
        #[test]
        fn an_envelope_keeps_extremes_ends_and_order(
            values in prop::collection::vec(prop_oneof![8 => -1e6..1e6_f64, 1 => Just(f64::NAN)], 0..400),
            buckets in 0_usize..40,
        ) {
            let series: Vec<[f64; 2]> = values.iter().enumerate().map(|(x, &y)| [x as f64, y]).collect();
            let finite: Vec<[f64; 2]> = series.iter().copied().filter(|point| !point[1].is_nan()).collect();
            let kept = min_max(&series, buckets);
            prop_assert!(kept.len() <= 2 * buckets + 2);
            prop_assert!(kept.windows(2).all(|pair| pair[0][0] < pair[1][0]));
            prop_assert!(kept.iter().all(|point| finite.contains(point)));
            prop_assert_eq!(kept.first(), finite.first());
            prop_assert_eq!(kept.last(), finite.last());
            if buckets > 0 {
                let extremes = |points: &[[f64; 2]]| {
                    points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
                        (low.min(point[1]), high.max(point[1]))
                    })
                };
                prop_assert_eq!(extremes(&kept), extremes(&finite));
            }
        }
    }
}
