//! What a person who begins would ask a colleague: which model for these data, what a curve says, and what a knob does. Rules and
//! notes are data in `assets`, to be read and edited; the reasons come with them.
//!
//! # How good the first pick is
#![doc = include_str!("measured.md")]

mod choose;
mod curves;
mod notes;

pub use choose::{Choice, Reason, baselines, choose};
pub use curves::{CurveFinding, CurveFindingKind, FEWEST_EPOCHS, run_findings};
pub use notes::{Note, note};
