//! How many units must go for a network to take a share of its time: found by measurement.

use crate::compress::timing::Timed;
use crate::cost;
use crate::spec::{Failure, PruneUnits, RunPlan, UnitTarget, Weights};

/// Fractions that are told apart.
const PARTS: u32 = 32;

/// `step` with a fraction in place of a share of the time: the smallest, in thirty-seconds, whose network takes no more. The time
/// is that of the exported file in 32 bits at batch 64, on one thread, in rounds with the whole network's; which units go makes
/// no difference to it. Also says what was found, where something was measured.
pub fn settled(step: &PruneUnits, plan: &RunPlan, weights: &Weights) -> Result<(PruneUnits, Option<String>), Failure> {
    let UnitTarget::Latency(share) = step.target else {
        return Ok((step.clone(), None));
    };
    let of = |parts: u32| PruneUnits {
        target: UnitTarget::Fraction(f64::from(parts) / f64::from(PARTS)),
        ..step.clone()
    };
    let task = &plan.dataset.task;
    let whole = Timed::new(&plan.model, weights, task)?;
    let time = |parts: u32| -> Result<f64, Failure> {
        let smaller = cost::plan_units(&plan.model, &of(parts))
            .map_err(|error| Failure::new("units", error.to_string(), "choose another recipe"))?;
        let kept: Vec<Vec<usize>> = smaller.widths.iter().map(|&width| (0..width).collect()).collect();
        let left = smaller.coupling.cut(&plan.model, &kept, weights);
        Timed::new(&smaller.model, &left, task)?.share_of(&whole)
    };
    let (mut low, mut high) = (0, PARTS - 1);
    let mut taken = time(high)?;
    if taken > share {
        return Err(Failure::new(
            "units",
            format!(
                "the time can't be brought to {share} of what it was: {taken:.2} is left of it with {} of {PARTS} of the units removed",
                PARTS - 1
            ),
            "ask for less",
        ));
    }
    while high - low > 1 {
        let middle = u32::midpoint(low, high);
        let measured = time(middle)?;
        if measured <= share {
            (high, taken) = (middle, measured);
        } else {
            low = middle;
        }
    }
    let settled = of(high);
    let text = format!(
        "Without {:.3} of its units the network takes {taken:.2} of its time at batch 64",
        settled.target.share()
    );
    Ok((settled, Some(text)))
}
