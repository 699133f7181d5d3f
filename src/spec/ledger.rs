//! Where a training step's memory goes, in bytes.

use serde::{Deserialize, Serialize};

/// Predicted by `cost`, carried by the stream, drawn beside what was measured. All in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryLedger {
    pub weights: u64,
    pub gradients: u64,
    pub optimizer: u64,
    /// Kept from the forward to the backward pass.
    pub activations: u64,
    /// Temporary buffers of the widest moment.
    pub workspace: u64,
    /// Inputs and targets of one batch.
    pub batch: u64,
}

impl MemoryLedger {
    pub fn total(&self) -> u64 {
        self.weights + self.gradients + self.optimizer + self.activations + self.workspace + self.batch
    }
}
