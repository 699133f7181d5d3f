//! Forward and backward passes of layers over plain numbers, row-major, for training.
//!
//! Sums over samples are cut into parts that do not depend on the number of threads, and added in order: the same numbers give the
//! same result, bit for bit. Parallel work runs in rayon's current pool, above a size where that pays.

mod adam;
mod attention;
mod norm;
mod parts;
mod pointwise;
mod product;
mod recurrence;
mod steps;
mod sums;
mod tiles;
mod vectors;

pub use adam::{Adam, adam};
pub use attention::{Heads, attention, attention_backward};
pub use norm::{Moments, layer_norm, layer_norm_backward};
pub use parts::awake;
pub use pointwise::{forward, slope_from_output, through};
pub use product::{Matrix, Product, Start, new_product, product, reserve};
pub use recurrence::{Cell, CellGradients, CellWeights, Recurrence, Trace};
pub use sums::column_sums;

#[cfg(test)]
mod recurrence_tests;
