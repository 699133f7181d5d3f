//! Which rows train, validate and test: stratified, and drawn from the seed of the split alone.

use rand::seq::SliceRandom;

use super::raw::Part;
use crate::spec::stream;

/// Quantile bins by which a regression target is stratified.
const BINS: usize = 10;

/// Row numbers of each part, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) train: Vec<usize>,
    pub(super) validation: Vec<usize>,
    pub(super) test: Vec<usize>,
}

/// Strata of a regression target: ten bins of equally many rows by rank, fewer where there are fewer than ten rows a bin.
/// Returns the bin of each row and the number of bins.
pub(super) fn quantile_bins(values: &[f64]) -> (Vec<u32>, usize) {
    let bins = (values.len() / BINS).clamp(1, BINS);
    let mut ranked: Vec<usize> = (0..values.len()).collect();
    ranked.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut strata = vec![0; values.len()];
    for (rank, row) in ranked.into_iter().enumerate() {
        strata[row] = (rank * bins / values.len()) as u32;
    }
    (strata, bins)
}

/// Divides the rows by the three fractions (training, validation, test), each stratum alike. A stratum of three or more rows
/// has at least one in every part.
pub(super) fn divide(strata: &[u32], count: usize, fractions: [f64; 3], seed: u64) -> Parts {
    let mut generator = stream(seed, "split", 0);
    let mut parts = Parts::new();
    let mut seen = 0;
    for mut rows in members(strata, count) {
        rows.shuffle(&mut generator);
        // Rounding the running totals keeps the parts' sizes within a row of the fractions, however many strata there are.
        let share = |fraction: f64| {
            let before = (seen as f64 * fraction).round();
            (((seen + rows.len()) as f64 * fraction).round() - before) as usize
        };
        let spare = rows.len().saturating_sub(1);
        let test = share(fractions[2]).clamp(1.min(spare), spare.saturating_sub(1).max(1.min(spare)));
        let spare = spare - test;
        let validation = share(fractions[1]).clamp(1.min(spare), spare);
        seen += rows.len();
        parts.take(&rows, validation, test);
    }
    parts.sort();
    parts
}

/// Fold `fold` of `folds` is the test part; validation is carved out of the rest by the ratio of the first two fractions.
pub(super) fn fold(
    strata: &[u32],
    count: usize,
    fractions: [f64; 3],
    seed: u64,
    (fold, folds): (usize, usize),
) -> Parts {
    let mut generator = stream(seed, "folds", 0);
    let ratio = fractions[1] / (fractions[0] + fractions[1]);
    let mut parts = Parts::new();
    let (mut dealt, mut seen) = (0, 0);
    for mut rows in members(strata, count) {
        rows.shuffle(&mut generator);
        // Dealing goes on from stratum to stratum, so that the folds' sizes differ by one row at most.
        let (test, rest): (Vec<_>, Vec<_>) = rows
            .iter()
            .enumerate()
            .partition(|(place, _)| (dealt + place) % folds == fold);
        dealt += rows.len();
        let before = (seen as f64 * ratio).round();
        let share = (((seen + rest.len()) as f64 * ratio).round() - before) as usize;
        seen += rest.len();
        let spare = rest.len().saturating_sub(1);
        let validation = share.clamp(1.min(spare), spare);
        let ordered: Vec<usize> = rest
            .into_iter()
            .chain(test.iter().copied())
            .map(|(_, &row)| row)
            .collect();
        parts.take(&ordered, validation, test.len());
    }
    parts.sort();
    parts
}

impl Parts {
    /// The rows of one part.
    pub(super) fn rows(&self, part: Part) -> &[usize] {
        match part {
            Part::Train => &self.train,
            Part::Validation => &self.validation,
            Part::Test => &self.test,
        }
    }

    fn new() -> Self {
        Self {
            train: Vec::new(),
            validation: Vec::new(),
            test: Vec::new(),
        }
    }

    /// The last `test` rows test, the `validation` before them validate, the first train.
    fn take(&mut self, rows: &[usize], validation: usize, test: usize) {
        let (rest, testing) = rows.split_at(rows.len() - test);
        let (training, validating) = rest.split_at(rest.len() - validation);
        self.train.extend_from_slice(training);
        self.validation.extend_from_slice(validating);
        self.test.extend_from_slice(testing);
    }

    fn sort(&mut self) {
        self.train.sort_unstable();
        self.validation.sort_unstable();
        self.test.sort_unstable();
    }
}

fn members(strata: &[u32], count: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); count];
    for (row, &stratum) in strata.iter().enumerate() {
        members[stratum as usize].push(row);
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRACTIONS: [f64; 3] = [0.7, 0.15, 0.15];

    fn all(parts: &Parts) -> Vec<usize> {
        let mut rows = [&parts.train[..], &parts.validation, &parts.test].concat();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn every_row_is_in_one_part_and_every_class_in_all() {
        for (rows, classes) in [(9, 3), (100, 3), (1797, 10), (30, 10), (1000, 300)] {
            let strata: Vec<u32> = (0..rows).map(|row| (row % classes) as u32).collect();
            let parts = divide(&strata, classes, FRACTIONS, 3);
            assert_eq!(all(&parts), (0..rows).collect::<Vec<_>>());
            for class in 0..classes as u32 {
                for part in [&parts.train, &parts.validation, &parts.test] {
                    assert!(part.iter().any(|&row| strata[row] == class), "{rows} {classes} {class}");
                }
            }
        }
    }

    #[test]
    fn sizes_follow_the_fractions() {
        let strata: Vec<u32> = (0..1797).map(|row| row % 10).collect();
        let parts = divide(&strata, 10, FRACTIONS, 0);
        assert_eq!(
            (parts.train.len(), parts.validation.len(), parts.test.len()),
            (1257, 270, 270)
        );
        assert_ne!(parts, divide(&strata, 10, FRACTIONS, 1));
    }

    #[test]
    fn tiny_strata_do_not_panic() {
        for rows in 0..6 {
            let parts = divide(&vec![0; rows], 1, [0.01, 0.01, 0.98], 0);
            assert_eq!(all(&parts), (0..rows).collect::<Vec<_>>());
            for which in 0..2 {
                assert_eq!(all(&fold(&vec![0; rows], 1, FRACTIONS, 0, (which, 2))).len(), rows);
            }
        }
    }

    #[test]
    fn folds_cover_every_row_once() {
        let strata: Vec<u32> = (0..143).map(|row| row % 7).collect();
        let mut tested = Vec::new();
        for which in 0..5 {
            let parts = fold(&strata, 7, FRACTIONS, 0, (which, 5));
            assert_eq!(all(&parts).len(), 143);
            assert!((28..=29).contains(&parts.test.len()));
            assert!(parts.validation.len().abs_diff(20) <= 1);
            tested.extend(parts.test);
        }
        tested.sort_unstable();
        assert_eq!(tested, (0..143).collect::<Vec<_>>());
    }

    #[test]
    fn bins_hold_equally_many_rows() {
        let values: Vec<f64> = (0..100).map(|row| f64::from(row * 37 % 100)).collect();
        let (strata, bins) = quantile_bins(&values);
        assert_eq!(bins, 10);
        assert_eq!(strata.iter().filter(|&&bin| bin == 0).count(), 10);
        assert_eq!(strata[0], 0);
        assert_eq!(quantile_bins(&[1.0, 2.0]).1, 1);
        assert_eq!(quantile_bins(&[]).1, 1);
    }
}
