//! Preprocessed samples in contiguous memory, and the order in which an epoch visits them.

use rand::seq::SliceRandom;

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
    pub inputs: Vec<f32>,
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

    /// The `shape.len()` inputs of row `row`; empty when there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        let width = self.shape.len();
        self.inputs.get(row * width..(row + 1) * width).unwrap_or_default()
    }

    /// The named rows in that order, in contiguous memory: a batch. Rows that do not exist are skipped.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        let mut inputs = Vec::with_capacity(rows.len() * self.shape.len());
        let present = || rows.iter().copied().filter(|&row| row < self.len());
        for row in present() {
            inputs.extend_from_slice(self.row(row));
        }
        let targets = match &self.targets {
            Targets::Classes(all) => Targets::Classes(present().map(|row| all[row]).collect()),
            Targets::Values { values, width } => Targets::Values {
                values: present()
                    .flat_map(|row| &values[row * width..(row + 1) * width])
                    .copied()
                    .collect(),
                width: *width,
            },
        };
        Self {
            shape: self.shape,
            inputs,
            targets,
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
}

/// The order in which epoch `epoch` of a run with this seed visits `rows` training rows: a permutation of `0..rows`.
pub fn epoch_order(rows: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut stream(seed, "shuffle", epoch as u64));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gather_takes_rows_in_the_asked_order() {
        let samples = Samples {
            shape: Shape::Features { features: 2 },
            inputs: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
            targets: Targets::Classes(vec![7, 8, 9]),
        };
        let batch = samples.gather(&[2, 0, 9]);
        assert_eq!(batch.inputs, [4.0, 5.0, 0.0, 1.0]);
        assert_eq!(batch.targets, Targets::Classes(vec![9, 7]));
        assert_eq!(samples.row(1), [2.0, 3.0]);
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
}
