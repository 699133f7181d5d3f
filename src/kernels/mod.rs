//! Fast primitives for the runtime: products of activations with packed weights, and the element-wise work around them.
//!
//! Each primitive has a plain twin, and a test that they agree: bit for bit where the arithmetic is of integers.

mod instruction_set;

pub use instruction_set::InstructionSet;
