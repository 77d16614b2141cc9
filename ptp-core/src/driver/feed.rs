//! The event channel, as the reader sees it: what it put in, and how much of it was taken.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::event::{End, Event, Interruption, Resumption};
use crate::planted::{Bug, planted};
use crate::protocol::{Batch, Message, MessageId};

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
    /// The messages of one read, before they are put in.
    messages_in: Vec<Message>,
    /// Where messages that came together are one event: the ranks of these events, and how many
    /// messages were put in with each and before, as far as they were not yet taken.
    batches: Option<VecDeque<(u64, u64)>>,
    /// Messages of batches that were taken.
    taken_messages: u64,
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
    /// `batches` says whether messages that came together are one event.
    pub(super) fn new(
        events: Sender<Event>,
        confirmed: Option<Arc<AtomicU64>>,
        batches: bool,
    ) -> Self {
        Self {
            events,
            put: 0,
            messages: 0,
            confirmed,
            messages_in: Vec::new(),
            batches: batches.then(VecDeque::new),
            taken_messages: 0,
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
        let taken = self.put - length as u64;
        if !self.others.is_empty() {
            self.others.retain(|(rank, _)| *rank > taken);
        }
        let Some(batches) = &mut self.batches else {
            return length - self.others.len();
        };
        while let Some((_, messages)) = batches.pop_front_if(|(rank, _)| *rank <= taken) {
            self.taken_messages = messages;
        }
        usize::try_from(self.messages - self.taken_messages).unwrap_or(usize::MAX)
    }

    /// Hands over what one read brought.
    pub(super) fn put_batches(&mut self, batches: &mut Vec<Batch>) {
        if self.batches.is_some() {
            return batches.drain(..).for_each(|batch| self.put_batch(batch));
        }
        // All claims to a block are made before the first message goes to another thread.
        for batch in batches.drain(..) {
            batch.put_messages(&mut self.messages_in);
        }
        let mut messages = std::mem::take(&mut self.messages_in);
        self.put_messages(&mut messages);
        self.messages_in = messages;
    }

    /// Hands messages over.
    pub(super) fn put_messages(&mut self, messages: &mut Vec<Message>) {
        if self.batches.is_some() {
            let batches = messages.drain(..).map(Batch::from);
            return batches.for_each(|batch| self.put_batch(batch));
        }
        self.put += messages.len() as u64;
        self.messages += messages.len() as u64;
        for message in messages.drain(..) {
            // Fails only if the application has dropped the session: nobody is left who would miss
            // it, and it is not acknowledged.
            let _ = self.events.send(Event::Received(message));
        }
    }

    fn put_batch(&mut self, batch: Batch) {
        self.put += 1;
        self.messages += batch.len() as u64;
        if let Some(ranks) = &mut self.batches {
            ranks.push_back((self.put, self.messages));
        }
        // As for messages.
        let _ = self.events.send(Event::Batch(Box::new(batch)));
    }

    /// Nothing came for a while: gives back the memory of the last burst.
    pub(super) fn rest(&mut self) {
        self.messages_in = Vec::new();
        if let Some(batches) = &mut self.batches {
            batches.shrink_to_fit();
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
    use crate::protocol::{Block, kind};

    fn feed() -> (Feed, Receiver<Event>) {
        let (events, taken) = unbounded();
        (Feed::new(events, None, false), taken)
    }

    /// Messages from `first` on that came together.
    fn batch(first: u64, count: usize) -> Batch {
        let block = Block {
            bytes: [kind::BINARY, 0].repeat(count),
            frames: (0..count as u32).map(|message| 2 * message).collect(),
        };
        Batch::new(Arc::new(block), 0, first, count, 0)
    }

    #[test]
    fn a_batch_is_taken_as_a_whole_and_what_stands_between_is_no_message() {
        let (events, taken) = unbounded();
        let mut feed = Feed::new(events, None, true);
        feed.put_batches(&mut vec![batch(1, 3), batch(4, 1)]);
        interrupt(&mut feed);
        feed.put_messages(&mut batch(5, 2).into_iter().collect());
        // Of the last two each came alone.
        for (letter, waiting) in ["", "b", "b", "i", "b", "b"].iter().zip([6, 3, 2, 2, 1, 0]) {
            assert_eq!(take(&taken, letter.len()), *letter);
            assert_eq!(feed.waiting(), waiting);
        }
        feed.put_batches(&mut vec![batch(7, 5)]);
        assert_eq!(feed.waiting(), 5);
    }

    #[test]
    fn the_memory_of_a_burst_of_batches_is_given_back() {
        let (events, taken) = unbounded();
        let mut feed = Feed::new(events, None, true);
        feed.put_batches(&mut (1..=1_000).map(|first| batch(first, 1)).collect());
        let capacity = |feed: &Feed| feed.batches.as_ref().map(VecDeque::capacity);
        assert!(capacity(&feed) >= Some(1_000));
        assert_eq!(take(&taken, 999).len(), 999);
        assert_eq!(feed.waiting(), 1);
        feed.rest();
        assert_eq!(capacity(&feed), Some(1));
        assert_eq!(feed.waiting(), 1);
    }

    #[test]
    fn without_batches_each_message_of_one_is_an_event() {
        let (mut feed, events) = feed();
        feed.put_batches(&mut vec![batch(1, 3), batch(4, 300)]);
        assert_eq!((feed.waiting(), events.len()), (303, 303));
        let numbers = events.try_iter().map(|event| match event {
            Event::Received(message) => message.id().get(),
            other => panic!("{other:?}"),
        });
        assert!(numbers.eq(1..=303));
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
            Event::Batch(_) => 'b',
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
