//! What a classical baseline will cost, from the rows and inputs that it is fitted to; exact but for the forest, whose trees grow
//! as the data want it.

use super::{model_bytes, multiply_adds, parameters};
use crate::spec::{Architecture, MemoryLedger, RunPlan};

/// A model before it is trained, of either kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Numbers that are learned, or kept.
    pub parameters: u64,
    /// For one sample; of trees and neighbours comparisons and distances.
    pub multiply_adds: u64,
    /// As exported in 32 bits, without the file around it.
    pub model_bytes: u64,
    /// The data decide, and this is what is usual.
    pub is_estimate: bool,
}

/// Of the plan's network or baseline.
pub fn cost(plan: &RunPlan) -> Cost {
    let (parameters, multiply_adds) = match plan.config.model.architecture {
        Architecture::Majority => (outputs(plan), 0),
        Architecture::Logistic | Architecture::Ridge => {
            let weights = inputs(plan) * outputs(plan);
            (weights + outputs(plan), weights)
        }
        Architecture::Knn => {
            let known = if plan.dataset.task.is_regression() {
                outputs(plan)
            } else {
                1
            };
            (rows(plan) * (inputs(plan) + known), rows(plan) * inputs(plan))
        }
        Architecture::Forest => {
            let trees = plan.config.model.trees as u64;
            let nodes = trees * nodes_of_a_tree(plan);
            (nodes * NODE + trees, trees * u64::from(nodes_of_a_tree(plan).ilog2()))
        }
        _ => {
            return Cost {
                parameters: parameters(&plan.model),
                multiply_adds: multiply_adds(&plan.model),
                model_bytes: model_bytes(&plan.model),
                is_estimate: false,
            };
        }
    };
    Cost {
        parameters,
        multiply_adds,
        model_bytes: 4 * parameters,
        is_estimate: plan.config.model.architecture == Architecture::Forest,
    }
}

/// Values of a node: the input, the threshold, and where it goes on.
const NODE: u64 = 3;
/// Bytes of a number in the sums of a fit.
const WIDE: u64 = 8;

/// The baseline, and what its fit holds beside it.
pub(super) fn memory(plan: &RunPlan) -> MemoryLedger {
    let weights = cost(plan).model_bytes;
    let workspace = match plan.config.model.architecture {
        // Ten steps and changes of the slope, the slope itself and its parts of sixteen blocks.
        Architecture::Logistic => weights / 4 * (26 * WIDE + 16 * 4),
        // The centred columns, and the products of all pairs.
        Architecture::Ridge => 4 * rows(plan) * inputs(plan) + WIDE * rows(plan).min(inputs(plan)).pow(2),
        // Rows and sorted keys of the trees that grow at the same time.
        Architecture::Forest => 2 * rows(plan) * (4 + WIDE) + weights,
        _ => 0,
    };
    MemoryLedger {
        weights,
        workspace,
        ..MemoryLedger::default()
    }
}

/// Leaves hold five rows of a regression at most; classes are told apart sooner.
fn nodes_of_a_tree(plan: &RunPlan) -> u64 {
    let share = if plan.dataset.task.is_regression() { 0.6 } else { 0.3 };
    ((rows(plan) as f64 * share) as u64).max(3)
}

fn rows(plan: &RunPlan) -> u64 {
    plan.dataset.split.train as u64
}

fn inputs(plan: &RunPlan) -> u64 {
    plan.dataset.input.len() as u64
}

fn outputs(plan: &RunPlan) -> u64 {
    plan.dataset.task.outputs() as u64
}
