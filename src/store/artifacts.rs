//! A run's files. Each is written under a temporary name, brought to the disk, renamed to a name that holds its sha256,
//! and only then entered in the table: whatever the moment of a kill, the row points at a whole file.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::{RunLock, Store, StoreError};
use crate::spec::{Artifact, ArtifactKind, RunId, hexadecimal};

impl Store {
    /// Keeps `bytes` as the run's artifact of this kind, in place of the earlier ones.
    pub fn save_artifact(&self, lock: &RunLock, kind: ArtifactKind, bytes: &[u8]) -> Result<Artifact, StoreError> {
        let directory = self.run_dir(lock.run);
        let sha256 = sha256(bytes);
        let name = format!("{}-{}.{}", kind.name(), &sha256[..16], kind.extension());
        let path = directory.join(&name);
        write_whole(&path, bytes).map_err(|source| StoreError::file(&path, source))?;
        let earlier = self.transaction(|transaction| {
            let earlier: Option<String> = transaction
                .prepare_cached("SELECT path FROM artifacts WHERE run = ?1 AND kind = ?2")?
                .query_row(params![lock.run.0, kind.name()], |row| row.get(0))
                .optional()?;
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO artifacts (run, kind, path, sha256, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![lock.run.0, kind.name(), name, sha256, bytes.len() as i64])?;
            Ok(earlier)
        })?;
        if let Some(earlier) = earlier.filter(|earlier| *earlier != name) {
            // What cannot be removed now does no harm.
            let _ = fs::remove_file(directory.join(earlier));
        }
        Ok(Artifact {
            kind,
            bytes: bytes.len() as u64,
            sha256,
        })
    }

    /// As [`read_artifact`](Self::read_artifact); none where the run has no such file.
    pub fn find_artifact(&self, run: RunId, kind: ArtifactKind) -> Result<Option<Vec<u8>>, StoreError> {
        match self.read_artifact(run, kind) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NoArtifact { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The bytes of an artifact, checked against the recorded sha256.
    pub fn read_artifact(&self, run: RunId, kind: ArtifactKind) -> Result<Vec<u8>, StoreError> {
        let mut previous = None;
        loop {
            let (path, recorded) = self.artifact_row(run, kind)?;
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                // Its owner may have replaced it between the two reads.
                Err(error) if error.kind() == io::ErrorKind::NotFound && previous.as_ref() != Some(&path) => {
                    previous = Some(path);
                    continue;
                }
                Err(source) => return Err(StoreError::file(&path, source)),
            };
            let found = sha256(&bytes);
            if found != recorded {
                return Err(StoreError::DamagedArtifact { path, recorded, found });
            }
            return Ok(bytes);
        }
    }

    /// Where an artifact's file is.
    pub fn artifact_path(&self, run: RunId, kind: ArtifactKind) -> Result<PathBuf, StoreError> {
        self.artifact_row(run, kind).map(|(path, _)| path)
    }

    /// What is kept of a run.
    pub fn artifacts(&self, run: RunId) -> Result<Vec<Artifact>, StoreError> {
        let rows: Vec<(String, i64, String)> = self.query(|connection| {
            connection
                .prepare_cached("SELECT kind, bytes, sha256 FROM artifacts WHERE run = ?1 ORDER BY kind")?
                .query_map([run.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })?;
        rows.into_iter()
            .map(|(kind, bytes, sha256)| {
                let kind = ArtifactKind::ALL
                    .into_iter()
                    .find(|known| known.name() == kind)
                    .ok_or_else(|| self.damaged(format!("run {run} has an artifact of the unknown kind `{kind}`")))?;
                Ok(Artifact {
                    kind,
                    bytes: bytes as u64,
                    sha256,
                })
            })
            .collect()
    }

    fn artifact_row(&self, run: RunId, kind: ArtifactKind) -> Result<(PathBuf, String), StoreError> {
        let row: Option<(String, String)> = self.query(|connection| {
            connection
                .prepare_cached("SELECT path, sha256 FROM artifacts WHERE run = ?1 AND kind = ?2")?
                .query_row(params![run.0, kind.name()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })?;
        row.map(|(name, sha256)| (self.run_dir(run).join(name), sha256))
            .ok_or(StoreError::NoArtifact { run, kind })
    }
}

/// Writes a file all at once or not at all: under a temporary name beside `path`, brought to the disk, and renamed.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    let written = write();
    if written.is_err() {
        // The space is given back; the first error is the one that matters.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// In lower-case hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}
