//! Private files: read without following links, written as a whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::file_error::FileError;

/// What others than the owner may not do with a file.
#[derive(Clone, Copy)]
pub(crate) enum Privacy {
    /// Neither read nor write: it holds a secret.
    Secret,
    /// Write: who writes lets himself in.
    Guarded,
}

impl Privacy {
    fn forbidden(self) -> u32 {
        match self {
            Self::Secret => 0o077,
            Self::Guarded => 0o022,
        }
    }
}

/// The whole of a regular file, of `limit` bytes at most.
pub(super) fn read(
    path: &Path,
    limit: u64,
    privacy: Privacy,
) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = system::open(path).map_err(|cause| opening_failed(path, cause))?;
    let failed = |cause| io_error(path, "read", cause);
    let metadata = file.metadata().map_err(failed)?;
    check(path, &metadata, privacy)?;
    let too_large = || FileError::TooLarge {
        path: path.to_owned(),
        limit,
    };
    let length = metadata.len();
    if length > limit {
        return Err(too_large());
    }
    // One byte more than it has, to notice one that grows; never so many that the buffer moves
    // and leaves a secret behind.
    let capacity = usize::try_from(length + 1).map_err(|_| too_large())?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(length + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() == capacity {
        let cause = io::Error::other("it grew while it was read");
        return Err(failed(cause));
    }
    Ok(bytes)
}

/// A regular file that others than its owner have not too many rights on.
fn check(path: &Path, metadata: &Metadata, privacy: Privacy) -> Result<(), FileError> {
    if !metadata.is_file() {
        return Err(FileError::NotAFile(path.to_owned()));
    }
    let mode = system::mode(metadata);
    if mode & privacy.forbidden() != 0 {
        let path = path.to_owned();
        return Err(FileError::Permissions { path, mode });
    }
    Ok(())
}

/// Creates the file at `path`, complete at once: of two that do so at the same time, the second
/// is told that it [`Exists`](FileError::Exists).
pub(super) fn create(path: &Path, contents: &[u8]) -> Result<(), FileError> {
    let temporary = Temporary::write(path, contents)?;
    // Unlike a rename, a link never takes the place of another file.
    fs::hard_link(&temporary.path, path).map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => FileError::Exists(path.to_owned()),
        _ => io_error(path, "created", cause),
    })?;
    drop(temporary);
    sync_folder_of(path)
}

/// Puts `contents` in the place of the file at `path`: whoever reads gets the old or the new.
pub(super) fn replace(path: &Path, contents: &[u8]) -> Result<(), FileError> {
    let temporary = Temporary::write(path, contents)?;
    fs::rename(&temporary.path, path).map_err(|cause| io_error(path, "written", cause))?;
    sync_folder_of(path)
}

/// Makes an empty file for its owner alone where there is none. One that is there is not opened, only
/// looked at: closing it would give up the locks that this process may hold on it.
#[cfg(feature = "history")]
pub(crate) fn claim(path: &Path, privacy: Privacy) -> Result<(), FileError> {
    loop {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => return Err(FileError::Link(path.to_owned())),
            Ok(metadata) => return check(path, &metadata, privacy),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(io_error(path, "opened", cause)),
        }
        match create(path, &[]) {
            // Another program was faster.
            Err(FileError::Exists(_)) => {}
            created => return created,
        }
    }
}

/// What a file is told from others by, wherever it is moved to; `None` where the system has no such thing.
#[cfg(feature = "history")]
pub(crate) fn identity(path: &Path) -> Option<(u64, u64)> {
    system::identity(&path.metadata().ok()?)
}

/// The file that a lock is taken on; made where it is absent, and never removed: who waits for it
/// would then hold another one than who comes later.
pub(crate) fn open_lock(path: &Path) -> Result<File, FileError> {
    make_folder_of(path)?;
    system::open_lock(path).map_err(|cause| opening_failed(path, cause))
}

/// The folder that `path` is in, made for the user alone where it is absent.
fn make_folder_of(path: &Path) -> Result<(), FileError> {
    let folder = folder_of(path);
    if folder.is_dir() {
        return Ok(());
    }
    make_folder_of(folder)?;
    match system::create_folder(folder) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
            Err(io_error(folder, "created", cause))
        }
        _ => sync_folder_of(folder),
    }
}

/// A complete file beside the one that it is to become. Dropping it removes it, unless it was
/// renamed.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn write(path: &Path, contents: &[u8]) -> Result<Self, FileError> {
        make_folder_of(path)?;
        let failed = |cause| io_error(path, "written", cause);
        let name = path
            .file_name()
            .ok_or_else(|| FileError::NotAFile(path.to_owned()))?;
        let random =
            getrandom::u64().map_err(|cause| failed(io::Error::other(cause.to_string())))?;
        let mut beside = OsString::from(".");
        beside.push(name);
        beside.push(format!(".{random:016x}"));
        let beside = path.with_file_name(beside);
        let mut file = system::create(&beside).map_err(failed)?;
        let temporary = Self { path: beside };
        file.write_all(contents).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// So that a name that was given is still there after a loss of power.
fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    match system::sync_folder(folder_of(path)) {
        // Some file systems have nothing to write for a folder, and say so.
        Err(cause) if cause.kind() != io::ErrorKind::InvalidInput => {
            Err(io_error(folder_of(path), "written", cause))
        }
        _ => Ok(()),
    }
}

fn opening_failed(path: &Path, cause: io::Error) -> FileError {
    let path = path.to_owned();
    if path.is_symlink() {
        return FileError::Link(path);
    }
    match cause.kind() {
        io::ErrorKind::NotFound => FileError::Missing(path),
        io::ErrorKind::IsADirectory => FileError::NotAFile(path),
        _ => io_error(&path, "opened", cause),
    }
}

pub(super) fn io_error(path: &Path, attempt: &'static str, cause: io::Error) -> FileError {
    FileError::Io {
        path: path.to_owned(),
        attempt,
        cause,
    }
}

#[cfg(unix)]
mod system {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io;
    #[cfg(feature = "history")]
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
    use std::path::Path;

    use rustix::fs::OFlags;

    /// Not through a link, and without waiting for the other end of a pipe.
    pub(super) fn open(path: &Path) -> io::Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
    }

    pub(super) fn create(path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    }

    pub(super) fn open_lock(path: &Path) -> io::Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
    }

    pub(super) fn create_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    pub(super) fn mode(metadata: &Metadata) -> u32 {
        metadata.permissions().mode() & 0o7777
    }

    #[cfg(feature = "history")]
    pub(super) fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
        Some((metadata.dev(), metadata.ino()))
    }
}

/// Where files have no mode they are as private as the user's profile, and folders can't be
/// synced.
#[cfg(not(unix))]
mod system {
    use std::fs::{self, File, Metadata, OpenOptions};
    use std::io;
    use std::path::Path;

    pub(super) fn open(path: &Path) -> io::Result<File> {
        refuse_link(path)?;
        File::open(path)
    }

    pub(super) fn create(path: &Path) -> io::Result<File> {
        File::create_new(path)
    }

    pub(super) fn open_lock(path: &Path) -> io::Result<File> {
        refuse_link(path)?;
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
    }

    pub(super) fn create_folder(path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn mode(_: &Metadata) -> u32 {
        0
    }

    #[cfg(feature = "history")]
    pub(super) fn identity(_: &Metadata) -> Option<(u64, u64)> {
        None
    }

    fn refuse_link(path: &Path) -> io::Result<()> {
        if path.is_symlink() {
            return Err(io::Error::other("a symbolic link"));
        }
        Ok(())
    }
}
