//! The accuracy of an exported file: its bytes run over the samples in our runtime.

use crate::data::{Samples, Targets};
use crate::runtime::Model;
use crate::spec::{Metrics, TargetTransform};

use super::DeployError;

/// What a file makes of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    pub metrics: Metrics,
    /// Logits, or standardised predictions: `rows x outputs`, row-major.
    pub outputs: Vec<f32>,
}

/// Runs the file `bytes` over `samples`; `target` gives a regression's unit.
pub fn score(bytes: &[u8], samples: &Samples, target: &TargetTransform) -> Result<Scores, DeployError> {
    let model = Model::from_onnx(bytes)?;
    let outputs = run(&model, &samples.inputs, samples.shape.len())?;
    let metrics = metrics(&outputs, &samples.targets, target);
    Ok(Scores { metrics, outputs })
}

/// Scores of `outputs` against `targets`.
pub(super) fn metrics(outputs: &[f32], targets: &Targets, transform: &TargetTransform) -> Metrics {
    match (targets, transform) {
        (Targets::Classes(classes), _) => Metrics::classification(outputs, classes),
        (Targets::Values(values), TargetTransform::Values { deviation, .. }) => {
            Metrics::regression(outputs, values, *deviation)
        }
        (Targets::Values(values), TargetTransform::Classes { .. }) => Metrics::regression(outputs, values, 1.0),
    }
}

/// All outputs for `inputs`, samples of `width` values row by row.
pub(super) fn run(model: &Model, inputs: &[f32], width: usize) -> Result<Vec<f32>, DeployError> {
    const BATCH: usize = 64;
    let width = width.max(1);
    let mut session = model.session(BATCH)?;
    let mut outputs = Vec::new();
    for batch in inputs.chunks(BATCH * width) {
        outputs.extend_from_slice(session.run(batch, batch.len() / width)?);
    }
    Ok(outputs)
}
