//! What a session and its senders hold: a conversation of one kind or the other.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::Receiver;

use super::{Shared, plain};
use crate::event::Event;

/// A running conversation. Told apart before any lock is taken, so that neither kind knows the other.
#[derive(Clone)]
pub(crate) enum Link {
    Encrypted(Arc<Shared>),
    Plain(Arc<plain::Shared>),
}

/// A running session: its shared state, its events and its reader.
pub(crate) struct Running {
    pub(crate) link: Link,
    pub(crate) events: Receiver<Event>,
    pub(crate) reader: JoinHandle<()>,
}

impl Link {
    /// The largest message that it takes, in bytes.
    pub(crate) fn max_message(&self) -> u64 {
        match self {
            Self::Encrypted(shared) => shared.lock().connection.max_message(),
            Self::Plain(shared) => shared.max_message(),
        }
    }

    /// Asks the peer for a sign of life, and waits for it until `deadline`. A plain peer can't be
    /// asked.
    pub(crate) fn is_alive(&self, deadline: Instant) -> bool {
        match self {
            Self::Encrypted(shared) => shared.is_alive(deadline),
            Self::Plain(_) => false,
        }
    }

    /// Whether it is over.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Encrypted(shared) => shared.lock().ended,
            Self::Plain(shared) => shared.has_ended(),
        }
    }

    /// Says goodbye behind all that was accepted.
    pub(crate) fn close(&self) {
        match self {
            Self::Encrypted(shared) => shared.close(),
            Self::Plain(shared) => shared.close(),
        }
    }

    /// As `close`, and the application takes nothing more.
    pub(crate) fn abandon(&self) {
        match self {
            Self::Encrypted(shared) => shared.abandon(),
            Self::Plain(shared) => shared.close(),
        }
    }

    /// Ends the session without waiting for the peer.
    pub(crate) fn give_up(&self) {
        match self {
            Self::Encrypted(shared) => shared.give_up(),
            Self::Plain(shared) => shared.give_up(),
        }
    }

    /// Waits for the end until `deadline`.
    pub(crate) fn await_end(&self, deadline: Instant) {
        match self {
            Self::Encrypted(shared) => {
                let mut state = shared.lock();
                while !state.ended && Instant::now() < deadline {
                    state = shared.wait(state, Some(deadline));
                }
            }
            Self::Plain(shared) => shared.await_end(deadline),
        }
    }
}
