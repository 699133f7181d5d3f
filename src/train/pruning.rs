//! Pruning while training goes on: when and what, is the pruner's to say; what it means for the optimizer's memory, the average
//! of the weights and the masks is done here, so that nothing brings back what is gone.

use std::fmt;

use burn::tensor::Device;

use super::average::Average;
use super::failures::unfit;
use super::stepper::{Stepper, multiply};
use crate::data::Dataset;
use crate::nn::{Network, WeightError};
use crate::spec::{Cut, Failure, ModelSpec, NamedTensor, RunPlan, Weights, median};

/// Prunes a network in training.
pub trait Pruner: fmt::Debug + Sync {
    /// Whether it does so before the step `step` (from 0) of `total`.
    fn is_due(&self, step: usize, total: usize) -> bool;

    /// The last step before which it does so.
    fn last(&self, total: usize) -> usize;

    /// What becomes of the network before `step`; nothing where it stays as it is. The same arguments give the same answer.
    fn prune(&self, step: usize, total: usize, model: &ModelSpec, weights: &Weights)
    -> Result<Option<Pruned>, Failure>;
}

/// What a pruner makes of a network.
#[derive(Debug, Clone, PartialEq)]
pub enum Pruned {
    /// What is 0 in these tensors of 0 and 1 is zero from now on.
    Masked(Weights),
    /// Units are gone for good.
    Smaller(Cut),
}

/// How long steps took before the first units were removed, and since the last were.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    before: Vec<f64>,
    after: Option<Vec<f64>>,
}

impl Pace {
    pub fn take(&mut self, secs: f64) {
        self.after.as_mut().unwrap_or(&mut self.before).push(secs);
    }

    /// Units were removed just now.
    pub fn cut(&mut self) {
        self.after = Some(Vec::new());
    }

    /// Median milliseconds of a step before and after; none where no units were removed, or too few steps were timed.
    pub fn change(&self) -> Option<[f64; 2]> {
        const FEWEST: usize = 5;
        let after = self.after.as_ref()?;
        if self.before.len().min(after.len()) < FEWEST {
            return None;
        }
        Some([&self.before, after].map(|secs| median(&mut secs.clone()) * 1e3))
    }
}

impl Stepper {
    /// Zeroes what `mask` has as 0, in the weights, the optimizer's memory and the average, and holds it there.
    pub fn hold(&mut self, mask: &Weights, device: &Device) -> Result<(), Failure> {
        let weights = self.network.to_weights();
        let mut held = in_order(self.network.model(), &completed(mask, &weights), device)?;
        for (new, old) in held.iter_mut().zip(self.mask.iter().flatten()) {
            multiply(new, old);
        }
        for slot in &mut self.optimizer.slots {
            for (values, held) in slot.iter_mut().zip(&held) {
                zero(values, held);
            }
        }
        let average = self.average.clone();
        self.start_from(|index, values| zero(values, &held[index]));
        self.average = average.map(|mut average| {
            for (values, held) in average.parameters.iter_mut().zip(&held) {
                zero(values, held);
            }
            average
        });
        self.mask = Some(held);
        Ok(())
    }

    /// Goes on with the smaller network of `cut`, which is that of `plan`, from the optimizer's memory and the average of what is
    /// left.
    pub fn shrink(&mut self, cut: &Cut, plan: &RunPlan, dataset: &Dataset, device: &Device) -> Result<(), Failure> {
        let before = self.network.model().clone();
        let network = Network::from_weights(&cut.model, &cut.weights, device).map_err(|error| unfit(&error))?;
        let mut smaller = Self::new(plan, dataset, network, device)?;
        let mut named =
            Network::from_weights(&before, &self.network.to_weights(), device).map_err(|error| unfit(&error))?;
        let mut of = |lists: &[Vec<f32>]| {
            named.update(|index, values| values.copy_from_slice(&lists[index]));
            in_order(&cut.model, &cut.apply(&before, &named.to_weights()), device)
        };
        for (slot, old) in smaller.optimizer.slots.iter_mut().zip(&self.optimizer.slots) {
            *slot = of(old)?;
        }
        smaller.objective = self.objective.clone();
        smaller.mask = self.mask.as_deref().map(&mut of).transpose()?;
        if let Some(averaged) = self.averaged()? {
            let weights = cut.apply(&before, &averaged.to_weights());
            let network = Network::from_weights(&cut.model, &weights, device).map_err(|error| unfit(&error))?;
            smaller.average = self
                .average
                .as_ref()
                .map(|average| Average::new(average.decay, &network));
        }
        *self = smaller;
        Ok(())
    }
}

/// Zero where `mask` is: no product, which would leave negative zeros, and those compress worse.
pub fn zero(values: &mut [f32], mask: &[f32]) {
    for (value, &keep) in values.iter_mut().zip(mask) {
        if keep == 0.0 {
            *value = 0.0;
        }
    }
}

/// Named tensors as lists in the order of the network's parameters.
pub fn in_order(model: &ModelSpec, named: &Weights, device: &Device) -> Result<Vec<Vec<f32>>, Failure> {
    let network = Network::from_weights(model, named, device);
    Ok(network.map_err(|error: WeightError| unfit(&error))?.parameters())
}

/// `mask` with ones for the tensors of `weights` that it leaves out.
pub fn completed(mask: &Weights, weights: &Weights) -> Weights {
    let tensors = weights.tensors.iter().map(|tensor| {
        mask.get(&tensor.name).cloned().unwrap_or_else(|| NamedTensor {
            data: vec![1.0; tensor.data.len()],
            ..tensor.clone()
        })
    });
    Weights {
        tensors: tensors.collect(),
    }
}
