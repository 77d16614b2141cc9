//! From messages to writes: one each, and not too close together.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::LineEnd;
use crate::protocol::frame::Credit;
use crate::protocol::message::{Assembly, Message, MessageId, MessageKind};
use crate::protocol::payload::Payload;

/// The largest write: the original program takes as much in one go for one message.
pub(crate) const LARGEST: usize = 4096;
/// Between two writes: what comes sooner, the original program may take for one message.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// The outgoing direction: what was accepted and not yet written.
#[derive(Debug)]
pub(crate) struct Queue {
    window: Credit,
    waiting: VecDeque<Waiting>,
    /// Bytes of those that wait.
    bytes: u64,
    accepted: u64,
    /// Messages that were handed back at the end.
    lost: u64,
    /// How much of the first was written.
    begun: usize,
    /// How much more of it is being written.
    under_way: Option<usize>,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    content: Bytes,
    unix_ms: u64,
}

impl Queue {
    /// A queue that is full at `window`; a single message may overrun it.
    pub(crate) fn new(window: Credit) -> Self {
        Self {
            window,
            waiting: VecDeque::new(),
            bytes: 0,
            accepted: 0,
            lost: 0,
            begun: 0,
            under_way: None,
            not_before: None,
        }
    }

    // Getters.

    /// Whether a message of this kind can go. What is not text would come out as something else, and
    /// a secret would be no secret.
    pub(crate) fn takes(kind: MessageKind) -> bool {
        kind == MessageKind::Text
    }

    pub(crate) fn has_room(&self) -> bool {
        (self.waiting.len() as u64) < self.window.messages && self.bytes < self.window.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many messages were accepted, and how many of them were written.
    pub(crate) fn accepted_and_written(&self) -> (u64, u64) {
        let unwritten = self.waiting.len() as u64 + self.lost;
        (self.accepted, self.accepted - unwritten)
    }

    /// When `poll_transmit` has something; `None` if there is nothing to write.
    pub(crate) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        (!self.is_empty()).then(|| self.not_before.unwrap_or(now))
    }

    // What the application wants.

    /// Takes a message over. The caller has asked `takes` and `has_room`.
    pub(crate) fn accept(&mut self, payload: impl Payload, unix_ms: u64) -> MessageId {
        let content = payload.into_bytes();
        self.bytes += content.len() as u64;
        self.waiting.push_back(Waiting { content, unix_ms });
        self.accepted += 1;
        MessageId(self.accepted)
    }

    // What to do next, and that it was done.

    /// What is to go out in one write now, towards a peer that ends its lines so.
    pub(crate) fn poll_transmit(&mut self, now: Instant, end: LineEnd) -> Option<Vec<u8>> {
        let first = self.waiting.front()?;
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return None;
        }
        let rest = first.content.get(self.begun..).unwrap_or_default();
        // To nobody who takes each write for a message can an empty one be sent: an end is seen.
        let end = match end.bytes() {
            b"" if first.content.is_empty() => LineEnd::Lf.bytes(),
            end => end,
        };
        let length = if rest.len() + end.len() <= LARGEST {
            rest.len()
        } else {
            boundary(rest, LARGEST.min(rest.len() - 1))
        };
        let mut piece = rest[..length].to_vec();
        if length == rest.len() {
            piece.extend_from_slice(end);
        }
        self.under_way = Some(length);
        Some(piece)
    }

    /// What `poll_transmit` gave was written.
    pub(crate) fn handle_written(&mut self, now: Instant) {
        let Some(length) = self.under_way.take() else {
            return;
        };
        self.not_before = Some(now + PAUSE);
        self.begun += length;
        let whole = |first: &Waiting| self.begun >= first.content.len();
        if self.waiting.front().is_some_and(whole)
            && let Some(first) = self.waiting.pop_front()
        {
            self.bytes -= first.content.len() as u64;
            self.begun = 0;
        }
    }

    /// What was not written, and what was written in part.
    pub(crate) fn finish(&mut self) -> (Vec<Message>, Vec<Message>) {
        let begun = self.begun > 0 || self.under_way.is_some();
        let (accepted, written) = self.accepted_and_written();
        self.lost = accepted - written;
        let mut unsent: Vec<_> = (written + 1..)
            .zip(self.waiting.drain(..))
            .map(|(number, waiting)| {
                let mut message = Assembly::default();
                message.extend(&waiting.content);
                message.finish(MessageKind::Text, number, waiting.unix_ms)
            })
            .collect();
        let in_part = unsent.drain(..usize::from(begun && !unsent.is_empty()));
        let in_part = in_part.collect();
        (unsent, in_part)
    }
}

/// The last boundary of a character up to `most`.
fn boundary(text: &[u8], most: usize) -> usize {
    let within = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    // A message is valid UTF-8: a character has at most four bytes.
    (most.saturating_sub(3)..=most)
        .rev()
        .find(|at| !within(*at))
        .unwrap_or(most)
}
