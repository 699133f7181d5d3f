//! What can go wrong between a file and its results, as values that name the place and the remedy.

use crate::kernels::InstructionSet;

/// Why a file can't be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not an ONNX file, or the file was cut off.
    #[error("not a readable ONNX file: {problem}; export the model again")]
    File {
        /// What is missing or wrong.
        problem: String,
    },
    /// A constant does not hold what its shape and type say.
    #[error("constant `{tensor}`: {problem}; export the model again")]
    Tensor {
        /// Name of the constant.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An operation that this runtime does not run, or not with these settings or shapes.
    #[error("node `{node}` ({operator}): {problem}; {remedy}")]
    Node {
        /// Name of the node, or of its output where it has none.
        node: String,
        /// The operator, such as `Conv`.
        operator: String,
        /// What is not supported or does not fit.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The instruction set that was asked for is not that of this processor.
    #[error("this processor has no {wanted}; use {best}")]
    InstructionSet {
        /// What was asked for.
        wanted: InstructionSet,
        /// The best that the processor has.
        best: InstructionSet,
    },
}

/// Why a loaded model could not run a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// More samples than the session was made for, or none.
    #[error("a batch of {batch} samples in a session for 1 to {max_batch}; make a larger session or split the batch")]
    Batch {
        /// Samples asked for.
        batch: usize,
        /// Samples that the session has room for.
        max_batch: usize,
    },
    /// The input does not hold as many numbers as the batch needs.
    #[error("the input holds {found} numbers, a batch of {batch} samples of shape {shape:?} needs {expected}")]
    Input {
        /// Numbers given.
        found: usize,
        /// Numbers needed.
        expected: usize,
        /// Samples asked for.
        batch: usize,
        /// Shape of one sample.
        shape: Vec<usize>,
    },
    /// A number of a text is no place in the network's vocabulary.
    #[error(
        "the input holds {found} at place {index} where the network reads whole numbers from 0 to below {vocabulary}; encode the text with the run's vocabulary"
    )]
    Token {
        /// The number.
        found: String,
        /// Its place in the input.
        index: usize,
        /// Places in the vocabulary.
        vocabulary: usize,
    },
    /// There is no memory for the session.
    #[error("no memory for a session of {max_batch} samples ({bytes} bytes); use a smaller batch")]
    Memory {
        /// Samples asked for.
        max_batch: usize,
        /// Bytes needed.
        bytes: usize,
    },
}
