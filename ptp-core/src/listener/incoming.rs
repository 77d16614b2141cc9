//! Callers about whom the application is asked.

use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::error::ConnectError;
use crate::peer::Peer;
use crate::session::Session;

/// Callers that wait for the application to take them; of more, the oldest are turned away.
const WAITING: usize = 64;

/// A caller that is not known, and waits to be let in or turned away
/// ([`Strangers::Ask`](crate::Strangers)). It has proved that it holds its key, and has not said its
/// name yet. Dropping it turns it away, and so does
/// [`Config::handshake_timeout`](crate::Config::handshake_timeout).
#[derive(Debug)]
pub struct Incoming {
    peer: Peer,
    answer: Sender<Sender<Session>>,
    deadline: Instant,
}

/// Where callers wait for the application to take them.
#[derive(Clone)]
pub(super) struct Queue {
    put: Sender<Incoming>,
    waiting: Receiver<Incoming>,
}

impl Queue {
    pub(super) fn new() -> (Self, Receiver<Incoming>) {
        let (put, waiting) = bounded(WAITING);
        let taken = waiting.clone();
        (Self { put, waiting }, taken)
    }

    pub(super) fn put(&self, incoming: Incoming) {
        let mut incoming = incoming;
        while let Err(TrySendError::Full(back)) = self.put.try_send(incoming) {
            // Strangers must not make it grow, and the oldest has most likely gone.
            let _ = self.waiting.try_recv();
            incoming = back;
        }
    }
}

/// Where the handshake waits for the application's answer.
pub(super) type Answer = Receiver<Sender<Session>>;

impl Incoming {
    pub(super) fn new(peer: Peer, deadline: Instant) -> (Self, Answer) {
        let (answer, answers) = bounded(1);
        let incoming = Self {
            peer,
            answer,
            deadline,
        };
        (incoming, answers)
    }

    /// Who it is, as far as is known before it is let in: its key and where it calls from, and no
    /// name.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Lets it in, this time; [`KnownPeers::remember`](crate::KnownPeers::remember) lets it in ever
    /// after.
    ///
    /// # Errors
    /// [`ConnectError::ListenerClosed`] if it has gone meanwhile, its time was up, or all places
    /// are taken.
    pub fn accept(self) -> Result<Session, ConnectError> {
        let gone = |_| ConnectError::ListenerClosed;
        let (hand_over, session) = bounded(1);
        self.answer
            .send(hand_over)
            .map_err(|_| ConnectError::ListenerClosed)?;
        session.recv_deadline(self.deadline).map_err(gone)
    }

    /// Turns it away; it is told that it is not trusted.
    pub fn refuse(self) {
        drop(self);
    }
}
