//! Why a file of keys can't be used, and what to do about it.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// Why a file of keys can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is none.
    #[error("{} does not exist: check the path", .0.display())]
    Missing(PathBuf),
    /// There is one already, and it is never overwritten.
    #[error("{} exists already and is not overwritten: move it away first", .0.display())]
    Exists(PathBuf),
    /// A link could be made to lead elsewhere.
    #[error("{} is a symbolic link: put the file itself in its place", .0.display())]
    Link(PathBuf),
    /// It is a folder, a pipe or the like.
    #[error("{} is not a regular file: move it away", .0.display())]
    NotAFile(PathBuf),
    /// Others than its owner have rights that they must not have.
    #[error("others have access to {} (mode {mode:04o}): run `chmod 600 {}`", path.display(), shell_word(path))]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is larger than such a file ever is.
    #[error("{} is larger than the {limit} bytes that are read of it: shorten it or move it away", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How many bytes would be read.
        limit: u64,
    },
    /// Another program keeps it locked.
    #[error("another program has kept {} locked for {} s: end it, then try again", path.display(), waited.as_secs())]
    Locked {
        /// The file that is locked.
        path: PathBuf,
        /// For how long it was tried.
        waited: Duration,
    },
    /// The system refuses.
    #[error("{} can't be {attempt}: {cause}; check its owner and permissions, and the free space", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: "read", "written" and the like.
        attempt: &'static str,
        /// What the system says.
        cause: io::Error,
    },
}

/// The path as a shell takes it for one word.
fn shell_word(path: &Path) -> Cow<'_, str> {
    let path = path.to_string_lossy();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,@%".contains(&byte);
    if path.bytes().all(plain) && !path.starts_with('-') {
        return path;
    }
    let dash = if path.starts_with('-') { "./" } else { "" };
    Cow::Owned(format!("'{dash}{}'", path.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_command_is_one_word_and_no_option() {
        let shown = |path: &str| shell_word(Path::new(path)).into_owned();
        assert_eq!(shown("/home/ana/.ptp/identity"), "/home/ana/.ptp/identity");
        assert_eq!(shown("/a b/identity"), "'/a b/identity'");
        assert_eq!(shown("it's; rm *"), r"'it'\''s; rm *'");
        assert_eq!(shown("-R"), "'./-R'");
    }
}
