//! Points for a chart: all of them are kept, and few of them are drawn without hiding a peak.

use std::ops::Range;

/// Entries of a level that one entry of the level above covers.
const FAN: usize = 16;
/// Enough for 16 million points in a handful of entries at the top.
const LEVELS: usize = 5;

/// Points in order of `x`, to which more are appended, with the places of the lowest and the highest value of every
/// `FAN`, `FAN`², … points: what an envelope costs depends on its columns, not on the number of points.
#[derive(Debug, Clone, Default)]
pub struct Series {
    points: Vec<[f64; 2]>,
    levels: [Vec<Extremes>; LEVELS],
}

/// Places of the first lowest and the first highest of some points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extremes {
    lowest: u32,
    highest: u32,
}

impl Series {
    /// Appends a point. One that is not finite is left out, since no chart can place it; an `x` that falls counts as the one
    /// before it.
    pub fn push(&mut self, x: f64, y: f64) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        let x = self.points.last().map_or(x, |last| last[0].max(x));
        let place = self.points.len();
        self.points.push([x, y]);
        let mut block = place;
        for level in &mut self.levels {
            block /= FAN;
            let Some(extremes) = level.get_mut(block) else {
                level.push(Extremes {
                    lowest: place as u32,
                    highest: place as u32,
                });
                continue;
            };
            if y < self.points[extremes.lowest as usize][1] {
                extremes.lowest = place as u32;
            } else if y > self.points[extremes.highest as usize][1] {
                extremes.highest = place as u32;
            } else {
                // What covers more is no narrower.
                break;
            }
        }
    }

    pub fn clear(&mut self) {
        self.points.clear();
        self.levels.iter_mut().for_each(Vec::clear);
    }

    pub fn points(&self) -> &[[f64; 2]] {
        &self.points
    }

    pub fn last(&self) -> Option<[f64; 2]> {
        self.points.last().copied()
    }

    /// The point whose `x` is nearest.
    pub fn nearest(&self, x: f64) -> Option<[f64; 2]> {
        let after = self.points.partition_point(|point| point[0] < x);
        let neighbours = [after.checked_sub(1), Some(after)];
        let points = neighbours
            .into_iter()
            .flatten()
            .filter_map(|place| self.points.get(place));
        points
            .copied()
            .min_by(|a, b| (a[0] - x).abs().total_cmp(&(b[0] - x).abs()))
    }

    /// The lowest and the highest value with `x` between `from` and `to`, both included.
    pub fn extremes(&self, from: f64, to: f64) -> Option<[f64; 2]> {
        let start = self.points.partition_point(|point| point[0] < from);
        let end = self.points.partition_point(|point| point[0] <= to);
        let Extremes { lowest, highest } = self.extremes_of(start..end)?;
        Some([self.points[lowest as usize][1], self.points[highest as usize][1]])
    }

    /// What a chart needs whose columns lie between neighbouring `edges`, which must not fall: of each column the lowest and
    /// the highest point, in order; the first and the last point between the outer edges; and one neighbour beyond each of
    /// them, to which a line leads. At most two points a column and four more come back.
    pub fn envelope(&self, edges: &[f64]) -> Vec<[f64; 2]> {
        let (Some(&from), Some(&to)) = (edges.first(), edges.last()) else {
            return Vec::new();
        };
        let start = self.points.partition_point(|point| point[0] < from);
        let end = self.points.partition_point(|point| point[0] <= to);
        let with_neighbours = start.saturating_sub(1)..self.points.len().min(end + 1).max(start);
        let columns = edges.len() - 1;
        if end <= start + 2 * columns {
            return self.points[with_neighbours].to_vec();
        }
        let mut places = Vec::with_capacity(2 * columns + 4);
        places.extend([with_neighbours.start, start]);
        let mut left = start;
        let mut width = (end - start) / columns;
        for (column, &edge) in edges.iter().enumerate().skip(1) {
            let right = if column == columns {
                end
            } else {
                // Columns next to each other have about as many points.
                self.first_from(edge, left..end, width)
            };
            width = right - left;
            if let Some(Extremes { lowest, highest }) = self.extremes_of(left..right) {
                places.extend([lowest.min(highest) as usize, lowest.max(highest) as usize]);
            }
            left = right;
        }
        places.extend([end - 1, with_neighbours.end - 1]);
        places.dedup();
        places.into_iter().map(|place| self.points[place]).collect()
    }

    /// The first of `places` whose `x` is not below `edge`, or the end of them; quick where it is about `guess` places on.
    fn first_from(&self, edge: f64, places: Range<usize>, guess: usize) -> usize {
        let Range { start, end } = places;
        let is_below = |place: usize| self.points[place][0] < edge;
        let (mut low, mut high) = (start, end);
        let mut probe = start + guess;
        let mut stride = 1;
        if probe < end && is_below(probe) {
            while probe < end && is_below(probe) {
                low = probe + 1;
                probe += stride;
                stride *= 2;
            }
            high = probe.min(end);
        } else {
            while probe > start && (probe >= end || !is_below(probe)) {
                high = probe.min(end);
                probe = probe.saturating_sub(stride).max(start);
                stride *= 2;
            }
            if probe < high && is_below(probe) {
                low = probe + 1;
            }
        }
        low + self.points[low..high].partition_point(|point| point[0] < edge)
    }

    fn extremes_of(&self, places: Range<usize>) -> Option<Extremes> {
        let Range {
            start: mut from,
            end: mut to,
        } = places;
        let mut found = None;
        let mut level = 0;
        while from < to {
            let is_top = level == LEVELS;
            while from < to && (is_top || !from.is_multiple_of(FAN)) {
                self.widen(&mut found, level, from);
                from += 1;
            }
            while from < to && !to.is_multiple_of(FAN) {
                to -= 1;
                self.widen(&mut found, level, to);
            }
            from /= FAN;
            to /= FAN;
            level += 1;
        }
        found
    }

    /// Takes an entry of a level (0: the points themselves) into account.
    fn widen(&self, found: &mut Option<Extremes>, level: usize, entry: usize) {
        let candidate = match level.checked_sub(1) {
            None => Extremes {
                lowest: entry as u32,
                highest: entry as u32,
            },
            Some(level) => self.levels[level][entry],
        };
        let Some(found) = found else {
            *found = Some(candidate);
            return;
        };
        let value = |place: u32| self.points[place as usize][1];
        let (lowest, highest) = (candidate.lowest, candidate.highest);
        if (value(lowest), lowest) < (value(found.lowest), found.lowest) {
            found.lowest = lowest;
        }
        if (-value(highest), highest) < (-value(found.highest), found.highest) {
            found.highest = highest;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Series;

    fn series(points: &[[f64; 2]]) -> Series {
        let mut series = Series::default();
        for &[x, y] in points {
            series.push(x, y);
        }
        series
    }

    /// Steps of `x` that are often equal and sometimes wide, and values of few and of many kinds.
    fn points(most: usize) -> impl Strategy<Value = Vec<[f64; 2]>> {
        let step = prop_oneof![3 => Just(0.0), 6 => Just(1.0), 1 => 0.0..50.0_f64];
        let value = prop_oneof![5 => -1e6..1e6_f64, 3 => (-3..3_i32).prop_map(f64::from)];
        prop::collection::vec((step, value), 0..most).prop_map(|steps| {
            let mut x = 0.0;
            let sum = |(step, y): (f64, f64)| {
                x += step;
                [x, y]
            };
            steps.into_iter().map(sum).collect()
        })
    }

    fn lowest_and_highest<'a>(points: impl Iterator<Item = &'a [f64; 2]>) -> Option<[f64; 2]> {
        points.fold(None, |found: Option<[f64; 2]>, point| {
            let [low, high] = found.unwrap_or([point[1]; 2]);
            Some([low.min(point[1]), high.max(point[1])])
        })
    }

    proptest! {
        #[test]
        fn an_envelope_is_that_of_brute_force(
            points in points(1500),
            from in -10.0..2000.0_f64,
            width in 0.0..2000.0_f64,
            columns in 1_usize..40,
        ) {
            let series = series(&points);
            let to = from + width;
            let edges: Vec<f64> = (0..=columns).map(|edge| from + width * edge as f64 / columns as f64).collect();
            let kept = series.envelope(&edges);
            prop_assert!(kept.len() <= 2 * columns + 4);
            prop_assert!(kept.windows(2).all(|pair| pair[0][0] <= pair[1][0]));
            prop_assert!(kept.iter().all(|point| points.contains(point)));
            let inside = |point: &&[f64; 2]| (from..=to).contains(&point[0]);
            prop_assert_eq!(kept.iter().find(inside), points.iter().find(inside));
            prop_assert_eq!(kept.iter().rfind(inside), points.iter().rfind(inside));
            prop_assert_eq!(series.extremes(from, to), lowest_and_highest(points.iter().filter(inside)));
            for (column, pair) in edges.windows(2).enumerate() {
                let is_last = column + 1 == columns;
                let inside = |point: &&[f64; 2]| {
                    pair[0] <= point[0] && (point[0] < pair[1] || is_last && point[0] <= to)
                };
                prop_assert_eq!(
                    lowest_and_highest(kept.iter().filter(inside)),
                    lowest_and_highest(points.iter().filter(inside))
                );
            }
            let before = points.iter().rfind(|point| point[0] < from);
            let after = points.iter().find(|point| point[0] > to);
            if let Some(before) = before {
                prop_assert_eq!(kept.first(), Some(before));
            }
            if let Some(after) = after {
                prop_assert_eq!(kept.last(), Some(after));
            }
        }

        #[test]
        fn the_nearest_point_is_that_of_brute_force(points in points(100), x in -10.0..200.0_f64) {
            let distance = |point: &[f64; 2]| (point[0] - x).abs();
            let nearest = series(&points).nearest(x).as_ref().map(distance);
            prop_assert_eq!(nearest, points.iter().map(distance).min_by(f64::total_cmp));
        }
    }

    #[test]
    fn what_no_chart_can_place_is_left_out_and_x_does_not_fall() {
        let mut series = series(&[
            [0.0, 1.0],
            [1.0, f64::NAN],
            [2.0, f64::INFINITY],
            [5.0, 2.0],
            [4.0, 3.0],
        ]);
        assert_eq!(series.points(), &[[0.0, 1.0], [5.0, 2.0], [5.0, 3.0]]);
        series.clear();
        assert_eq!((series.last(), series.nearest(0.0)), (None, None));
        assert_eq!(series.envelope(&[0.0, 1.0]), Vec::<[f64; 2]>::new());
    }
}
