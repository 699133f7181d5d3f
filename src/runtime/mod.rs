//! ONNX bytes to a model that runs: the embedded engine in which every figure about an exported model is measured.
//!
//! The reason for an engine of its own is that static int8 must be *fast*, not only small: quantize/dequantize pairs around
//! convolutions and dense layers are fused into integer kernels, and only then do time and memory shrink with the format.
//! A file is read into a chain of layers (`read`), the chain is rewritten (`passes`), and laid out in memory (`plan`).
//! What is absent: branches, several inputs or outputs, and operators beyond those of the networks that Trimtab exports.

mod chain;
mod constants;
mod error;
pub mod onnx;
mod passes;
mod plan;
mod read;
mod session;
mod steps;

pub use error::{LoadError, RunError};
pub use session::Session;

use crate::kernels::InstructionSet;
use plan::Plan;

/// A network that is ready to run: packed weights and a plan.
pub struct Model {
    plan: Plan,
    set: InstructionSet,
    input_shape: Vec<usize>,
    output_name: String,
}

impl Model {
    /// Loads a file for the best instruction set of this processor.
    pub fn from_onnx(bytes: &[u8]) -> Result<Self, LoadError> {
        Self::from_onnx_for(bytes, InstructionSet::best())
    }

    /// Loads a file for the given instruction set, which the processor must have.
    pub fn from_onnx_for(bytes: &[u8], set: InstructionSet) -> Result<Self, LoadError> {
        if !set.is_available() {
            return Err(LoadError::InstructionSet {
                wanted: set,
                best: InstructionSet::best(),
            });
        }
        let mut network = read::read(bytes)?;
        let layers = passes::optimise(std::mem::take(&mut network.layers));
        let plan = plan::plan(&network, &layers, set)?;
        Ok(Self {
            plan,
            set,
            input_shape: network.input_shape,
            output_name: network.output_name,
        })
    }

    /// Room to run batches of up to `max_batch` samples.
    pub fn session(&self, max_batch: usize) -> Result<Session<'_>, RunError> {
        Session::new(self, max_batch)
    }

    /// Shape of one sample: `[features]` or `[channels, height, width]`.
    pub fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// Name of the output, such as `logits` or `prediction`.
    pub fn output_name(&self) -> &str {
        &self.output_name
    }

    /// Values of the output for one sample.
    pub fn output_len(&self) -> usize {
        self.plan.output_len
    }

    /// Bytes of the packed weights, with biases and scales.
    pub fn weight_bytes(&self) -> usize {
        self.plan.weight_bytes
    }

    /// Bytes of the memory that a session for `batch` samples works in.
    pub fn arena_bytes(&self, batch: usize) -> usize {
        let Plan {
            arena_floats,
            arena_bytes,
            staged_floats,
            staged_integers,
            ..
        } = self.plan;
        let floats = arena_floats.saturating_mul(batch).saturating_add(staged_floats);
        let integers = staged_integers
            * if session::stages_bytes(self.set) {
                1
            } else {
                size_of::<i16>()
            };
        floats
            .saturating_mul(size_of::<f32>())
            .saturating_add(arena_bytes.saturating_mul(batch))
            .saturating_add(integers)
    }

    /// Bytes that running batches of `batch` samples takes: weights and arena.
    pub fn memory_bytes(&self, batch: usize) -> usize {
        self.weight_bytes().saturating_add(self.arena_bytes(batch))
    }

    /// Names of the layers that run on integer kernels, in their order.
    pub fn int8_layers(&self) -> Vec<String> {
        self.plan.integer_layers.clone()
    }

    /// The instruction set of the kernels.
    pub fn instruction_set(&self) -> InstructionSet {
        self.set
    }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
