//! From weights to a file that proves itself: ONNX bytes, the score, speed and size of those very bytes, a second engine's
//! verdict on them, and the folder that a person takes away. The only room where a measured figure is made.

mod answering;
pub mod bundle;
mod error;
#[cfg(test)]
pub(crate) mod fixtures;
mod fold;
#[cfg(test)]
mod grid_tests;
mod measure;
mod onnx;
mod referee;
mod score;
#[cfg(test)]
mod tests;
mod twin;

pub use answering::{Answering, Session};
pub use error::{BundleError, DeployError};
pub use fold::{check_weights, fold_batch_norm, folded_layers};
pub use measure::{Candidate, LARGE_BATCH, Measured, measure, relative_time, sha256};
pub use onnx::{Form, INPUT_NAME, to_onnx};
pub use referee::{Agreement, FLOAT_TOLERANCE, INT8_AGREEMENT, Referee, RefereeBatch, referee, second_opinion};
pub use score::{Exported, Scores, score};
