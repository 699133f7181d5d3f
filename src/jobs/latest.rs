//! The slot for bulk data of the run in training: the latest picture overwrites the one before, and is taken at most once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::spec::{RunId, Snapshot};

#[derive(Default)]
pub(super) struct Latest(Mutex<Option<(RunId, Arc<Snapshot>)>>);

impl Latest {
    pub fn put(&self, run: RunId, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        // The one before may be large: it is freed when the slot is free again for its reader.
        let before = self.slot().replace((run, snapshot));
        drop(before);
    }

    /// The latest picture, if it has not been taken.
    pub fn take(&self) -> Option<(RunId, Arc<Snapshot>)> {
        self.slot().take()
    }

    fn slot(&self) -> MutexGuard<'_, Option<(RunId, Arc<Snapshot>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
