//! `SQLite` and the artifact files: where runs live. What is here survives the program, killed at any moment; several
//! programs may use one store, and each run belongs to the one that holds its lock.
//!
//! A store is a directory:
//!
//! | entry | what it is |
//! |---|---|
//! | `trimtab.sqlite` | runs, events, steps, artifact rows (write-ahead log; a commit survives the process) |
//! | `opening.lock` | held while a store is being opened: one program at a time migrates and sweeps |
//! | `runs/r12/lock` | held by the process that run 12 belongs to |
//! | `runs/r12/weights-<sha256>.safetensors` | an artifact; `.<name>.<process>.part` while it is being written |
//!
//! What is deliberately absent: the meaning of a run. The store keeps what it is given.

mod artifacts;
mod error;
mod events;
mod listing;
mod lock;
mod removing;
mod runs;
mod schema;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub use artifacts::write_whole;
pub use error::StoreError;
pub use listing::RunRow;
pub use lock::RunLock;
pub use runs::{NewRun, RunRecord};

use crate::spec::{RunId, RunStatus};

/// A handle on a store's directory, to be shared between threads.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    database: PathBuf,
    connection: Mutex<Connection>,
}

impl Store {
    /// `TRIMTAB_HOME` if set, else the platform's data directory for this program.
    pub fn default_dir() -> Result<PathBuf, StoreError> {
        match std::env::var_os("TRIMTAB_HOME") {
            Some(home) if !home.is_empty() => Ok(home.into()),
            _ => directories::ProjectDirs::from("", "", "trimtab")
                .map(|places| places.data_dir().to_owned())
                .ok_or(StoreError::NoHome),
        }
    }

    /// Opens the store in `directory`, creating it where there is none, and removes what dead processes left half made.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        const PATIENCE: Duration = Duration::from_secs(30);
        let runs = directory.join("runs");
        let database = directory.join("trimtab.sqlite");
        fs::create_dir_all(directory).map_err(|source| StoreError::file(directory, source))?;
        let opening = directory.join("opening.lock");
        let Some(_opening) = lock::acquire(&opening, PATIENCE)? else {
            return Err(StoreError::Busy { path: opening });
        };
        // SQLite would take a missing or emptied file for a new one and the runs would be forgotten without a word.
        let is_empty = fs::metadata(&database).map_or(true, |file| file.len() == 0);
        if is_empty && runs.is_dir() {
            return Err(StoreError::Damaged {
                path: database,
                detail: "empty or missing although there are runs".to_owned(),
            });
        }
        let connection = schema::open(&database)?;
        fs::create_dir_all(&runs).map_err(|source| StoreError::file(&runs, source))?;
        let store = Self {
            directory: directory.to_owned(),
            database,
            connection: Mutex::new(connection),
        };
        store.remove_forgotten()?;
        store.sweep()?;
        Ok(store)
    }

    /// Opens a store that cannot be written, to look at what is in it: what is to be changed fails with
    /// [`StoreError::ReadOnly`].
    pub fn open_to_read(directory: &Path) -> Result<Self, StoreError> {
        let database = directory.join("trimtab.sqlite");
        Ok(Self {
            directory: directory.to_owned(),
            connection: Mutex::new(schema::open_to_read(&database)?),
            database,
        })
    }

    /// Another handle on the same store, so that a long read through one does not hold up a write through the other.
    pub fn again(&self) -> Result<Self, StoreError> {
        Ok(Self {
            directory: self.directory.clone(),
            database: self.database.clone(),
            connection: Mutex::new(schema::open(&self.database)?),
        })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Removes the files that no row knows, of runs that no process holds: those of deleted runs, and those that a
    /// killed process had not finished.
    fn sweep(&self) -> Result<(), StoreError> {
        let runs = self.directory.join("runs");
        // Within a transaction, since a run's directory comes into being in the one that creates its row.
        self.transaction(|transaction| {
            let mut status = transaction.prepare("SELECT status FROM runs WHERE id = ?1")?;
            let mut artifact = transaction.prepare("SELECT 1 FROM artifacts WHERE run = ?1 AND path = ?2")?;
            for (name, directory) in entries(&runs) {
                let Ok(run) = name.parse::<RunId>() else {
                    continue;
                };
                let status: Option<String> = status.query_row([run.0], |row| row.get(0)).optional()?;
                let is_open = |status: &String| status.parse().is_ok_and(RunStatus::is_open);
                if status.as_ref().is_some_and(|status| !is_open(status)) {
                    continue;
                }
                let Ok(Some(_lock)) = lock::acquire(&directory.join("lock"), Duration::ZERO) else {
                    continue;
                };
                // What cannot be removed does no harm; the next opening tries again.
                if status.is_none() {
                    let _ = fs::remove_dir_all(directory);
                    continue;
                }
                for (name, path) in entries(&directory) {
                    if name != "lock" && !artifact.exists(params![run.0, name])? {
                        let _ = fs::remove_file(path);
                    }
                }
            }
            Ok(())
        })
    }

    fn run_dir(&self, run: RunId) -> PathBuf {
        self.directory.join("runs").join(run.to_string())
    }

    fn lock_path(&self, run: RunId) -> PathBuf {
        self.run_dir(run).join("lock")
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads from the database.
    fn query<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        read(&self.connection()).map_err(|source| self.failed(source))
    }

    /// Changes the database, all at once or not at all.
    fn transaction<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut connection = self.connection();
        let failed = |source| self.failed(source);
        let transaction = connection.transaction().map_err(failed)?;
        let value = change(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(value)
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::database(&self.database, source)
    }

    fn damaged(&self, detail: String) -> StoreError {
        StoreError::Damaged {
            path: self.database.clone(),
            detail,
        }
    }
}

/// Seconds since 1970, UTC.
fn unix_secs() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

/// Names and paths of what is in a directory; nothing if it cannot be read.
fn entries(directory: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
}
