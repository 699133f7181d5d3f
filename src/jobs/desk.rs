//! The window's handle on everything: jobs go in, messages, answers and latest values come out, and nothing here waits.
//! Questions are answered on a thread of their own, so that a list or a preview does not wait for a training.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Job, JobError, JobId, Message, SubmitError, Ticket};
use crate::data::{DataError, Part};
use crate::spec::{DataConfig, DatasetSummary, Recipe, Run, RunId, SampleView, Snapshot};
use crate::store::RunRecord;
use crate::timeline::RunView;

/// What the window wants to know, or wants done to what is stored. Answers come in the order of the questions, save that
/// a newer [`Question::Preview`], [`Question::Inspect`] or [`Question::Try`] makes an older unanswered one void.
#[derive(Debug, Clone)]
pub enum Question {
    /// Every run that is not deleted.
    Runs,
    /// One run with its plan and all its events.
    Run(RunId),
    /// What a data set looks like.
    Preview(DataConfig),
    /// What can be seen in a finished (or stopped) run: from its exported bytes where it has them.
    Inspect(RunId),
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
    Preview(DataConfig, Result<Box<Preview>, DataError>),
    Snapshot(RunId, Result<Arc<Snapshot>, JobError>),
    Samples(Result<Vec<SampleView>, JobError>),
    Tried(Result<Tried, JobError>),
    /// Rename, Delete and Restore: what was asked, and how it went. The list of runs follows by itself.
    Changed(Question, Result<(), JobError>),
    Folder(PathBuf, Result<Vec<WrittenFile>, JobError>),
    Written(PathBuf, Result<(), JobError>),
}

/// A line of the list of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    pub run: Run,
    /// Name of the data set.
    pub dataset: String,
    /// linear, mlp, ...
    pub architecture: String,
    pub created_unix_secs: i64,
    pub origin: Option<(RunId, Recipe)>,
    pub folds: Option<usize>,
}

#[derive(Debug)]
/// A run as stored.
pub struct OpenedRun {
    pub record: RunRecord,
    pub view: RunView,
    /// Number of the first event that `view` does not hold.
    pub next_seq: u64,
}

/// A data set, to look at before training.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    pub summary: DatasetSummary,
    /// The first training rows of the split; for images some of every class.
    pub samples: Vec<SampleView>,
    /// Only for data of exactly two numeric inputs: x, y and class of up to 2000 rows.
    pub points: Vec<([f64; 2], u32)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// The truth, where the input was a test row.
    pub truth: Option<String>,
    /// What was asked, as a picture or as cells, so that a chosen test row can be shown.
    pub sample: SampleView,
    pub trials: Vec<(RunId, Result<Trial, String>)>,
}

/// What one exported network said.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The class, or the value with three significant digits.
    pub answer: String,
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

/// See the module.
#[derive(Debug)]
pub struct Desk {}

impl Desk {
    /// Opens the store in `directory` (none: the default place) and starts the threads; `waker` is called whenever
    /// something is there to be read.
    pub fn open(_directory: Option<&Path>, _waker: impl Fn() + Send + Sync + 'static) -> Result<Self, JobError> {
        Ok(Self {})
    }

    /// Puts a job at the end of the queue.
    pub fn submit(&self, _job: Job) -> Result<Ticket, SubmitError> {
        Err(SubmitError::Gone)
    }

    /// Takes a waiting job out of the queue; false if it is not waiting (any more). No message follows.
    pub fn cancel(&self, _job: JobId) -> bool {
        false
    }

    /// Moves a waiting job to `place` among the waiting ones (0 is next); false if it is not waiting (any more).
    pub fn reorder(&self, _job: JobId, _place: usize) -> bool {
        false
    }

    /// The next message of the worker, if there is one.
    pub fn message(&self) -> Option<Message> {
        None
    }

    /// Asks; false if far too many questions are waiting.
    pub fn ask(&self, _question: Question) -> bool {
        false
    }

    pub fn answer(&self) -> Option<Answer> {
        None
    }

    /// The latest picture of the run in training, if it is newer than the last one that was taken here.
    pub fn latest(&self) -> Option<(RunId, Arc<Snapshot>)> {
        None
    }
}
