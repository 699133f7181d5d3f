//! One sitting of a run: the loop over epochs and batches, and the places where it can rest.

use std::thread;
use std::time::{Duration, Instant};

use super::checkpoint::{self, Best, Checkpoint, CheckpointError, State, weights_to_bytes};
use super::evaluation::{evaluate, metrics, sample_outputs};
use super::objective::Objective;
use super::optimizer::{Optimizer, clip_factor, global_norm};
use super::pictures::Pictures;
use super::report::Reporter;
use super::{Outcome, Start, TrainJob, Trained};
use crate::cost;
use crate::data::{Batch, DataError, Dataset, Loader, Samples};
use crate::nn::{self, DropoutKey, Network, WeightError};
use crate::spec::{
    ArtifactKind, Command, Event, EventSink, Failure, Metrics, MonitoredMetric, NamedTensor, RunControl, RunPlan,
    SchedulePlan, StepRecord, Task, Weights,
};

/// Between two checkpoints at the ends of epochs.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(200);
/// Between two looks at the control during a pause.
const PAUSE_INTERVAL: Duration = Duration::from_millis(20);

/// What stands between two steps, and all that a step needs.
pub struct Session<'a> {
    plan: RunPlan,
    dataset: &'a Dataset,
    loader: Loader,
    control: &'a RunControl,
    sink: &'a dyn EventSink,
    reporter: Reporter<'a>,
    pictures: Pictures<'a>,
    schedule: SchedulePlan,
    objective: Objective,
    network: Network,
    optimizer: Optimizer,
    state: State,
    /// Weights of the best epoch, where early stopping will restore them.
    best: Option<Weights>,
    /// For each parameter, 0 where it stays zero.
    mask: Option<Vec<Vec<f32>>>,
    checkpointed: Option<Instant>,
    /// A stop that falls exactly before this step, whatever the clock says.
    #[cfg(test)]
    pub stop_before: Option<usize>,
}

impl<'a> Session<'a> {
    /// Takes the job up where it stands.
    pub fn open(job: &TrainJob<'a>, control: &'a RunControl, sink: &'a dyn EventSink) -> Result<Self, Failure> {
        nn::warm_up();
        let reporter = Reporter::new(sink);
        let device = nn::device(job.plan.config.run.device)
            .map_err(|error| Failure::new("run.device", error.to_string(), "choose another device"))?
            .autodiff();
        let model = &job.plan.model;
        let mut resumed = None;
        let mut state = State::default();
        let mut mask = None;
        let network = match job.start {
            Start::Fresh => {
                let config = &job.plan.config;
                Network::initialised(model, config.model.initialiser, config.run.seed, &device)
                    .map_err(WeightError::from)
            }
            Start::Resume(bytes) => {
                let checkpoint = Checkpoint::from_bytes(bytes).map_err(|error| damaged(&error))?;
                let checkpoint = resumed.insert(checkpoint);
                state = checkpoint.state.clone();
                Network::from_weights(model, &checkpoint.weights, &device)
            }
            Start::FineTune {
                weights,
                mask: masked,
                epochs,
            } => {
                state.fine_tune = Some(epochs);
                if let Some(masked) = masked {
                    let masked = Network::from_weights(model, &completed(masked, weights), &device);
                    mask = Some(masked.map_err(|error| unfit(&error))?.parameters());
                }
                Network::from_weights(model, weights, &device)
            }
        };
        let network = network.map_err(|error| unfit(&error))?;
        let mut network = network.recomputing(job.plan.config.train.recompute);
        let mut plan = job.plan.clone();
        if let Some(epochs) = state.fine_tune {
            let train = &mut plan.config.train;
            train.epochs = epochs;
            train.warmup_epochs = 0.0;
            train.early_stopping = None;
        }
        let lengths: Vec<usize> = network.parameters().iter().map(Vec::len).collect();
        let mut optimizer = Optimizer::new(&plan.config.train, &lengths);
        let mut best = None;
        if let Some(mut checkpoint) = resumed {
            checkpoint
                .check(&lengths, optimizer.slots.len())
                .map_err(|error| damaged(&error))?;
            optimizer.slots = checkpoint.slots;
            (best, mask) = (checkpoint.best, checkpoint.mask);
        }
        if let Some(mask) = &mask {
            network.update(|index, values| multiply(values, &mask[index]));
        }
        let config = &plan.config;
        let loader = Loader::new(
            job.dataset,
            config.run.seed,
            config.train.batch_size,
            &config.data.augment,
        );
        Ok(Self {
            schedule: plan.schedule(),
            loader,
            objective: Objective {
                label_smoothing: plan.config.train.label_smoothing,
                deviations: job.dataset.preprocessing.target.deviations(),
            },
            plan,
            dataset: job.dataset,
            control,
            sink,
            reporter,
            pictures: Pictures::new(job.dataset, sink),
            network,
            optimizer,
            state,
            best,
            mask,
            checkpointed: None,
            #[cfg(test)]
            stop_before: None,
        })
    }

    pub fn run(mut self) -> Result<Outcome, Failure> {
        let outcome = self.steps();
        // What was done before a failure is part of the record too.
        self.reporter.flush().and(outcome)
    }

    fn steps(&mut self) -> Result<Outcome, Failure> {
        let per_epoch = self.plan.steps_per_epoch.max(1);
        let batch_size = self.plan.config.train.batch_size.max(1);
        self.sink.emit(Event::Started {
            first_step: self.state.step,
            total_steps: self.plan.total_steps(),
            steps_per_epoch: per_epoch,
            predicted: cost::memory(&self.plan),
        })?;
        while !self.is_complete() {
            let epoch = self.state.step / per_epoch;
            let mut batches = self.loader.epoch(epoch, self.state.step % per_epoch * batch_size);
            while batches.len() > 0 {
                if self.rests()? {
                    return Ok(Outcome::Stopped { step: self.state.step });
                }
                let began = Instant::now();
                if let Some(batch) = batches.next() {
                    self.step(batch.map_err(DataError::into_failure)?, began)?;
                }
            }
            self.end_epoch(epoch + 1)?;
        }
        self.finish().map(Outcome::Finished)
    }

    fn is_complete(&self) -> bool {
        let early = self.plan.config.train.early_stopping;
        self.state.step >= self.plan.total_steps() || early.is_some_and(|early| self.state.stale >= early.patience)
    }

    /// Obeys the control: waits out a pause; true when the run is to stop here.
    fn rests(&mut self) -> Result<bool, Failure> {
        #[cfg(test)]
        if self.stop_before == Some(self.state.step) {
            self.control.request(Command::Stop);
        }
        if self.control.requested() == Command::Run {
            return Ok(false);
        }
        let step = self.state.step;
        self.reporter.flush()?;
        self.checkpoint()?;
        if self.control.requested() == Command::Pause {
            self.reporter.emit(Event::Paused { step })?;
            while self.control.requested() == Command::Pause {
                thread::sleep(PAUSE_INTERVAL);
            }
            if self.control.requested() == Command::Run {
                self.reporter.emit(Event::Resumed { step })?;
            }
        }
        Ok(self.control.requested() == Command::Stop)
    }

    /// One optimizer step on this batch, which was asked for at `began`.
    fn step(&mut self, batch: Batch, began: Instant) -> Result<(), Failure> {
        let step = self.state.step;
        let rows = batch.len();
        let Batch { inputs, targets, .. } = batch;
        let key = DropoutKey {
            seed: self.plan.config.run.seed,
            step,
            first_row: 0,
        };
        let mut loss = 0.0;
        let tally = &mut self.state.tally;
        let gradients = self.network.gradients(inputs, rows, key, |outputs| {
            let (mean, gradient) = self.objective.differentiate(outputs, &targets, tally);
            loss = mean as f32;
            if loss.is_finite() { Ok(gradient) } else { Err(mean) }
        });
        let mut gradients = gradients.map_err(|mean| self.diverged("the loss", mean))?;
        if let Some(mask) = &self.mask {
            for (gradient, mask) in gradients.iter_mut().zip(mask) {
                multiply(gradient, mask);
            }
        }
        let norm = global_norm(&gradients);
        if !(norm as f32).is_finite() {
            return Err(self.diverged("the gradient's norm", norm));
        }
        let learning_rate = self.schedule.learning_rate(step);
        let scale = clip_factor(norm, self.plan.config.train.gradient_clip);
        let rule = self.optimizer.rule(step, learning_rate, scale);
        self.network.update(|index, parameter| {
            self.optimizer.update(&rule, index, parameter, &gradients[index]);
        });
        self.state.step += 1;
        let record = StepRecord {
            step,
            loss,
            learning_rate,
            gradient_norm: norm as f32,
        };
        self.reporter.step(record, rows, began.elapsed())
    }

    fn diverged(&self, what: &str, value: f64) -> Failure {
        Failure::new(
            format!("step {}", self.state.step),
            format!("{what} is {value}: the run diverged"),
            format!(
                "lower train.learning_rate (now {}) or set train.gradient_clip (for example 1.0)",
                self.plan.config.train.learning_rate
            ),
        )
    }

    /// Scores the epoch and keeps what is worth keeping; `epoch` is counted from 1.
    fn end_epoch(&mut self, epoch: usize) -> Result<(), Failure> {
        let tally = std::mem::take(&mut self.state.tally);
        let classification = matches!(self.plan.dataset.task, Task::Classification { .. });
        let samples = &self.dataset.validation;
        let outputs = sample_outputs(&self.network, samples, self.plan.config.train.batch_size)
            .map_err(DataError::into_failure)?;
        let validation = metrics(&outputs, &samples.targets, &self.dataset.preprocessing.target);
        let value = self.monitored(&validation);
        let is_best = self.improves(value);
        self.reporter.epoch(Event::Epoch {
            epoch,
            step: self.state.step,
            train: self.objective.metrics(&tally, classification),
            validation,
            is_best,
        });
        if is_best {
            self.state.best = Some(Best { epoch, value });
            self.state.stale = 0;
            let weights = self.network.to_weights();
            self.save_weights(&weights)?;
            self.best = self.plan.config.train.early_stopping.map(|_| weights);
        } else {
            self.state.stale += 1;
        }
        if self.checkpointed.is_none_or(|at| at.elapsed() >= CHECKPOINT_INTERVAL) {
            self.checkpoint()?;
        }
        self.pictures.show(epoch, &self.network, &outputs);
        Ok(())
    }

    /// The figure that tells the best epoch.
    fn monitored(&self, validation: &Metrics) -> f64 {
        let metric = self.plan.config.train.early_stopping.unwrap_or_default().metric;
        let value = match metric {
            MonitoredMetric::Loss => Some(validation.loss),
            MonitoredMetric::Accuracy => validation.accuracy,
            MonitoredMetric::F1 => validation.f1,
            MonitoredMetric::R2 => validation.r2,
            MonitoredMetric::Rmse => validation.rmse,
        };
        value.unwrap_or(f64::NAN)
    }

    fn improves(&self, value: f64) -> bool {
        let early = self.plan.config.train.early_stopping.unwrap_or_default();
        let gain = self.state.best.map_or(f64::INFINITY, |best| {
            if early.metric.falls() {
                best.value - value
            } else {
                value - best.value
            }
        });
        value.is_finite() && gain > 0.0 && gain >= early.minimum_improvement
    }

    fn finish(&mut self) -> Result<Trained, Failure> {
        self.checkpoint()?;
        let epochs = self.state.step / self.plan.steps_per_epoch.max(1);
        let best = self.best.take().zip(self.state.best);
        let (weights, best_epoch) = match best {
            Some((weights, best)) => {
                let device = nn::device(self.plan.config.run.device)
                    .map_err(|error| Failure::new("run.device", error.to_string(), "choose another device"))?;
                self.network =
                    Network::from_weights(&self.plan.model, &weights, &device).map_err(|error| unfit(&error))?;
                (weights, best.epoch)
            }
            None => (self.network.to_weights(), epochs),
        };
        self.save_weights(&weights)?;
        Ok(Trained {
            weights,
            best_epoch,
            epochs,
            train: self.score(&self.dataset.train)?,
            validation: self.score(&self.dataset.validation)?,
            test: self.score(&self.dataset.test)?,
        })
    }

    /// In batches of the plan's size, so that scoring takes no more memory than training.
    fn score(&self, samples: &Samples) -> Result<Metrics, Failure> {
        let target = &self.dataset.preprocessing.target;
        let batch = self.plan.config.train.batch_size;
        evaluate(&self.network, samples, target, batch).map_err(DataError::into_failure)
    }

    fn save_weights(&self, weights: &Weights) -> Result<(), Failure> {
        let bytes = weights_to_bytes(weights).map_err(|error| damaged(&error))?;
        self.sink.save(ArtifactKind::Weights, &bytes)
    }

    /// Keeps all that a resumed run needs; the steps up to here are emitted first, so that none is ever missing.
    fn checkpoint(&mut self) -> Result<(), Failure> {
        self.reporter.flush()?;
        let weights = self.network.to_weights();
        let bytes = checkpoint::to_bytes(
            &self.state,
            &weights,
            &self.optimizer.slots,
            self.best.as_ref(),
            self.mask.as_deref(),
        );
        self.sink
            .save(ArtifactKind::Checkpoint, &bytes.map_err(|error| damaged(&error))?)?;
        self.checkpointed = Some(Instant::now());
        Ok(())
    }
}

/// `mask` with ones for the tensors of `weights` that it leaves out.
fn completed(mask: &Weights, weights: &Weights) -> Weights {
    let tensors = weights.tensors.iter().map(|tensor| {
        mask.get(&tensor.name).cloned().unwrap_or_else(|| NamedTensor {
            data: vec![1.0; tensor.data.len()],
            ..tensor.clone()
        })
    });
    Weights {
        tensors: tensors.collect(),
    }
}

fn multiply(values: &mut [f32], factors: &[f32]) {
    for (value, factor) in values.iter_mut().zip(factors) {
        *value *= factor;
    }
}

fn unfit(error: &WeightError) -> Failure {
    Failure::new("weights", error.to_string(), "start the run anew")
}

fn damaged(error: &CheckpointError) -> Failure {
    Failure::new("checkpoint", error.to_string(), "start the run anew")
}
