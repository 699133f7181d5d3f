//! Pure folds from events to what is shown: the live view, a reopened run, the command line's progress and the tests all
//! see a run through the same [`RunView`].
//!
//! What is deliberately absent: clocks and files. Time is what the envelopes say.

mod alarm;
mod jumps;
mod progress;
mod series;
#[cfg(test)]
mod tests;
mod trace;
mod view;

pub use alarm::{Alarm, Concern, Watch, alarms, over_fits};
pub use series::Series;
pub use trace::{Curve, Trace, TracePoint, XAxis};
pub use view::{EpochPoint, Progress, Reading, RunView};

/// A loss below which nothing is left to learn, and nothing to over-fit: its rises and falls say nothing.
pub const NOTHING_TO_LEARN: f64 = 0.01;
