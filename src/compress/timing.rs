//! What a network takes against another: the time of its exported file in 32 bits, measured.

use crate::deploy::{Candidate, DeployError, Exported, Form, relative_time, to_onnx};
use crate::spec::{Failure, ModelSpec, Task, Weights};

/// A network as the file that is timed.
pub(super) struct Timed {
    bytes: Vec<u8>,
    exported: Exported,
}

impl Timed {
    pub fn new(model: &ModelSpec, weights: &Weights, task: &Task) -> Result<Self, Failure> {
        let bytes = to_onnx(model, weights, task, &Form::Fp32).map_err(DeployError::into_failure)?;
        let exported = Exported::load(&bytes).map_err(DeployError::into_failure)?;
        Ok(Self { bytes, exported })
    }

    /// Median time for 64 samples on one thread as a share of that of `whole`, in rounds with it.
    pub fn share_of(&self, whole: &Self) -> Result<f64, Failure> {
        relative_time(whole.candidate(), self.candidate()).map_err(DeployError::into_failure)
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            bytes: &self.bytes,
            exported: &self.exported,
        }
    }
}
