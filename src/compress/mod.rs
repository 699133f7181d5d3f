//! Smaller networks from trained ones: units removed, weights zeroed, numbers put on an 8-bit grid, and fine-tuning to make
//! up for it. Nothing is measured here; that is for `deploy`, on the exported bytes.

mod during;
#[cfg(test)]
mod fixtures;
mod pruning;
mod ranges;
mod recipe;
pub mod units;
pub mod weights;

pub use during::{Curve, in_training};
pub use ranges::ranges;
pub use recipe::{Applied, Compressed, apply, speed};
