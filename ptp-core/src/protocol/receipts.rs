//! What was received and is not yet taken, and what the peer was told of it.

use std::collections::VecDeque;

use super::error::Violation;
use super::frame::Credit;
use crate::planted::{Bug, planted};

/// The receiving side's account: what was handed to the application, what it took, and what the
/// peer was told of it.
#[derive(Debug)]
pub(crate) struct Receipts {
    window: Credit,
    received: Credit,
    taken: Credit,
    /// Taken messages that the peer was told of, and the credit that it was given.
    told: u64,
    granted: Credit,
    /// Where reads ended: how many bytes belong to how many whole messages.
    checkpoints: VecDeque<Credit>,
}

impl Receipts {
    pub(crate) fn new(window: Credit) -> Self {
        Self {
            window,
            received: Credit::default(),
            taken: Credit::default(),
            told: 0,
            granted: window,
            checkpoints: VecDeque::new(),
        }
    }

    /// Counts what one read brought, in all since the session began.
    pub(crate) fn handle_received(
        &mut self,
        received: Credit,
        last_began: Credit,
    ) -> Result<(), Violation> {
        let began =
            received.bytes > self.received.bytes || received.messages > self.received.messages;
        if began
            && !planted(Bug::CreditUnchecked)
            && (last_began.messages >= self.granted.messages
                || last_began.bytes >= self.granted.bytes)
        {
            return Err(Violation::BeyondCredit);
        }
        if received.messages > self.received.messages {
            let unfinished = last_began.messages == received.messages;
            self.checkpoint(if unfinished { last_began } else { received });
        }
        self.received = received;
        Ok(())
    }

    /// Remembers a point, or moves the last one if it lies close: there are at most about 256.
    fn checkpoint(&mut self, at: Credit) {
        let before = self.checkpoints.iter().nth_back(1).unwrap_or(&self.taken);
        let close = at.messages - before.messages < self.window.messages / 64
            && at.bytes - before.bytes < self.window.bytes / 64;
        match self.checkpoints.back_mut() {
            Some(last) if close => *last = at,
            _ => self.checkpoints.push_back(at),
        }
    }

    /// The application has taken all but `waiting` of the messages. Returns whether it took any
    /// since the last call.
    pub(crate) fn handle_waiting(&mut self, waiting: u64) -> bool {
        let waiting = if planted(Bug::AckEarly) { 0 } else { waiting };
        let taken = self.received.messages - waiting;
        if taken == self.taken.messages {
            return false;
        }
        self.taken.messages = taken;
        while let Some(at) = self.checkpoints.pop_front_if(|at| at.messages <= taken) {
            self.taken.bytes = at.bytes;
        }
        true
    }

    /// Whether enough was taken that the peer should know at once.
    pub(crate) fn is_ack_due(&self) -> bool {
        self.taken.messages - self.told >= self.window.messages.div_ceil(4)
            || self.grant().bytes - self.granted.bytes >= self.window.bytes.div_ceil(4)
    }

    /// Whether the peer may not send until it hears from us.
    pub(crate) fn is_credit_used_up(&self) -> bool {
        self.received.messages >= self.granted.messages || self.received.bytes >= self.granted.bytes
    }

    pub(crate) fn all_taken(&self) -> bool {
        self.taken.messages == self.received.messages
    }

    pub(crate) fn all_told(&self) -> bool {
        self.told == self.taken.messages
    }

    /// What the peer was granted last.
    pub(crate) fn granted(&self) -> Credit {
        self.granted
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.messages
    }

    /// What an acknowledgement says now; the peer is taken to know it from here on.
    pub(crate) fn acknowledge(&mut self) -> (u64, Credit) {
        self.told = self.taken.messages;
        self.granted = self.grant();
        (self.told, self.granted)
    }

    fn grant(&self) -> Credit {
        Credit {
            messages: self.taken.messages.saturating_add(self.window.messages),
            bytes: self.taken.bytes.saturating_add(self.window.bytes),
        }
    }
}
