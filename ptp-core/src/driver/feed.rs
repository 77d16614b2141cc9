//! The event channel, as the reader sees it: what it put in, and how much of it was taken.

use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::event::{End, Event, Interruption, Resumption};
use crate::protocol::{Message, MessageId};

/// The first look at whether the application has taken what was told last, where there is more to
/// tell, and the longest pause between two looks.
const LOOK_FIRST: Duration = Duration::from_millis(1);
const LOOK_LAST: Duration = Duration::from_millis(100);

/// Interruptions that may wait in the channel with their ends: the next is told, and its end only
/// when the first was taken. A loss before that makes it last longer.
const INTERRUPTIONS: usize = 1;

/// What is told beside messages. At most one of `Delivered` waits in the channel, and two of each
/// other kind: an application that takes nothing must not make it grow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Delivered,
    Interrupted,
    Resumed,
}

/// The incoming end of the event channel.
pub(super) struct Feed {
    events: Sender<Event>,
    /// Events that were put in since the session began.
    put: u64,
    /// The ranks of those that are no messages and were not yet taken when it looked last.
    others: Vec<(u64, Kind)>,
    delivered: u64,
    look: Duration,
    /// Since when the session is interrupted, by what the application was told.
    interrupted: Option<Instant>,
    /// The end of that, which is yet to be told.
    resumption: Option<Resumption>,
}

impl Feed {
    pub(super) fn new(events: Sender<Event>) -> Self {
        Self {
            events,
            put: 0,
            others: Vec::new(),
            delivered: 0,
            look: LOOK_FIRST,
            interrupted: None,
            resumption: None,
        }
    }

    /// How many messages the application has not yet taken.
    pub(super) fn waiting(&mut self) -> usize {
        let length = self.events.len();
        if self.others.is_empty() {
            return length;
        }
        let taken = self.put - length as u64;
        self.others.retain(|(rank, _)| *rank > taken);
        length - self.others.len()
    }

    /// Hands messages over.
    pub(super) fn put_messages(&mut self, messages: &mut Vec<Message>) {
        self.put += messages.len() as u64;
        for message in messages.drain(..) {
            // Fails only if the application has dropped the session: nobody is left who would miss
            // it, and it is not acknowledged.
            let _ = self.events.send(Event::Received(message));
        }
    }

    /// Tells of an interruption, unless the application has yet to hear of the end of another: that
    /// one goes on.
    pub(super) fn put_interrupted(&mut self, interruption: Interruption) {
        self.resumption = None;
        if self.interrupted.is_none() {
            self.interrupted = Some(interruption.since);
            let event = Event::Interrupted(Box::new(interruption));
            self.put(Kind::Interrupted, event);
        }
    }

    /// Tells of the end of an interruption, if it was told of; the peer is sent `resent` messages
    /// anew.
    pub(super) fn put_resumed(&mut self, resent: u64) {
        self.resumption = self.interrupted.map(|since| Resumption {
            after: since.elapsed(),
            resent,
        });
        self.put_resumption();
    }

    /// Tells what could not be told before, and that the peer has taken all up to message `acked`.
    /// Returns after which pause to call it again, where something is left to tell.
    pub(super) fn put_due(&mut self, acked: u64) -> Option<Duration> {
        let all = self.put_resumption() & self.put_delivered(acked);
        if all {
            self.look = LOOK_FIRST;
            return None;
        }
        let pause = self.look;
        self.look = (pause * 2).min(LOOK_LAST);
        Some(pause)
    }

    /// Tells the end, and before it the last that the peer has taken.
    pub(super) fn put_end(&mut self, end: End, acked: u64) {
        if acked != self.delivered {
            let up_to = MessageId(acked);
            self.put(Kind::Delivered, Event::Delivered { up_to });
        }
        // As for messages.
        let _ = self.events.send(Event::Disconnected(Box::new(end)));
    }

    /// Returns whether nothing is left to tell.
    fn put_resumption(&mut self) -> bool {
        if self.resumption.is_some() && self.untaken(Kind::Interrupted) > INTERRUPTIONS {
            return false;
        }
        if let Some(resumption) = self.resumption.take() {
            self.interrupted = None;
            self.put(Kind::Resumed, Event::Resumed(Box::new(resumption)));
        }
        true
    }

    /// Returns whether nothing is left to tell.
    fn put_delivered(&mut self, acked: u64) -> bool {
        if acked == self.delivered {
            return true;
        }
        if self.untaken(Kind::Delivered) > 0 {
            return false;
        }
        self.delivered = acked;
        let up_to = MessageId(acked);
        self.put(Kind::Delivered, Event::Delivered { up_to });
        true
    }

    /// How many of a kind the application has not yet taken.
    fn untaken(&mut self, kind: Kind) -> usize {
        let count = |others: &[(u64, Kind)]| others.iter().filter(|(_, it)| *it == kind).count();
        if count(&self.others) > 0 {
            self.waiting();
        }
        count(&self.others)
    }

    fn put(&mut self, kind: Kind, event: Event) {
        self.put += 1;
        self.others.push((self.put, kind));
        let _ = self.events.send(event);
    }
}
