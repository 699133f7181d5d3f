//! What can go wrong between a run and its files: each error names the file and says what to do.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::spec::{ArtifactKind, Failure, RunId};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no home directory is known; set TRIMTAB_HOME or pass --store DIR")]
    NoHome,
    #[error("{}: cannot be written; make it writable or pass --store DIR for another place", path.display())]
    ReadOnly { path: PathBuf },
    #[error("{}: the disk is full; make room and resume the run, or pass --store DIR for another place", path.display())]
    Full { path: PathBuf },
    #[error("{}: the disk is too full to note that the run is deleted; make some kB of room and delete it again", path.display())]
    NoRoomToDelete { path: PathBuf },
    #[error(
        "{}: damaged ({detail}); move it aside or restore it from a backup: the files under `runs` beside it are untouched",
        path.display()
    )]
    Damaged { path: PathBuf, detail: String },
    #[error(
        "{}: schema version {found} is newer than this program's {known}; use the newer program or pass --store DIR for another place",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: usize },
    #[error("{}: another program holds it; try again when that has ended", path.display())]
    Busy { path: PathBuf },
    #[error("no run `{text}`{}; `trimtab runs` lists all", near(candidates))]
    NoRun { text: String, candidates: Vec<String> },
    #[error("`{text}` could be {}; give the whole name or the number", candidates.join(", "))]
    Ambiguous { text: String, candidates: Vec<String> },
    #[error("`{text}` is the name of {}; give the number", listed(runs))]
    SameName { text: String, runs: Vec<RunId> },
    #[error("run {run} is being compressed, and {child} is not at its end; stop that first")]
    IsCompressed { run: RunId, child: RunId },
    #[error("run {run} is being worked on, by this program or another; stop it first")]
    Locked { run: RunId },
    #[error("run {run} has no {} file; train or compress it to the end first", kind.name())]
    NoArtifact { run: RunId, kind: ArtifactKind },
    #[error(
        "{}: damaged (sha256 {found}, recorded {recorded}); restore the file from a backup or train the run again",
        path.display()
    )]
    DamagedArtifact {
        path: PathBuf,
        recorded: String,
        found: String,
    },
    #[error("{}: {source}; check the place, or pass --store DIR for another", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: {source}; check the disk, or pass --store DIR for another place", path.display())]
    Database { path: PathBuf, source: rusqlite::Error },
}

impl StoreError {
    /// Files what the operating system said of `path`.
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full { path }
            }
            _ => Self::File { path, source },
        }
    }

    /// Files what `SQLite` said of the database at `path`.
    pub(super) fn database(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let Some(failure) = source.sqlite_error() else {
            // A value of the wrong type in a row: the file is not what this program wrote.
            let detail = source.to_string();
            return Self::Damaged { path, detail };
        };
        if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE {
            return Self::Full { path };
        }
        match failure.code {
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Self::ReadOnly { path },
            ErrorCode::DiskFull => Self::Full { path },
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                let detail = source.to_string();
                Self::Damaged { path, detail }
            }
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy { path },
            _ => Self::Database { path, source },
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        let (what, remedy) = text.rsplit_once("; ").unwrap_or((&text, "check the store"));
        let (place, what) = what.split_once(": ").unwrap_or(("store", what));
        Self::new(place, what, remedy)
    }
}

fn listed(runs: &[RunId]) -> String {
    let words: Vec<String> = runs.iter().map(ToString::to_string).collect();
    words.join(" and ")
}

fn near(candidates: &[String]) -> String {
    if candidates.is_empty() {
        return String::new();
    }
    format!(" (did you mean {}?)", candidates.join(", "))
}
