//! Who answers: one question after another, with its own handle on the store. A panic is an error value of that answer.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::recent::Recent;
use super::{Answer, OpenedRun, Question, files};
use crate::data::{self, DataError, Dataset};
use crate::deploy::Exported;
use crate::jobs::worker::panic_message;
use crate::jobs::{JobError, fetchable, sensitivity};
use crate::spec::{DataConfig, Failure, RunId, Snapshot, name_problem};
use crate::store::Store;
use crate::timeline::RunView;

/// Training inputs up to which a data set is kept in memory for the next question.
const LARGEST_KEPT: usize = 20_000_000;

/// Length and time of the last change of a file.
type FileState = (u64, SystemTime);

pub(super) struct Clerk {
    pub(super) store: Store,
    /// By configuration, and by the state of the file where the source is one.
    datasets: Recent<(DataConfig, Option<FileState>), Arc<Dataset>>,
    /// By sha256 of the bytes.
    pub(super) models: Recent<String, Arc<Exported>>,
    /// Without what must be wanted: by run and by sha256 of its weights and of its exported file.
    pub(super) snapshots: Recent<(RunId, String, Option<String>), Arc<Snapshot>>,
}

impl Clerk {
    pub fn new(store: Store) -> Self {
        Self {
            store,
            datasets: Recent::new(2),
            models: Recent::new(16),
            snapshots: Recent::new(2),
        }
    }

    /// The answer, and after a change the new list of runs.
    pub fn answers(&mut self, question: Question) -> Vec<Answer> {
        match question {
            Question::Runs => vec![self.list()],
            Question::Run(run) => vec![Answer::Run(run, guarded(|| self.open(run)))],
            Question::Seeds(config) => {
                let seeds = guarded(|| Ok(self.store.seeds(&config)?));
                vec![Answer::Seeds(config, seeds)]
            }
            Question::Preview(config) => {
                let preview = caught(|| self.preview(&config).map(Box::new)).unwrap_or_else(|message| {
                    Err(DataError::Crashed {
                        file: config.source.clone(),
                        message,
                    })
                });
                vec![Answer::Preview(config, preview)]
            }
            Question::Augment { data, seed } => {
                let samples = guarded(|| self.augmented(&data, seed));
                vec![Answer::Augmented { data, seed, samples }]
            }
            Question::Fetchable => {
                let sets = guarded(|| Ok(fetchable(self.store.directory())?));
                vec![Answer::Fetchable(sets)]
            }
            Question::Inspect(run, wanted) => vec![Answer::Snapshot(run, guarded(|| self.inspect(run, wanted)))],
            Question::Samples { data, part, rows } => {
                vec![Answer::Samples(guarded(|| self.samples(&data, part, &rows)))]
            }
            Question::Try { runs, input } => vec![Answer::Tried(guarded(|| self.attempt(&runs, &input)))],
            Question::Rename { .. } | Question::Delete(_) | Question::Restore(_) => {
                let changed = guarded(|| self.change(&question));
                vec![Answer::Changed(question, changed), self.list()]
            }
            Question::Folder(path) => {
                let listed = guarded(|| Ok(files::list(&path)?));
                vec![Answer::Folder(path, listed)]
            }
            Question::Ladder(path) => {
                let ladder = guarded(|| Ok(files::ladder(&path)?));
                vec![Answer::Ladder(path, ladder)]
            }
            Question::Write { path, bytes } => {
                let written = guarded(|| Ok(files::write(&path, &bytes)?));
                vec![Answer::Written(path, written)]
            }
        }
    }

    fn list(&self) -> Answer {
        Answer::Runs(guarded(|| Ok(self.store.rows()?)))
    }

    fn open(&self, run: RunId) -> Result<Box<OpenedRun>, JobError> {
        let record = self.store.run(run)?;
        let events = self.store.events(run)?;
        Ok(Box::new(OpenedRun {
            record,
            view: RunView::of(&events),
            next_seq: events.last().map_or(0, |last| last.seq + 1),
            layers: sensitivity::known(&self.store, run),
        }))
    }

    fn change(&self, question: &Question) -> Result<(), JobError> {
        match question {
            Question::Rename { run, name } => {
                let name = name.trim();
                if let Some((what, remedy)) = name_problem(name) {
                    return Err(Failure::new("the name", what, remedy).into());
                }
                self.store.rename_run(*run, name)?;
            }
            Question::Delete(runs) => self.store.set_deleted(runs, true)?,
            Question::Restore(runs) => self.store.set_deleted(runs, false)?,
            _ => {}
        }
        Ok(())
    }

    /// A data set, from memory where it is one of the last.
    pub(super) fn dataset(&mut self, config: &DataConfig) -> Result<Arc<Dataset>, DataError> {
        let file = Path::new(config.source.trim()).metadata().ok();
        let state = file.and_then(|file| Some((file.len(), file.modified().ok()?)));
        let config = config.unaugmented();
        let dataset = self
            .datasets
            .get((config.clone(), state), || Ok(Arc::new(data::load(&config)?)))?;
        self.datasets
            .retain(|dataset| dataset.train.inputs.held_bytes() / 4 <= LARGEST_KEPT);
        Ok(dataset)
    }
}

/// What `work` comes to; a panic is an error value.
fn guarded<T>(work: impl FnOnce() -> Result<T, JobError>) -> Result<T, JobError> {
    caught(work).unwrap_or_else(|message| Err(JobError::Crashed { message }))
}

fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let message = |panic: Box<dyn Any + Send>| panic_message(panic.as_ref());
    catch_unwind(AssertUnwindSafe(work)).map_err(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_value() {
        let error = guarded::<()>(|| panic!("planted")).unwrap_err();
        assert!(
            matches!(&error, JobError::Crashed { message } if message == "planted"),
            "{error}"
        );
        assert_eq!(guarded(|| Ok(3)).unwrap(), 3);
    }
}
