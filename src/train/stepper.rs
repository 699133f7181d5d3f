//! One optimizer step: batches to gradients, averaged, clipped and applied. The loop of a run takes these steps, and so do the
//! probes that find out how a run would go.

use std::time::Instant;

use burn::tensor::Device;

use super::average::Average;
use super::objective::{Objective, Tally};
use super::optimizer::{Optimizer, clip_factor, global_norm};
use super::replicas::{self, Descent, Replicas};
use crate::data::{Batch, DataError, Dataset};
use crate::kernels::training::awake;
use crate::nn::{DropoutKey, Network};
use crate::spec::{Failure, RunPlan, ShapeError, StepTimes};

/// A network with all that moves it.
pub struct Stepper {
    pub network: Network,
    pub optimizer: Optimizer,
    pub objective: Objective,
    /// Evaluated and kept in place of the network's own weights.
    pub average: Option<Average>,
    /// For each parameter, 0 where it stays zero.
    pub mask: Option<Vec<Vec<f32>>>,
    replicas: Option<Replicas>,
    device: Device,
    seed: u64,
    clip: Option<f64>,
}

/// What a step was like.
#[derive(Debug, Clone, PartialEq)]
pub struct Strided {
    /// Mean loss of the batch, before the step.
    pub loss: f32,
    /// Global norm of the gradients before clipping.
    pub gradient_norm: f32,
    pub samples: usize,
    /// Of every parameter, before clipping.
    pub gradients: Vec<Vec<f32>>,
    /// Where the time of the step went.
    pub times: StepTimes,
}

/// Why a step could not be taken.
#[derive(Debug)]
pub enum Stumble {
    Data(DataError),
    /// The loss, or the gradient's norm, is no number any more.
    Diverged {
        what: &'static str,
        value: f64,
    },
}

impl Stepper {
    /// For `network`, which is on the autodiff device `device`.
    pub fn new(plan: &RunPlan, dataset: &Dataset, network: Network, device: &Device) -> Result<Self, Failure> {
        let train = &plan.config.train;
        let network = network.recomputing(train.recompute).keeping(train.precision);
        let replicas = match train.workers {
            0 | 1 => None,
            _ => Some(Replicas::new(&network, train, device)?),
        };
        Ok(Self {
            optimizer: Optimizer::new(train, &network.describe_parameters()),
            objective: Objective::new(train, dataset),
            average: train.average.map(|decay| Average::new(decay, &network)),
            mask: None,
            replicas,
            device: device.clone(),
            seed: plan.config.run.seed,
            clip: train.gradient_clip,
            network,
        })
    }

    /// With fresh weights of the plan's seed.
    pub fn fresh(plan: &RunPlan, dataset: &Dataset, device: &Device) -> Result<Self, Failure> {
        let network =
            first(plan, device).map_err(|error| Failure::new("model", error.to_string(), "change the layers"))?;
        Self::new(plan, dataset, network, device)
    }

    /// Changes the weights that the first step begins with.
    pub fn start_from(&mut self, change: impl FnMut(usize, &mut [f32])) {
        self.network.update(change);
        self.share();
    }

    /// Brings replicas and average to the network's present weights.
    fn share(&mut self) {
        let parameters = self.network.parameters();
        if let Some(replicas) = &mut self.replicas {
            for (index, values) in parameters.iter().enumerate() {
                replicas.note(index, values);
            }
            replicas.end_step(&mut self.network);
        }
        if let Some(average) = &mut self.average {
            average.parameters = parameters;
        }
    }

    /// The step `step`, counted from 0, on batches whose gradients are averaged by what each weighs. Adds to `tally`. Nothing has
    /// moved where it fails.
    pub fn step(
        &mut self,
        batches: impl Iterator<Item = Result<Batch, DataError>>,
        step: usize,
        learning_rate: f64,
        tally: &mut Tally,
    ) -> Result<Strided, Stumble> {
        let mut samples = 0;
        let mut total = 0.0;
        let mut sum: Option<Descent> = None;
        let mut times = StepTimes::default();
        let began = Instant::now();
        let mut asked = began;
        for batch in batches {
            let batch = batch.map_err(Stumble::Data)?;
            times.data_secs += asked.elapsed().as_secs_f64();
            let rows = batch.len();
            let mass = self.objective.mass(&batch);
            let key = DropoutKey {
                seed: self.seed,
                step,
                first_row: samples,
            };
            let descent = match &mut self.replicas {
                None => awake(|| replicas::descent(&self.network, batch, key, &self.objective, mass)),
                Some(replicas) => replicas.descent(&self.network, &batch, key, &self.objective, mass),
            };
            let descent = descent.map_err(|value| Stumble::Diverged {
                what: "the loss",
                value,
            })?;
            tally.add(&descent.tally);
            times.forward_secs += descent.forward_secs;
            times.backward_secs += descent.backward_secs;
            samples += rows;
            sum = Some(match sum {
                None => descent,
                Some(before) => mean(before, total, &descent, mass),
            });
            total += mass;
            asked = Instant::now();
        }
        let Some(Descent {
            loss, mut gradients, ..
        }) = sum
        else {
            return Ok(Strided {
                loss: 0.0,
                gradient_norm: 0.0,
                samples,
                gradients: Vec::new(),
                times,
            });
        };
        let descended = Instant::now();
        if let Some(mask) = &self.mask {
            for (gradient, mask) in gradients.iter_mut().zip(mask) {
                multiply(gradient, mask);
            }
        }
        let norm = global_norm(&gradients);
        if !(norm as f32).is_finite() {
            return Err(Stumble::Diverged {
                what: "the gradient's norm",
                value: norm,
            });
        }
        let scale = clip_factor(norm, self.clip);
        awake(|| self.apply(&gradients, step, learning_rate, scale));
        times.optimizer_secs = descended.elapsed().as_secs_f64();
        Ok(Strided {
            loss: loss as f32,
            gradient_norm: norm as f32,
            samples,
            gradients,
            times: times.within(began.elapsed().as_secs_f64()),
        })
    }

    fn apply(&mut self, gradients: &[Vec<f32>], step: usize, learning_rate: f64, scale: f64) {
        let rule = self.optimizer.rule(step, learning_rate, scale);
        let keep = self.average.as_ref().map(|average| average.keep(step));
        self.network.update(|index, parameter| {
            self.optimizer.update(&rule, index, parameter, &gradients[index]);
            if let Some(replicas) = &mut self.replicas {
                replicas.note(index, parameter);
            }
            if let Some((average, keep)) = self.average.as_mut().zip(keep) {
                average.take(keep, index, parameter);
            }
        });
        if let Some(replicas) = &mut self.replicas {
            replicas.end_step(&mut self.network);
        }
        if let Some((average, keep)) = self.average.as_mut().zip(keep) {
            average.take_statistics(keep, &self.network);
        }
    }

    /// The average as a network; none where none is kept.
    pub fn averaged(&self) -> Result<Option<Network>, Failure> {
        let averaged = self
            .average
            .as_ref()
            .map(|average| average.network(&self.network, &self.device));
        averaged
            .transpose()
            .map_err(|error| Failure::new("weights", error.to_string(), "start the run anew"))
    }
}

/// The plan's network with the weights of its seed.
pub fn first(plan: &RunPlan, device: &Device) -> Result<Network, ShapeError> {
    let config = &plan.config;
    Network::initialised(&plan.model, config.model.initialiser, config.run.seed, device)
}

/// The mean of two descents by what each weighs.
fn mean(mut before: Descent, mass: f64, newest: &Descent, more: f64) -> Descent {
    let total = mass + more;
    let (old, new) = if total > 0.0 {
        (mass / total, more / total)
    } else {
        (0.5, 0.5)
    };
    before.loss = before.loss * old + newest.loss * new;
    for (sums, gradient) in before.gradients.iter_mut().zip(&newest.gradients) {
        for (sum, value) in sums.iter_mut().zip(gradient) {
            *sum = (f64::from(*sum) * old + f64::from(*value) * new) as f32;
        }
    }
    before
}

pub fn multiply(values: &mut [f32], factors: &[f32]) {
    for (value, factor) in values.iter_mut().zip(factors) {
        *value *= factor;
    }
}
