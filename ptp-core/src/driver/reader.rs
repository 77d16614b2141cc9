//! The reader thread: the only one that sends events, and the owner of every deadline.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::{Shared, State};
use crate::event::{End, Event, Reason};
use crate::protocol::{ClosedBy, Inbound, Intake, Message, Violation};
use crate::transport::ReadHalf;

/// How long the end of the stream is waited for once all is said: closing before it would make
/// the system send a reset, which can destroy what was said last.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a reader looks before it sleeps.
const SOON: Duration = Duration::from_micros(100);
/// How long after a burst its memory is kept for the next.
const REST: Duration = Duration::from_secs(1);
/// How often a closing session looks whether its writer has said the last word.
const CLOSING_TICK: Duration = Duration::from_millis(50);

/// What the reader thread owns.
pub(super) struct Reader {
    pub(super) shared: Arc<Shared>,
    pub(super) inbound: Inbound,
    pub(super) transport: Box<dyn ReadHalf>,
    pub(super) events: Sender<Event>,
    /// The messages of one read, before they are sent.
    pub(super) messages: Vec<Message>,
    /// What was waited for last came within `SOON`.
    pub(super) answers_soon: bool,
    pub(super) last_read: Instant,
}

/// Why reading ended.
enum Ending {
    /// All is said in both directions.
    Finished,
    /// The stream ended or broke.
    Lost(String),
    /// The peer was silent for too long.
    Dead,
    /// The peer broke the protocol.
    Violation(Violation),
}

impl From<Violation> for Ending {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl Reader {
    /// Reads until the session ends, and tells its end.
    pub(super) fn run(mut self, writer: JoinHandle<()>) {
        let Err(ending) = self.read();
        match &ending {
            Ending::Finished => self.drain(),
            Ending::Violation(violation) => {
                log::debug!("the peer broke the protocol: {violation}");
                let mut state = self.shared.lock();
                state.connection.handle_violation(*violation);
                self.shared.wake_writer(state);
                self.drain();
            }
            Ending::Lost(_) | Ending::Dead => {}
        }
        self.shared.end();
        // What was pulled is only settled when the writer has stopped; `end` made it stop.
        let _ = writer.join();
        self.shared.release();
        let end = self.end(&ending);
        log::debug!("the session ended: {} {}", end.reason, end.cause);
        // Fails only if the application has dropped the session and with it all interest.
        let _ = self.events.send(Event::Disconnected(Box::new(end)));
    }

    fn read(&mut self) -> Result<std::convert::Infallible, Ending> {
        // What came behind the greeting.
        let mut intake = self.inbound.handle_read(0)?;
        loop {
            self.handle_received(&intake)?;
            self.inbound.drain_messages(&mut self.messages);
            for message in self.messages.drain(..) {
                // As above: nobody is left who would miss it, and it is not acknowledged.
                let _ = self.events.send(Event::Received(message));
            }
            intake = self.next_intake()?;
        }
    }

    fn handle_received(&mut self, intake: &Intake) -> Result<(), Ending> {
        let mut state = self.shared.lock();
        state.connection.handle_received(Instant::now(), intake)?;
        state.received_since_write = true;
        if state.waiting > 0 && (intake.ack.is_some() || intake.bye || intake.fault.is_some()) {
            self.shared.progress.notify_all();
        }
        self.shared.wake_writer(state);
        Ok(())
    }

    /// Waits for the next bytes and looks after the deadlines meanwhile.
    fn next_intake(&mut self) -> Result<Intake, Ending> {
        loop {
            let deadline = self.handle_deadlines()?;
            match self.read_soon(deadline) {
                Ok(0) => return Err(Ending::Lost("it ended without a goodbye".into())),
                Ok(length) => {
                    self.last_read = Instant::now();
                    return Ok(self.inbound.handle_read(length)?);
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => self.rest(),
                Err(error) => return Err(Ending::Lost(error.to_string())),
            }
        }
    }

    /// Gives back the memory of the last burst if it was long ago.
    fn rest(&mut self) {
        if self.last_read.elapsed() > REST {
            self.inbound.rest();
            self.messages = Vec::new();
            self.shared.rest();
        }
    }

    /// Reads, and if the last answer came soon, looks for the next one a little while before it
    /// sleeps: to be woken takes longer than most answers do.
    fn read_soon(&mut self, deadline: Instant) -> io::Result<usize> {
        let began = Instant::now();
        let mut now = began;
        while self.answers_soon && now < deadline && now - began < SOON {
            match self.transport.read(self.inbound.space(), now) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => thread::yield_now(),
                result => return result,
            }
            now = Instant::now();
        }
        let result = self.transport.read(self.inbound.space(), deadline);
        self.answers_soon = result.is_ok() && began.elapsed() < SOON;
        result
    }

    /// Does what is due; returns when something is due again.
    fn handle_deadlines(&mut self) -> Result<Instant, Ending> {
        let now = Instant::now();
        let mut state = self.shared.lock();
        state.connection.handle_waiting(now, self.events.len());
        if state.abandoned {
            state.connection.abandon();
        }
        if state.connection.handle_timeout(now) {
            return Err(Ending::Dead);
        }
        if state.connection.is_finished() {
            self.shared.wake_writer(state);
            return Err(Ending::Finished);
        }
        let mut deadline = state.connection.next_timeout().unwrap_or(now + DRAIN);
        if state.connection.bye_received() {
            deadline = deadline.min(now + CLOSING_TICK);
        }
        self.shared.wake_writer(state);
        Ok(deadline)
    }

    /// Reads to the end of the stream and throws away what comes.
    fn drain(&mut self) {
        let deadline = Instant::now() + DRAIN;
        let mut scratch = [0; 4096];
        while matches!(self.transport.read(&mut scratch, deadline), Ok(1..)) {
            if Instant::now() >= deadline {
                return;
            }
        }
    }

    fn end(&self, ending: &Ending) -> End {
        let mut state = self.shared.lock();
        let (reason, cause) = reason(&state, ending);
        let (unsent, unconfirmed) = state.connection.finish();
        End {
            reason,
            cause,
            unsent,
            unconfirmed,
        }
    }
}

fn reason(state: &State, ending: &Ending) -> (Reason, String) {
    let connection = &state.connection;
    let closed = match connection.closed_by() {
        Some(ClosedBy::Peer) => Reason::ClosedByPeer,
        _ => Reason::ClosedHere,
    };
    if let Some(code) = connection.fault_received() {
        let cause = format!("the peer says that this side broke it (fault {code})");
        return (Reason::Protocol, cause);
    }
    match ending {
        Ending::Violation(violation) => (Reason::Protocol, violation.to_string()),
        Ending::Finished => (closed, String::new()),
        // Once the peer's goodbye is here, the end of the stream is no surprise.
        Ending::Lost(_) if connection.bye_received() => (closed, String::new()),
        _ if state.given_up => (Reason::ClosedHere, "the peer was not waited for".into()),
        Ending::Dead => (Reason::TimedOut, "nothing came from the peer".into()),
        Ending::Lost(cause) => match &state.write_error {
            Some(error) if error.kind() == io::ErrorKind::TimedOut => {
                (Reason::TimedOut, "the peer took nothing".into())
            }
            Some(error) => (Reason::Reset, error.to_string()),
            None => (Reason::Reset, cause.clone()),
        },
    }
}
