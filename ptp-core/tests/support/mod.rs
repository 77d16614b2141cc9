//! What the integration tests share: pairs of sessions on every kind of line, waits with a limit,
//! a seeded source of numbers and a watchdog.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "every test crate uses a part of it, and a helper that fails fails its test"
)]

#[cfg(all(feature = "history", unix))]
pub(crate) mod history;
pub(crate) mod home;
pub(crate) mod network;
pub(crate) mod proxy;

#[cfg(target_os = "linux")]
use std::fs;
use std::io;
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use ptp_core::transport::{self, Duplex, Halves, Transport, WriteHalf};
use ptp_core::{Config, End, Event, Listener, Message, Role, Session};

/// What should come at once has so long: a loaded machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What carries a conversation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line {
    /// Memory that holds so many bytes a direction.
    Memory(usize),
    /// Memory that passes on one byte at a time.
    Slices,
    /// Memory that takes one piece in a call, as a transport of an application's may.
    Pieces,
    /// TCP to a listener at this host.
    Tcp(&'static str),
}

/// A dialling and a listening session over `line`.
pub(crate) fn pair(line: Line) -> (Session, Session) {
    pair_with(line, &Config::open(), &Config::open())
}

/// A dialling and a listening session over `line`, with their configurations.
pub(crate) fn pair_with(line: Line, dialler: &Config, listener: &Config) -> (Session, Session) {
    watch();
    match line {
        Line::Memory(capacity) => {
            let (left, right) = transport::duplex(capacity);
            pair_over(left, right, dialler, listener)
        }
        Line::Slices => {
            let (left, right) = transport::duplex(64 * 1024);
            left.faults().slice(1);
            right.faults().slice(1);
            pair_over(left, right, dialler, listener)
        }
        Line::Pieces => {
            let (left, right) = transport::duplex(64 * 1024);
            pair_over(Pieces(left), Pieces(right), dialler, listener)
        }
        Line::Tcp(host) => {
            let listening = Listener::bind(&format!("{host}:0"), listener).unwrap();
            let port = listening.local_addr().unwrap().port();
            let dialler = Session::connect(&format!("{host}:{port}"), dialler).unwrap();
            (dialler, accept(&listening))
        }
    }
}

/// A transport that knows no more than it must.
struct Pieces(Duplex);

struct PieceWriter(Box<dyn WriteHalf>);

impl Transport for Pieces {
    fn split(self) -> io::Result<Halves> {
        let halves = self.0.split()?;
        Ok(Halves {
            writer: Box::new(PieceWriter(halves.writer)),
            ..halves
        })
    }
}

impl WriteHalf for PieceWriter {
    fn write(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize> {
        assert!(!bytes.is_empty());
        self.0.write(bytes, deadline)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.finish()
    }
}

/// A dialling session over `left` and a listening one over `right`.
pub(crate) fn pair_over(
    left: impl Transport,
    right: impl Transport,
    dialler: &Config,
    listener: &Config,
) -> (Session, Session) {
    watch();
    let listener = listener.clone();
    let listening = thread::spawn(move || Session::over(right, Role::Listener, &listener));
    let dialler = Session::over(left, Role::Dialler, dialler).unwrap();
    (dialler, listening.join().unwrap().unwrap())
}

/// Sees to it that a crate whose sessions stop for ever says so.
pub(crate) fn watch() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        std::mem::forget(Watchdog::new("a test crate", Duration::from_secs(120)));
    });
}

/// The next session of `listener`.
pub(crate) fn accept(listener: &Listener) -> Session {
    listener
        .accept_timeout(PATIENCE)
        .unwrap()
        .expect("a caller comes in time")
}

/// A configuration that takes a silent peer for dead after 300 ms.
pub(crate) fn impatient() -> Config {
    let mut config = Config::open();
    config.timeout = Duration::from_millis(300);
    config
}

/// A configuration that holds so many messages on the way, and does not linger.
pub(crate) fn window(messages: u64) -> Config {
    let mut config = Config::open();
    config.window_messages = messages;
    config.linger = Duration::from_millis(50);
    config
}

/// The next event; `None` if the channel has closed. Deliveries are passed over.
pub(crate) fn next(session: &Session) -> Option<Event> {
    loop {
        match session.events().recv_timeout(PATIENCE) {
            Ok(Event::Delivered { .. }) => {}
            Ok(event) => return Some(event),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing happens"),
        }
    }
}

/// The next event, which is a message.
pub(crate) fn message(session: &Session) -> Message {
    match next(session) {
        Some(Event::Received(message)) => message,
        other => panic!("no message but {other:?}"),
    }
}

/// Takes the next `count` messages.
pub(crate) fn messages(session: &Session, count: usize) -> Vec<Message> {
    (0..count).map(|_| message(session)).collect()
}

/// Takes everything up to the end, and sees to it that nothing comes behind it.
pub(crate) fn rest(session: &Session) -> (Vec<Message>, Box<End>) {
    let mut messages = Vec::new();
    loop {
        match next(session) {
            Some(Event::Received(message)) => messages.push(message),
            Some(Event::Disconnected(end)) => {
                assert!(next(session).is_none(), "an event behind the last");
                return (messages, end);
            }
            Some(other) => panic!("an event of a later version: {other:?}"),
            None => panic!("the channel closed without a Disconnected"),
        }
    }
}

/// Takes the end, which is the next event.
pub(crate) fn end(session: &Session) -> Box<End> {
    let (messages, end) = rest(session);
    assert!(
        messages.is_empty(),
        "{} unexpected messages",
        messages.len()
    );
    end
}

/// The numbers of messages.
pub(crate) fn ids(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.id().get()).collect()
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "still not so: {what}");
        thread::yield_now();
    }
}

/// Threads of the library and descriptors of this process.
#[cfg(target_os = "linux")]
pub(crate) fn used() -> (usize, usize) {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let ours = threads.filter(|thread| {
        // A thread that ended meanwhile has no name any more.
        fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name.starts_with("ptp-"))
    });
    (ours.count(), fs::read_dir("/proc/self/fd").unwrap().count())
}

/// Runs `work` and says how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}

/// Numbers that look random and are the same in every run (xorshift64*).
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds must not give neighbouring numbers, and zero would stay zero.
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// Ends the test run with a message if it is not dropped in time: a deadlock can't report itself.
pub(crate) struct Watchdog(#[expect(dead_code, reason = "its drop is what counts")] Sender<()>);

impl Watchdog {
    pub(crate) fn new(what: impl Into<String>, limit: Duration) -> Self {
        let what = what.into();
        let (alive, watched) = bounded(0);
        thread::spawn(move || {
            if watched.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{what}: not done after {limit:?}");
                std::process::abort();
            }
        });
        Self(alive)
    }
}
