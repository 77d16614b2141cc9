//! What waits to be kept: bounded, so that a slow disk costs memory only so far, and time never.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::entry::EntryId;
use crate::peer::Peer;
use crate::trust::PublicKey;

/// Waiting bytes at the most, with what a message costs beside its content: several seconds of what a
/// disk takes.
const MOST_BYTES: usize = 64 << 20;
const ITEM_BYTES: usize = 128;

/// A conversation, for as long as anything of it waits.
pub(super) struct About {
    /// Its number in this program.
    pub(super) serial: u64,
    pub(super) key: Option<PublicKey>,
    pub(super) address: Option<String>,
    pub(super) name: String,
    pub(super) session: Option<[u8; 16]>,
    pub(super) began: i64,
    /// Items that were given to be kept; those that were, and those that never will be.
    given: AtomicU64,
    kept: AtomicU64,
    missed: AtomicU64,
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
            given: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            missed: AtomicU64::new(0),
        }
    }

    /// Items that are not kept: not yet, and never.
    pub(super) fn not_kept(&self) -> (u64, u64) {
        let missed = self.missed.load(Ordering::Acquire);
        let settled = self.kept.load(Ordering::Acquire) + missed;
        let given = self.given.load(Ordering::Acquire);
        (given.saturating_sub(settled), missed)
    }
}

impl Item {
    fn gap((about, messages, at): Missing) -> Self {
        let what = What::Gap { messages, at };
        Self { about, what }
    }

    fn bytes(&self) -> usize {
        match &self.what {
            What::Message(letter) => match &letter.body {
                Body::Text(text) => ITEM_BYTES + text.len(),
                Body::Binary(bytes) => ITEM_BYTES + bytes.len(),
            },
            // It takes the place of messages that found no room.
            What::Gap { .. } => 0,
            _ => ITEM_BYTES,
        }
    }

    fn is_message(&self) -> bool {
        matches!(self.what, What::Message(_))
    }

    fn is_gap(&self) -> bool {
        matches!(self.what, What::Gap { .. })
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
    /// Behind the items: messages that found no room.
    gaps: Vec<Missing>,
    /// Until when the writer may go on, once nobody gives it anything more.
    closing: Option<Instant>,
    /// The writer has ended.
    ended: bool,
}

/// So many messages of a conversation, and since when.
type Missing = (Arc<About>, u64, i64);

/// What the writer is to do.
pub(super) enum Work {
    Keep(Vec<Item>),
    /// Nothing came for a while.
    Idle,
    /// There is nothing more.
    End,
}

impl Queue {
    /// Puts in what is to be kept; returns whether there was room. Only a message may be left out:
    /// all else is small, and comes seldom.
    pub(super) fn put(&self, item: Item, at: i64) -> bool {
        item.about.given.fetch_add(1, Ordering::AcqRel);
        let mut state = self.lock();
        let bytes = item.bytes();
        let full = state.bytes != 0 && state.bytes + bytes > MOST_BYTES;
        if state.ended || (item.is_message() && full) {
            drop_one(&mut state.gaps, &item, at);
            return false;
        }
        // What comes behind a gap must stand behind it.
        let gaps = mem::take(&mut state.gaps);
        state.items.extend(gaps.into_iter().map(Item::gap));
        let sleeps = state.items.is_empty();
        state.bytes += bytes;
        state.items.push_back(item);
        drop(state);
        if sleeps {
            self.changed.notify_all();
        }
        true
    }

    /// The next to be kept, at most `most`; waits for it for as long as `patience`.
    pub(super) fn take(&self, most: usize, patience: Duration) -> Work {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        while state.items.is_empty() && state.gaps.is_empty() {
            if state.closing.is_some() {
                return Work::End;
            }
            let now = Instant::now();
            if now >= until {
                return Work::Idle;
            }
            state = self.wait(state, until - now);
        }
        let count = most.min(state.items.len());
        let mut taken: Vec<_> = state.items.drain(..count).collect();
        if state.items.is_empty() {
            let gaps = mem::take(&mut state.gaps);
            taken.extend(gaps.into_iter().map(Item::gap));
        }
        Work::Keep(taken)
    }

    /// These are kept. They count as waiting until now.
    pub(super) fn kept(&self, items: &[Item]) {
        let mut state = self.lock();
        for item in items {
            if !item.is_gap() {
                item.about.kept.fetch_add(1, Ordering::AcqRel);
            }
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

    /// Waits until everything that was given of a conversation is kept, or never will be.
    pub(super) fn flush(&self, about: &About, timeout: Duration) {
        let until = Instant::now() + timeout;
        let mut state = self.lock();
        while about.not_kept().0 != 0 && !state.ended {
            let now = Instant::now();
            if now >= until {
                return;
            }
            state = self.wait(state, until - now);
        }
    }

    /// Nothing more will be put in: what waits is kept, within `timeout`.
    pub(super) fn close(&self, timeout: Duration) {
        self.lock().closing = Some(Instant::now() + timeout);
        self.changed.notify_all();
    }

    /// The writer ends; `items` it could not keep.
    pub(super) fn end(&self, items: &[Item]) {
        let mut state = self.lock();
        state.ended = true;
        state.bytes = 0;
        let waiting = mem::take(&mut state.items);
        for item in items.iter().chain(&waiting) {
            if !item.is_gap() {
                item.about.missed.fetch_add(1, Ordering::AcqRel);
            }
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

fn drop_one(gaps: &mut Vec<Missing>, item: &Item, at: i64) {
    item.about.missed.fetch_add(1, Ordering::AcqRel);
    if !item.is_message() {
        return;
    }
    let same = |gap: &&mut Missing| gap.0.serial == item.about.serial;
    match gaps.iter_mut().find(same) {
        Some(gap) => gap.1 += 1,
        None => gaps.push((Arc::clone(&item.about), 1, at)),
    }
}
