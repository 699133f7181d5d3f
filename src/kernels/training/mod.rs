//! Forward and backward passes of layers over plain numbers, row-major, for training.
//!
//! Sums over samples are cut into parts that do not depend on the number of threads, and added in order: the same numbers give the
//! same result, bit for bit. Parallel work runs in rayon's current pool, above a size where that pays.

mod adam;
mod attention;
mod batch_norm;
mod convolution;
mod convolution_backward;
mod depthwise;
mod frame;
mod lines;
mod norm;
mod output;
mod parts;
mod pointwise;
mod pool;
mod product;
mod recurrence;
mod shape;
mod steps;
mod sums;
mod tails;
mod tiles;
mod transpose;
mod vectors;

pub use adam::{Adam, adam};
pub use attention::{Heads, attention, attention_backward};
pub use batch_norm::{NormGradients, NormShape, Normed, batch_norm, batch_norm_backward};
pub use convolution::{Convolved, LARGEST_POOL, convolve};
pub use convolution_backward::{ConvolutionGradients, Known, convolve_backward};
pub use depthwise::{depthwise, depthwise_backward};
pub use norm::{Moments, layer_norm, layer_norm_backward};
pub use parts::{awake, enlist};
pub use pointwise::{forward, slope_from_output, through};
pub use pool::{PoolShape, max_pool, max_pool_backward, plane_means, plane_means_backward};
pub use product::{Matrix, Product, Start, new_product, product, reserve};
pub use recurrence::{Cell, CellGradients, CellWeights, Recurrence, Trace};
pub use shape::{ConvolutionShape, Tail};
pub use sums::column_sums;

#[cfg(test)]
mod recurrence_tests;
#[cfg(test)]
mod tests;
