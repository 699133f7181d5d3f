//! What a run's events amount to.

use super::XAxis;
use crate::spec::{
    Ended, Envelope, Event, MemoryLedger, MemoryReading, Metrics, Run, RunStatus, StepRecord, StepTimes,
};

/// A run as told by its events so far, over all sittings.
///
/// A resumed run goes on from where its checkpoint was made: what was told of later steps is forgotten.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    pub status: RunStatus,
    /// Steps done.
    pub step: usize,
    /// Steps planned; 0 before the run has started.
    pub total_steps: usize,
    pub steps_per_epoch: usize,
    pub predicted: MemoryLedger,
    /// One value a step, in order.
    pub steps: Vec<StepRecord>,
    /// One point an epoch, in order.
    pub epochs: Vec<EpochPoint>,
    /// One for each event of steps, in order of time.
    pub readings: Vec<Reading>,
    /// Set while the job does something other than training.
    pub progress: Option<Progress>,
    pub notes: Vec<String>,
    pub ended: Option<Ended>,
    /// Where the time of all steps went that told it, and how many these are.
    pub times: (StepTimes, usize),
    /// Seconds of work.
    pub elapsed_secs: f64,
    /// How often something told earlier was changed, rather than added to.
    pub rewrites: u64,
    /// Where the present sitting began: its first step and the seconds of work before it.
    sitting: (usize, f64),
    /// Steps seen, and the seconds that they took by the reported throughput, per sample.
    measured: (f64, f64),
    /// Steps done at the largest tracked heap of all readings, and that.
    peak: (usize, u64),
    /// Steps done and seconds of work at moments of which both are known, in order.
    clock: Vec<(usize, f64)>,
}

/// An epoch's scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochPoint {
    /// Counted from 1.
    pub epoch: usize,
    /// Steps done at its end.
    pub step: usize,
    pub train: Metrics,
    pub validation: Metrics,
    pub is_best: bool,
}

/// Speed and memory at a moment of work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Steps done.
    pub step: usize,
    pub elapsed_secs: f64,
    pub samples_per_second: f64,
    pub memory: MemoryReading,
    /// Cores that the process kept busy, on average; 0 where that is not known.
    pub cpu_cores: f64,
}

/// What a job does when it is not training.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub what: String,
    pub done: usize,
    pub total: usize,
}

impl RunView {
    /// A run of which nothing has been heard.
    pub fn new() -> Self {
        Self {
            status: RunStatus::Queued,
            step: 0,
            total_steps: 0,
            steps_per_epoch: 0,
            predicted: MemoryLedger::default(),
            steps: Vec::new(),
            epochs: Vec::new(),
            readings: Vec::new(),
            progress: None,
            notes: Vec::new(),
            ended: None,
            times: (StepTimes::default(), 0),
            elapsed_secs: 0.0,
            rewrites: 0,
            sitting: (0, 0.0),
            measured: (0.0, 0.0),
            peak: (0, 0),
            clock: Vec::new(),
        }
    }

    /// The view after all of `envelopes`, which are one run's, in order.
    pub fn of<'a>(envelopes: impl IntoIterator<Item = &'a Envelope>) -> Self {
        envelopes.into_iter().fold(Self::new(), |mut view, envelope| {
            view.apply(envelope);
            view
        })
    }

    /// Takes in the run's next event.
    pub fn apply(&mut self, envelope: &Envelope) {
        self.elapsed_secs = envelope.elapsed_secs;
        match &envelope.event {
            Event::Started {
                first_step,
                total_steps,
                steps_per_epoch,
                predicted,
            } => {
                self.status = RunStatus::Running;
                self.ended = None;
                self.rewind(*first_step);
                self.clock.push((*first_step, envelope.elapsed_secs));
                self.step = *first_step;
                self.total_steps = *total_steps;
                self.steps_per_epoch = *steps_per_epoch;
                // Of several trainings in one run, the one that takes most; none where one of them is not predicted.
                if predicted.total() == 0 || predicted.total() > self.predicted.total() {
                    self.predicted = *predicted;
                }
                self.sitting = (*first_step, envelope.elapsed_secs);
            }
            Event::Steps {
                steps,
                samples_per_second,
                memory,
                cpu_cores,
                times,
            } => {
                if times.total_secs() > 0.0 {
                    self.times = (self.times.0.plus(*times), self.times.1 + steps.len());
                }
                for step in steps {
                    self.rewrites += u64::from(!put(&mut self.steps, *step, |step| step.step));
                    self.step = step.step + 1;
                }
                if *samples_per_second > 0.0 {
                    self.measured.0 += steps.len() as f64;
                    self.measured.1 += steps.len() as f64 / samples_per_second;
                }
                self.progress = None;
                if memory.peak_bytes > self.peak.1 {
                    self.peak = (self.step, memory.peak_bytes);
                }
                self.clock.push((self.step, envelope.elapsed_secs));
                self.readings.push(Reading {
                    step: self.step,
                    elapsed_secs: envelope.elapsed_secs,
                    samples_per_second: *samples_per_second,
                    memory: *memory,
                    cpu_cores: *cpu_cores,
                });
            }
            Event::Memory { memory } => {
                if memory.peak_bytes > self.peak.1 {
                    self.peak = (self.step, memory.peak_bytes);
                }
            }
            Event::Epoch {
                epoch,
                step,
                train,
                validation,
                is_best,
            } => {
                let point = EpochPoint {
                    epoch: *epoch,
                    step: *step,
                    train: *train,
                    validation: *validation,
                    is_best: *is_best,
                };
                self.rewrites += u64::from(!put(&mut self.epochs, point, |point| point.epoch));
            }
            Event::Paused { .. } => self.status = RunStatus::Paused,
            Event::Resumed { .. } => self.status = RunStatus::Running,
            Event::Progress { what, done, total } => {
                self.progress = Some(Progress {
                    what: what.clone(),
                    done: *done,
                    total: *total,
                });
            }
            Event::Note { text } => self.notes.push(text.clone()),
            Event::Ended { ended } => {
                self.status = ended.status();
                self.progress = None;
                self.ended = Some(ended.clone());
            }
        }
    }

    /// Forgets what came after `step`.
    fn rewind(&mut self, step: usize) {
        let told = self.records();
        self.steps
            .truncate(self.steps.partition_point(|record| record.step < step));
        self.epochs
            .truncate(self.epochs.partition_point(|point| point.step <= step));
        self.readings
            .truncate(self.readings.partition_point(|reading| reading.step <= step));
        self.clock
            .truncate(self.clock.partition_point(|&(done, _)| done <= step));
        self.rewrites += u64::from(self.records() < told);
    }

    /// Number of steps, epochs and readings: with [`Self::rewrites`] it tells whether there is something new to draw.
    pub fn records(&self) -> usize {
        self.steps.len() + self.epochs.len() + self.readings.len()
    }

    /// Where on an axis the moment lies at which so many steps were done.
    pub fn place(&self, axis: XAxis, step: usize) -> f64 {
        match axis {
            XAxis::Step => step as f64,
            XAxis::Epoch => self.epoch_at(step),
            XAxis::Time => self.secs_at(step),
        }
    }

    /// The places of the first and the last step on an axis.
    pub fn extent(&self, axis: XAxis) -> Option<[f64; 2]> {
        let place = |record: &StepRecord| self.place(axis, record.step + 1);
        Some([place(self.steps.first()?), place(self.steps.last()?)])
    }

    fn epoch_at(&self, step: usize) -> f64 {
        let after = self.epochs.partition_point(|point| point.step < step);
        let before = after.checked_sub(1).and_then(|place| self.epochs.get(place));
        let (from_step, from_epoch) = before.map_or((0, 0), |point| (point.step, point.epoch));
        let steps_an_epoch = match self.epochs.get(after) {
            Some(next) => next.step.saturating_sub(from_step) as f64 / (next.epoch - from_epoch) as f64,
            None => self.steps_per_epoch.max(1) as f64,
        };
        from_epoch as f64 + (step - from_step) as f64 / steps_an_epoch.max(1.0)
    }

    /// Between two moments that are known, as if every step had taken the same time.
    fn secs_at(&self, step: usize) -> f64 {
        let after = self.clock.partition_point(|&(done, _)| done < step);
        let Some(&(next_step, next_secs)) = self.clock.get(after) else {
            return self.clock.last().map_or(0.0, |&(_, secs)| secs);
        };
        let (from_step, from_secs) = after
            .checked_sub(1)
            .and_then(|place| self.clock.get(place))
            .copied()
            .unwrap_or_default();
        let share = (step - from_step) as f64 / (next_step - from_step) as f64;
        from_secs + share * (next_secs - from_secs)
    }

    /// Epochs planned; 0 before the run has started.
    pub fn total_epochs(&self) -> usize {
        self.total_steps.checked_div(self.steps_per_epoch).unwrap_or(0)
    }

    /// The epoch whose weights are kept, as far as is known.
    pub fn best(&self) -> Option<&EpochPoint> {
        self.epochs.iter().rev().find(|point| point.is_best)
    }

    /// Mean throughput over all steps, time between steps left out; 0 before the first.
    pub fn samples_per_second(&self) -> f64 {
        let (steps, secs) = self.measured;
        if secs > 0.0 { steps / secs } else { 0.0 }
    }

    /// Where the time of a step goes, on average; none where no step told it.
    pub fn step_times(&self) -> Option<StepTimes> {
        let (sums, steps) = self.times;
        let mean = |secs: f64| secs / steps as f64;
        (steps > 0).then(|| StepTimes::from_parts(sums.parts().map(mean)))
    }

    /// Median throughput of the readings; 0 before the first.
    pub fn usual_speed(&self) -> f64 {
        let mut speeds: Vec<f64> = self.readings.iter().map(|reading| reading.samples_per_second).collect();
        speeds.sort_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied().unwrap_or(0.0)
    }

    /// A loss or a gradient that is no finite number ended it.
    pub fn has_diverged(&self) -> bool {
        matches!(&self.ended, Some(Ended::Failed { failure }) if failure.is_divergence())
    }

    /// Largest tracked heap above what was live before the first step.
    pub fn peak_bytes(&self) -> u64 {
        self.peak.1
    }

    /// Steps done when the largest tracked heap was read, and its bytes.
    pub fn peak(&self) -> Option<(usize, u64)> {
        (self.peak.1 > 0).then_some(self.peak)
    }

    /// Seconds until all planned steps are done, at this sitting's pace; early stopping may end a run before that.
    pub fn remaining_secs(&self) -> Option<f64> {
        let (first_step, begun) = self.sitting;
        let done = self.step.checked_sub(first_step).filter(|&done| done > 0)?;
        if self.status.is_open() {
            let pace = (self.elapsed_secs - begun) / done as f64;
            Some(pace * self.total_steps.saturating_sub(self.step) as f64)
        } else {
            None
        }
    }

    /// Brings a run's row up to date with what its events say.
    pub fn summarise(&self, run: &mut Run) {
        run.status = self.status;
        run.epochs = self.epochs.last().map_or(0, |point| point.epoch);
        run.elapsed_secs = self.elapsed_secs;
        run.samples_per_second = self.samples_per_second();
        run.predicted_memory_bytes = self.predicted.total();
        run.peak_memory_bytes = self.peak_bytes();
        if let Some(best) = self.best() {
            run.best_epoch = Some(best.epoch);
            run.train = Some(best.train);
            run.validation = Some(best.validation);
        }
        run.failure = None;
        match &self.ended {
            Some(Ended::Finished {
                best_epoch,
                epochs,
                train,
                validation,
                test,
            }) => {
                run.epochs = *epochs;
                run.best_epoch = Some(*best_epoch);
                run.train = Some(*train);
                run.validation = Some(*validation);
                run.test = Some(*test);
            }
            Some(Ended::Failed { failure }) => run.failure = Some(failure.to_string()),
            Some(Ended::Crashed { message }) => run.failure = Some(message.clone()),
            Some(Ended::Stopped { .. }) | None => {}
        }
    }
}

impl Default for RunView {
    fn default() -> Self {
        Self::new()
    }
}

/// Inserts into a list that is ordered by `key`, replacing what has the same key. At the end, as nearly always, this is a
/// push; only then it is true.
fn put<T>(list: &mut Vec<T>, item: T, key: impl Fn(&T) -> usize) -> bool {
    let wanted = key(&item);
    if list.last().is_none_or(|last| key(last) < wanted) {
        list.push(item);
        return true;
    }
    match list.binary_search_by_key(&wanted, key) {
        Ok(place) => list[place] = item,
        Err(place) => list.insert(place, item),
    }
    false
}
