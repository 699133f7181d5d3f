//! Which layers of a finished run suffer from compression.

use super::JobError;
use super::engine::Message;
use super::probing::Finding;
use super::worker::Worker;
use crate::compress;
use crate::spec::{Command, LayerChange, RunId};

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
        let finding = Box::new(Finding::Sensitivity {
            run,
            sensitivity: found?,
        });
        self.outbox.send(Message::Found { job: self.job, finding });
        Ok(Vec::new())
    }
}
