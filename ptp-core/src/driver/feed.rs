//! The event channel, as the reader sees it: what it put in, and how much of it was taken.

use std::time::Duration;

use crossbeam_channel::Sender;

use crate::event::{End, Event, Interruption, Resumption};
use crate::protocol::{Message, MessageId};

/// The first look at whether the application has taken what told of deliveries last, where there
/// is more to tell, and the longest pause between two looks.
const LOOK_FIRST: Duration = Duration::from_millis(1);
const LOOK_LAST: Duration = Duration::from_millis(100);

/// What is told beside messages. Of each kind at most one waits in the channel, or two of
/// `Resumed`: an application that takes nothing must not make it grow.
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
    /// Whether the application is told of the present interruption.
    interruption_told: bool,
}

impl Feed {
    pub(super) fn new(events: Sender<Event>) -> Self {
        Self {
            events,
            put: 0,
            others: Vec::new(),
            delivered: 0,
            look: LOOK_FIRST,
            interruption_told: false,
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

    /// The peer has taken all up to message `acked`: tells, if that is news. Returns after which
    /// pause to call it again, where something is left to tell.
    pub(super) fn put_delivered(&mut self, acked: u64) -> Option<Duration> {
        if acked == self.delivered {
            return None;
        }
        if self.waits(Kind::Delivered) {
            self.waiting();
        }
        if self.waits(Kind::Delivered) {
            let pause = self.look;
            self.look = (pause * 2).min(LOOK_LAST);
            return Some(pause);
        }
        self.look = LOOK_FIRST;
        self.delivered = acked;
        let up_to = MessageId(acked);
        self.put(Kind::Delivered, Event::Delivered { up_to });
        None
    }

    /// Tells of an interruption, unless the application has not even heard of the last one.
    pub(super) fn put_interrupted(&mut self, interruption: Interruption) {
        self.waiting();
        self.interruption_told = !self.waits(Kind::Interrupted);
        if self.interruption_told {
            let event = Event::Interrupted(Box::new(interruption));
            self.put(Kind::Interrupted, event);
        }
    }

    /// Tells of the end of an interruption, if it was told of.
    pub(super) fn put_resumed(&mut self, resumption: Resumption) {
        if std::mem::take(&mut self.interruption_told) {
            self.put(Kind::Resumed, Event::Resumed(Box::new(resumption)));
        }
    }

    /// Tells the end.
    pub(super) fn put_end(&self, end: End) {
        // As for messages.
        let _ = self.events.send(Event::Disconnected(Box::new(end)));
    }

    fn waits(&self, kind: Kind) -> bool {
        self.others.iter().any(|(_, other)| *other == kind)
    }

    fn put(&mut self, kind: Kind, event: Event) {
        self.put += 1;
        self.others.push((self.put, kind));
        let _ = self.events.send(event);
    }
}
