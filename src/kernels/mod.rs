//! Fast primitives for the runtime: products of activations with packed weights, and the element-wise work around them.
//!
//! Each primitive has a plain twin, and a test that they agree: bit for bit where the arithmetic is of integers.

mod elementwise;
mod instruction_set;
mod panels;
mod product;
mod scalar;
mod walk;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;

pub use elementwise::{Grid, ImageShape, Pool, average_pool, channels_first, channels_last, max_pool, place_rows};
pub use instruction_set::InstructionSet;
pub use panels::{FloatPanels, INTEGER_STEP, IntegerPanels, MatrixShape, PANEL};
pub use product::{IntegerActivations, IntegerColumns, IntegerOutput, MAX_STEPS, float_product, integer_product};
pub use walk::{Walk, Window};

#[cfg(test)]
mod tests;
