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
use crate::jobs::measuring::{Ancestry, ancestry};
use crate::jobs::worker::panic_message;
use crate::jobs::{JobError, fetchable, sensitivity};
use crate::spec::{DataConfig, Failure, RunId, Snapshot, name_problem};
use crate::store::Store;
use crate::timeline::RunView;

/// Training inputs up to which a data set is kept in memory for the next question.
const LARGEST_KEPT: usize = 20_000_000;

/// Data are read from a folder and from the folders in it.
const FOLDERS_DEEP: usize = 2;

/// Bytes and time of the last change of a file; of a folder those of all that lies in it and in the folders of its classes.
type FileState = (u64, SystemTime);

pub(super) struct Clerk {
    pub(super) store: Store,
    /// By configuration, and by the state of the file or folder where the source is one.
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
        let Ancestry { trained, config, .. } = ancestry(&self.store, &record);
        Ok(Box::new(OpenedRun {
            record,
            trained: (trained != run).then_some((trained, config)),
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
        let state = state_of(Path::new(config.source.trim()), FOLDERS_DEEP);
        let config = config.unaugmented();
        let dataset = self
            .datasets
            .get((config.clone(), state), || Ok(Arc::new(data::load(&config)?)))?;
        self.datasets
            .retain(|dataset| dataset.train.inputs.held_bytes() / 4 <= LARGEST_KEPT);
        Ok(dataset)
    }
}

/// What a change of the file, or of anything in the folder down to `depth` folders, changes; none where nothing is there.
fn state_of(path: &Path, depth: usize) -> Option<FileState> {
    let metadata = path.metadata().ok()?;
    let mut state = (metadata.len(), metadata.modified().ok()?);
    if metadata.is_dir() && depth > 0 {
        let entries = path.read_dir().ok()?.flatten();
        for (bytes, changed) in entries.filter_map(|entry| state_of(&entry.path(), depth - 1)) {
            state = (state.0.wrapping_add(bytes), state.1.max(changed));
        }
    }
    Some(state)
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
    fn a_folder_has_changed_where_anything_in_it_or_in_its_classes_has() {
        let folder = tempfile::tempdir().unwrap();
        let class = folder.path().join("cats");
        std::fs::create_dir(&class).unwrap();
        std::fs::write(class.join("a.png"), "one").unwrap();
        std::fs::write(folder.path().join("labels"), "0123").unwrap();
        let state = || state_of(folder.path(), FOLDERS_DEEP).unwrap();
        let mut before = state();
        assert_eq!(state(), before);
        let mut has_changed = || std::mem::replace(&mut before, state()) != before;
        std::fs::write(class.join("b.png"), "two").unwrap();
        assert!(has_changed());
        std::fs::write(class.join("a.png"), "longer").unwrap();
        assert!(has_changed() && !has_changed());
        // Replaced in its place by as many bytes.
        let file = std::fs::File::options()
            .write(true)
            .open(folder.path().join("labels"))
            .unwrap();
        file.set_modified(SystemTime::now() + std::time::Duration::from_secs(9))
            .unwrap();
        assert!(has_changed());
        assert_eq!(state_of(&folder.path().join("nowhere"), FOLDERS_DEEP), None);
    }

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
