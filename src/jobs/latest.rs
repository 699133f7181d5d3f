//! The slot for bulk data of the run in training: the latest picture overwrites the one before, and is taken at most once.
//! Beside it lies what whoever looks wants to see in the next one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::spec::{RunId, Snapshot, Wanted};

#[derive(Default)]
pub(super) struct Latest {
    slot: Mutex<Option<(RunId, Arc<Snapshot>)>>,
    wanted: Mutex<Wanted>,
}

impl Latest {
    pub fn put(&self, run: RunId, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        // The one before may be large: it is freed when the slot is free again for its reader.
        let before = lock(&self.slot).replace((run, snapshot));
        drop(before);
    }

    /// The latest picture, if it has not been taken.
    pub fn take(&self) -> Option<(RunId, Arc<Snapshot>)> {
        lock(&self.slot).take()
    }

    pub fn want(&self, wanted: Wanted) {
        *lock(&self.wanted) = wanted;
    }

    pub fn wanted(&self) -> Wanted {
        *lock(&self.wanted)
    }
}

fn lock<T>(slot: &Mutex<T>) -> MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
