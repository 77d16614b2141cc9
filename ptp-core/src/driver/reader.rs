//! The reader thread: the only one that sends events, and the owner of every deadline. It lasts as
//! long as the session.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Shared;
use super::feed::Feed;
use super::greeted::Established;
use super::out::Out;
use super::writer;
use crate::planted::{Bug, planted};
use crate::protocol::{Batch, Inbound, Intake, Violation};
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
    pub(super) feed: Feed,
    transport: Box<dyn ReadHalf>,
    /// What one read brought, before it is sent.
    batches: Vec<Batch>,
    /// What was waited for last came within `SOON`.
    answers_soon: bool,
    last_read: Instant,
    /// What the peer did wrong when the present connection was taken up.
    violation: Option<Violation>,
}

/// Why reading ended.
pub(super) enum Ending {
    /// All is said in both directions.
    Finished {
        /// Whether the stream then ended, as it should; `None` while that is not known.
        heard_end: Option<bool>,
    },
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
    pub(super) fn new(
        shared: Arc<Shared>,
        inbound: Inbound,
        transport: Box<dyn ReadHalf>,
        feed: Feed,
    ) -> Self {
        Self {
            shared,
            inbound,
            feed,
            transport,
            batches: Vec::new(),
            answers_soon: false,
            last_read: Instant::now(),
            violation: None,
        }
    }

    /// Holds a connection until it ends.
    pub(super) fn hold(&mut self) -> Ending {
        let writer = {
            let shared = Arc::clone(&self.shared);
            thread::Builder::new()
                .name("ptp-writer".into())
                .spawn(move || writer::run(&shared))
        };
        let mut ending = match &writer {
            Ok(_) => {
                let Err(ending) = self.read();
                ending
            }
            Err(error) => Ending::Lost(format!("no thread could be started: {error}")),
        };
        match &mut ending {
            Ending::Finished { heard_end } => {
                let heard = heard_end.unwrap_or_else(|| self.drain());
                *heard_end = Some(heard);
            }
            Ending::Violation(violation) => {
                log::debug!("the peer broke the protocol: {violation}");
                let mut state = self.shared.lock();
                state.connection.handle_violation(*violation);
                self.shared.wake_writer(state);
                self.drain();
            }
            Ending::Lost(_) | Ending::Dead => {}
        }
        self.shared.disconnect();
        // What was pulled is only settled when the writer has stopped; it has no reason not to.
        let _ = writer.map(JoinHandle::join);
        if let Ending::Finished { heard_end } = &mut ending {
            *heard_end = heard_end.filter(|_| !self.shared.broke_off());
        }
        self.shared.release();
        ending
    }

    /// Goes on over another connection. Returns how many messages the peer does not have; `None` if
    /// it wants what can't be, of which `hold` then makes an end.
    pub(super) fn take_up(&mut self, connection: Established) -> Option<u64> {
        let Established {
            reader,
            writer,
            hangup,
            sealer,
            inbound,
            limits,
            resume,
            ..
        } = connection;
        self.inbound.resume(inbound);
        self.transport = reader;
        self.answers_soon = false;
        self.last_read = Instant::now();
        let out = Out::new(sealer, writer, hangup, limits.timeout);
        match self.shared.take_up(out, &limits, resume) {
            Ok(missing) => Some(missing),
            Err(violation) => {
                self.violation = Some(violation);
                None
            }
        }
    }

    fn read(&mut self) -> Result<std::convert::Infallible, Ending> {
        if let Some(violation) = self.violation {
            return Err(violation.into());
        }
        // What came behind the greeting.
        let mut intake = self.inbound.handle_read(0)?;
        loop {
            self.handle_received(&intake)?;
            self.inbound.drain(&mut self.batches);
            self.feed.put_batches(&mut self.batches);
            intake = self.next_intake()?;
        }
    }

    fn handle_received(&mut self, intake: &Intake) -> Result<(), Ending> {
        let mut state = self.shared.lock();
        state.connection.handle_received(Instant::now(), intake)?;
        state.received_since_write = true;
        let news = intake.ack.is_some()
            || intake.bye
            || intake.fault.is_some()
            || intake.gone
            || intake.pong.is_some();
        if news && state.waiting > 0 {
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
                Ok(0) if self.is_finished() || planted(Bug::EndIsGoodbye) => {
                    return Err(Ending::Finished {
                        heard_end: Some(true),
                    });
                }
                Ok(0) => return Err(Ending::Lost("it ended without a goodbye".into())),
                Ok(length) => {
                    self.last_read = Instant::now();
                    return Ok(self.inbound.handle_read(length)?);
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => self.rest(),
                // Told once: who reads again finds an end that is none.
                Err(_) if self.is_finished() => {
                    return Err(Ending::Finished {
                        heard_end: Some(false),
                    });
                }
                Err(error) => return Err(Ending::Lost(error.to_string())),
            }
        }
    }

    /// Whether all is said: the writer may have said the last of it since it looked.
    fn is_finished(&self) -> bool {
        self.shared.lock().connection.is_finished()
    }

    /// Gives back the memory of the last burst if it was long ago.
    fn rest(&mut self) {
        if self.last_read.elapsed() > REST {
            self.inbound.rest();
            self.batches = Vec::new();
            self.feed.rest();
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
        let waiting = self.feed.waiting();
        let now = Instant::now();
        let mut state = self.shared.lock();
        state.connection.handle_waiting(now, waiting);
        if state.abandoned {
            state.connection.abandon();
        }
        if state.connection.handle_timeout(now) {
            return Err(Ending::Dead);
        }
        if state.connection.is_finished() {
            self.shared.wake_writer(state);
            return Err(Ending::Finished { heard_end: None });
        }
        let mut deadline = state.connection.next_timeout().unwrap_or(now + DRAIN);
        if state.connection.farewell().bye_received {
            deadline = deadline.min(now + CLOSING_TICK);
        }
        let (sent, acked) = state.connection.sent_and_acked();
        let told = if planted(Bug::DeliveredEarly) {
            sent
        } else {
            acked
        };
        self.shared.wake_writer(state);
        let again = self.feed.put_due(now, told).map(|pause| now + pause);
        Ok(again.map_or(deadline, |again| deadline.min(again)))
    }

    /// Reads to the end of the stream and throws away what comes. Returns whether it ended.
    fn drain(&mut self) -> bool {
        let deadline = Instant::now() + DRAIN;
        let mut scratch = [0; 4096];
        loop {
            match self.transport.read(&mut scratch, deadline) {
                Ok(0) => return true,
                Ok(_) if Instant::now() < deadline => {}
                _ => return false,
            }
        }
    }
}
