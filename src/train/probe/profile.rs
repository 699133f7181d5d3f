//! Where the time of a training step goes, and which layers take it.

use std::time::Instant;

use serde::Serialize;

use super::{Course, Watch, device, stumble};
use crate::data::{DataError, Dataset};
use crate::nn::Network;
use crate::spec::{Failure, RunPlan, StepTimes, median};

/// Steps before the clock counts.
const WARM_UP: usize = 3;
/// Forward passes whose layers are timed.
const PASSES: usize = 15;

/// What steps of a plan take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    pub batch_size: usize,
    pub workers: usize,
    /// Timed steps.
    pub steps: usize,
    /// Mean over the timed steps, the sum of the parts.
    pub step_secs: f64,
    pub median_step_secs: f64,
    pub samples_per_second: f64,
    /// Mean over the timed steps.
    pub times: StepTimes,
    pub layers: Vec<LayerTime>,
}

/// A layer's part of the answers to one batch, without what training needs beside them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerTime {
    /// Place in the network.
    pub layer: usize,
    pub name: &'static str,
    /// Median over some forward passes.
    pub forward_secs: f64,
}

/// Times `steps` steps of the plan, then its layers one by one; none when it was stopped.
pub fn profile(plan: &RunPlan, dataset: &Dataset, steps: usize, watch: Watch<'_>) -> Result<Option<Profile>, Failure> {
    let device = device(plan)?;
    let mut course = Course::new(plan, dataset, &device)?;
    // Where the first steps of a high rate end is not asked.
    let rate = plan.config.train.learning_rate.min(1e-4);
    let steps = steps.max(1);
    let total = WARM_UP + steps;
    let mut sums = StepTimes::default();
    let (mut samples, mut each) = (0, Vec::with_capacity(steps));
    for step in 0..total {
        if watch.stops(step, total) {
            return Ok(None);
        }
        let began = Instant::now();
        let strided = course.step(rate).map_err(|error| stumble(plan, step, error))?;
        let (times, taken) = (strided.times, strided.samples);
        drop(strided);
        let secs = began.elapsed().as_secs_f64();
        if step >= WARM_UP {
            sums = sums.plus(times.within(secs));
            each.push(secs);
            samples += taken;
        }
    }
    watch.stops(total, total);
    let times = StepTimes::from_parts(sums.parts().map(|secs| secs / steps as f64));
    let batch = course
        .loader
        .epoch(0, 0)
        .next()
        .transpose()
        .map_err(DataError::into_failure)?;
    let layers = batch.map_or_else(Vec::new, |batch| {
        layers(&course.stepper.network, &batch.inputs, batch.len())
    });
    Ok(Some(Profile {
        batch_size: plan.config.train.batch_size,
        workers: plan.config.train.workers.max(1),
        steps,
        step_secs: times.total_secs(),
        median_step_secs: median(&mut each),
        samples_per_second: samples as f64 / sums.total_secs().max(1e-9),
        times,
        layers,
    }))
}

fn layers(network: &Network, inputs: &[f32], rows: usize) -> Vec<LayerTime> {
    let layers = &network.model().layers;
    let mut each = vec![Vec::with_capacity(PASSES); layers.len()];
    for _ in 0..PASSES {
        let inputs = inputs.to_vec();
        let mut began = Instant::now();
        network.watched(inputs, rows, |layer| {
            each[layer].push(began.elapsed().as_secs_f64());
            began = Instant::now();
        });
    }
    layers
        .iter()
        .zip(&mut each)
        .enumerate()
        .map(|(layer, (spec, secs))| LayerTime {
            layer,
            name: spec.name(),
            forward_secs: median(secs),
        })
        .collect()
}
