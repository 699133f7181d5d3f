//! The flags by which a running job is paused or stopped: a queue can't interrupt, so the loop looks here once a step.

use std::sync::atomic::{AtomicU8, Ordering};

/// What the person last asked of a running job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Run,
    Pause,
    Stop,
}

/// Shared between the side that asks and the loop that obeys.
#[derive(Debug, Default)]
pub struct RunControl(AtomicU8);

impl RunControl {
    pub fn request(&self, command: Command) {
        self.0.store(command as u8, Ordering::Release);
    }

    pub fn requested(&self) -> Command {
        match self.0.load(Ordering::Acquire) {
            1 => Command::Pause,
            2 => Command::Stop,
            _ => Command::Run,
        }
    }
}
