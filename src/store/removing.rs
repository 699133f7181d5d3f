//! Other names for runs, and their end: hidden at first, so that it can be undone, and removed for good a while later.

use std::fs;

use rusqlite::params;

use super::{RunLock, Store, StoreError, lock, unix_secs};
use crate::spec::RunId;

/// How long a deleted run can be brought back.
const KEPT_SECS: i64 = 3600;

impl Store {
    /// Gives a run another name, also while it is being worked on.
    pub fn rename_run(&self, run: RunId, name: &str) -> Result<(), StoreError> {
        let changed = self.transaction(|transaction| {
            transaction.execute("UPDATE runs SET name = ?2 WHERE id = ?1", params![run.0, name])
        })?;
        if changed > 0 {
            return Ok(());
        }
        Err(self.unknown(&run.to_string())?)
    }

    /// Hides runs, or brings them back: all of them, or none if one is not there or is being worked on. A hidden run is in
    /// no list and is found by no name; an opening of the store an hour later or more removes it for good.
    pub fn set_deleted(&self, runs: &[RunId], deleted: bool) -> Result<(), StoreError> {
        for &run in runs {
            // One after another: so many locks cannot be held at once.
            drop(self.lock_run(run)?);
        }
        self.mark_deleted(runs, deleted.then(unix_secs))?;
        // What is worked on from now on is seen to be deleted; what was taken up in between is brought back with the others.
        let taken = runs
            .iter()
            .find(|run| deleted && !lock::is_free(&self.lock_path(**run)));
        if let Some(&run) = taken {
            self.mark_deleted(runs, None)?;
            return Err(StoreError::Locked { run });
        }
        Ok(())
    }

    fn mark_deleted(&self, runs: &[RunId], since: Option<i64>) -> Result<(), StoreError> {
        self.transaction(|transaction| {
            let mut update = transaction.prepare_cached("UPDATE runs SET deleted = ?2 WHERE id = ?1")?;
            for run in runs {
                update.execute(params![run.0, since])?;
            }
            Ok(())
        })
    }

    /// Removes a run with all that was recorded of it, unless it is being worked on or compressed.
    pub fn delete_run(&self, run: RunId) -> Result<(), StoreError> {
        let _lock = self.lock_to_delete(run)?;
        let directory = self.run_dir(run);
        let forget = || self.transaction(|transaction| transaction.execute("DELETE FROM runs WHERE id = ?1", [run.0]));
        let remove = || fs::remove_dir_all(&directory).map_err(|source| StoreError::file(&directory, source));
        match forget() {
            Ok(_) => remove(),
            // On a full disk even forgetting takes room: the files make it. The database is where the run is listed, so
            // should it fail again, the run can still be seen and deleted.
            Err(StoreError::Full { .. }) => {
                remove()?;
                forget().map(|_| ()).map_err(|error| match error {
                    StoreError::Full { path } => StoreError::NoRoomToDelete { path },
                    other => other,
                })
            }
            Err(other) => Err(other),
        }
    }

    /// Removes the files of a run that is to be deleted from a store whose disk is too full to open it for anything but
    /// [reading](Self::open_to_read). It stays in the list until it is [deleted](Self::delete_run), for which there is room now.
    pub fn make_room(&self, run: RunId) -> Result<(), StoreError> {
        let _lock = self.lock_to_delete(run)?;
        let directory = self.run_dir(run);
        fs::remove_dir_all(&directory).map_err(|source| StoreError::file(&directory, source))
    }

    fn lock_to_delete(&self, run: RunId) -> Result<RunLock, StoreError> {
        let lock = self.lock_run(run)?;
        match self.open_child(run)? {
            Some(child) => Err(StoreError::IsCompressed { run, child }),
            None => Ok(lock),
        }
    }

    /// A run that is being made from this one.
    fn open_child(&self, run: RunId) -> Result<Option<RunId>, StoreError> {
        for child in self.children(run)? {
            if self.run(child)?.run.status.is_open() {
                return Ok(Some(child));
            }
        }
        Ok(None)
    }

    /// Removes for good what was deleted long ago. Files that cannot be removed now are swept later.
    pub(super) fn remove_forgotten(&self) -> Result<(), StoreError> {
        let forgotten: Vec<RunId> = self.query(|connection| {
            connection
                .prepare("SELECT id FROM runs WHERE deleted < ?1")?
                .query_map([unix_secs() - KEPT_SECS], |row| row.get(0).map(RunId))?
                .collect()
        })?;
        for run in forgotten {
            if let Ok(_lock) = self.lock_run(run)
                && self.open_child(run)?.is_none()
            {
                self.transaction(|transaction| transaction.execute("DELETE FROM runs WHERE id = ?1", [run.0]))?;
                let _ = fs::remove_dir_all(self.run_dir(run));
            }
        }
        Ok(())
    }
}
