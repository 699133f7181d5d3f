//! The memory of a training step, predicted from the plan.

use super::parameters;
use crate::spec::{MemoryLedger, RunPlan};

/// Where the memory of a training run goes at its widest moment, in bytes.
pub fn memory(plan: &RunPlan) -> MemoryLedger {
    let weights = 4 * parameters(&plan.model);
    let batch = plan.config.train.batch_size.min(plan.dataset.split.train) as u64;
    let values: u64 = plan
        .model
        .shapes()
        .map_or(0, |shapes| shapes.iter().map(|shape| shape.len() as u64).sum());
    MemoryLedger {
        weights,
        gradients: weights,
        optimizer: weights * plan.config.train.optimizer_slots() as u64,
        activations: 4 * batch * values,
        workspace: 0,
        batch: 4 * batch * plan.model.input.len() as u64,
    }
}
