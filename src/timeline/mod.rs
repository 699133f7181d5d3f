//! Pure folds from events to what is shown: the live view, a reopened run, the command line's progress and the tests all
//! see a run through the same [`RunView`].
//!
//! What is deliberately absent: clocks and files. Time is what the envelopes say.

mod downsample;
mod progress;
#[cfg(test)]
mod tests;
mod view;

pub use downsample::min_max;
pub use view::{EpochPoint, Progress, Reading, RunView};
