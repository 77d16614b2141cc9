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
        loop {
            let random =
                getrandom::u64().map_err(|cause| failed(io::Error::other(cause.to_string())))?;
            let name = format!("{random:016x}");
            let path = beside(history, &name);
            let file = files::open_lock(&path)?;
            file.lock().map_err(failed)?;
            // Another may have taken it for a dead one's before it was locked.
            if path.exists() {
                return Ok(Self {
                    _file: file,
                    path,
                    name,
                });
            }
        }
    }

    /// Clears away what killed programs left that the history knows nothing of: they had kept nothing
    /// yet, or all of their conversations were over.
    pub(super) fn clear(history: &Path) {
        let prefix = beside(history, "");
        let Some((folder, prefix)) = prefix.parent().zip(prefix.file_name()) else {
            return;
        };
        let prefix = prefix.as_encoded_bytes();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.as_encoded_bytes().strip_prefix(prefix);
            // Opening a pipe would wait for its other end.
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if let Some(Ok(name)) = name.map(str::from_utf8).filter(|_| is_file) {
                Self::is(history, name);
            }
        }
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
