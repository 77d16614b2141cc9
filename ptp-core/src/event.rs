//! What a session tells its application.

use std::fmt;
use std::time::{Duration, Instant};

use crate::protocol::{Batch, Message, MessageId};

/// What happened in a session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A message arrived. Taking it from the channel acknowledges it to its sender.
    Received(Message),
    /// Messages arrived together, instead of one `Received` for each: only where the application
    /// wants that ([`Config::batches`](crate::Config::batches)). Taking it from the channel
    /// acknowledges them all.
    Batch(Box<Batch>),
    /// The peer's application has taken every message up to this one.
    ///
    /// Cumulative: while one waits in the channel, what is delivered meanwhile is told by the next.
    /// Never comes in a plain session ([`Config::plain`](crate::Config::plain)), where nobody can know.
    Delivered {
        /// What [`Sender::send`](crate::Sender::send) returned for the last of them.
        up_to: MessageId,
    },
    /// The connection was lost, and the session goes on: it is taken up again as soon as the two
    /// sides reach each other, within [`Config::resume`](crate::Config::resume). Messages are
    /// accepted meanwhile as far as the window goes.
    Interrupted(Box<Interruption>),
    /// The two sides have a connection again, and nothing was lost.
    Resumed(Box<Resumption>),
    /// The session ended. Comes exactly once, last; then the channel closes.
    Disconnected(Box<End>),
}

/// How a connection was lost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Interruption {
    /// When this side noticed.
    pub since: Instant,
    /// How long from then on it tries to get another.
    pub patience: Duration,
    /// What happened, for a person to read.
    pub cause: String,
}

/// How a session was taken up again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Resumption {
    /// How long it was interrupted.
    pub after: Duration,
    /// Messages that the peer did not have, which are sent now.
    pub resent: u64,
}

/// How a session ended, and what of the messages sent was not delivered.
///
/// Nothing is dropped in silence: each message that `send` accepted was either taken by the peer's
/// application, or stands in one of the two lists. Of a plain session
/// ([`Config::plain`](crate::Config::plain)) less is known: what was written whole stands in neither,
/// and what was written in part in `unconfirmed`.
#[derive(Debug)]
#[non_exhaustive]
pub struct End {
    /// Why it ended.
    pub reason: Reason,
    /// What led to it, for a person to read; empty where the reason says all.
    pub cause: String,
    /// Messages that were surely not delivered, in order.
    pub unsent: Vec<Message>,
    /// Messages that perhaps were not delivered: they went out, and no acknowledgement came back.
    pub unconfirmed: Vec<Message>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The peer closed the session; a plain one, if only in its direction.
    ClosedByPeer,
    /// This side closed it.
    ClosedHere,
    /// Nothing came from the peer for the agreed time.
    TimedOut,
    /// The connection broke or ended without a goodbye.
    Reset,
    /// One side broke the protocol; `cause` says how.
    Protocol,
    /// The peer came back with a session that it began anew.
    Replaced,
    /// The peer was reached again, and knows nothing of the session any more: it began anew, or
    /// waited no longer.
    Forgotten,
}

impl Reason {
    /// Whether the session ended as one of its sides wanted, rather than being lost.
    #[must_use]
    pub fn is_closed(self) -> bool {
        matches!(self, Self::ClosedByPeer | Self::ClosedHere)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ClosedByPeer => "closed by the peer",
            Self::ClosedHere => "closed here",
            Self::TimedOut => "the peer did not answer in time",
            Self::Reset => "the connection broke",
            Self::Protocol => "the protocol was broken",
            Self::Replaced => "the peer began anew",
            Self::Forgotten => "the peer knows nothing of this session any more",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_two_words() {
        assert_eq!(size_of::<Event>(), 16);
    }
}
