//! Preprocessed samples, and the order in which an epoch visits them.

use std::borrow::Cow;

use rand::seq::SliceRandom;

use super::DataError;
use super::inputs::{Blocks, Inputs};
use crate::spec::{DatasetSummary, Preprocessing, Shape, stream};

/// A data set that is ready to train on.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    pub summary: DatasetSummary,
    /// Fitted on `train` alone.
    pub preprocessing: Preprocessing,
    pub train: Samples,
    pub validation: Samples,
    pub test: Samples,
}

/// Preprocessed inputs with their targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Shape of one sample.
    pub shape: Shape,
    /// `rows x shape.len()` values, row by row.
    pub inputs: Inputs,
    pub targets: Targets,
}

/// What is to be predicted of each row.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Index into the task's classes.
    Classes(Vec<u32>),
    /// `(value - mean) / deviation` of the preprocessing's targets: `rows x width`, row by row.
    Values { values: Vec<f32>, width: usize },
}

impl Samples {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `shape.len()` inputs of row `row`; empty when there is no such row, or its file can't be read any more.
    pub fn row(&self, row: usize) -> Cow<'_, [f32]> {
        let width = self.shape.len();
        self.inputs.slice(row * width..(row + 1) * width).unwrap_or_default()
    }

    /// The named rows in that order, in contiguous memory: a batch. Rows that do not exist are skipped.
    pub fn gather(&self, rows: &[usize]) -> Result<Self, DataError> {
        let width = self.shape.len();
        let mut inputs = Vec::with_capacity(rows.len() * width);
        for &row in rows.iter().filter(|&&row| row < self.len()) {
            inputs.extend_from_slice(&self.inputs.slice(row * width..(row + 1) * width)?);
        }
        Ok(Self {
            shape: self.shape,
            inputs: inputs.into(),
            targets: self.targets.gather(rows),
        })
    }

    /// The order in which epoch `epoch` of a run with this seed visits the rows: that of [`epoch_order`], or, of rows in a file,
    /// whole blocks in drawn order with the rows of some blocks mixed.
    pub fn epoch_order(&self, seed: u64, epoch: usize) -> Vec<usize> {
        match self.inputs.file() {
            None => epoch_order(self.len(), seed, epoch),
            Some((_, blocks)) => block_order(self.len(), blocks, seed, epoch),
        }
    }
}

impl Targets {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(classes) => classes.len(),
            Self::Values { values, width } => values.len() / (*width).max(1),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those of the named rows, in that order. Rows that do not exist are skipped.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        let present = rows.iter().copied().filter(|&row| row < self.len());
        match self {
            Self::Classes(all) => Self::Classes(present.map(|row| all[row]).collect()),
            Self::Values { values, width } => Self::Values {
                values: present
                    .flat_map(|row| &values[row * width..(row + 1) * width])
                    .copied()
                    .collect(),
                width: *width,
            },
        }
    }
}

/// The order in which epoch `epoch` of a run with this seed visits `rows` training rows: a permutation of `0..rows`.
pub fn epoch_order(rows: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut stream(seed, "shuffle", epoch as u64));
    order
}

/// The numbers of the blocks of each group, in the order in which an epoch reads them.
pub(super) fn block_groups(rows: usize, blocks: Blocks, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..rows.div_ceil(blocks.rows)).collect();
    order.shuffle(&mut stream(seed, "shuffle", epoch as u64));
    order.chunks(blocks.group).map(<[usize]>::to_vec).collect()
}

fn block_order(rows: usize, blocks: Blocks, seed: u64, epoch: usize) -> Vec<usize> {
    let mut generator = stream(seed, "shuffle within blocks", epoch as u64);
    let mut order = Vec::with_capacity(rows);
    for group in block_groups(rows, blocks, seed, epoch) {
        let start = order.len();
        for block in group {
            order.extend(block * blocks.rows..((block + 1) * blocks.rows).min(rows));
        }
        order[start..].shuffle(&mut generator);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gather_takes_rows_in_the_asked_order() {
        let samples = Samples {
            shape: Shape::Features { features: 2 },
            inputs: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0].into(),
            targets: Targets::Classes(vec![7, 8, 9]),
        };
        let batch = samples.gather(&[2, 0, 9]).unwrap();
        assert_eq!(*batch.inputs.all().unwrap(), [4.0, 5.0, 0.0, 1.0]);
        assert_eq!(batch.targets, Targets::Classes(vec![9, 7]));
        assert_eq!(*samples.row(1), [2.0, 3.0]);
        assert!(samples.row(3).is_empty());
    }

    #[test]
    fn epochs_are_reproducible_permutations_that_differ() {
        let first = epoch_order(100, 1, 0);
        assert_eq!(first, epoch_order(100, 1, 0));
        assert_ne!(first, epoch_order(100, 1, 1));
        assert_ne!(first, epoch_order(100, 2, 0));
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn blocks_are_shuffled_and_mixed_within_their_groups() {
        let blocks = Blocks { rows: 4, group: 3 };
        let order = block_order(50, blocks, 1, 0);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_eq!(order, block_order(50, blocks, 1, 0));
        assert_ne!(order, block_order(50, blocks, 1, 1));
        let groups = block_groups(50, blocks, 1, 0);
        let mut rest = &order[..];
        for group in groups {
            let rows = group.iter().map(|&block| if block == 12 { 2 } else { 4 }).sum();
            let (own, later) = rest.split_at(rows);
            assert!(own.iter().all(|row| group.contains(&(row / 4))));
            assert!(own.len() <= 4 || !own.is_sorted());
            rest = later;
        }
        assert!(rest.is_empty());
    }
}
