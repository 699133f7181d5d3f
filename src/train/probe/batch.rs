//! How large a batch may be, and what it buys: peak memory and throughput of a few real steps at each size.

use std::time::Instant;

use serde::Serialize;

use super::{Course, Watch, device, stumble};
use crate::cost;
use crate::data::Dataset;
use crate::meter::alloc::Growth;
use crate::meter::process::machine_bytes;
use crate::spec::{Failure, RunPlan, median};

/// Steps before the clock counts.
const WARM_UP: usize = 2;
/// Timed steps and seconds, of which the first that is reached ends a measurement, after at least as many steps.
const MOST_STEPS: usize = 20;
const LEAST_STEPS: usize = 3;
const MOST_SECS: f64 = 0.5;
/// The largest batch is found to within this part of itself.
const FINENESS: usize = 16;
const SMALLEST_LISTED: usize = 8;
const LARGEST_LISTED: usize = 4096;

/// What steps of one batch size take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BatchMeasure {
    pub batch_size: usize,
    /// Median over the timed steps.
    pub samples_per_second: f64,
    /// Most heap in use at once, above what was in use before the network was built.
    pub peak_bytes: u64,
}

/// The largest batch whose steps stay within a budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LargestBatch {
    pub budget_bytes: u64,
    /// None where not even one sample fits.
    pub found: Option<BatchMeasure>,
    /// Whether all training rows fit into one batch, so that the budget is not what ends the search.
    pub is_all_rows: bool,
    /// Every size that was measured, in order of size.
    pub measured: Vec<BatchMeasure>,
}

/// Measures the plan with batches of `batch_size`.
fn measure(plan: &RunPlan, dataset: &Dataset, batch_size: usize, is_timed: bool) -> Result<BatchMeasure, Failure> {
    let mut plan = plan.clone();
    plan.config.train.batch_size = batch_size;
    let device = device(&plan)?;
    let heap = Growth::begin();
    let mut course = Course::new(&plan, dataset, &device)?;
    let rate = plan.config.train.learning_rate;
    // Where the first steps of a high rate end is not asked.
    let rate = rate.min(1e-4);
    let mut rates = Vec::new();
    let began = Instant::now();
    let steps = if is_timed { MOST_STEPS } else { 1 };
    for step in 0..WARM_UP + steps {
        if step >= WARM_UP + LEAST_STEPS && began.elapsed().as_secs_f64() > MOST_SECS {
            break;
        }
        let begun = Instant::now();
        let strided = course.step(rate).map_err(|error| stumble(&plan, step, error))?;
        // The last batch of an epoch is a smaller one.
        if step >= WARM_UP {
            rates.push(strided.samples as f64 / begun.elapsed().as_secs_f64().max(1e-9));
        }
    }
    Ok(BatchMeasure {
        batch_size,
        samples_per_second: median(&mut rates),
        peak_bytes: heap.live_and_peak().1,
    })
}

/// Whether the steps would fit into this machine, by the prediction; what would not is not tried.
fn fits_machine(plan: &RunPlan, batch_size: usize) -> bool {
    let mut plan = plan.clone();
    plan.config.train.batch_size = batch_size;
    machine_bytes().is_none_or(|bytes| cost::memory(&plan).total() < bytes / 2)
}

/// Throughput and peak memory of batches of 8, 16, 32 and so on, up to all training rows; none when it was stopped.
pub fn throughput(plan: &RunPlan, dataset: &Dataset, watch: Watch<'_>) -> Result<Option<Vec<BatchMeasure>>, Failure> {
    let rows = dataset.train.len().max(1);
    let doubled = std::iter::successors(Some(SMALLEST_LISTED), |size| Some(2 * size));
    let sizes: Vec<usize> = doubled
        .take_while(|&size| size <= LARGEST_LISTED.min(rows) && fits_machine(plan, size))
        .collect();
    let sizes = if sizes.is_empty() {
        vec![rows.min(SMALLEST_LISTED)]
    } else {
        sizes
    };
    let mut measured = Vec::with_capacity(sizes.len());
    for (place, &size) in sizes.iter().enumerate() {
        if watch.stops(place, sizes.len()) {
            return Ok(None);
        }
        measured.push(measure(plan, dataset, size, true)?);
    }
    watch.stops(sizes.len(), sizes.len());
    Ok(Some(measured))
}

/// The largest batch whose steps take at most `budget_bytes`, by doubling and then halving the interval; none when it was stopped.
pub fn find_batch(
    plan: &RunPlan,
    dataset: &Dataset,
    budget_bytes: u64,
    watch: Watch<'_>,
) -> Result<Option<LargestBatch>, Failure> {
    let rows = dataset.train.len().max(1);
    let doublings = rows.ilog2() as usize + 1;
    // Halving takes as many measurements as `FINENESS` has binary digits.
    let total = doublings + FINENESS.ilog2() as usize;
    let mut measured: Vec<BatchMeasure> = Vec::new();
    let mut attempt = |size: usize| -> Result<Option<bool>, Failure> {
        if watch.stops(measured.len(), total) {
            return Ok(None);
        }
        if !fits_machine(plan, size) {
            return Ok(Some(false));
        }
        let found = measure(plan, dataset, size, false)?;
        measured.push(found);
        Ok(Some(found.peak_bytes <= budget_bytes))
    };
    let (mut fitting, mut excessive) = (0, None);
    let mut size = 1;
    while excessive.is_none() && fitting < rows {
        match attempt(size)? {
            None => return Ok(None),
            Some(true) => fitting = size,
            Some(false) => excessive = Some(size),
        }
        size = (2 * size).min(rows);
    }
    while let Some(above) = excessive.filter(|above| above - fitting > (fitting / FINENESS).max(1)) {
        let middle = fitting.midpoint(above);
        match attempt(middle)? {
            None => return Ok(None),
            Some(true) => fitting = middle,
            Some(false) => excessive = Some(middle),
        }
    }
    watch.stops(total, total);
    measured.sort_by_key(|measure| measure.batch_size);
    let found = measured.iter().find(|measure| measure.batch_size == fitting).copied();
    Ok(Some(LargestBatch {
        budget_bytes,
        found,
        is_all_rows: fitting == rows,
        measured,
    }))
}
