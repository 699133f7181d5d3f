//! What an exported file says: its bytes loaded in our runtime, run over samples, scored and timed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::data::{Samples, Targets};
use crate::meter::timing;
use crate::runtime::Model;
use crate::spec::{Metrics, TargetTransform};

use super::{Answering, DeployError};

/// What a file makes of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    pub metrics: Metrics,
    /// Logits, or standardised predictions: `rows x outputs`, row-major.
    pub outputs: Vec<f32>,
}

/// An exported file, ready to answer.
pub struct Exported(Box<dyn Answering>);

impl Exported {
    /// A network from its ONNX file.
    pub fn load(bytes: &[u8]) -> Result<Self, DeployError> {
        Ok(Self::of(Model::from_onnx(bytes)?))
    }

    /// Anything else that was read from a file's bytes.
    pub fn of(model: impl Answering + 'static) -> Self {
        Self(Box::new(model))
    }

    pub fn model(&self) -> &dyn Answering {
        &*self.0
    }

    /// Number of values that one sample has.
    pub fn inputs(&self) -> usize {
        self.0.dimensions().iter().product()
    }

    /// Logits, or standardised predictions, for samples that stand row by row in `inputs`.
    pub fn outputs(&self, inputs: &[f32]) -> Result<Vec<f32>, DeployError> {
        const BATCH: usize = 64;
        let width = self.inputs().max(1);
        let mut session = self.0.session(BATCH)?;
        let mut outputs = Vec::new();
        for batch in inputs.chunks(BATCH * width) {
            outputs.extend_from_slice(session.run(batch, batch.len() / width)?);
        }
        Ok(outputs)
    }

    /// As [`outputs`](Self::outputs) of all samples, of which no more than some are read at once.
    pub fn sample_outputs(&self, samples: &Samples) -> Result<Vec<f32>, DeployError> {
        const ROWS: usize = 4096;
        let mut outputs = Vec::new();
        for inputs in samples.inputs.chunks(ROWS * samples.shape.len()) {
            outputs.extend(self.outputs(&inputs?)?);
        }
        Ok(outputs)
    }

    /// Outputs for `samples`, and their scores; `target` gives a regression's unit.
    pub fn score(&self, samples: &Samples, target: &TargetTransform) -> Result<Scores, DeployError> {
        let outputs = self.sample_outputs(samples)?;
        let metrics = metrics(&outputs, &samples.targets, target);
        Ok(Scores { metrics, outputs })
    }

    /// Median time of a few calls with this one sample, on one thread, in microseconds.
    pub fn time(&self, sample: &[f32]) -> Result<f64, DeployError> {
        const WARM_UPS: usize = 3;
        const CALLS: usize = 15;
        const LONGEST: Duration = Duration::from_millis(30);
        let mut session = self.0.session(1)?;
        let began = Instant::now();
        let mut times = Vec::with_capacity(CALLS);
        for call in 0..WARM_UPS + CALLS {
            let start = Instant::now();
            black_box(session.run(black_box(sample), 1)?);
            if call >= WARM_UPS || began.elapsed() >= LONGEST {
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
            if began.elapsed() >= LONGEST {
                break;
            }
        }
        Ok(timing::summarise(times).median)
    }
}

/// Runs the file `bytes` over `samples`; `target` gives a regression's unit.
pub fn score(bytes: &[u8], samples: &Samples, target: &TargetTransform) -> Result<Scores, DeployError> {
    Exported::load(bytes)?.score(samples, target)
}

/// Scores of `outputs` against `targets`.
pub(super) fn metrics(outputs: &[f32], targets: &Targets, transform: &TargetTransform) -> Metrics {
    match (targets, transform) {
        (Targets::Classes(classes), _) => Metrics::classification(outputs, classes),
        (Targets::Values { values, .. }, transform) => Metrics::regression(outputs, values, &transform.deviations()),
    }
}
