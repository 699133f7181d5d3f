//! Smaller networks from trained ones: units removed, weights zeroed, numbers put on an 8-bit grid, and fine-tuning to make
//! up for it. Nothing is measured here; that is for `deploy`, on the exported bytes.

#[cfg(test)]
mod agreement;
mod correct;
pub mod distil;
mod during;
mod equalize;
#[cfg(test)]
mod fixtures;
mod kept;
mod lowrank;
#[cfg(test)]
mod properties;
mod pruning;
mod quantize;
mod ranges;
mod recipe;
mod sensitivity;
mod timing;
pub mod units;
pub mod weights;

pub use during::{Curve, train_and_prune};
pub use equalize::equalize;
pub use kept::Kept;
pub use quantize::{OnGrids, quantize};
pub use ranges::{Observations, Observed, observe, ranges};
pub use recipe::{Applied, Compressed, Origin, apply, speed};
pub use sensitivity::sensitivity;
