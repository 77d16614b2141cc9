//! What waits to be kept: bounded, so that a slow disk costs memory only so far, and time never.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::entry::EntryId;
use crate::peer::Peer;
use crate::trust::PublicKey;

/// Waiting bytes at the most, with what a message costs beside its content: several seconds of what a
/// disk takes.
const MOST_BYTES: usize = 64 << 20;
const ITEM_BYTES: usize = 128;
/// Given to the writer in one go, but for the last item: `close` and other programs wait for it.
const BATCH_BYTES: usize = 4 << 20;
/// Beyond those, for ends of conversations, of which each has only one.
const SPARE_BYTES: usize = 8 << 20;
/// Longer than any program runs.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A conversation, for as long as anything of it waits.
pub(super) struct About {
    /// Its number in this program.
    pub(super) serial: u64,
    pub(super) key: Option<PublicKey>,
    pub(super) address: Option<String>,
    pub(super) name: String,
    pub(super) session: Option<[u8; 16]>,
    pub(super) began: i64,
    /// Where it stands in the database, once it does.
    pub(super) row: OnceLock<Row>,
    /// What was told and is not settled: neither kept nor given up.
    waiting: AtomicU64,
    /// What was given up.
    missed: AtomicU64,
}

/// Where a conversation stands in the database, and whom it is with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) conversation: i64,
    pub(super) peer: i64,
}

/// Something to keep.
pub(super) struct Item {
    pub(super) about: Arc<About>,
    pub(super) what: What,
}

pub(super) enum What {
    Begun,
    Message(Letter),
    /// Nothing could be kept of so many messages.
    Gap {
        messages: u64,
        at: i64,
    },
    Delivered {
        up_to: u64,
        at: i64,
    },
    Ended(Ending),
}

/// A message.
pub(super) struct Letter {
    pub(super) is_own: bool,
    pub(super) number: u64,
    pub(super) sent: i64,
    pub(super) at: i64,
    pub(super) body: Body,
    /// The message of an earlier conversation that it repeats.
    pub(super) repeats: Option<EntryId>,
}

pub(super) enum Body {
    Text(Box<str>),
    Binary(Box<[u8]>),
}

/// How a conversation ended.
pub(super) struct Ending {
    pub(super) at: i64,
    /// The last of the own messages that was delivered.
    pub(super) delivered: i64,
    /// The first that surely was not.
    pub(super) unsent: Option<i64>,
}

impl About {
    pub(super) fn new(serial: u64, peer: &Peer, session: Option<[u8; 16]>, began: i64) -> Self {
        let key = peer.public_key();
        let address = peer.address().map(|address| address.ip().to_string());
        Self {
            serial,
            key,
            address: address.filter(|_| key.is_none()),
            name: peer.name().to_owned(),
            session,
            began,
            row: OnceLock::new(),
            waiting: AtomicU64::new(0),
            missed: AtomicU64::new(0),
        }
    }

    /// How much is not kept: not yet, and never.
    pub(super) fn not_kept(&self) -> (u64, u64) {
        let waiting = self.waiting.load(Ordering::Acquire);
        (waiting, self.missed.load(Ordering::Acquire))
    }

    fn miss(&self) {
        self.missed.fetch_add(1, Ordering::AcqRel);
    }

    fn settle(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Item {
    fn bytes(&self) -> usize {
        match &self.what {
            What::Message(letter) => match &letter.body {
                Body::Text(text) => ITEM_BYTES + text.len(),
                Body::Binary(bytes) => ITEM_BYTES + bytes.len(),
            },
            _ => ITEM_BYTES,
        }
    }

    fn is_message(&self) -> bool {
        matches!(self.what, What::Message(_))
    }
}

/// Between whoever has something to keep and the one writer.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    /// Behind the items, by the numbers of conversations.
    left_out: BTreeMap<u64, LeftOut>,
    /// Until when the writer may go on, once nobody gives it anything more.
    closing: Option<Instant>,
    /// The writer has ended.
    ended: bool,
}

/// What found no room, of one conversation.
struct LeftOut {
    about: Arc<About>,
    messages: u64,
    /// When the first of them was told.
    at: i64,
    /// The last receipt: those before it say nothing more.
    delivered: Option<What>,
}

impl State {
    fn push(&mut self, item: Item) {
        item.about.waiting.fetch_add(1, Ordering::AcqRel);
        self.bytes += item.bytes();
        self.items.push_back(item);
    }

    /// Puts a gap where messages were left out, and the last receipt.
    fn release(&mut self, left_out: LeftOut) {
        let about = left_out.about;
        let gap = What::Gap {
            messages: left_out.messages,
            at: left_out.at,
        };
        let gap = (left_out.messages != 0).then_some(gap);
        for what in gap.into_iter().chain(left_out.delivered) {
            let about = Arc::clone(&about);
            self.push(Item { about, what });
        }
        about.settle();
    }

    fn release_all(&mut self) {
        for left_out in mem::take(&mut self.left_out).into_values() {
            self.release(left_out);
        }
    }

    /// Leaves out what finds no room.
    fn leave_out(&mut self, Item { about, what }: Item, at: i64) {
        if matches!(what, What::Begun) {
            // So it is when anything else of it is kept.
            return;
        }
        let left_out = self.left_out.entry(about.serial).or_insert_with(|| {
            about.waiting.fetch_add(1, Ordering::AcqRel);
            let about = Arc::clone(&about);
            LeftOut {
                about,
                messages: 0,
                at,
                delivered: None,
            }
        });
        match what {
            What::Message(_) => {
                about.miss();
                left_out.messages += 1;
            }
            receipt => left_out.delivered = Some(receipt),
        }
    }

    /// The end of a conversation, while there is no room: what becomes of its messages depends on it.
    fn squeeze_in(&mut self, end: Item) {
        let left_out = self.left_out.remove(&end.about.serial);
        if self.bytes > MOST_BYTES + SPARE_BYTES {
            // Very many conversations, and a disk that takes nothing. It has no end, as if this program
            // had been killed.
            end.about.miss();
            if let Some(left_out) = left_out {
                left_out.about.settle();
            }
            return;
        }
        if let Some(left_out) = left_out {
            self.release(left_out);
        }
        self.push(end);
    }
}

/// What the writer is to do.
pub(super) enum Work {
    Keep(Vec<Item>),
    /// Nothing came for a while.
    Idle,
    /// There is nothing more.
    End,
}

impl Queue {
    /// Puts in what is to be kept; returns `false` where a message found no room.
    pub(super) fn put(&self, item: Item, at: i64) -> bool {
        let is_message = item.is_message();
        let mut state = self.lock();
        if state.ended {
            item.about.miss();
            return true;
        }
        let sleeps = state.items.is_empty();
        let has_room = state.bytes + item.bytes() <= MOST_BYTES;
        match item.what {
            _ if has_room => {
                // What comes behind a gap must stand behind it.
                state.release_all();
                state.push(item);
            }
            What::Ended(_) => state.squeeze_in(item),
            _ => state.leave_out(item, at),
        }
        drop(state);
        if sleeps {
            self.changed.notify_all();
        }
        has_room || !is_message
    }

    /// The next to be kept, at most `most`; waits for it until `until`.
    pub(super) fn take(&self, most: usize, until: Instant) -> Work {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.closing.is_some_and(|closing| now >= closing) {
                return Work::End;
            }
            if state.items.is_empty() {
                state.release_all();
            }
            if !state.items.is_empty() {
                let mut bytes = 0;
                let fit = state.items.iter().take(most).take_while(|item| {
                    let fits = bytes < BATCH_BYTES;
                    bytes += item.bytes();
                    fits
                });
                let count = fit.count();
                return Work::Keep(state.items.drain(..count).collect());
            }
            if state.closing.is_some() {
                return Work::End;
            }
            if now >= until {
                return Work::Idle;
            }
            state = self.wait(state, until - now);
        }
    }

    /// These are kept. They count as waiting until now.
    pub(super) fn kept(&self, items: &[Item]) {
        let mut state = self.lock();
        for item in items {
            item.about.settle();
            state.bytes = state.bytes.saturating_sub(item.bytes());
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits before something is tried again; returns whether it may be.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.closing.is_some_and(|closing| now >= closing) {
                return false;
            }
            let until = state.closing.map_or(until, |closing| closing.min(until));
            if now >= until {
                return true;
            }
            state = self.wait(state, until - now);
        }
    }

    /// Waits until everything that was told of a conversation is kept, or never will be.
    pub(super) fn flush(&self, about: &About, timeout: Duration) {
        let until = after(timeout);
        let mut state = self.lock();
        while about.waiting.load(Ordering::Acquire) != 0 {
            let now = Instant::now();
            if now >= until {
                return;
            }
            state = self.wait(state, until - now);
        }
    }

    /// Nothing more will be put in: what waits is kept, within `timeout`.
    pub(super) fn close(&self, timeout: Duration) {
        self.lock().closing = Some(after(timeout));
        self.changed.notify_all();
    }

    /// The writer ends; `items` it could not keep.
    pub(super) fn end(&self, items: &[Item]) {
        let mut state = self.lock();
        state.ended = true;
        state.bytes = 0;
        let waiting = mem::take(&mut state.items);
        for item in items.iter().chain(&waiting) {
            // A gap's messages are missed already.
            if !matches!(item.what, What::Gap { .. }) {
                item.about.miss();
            }
            item.about.settle();
        }
        for left_out in mem::take(&mut state.left_out).into_values() {
            if left_out.delivered.is_some() {
                left_out.about.miss();
            }
            left_out.about.settle();
        }
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, timeout);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// When so much time has passed; with more than a clock can tell, far away.
fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + FAR)
}
