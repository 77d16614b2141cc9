//! Two people, of whom one or both keep what they say.

use std::process::{Command, Stdio};

use ptp_core::{Content, Entry, Fate, History, HistoryFilter};
use rustix::process::Signal;

use super::{Home, PATIENCE, Ptp, pair};

/// Two people who know each other.
pub(crate) struct Two {
    pub(crate) ana: Home,
    pub(crate) ben: Home,
}

impl Two {
    pub(crate) fn new() -> Self {
        let (ana, ben) = (Home::new(), Home::new());
        pair(&ana, &ben);
        Self { ana, ben }
    }

    /// Ana waits, with a pipe to speak through.
    pub(crate) fn ana(&self, options: &[&str]) -> (Ptp, String) {
        let args = [
            &["server", "0", "--bind", "127.0.0.1", "--name", "Ana"],
            options,
        ]
        .concat();
        let server = Ptp::run(piped(&mut self.ana.ptp(&args)));
        let port = server.port();
        (server, port)
    }

    pub(crate) fn to_ana(&self, port: &str, options: &[&str]) -> Command {
        self.ben
            .ptp(&[&["client", "127.0.0.1", port, "--name", "Ben"], options].concat())
    }

    /// Ben in a pipe.
    pub(crate) fn ben(&self, port: &str, options: &[&str]) -> Ptp {
        let client = Ptp::run(piped(&mut self.to_ana(port, options)));
        client.connected();
        client
    }

    /// Ben sends a line that Ana, who is stopped, never takes, and knows that she is gone.
    pub(crate) fn lose(&self, line: &str) {
        let (ana, port) = self.ana(&[]);
        let mut ben = self.ben(&port, &["--history", "--resume", "0"]);
        ana.connected().signal(Signal::STOP);
        let before = kept(&self.ben, 0).len();
        ben.write(line);
        kept(&self.ben, before + 1);
        ana.signal(Signal::KILL);
        let ended = ben.wait();
        assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    }
}

pub(crate) fn piped(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::piped()).stdout(Stdio::piped())
}

pub(crate) fn history(home: &Home) -> History {
    History::open(home.0.join("history.sqlite3")).unwrap()
}

/// Waits until so many messages are kept, and returns them.
pub(crate) fn kept(home: &Home, count: usize) -> Vec<Entry> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let entries = match home.0.join("history.sqlite3").exists() {
            true => history(home).find(&HistoryFilter::default()).unwrap(),
            false => Vec::new(),
        };
        if entries.len() >= count {
            return entries;
        }
        assert!(std::time::Instant::now() < deadline, "{entries:?}");
        std::thread::yield_now();
    }
}

/// What was said, and what became of it.
pub(crate) fn said(entries: &[Entry]) -> Vec<(&str, Fate)> {
    entries.iter().map(text).collect()
}

pub(crate) fn text(entry: &Entry) -> (&str, Fate) {
    match &entry.content {
        Content::Text(text) => (text, entry.fate),
        other => panic!("{other:?}"),
    }
}
