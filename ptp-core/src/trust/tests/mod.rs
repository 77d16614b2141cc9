//! Files of keys: what is written, what is refused, and what happens at the same time.

mod identity;
mod known_peers;
mod peer_list;

use std::fs;
use std::path::{Path, PathBuf};

/// A folder of a test's own, gone with it.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let name = format!("ptp-test-{:016x}", getrandom::u64().unwrap());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it with mode 0600.
    pub(super) fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        set_mode(&path, 0o600);
        path
    }

    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
pub(super) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
pub(super) fn set_mode(_: &Path, _: u32) {}

#[cfg(unix)]
pub(super) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Runs the named test of this binary in `count` processes at once, with `path` in
/// [`CHILD_PATH`]; yields what each printed.
pub(super) fn in_processes(count: usize, test: &str, path: &Path) -> Vec<String> {
    let program = std::env::current_exe().unwrap();
    let children: Vec<_> = (0..count)
        .map(|number| {
            std::process::Command::new(&program)
                .args(["--exact", test, "--nocapture"])
                .env(CHILD_PATH, path)
                .env(CHILD_NUMBER, number.to_string())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        })
        .collect()
}

pub(super) const CHILD_PATH: &str = "PTP_TEST_CHILD_PATH";
pub(super) const CHILD_NUMBER: &str = "PTP_TEST_CHILD_NUMBER";
