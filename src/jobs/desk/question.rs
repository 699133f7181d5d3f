//! What the window can ask, and what it is answered.

use std::path::PathBuf;
use std::sync::Arc;

use crate::data::{DataError, Part};
use crate::jobs::{Fetchable, JobError};
use crate::spec::{
    DataConfig, DatasetSummary, Finding, Ladder, RunConfig, RunId, SampleView, Sensitivity, Snapshot, Wanted,
};
use crate::store::{RunRecord, RunRow};
use crate::timeline::RunView;

/// What the window wants to know, or wants done to what is stored. Answers come in the order of the questions, save that
/// a newer [`Question::Preview`], [`Question::Augment`], [`Question::Inspect`] or [`Question::Try`] makes an older one void that still waits.
#[derive(Debug, Clone)]
pub enum Question {
    /// Every run that is not deleted.
    Runs,
    /// One run with its plan and all its events.
    Run(RunId),
    /// The seeds that runs of a configuration have had.
    Seeds(Box<RunConfig>),
    /// What a data set looks like.
    Preview(DataConfig),
    /// Some training samples before and after the data's augmentation, as a run of this seed would see them.
    Augment {
        data: DataConfig,
        seed: u64,
    },
    /// The data sets that can be got from the network, and which are there.
    Fetchable,
    /// What can be seen in a finished (or stopped) run: from its exported bytes where it has them.
    Inspect(RunId, Wanted),
    /// Samples of one part of a data set, to look at.
    Samples {
        data: DataConfig,
        part: Part,
        rows: Vec<usize>,
    },
    /// What exported networks answer to one input.
    Try {
        runs: Vec<RunId>,
        input: TryInput,
    },
    Rename {
        run: RunId,
        name: String,
    },
    /// Hides runs; [`Question::Restore`] brings them back. They are removed for good a while later.
    Delete(Vec<RunId>),
    Restore(Vec<RunId>),
    /// The files of a folder with their sizes and sums.
    Folder(PathBuf),
    /// Reads a file of recipes.
    Ladder(PathBuf),
    /// Writes a file, all at once or not at all.
    Write {
        path: PathBuf,
        bytes: Vec<u8>,
    },
}

/// What a network is to be tried with.
#[derive(Debug, Clone, PartialEq)]
pub enum TryInput {
    /// Pixels between 0 (paper) and 1 (ink), row by row, of the data's image shape.
    Pixels(Vec<f32>),
    /// Cells by column name, as in the file.
    Cells(Vec<(String, String)>),
    /// A row of the test split.
    TestRow(usize),
}

#[derive(Debug)]
pub enum Answer {
    Runs(Result<Vec<RunRow>, JobError>),
    Run(RunId, Result<Box<OpenedRun>, JobError>),
    Seeds(Box<RunConfig>, Result<Vec<u64>, JobError>),
    Preview(DataConfig, Result<Box<Preview>, DataError>),
    /// What was asked with the samples.
    Augmented {
        data: DataConfig,
        seed: u64,
        samples: Result<Vec<Augmented>, JobError>,
    },
    Fetchable(Result<Vec<Fetchable>, JobError>),
    Snapshot(RunId, Result<Arc<Snapshot>, JobError>),
    Samples(Result<Vec<SampleView>, JobError>),
    Tried(Result<Tried, JobError>),
    /// Rename, Delete and Restore: what was asked, and how it went. The list of runs follows by itself.
    Changed(Question, Result<(), JobError>),
    Folder(PathBuf, Result<Vec<WrittenFile>, JobError>),
    Ladder(PathBuf, Result<Ladder, JobError>),
    Written(PathBuf, Result<(), JobError>),
}

/// A run as stored.
#[derive(Debug)]
pub struct OpenedRun {
    pub record: RunRecord,
    /// The run that was trained, and its configuration, where this one came of it by compression.
    pub trained: Option<(RunId, RunConfig)>,
    pub view: RunView,
    /// Number of the first event that `view` does not hold.
    pub next_seq: u64,
    /// What came of changing one layer at a time.
    pub layers: Vec<Sensitivity>,
}

/// A data set, to look at before training.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    pub summary: DatasetSummary,
    /// The first training rows of the split; for images some of every class.
    pub samples: Vec<SampleView>,
    /// Only for data of exactly two numeric inputs: x, y and class of up to 2000 rows.
    pub points: Vec<([f64; 2], u32)>,
    /// What the health check found, the worst first.
    pub findings: Vec<Finding>,
}

/// A training sample as it is, and as it comes in some epochs.
#[derive(Debug, Clone, PartialEq)]
pub struct Augmented {
    pub before: SampleView,
    pub after: Vec<SampleView>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// The truth, where the input was a test row.
    pub truth: Option<String>,
    /// The same as numbers, each with its target's name; empty for classes.
    pub true_values: Vec<(String, f64)>,
    /// What was asked, as a picture or as cells, so that a chosen test row can be shown.
    pub sample: SampleView,
    pub trials: Vec<(RunId, Result<Trial, String>)>,
}

/// What one exported network said.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The class, or the values with three significant digits.
    pub answer: String,
    /// Of a regression, every target's name with the value, in the target's own unit; empty for classes.
    pub values: Vec<(String, f64)>,
    /// Every class with its probability, in the task's order; empty for a regression.
    pub probabilities: Vec<(String, f32)>,
    /// Median of a few calls with this one row, in microseconds.
    pub microseconds: f64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

impl Question {
    /// Whether an older question of this kind is void when this one is asked.
    pub(super) fn outdates(&self) -> bool {
        matches!(
            self,
            Self::Preview(_) | Self::Augment { .. } | Self::Inspect(..) | Self::Try { .. }
        )
    }
}
