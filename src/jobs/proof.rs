//! From weights to a file that proves itself, kept with its run.

use super::StoreSink;
use crate::data::{DataError, Dataset, Samples};
use crate::deploy::{self, Agreement, DeployError, Form};
use crate::nn::{self, Network};
use crate::spec::{ArtifactKind, EventSink, Failure, Metrics, Preprocessing, RunPlan, Weights};
use crate::train;

/// A network in the form in which it is given away.
pub(super) struct Subject<'a> {
    pub plan: &'a RunPlan,
    pub weights: &'a Weights,
    pub form: &'a Form,
    pub dataset: &'a Dataset,
}

/// Scores of the exported bytes.
pub(super) struct Proved {
    pub train: Metrics,
    pub validation: Metrics,
    pub test: Metrics,
}

impl Subject<'_> {
    /// Exports the network, has the bytes judged by the second engine on the whole test split, and keeps them beside the
    /// weights; nothing is kept of a file that the engines disagree on.
    pub fn prove(&self, sink: &StoreSink<'_>) -> Result<Proved, Failure> {
        let Dataset {
            train,
            validation,
            test,
            preprocessing,
            ..
        } = self.dataset;
        let bytes = deploy::to_onnx(&self.plan.model, self.weights, &self.plan.dataset.task, self.form)
            .map_err(DeployError::into_failure)?;
        let score = |samples: &Samples| {
            deploy::score(&bytes, samples, &preprocessing.target).map_err(DeployError::into_failure)
        };
        let scores = score(test)?;
        deploy::referee(&bytes, self.form, test.shape, &test.inputs, &scores.outputs)
            .map_err(DeployError::into_failure)?;
        if matches!(self.form, Form::Fp32) {
            self.require_same_outputs(&scores.outputs)?;
        }
        let proved = Proved {
            train: score(train)?.metrics,
            validation: score(validation)?.metrics,
            test: scores.metrics,
        };
        let weights = train::weights_to_bytes(self.weights)
            .map_err(|error| Failure::new("weights", error.to_string(), "train the run again"))?;
        sink.save(ArtifactKind::Weights, &weights)?;
        sink.save(ArtifactKind::Onnx, &bytes)?;
        keep_preprocessing(preprocessing, sink)?;
        Ok(proved)
    }

    /// Fails where the exported file does not compute what the network in training computes.
    fn require_same_outputs(&self, exported: &[f32]) -> Result<(), Failure> {
        const BATCH: usize = 256;
        let broken = |problem: String| Failure::new("network", problem, "train the run again");
        let device = nn::device(self.plan.config.run.device).map_err(|error| broken(error.to_string()))?;
        let network = Network::from_weights(&self.plan.model, self.weights, &device)
            .map_err(|error| broken(error.to_string()))?;
        let trained = train::sample_outputs(&network, &self.dataset.test, BATCH).map_err(DataError::into_failure)?;
        Agreement::between(&trained, exported, self.plan.dataset.task.outputs())
            .require_float(&trained, "the network in training and the exported file")
            .map_err(DeployError::into_failure)?;
        Ok(())
    }
}

/// Keeps what goes out with a run's file, so that it can be given away when the data have gone.
pub(super) fn keep_preprocessing(preprocessing: &Preprocessing, sink: &dyn EventSink) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(preprocessing)
        .map_err(|error| Failure::new("preprocessing", error.to_string(), "report this with the configuration"))?;
    sink.save(ArtifactKind::Preprocessing, &bytes)
}
