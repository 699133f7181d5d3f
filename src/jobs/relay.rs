//! Several trainings told as one: folds, or the fine-tunings of a chain of compression steps.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::spec::{ArtifactKind, Event, EventSink, Failure, Snapshot, Wanted};

/// Passes events on with steps and epochs numbered on over all trainings, as one run that was started once. What the
/// single trainings would keep as files is not kept.
pub(super) struct Relay<'a> {
    sink: &'a dyn EventSink,
    total_steps: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    has_started: bool,
    /// Steps and epochs of the trainings before the present one.
    before: (usize, usize),
    /// Steps and epochs done in all.
    done: (usize, usize),
}

impl<'a> Relay<'a> {
    /// `total_steps` counts the steps of all trainings.
    pub fn new(sink: &'a dyn EventSink, total_steps: usize) -> Self {
        Self {
            sink,
            total_steps,
            state: Mutex::default(),
        }
    }

    /// Steps done so far.
    pub fn steps(&self) -> usize {
        self.state().done.0
    }

    /// Epochs done so far.
    pub fn epochs(&self) -> usize {
        self.state().done.1
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventSink for Relay<'_> {
    fn emit(&self, mut event: Event) -> Result<(), Failure> {
        let mut state = self.state();
        let (steps_before, epochs_before) = state.before;
        match &mut event {
            Event::Started { total_steps, .. } => {
                state.before = state.done;
                if std::mem::replace(&mut state.has_started, true) {
                    return Ok(());
                }
                *total_steps = self.total_steps;
            }
            Event::Steps { steps, .. } => {
                for step in steps {
                    step.step += steps_before;
                    state.done.0 = step.step + 1;
                }
            }
            Event::Epoch { epoch, step, .. } => {
                *epoch += epochs_before;
                *step += steps_before;
                state.done.1 = *epoch;
            }
            Event::Paused { step } | Event::Resumed { step } => *step += steps_before,
            Event::Memory { .. } | Event::Progress { .. } | Event::Note { .. } | Event::Ended { .. } => {}
        }
        self.sink.emit(event)
    }

    fn save(&self, _: ArtifactKind, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    fn wants_snapshot(&self) -> Option<Wanted> {
        self.sink.wants_snapshot()
    }

    fn show(&self, mut snapshot: Snapshot) {
        snapshot.epoch += self.state().before.1;
        self.sink.show(snapshot);
    }
}
