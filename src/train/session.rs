//! One sitting of a run: the loop over epochs and batches, and the places where it can rest.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use burn::tensor::Device;

use super::checkpoint::{self, Best, Checkpoint, Parts, State, weights_to_bytes};
use super::evaluation::{evaluate, metrics, sample_outputs};
use super::failures::{self, damaged, unfit};
use super::pictures::Pictures;
use super::pruning::{Pace, Pruned, Pruner};
use super::report::Reporter;
use super::stepper::{self, Stepper, Strided};
use super::{Outcome, Start, TrainJob, Trained, ending};
use crate::cost;
use crate::data::{Batches, DataError, Dataset, Loader, Samples};
use crate::meter::alloc;
use crate::nn::{self, Network, WeightError};
use crate::spec::{
    ArtifactKind, Command, Event, EventSink, Failure, MemoryLedger, Metrics, RunControl, RunPlan, ScheduleKind,
    SchedulePlan, StepRecord, Task, TrainConfig, Weights, units,
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
    stepper: Stepper,
    device: Device,
    pruner: Option<&'a dyn Pruner>,
    pace: Pace,
    state: State,
    predicted: MemoryLedger,
    /// Weights of the best epoch, where early stopping will restore them.
    best: Option<Weights>,
    checkpointed: Option<Instant>,
    /// A stop that falls exactly before this step, whatever the clock says.
    #[cfg(test)]
    pub stop_before: Option<usize>,
}

impl<'a> Session<'a> {
    /// Takes the job up where it stands.
    pub fn open(job: &TrainJob<'a>, control: &'a RunControl, sink: &'a dyn EventSink) -> Result<Self, Failure> {
        super::take_part();
        let reporter = Reporter::new(sink);
        let device = nn::device(job.plan.config.run.device)
            .map_err(failures::device)?
            .autodiff();
        let mut plan = job.plan.clone();
        let mut resumed = None;
        let mut state = State::default();
        let mut held = None;
        let network = match job.start {
            Start::Fresh => stepper::first(job.plan, &device).map_err(WeightError::from),
            Start::Resume(bytes) => {
                let checkpoint = Checkpoint::from_bytes(bytes).map_err(|error| damaged(&error))?;
                let checkpoint = resumed.insert(checkpoint);
                state = checkpoint.state.clone();
                if let Some(model) = &state.model {
                    plan.model = model.clone();
                }
                Network::from_weights(&plan.model, &checkpoint.weights, &device)
            }
            Start::FineTune { weights, mask, epochs } => {
                state.fine_tune = Some(epochs);
                held = mask;
                Network::from_weights(&plan.model, weights, &device)
            }
        };
        let mut network = network.map_err(|error| unfit(&error))?;
        if let Some(grids) = job.grids {
            network = network.on_grids(Arc::clone(grids));
        }
        if let Some(epochs) = state.fine_tune {
            let train = &mut plan.config.train;
            train.epochs = epochs;
            train.warmup_epochs = 0.0;
            train.early_stopping = None;
            train.target = None;
            train.time_limit = None;
        }
        let mut stepper = Stepper::new(&plan, job.dataset, network, &device)?;
        stepper.objective.teacher = job.teacher.cloned();
        let mut best = None;
        if let Some(mut checkpoint) = resumed {
            let lengths: Vec<usize> = stepper.network.parameters().iter().map(Vec::len).collect();
            let statistics: Vec<usize> = stepper.network.statistics().iter().map(Vec::len).collect();
            checkpoint
                .check(&lengths, &statistics, stepper.optimizer.slots.len())
                .map_err(|error| damaged(&error))?;
            stepper.optimizer.slots = checkpoint.slots;
            (best, stepper.mask) = (checkpoint.best, checkpoint.mask);
            if let Some((average, [parameters, statistics])) = stepper.average.as_mut().zip(checkpoint.average) {
                (average.parameters, average.statistics) = (parameters, statistics);
            }
        } else if let Some(mask) = held {
            stepper.hold(mask, &device)?;
        }
        // What training on grids takes is not predicted.
        let predicted = if job.grids.is_some() {
            MemoryLedger::default()
        } else {
            cost::memory_holding(&plan, job.pruner.is_some() || stepper.mask.is_some())
        };
        let config = &plan.config;
        let (seed, batch_size) = (config.run.seed, config.train.batch_size);
        Ok(Self {
            schedule: plan.schedule(),
            loader: Loader::new(job.dataset, seed, batch_size, &config.data.augment),
            plan,
            dataset: job.dataset,
            control,
            sink,
            reporter,
            pictures: Pictures::new(job.dataset, sink),
            stepper,
            device,
            pruner: job.pruner,
            pace: Pace::default(),
            state,
            predicted,
            best,
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
        let per_step = self.plan.config.train.samples_per_step();
        self.sink.emit(Event::Started {
            first_step: self.state.step,
            total_steps: self.plan.total_steps(),
            steps_per_epoch: per_epoch,
            predicted: self.predicted,
        })?;
        while !self.is_complete() {
            let epoch = self.state.step / per_epoch;
            let mut batches = self.loader.epoch(epoch, self.state.step % per_epoch * per_step);
            while batches.len() > 0 {
                if self.rests()? {
                    return Ok(Outcome::Stopped { step: self.state.step });
                }
                self.prune()?;
                self.step(&mut batches)?;
            }
            self.end_epoch(epoch + 1)?;
        }
        self.finish().map(Outcome::Finished)
    }

    fn is_complete(&self) -> bool {
        let early = self.plan.config.train.early_stopping;
        self.state.step >= self.plan.total_steps()
            || self.state.is_over
            || (self.is_pruned() && early.is_some_and(|early| self.state.stale >= early.patience))
    }

    /// Whether pruning is over, or there is none.
    fn is_pruned(&self) -> bool {
        let total = self.plan.total_steps();
        self.pruner.is_none_or(|pruner| self.state.step > pruner.last(total))
    }

    /// Prunes before the next step, where it is due.
    fn prune(&mut self) -> Result<(), Failure> {
        let (step, total) = (self.state.step, self.plan.total_steps());
        match self.pruner {
            Some(pruner) if pruner.is_due(step, total) => self.prune_by(pruner, step),
            _ => Ok(()),
        }
    }

    /// Does what is due before `step`.
    fn prune_by(&mut self, pruner: &dyn Pruner, step: usize) -> Result<(), Failure> {
        let total = self.plan.total_steps();
        let weights = self.stepper.network.to_weights();
        let text = match pruner.prune(step, total, &self.plan.model, &weights)? {
            None => return Ok(()),
            Some(Pruned::Masked(mask)) => {
                self.stepper.hold(&mask, &self.device)?;
                let zeros = mask.tensors.iter().flat_map(|tensor| &tensor.data);
                let [zeros, all] = zeros.fold([0.0, 0.0], |[zeros, all], value| {
                    [zeros + f64::from(u8::from(*value == 0.0)), all + 1.0]
                });
                format!(
                    "Step {step}: {:.1} % of the weights are zero",
                    100.0 * zeros / f64::max(all, 1.0)
                )
            }
            Some(Pruned::Smaller(cut)) => {
                let before = cost::parameters(&self.plan.model);
                self.plan.model = cut.model.clone();
                self.stepper.shrink(&cut, &self.plan, self.dataset, &self.device)?;
                self.pace.cut();
                let after = cost::parameters(&cut.model);
                self.state.model = Some(cut.model);
                let [before, after] = [before, after].map(|count| units::count(count as f64));
                format!("Step {step}: units were removed, {before} to {after} parameters")
            }
        };
        // Only networks as small as they are to become are held against each other.
        (self.state.best, self.best, self.state.stale) = (None, None, 0);
        self.reporter.emit(Event::Note { text })
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

    /// One optimizer step on the next of these batches.
    fn step(&mut self, batches: &mut Batches) -> Result<(), Failure> {
        let began = Instant::now();
        let step = self.state.step;
        let train = &self.plan.config.train;
        let learning_rate = self.learning_rate();
        let taken = batches.by_ref().take(train.accumulate.max(1));
        let strided = self.stepper.step(taken, step, learning_rate, &mut self.state.tally);
        let Strided {
            loss,
            gradient_norm,
            samples,
            gradients,
            times,
        } = strided.map_err(|stumble| failures::stumble(stumble, step, train))?;
        self.state.step += 1;
        self.pictures.step(step, &self.stepper.network, &gradients);
        drop(gradients);
        let record = StepRecord {
            step,
            loss,
            learning_rate,
            gradient_norm,
        };
        let busy_secs = began.elapsed().as_secs_f64();
        self.state.busy_secs += busy_secs;
        if self.pruner.is_some() {
            self.pace.take(busy_secs);
        }
        self.reporter.step(record, samples, times.within(busy_secs))
    }

    /// What the schedule has for this step, times the drops of a plateau.
    fn learning_rate(&self) -> f64 {
        let planned = self.schedule.learning_rate(self.state.step);
        planned * self.schedule.drop_factor.powi(self.state.plateau.drops as i32)
    }

    /// Scores the epoch and keeps what is worth keeping; `epoch` is counted from 1.
    fn end_epoch(&mut self, epoch: usize) -> Result<(), Failure> {
        let began = Instant::now();
        let tally = std::mem::take(&mut self.state.tally);
        let classification = matches!(self.plan.dataset.task, Task::Classification { .. });
        let samples = &self.dataset.validation;
        let averaged = self.stepper.averaged()?;
        let network = averaged.as_ref().unwrap_or(&self.stepper.network);
        let outputs =
            sample_outputs(network, samples, self.plan.config.train.batch_size).map_err(DataError::into_failure)?;
        let validation = metrics(&outputs, &samples.targets, &self.dataset.preprocessing.target);
        let early = self.plan.config.train.early_stopping.unwrap_or_default();
        let value = validation.monitored(early.metric).unwrap_or(f64::NAN);
        let is_best = early.improves(self.state.best.map(|best| best.value), value);
        self.reporter.epoch(Event::Epoch {
            epoch,
            step: self.state.step,
            train: self.stepper.objective.metrics(&tally, classification),
            validation,
            is_best,
        });
        if is_best {
            self.state.best = Some(Best { epoch, value });
            self.state.stale = 0;
            let weights = network.to_weights();
            self.save_weights(&weights)?;
            self.best = self.plan.config.train.early_stopping.map(|_| weights);
        } else {
            self.state.stale += 1;
        }
        let network = averaged.as_ref().unwrap_or(&self.stepper.network);
        self.pictures.epoch(epoch, network, &outputs);
        if self.plan.config.train.schedule == ScheduleKind::Plateau {
            self.state
                .plateau
                .take(is_best, self.plan.config.train.step_epochs.max(1));
        }
        self.state.busy_secs += began.elapsed().as_secs_f64();
        let mut train = self.plan.config.train.clone();
        if !self.is_pruned() {
            train = TrainConfig {
                target: None,
                early_stopping: None,
                ..train
            };
        }
        if let Some(text) = ending::reason(&train, &self.state, epoch, &validation) {
            self.state.is_over = true;
            self.reporter.epoch(Event::Note { text });
        }
        if self.checkpointed.is_none_or(|at| at.elapsed() >= CHECKPOINT_INTERVAL) {
            self.checkpoint()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Trained, Failure> {
        if let Some(pruner) = self.pruner.filter(|_| !self.is_pruned()) {
            // The time limit came first.
            self.prune_by(pruner, pruner.last(self.plan.total_steps()))?;
        }
        if let Some([before, after]) = self.pace.change() {
            let text = format!(
                "A step took {before:.2} ms before units were removed, and {after:.2} ms since: {:.2} times as long",
                after / before
            );
            self.reporter.emit(Event::Note { text })?;
        }
        self.checkpoint()?;
        let epochs = self.state.step / self.plan.steps_per_epoch.max(1);
        let best = self.best.take().zip(self.state.best);
        let (network, weights, best_epoch) = if let Some((weights, best)) = best {
            let device = nn::device(self.plan.config.run.device).map_err(failures::device)?;
            let network = Network::from_weights(&self.plan.model, &weights, &device).map_err(|error| unfit(&error))?;
            (Some(network), weights, best.epoch)
        } else {
            let averaged = self.stepper.averaged()?;
            let weights = averaged.as_ref().unwrap_or(&self.stepper.network).to_weights();
            (averaged, weights, epochs)
        };
        self.save_weights(&weights)?;
        let network = network.as_ref().unwrap_or(&self.stepper.network);
        let trained = Trained {
            model: self.plan.model.clone(),
            weights,
            best_epoch,
            epochs,
            train: self.score(network, &self.dataset.train)?,
            validation: self.score(network, &self.dataset.validation)?,
            test: self.score(network, &self.dataset.test)?,
        };
        // The scores of all rows at once may be the most that there was.
        self.reporter.memory_reading()?;
        Ok(trained)
    }

    /// In batches of the plan's size, so that scoring takes no more memory than training.
    fn score(&self, network: &Network, samples: &Samples) -> Result<Metrics, Failure> {
        let target = &self.dataset.preprocessing.target;
        evaluate(network, samples, target, self.plan.config.train.batch_size).map_err(DataError::into_failure)
    }

    fn save_weights(&self, weights: &Weights) -> Result<(), Failure> {
        let bytes = weights_to_bytes(weights).map_err(|error| damaged(&error))?;
        self.save(ArtifactKind::Weights, &bytes)
    }

    /// What is done with the bytes is no memory of the training.
    fn save(&self, kind: ArtifactKind, bytes: &[u8]) -> Result<(), Failure> {
        alloc::uncounted(|| self.sink.save(kind, bytes))
    }

    /// Keeps all that a resumed run needs; the steps up to here are emitted first, so that none is ever missing.
    fn checkpoint(&mut self) -> Result<(), Failure> {
        self.reporter.flush()?;
        let weights = self.stepper.network.to_weights();
        let average = self.stepper.average.as_ref();
        let bytes = checkpoint::to_bytes(Parts {
            state: &self.state,
            weights: &weights,
            slots: &self.stepper.optimizer.slots,
            best: self.best.as_ref(),
            mask: self.stepper.mask.as_deref(),
            average: average.map(|average| [&average.parameters[..], &average.statistics[..]]),
        });
        self.save(ArtifactKind::Checkpoint, &bytes.map_err(|error| damaged(&error))?)?;
        self.checkpointed = Some(Instant::now());
        Ok(())
    }
}
