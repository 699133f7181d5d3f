//! What a person who begins would ask a colleague: which model for these data, what a curve says, and what a knob does. Rules and
//! notes are data in `assets`, to be read and edited; the reasons come with them.

mod choose;

pub use choose::{Choice, Reason, baselines, choose};
