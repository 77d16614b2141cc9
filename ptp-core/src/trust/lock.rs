//! A lock between threads and processes.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::file_error::FileError;
use super::files;

/// Excludes all others that lock the same file, threads and processes; until it is dropped.
pub(super) struct Lock(File);

impl Lock {
    /// Waits for `patience` at most.
    pub(super) fn take(path: &Path, patience: Duration) -> Result<Self, FileError> {
        let file = files::open_lock(path)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(cause)) => {
                    return Err(files::io_error(path, "locked", cause));
                }
                Err(TryLockError::WouldBlock) if begun.elapsed() >= patience => {
                    return Err(FileError::Locked {
                        path: path.to_owned(),
                        waited: patience,
                    });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_TRIES),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file unlocks it anyway.
        let _ = self.0.unlock();
    }
}

/// How often a lock is tried: a holder keeps it for some milliseconds.
const LOCK_TRIES: Duration = Duration::from_millis(2);
