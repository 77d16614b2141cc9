//! Whether the program that keeps a conversation still runs: it holds a lock, which the system
//! takes away when the program ends, however it does.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::trust::FileError;
use crate::trust::files;

/// The sign of life of one who writes; gone when it is dropped, or its program is killed.
pub(super) struct Live {
    /// Held locked.
    _file: File,
    path: PathBuf,
    pub(super) name: String,
}

impl Live {
    /// Beside the history at `history`.
    pub(super) fn begin(history: &Path) -> Result<Self, FileError> {
        let failed = |cause| FileError::Io {
            path: history.to_owned(),
            attempt: "written",
            cause,
        };
        let random =
            getrandom::u64().map_err(|cause| failed(io::Error::other(cause.to_string())))?;
        let name = format!("{random:016x}");
        let path = beside(history, &name);
        let file = files::open_lock(&path)?;
        file.lock().map_err(failed)?;
        Ok(Self {
            _file: file,
            path,
            name,
        })
    }

    /// Whether whoever writes under this name lives. What a killed program left is cleared away.
    pub(super) fn is(history: &Path, name: &str) -> bool {
        let path = beside(history, name);
        let Ok(file) = File::open(&path) else {
            return false;
        };
        match file.try_lock() {
            Ok(()) => {
                // Nobody comes back under this name, so nobody can hold another file of it.
                let _ = fs::remove_file(path);
                false
            }
            Err(TryLockError::WouldBlock) => true,
            // Better a question that is asked later than a message that is sent twice.
            Err(TryLockError::Error(_)) => true,
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn beside(history: &Path, name: &str) -> PathBuf {
    let mut path = history.as_os_str().to_owned();
    path.push(format!("-live-{name}"));
    path.into()
}
