//! Structured pruning: whole units are taken out of the description and the weights, so that what is left is an ordinary smaller
//! network, faster wherever it runs. Which dimensions go together is `spec`'s to know, how many units stay `cost`'s; here it
//! is decided which.

mod blocks;
mod judging;
mod latency;

pub use blocks::remove_blocks;
pub use latency::settled;

use crate::cost;
use crate::deploy::{DeployError, check_weights};
use crate::spec::{Cut, Failure, ModelSpec, PruneUnits, Weights};
use crate::train::Evidence;

use judging::Judge;

/// The network without the units that `step` asks to remove: the weakest of every group by its criterion.
///
/// With a unit go its bias, its place in the norms behind it, and all that reads from it: behind a flatten, a filter is the
/// `height x width` inputs that were its image; of a residual sum all members lose the same units, and a depth-wise
/// convolution those of its input; a recurrent unit goes from both directions, with all its gates; a head with its share of
/// the four projections. The output keeps its units, and every group at least one.
pub fn prune(model: &ModelSpec, weights: &Weights, step: &PruneUnits, evidence: &Evidence<'_>) -> Result<Cut, Failure> {
    let plan = cost::plan_units(model, step)
        .map_err(|error| Failure::new("units", error.to_string(), "choose another recipe"))?;
    cut(model, weights, &plan.widths, step, evidence)
}

/// The network with `widths` units in its groups, none of them more than there are.
pub fn cut(
    model: &ModelSpec,
    weights: &Weights,
    widths: &[usize],
    step: &PruneUnits,
    evidence: &Evidence<'_>,
) -> Result<Cut, Failure> {
    check_weights(model, weights).map_err(DeployError::into_failure)?;
    let coupling = model
        .coupling()
        .map_err(|error| DeployError::Shape(error).into_failure())?;
    let judge = Judge::new(model, weights, &coupling, step.criterion, evidence)?;
    let mut kept: Vec<Vec<usize>> = coupling.groups.iter().map(|group| (0..group.units).collect()).collect();
    for (group, &width) in widths.iter().enumerate() {
        if width < kept[group].len() {
            kept[group] = strongest(&judge.scores(group, &kept), width);
        }
    }
    Ok(Cut {
        model: model.with_widths(&coupling, widths),
        weights: coupling.cut(model, &kept, weights),
        coupling,
        kept,
    })
}

/// The `width` units of the highest scores, in ascending order; of equal ones the earlier unit is kept.
fn strongest(scores: &[f64], width: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order.truncate(width);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests;
