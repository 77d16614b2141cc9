//! Why the history can't be read or kept, and what to do about it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

use super::schema::Unfit;
use crate::trust::FileError;

/// Why the history can't be read or kept. What was kept before is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The file can't be used: it is a link, others have access to it, or the system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// A newer version of this library has written it.
    #[error("{} was written by a newer version (its schema is {found}, this one knows {known}): update this one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// It is a database, but of something else.
    #[error("{} is the database of another program: move it away", .0.display())]
    Foreign(PathBuf),
    /// It is no database, or a damaged one.
    #[error("{} is damaged: {cause}; move it away, with the -wal file beside it, and a new one is begun (the command sqlite3 can save much of it: `.recover`)", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        cause: String,
    },
    /// There is no room left.
    #[error("no room is left for {}: free some space, or shorten the history", .0.display())]
    Full(PathBuf),
    /// The file was moved or deleted while a conversation was kept there: what was not kept yet is not,
    /// since nobody would find it.
    #[error("{} was moved or deleted meanwhile: start anew, and a new one is begun", .0.display())]
    Gone(PathBuf),
    /// Another program has it locked for longer than is waited.
    #[error("another program has kept {} locked: end it, then try again", .0.display())]
    Busy(PathBuf),
    /// Messages came faster than they could be kept, and the queue was full, or one was larger than the
    /// queue: some are missing.
    #[error("messages come faster than {} can take them: some are not kept", .0.display())]
    Slow(PathBuf),
    /// There is no word in what is searched for.
    #[error("there is no word to search for in {0:?}: write letters or digits")]
    NoWord(String),
    /// The system refuses.
    #[error("{} can't be {attempt}: {cause}; check its owner and permissions, and the free space", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What was tried: "opened", "read" or "written".
        attempt: &'static str,
        /// What SQLite says.
        cause: String,
    },
}

impl HistoryError {
    /// What SQLite's error means, where `attempt` was tried.
    pub(super) fn of(error: &rusqlite::Error, path: &Path, attempt: &'static str) -> Self {
        let path = path.to_owned();
        let cause = error.to_string();
        let Some(code) = error.sqlite_error_code() else {
            // What stands in a column is not what is written there.
            return Self::Damaged { path, cause };
        };
        match code {
            ErrorCode::DiskFull => Self::Full(path),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy(path),
            // The last three: tables or rows that can't be of the known schema, since what is asked
            // for is always the same.
            ErrorCode::NotADatabase
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::Unknown
            | ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch => Self::Damaged { path, cause },
            _ => Self::Refused {
                path,
                attempt,
                cause,
            },
        }
    }

    /// The same where the schema may be what is wrong.
    pub(super) fn unfit(unfit: Unfit, path: &Path, attempt: &'static str) -> Self {
        match unfit {
            Unfit::Foreign => Self::Foreign(path.to_owned()),
            Unfit::Newer { found, known } => Self::Newer {
                path: path.to_owned(),
                found,
                known,
            },
            Unfit::Gone => Self::Gone(path.to_owned()),
            Unfit::Sql(error) => Self::of(&error, path, attempt),
        }
    }

    /// Whether it may pass without anybody's help but that of who makes room or ends a program.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Busy(_) | Self::Refused { .. })
    }
}
