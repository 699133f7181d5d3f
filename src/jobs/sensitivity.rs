//! Which layers of a finished run suffer from compression.

use super::JobError;
use super::engine::Message;
use super::probing::Finding;
use super::worker::Worker;
use crate::compress;
use crate::spec::{ArtifactKind, Command, Failure, LayerChange, RunId, Sensitivity};
use crate::store::{Store, StoreError};

impl Worker<'_> {
    /// Changes one layer at a time, and finds the mix that loses at most `tolerated` points; [`Message::Found`] has the answer.
    pub fn sensitivity(&self, run: RunId, change: LayerChange, tolerated: Option<f64>) -> Result<Vec<RunId>, JobError> {
        let parent = self.parent(run)?;
        let tell = |done, total| {
            self.outbox.send(Message::Progress {
                job: self.job,
                what: format!("changing one layer of {run} at a time"),
                done,
                total,
            });
        };
        let found = compress::sensitivity(
            &parent.plan,
            &parent.weights,
            &parent.dataset,
            (change, tolerated),
            self.control,
            &tell,
        );
        if self.control.requested() == Command::Stop {
            return Err(JobError::Stopped);
        }
        let sensitivity = found?;
        let kept = keep(self.store, run, &sensitivity);
        let finding = Box::new(Finding::Sensitivity { run, sensitivity });
        self.outbox.send(Message::Found { job: self.job, finding });
        kept.map(|()| Vec::new())
    }
}

/// What was found in earlier sittings, the latest last; nothing where it can't be read.
pub(super) fn known(store: &Store, run: RunId) -> Vec<Sensitivity> {
    let bytes = store.find_artifact(run, ArtifactKind::Layers).ok().flatten();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// Keeps what was found beside what came of other changes. A store that can only be read keeps nothing.
fn keep(store: &Store, run: RunId, found: &Sensitivity) -> Result<(), JobError> {
    let mut all = known(store, run);
    all.retain(|other| other.change != found.change);
    all.push(found.clone());
    let bytes = serde_json::to_vec(&all).map_err(|error| Failure::new("layers", error.to_string(), "report this"))?;
    let saved = store
        .lock_run(run)
        .and_then(|lock| store.save_artifact(&lock, ArtifactKind::Layers, &bytes));
    match saved {
        Ok(_) | Err(StoreError::ReadOnly { .. }) => Ok(()),
        Err(other) => Err(other.into()),
    }
}
