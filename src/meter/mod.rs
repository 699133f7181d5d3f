//! What is measured about this process: its heap, its resident size, and how long things take against each other.
//!
//! Every figure here is taken from the running process. What a figure means for a model is said by the rooms that ask for it.

pub mod alloc;
pub mod process;
pub mod timing;
