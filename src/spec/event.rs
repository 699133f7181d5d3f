//! The one stream from the work to whoever watches: live view, store, command line and tests all read these events.

use serde::{Deserialize, Serialize};

use super::run::null_as_nan;
use super::{Failure, MemoryLedger, Metrics, RunId, RunStatus, Snapshot, Wanted};

/// An event with its place in a run's stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    pub run: RunId,
    /// Counts up from 0 within the run.
    pub seq: u64,
    /// Seconds of work since the run began, pauses left out, over all sittings.
    pub elapsed_secs: f64,
    pub event: Event,
}

/// What happened. Exactly one [`Event::Ended`] closes a sitting of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The first of a sitting; `first_step` is above 0 when the run was resumed. Each fine-tuning of a recipe says it again.
    Started {
        first_step: usize,
        total_steps: usize,
        steps_per_epoch: usize,
        predicted: MemoryLedger,
    },
    /// Every step since the last of these, in order: at most 20 of these a second.
    Steps {
        steps: Vec<StepRecord>,
        #[serde(deserialize_with = "null_as_nan")]
        samples_per_second: f64,
        memory: MemoryReading,
        /// Cores that the process kept busy of late, on average; 0 where the system does not tell.
        #[serde(default)]
        cpu_cores: f64,
        /// Of all these steps together; all zero where it was not measured.
        #[serde(default)]
        times: StepTimes,
    },
    /// What the heap was like when the scores were taken, after the last step.
    Memory {
        memory: MemoryReading,
    },
    /// An epoch's end. `train` is the mean over the epoch's own batches.
    Epoch {
        /// Counted from 1.
        epoch: usize,
        /// Steps done so far.
        step: usize,
        train: Metrics,
        validation: Metrics,
        is_best: bool,
    },
    Paused {
        step: usize,
    },
    Resumed {
        step: usize,
    },
    /// What a long job is doing now, when it is not training: one of `done` of `total` parts.
    Progress {
        what: String,
        done: usize,
        total: usize,
    },
    /// Something worth reading.
    Note {
        text: String,
    },
    Ended {
        ended: Ended,
    },
}

/// One optimizer step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Counted from 0 over the whole run.
    pub step: usize,
    /// Mean loss of the batch.
    pub loss: f32,
    pub learning_rate: f64,
    /// Global L2 norm of the gradients before clipping.
    pub gradient_norm: f32,
}

/// Where the time of optimizer steps went, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct StepTimes {
    /// Gathering samples, augmentation included.
    pub data_secs: f64,
    /// From the inputs to the loss; of data-parallel workers the mean.
    pub forward_secs: f64,
    /// From the loss to the gradients, with what is computed again; of data-parallel workers the mean.
    pub backward_secs: f64,
    /// The gradients' norm, the update, and the average of the weights.
    pub optimizer_secs: f64,
    /// All else: records, pictures, and waiting for workers.
    pub other_secs: f64,
}

impl StepTimes {
    pub fn total_secs(&self) -> f64 {
        self.parts().iter().sum()
    }

    /// In the order of the fields.
    pub fn parts(&self) -> [f64; 5] {
        [
            self.data_secs,
            self.forward_secs,
            self.backward_secs,
            self.optimizer_secs,
            self.other_secs,
        ]
    }

    pub fn from_parts([data_secs, forward_secs, backward_secs, optimizer_secs, other_secs]: [f64; 5]) -> Self {
        Self {
            data_secs,
            forward_secs,
            backward_secs,
            optimizer_secs,
            other_secs,
        }
    }

    /// These and `more`, part by part.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        let (own, more) = (self.parts(), more.parts());
        Self::from_parts(std::array::from_fn(|part| own[part] + more[part]))
    }

    /// What is left of `total_secs` besides the other parts becomes the last.
    #[must_use]
    pub fn within(self, total_secs: f64) -> Self {
        let known = self.total_secs() - self.other_secs;
        Self {
            other_secs: (total_secs - known).max(0.0),
            ..self
        }
    }
}

/// The process's memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryReading {
    /// Heap in use above what was in use before the first step.
    pub live_bytes: u64,
    /// Largest `live_bytes` so far.
    pub peak_bytes: u64,
    /// Resident size of the whole process.
    pub resident_bytes: u64,
}

/// How a run's sitting ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum Ended {
    /// All epochs, or early stopping. The metrics are those of the weights that are kept.
    Finished {
        best_epoch: usize,
        epochs: usize,
        train: Metrics,
        validation: Metrics,
        test: Metrics,
    },
    /// The person stopped it; what is there is kept and can be resumed.
    Stopped {
        step: usize,
    },
    Failed {
        failure: Failure,
    },
    /// A panic, caught at the thread's boundary.
    Crashed {
        message: String,
    },
}

impl Ended {
    /// What the run is called from now on.
    pub fn status(&self) -> RunStatus {
        match self {
            Self::Finished { .. } => RunStatus::Finished,
            Self::Stopped { .. } => RunStatus::Stopped,
            Self::Failed { .. } => RunStatus::Failed,
            Self::Crashed { .. } => RunStatus::Crashed,
        }
    }
}

/// What of a run is kept as a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// The weights that the reported metrics are of (safetensors).
    Weights,
    /// All that is needed to go on training from where it stood (safetensors).
    Checkpoint,
    /// The exported network (ONNX).
    Onnx,
    /// A classical baseline: what was fitted, and what is exported (safetensors).
    Classic,
    /// How raw columns become the exported file's input (JSON).
    Preprocessing,
    /// What came of changing one layer at a time, once for each change (JSON).
    Layers,
}

impl ArtifactKind {
    pub const ALL: [Self; 6] = [
        Self::Weights,
        Self::Checkpoint,
        Self::Onnx,
        Self::Classic,
        Self::Preprocessing,
        Self::Layers,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Checkpoint => "checkpoint",
            Self::Onnx => "onnx",
            Self::Classic => "classic",
            Self::Preprocessing => "preprocessing",
            Self::Layers => "layers",
        }
    }

    /// Of the file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Weights | Self::Checkpoint | Self::Classic => "safetensors",
            Self::Onnx => "onnx",
            Self::Preprocessing | Self::Layers => "json",
        }
    }
}

/// Where the engine speaks to. It does not know who listens.
pub trait EventSink {
    /// Records an event. An error (a full disk, say) ends the run.
    fn emit(&self, event: Event) -> Result<(), Failure>;

    /// Keeps bytes as the run's artifact of this kind, replacing the earlier ones all at once or not at all.
    fn save(&self, kind: ArtifactKind, bytes: &[u8]) -> Result<(), Failure>;

    /// What somebody who looks at pictures of the network in training wants beyond what all have; none are made where nobody
    /// looks. Asked before every picture, so it must be cheap.
    fn wants_snapshot(&self) -> Option<Wanted> {
        None
    }

    /// Shows a picture in place of the one before. It is not recorded.
    fn show(&self, _: Snapshot) {}
}
