//! How a session does, and how it ended.

use std::time::Duration;

use crate::event::End;
use crate::protocol::Message;

/// How a session does. Of a plain one ([`Config::plain`](crate::Config::plain)) less is known.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// The last measured round trip; `None` until a first ping was answered, and in a plain session.
    pub round_trip: Option<Duration>,
    /// Messages that were accepted for sending.
    pub sent: u64,
    /// Of those, the ones that the peer's application has not yet taken, as far as is known; in a
    /// plain session the ones that the system has not.
    pub unacknowledged: u64,
    /// Messages that the own application has taken.
    pub taken: u64,
    /// How often the session was taken up again after its connection was lost.
    pub resumes: u64,
}

/// What became of a session that was closed.
#[derive(Debug)]
#[non_exhaustive]
pub struct CloseReport {
    /// Messages of the peer that were still waiting to be taken. They are acknowledged.
    pub unread: Vec<Message>,
    /// How it ended. `None` if a clone of the event channel took the last event.
    pub end: Option<Box<End>>,
}

impl CloseReport {
    /// Whether every message that was sent is known to have been taken by the peer's application; in
    /// a plain session only that it was written.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.end
            .as_ref()
            .is_some_and(|end| end.unsent.is_empty() && end.unconfirmed.is_empty())
    }
}
