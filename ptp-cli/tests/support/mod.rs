//! Runs `ptp` as its users do. Every wait has a deadline, after which the program is ended and the
//! test fails with what it said.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod past;
#[cfg(unix)]
pub(crate) mod screen;
pub(crate) mod speaker;
#[cfg(unix)]
pub(crate) mod terminal;
#[cfg(unix)]
pub(crate) mod two;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// More than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The command, untouched by what the environment of the tests says.
pub(crate) fn ptp(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ptp"));
    for variable in ["RUST_LOG", "PTP_CODE"] {
        command.env_remove(variable);
    }
    // One person's: both sides have the same identity, and need no code.
    command.env("PTP_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/home"));
    command.args(args);
    command
}

/// A fresh home, which is removed in the end.
pub(crate) struct Home(pub(crate) PathBuf);

impl Home {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("home-{}-{number}", std::process::id());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    /// `ptp` in this home.
    pub(crate) fn ptp(&self, args: &[&str]) -> Command {
        let mut command = ptp(args);
        command.env("PTP_HOME", &self.0);
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Some tests never run a program in it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a stream has said so far.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<(Mutex<Stream>, Condvar)>);

#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    ended: bool,
}

impl Said {
    pub(crate) fn by(mut stream: impl Read + Send + 'static) -> Self {
        let said = Self::default();
        let to_tell = said.clone();
        thread::spawn(move || {
            let mut piece = vec![0; 64 * 1024];
            loop {
                let length = stream.read(&mut piece).unwrap_or(0);
                let (state, changed) = &*to_tell.0;
                let mut state = state.lock().unwrap();
                state.bytes.extend_from_slice(&piece[..length]);
                state.ended = length == 0;
                changed.notify_all();
                if state.ended {
                    return;
                }
            }
        });
        said
    }

    /// Waits until `found` finds something in what was said; `None` if it does not in time, or
    /// never can.
    pub(crate) fn find<T>(&self, mut found: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        loop {
            let result = found(&state.bytes);
            let rest = deadline.saturating_duration_since(Instant::now());
            if result.is_some() || state.ended || rest.is_zero() {
                return result;
            }
            state = changed.wait_timeout(state, rest).unwrap().0;
        }
    }

    /// Whether the stream ends in time.
    pub(crate) fn ends(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        while !state.ended && Instant::now() < deadline {
            state = changed.wait_timeout(state, PATIENCE).unwrap().0;
        }
        state.ended
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap().bytes).into_owned()
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.0.lock().unwrap().bytes)
    }
}

/// `ptp` in a pipe. Dropping it ends it.
pub(crate) struct Ptp {
    pub(crate) child: Child,
    input: Option<ChildStdin>,
    pub(crate) stdout: Said,
    pub(crate) stderr: Said,
}

/// How `ptp` ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ptp {
    /// Starts it with a pipe on each stream.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::run(ptp(args).stdin(Stdio::piped()).stdout(Stdio::piped()))
    }

    /// Starts it with no input at all.
    pub(crate) fn without_input(args: &[&str]) -> Self {
        Self::run(ptp(args).stdin(Stdio::null()).stdout(Stdio::piped()))
    }

    /// Starts it with an input that is there already, and ends.
    pub(crate) fn with_input(args: &[&str], input: impl Into<Vec<u8>>) -> Self {
        let mut started = Self::start(args);
        started.pour(input);
        started
    }

    /// Starts a command that says what is on its standard input and output.
    pub(crate) fn run(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        Self {
            input: child.stdin.take(),
            stdout: match child.stdout.take() {
                Some(stdout) => Said::by(stdout),
                None => Said::by(std::io::empty()),
            },
            stderr: Said::by(child.stderr.take().unwrap()),
            child,
        }
    }

    /// The port that a server listens at.
    pub(crate) fn port(&self) -> String {
        let port = self.stderr.find(|said| {
            let said = String::from_utf8_lossy(said);
            let (_, after) = said.split_once("[SERVER] Listening on port ")?;
            Some(after.split_once('\n')?.0.to_owned())
        });
        port.unwrap_or_else(|| panic!("no port: {:?}", self.stderr.text()))
    }

    /// Waits until the conversation stands.
    pub(crate) fn connected(&self) -> &Self {
        self.complains("[CONNECTED] ")
    }

    /// Waits until `text` is on standard error.
    pub(crate) fn complains(&self, text: &str) -> &Self {
        assert!(
            self.stderr
                .find(|said| contains(said, text).then_some(()))
                .is_some(),
            "{text:?} is not in {:?}",
            self.stderr.text()
        );
        self
    }

    /// How often `text` is on standard error.
    pub(crate) fn complaints(&self, text: &str) -> usize {
        self.stderr.text().matches(text).count()
    }

    /// Waits until `text` is on standard error so often.
    pub(crate) fn complains_again(&self, text: &str, times: usize) -> &Self {
        let found = self.stderr.find(|said| {
            let said = String::from_utf8_lossy(said);
            (said.matches(text).count() >= times).then_some(())
        });
        assert!(found.is_some(), "{text:?} in {:?}", self.stderr.text());
        self
    }

    /// Waits until `text` is on standard output.
    pub(crate) fn prints(&self, text: &str) -> &Self {
        assert!(
            self.stdout
                .find(|said| contains(said, text).then_some(()))
                .is_some(),
            "{text:?} is not in {:?}; stderr: {:?}",
            self.stdout.text(),
            self.stderr.text()
        );
        self
    }

    /// Writes to its input.
    pub(crate) fn write(&mut self, input: &str) {
        self.write_bytes(input.as_bytes());
    }

    pub(crate) fn write_bytes(&mut self, input: &[u8]) {
        self.input.as_mut().unwrap().write_all(input).unwrap();
    }

    /// Ends its input.
    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    /// Writes to its input, as fast as it is read, and ends it; does not wait for that.
    pub(crate) fn pour(&mut self, input: impl Into<Vec<u8>>) {
        let (mut pipe, input) = (self.input.take().unwrap(), input.into());
        // An error means that it has ended without reading all, which some tests want.
        thread::spawn(move || pipe.write_all(&input));
    }

    /// Writes to its input, as fast as it is read, without waiting for that. The input is given
    /// back when all is written, and ends when it is dropped.
    #[must_use]
    pub(crate) fn pour_on(&mut self, input: impl Into<Vec<u8>>) -> Receiver<ChildStdin> {
        let (mut pipe, input) = (self.input.take().unwrap(), input.into());
        let (written, all_written) = mpsc::channel();
        thread::spawn(move || {
            let _ = pipe.write_all(&input);
            let _ = written.send(pipe);
        });
        all_written
    }

    /// Writes `line` to its input again and again for as long as it reads.
    pub(crate) fn pour_forever(&mut self, line: &str) {
        let (mut pipe, lines) = (self.input.take().unwrap(), line.repeat(1000));
        thread::spawn(move || while pipe.write_all(lines.as_bytes()).is_ok() {});
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).unwrap();
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> Ended {
        // Its standard error is closed when it ends, and not before.
        let ends = self.stderr.ends();
        if !ends {
            let _ = self.child.kill();
        }
        let code = self.child.wait().unwrap().code();
        assert!(self.stdout.ends());
        let ended = Ended {
            code,
            stdout: self.stdout.take(),
            stderr: self.stderr.text(),
        };
        assert!(ends, "it does not end: {ended:?}");
        ended
    }
}

impl Drop for Ptp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Asserts how it ended, and that it printed exactly `stdout`.
    pub(crate) fn is(&self, code: i32, stdout: &str) -> &Self {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert_eq!(String::from_utf8_lossy(&self.stdout), stdout);
        self
    }

    /// Asserts that `text` is on standard error.
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "{}", self.stderr);
        self
    }

    /// How many messages it says were surely not delivered, and how many more perhaps not.
    pub(crate) fn undelivered(&self) -> (usize, usize) {
        let mut lines = self.stderr.lines();
        let line = lines.find(|line| line.contains("not delivered"));
        let Some(rest) = line.and_then(|line| line.strip_prefix("[ERROR] ")) else {
            return (0, 0);
        };
        let mut numbers = rest.split(' ').filter_map(|word| word.parse().ok());
        let first = numbers.next().unwrap();
        match (numbers.next(), rest.contains("perhaps")) {
            (Some(perhaps), _) => (first, perhaps),
            (None, true) => (0, first),
            (None, false) => (first, 0),
        }
    }

    /// Asserts that it had nothing to complain of.
    pub(crate) fn is_content(&self) -> &Self {
        assert!(!self.stderr.contains("[ERROR]"), "{}", self.stderr);
        self
    }
}

pub(crate) fn contains(said: &[u8], text: &str) -> bool {
    said.windows(text.len()).any(|part| part == text.as_bytes())
}

/// Lines with their numbers.
pub(crate) fn numbered(count: usize, speaker: &str) -> String {
    (1..=count)
        .map(|number| format!("{speaker} {number}\n"))
        .collect()
}

/// How many lines `output` has of those that `numbered` gives, which it must begin with. Of a
/// program that was killed the last may be cut off; it does not count.
pub(crate) fn count(output: &[u8], speaker: &str) -> usize {
    let text = str::from_utf8(output).unwrap();
    let lines = text.rfind('\n').map_or("", |end| &text[..=end]);
    let count = lines.lines().count();
    assert!(lines == numbered(count, speaker), "{text}");
    count
}

/// A server on a port of its own, without input, and its port.
pub(crate) fn server(options: &[&str]) -> (Ptp, String) {
    let server = Ptp::without_input(&[&["server", "0", "--bind", "127.0.0.1"], options].concat());
    let port = server.port();
    (server, port)
}

/// A server whose input is a pipe, and its port.
pub(crate) fn server_with_pipe(options: &[&str]) -> (Ptp, String) {
    let server = Ptp::start(&[&["server", "0", "--bind", "127.0.0.1"], options].concat());
    let port = server.port();
    (server, port)
}

/// The arguments of a client of the server at `port`.
pub(crate) fn client<'a>(port: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    [&["client", "127.0.0.1", port], options].concat()
}

/// A port at which nobody listens, and what must be held for nobody to get it: it is that of a
/// caller in a connection.
pub(crate) fn unused_port() -> (TcpStream, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let port = caller.local_addr().unwrap().port().to_string();
    (caller, port)
}

/// A server in a pipe at this home, and its port.
pub(crate) fn server_at_home(home: &Home, options: &[&str]) -> (Ptp, String) {
    let args = [&["server", "0", "--bind", "127.0.0.1"], options].concat();
    let server = Ptp::run(home.ptp(&args).stdin(Stdio::null()).stdout(Stdio::piped()));
    server.complains("[SERVER] Waiting");
    let port = server.port();
    (server, port)
}

/// The code that a server in a pipe shows.
pub(crate) fn code(server: &Ptp) -> String {
    let code = server.stderr.find(|said| {
        let said = String::from_utf8_lossy(said);
        let (_, after) = said.split_once("[SERVER] Pairing code for someone new: ")?;
        Some(after.split_once('\n')?.0.to_owned())
    });
    code.unwrap()
}

/// What becomes of a client that says one line and leaves.
pub(crate) fn say(home: &Home, port: &str, options: &[&str], line: &str) -> Ended {
    let args = [&["client", "127.0.0.1", port], options].concat();
    let mut client = Ptp::run(home.ptp(&args).stdin(Stdio::piped()).stdout(Stdio::piped()));
    client.pour(line);
    client.wait()
}

/// Two homes that know each other, at `port`.
pub(crate) fn pair(ana: &Home, ben: &Home) -> String {
    let (server, port) = server_at_home(ana, &["--name", "Ana"]);
    let shown = code(&server);
    say(ben, &port, &["--name", "Ben", "--code", &shown], "first\n").is(0, "");
    server.wait().is(0, "first\n");
    port
}
