//! The event channel, as the reader sees it: what it put in, and how much of it was taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::event::{End, Event, Interruption, Resumption};
use crate::planted::{Bug, planted};
use crate::protocol::{Message, MessageId};

/// The first look at whether the application has taken what was told last, where there is more to
/// tell, and the longest pause between two looks.
const LOOK_FIRST: Duration = Duration::from_millis(1);
const LOOK_LAST: Duration = Duration::from_millis(100);
/// Deliveries are told so far apart: in a dense exchange each batch of messages brings one, and to
/// tell of each cost 3 % of the processor both ways.
const APART: Duration = Duration::from_millis(1);

/// Interruptions that may wait in the channel with their ends: the next is told, and its end only
/// when the first was taken. A loss before that makes it last longer.
const INTERRUPTIONS: usize = 1;

/// What is told beside messages. At most two of each kind wait in the channel: an application that
/// takes nothing must not make it grow.
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
    /// Messages among them.
    messages: u64,
    /// Where the application says up to which message it is done, if it is to say so.
    confirmed: Option<Arc<AtomicU64>>,
    /// The ranks of those that are no messages and were not yet taken when it looked last.
    others: Vec<(u64, Kind)>,
    delivered: u64,
    /// When the application was told of a delivery last.
    told: Option<Instant>,
    look: Duration,
    /// Since when the session is interrupted, by what the application was told.
    interrupted: Option<Instant>,
    /// The end of that, which is yet to be told.
    resumption: Option<Resumption>,
}

impl Feed {
    pub(super) fn new(events: Sender<Event>, confirmed: Option<Arc<AtomicU64>>) -> Self {
        Self {
            events,
            put: 0,
            messages: 0,
            confirmed,
            others: Vec::new(),
            delivered: 0,
            told: None,
            look: LOOK_FIRST,
            interrupted: None,
            resumption: None,
        }
    }

    /// How many messages the application is not yet done with.
    pub(super) fn waiting(&mut self) -> usize {
        let untaken = self.untaken_messages();
        let confirmed = self.confirmed.as_ref();
        let Some(confirmed) = confirmed.filter(|_| !planted(Bug::ConfirmIgnored)) else {
            return untaken;
        };
        // Nobody is done with what has not even come.
        let open = self
            .messages
            .saturating_sub(confirmed.load(Ordering::Acquire));
        usize::try_from(open).unwrap_or(usize::MAX)
    }

    fn untaken_messages(&mut self) -> usize {
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
        self.messages += messages.len() as u64;
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
    pub(super) fn put_due(&mut self, now: Instant, acked: u64) -> Option<Duration> {
        let early = self.told.is_some_and(|told| now < told + APART);
        let told = acked == self.delivered || (!early && self.put_delivered(now, acked));
        if self.put_resumption() && told {
            self.look = LOOK_FIRST;
            return None;
        }
        if early {
            return Some(APART);
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
    fn put_delivered(&mut self, now: Instant, acked: u64) -> bool {
        if self.untaken(Kind::Delivered) > 0 {
            return false;
        }
        self.delivered = acked;
        self.told = Some(now);
        let up_to = MessageId(acked);
        self.put(Kind::Delivered, Event::Delivered { up_to });
        true
    }

    /// How many of a kind the application has not yet taken.
    fn untaken(&mut self, kind: Kind) -> usize {
        let count = |others: &[(u64, Kind)]| others.iter().filter(|(_, it)| *it == kind).count();
        if count(&self.others) > 0 {
            self.untaken_messages();
        }
        count(&self.others)
    }

    fn put(&mut self, kind: Kind, event: Event) {
        self.put += 1;
        self.others.push((self.put, kind));
        let _ = self.events.send(event);
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Receiver, unbounded};

    use super::*;

    fn feed() -> (Feed, Receiver<Event>) {
        let (events, taken) = unbounded();
        (Feed::new(events, None), taken)
    }

    fn interrupt(feed: &mut Feed) {
        feed.put_interrupted(Interruption {
            since: Instant::now(),
            patience: Duration::from_secs(1),
            cause: String::new(),
        });
    }

    /// What waits, a letter for each.
    fn take(events: &Receiver<Event>, most: usize) -> String {
        let letter = |event| match event {
            Event::Interrupted(_) => 'i',
            Event::Resumed(_) => 'r',
            Event::Delivered { .. } => 'd',
            _ => '?',
        };
        events.try_iter().take(most).map(letter).collect()
    }

    #[test]
    fn what_was_taken_and_is_not_confirmed_still_waits() {
        let (mut feed, _events) = feed();
        let confirmed = Arc::new(AtomicU64::new(0));
        feed.confirmed = Some(Arc::clone(&confirmed));
        // Three came, and all were taken.
        (feed.put, feed.messages) = (3, 3);
        for (number, waiting) in [(0, 3), (2, 1), (3, 0), (u64::MAX, 0)] {
            confirmed.store(number, Ordering::Release);
            assert_eq!(feed.waiting(), waiting);
        }
    }

    #[test]
    fn whoever_takes_late_still_learns_how_things_stand() {
        let (mut feed, events) = feed();
        interrupt(&mut feed);
        feed.put_resumed(1);
        interrupt(&mut feed);
        assert_eq!(take(&events, 9), "iri");
        feed.put_resumed(1);
        assert_eq!(take(&events, 9), "r");
    }

    #[test]
    fn many_interruptions_that_nobody_takes_become_one() {
        let (mut feed, events) = feed();
        for _ in 0..100 {
            interrupt(&mut feed);
            feed.put_resumed(1);
        }
        assert_eq!(feed.put_due(Instant::now(), 0), Some(LOOK_FIRST));
        assert_eq!(feed.put_due(Instant::now(), 0), Some(LOOK_FIRST * 2));
        // One that takes them all while the last is over, and one while it is not.
        assert_eq!(take(&events, 1), "i");
        assert_eq!(feed.put_due(Instant::now(), 0), None);
        assert_eq!(take(&events, 9), "rir");
        for _ in 0..3 {
            interrupt(&mut feed);
            feed.put_resumed(1);
        }
        interrupt(&mut feed);
        assert_eq!(take(&events, 9), "iri");
        assert_eq!(feed.put_due(Instant::now(), 0), None);
        feed.put_resumed(1);
        assert_eq!(take(&events, 9), "r");
    }

    #[test]
    fn the_end_of_an_interruption_that_was_not_told_of_is_not_told() {
        let (mut feed, events) = feed();
        feed.put_resumed(1);
        assert_eq!(feed.put_due(Instant::now(), 0), None);
        assert!(events.is_empty());
    }

    #[test]
    fn deliveries_that_nobody_takes_become_one() {
        let (mut feed, events) = feed();
        let now = Instant::now();
        assert_eq!(feed.put_due(now, 1), None);
        // Told too recently, and then not yet taken.
        assert_eq!(feed.put_due(now, 2), Some(APART));
        let later = now + APART;
        for acked in 3..100 {
            assert!(feed.put_due(later, acked).is_some());
        }
        assert_eq!(take(&events, 9), "d");
        assert_eq!(feed.put_due(later, 99), None);
        let Ok(Event::Delivered { up_to }) = events.try_recv() else {
            panic!("not told");
        };
        assert_eq!(up_to, MessageId(99));
    }
}
