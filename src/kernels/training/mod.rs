//! Forward and backward passes of layers over plain numbers, row-major, for training.
//!
//! Sums over samples are cut into parts that do not depend on the number of threads, and added in order: the same numbers give the
//! same result, bit for bit. Parallel work runs in rayon's current pool, above a size where that pays.

mod pointwise;

pub use pointwise::{slope_from_output, through};
