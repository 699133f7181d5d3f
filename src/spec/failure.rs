//! A failure as a value: what, where and what to do. Made where the facts are known, turned into a message once.

use serde::{Deserialize, Serialize};

/// Why a run or a job could not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{place}: {what}; {remedy}")]
pub struct Failure {
    /// The step, file, layer or field.
    pub place: String,
    pub what: String,
    /// What the person can do.
    pub remedy: String,
}

impl Failure {
    /// How `what` ends where a loss or a gradient was no finite number.
    pub const DIVERGED: &str = "the run diverged";

    pub fn is_divergence(&self) -> bool {
        self.what.ends_with(Self::DIVERGED)
    }

    pub fn new(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}
