//! Scores of a network on a part of the data, the same on every call.

use burn::module::Module;

use crate::data::{Samples, Targets};
use crate::nn::Network;
use crate::spec::{Metrics, TargetTransform};

/// Metrics of `network` on `samples`, computed `batch` samples at a time; `target` gives a regression's unit.
pub fn evaluate(network: &Network, samples: &Samples, target: &TargetTransform, batch: usize) -> Metrics {
    metrics(&outputs(network, &samples.inputs, batch), &samples.targets, target)
}

/// Metrics of a network's `outputs` against `targets`.
pub fn metrics(outputs: &[f32], targets: &Targets, target: &TargetTransform) -> Metrics {
    match targets {
        Targets::Classes(classes) => Metrics::classification(outputs, classes),
        Targets::Values { values, .. } => Metrics::regression(outputs, values, &target.deviations()),
    }
}

/// The network's output for every sample of `inputs`, row by row: logits, or standardised predictions.
pub fn outputs(network: &Network, inputs: &[f32], batch: usize) -> Vec<f32> {
    let network = network.valid();
    let width = network.model().input.len().max(1);
    let values = network.model().outputs().unwrap_or(0);
    let mut outputs = Vec::with_capacity(inputs.len() / width * values);
    for inputs in inputs.chunks(batch.max(1) * width) {
        outputs.extend(network.predict(inputs.to_vec(), inputs.len() / width));
    }
    outputs
}
