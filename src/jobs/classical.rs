//! Classical baselines as runs: fitted, proved from their bytes, and read back wherever a network's file would be.

use std::path::Path;
use std::time::{Duration, Instant};

use super::JobError;
use super::proof::keep_preprocessing;
use super::worker::{NAP, Worker};
use crate::classic::{self, Fitted};
use crate::cost;
use crate::data::Dataset;
use crate::deploy::{Answering, BundleError, DeployError, Exported, Session, bundle};
use crate::meter::alloc::Growth;
use crate::meter::process;
use crate::spec::{
    ArtifactKind, Command, Event, EventSink, Failure, MemoryReading, Metrics, RunId, RunPlan, StepRecord, StepTimes,
};
use crate::store::{Store, StoreError};
use crate::train;

/// Between two looks at how far a fit is, for those who watch.
const INTERVAL: Duration = Duration::from_millis(70);

/// Scores of the bytes of what was fitted.
pub(super) struct Scores {
    pub train: Metrics,
    pub validation: Metrics,
    pub test: Metrics,
    pub parameters: u64,
    pub multiply_adds: u64,
}

impl Worker<'_> {
    /// Fits the plan's baseline, keeps its bytes, and scores them. None where it was stopped.
    ///
    /// Emits `Started`, `Progress`, and, as one step and one epoch, what the fit came to.
    pub fn fit(&self, plan: &RunPlan, dataset: &Dataset, sink: &dyn EventSink) -> Result<Option<Scores>, Failure> {
        sink.emit(Event::Started {
            first_step: 0,
            total_steps: 1,
            steps_per_epoch: 1,
            predicted: cost::memory(plan),
        })?;
        if !plan.config.data.augment.is_empty() {
            let text = "a classical baseline sees the rows as they are: data.augment is for networks".to_owned();
            sink.emit(Event::Note { text })?;
        }
        // Trees and products are made by the threads of the pool: their memory is the fit's.
        train::take_part();
        let (heap, began) = (Growth::begin(), Instant::now());
        let mut told: Option<Instant> = None;
        let mut paused = Duration::ZERO;
        let fitted = classic::fit(plan, dataset, &mut |done, total| {
            if told.is_none_or(|told| told.elapsed() >= INTERVAL) {
                told = Some(Instant::now());
                let what = format!("fitting {}", plan.config.model.architecture.title());
                sink.emit(Event::Progress { what, done, total })?;
            }
            if self.control.requested() == Command::Pause {
                let since = Instant::now();
                self.wait(sink)?;
                paused += since.elapsed();
            }
            Ok(self.control.requested() != Command::Stop)
        })?;
        let Some(fitted) = fitted else {
            return Ok(None);
        };
        let busy = began.elapsed().saturating_sub(paused).as_secs_f64();
        let (live_bytes, peak_bytes) = heap.live_and_peak();
        let memory = MemoryReading {
            live_bytes,
            peak_bytes,
            resident_bytes: process::resident_bytes().unwrap_or(0),
        };
        let failed = |error: classic::FileError| {
            Failure::new("baseline", error.to_string(), "report this with the configuration")
        };
        let bytes = fitted.to_bytes().map_err(failed)?;
        drop(fitted);
        // What is scored is what will be shipped.
        let fitted = Fitted::from_bytes(&bytes).map_err(failed)?;
        let (parameters, multiply_adds) = (fitted.parameters(), fitted.multiply_adds());
        let exported = Exported::of(fitted);
        let score = |samples| {
            let scores = exported.score(samples, &dataset.preprocessing.target);
            scores.map(|scores| scores.metrics).map_err(DeployError::into_failure)
        };
        let scores = Scores {
            train: score(&dataset.train)?,
            validation: score(&dataset.validation)?,
            test: score(&dataset.test)?,
            parameters,
            multiply_adds,
        };
        // One step over all rows, without a rate or a gradient.
        sink.emit(Event::Steps {
            steps: vec![StepRecord {
                step: 0,
                loss: scores.train.loss as f32,
                learning_rate: 0.0,
                gradient_norm: 0.0,
            }],
            samples_per_second: dataset.train.len() as f64 / busy.max(1e-9),
            memory,
            cpu_cores: 0.0,
            times: StepTimes::default(),
        })?;
        sink.emit(Event::Epoch {
            epoch: 1,
            step: 1,
            train: scores.train,
            validation: scores.validation,
            is_best: true,
        })?;
        sink.save(ArtifactKind::Classic, &bytes)?;
        keep_preprocessing(&dataset.preprocessing, sink)?;
        Ok(Some(scores))
    }

    /// Waits out a pause.
    fn wait(&self, sink: &dyn EventSink) -> Result<(), Failure> {
        sink.emit(Event::Paused { step: 0 })?;
        while self.control.requested() == Command::Pause {
            std::thread::sleep(NAP);
        }
        if self.control.requested() == Command::Run {
            sink.emit(Event::Resumed { step: 0 })?;
        }
        Ok(())
    }
}

/// The file by which a run answers: its network, or its baseline.
pub(super) fn answering_file(store: &Store, run: RunId) -> Result<ArtifactKind, StoreError> {
    let kept = store.artifacts(run)?;
    let is_classic = kept.iter().any(|artifact| artifact.kind == ArtifactKind::Classic);
    Ok(if is_classic {
        ArtifactKind::Classic
    } else {
        ArtifactKind::Onnx
    })
}

/// What the bytes of such a file are.
pub(super) fn load(kind: ArtifactKind, bytes: &[u8]) -> Result<Exported, JobError> {
    if kind != ArtifactKind::Classic {
        return Ok(Exported::load(bytes)?);
    }
    Ok(baseline(bytes).map_err(|problem| Failure::new("baseline", problem, "train the run again"))?)
}

/// Reads a baseline's bytes.
pub(super) fn baseline(bytes: &[u8]) -> Result<Exported, String> {
    Fitted::from_bytes(bytes)
        .map(Exported::of)
        .map_err(|error| error.to_string())
}

/// Answers for every sample of the file `rows` by the export folder `folder`, a network's or a baseline's.
pub fn predict(folder: &Path, rows: &Path) -> Result<bundle::Answers, BundleError> {
    bundle::predict(folder, rows, baseline)
}

impl Answering for Fitted {
    fn accepts(&self, dimensions: &[usize]) -> bool {
        let values = dimensions.iter().try_fold(1_usize, |all, &one| all.checked_mul(one));
        values == Some(self.inputs())
    }

    fn dimensions(&self) -> Vec<usize> {
        vec![self.inputs()]
    }

    fn outputs(&self) -> usize {
        self.outputs_len()
    }

    fn session(&self, largest: usize) -> Result<Box<dyn Session + '_>, DeployError> {
        Ok(Box::new(Sitting {
            fitted: self,
            outputs: Vec::with_capacity(largest * self.outputs_len()),
        }))
    }

    fn memory_bytes(&self, largest: usize) -> u64 {
        Fitted::memory_bytes(self, largest)
    }

    fn engine(&self) -> String {
        "classical".to_owned()
    }
}

struct Sitting<'a> {
    fitted: &'a Fitted,
    outputs: Vec<f32>,
}

impl Session for Sitting<'_> {
    fn run(&mut self, inputs: &[f32], rows: usize) -> Result<&[f32], DeployError> {
        if inputs.len() != rows * self.fitted.inputs() {
            return Err(DeployError::Mismatch {
                problem: format!("{} values for {rows} samples of {}", inputs.len(), self.fitted.inputs()),
                remedy: "bring the samples that the model was fitted to",
            });
        }
        self.fitted.answer(inputs, &mut self.outputs);
        Ok(&self.outputs)
    }
}
