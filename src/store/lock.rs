//! Whose run it is: the process that holds the lock on the run's lock file, and the operating system lets go of it
//! however that process ends.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::StoreError;
use crate::spec::RunId;

/// The right to write to a run, held until dropped.
#[derive(Debug)]
pub struct RunLock {
    pub(super) run: RunId,
    pub(super) _file: File,
}

impl RunLock {
    pub fn run(&self) -> RunId {
        self.run
    }
}

/// Opens or creates a lock file and takes its lock; `None` if another holds it for as long as `patience` lasts.
///
/// Patience is needed even for a free lock, because [`is_free`] of another process takes it for a moment.
pub(super) fn acquire(path: &Path, patience: Duration) -> Result<Option<File>, StoreError> {
    const PAUSE: Duration = Duration::from_millis(5);
    let failed = |source| StoreError::file(path, source);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(failed)?;
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if waited >= patience => return Ok(None),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

/// Whether nobody holds the lock. A file that is not there is free.
pub(super) fn is_free(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => file.try_lock_shared().is_ok(),
        Err(_) => true,
    }
}
