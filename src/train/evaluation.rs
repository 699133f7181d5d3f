//! Scores of a network on a part of the data, the same on every call.

use burn::module::Module;

use crate::data::{DataError, Samples, Targets};
use crate::nn::Network;
use crate::spec::{Metrics, TargetTransform};

/// Metrics of `network` on `samples`, computed `batch` samples at a time; `target` gives a regression's unit.
pub fn evaluate(
    network: &Network,
    samples: &Samples,
    target: &TargetTransform,
    batch: usize,
) -> Result<Metrics, DataError> {
    let outputs = sample_outputs(network, samples, batch)?;
    Ok(metrics(&outputs, &samples.targets, target))
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

/// As [`outputs`] of all samples, of which no more than a batch is read at once.
pub fn sample_outputs(network: &Network, samples: &Samples, batch: usize) -> Result<Vec<f32>, DataError> {
    let network = network.valid();
    let width = samples.shape.len().max(1);
    let mut outputs = Vec::with_capacity(samples.len() * network.model().outputs().unwrap_or(0));
    for inputs in samples.inputs.chunks(batch.max(1) * width) {
        let inputs = inputs?.into_owned();
        let rows = inputs.len() / width;
        outputs.extend(network.predict(inputs, rows));
    }
    Ok(outputs)
}
