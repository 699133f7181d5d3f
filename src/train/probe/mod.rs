//! Short trainings that answer a question before the long one: which learning rate, which batch, how many workers, where the time
//! goes, and whether more rows would help. Everything they say is measured with the plan's own network, data and optimizer; nothing is kept.

mod batch;
mod curve;
mod profile;
mod rate;
mod workers;

pub use batch::{BatchMeasure, LargestBatch, find_batch, throughput};
pub use curve::{CurvePoint, Fitted, LearningCurve, Spread, learning_curve};
pub use profile::{LayerTime, Profile, profile};
pub use rate::{RATE_STEPS, RatePoint, RateRange, find_rate};
pub use workers::{WorkerSpeed, workers};

use super::stepper::{Stepper, Strided, Stumble};
use super::{failures, objective::Tally};
use crate::data::{Batches, Dataset, Loader};
use crate::nn;
use crate::spec::{Command, Failure, RunControl, RunPlan};
use burn::tensor::Device;

/// How a probe is followed and stopped.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    pub control: &'a RunControl,
    /// Told how much of all is done, as `done` of `total`.
    pub progress: &'a dyn Fn(usize, usize),
}

impl Watch<'_> {
    /// Tells how far the probe is; true when it is to stop. A pause does not hold a probe up.
    fn stops(&self, done: usize, total: usize) -> bool {
        (self.progress)(done, total);
        self.control.requested() == Command::Stop
    }
}

/// The device of the plan, with autodiff.
fn device(plan: &RunPlan) -> Result<Device, Failure> {
    super::take_part();
    Ok(nn::device(plan.config.run.device).map_err(failures::device)?.autodiff())
}

/// Steps on one batch after another, epoch after epoch, as a run would take them.
struct Course {
    stepper: Stepper,
    loader: Loader,
    batches: Batches,
    accumulate: usize,
    epoch: usize,
    step: usize,
}

impl Course {
    fn new(plan: &RunPlan, dataset: &Dataset, device: &Device) -> Result<Self, Failure> {
        let config = &plan.config;
        let loader = Loader::new(dataset, config.run.seed, config.train.batch_size, &config.data.augment);
        Ok(Self {
            stepper: Stepper::fresh(plan, dataset, device)?,
            batches: loader.epoch(0, 0),
            loader,
            accumulate: config.train.accumulate.max(1),
            epoch: 0,
            step: 0,
        })
    }

    fn step(&mut self, learning_rate: f64) -> Result<Strided, Stumble> {
        if self.batches.len() == 0 {
            self.epoch += 1;
            self.batches = self.loader.epoch(self.epoch, 0);
        }
        let batches = self.batches.by_ref().take(self.accumulate);
        let strided = self
            .stepper
            .step(batches, self.step, learning_rate, &mut Tally::default())?;
        self.step += 1;
        Ok(strided)
    }
}

/// As [`failures::stumble`], for probes at the plan's own learning rate.
fn stumble(plan: &RunPlan, step: usize, stumble: Stumble) -> Failure {
    failures::stumble(stumble, step, &plan.config.train)
}

#[cfg(test)]
mod tests;
