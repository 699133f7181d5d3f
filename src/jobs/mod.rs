//! Where the engine and the store meet: one worker thread that takes jobs from a queue, records what happens, and says so.
//!
//! Lanes lead to and from the worker. **Jobs** go in through a bounded queue; a full one is an error value. **Control**
//! is a flag for each job, looked at once a step. **Messages** come out through a bounded channel, every event of a run only
//! after it is in the store. **Latest values** are pictures of the network in training, made only where somebody looks at
//! them. The **waker** is a closure, called after each message: the worker does not know who listens.
//!
//! The window holds all of this by a [`Desk`], which also answers questions about what is stored.
//!
//! A job that panics is a crashed run and an error value; the worker lives on and takes the next job.

mod admission;
mod answers;
mod classical;
mod compressing;
mod desk;
mod engine;
mod error;
mod fetch;
mod folds;
mod latest;
mod measuring;
mod probing;
mod proof;
mod queue;
mod reference;
mod relay;
mod sensitivity;
mod sink;
#[cfg(test)]
pub(crate) mod tests;
mod training;
mod worker;

pub use crate::data::{DataError, Part};
pub use crate::store::{RunRecord, RunRow};
pub use answers::{
    Answers, Bench, BenchRow, Prediction, Workload, bench, check, datasets, describe, examine, exports, has_noise,
    home, is_generated, plan, predict, rows,
};
pub use desk::{
    Answer, Augmented, Desk, OpenedRun, Preview, Question, Trial, Tried, TryInput, WrittenFile, read_ladder,
};
pub use engine::{Engine, JobId, Message, SubmitError, Ticket};
pub use error::JobError;
pub use fetch::{Fetchable, fetchable};
pub use probing::{Finding, Probe};
pub use reference::{ReferenceFile, RuntimeRow, TRUNK, Turns, race, reference_files, reference_outputs};
pub use sink::StoreSink;

pub use crate::train::probe::{
    BatchMeasure, CurvePoint, LargestBatch, LearningCurve, Profile, RatePoint, RateRange, Spread, WorkerSpeed,
};

use std::path::PathBuf;

use crate::spec::{LayerChange, Recipe, RunConfig, RunId};

/// Something long that is done in the background.
#[derive(Debug)]
pub enum Job {
    /// Loads the data, checks the configuration and trains a new run.
    Train { config: RunConfig },
    /// Takes up a run that has not finished where it stood.
    Resume { run: RunId },
    /// Trains once for each of `folds` parts of the data, testing on that part: one run with mean and deviation.
    Folds { config: RunConfig, folds: usize },
    /// Makes one run of each recipe from a finished run, and measures them beside it.
    Compress { run: RunId, recipes: Vec<Recipe> },
    /// Measures what finished runs export, all in the same interleaved rounds, beside the first that is uncompressed.
    Measure { runs: Vec<RunId> },
    /// Writes a finished run's folder to take away; `to` must not exist, or be empty.
    Export { run: RunId, to: PathBuf },
    /// Finds something out about a configuration by short trainings. It makes no run: [`Message::Found`] has the answer.
    Probe { config: RunConfig, probe: Probe },
    /// Changes one layer of a finished run at a time, scores what each costs, and finds the layers to leave out so that at most
    /// `tolerated` points are lost. It makes no run: [`Message::Found`] has the answer.
    Sensitivity {
        run: RunId,
        change: LayerChange,
        tolerated: Option<f64>,
    },
    /// Gets a data set of the list of mirrors from the network, or goes on where that broke off.
    Get { name: String },
    /// A run that does what the test says.
    #[cfg(test)]
    Planted(tests::Plant),
}
