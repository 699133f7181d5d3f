//! ONNX bytes to a model that runs: the embedded engine in which every figure about an exported model is measured.
//!
//! The reason for an engine of its own is that static int8 must be *fast*, not only small: quantize/dequantize pairs around
//! convolutions and dense layers are fused into integer kernels, and only then do time and memory shrink with the format.
//! A file is read into operations on values, several nodes into one where a kernel does the work of all (`read`), which are laid out
//! in memory (`plan`) and run (`session`, `kernel`).
//! What is absent: several inputs or outputs, and operators beyond those of the networks that Trimtab exports.

mod constants;
mod dynamic;
mod error;
mod file;
mod kernel;
mod layers;
mod matmul;
mod node;
pub mod onnx;
mod plan;
mod products;
mod read;
mod recurrent;
mod session;
mod shape;

pub use error::{LoadError, RunError};
pub use session::Session;

use crate::kernels::InstructionSet;
use file::File;
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
        let file = File::read(bytes)?;
        Ok(Self {
            plan: plan::plan(read::read(&file, set)?),
            set,
            input_shape: file.input_shape,
            output_name: file.output_name,
        })
    }

    /// Room to run batches of up to `max_batch` samples.
    pub fn session(&self, max_batch: usize) -> Result<Session<'_>, RunError> {
        Session::new(self, max_batch)
    }

    /// Shape of one sample: `[features]`, `[channels, height, width]`, `[steps, features]`, or `[steps]` of tokens.
    pub fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// Name of the output, such as `logits` or `prediction`.
    pub fn output_name(&self) -> &str {
        &self.output_name
    }

    /// Values of the output for one sample.
    pub fn output_len(&self) -> usize {
        self.plan.parts.last().map_or(0, |part| part.output_len)
    }

    /// Bytes of the packed weights, with biases and scales.
    pub fn weight_bytes(&self) -> usize {
        self.plan.weight_bytes
    }

    /// Bytes of the memory that a session for `batch` samples works in.
    pub fn arena_bytes(&self, batch: usize) -> usize {
        session::arena_bytes(&self.plan, batch)
    }

    /// Bytes that running batches of `batch` samples takes: weights and arena.
    pub fn memory_bytes(&self, batch: usize) -> usize {
        self.weight_bytes().saturating_add(self.arena_bytes(batch))
    }

    /// Names of the layers that run on integer kernels, in their order.
    pub fn int8_layers(&self) -> Vec<String> {
        self.plan.integer_layers.clone()
    }

    /// Below what the numbers of the input must be, where it is of tokens.
    pub fn vocabulary(&self) -> Option<usize> {
        self.plan.vocabulary
    }

    /// The instruction set of the kernels.
    pub fn instruction_set(&self) -> InstructionSet {
        self.set
    }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod graph_tests;
#[cfg(test)]
mod tests;
