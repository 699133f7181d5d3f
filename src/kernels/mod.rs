//! Fast primitives. For the runtime: products of activations with packed weights, and the element-wise work around them. For
//! training: see [`training`].
//!
//! Each primitive has a plain twin, and a test that they agree: bit for bit where the arithmetic is of integers.

mod depthwise;
mod elementwise;
mod functions;
mod instruction_set;
mod lanes;
mod panels;
mod product;
mod scalar;
pub mod training;
mod walk;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_depthwise;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;

pub use depthwise::{Plane, Taps, depthwise_floats, depthwise_integers};
pub use elementwise::{
    ByteSum, Grid, ImageShape, Pair, Pool, Right, add_bytes, average_pool, channels_first, channels_last, combine,
    dequantize, max_pool, place_rows, quantize,
};
pub use functions::{Function, apply, gru_step, layer_norm, lstm_step, rnn_step, softmax};
pub use instruction_set::InstructionSet;
pub use panels::{FloatPanels, GROUP, INTEGER_STEP, IntegerPanels, MatrixShape, PANEL, ZERO_CODE};
pub use product::{
    FloatOutput, IntegerActivations, IntegerColumns, IntegerOutput, MAX_STEPS, float_product, integer_product,
};
pub use walk::{Walk, Window};

#[cfg(test)]
mod lane_tests;
#[cfg(test)]
mod tests;
