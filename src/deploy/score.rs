//! What an exported file says: its bytes loaded in our runtime, run over samples, scored and timed.

use std::hint::black_box;
use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use crate::data::{Samples, Targets};
use crate::meter::timing;
use crate::runtime::Model;
use crate::spec::{Metrics, TargetTransform};

use super::{Answering, DeployError};

/// Samples that are run together.
pub(super) const BATCH: usize = 64;
/// Batches that are worth a thread of their own.
const LEAST_BATCHES: usize = 4;

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

    /// Logits, or standardised predictions, for samples that stand row by row in `inputs`. Many are shared out among the cores, in the
    /// batches that one core would take, so that the answers are the same.
    pub fn outputs(&self, inputs: &[f32]) -> Result<Vec<f32>, DeployError> {
        let batches: Vec<&[f32]> = inputs.chunks(BATCH * self.inputs().max(1)).collect();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(batches.len() / LEAST_BATCHES).max(1);
        if threads == 1 {
            return self.answers(&batches);
        }
        let shares = batches.chunks(batches.len().div_ceil(threads));
        thread::scope(|scope| {
            let workers: Vec<_> = shares.map(|share| scope.spawn(|| self.answers(share))).collect();
            let mut outputs = Vec::new();
            for worker in workers {
                outputs.extend(worker.join().unwrap_or_else(|panic| resume_unwind(panic))?);
            }
            Ok(outputs)
        })
    }

    /// The answers to these batches, one after another.
    fn answers(&self, batches: &[&[f32]]) -> Result<Vec<f32>, DeployError> {
        let width = self.inputs().max(1);
        let mut session = self.0.session(BATCH)?;
        let mut outputs = Vec::new();
        for batch in batches {
            outputs.extend_from_slice(session.run(batch, batch.len() / width)?);
        }
        Ok(outputs)
    }

    /// As [`outputs`](Self::outputs) of all samples, of which no more than some are read at once.
    pub fn sample_outputs(&self, samples: &Samples) -> Result<Vec<f32>, DeployError> {
        /// Most batches that are read at once, and most values unless one batch has more.
        const BATCHES: usize = 64;
        const VALUES: usize = 1 << 24;
        let width = samples.shape.len().max(1);
        let batches = (VALUES / (BATCH * width)).clamp(1, BATCHES);
        let mut outputs = Vec::new();
        for inputs in samples.inputs.chunks(batches * BATCH * width) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::fixtures::random_weights;
    use crate::deploy::{Form, to_onnx};
    use crate::spec::{LayerSpec, ModelSpec, Shape, Task};

    #[test]
    fn many_samples_have_the_answers_that_each_batch_has_alone() {
        let model = ModelSpec {
            input: Shape::Features { features: 7 },
            layers: vec![LayerSpec::Dense { units: 9 }, LayerSpec::Dense { units: 3 }],
        };
        let task = Task::Classification {
            classes: (0..3).map(|class| class.to_string()).collect(),
        };
        let weights = random_weights(&model, 2);
        for form in [Form::Fp32, Form::Int8Dynamic { protected: Vec::new() }] {
            let bytes = to_onnx(&model, &weights, &task, &form).unwrap();
            let exported = Exported::load(&bytes).unwrap();
            for rows in [0, 1, 64, 65, 64 * 9 + 5, 64 * 40] {
                let inputs: Vec<f32> = (0..rows * 7).map(|place| (place as f32 * 0.31).sin()).collect();
                let all = exported.outputs(&inputs).unwrap();
                let alone = inputs
                    .chunks(BATCH * 7)
                    .map(|batch| exported.answers(&[batch]).unwrap());
                assert_eq!(all, alone.collect::<Vec<_>>().concat(), "{rows} rows");
            }
        }
    }
}
