//! What can be scored, timed and shipped: something that answers batches, made from a file's bytes. A network by its ONNX file, and
//! whatever else the caller can read.

use super::DeployError;
use crate::runtime::{self, Model};

/// A loaded file.
pub trait Answering: Send + Sync {
    /// Whether it reads samples of these dimensions.
    fn accepts(&self, dimensions: &[usize]) -> bool;

    /// Dimensions of a sample.
    fn dimensions(&self) -> Vec<usize>;

    /// Different tokens that it reads; none where it reads numbers.
    fn vocabulary(&self) -> Option<usize> {
        None
    }

    /// Values of one answer.
    fn outputs(&self) -> usize;

    /// Buffers for batches of at most `largest` samples.
    fn session(&self, largest: usize) -> Result<Box<dyn Session + '_>, DeployError>;

    /// Bytes of the loaded file and the buffers of a session of this size, exactly.
    fn memory_bytes(&self, largest: usize) -> u64;

    /// Layers that run on integer kernels.
    fn int8_layers(&self) -> usize {
        0
    }

    /// What does the arithmetic.
    fn engine(&self) -> String;
}

/// One caller's buffers.
pub trait Session {
    /// Outputs of `rows` samples that stand row by row in `inputs`. On one thread.
    fn run(&mut self, inputs: &[f32], rows: usize) -> Result<&[f32], DeployError>;
}

impl Answering for Model {
    fn accepts(&self, dimensions: &[usize]) -> bool {
        self.input_shape() == dimensions
    }

    fn dimensions(&self) -> Vec<usize> {
        self.input_shape().to_vec()
    }

    fn vocabulary(&self) -> Option<usize> {
        Model::vocabulary(self)
    }

    fn outputs(&self) -> usize {
        self.output_len()
    }

    fn session(&self, largest: usize) -> Result<Box<dyn Session + '_>, DeployError> {
        Ok(Box::new(Model::session(self, largest)?))
    }

    fn memory_bytes(&self, largest: usize) -> u64 {
        Model::memory_bytes(self, largest) as u64
    }

    fn int8_layers(&self) -> usize {
        Model::int8_layers(self).len()
    }

    fn engine(&self) -> String {
        self.instruction_set().to_string()
    }
}

impl Session for runtime::Session<'_> {
    fn run(&mut self, inputs: &[f32], rows: usize) -> Result<&[f32], DeployError> {
        Ok(runtime::Session::run(self, inputs, rows)?)
    }
}
