//! ONNX bytes to a model that runs: the embedded engine in which every figure about an exported model is measured.
//!
//! The reason for an engine of its own is that static int8 must be *fast*, not only small: quantize/dequantize pairs around
//! convolutions and dense layers are fused into integer kernels, and only then do time and memory shrink with the format.
//! A file in which every node reads the one before it is read into a chain of layers (`read`), the chain is rewritten
//! (`passes`), and laid out in memory (`plan`); any other file is a `graph`.
//! What is absent: several inputs or outputs, and operators beyond those of the networks that Trimtab exports.

mod chain;
mod constants;
mod error;
mod file;
mod graph;
mod node;
pub mod onnx;
mod passes;
mod plan;
mod products;
mod read;
mod session;
mod steps;

pub use error::{LoadError, RunError};
pub use session::Session;

use crate::kernels::InstructionSet;
use file::File;
use plan::Plan;

/// A network that is ready to run: packed weights and a plan.
pub struct Model {
    engine: Engine,
    set: InstructionSet,
    input_shape: Vec<usize>,
    output_name: String,
}

/// The two ways to run a file.
enum Engine {
    Chain(Plan),
    Graph(graph::Plan),
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
        let engine = if read::is_chain(&file) {
            let layers = passes::optimise(read::read(&file)?);
            Engine::Chain(plan::plan(&file.input_shape, &layers, set)?)
        } else {
            Engine::Graph(graph::Plan::read(&file, set)?)
        };
        Ok(Self::new(file, engine, set))
    }

    /// Loads a file as a graph even where it is a chain.
    #[cfg(test)]
    fn graph_from_onnx(bytes: &[u8], set: InstructionSet) -> Result<Self, LoadError> {
        let file = File::read(bytes)?;
        let engine = Engine::Graph(graph::Plan::read(&file, set)?);
        Ok(Self::new(file, engine, set))
    }

    fn new(file: File, engine: Engine, set: InstructionSet) -> Self {
        Self {
            engine,
            set,
            input_shape: file.input_shape,
            output_name: file.output_name,
        }
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
        match &self.engine {
            Engine::Chain(plan) => plan.output_len,
            Engine::Graph(plan) => plan.output_len,
        }
    }

    /// Bytes of the packed weights, with biases and scales.
    pub fn weight_bytes(&self) -> usize {
        match &self.engine {
            Engine::Chain(plan) => plan.weight_bytes,
            Engine::Graph(plan) => plan.weight_bytes(),
        }
    }

    /// Bytes of the memory that a session for `batch` samples works in.
    pub fn arena_bytes(&self, batch: usize) -> usize {
        let plan = match &self.engine {
            Engine::Chain(plan) => plan,
            Engine::Graph(plan) => return plan.arena_bytes(batch),
        };
        let &Plan {
            arena_floats,
            arena_bytes,
            staged_floats,
            staged_integers,
            ..
        } = plan;
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
        match &self.engine {
            Engine::Chain(plan) => plan.integer_layers.clone(),
            Engine::Graph(plan) => plan.integer_layers().to_vec(),
        }
    }

    /// Below what the numbers of the input must be, where it is of tokens.
    pub fn vocabulary(&self) -> Option<usize> {
        match &self.engine {
            Engine::Chain(_) => None,
            Engine::Graph(plan) => plan.vocabulary(),
        }
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
