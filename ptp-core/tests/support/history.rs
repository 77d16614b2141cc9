//! Histories in folders of their own, and programs that keep them: this one, run again.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

use crossbeam_channel::{Receiver, bounded, unbounded};
use ptp_core::{Content, Entry, Event, History, HistoryFilter, Recording, Session};
use rusqlite::Connection;

use super::{Line, PATIENCE, message, pair};

/// What a program that was run again is to do.
const TASK: &str = "PTP_TEST_TASK";

/// A folder of the test's own.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ptp-history-{}-{number}", std::process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("history.sqlite3")
    }

    /// The names of what is in it.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    /// Signs of life of programs that write.
    pub(crate) fn signs_of_life(&self) -> usize {
        let names = self.names();
        names.iter().filter(|name| name.contains("-live-")).count()
    }

    /// Whether any file in it holds these bytes.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        let holds = |file: Vec<u8>| file.windows(bytes.len()).any(|window| window == bytes);
        let mut names = self.names().into_iter();
        // SQLite may remove its own meanwhile.
        names.any(|name| fs::read(self.0.join(name)).is_ok_and(holds))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Two sides over memory, of which the second takes what comes, and answers it.
pub(crate) fn talker() -> Session {
    let (session, peer) = pair(Line::Memory(64 * 1024));
    thread::spawn(move || {
        let sender = peer.sender();
        for event in peer.events() {
            if let Event::Received(message) = event
                && message.as_bytes() == b"echo"
            {
                let _ = sender.send(message);
            }
        }
    });
    session
}

/// Sends a text, and keeps it and what happened meanwhile.
pub(crate) fn say(session: &Session, recording: &Recording, text: &str) {
    let id = session.sender().send(text).unwrap();
    recording.sent(id, &text);
    for event in session.events().try_iter() {
        recording.event(&event);
    }
}

/// Says something to a peer and sees that it answers: the conversation goes on.
pub(crate) fn goes_on(session: &Session) {
    session.sender().send("echo").unwrap();
    while message(session) != "echo" {}
}

pub(crate) fn all() -> HistoryFilter {
    HistoryFilter::default()
}

pub(crate) fn search(words: &str) -> HistoryFilter {
    HistoryFilter {
        search: Some(words.to_owned()),
        ..all()
    }
}

pub(crate) fn text(entry: &Entry) -> &str {
    match &entry.content {
        Content::Text(text) => text,
        other => panic!("no text but {other:?}"),
    }
}

pub(crate) fn texts(history: &History, filter: &HistoryFilter) -> Vec<String> {
    let found = history.find(filter).unwrap();
    found.iter().map(|entry| text(entry).to_owned()).collect()
}

/// Sees to it that nothing is wrong with the database, its indexes and its index of words.
pub(crate) fn is_sound(file: &Path) {
    let database = Connection::open(file).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    let found: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, "ok");
    database
        .execute_batch("INSERT INTO words (words) VALUES ('integrity-check')")
        .unwrap();
}

/// Another program, which is killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    /// The lines that it says; other tests' output is not among them.
    pub(crate) says: Receiver<String>,
}

impl Program {
    /// This program again, for one test of it alone, which is to do a [`task`].
    pub(crate) fn start(test: &str, task: &[&OsStr]) -> Self {
        Self::run(Command::new(env::current_exe().unwrap()), test, task)
    }

    /// By a shell, behind some commands of it.
    pub(crate) fn behind(commands: &str, test: &str, task: &[&OsStr]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{commands}; exec \"$0\" \"$@\"")]);
        shell.arg(env::current_exe().unwrap());
        Self::run(shell, test, task)
    }

    /// The same with mounts of its own, which takes root.
    pub(crate) fn apart(commands: &str, test: &str, task: &[&OsStr]) -> Self {
        let mut shell = Command::new("unshare");
        shell.args(["--mount", "sh", "-c"]);
        shell.arg(format!("{commands}; exec \"$0\" \"$@\""));
        shell.arg(env::current_exe().unwrap());
        Self::run(shell, test, task)
    }

    fn run(mut command: Command, test: &str, task: &[&OsStr]) -> Self {
        command.args(["--exact", test, "--nocapture", "--include-ignored"]);
        command.env(TASK, task.join(OsStr::new("\n")));
        // The output is the test runner's.
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stderr.take().unwrap());
        let (tell, says) = unbounded();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            says,
        }
    }

    /// Waits until it says this.
    pub(crate) fn until(&self, said: &str) {
        loop {
            match self.says.recv_timeout(PATIENCE) {
                Ok(line) if line == said => return,
                Ok(line) if line.contains("panicked") => {
                    panic!("{line} {:?}", self.says.recv_timeout(PATIENCE))
                }
                Ok(_) => {}
                Err(error) => panic!("it does not say {said}: {error}"),
            }
        }
    }

    pub(crate) fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let killed = self.child.wait().unwrap();
        let said: Vec<_> = self.says.iter().collect();
        assert_eq!(killed.code(), None, "it ended by itself: {said:#?}");
        said
    }

    /// Waits until it ends, well.
    pub(crate) fn ends(mut self) {
        drop(self.input.take());
        let (done, ended) = bounded::<()>(0);
        let said = self.says.clone();
        thread::scope(|scope| {
            scope.spawn(move || {
                if ended.recv_timeout(PATIENCE * 5)
                    == Err(crossbeam_channel::RecvTimeoutError::Timeout)
                {
                    eprintln!("a program does not end");
                    std::process::abort();
                }
            });
            let status = self.child.wait().unwrap();
            drop(done);
            let said: Vec<_> = said.iter().collect();
            assert!(status.success(), "{said:#?}");
        });
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this program is to do, if it was started by another.
pub(crate) fn task() -> Option<Vec<PathBuf>> {
    let task = env::var(TASK).ok()?;
    Some(task.split('\n').map(PathBuf::from).collect())
}

/// Says a line to the program that started this one.
pub(crate) fn report(line: impl std::fmt::Display) {
    eprintln!("{line}");
}

/// The next line from the program that started this one; `None` if there are no more.
pub(crate) fn hear() -> Option<String> {
    std::io::stdin().lines().next().map(Result::unwrap)
}

/// A moment that is short for a person.
pub(crate) const MOMENT: Duration = Duration::from_millis(50);
