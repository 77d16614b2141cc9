//! What was typed on a terminal, kept for the sessions after: a private file, an entry a line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The name of the file, in the folder with a user's identity and known peers.
const NAME: &str = "input_history";
/// How many entries are kept at least; when there are twice as many, the older half goes.
const ENTRIES: usize = 500;
/// Larger entries are pastes, and nobody goes back to them. Nor is a larger file than it takes to
/// hold the rest one of ours.
const LONGEST: usize = 4096;

/// The file, and what was kept last.
pub(crate) struct InputHistory {
    file: File,
    last: String,
}

impl InputHistory {
    /// Opens the history in `folder`, which is there; also yields the entries, the oldest first.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Vec<String>)> {
        let path = folder.join(NAME);
        let mut text = String::new();
        let mut file = options().read(true).append(true).create(true).open(&path)?;
        let most = (2 * ENTRIES * LONGEST) as u64;
        (&mut file).take(most).read_to_string(&mut text)?;
        let mut entries: Vec<String> = text.lines().map(unescape).collect();
        if entries.len() > 2 * ENTRIES {
            entries.drain(..entries.len() - ENTRIES);
            file = rewrite(&path, &entries)?;
        }
        let last = entries.last().cloned().unwrap_or_default();
        Ok((Self { file, last }, entries))
    }

    /// Keeps an entry. In one write: two programs may keep theirs at once.
    pub(crate) fn keep(&mut self, entry: &str) -> io::Result<()> {
        if entry.len() > LONGEST / 2 || entry == self.last {
            return Ok(());
        }
        entry.clone_into(&mut self.last);
        self.file.write_all(line(entry).as_bytes())
    }
}

/// Written as a whole beside it, and put in its place.
fn rewrite(path: &Path, entries: &[String]) -> io::Result<File> {
    let beside = PathBuf::from(format!("{}.{}", path.display(), std::process::id()));
    let mut file = options().append(true).create_new(true).open(&beside)?;
    let lines: String = entries.iter().map(|entry| line(entry)).collect();
    let written = file
        .write_all(lines.as_bytes())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What could not be put in its place is of no use.
        let _ = fs::remove_file(&beside);
    }
    written.map(|()| file)
}

/// Nobody else may read it, and no link is followed.
fn options() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there are no modes"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let no_link = rustix::fs::OFlags::NOFOLLOW.bits();
        options.mode(0o600).custom_flags(no_link.cast_signed());
    }
    options
}

fn line(entry: &str) -> String {
    let escaped = entry.replace('\\', "\\\\").replace('\n', "\\n");
    format!("{}\n", escaped.replace('\r', "\\r"))
}

fn unescape(line: &str) -> String {
    let mut entry = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        entry.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("ptp-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn entries(&self) -> Vec<String> {
            InputHistory::open(&self.0).unwrap().1
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn what_was_typed_is_there_in_the_next_session() {
        let folder = Folder::new("typed");
        let (mut history, before) = InputHistory::open(&folder.0).unwrap();
        assert!(before.is_empty());
        let entries = ["one", "two\nlines\\n", "", "\r\\", "漢字 "];
        for entry in entries.iter().flat_map(|entry| [entry, entry]) {
            history.keep(entry).unwrap();
        }
        history.keep(&"x".repeat(LONGEST)).unwrap();
        assert_eq!(folder.entries(), entries);
    }

    #[test]
    fn it_is_bounded_and_keeps_the_newest() {
        let folder = Folder::new("bounded");
        let (mut history, _) = InputHistory::open(&folder.0).unwrap();
        for number in 0..=2 * ENTRIES {
            history.keep(&number.to_string()).unwrap();
        }
        let entries = folder.entries();
        assert_eq!(entries.len(), ENTRIES);
        assert_eq!(entries.last(), Some(&(2 * ENTRIES).to_string()));
        assert_eq!(folder.entries(), entries);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it_and_a_link_is_not_followed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = Folder::new("private");
        folder.entries();
        let file = folder.0.join(NAME);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::rename(&file, folder.0.join("elsewhere")).unwrap();
        symlink(folder.0.join("elsewhere"), &file).unwrap();
        assert!(InputHistory::open(&folder.0).is_err());
    }
}
