//! How many units of each group stay: by arithmetic alone, so that what a recipe will leave is known before anything is removed.

use super::{model_bytes, multiply_adds};
use crate::spec::units::significant;
use crate::spec::{Coupling, LayerSpec, ModelSpec, PruneUnits, ShapeError, UnitKind, UnitTarget};

/// The network that is left when units are removed: their number in each group of the network's coupling.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitPlan {
    pub coupling: Coupling,
    /// Units that stay in each group.
    pub widths: Vec<usize>,
    pub model: ModelSpec,
}

/// Why the units of a network can't be removed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("{0}")]
    Shape(#[from] ShapeError),
    #[error("no layer has units that can be removed; {0}")]
    Nothing(&'static str),
    #[error(
        "{what} can't be brought to {asked} of what they were: {least} is left where every layer keeps a single unit"
    )]
    Unreachable {
        what: &'static str,
        asked: String,
        least: String,
    },
}

/// Units or filters that stay of `units` when `fraction` of them is removed: at least one.
pub fn kept_units(units: usize, fraction: f64) -> usize {
    let removed = (units as f64 * fraction).round() as usize;
    units - removed.min(units.saturating_sub(1))
}

/// What `step` leaves of `model`: the same fraction of every group that is free, as `step` asks for it, or the smallest with
/// which multiply-adds or bytes come down to the target. Widths are brought to the nearest multiple that `step` asks for,
/// except those of attention heads and of groups that are no wider than one multiple.
///
/// How long a network takes is measured, and not known here: for that target all stays.
///
/// A residual sum that projects must go on to do so: where both its sides would come to one shape, one of them keeps more.
pub fn plan_units(model: &ModelSpec, step: &PruneUnits) -> Result<UnitPlan, UnitError> {
    let coupling = model.coupling()?;
    let is_free = |group: usize| {
        let group = &coupling.groups[group];
        group.fixed.is_none() && !group.layers.iter().any(|layer| step.protect.contains(layer))
    };
    let free: Vec<bool> = (0..coupling.groups.len()).map(is_free).collect();
    if !free.contains(&true) {
        return Err(UnitError::Nothing(if step.protect.is_empty() {
            "use weights, fp16 or int8-static"
        } else {
            "protect fewer layers"
        }));
    }
    let at = |fraction: f64| {
        let mut widths = widths(&coupling, &free, fraction, step.multiple);
        keep_projections(model, &coupling, &free, step.multiple, &mut widths);
        let model = model.with_widths(&coupling, &widths);
        (widths, model)
    };
    let (widths, left) = match step.target {
        UnitTarget::Fraction(fraction) => at(fraction),
        UnitTarget::MultiplyAdds(share) => reach(&at, model, multiply_adds, "multiply-adds", share)?,
        UnitTarget::Size(share) => reach(&at, model, model_bytes, "bytes", share)?,
        UnitTarget::Latency(_) => at(0.0),
    };
    Ok(UnitPlan {
        coupling,
        widths,
        model: left,
    })
}

impl UnitPlan {
    /// The widths of `model`, an earlier stage on the way to `whole`, at this stage: never wider than `model` is nor narrower than
    /// `whole` will be. None where nothing changes, or where it can't be done without taking away a sum's projection.
    pub fn on_the_way(&self, model: &ModelSpec, whole: &Self) -> Option<Vec<usize>> {
        let coupling = model.coupling().ok()?;
        let now = coupling.widths();
        let planned = self.widths.iter().zip(&whole.widths).zip(&now);
        let widths: Vec<usize> = planned.map(|((part, end), now)| (*part).max(*end).min(*now)).collect();
        let projections = |model: &ModelSpec| -> Vec<bool> {
            let walk = model.walk().unwrap_or_default();
            walk.iter().map(|placed| placed.projection().is_some()).collect()
        };
        let smaller = model.with_widths(&coupling, &widths);
        (widths != now && projections(&smaller) == projections(model)).then_some(widths)
    }
}

/// The smallest fraction, to a thousandth, with which `cost` comes down to `share` of what it is.
fn reach(
    at: &dyn Fn(f64) -> (Vec<usize>, ModelSpec),
    model: &ModelSpec,
    cost: fn(&ModelSpec) -> u64,
    what: &'static str,
    share: f64,
) -> Result<(Vec<usize>, ModelSpec), UnitError> {
    let whole = cost(model).max(1) as f64;
    let share_at = |thousandths: u32| cost(&at(f64::from(thousandths) / 1000.0).1) as f64 / whole;
    let (mut low, mut high) = (0, 1000);
    let least = share_at(high);
    if least > share {
        return Err(UnitError::Unreachable {
            what,
            asked: share.to_string(),
            least: significant(least),
        });
    }
    while high - low > 1 {
        let middle = u32::midpoint(low, high);
        if share_at(middle) <= share {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(at(f64::from(high) / 1000.0))
}

fn widths(coupling: &Coupling, free: &[bool], fraction: f64, multiple: usize) -> Vec<usize> {
    let groups = coupling.groups.iter().zip(free);
    groups
        .map(|(group, is_free)| {
            if !is_free {
                return group.units;
            }
            let kept = kept_units(group.units, fraction);
            if group.kind == UnitKind::Heads || group.units <= multiple {
                return kept;
            }
            let rounded = (kept + multiple / 2) / multiple * multiple;
            rounded.max(multiple).min(group.units)
        })
        .collect()
}

/// Widens groups until every residual sum projects exactly where it did.
fn keep_projections(model: &ModelSpec, coupling: &Coupling, free: &[bool], multiple: usize, widths: &mut [usize]) {
    let Ok(before) = model.walk() else {
        return;
    };
    let projects = |placed: &crate::spec::Placed| placed.projection().is_some();
    // Each turn widens a group, so the turns are fewer than the units.
    loop {
        let Ok(after) = model.with_widths(coupling, widths).walk() else {
            return;
        };
        let mut pairs = before.iter().zip(&after);
        let Some((lost, _)) = pairs.find(|(before, after)| projects(before) && !projects(after)) else {
            return;
        };
        let mut sides = coupling
            .axes
            .iter()
            .filter(|axis| axis.layer == lost.index && axis.part == "weight");
        let wider = sides.find_map(|axis| {
            let mut units = axis.owners.iter().flatten();
            let group =
                units.find(|unit| free[unit.group] && widths[unit.group] < coupling.groups[unit.group].units)?;
            Some(group.group)
        });
        let Some(group) = wider else {
            return;
        };
        widths[group] = (widths[group] + multiple).min(coupling.groups[group].units);
    }
}

/// The residual blocks that can be taken out whole: from a branch to its sum, both included, where the sum adds what was
/// remembered as it was. Blocks within blocks are not among them.
pub fn removable_blocks(model: &ModelSpec) -> Vec<std::ops::RangeInclusive<usize>> {
    let mut blocks = Vec::new();
    let mut open = Vec::new();
    for placed in model.walk().unwrap_or_default() {
        match placed.layer {
            LayerSpec::Branch => open.push(placed.index),
            LayerSpec::Sum => {
                if let Some(start) = open.pop()
                    && placed.projection().is_none()
                {
                    blocks.retain(|block: &std::ops::RangeInclusive<usize>| *block.start() < start);
                    blocks.push(start..=placed.index);
                }
            }
            _ => {}
        }
    }
    blocks
}

/// Blocks that `fraction` of so many comes to: at least one where there is one.
pub fn removed_blocks(blocks: usize, fraction: f64) -> usize {
    ((blocks as f64 * fraction).round() as usize).clamp(blocks.min(1), blocks)
}

/// The network without these layers.
#[must_use]
pub fn without_layers(model: &ModelSpec, removed: &[std::ops::RangeInclusive<usize>]) -> ModelSpec {
    let stays = |index: &usize| !removed.iter().any(|range| range.contains(index));
    ModelSpec {
        input: model.input,
        layers: (0..model.layers.len())
            .filter(stays)
            .map(|index| model.layers[index])
            .collect(),
    }
}
