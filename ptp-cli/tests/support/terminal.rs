//! `ptp` on a pseudo-terminal, and what a person would see there.

use std::fs::File;
use std::io::{PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use super::screen::Seen;
use super::{PATIENCE, ptp};

/// A terminal with `ptp` on it. Dropping it ends `ptp`.
pub(crate) struct Terminal {
    master: File,
    /// Held so that its modes can be looked at when `ptp` has ended.
    slave: OwnedFd,
    modes_before: Termios,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    /// Stops the thread that reads when it is dropped.
    reading: PipeWriter,
    process: Pid,
    ended: mpsc::Receiver<Option<i32>>,
}

impl Terminal {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::sized(80, 24, args)
    }

    pub(crate) fn sized(columns: u16, rows: u16, args: &[&str]) -> Self {
        Self::with(columns, rows, &mut ptp(args), |_| {})
    }

    /// Starts `command` with the terminal as all of its standard streams; `change` may give it
    /// others.
    pub(crate) fn with(
        columns: u16,
        rows: u16,
        command: &mut Command,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let (master, slave) = open();
        tcsetwinsize(&master, window(columns, rows)).unwrap();
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        if command.get_envs().all(|(name, _)| name != "TERM") {
            command.env("TERM", "xterm-256color");
        }
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        change(command);
        let modes_before = tcgetattr(&slave).unwrap();
        let mut child = command.spawn().unwrap();
        // The command holds the other end open as well.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Pid::from_child(&child);
        let (end, ended) = mpsc::channel();
        thread::spawn(move || end.send(child.wait().unwrap().code()));
        let seen = Arc::new((Mutex::new(Seen::new(columns, rows)), Condvar::new()));
        let (stop, reading) = std::io::pipe().unwrap();
        let (to_read, to_see) = (master.try_clone().unwrap(), Arc::clone(&seen));
        thread::spawn(move || {
            let (master, stop) = (to_read, stop);
            loop {
                let input = PollFlags::IN;
                let mut either = [PollFd::new(&master, input), PollFd::new(&stop, input)];
                poll(&mut either, None).unwrap();
                if !either[1].revents().is_empty() || !see(&master, &to_see) {
                    return;
                }
            }
        });
        Self {
            master,
            slave,
            modes_before,
            seen,
            reading,
            process,
            ended,
        }
    }

    /// Types, which is to write what the keys send.
    pub(crate) fn types(&self, keys: &str) -> &Self {
        (&self.master).write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Pastes as terminals do that were asked to tell a paste from typing.
    pub(crate) fn pastes(&self, block: &str) -> &Self {
        self.types(&format!("\x1b[200~{block}\x1b[201~"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.process, signal).unwrap();
    }

    /// Changes the size of the window; nothing is broken anew, as in xterm.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let mut seen = self.seen.0.lock().unwrap();
        seen.resize(columns, rows);
        tcsetwinsize(&self.master, window(columns, rows)).unwrap();
        // The system tells only those whose controlling terminal it is.
        self.signal(Signal::WINCH);
    }

    /// Waits until `holds` holds of what is seen.
    fn until(&self, what: &str, mut holds: impl FnMut(&mut Seen) -> bool) -> &Self {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().unwrap();
        while !holds(&mut seen) {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                let (lines, before) = (seen.lines(), seen.before_cursor());
                panic!("not seen: {what}\n{lines:#?}\ncursor behind {before:?}");
            }
            seen = self.seen.1.wait_timeout(seen, rest).unwrap().0;
        }
        drop(seen);
        self
    }

    /// Waits until a line is there that contains `text`.
    pub(crate) fn shows(&self, text: &str) -> &Self {
        self.until(text, |seen| {
            seen.lines().iter().any(|line| line.contains(text))
        })
    }

    /// Waits until the last lines are `lines`.
    pub(crate) fn ends_with(&self, lines: &[&str]) -> &Self {
        self.until(&format!("{lines:#?}"), |seen| {
            seen.lines().ends_with(&own(lines))
        })
    }

    /// Waits until the last lines are `lines`, and the cursor stands in its row behind `before`.
    pub(crate) fn stands(&self, lines: &[&str], before: &str) -> &Self {
        self.until(
            &format!("{lines:#?} with the cursor behind {before:?}"),
            |seen| seen.lines().ends_with(&own(lines)) && seen.before_cursor() == before,
        )
    }

    /// Waits until exactly `lines` are there.
    pub(crate) fn is(&self, lines: &[&str]) -> &Self {
        self.until(&format!("{lines:#?}"), |seen| seen.lines() == own(lines))
    }

    /// Waits until `holds` holds of the lines that are there.
    pub(crate) fn until_lines(&self, mut holds: impl FnMut(&[String]) -> bool) -> &Self {
        self.until("what the test waits for", |seen| holds(&seen.lines()))
    }

    /// Waits for the prompt with nothing typed.
    pub(crate) fn prompts(&self) -> &Self {
        self.stands(&["You:"], "You: ")
    }

    /// Waits until the program has given the terminal back, and asserts that it is as it was.
    pub(crate) fn is_given_back(&self) -> &Self {
        self.until("the end of bracketed paste", |seen| seen.is_plain());
        self.modes_are_as_before();
        self
    }

    pub(crate) fn modes_are_as_before(&self) {
        let modes = |termios: &Termios| {
            (
                termios.input_modes,
                termios.output_modes,
                termios.control_modes,
                termios.local_modes,
            )
        };
        let now = tcgetattr(&self.slave).unwrap();
        assert_eq!(modes(&now), modes(&self.modes_before));
    }

    /// Everything from the first line that scrolled out to the last that isn't blank.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen.0.lock().unwrap().lines()
    }

    /// The word behind `text`.
    pub(crate) fn word_after(&self, text: &str) -> String {
        self.shows(text);
        let lines = self.lines();
        let behind = lines.iter().find_map(|line| line.split_once(text));
        let word = behind.and_then(|(_, behind)| behind.split(' ').next());
        word.unwrap_or_default().to_owned()
    }

    /// What it was told to do besides showing something.
    pub(crate) fn obeyed(&self) -> Vec<String> {
        let seen = self.seen.0.lock().unwrap();
        seen.obeyed()
    }

    /// In what colour `text` is shown, if it is coloured.
    pub(crate) fn colour_of(&self, text: &str) -> Option<u8> {
        self.seen.0.lock().unwrap().colour_of(text)
    }

    /// Waits until `ptp` ends by itself, asserts its exit code, and that the terminal is as it was.
    pub(crate) fn exits(&self, code: i32) {
        match self.ended.recv_timeout(PATIENCE) {
            Ok(ended) => assert_eq!(ended, Some(code), "{:#?}", self.lines()),
            Err(_) => panic!("it does not end: {:#?}", self.lines()),
        }
        self.is_given_back();
    }

    /// Closes the window; returns how `ptp` then exits.
    pub(crate) fn hangs_up(mut self) -> Option<i32> {
        let nothing = || File::open("/dev/null").unwrap();
        self.master = nothing();
        self.slave = nothing().into();
        self.reading = std::io::pipe().unwrap().1;
        self.ended.recv_timeout(PATIENCE).unwrap()
    }

    /// How often its threads gave up the processor by themselves so far.
    #[cfg(target_os = "linux")]
    pub(crate) fn wake_ups(&self) -> u64 {
        let threads = format!("/proc/{}/task", self.process);
        let statuses = std::fs::read_dir(threads).unwrap().map(|thread| {
            std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default()
        });
        let count = |status: String| {
            let line = status
                .lines()
                .find(|line| line.starts_with("voluntary_ctxt_switches"));
            line.and_then(|line| line.split_whitespace().last()?.parse::<u64>().ok())
        };
        statuses.filter_map(count).sum()
    }

    /// Whether it was stopped, as Ctrl-Z does; waits for that.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_stopped(&self) -> bool {
        let status = format!("/proc/{}/stat", self.process);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if std::fs::read_to_string(&status).unwrap().contains(") T ") {
                return true;
            }
            thread::yield_now();
        }
        false
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Not once it is known to have ended: then the number may be another's.
        if let Err(mpsc::TryRecvError::Empty) = self.ended.try_recv() {
            let _ = kill_process(self.process, Signal::KILL);
            let _ = self.ended.recv_timeout(Duration::from_secs(5));
        }
    }
}

/// Reads what was written and shows it; `false` when there will be no more.
fn see(mut master: &File, seen: &(Mutex<Seen>, Condvar)) -> bool {
    let mut piece = [0; 4096];
    let Ok(length @ 1..) = master.read(&mut piece) else {
        return false;
    };
    let mut state = seen.0.lock().unwrap();
    let answers = state.show(&piece[..length]);
    drop(state);
    seen.1.notify_all();
    answers.is_empty() || master.write_all(&answers).is_ok()
}

fn open() -> (File, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    // Or another test's program would hold it open.
    #[cfg(target_os = "linux")]
    let flags = flags | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    (File::from(master), slave)
}

fn own(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn window(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_col: columns,
        ws_row: rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
