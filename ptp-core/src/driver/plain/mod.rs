//! A conversation with a peer that has only nc, telnet or the original program: two threads of its
//! own, and nothing of the other driver.
//!
//! The lock is never held across I/O or a channel send. The writer owns the end: it finishes the
//! stream and hangs up, which the reader notices; only the reader sends events.

pub(crate) mod door;
mod reader;
mod writer;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::feed::Feed;
use super::link::{Link, Running};
use crate::config::Config;
use crate::error::{FlushError, TrySendError};
use crate::protocol::plain::{LineEnd, Queue};
use crate::protocol::{Credit, MessageId, Payload};
use crate::transport::{Halves, Hangup};
use reader::Reader;

/// The connection to a plain peer, and what it said before it was known to be one.
pub(crate) struct PlainLine {
    pub(crate) halves: Halves,
    pub(crate) heard: Vec<u8>,
    /// Whether the peer called. One that turns out to speak PTP is then told to call again.
    pub(crate) called: bool,
}

/// What the threads of a plain session share.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Everybody sleeps here.
    changed: Condvar,
    hangup: Arc<dyn Hangup>,
    max_message: u64,
}

struct State {
    queue: Queue,
    /// How the peer ends its lines.
    line_end: LineEnd,
    received: u64,
    /// Nothing more is accepted; the writer ends when all is written.
    closing: bool,
    /// The writer is to end at once.
    over: bool,
    given_up: bool,
    /// The writer is to say this before it ends.
    last_word: Option<String>,
    /// The writer has ended.
    written: bool,
    write_error: Option<io::Error>,
    ended: bool,
}

/// Starts a session's reader, which starts its writer.
pub(crate) fn start(line: PlainLine, config: &Config) -> io::Result<Running> {
    let window = Credit {
        messages: config.window_messages,
        bytes: config.window_bytes,
    };
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            queue: Queue::new(window),
            line_end: LineEnd::default(),
            received: 0,
            closing: false,
            over: false,
            given_up: false,
            last_word: None,
            written: false,
            write_error: None,
            ended: false,
        }),
        changed: Condvar::new(),
        hangup: Arc::clone(&line.halves.hangup),
        max_message: config.max_message.into(),
    });
    let (events_in, events) = crossbeam_channel::unbounded();
    let reader = Reader::new(
        Arc::clone(&shared),
        Feed::new(events_in, None, config.batches),
        line,
        window,
    );
    let spawned = thread::Builder::new()
        .name("ptp-reader".into())
        .spawn(move || reader.run());
    Ok(Running {
        link: Link::Plain(shared),
        events,
        reader: spawned?,
    })
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something changes or `deadline`; with `None` until something changes.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        match deadline {
            None => self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(deadline) => {
                let rest = deadline.saturating_duration_since(Instant::now());
                let waited = self.changed.wait_timeout(state, rest);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Takes a message over, as soon as there is room.
    pub(crate) fn send<P: Payload>(
        &self,
        message: P,
        timeout: Option<Duration>,
    ) -> Result<MessageId, TrySendError<P::Returned>> {
        if !Queue::takes(message.kind()) {
            return Err(TrySendError::NotPlain(message.into_returned()));
        }
        let limit = self.max_message;
        if message.as_bytes().len() as u64 > limit {
            let message = message.into_returned();
            return Err(TrySendError::TooLarge { message, limit });
        }
        let until = timeout.map(super::deadline);
        let mut state = self.lock();
        loop {
            if state.closing || state.ended {
                return Err(TrySendError::Disconnected(message.into_returned()));
            }
            if state.queue.has_room() {
                break;
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(TrySendError::Full(message.into_returned()));
            }
            state = self.wait(state, until);
        }
        let id = state.queue.accept(message, unix_ms());
        drop(state);
        self.changed.notify_all();
        Ok(id)
    }

    /// Waits until everything that was accepted is written.
    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let deadline = super::deadline(timeout);
        let mut state = self.lock();
        let (accepted, _) = state.queue.accepted_and_written();
        loop {
            if state.queue.accepted_and_written().1 >= accepted {
                return Ok(());
            }
            if state.ended {
                return Err(FlushError::Disconnected);
            }
            if Instant::now() >= deadline {
                return Err(FlushError::TimedOut);
            }
            state = self.wait(state, Some(deadline));
        }
    }

    pub(crate) fn max_message(&self) -> u64 {
        self.max_message
    }

    /// How many messages were accepted, how many of them written, and how many received.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let state = self.lock();
        let (accepted, written) = state.queue.accepted_and_written();
        (accepted, written, state.received)
    }

    /// Ends the stream behind all that was accepted.
    pub(crate) fn close(&self) {
        self.change(|state| state.closing = true);
    }

    /// Ends it at once.
    pub(crate) fn give_up(&self) {
        self.change(|state| {
            state.closing = true;
            state.given_up = true;
            state.over = true;
        });
        self.hangup.hang_up();
    }

    /// Whether it is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Waits for the end until `deadline`.
    pub(crate) fn await_end(&self, deadline: Instant) {
        let mut state = self.lock();
        while !state.ended && Instant::now() < deadline {
            state = self.wait(state, Some(deadline));
        }
    }
}

/// The time, as messages carry it.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64
}
