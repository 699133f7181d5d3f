//! ONNX bytes to a model that runs: the embedded engine in which every figure about an exported model is measured.
//!
//! The reason for an engine of its own is that static int8 must be *fast*, not only small: quantize/dequantize pairs around
//! convolutions and dense layers are fused into integer kernels, and only then do time and memory shrink with the format.

mod error;
pub mod onnx;

pub use error::{LoadError, RunError};
