//! The training loop: from a checked plan and its data to weights, speaking to an [`EventSink`] all the while.
//!
//! A run is reproducible to the last bit: all that is drawn comes from named streams of the run's seed, numbered by epoch or
//! step, so a checkpoint needs no generator's state and a resumed run goes on to the losses of an uninterrupted one.

mod average;
pub mod bench;
mod checkpoint;
mod ending;
mod evaluation;
mod evidence;
mod failures;
mod objective;
mod optimizer;
mod pictures;
pub mod probe;
mod pruning;
mod replicas;
mod report;
mod session;
mod stepper;
mod teacher;

pub use checkpoint::{CheckpointError, weights_from_bytes, weights_to_bytes};
pub use evaluation::{evaluate, metrics, outputs, sample_outputs};
pub use evidence::Evidence;
pub use optimizer::{Optimizer, Rule};
pub use pictures::{attention, batch_gradients};
pub use pruning::{Pruned, Pruner};
pub use teacher::{Teacher, TeacherError};

use std::sync::Arc;

use crate::data::Dataset;
use crate::kernels::training;
use crate::meter::alloc;
use crate::nn::{self, Grids};
use crate::spec::{EventSink, Failure, Metrics, ModelSpec, RunControl, RunPlan, Weights};

/// What is to be trained.
#[derive(Debug, Clone, Copy)]
pub struct TrainJob<'a> {
    pub plan: &'a RunPlan,
    pub dataset: &'a Dataset,
    pub start: Start<'a>,
    /// Prunes the network on the way.
    pub pruner: Option<&'a dyn Pruner>,
    /// Trains the network for these grids, which follow its values: with one worker, and without an average of the weights.
    pub grids: Option<&'a Arc<Grids>>,
    /// Learns from this network's answers beside the truth.
    pub teacher: Option<&'a Arc<Teacher>>,
}

impl<'a> TrainJob<'a> {
    pub fn new(plan: &'a RunPlan, dataset: &'a Dataset, start: Start<'a>) -> Self {
        Self {
            plan,
            dataset,
            start,
            pruner: None,
            grids: None,
            teacher: None,
        }
    }

    /// The same job with a pruner, where there is one. A run is resumed with the pruner that it began with.
    #[must_use]
    pub fn pruned_by(self, pruner: Option<&'a dyn Pruner>) -> Self {
        Self { pruner, ..self }
    }

    /// The same job on grids, where there are any. They are no part of a checkpoint.
    #[must_use]
    pub fn on_grids(self, grids: Option<&'a Arc<Grids>>) -> Self {
        Self { grids, ..self }
    }

    /// The same job with a teacher, where there is one. It is no part of a checkpoint.
    #[must_use]
    pub fn taught_by(self, teacher: Option<&'a Arc<Teacher>>) -> Self {
        Self { teacher, ..self }
    }
}

/// Gets this thread and those of its pool ready to train: what they allocate from here on is the memory of a training.
pub fn take_part() {
    training::enlist();
    nn::warm_up();
    alloc::count_this_thread();
    rayon::broadcast(|_| alloc::count_this_thread());
}

/// The weights with which the training of `plan` begins.
pub fn first_weights(plan: &RunPlan) -> Result<Weights, Failure> {
    let device = nn::device(plan.config.run.device).map_err(failures::device)?;
    let network =
        stepper::first(plan, &device).map_err(|error| Failure::new("model", error.to_string(), "change the layers"))?;
    Ok(network.to_weights())
}

/// From where the training goes on.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// From fresh weights of the plan's seed.
    Fresh,
    /// From the bytes of a [`Checkpoint`](crate::spec::ArtifactKind::Checkpoint) of this very plan.
    Resume(&'a [u8]),
    /// From given weights for `epochs` epochs, with the plan's schedule from its full learning rate (restarting high recovers
    /// more than going on low: Le and Hua 2021), without warm-up and early ends.
    FineTune {
        weights: &'a Weights,
        /// Tensors of 0 and 1, named as those of `weights` that they hold: what is 0 there stays exactly zero.
        mask: Option<&'a Weights>,
        epochs: usize,
    },
}

/// How training came to its end.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one for each run")]
pub enum Outcome {
    Finished(Trained),
    /// Asked to stop before `step`, which is the first that a resumed run will do.
    Stopped {
        step: usize,
    },
}

/// Weights and what they score, measured on the network in training; the exported file is scored by `deploy`.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The plan's network, or what pruning in training left of it.
    pub model: ModelSpec,
    /// With early stopping those of the best epoch, else the last; where an average is kept, that. Where the network was pruned
    /// in training, epochs before the end of that don't count.
    pub weights: Weights,
    /// Epoch (from 1) that `weights` are of.
    pub best_epoch: usize,
    /// Epochs trained.
    pub epochs: usize,
    pub train: Metrics,
    pub validation: Metrics,
    pub test: Metrics,
}

/// Trains until the plan is fulfilled, early stopping, the target or the time limit ends it (a `Note` says which), or `control`
/// asks to stop; a pause is waited out.
///
/// Emits `Started`, `Steps` (at most 20 a second; steps are at most 100 ms old when they are emitted, and come before the
/// `Epoch` that they belong to), `Epoch`, `Paused` and `Resumed`, and keeps [`Weights`](crate::spec::ArtifactKind::Weights)
/// at every best epoch and the end and a [`Checkpoint`](crate::spec::ArtifactKind::Checkpoint) at the ends of epochs (at most
/// five a second), at a pause and at a stop. A sink that wants snapshots is shown one at the ends of epochs, and between two steps
/// where it wants what changes from step to step: each at most four a second, and so few that all take at most 3 % of the
/// time. `Ended` is the caller's to emit, from the outcome or the failure.
pub fn train(job: TrainJob<'_>, control: &RunControl, sink: &dyn EventSink) -> Result<Outcome, Failure> {
    session::Session::open(&job, control, sink)?.run()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod variants;
