//! Which points are worth a choice: those that no other beats in cost without losing in score.

use std::cmp::Ordering;

/// A network as a choice: less cost is better, more score is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub cost: f64,
    pub score: f64,
}

impl Point {
    /// Whether this one is at least as good in both and better in one.
    pub fn dominates(self, other: Self) -> bool {
        self.cost <= other.cost && self.score >= other.score && (self.cost < other.cost || self.score > other.score)
    }

    fn is_known(self) -> bool {
        !self.cost.is_nan() && !self.score.is_nan()
    }
}

/// For each point, whether it lies on the Pareto front: no other dominates it. Points alike in both share the front; a
/// point with an unknown figure is never on it.
pub fn front(points: &[Point]) -> Vec<bool> {
    let mut places: Vec<usize> = (0..points.len()).filter(|&place| points[place].is_known()).collect();
    places.sort_by(|&a, &b| {
        let by = |a: f64, b: f64| a.partial_cmp(&b).unwrap_or(Ordering::Equal);
        by(points[a].cost, points[b].cost).then(by(points[b].score, points[a].score))
    });
    let mut is_front = vec![false; points.len()];
    let mut best: Option<Point> = None;
    for place in places {
        let point = points[place];
        if best.is_none_or(|best| point.score > best.score || point == best) {
            is_front[place] = true;
            best = Some(point);
        }
    }
    is_front
}

/// The corners of the line below which everything is dominated, from the cheapest to the dearest point of the front: the
/// score that can be had for a cost stays the same until the next point is affordable.
pub fn staircase(points: &[Point], is_front: &[bool]) -> Vec<[f64; 2]> {
    let mut steps: Vec<Point> = points
        .iter()
        .zip(is_front)
        .filter_map(|(&point, &is_front)| is_front.then_some(point))
        .collect();
    steps.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    let mut corners: Vec<[f64; 2]> = Vec::with_capacity(2 * steps.len());
    for point in steps {
        if let Some(&[_, score]) = corners.last()
            && score < point.score
        {
            corners.push([point.cost, score]);
        }
        if corners.last() != Some(&[point.cost, point.score]) {
            corners.push([point.cost, point.score]);
        }
    }
    corners
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(pairs: &[(f64, f64)]) -> Vec<Point> {
        pairs.iter().map(|&(cost, score)| Point { cost, score }).collect()
    }

    #[test]
    fn the_front_by_hand() {
        type Case = (&'static str, &'static [(f64, f64)], &'static [bool]);
        let cases: [Case; 8] = [
            ("nothing", &[], &[]),
            ("alone", &[(1.0, 0.5)], &[true]),
            ("cheaper and better", &[(2.0, 0.5), (1.0, 0.6)], &[false, true]),
            ("a trade", &[(2.0, 0.9), (1.0, 0.6)], &[true, true]),
            ("alike", &[(1.0, 0.5), (1.0, 0.5), (2.0, 0.5)], &[true, true, false]),
            ("same cost", &[(1.0, 0.4), (1.0, 0.5)], &[false, true]),
            ("same score", &[(2.0, 0.5), (1.0, 0.5)], &[false, true]),
            (
                "unknown",
                &[(f64::NAN, 0.9), (1.0, f64::NAN), (3.0, 0.1)],
                &[false, false, true],
            ),
        ];
        for (name, pairs, expected) in cases {
            assert_eq!(front(&points(pairs)), expected, "{name}");
        }
    }

    #[test]
    fn the_staircase_goes_right_and_then_up() {
        let points = points(&[(4.0, 0.9), (1.0, 0.5), (2.0, 0.4), (1.0, 0.5), (3.0, 0.7)]);
        let corners = staircase(&points, &front(&points));
        assert_eq!(corners, [[1.0, 0.5], [3.0, 0.5], [3.0, 0.7], [4.0, 0.7], [4.0, 0.9]]);
        assert!(staircase(&[], &[]).is_empty());
    }

    proptest! {
        #[test]
        fn no_point_of_the_front_is_dominated_and_every_other_is_by_one_of_it(
            pairs in prop::collection::vec((0_u8..12, 0_u8..12), 0..60)
        ) {
            // Few values, so that ties are common.
            let pairs: Vec<(f64, f64)> = pairs.iter().map(|&(cost, score)| (f64::from(cost), f64::from(score))).collect();
            let points = points(&pairs);
            let is_front = front(&points);
            for (point, &on_front) in points.iter().zip(&is_front) {
                let mut others = points.iter().zip(&is_front);
                if on_front {
                    prop_assert!(!others.any(|(other, _)| other.dominates(*point)));
                } else {
                    prop_assert!(others.any(|(other, &is_front)| is_front && other.dominates(*point)));
                }
            }
        }

        #[test]
        fn the_order_of_the_points_does_not_matter(pairs in prop::collection::vec((0_u8..9, 0_u8..9), 1..30)) {
            let forth: Vec<Point> = pairs.iter().map(|&(cost, score)| Point { cost: f64::from(cost), score: f64::from(score) }).collect();
            let back: Vec<Point> = forth.iter().rev().copied().collect();
            let mut of_back = front(&back);
            of_back.reverse();
            prop_assert_eq!(front(&forth), of_back);
        }
    }
}
