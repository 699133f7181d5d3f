//! What data parallelism buys on this machine: samples a second with one worker and with more, in turn.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Course, Watch, device, stumble};
use crate::data::Dataset;
use crate::spec::{Failure, RunPlan, median};

/// Steps before the clock counts.
const WARM_UP: usize = 2;
const LEAST_ROUNDS: usize = 5;
const MOST_ROUNDS: usize = 40;

/// Speed with some number of workers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WorkerSpeed {
    pub workers: usize,
    /// Median over the rounds.
    pub samples_per_second: f64,
    /// Against one worker.
    pub speed_up: f64,
}

/// Times steps of the plan with each of `counts` workers in rounds that alternate between them, for about `patience`; none when it
/// was stopped. Speed-ups are against the first count.
pub fn workers(
    plan: &RunPlan,
    dataset: &Dataset,
    counts: &[usize],
    patience: Duration,
    watch: Watch<'_>,
) -> Result<Option<Vec<WorkerSpeed>>, Failure> {
    let device = device(plan)?;
    let course = |&workers: &usize| {
        let mut plan = plan.clone();
        plan.config.train.workers = workers;
        Course::new(&plan, dataset, &device)
    };
    let mut courses = counts.iter().map(course).collect::<Result<Vec<_>, _>>()?;
    let mut speeds: Vec<Vec<f64>> = vec![Vec::new(); counts.len()];
    let rate = plan.config.train.learning_rate.min(1e-4);
    let began = Instant::now();
    let total = WARM_UP + MOST_ROUNDS;
    for round in 0..total {
        let is_late = began.elapsed() > patience;
        if round >= WARM_UP + LEAST_ROUNDS && is_late {
            break;
        }
        if watch.stops(round, total) {
            return Ok(None);
        }
        for (course, speeds) in courses.iter_mut().zip(&mut speeds) {
            let begun = Instant::now();
            let strided = course.step(rate).map_err(|error| stumble(plan, round, error))?;
            if round >= WARM_UP {
                speeds.push(strided.samples as f64 / begun.elapsed().as_secs_f64().max(1e-9));
            }
        }
    }
    watch.stops(total, total);
    let medians: Vec<f64> = speeds.iter_mut().map(|speeds| median(speeds)).collect();
    let speed = |(&workers, &samples_per_second): (&usize, &f64)| WorkerSpeed {
        workers,
        samples_per_second,
        speed_up: samples_per_second / medians[0],
    };
    Ok(Some(counts.iter().zip(&medians).map(speed).collect()))
}
