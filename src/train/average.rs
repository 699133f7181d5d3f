//! The exponential moving average of the weights: smoother than the last of them, and often better (Polyak and Juditsky 1992).

use crate::nn::{Network, WeightError};
use burn::tensor::Device;

/// `average = d average + (1 - d) weights` after every step, with `d = min(decay, (1 + t) / (10 + t))` after `t` steps, so that
/// the first weights are soon forgotten. The running statistics of batch norms are averaged alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Average {
    pub decay: f64,
    /// One list a parameter.
    pub parameters: Vec<Vec<f32>>,
    /// One list a running statistic.
    pub statistics: Vec<Vec<f32>>,
}

impl Average {
    /// Begins with the weights as they are.
    pub fn new(decay: f64, network: &Network) -> Self {
        Self {
            decay,
            parameters: network.parameters(),
            statistics: network.statistics(),
        }
    }

    /// The share of what was before, after the step `step`, counted from 0.
    pub fn keep(&self, step: usize) -> f32 {
        let step = step as f64;
        self.decay.min((1.0 + step) / (10.0 + step)) as f32
    }

    /// Takes in the new values of the parameter at `index`.
    pub fn take(&mut self, keep: f32, index: usize, values: &[f32]) {
        blend(&mut self.parameters[index], values, keep);
    }

    /// Takes in the running statistics after a step.
    pub fn take_statistics(&mut self, keep: f32, network: &Network) {
        if self.statistics.is_empty() {
            return;
        }
        for (average, values) in self.statistics.iter_mut().zip(network.statistics()) {
            blend(average, &values, keep);
        }
    }

    /// A network with these weights in place of those of `network`, on an autodiff device.
    pub fn network(&self, network: &Network, device: &Device) -> Result<Network, WeightError> {
        let mut averaged = Network::from_weights(network.model(), &network.to_weights(), device)?;
        averaged.update(|index, values| values.copy_from_slice(&self.parameters[index]));
        averaged.set_statistics(&self.statistics);
        Ok(averaged)
    }
}

fn blend(average: &mut [f32], values: &[f32], keep: f32) {
    for (average, value) in average.iter_mut().zip(values) {
        *average = keep * *average + (1.0 - keep) * value;
    }
}
