//! What every kind of source has in common: it can be divided into parts, and a part printed as a file for prediction.

use std::path::Path;

use super::digest;
use super::raw::Part;
use super::samples::{Dataset, Samples};
use super::split::{self, Parts};
use super::target::Target;
use super::{DataError, is_generated};
use crate::spec::{DataConfig, DataKind, DatasetSummary, Preprocessing, SplitRows};

/// A set as read, before it is divided.
pub(super) trait Source {
    /// Divides the samples and preprocesses them with the statistics of the training part.
    fn dataset(&self, config: &DataConfig, division: Division) -> Result<Dataset, DataError>;

    /// The raw samples of one part of the configured split as CSV, in the order in which they are evaluated.
    fn csv(&self, config: &DataConfig, part: Part) -> Result<String, DataError>;
}

/// How the samples are divided.
#[derive(Debug, Clone, Copy)]
pub(super) enum Division {
    /// By the configured fractions.
    Split,
    /// Fold `fold` (from 0) of `folds` tests, and validation is carved out of the rest.
    Fold { fold: usize, folds: usize },
}

impl Division {
    /// Number of folds, if any.
    pub(super) fn folds(self) -> Option<usize> {
        match self {
            Self::Split => None,
            Self::Fold { folds, .. } => Some(folds),
        }
    }

    /// The rows of each part, each stratum alike.
    pub(super) fn parts(self, target: &Target, config: &DataConfig) -> Parts {
        let (strata, count) = (&target.strata, target.strata_count);
        let (fractions, seed) = (config.split, config.split_seed);
        match self {
            Self::Split => split::divide(strata, count, fractions, seed),
            Self::Fold { fold, folds } => split::fold(strata, count, fractions, seed, (fold, folds)),
        }
    }
}

/// What a source knows of itself that its samples do not tell.
pub(super) struct About {
    /// Path or name.
    pub(super) file: String,
    pub(super) kind: DataKind,
    pub(super) columns: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// The data set of these parts.
pub(super) fn assemble(about: About, target: &Target, preprocessing: Preprocessing, parts: [Samples; 3]) -> Dataset {
    let content = digest::content(&preprocessing, &parts, is_generated(&about.file));
    let [train, validation, test] = parts;
    let split = SplitRows {
        train: train.len(),
        validation: validation.len(),
        test: test.len(),
    };
    let summary = DatasetSummary {
        name: match Path::new(about.file.trim()).file_stem() {
            Some(stem) => stem.to_string_lossy().into_owned(),
            None => about.file,
        },
        kind: about.kind,
        rows: split.train + split.validation + split.test,
        input: preprocessing.shape,
        task: target.task.clone(),
        class_rows: target.class_rows.clone(),
        split,
        columns: about.columns,
        target: target.names.join(", "),
        notes: about.notes,
        content: Some(content),
    };
    Dataset {
        summary,
        preprocessing,
        train,
        validation,
        test,
    }
}
