//! What was accepted and is not yet acknowledged.
//!
//! Numbers are implicit: the first message of a direction is 1, and the connection keeps order.

pub(crate) mod frames;
mod resume;

use std::collections::VecDeque;

use bytes::Bytes;

use super::error::Violation;
use super::frame::{self, Credit, MAX_PART, ResumePoint, kind};
use super::kept::{Chunk, KeptFrames, Point};
use super::message::{Message, MessageId, MessageKind};
use super::outgoing::{LENT_FROM, Lent};
use super::payload::Payload;
use crate::planted::{Bug, planted};

/// Payloads of this size and more are kept as they are; smaller ones are copied next to each
/// other, which costs less than to keep track of them.
pub(crate) const COPY_BELOW: usize = 16 * 1024;
/// Frames are cut into chunks of about this size, so that acknowledged ones can be let go.
const CHUNK: usize = 64 * 1024;
/// Chunks from this size on are worth their memory's reuse.
const SPARE_FROM: usize = 4 * 1024;
/// As many as fill the default window.
const SPARES: usize = 128;

/// The sending side's window. Nothing is ever evicted: where it is full, nothing is accepted.
#[derive(Debug)]
pub(crate) struct Outbound {
    limits: Credit,
    granted: Credit,
    chunks: VecDeque<Chunk>,
    /// The number of the last message that ended before the first chunk.
    before: u64,
    /// How many of the chunks went to the network.
    pulled: usize,
    /// Bytes of the chunks that did not.
    unpulled: usize,
    /// Frames that are not yet cut into a chunk.
    open: Vec<u8>,
    open_bytes: usize,
    open_sent_ms: u64,
    sent_ms: u64,
    /// Memory of acknowledged chunks.
    spare: Vec<Vec<u8>>,
    /// How long the last chunk was: a guess at the next.
    last_chunk: usize,
    held: u64,
    accepted: Credit,
    acked: u64,
}

impl Outbound {
    /// `limits` is what this side keeps at the most, `granted` what the peer lets it send.
    pub(crate) fn new(limits: Credit, granted: Credit) -> Self {
        Self {
            limits,
            granted,
            chunks: VecDeque::new(),
            before: 0,
            pulled: 0,
            unpulled: 0,
            open: Vec::new(),
            open_bytes: 0,
            open_sent_ms: 0,
            sent_ms: 0,
            spare: Vec::new(),
            last_chunk: 0,
            held: 0,
            accepted: Credit::default(),
            acked: 0,
        }
    }

    /// Whether a message may begin. It may overrun the bytes by its own size, or a message larger
    /// than the window could never pass.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        (!self.is_full() || planted(Bug::EvictOldest))
            && self.accepted.messages < self.granted.messages
            && self.accepted.bytes < self.granted.bytes
    }

    /// Whether as much is kept as may be.
    #[inline]
    fn is_full(&self) -> bool {
        let most = self.limits.messages + u64::from(planted(Bug::WindowOverrun));
        self.accepted.messages - self.acked >= most || self.held >= self.limits.bytes
    }

    /// Whether the next message begins a chunk and should bear the time.
    pub(crate) fn wants_time(&self) -> bool {
        self.open.is_empty()
    }

    /// Takes a message over and numbers it. The caller has asked `has_room`.
    #[inline]
    pub(crate) fn accept(&mut self, payload: impl Payload, unix_ms: Option<u64>) -> MessageId {
        let (kind, length) = (payload.kind(), payload.as_bytes().len());
        if let Some(now) = unix_ms {
            self.begin_chunk(if length < COPY_BELOW { length } else { 0 }, now);
        }
        self.accepted.messages += 1;
        self.accepted.bytes += length as u64;
        self.held += length as u64;
        if length < COPY_BELOW {
            frame::put_header(&mut self.open, kind.frame(), length);
            self.open.extend_from_slice(payload.as_bytes());
            self.open_bytes += length;
            if self.open.len() >= CHUNK {
                self.cut_whole();
            }
        } else {
            self.accept_whole(kind, payload.into_bytes());
        }
        MessageId(self.accepted.messages)
    }

    fn begin_chunk(&mut self, length: usize, now: u64) {
        self.open = self.buffer(length + 32);
        self.open_sent_ms = self.sent_ms;
        if now != self.sent_ms {
            self.sent_ms = now;
            frame::put_time(&mut self.open, now);
        }
    }

    /// An empty buffer for a chunk, of `least` bytes at least.
    pub(crate) fn buffer(&mut self, least: usize) -> Vec<u8> {
        // Under load one chunk is as long as the one before it: allocate that at once.
        let guess = self.last_chunk.clamp(least, CHUNK + COPY_BELOW);
        match self.spare.pop() {
            Some(spare) if guess >= SPARE_FROM => spare,
            spare => {
                self.spare.extend(spare);
                Vec::with_capacity(guess)
            }
        }
    }

    /// A large message goes as it is, in parts, with headers between them.
    fn accept_whole(&mut self, kind: MessageKind, mut body: Bytes) {
        let number = self.accepted.messages;
        while body.len() > MAX_PART {
            frame::put_header(&mut self.open, kind::PART, MAX_PART);
            self.cut_before_body();
            self.push(body.split_to(MAX_PART), number - 1);
        }
        frame::put_header(&mut self.open, kind.frame(), body.len());
        self.cut_before_body();
        self.push(body, number);
    }

    /// Makes a chunk of the open frames, if there are any.
    fn cut_whole(&mut self) {
        if !self.open.is_empty() {
            self.cut(self.accepted.messages, false);
        }
    }

    /// Makes a chunk of the open frames, the last of which is the header of a body that follows.
    fn cut_before_body(&mut self) {
        self.cut(self.accepted.messages - 1, true);
    }

    fn cut(&mut self, ends: u64, breaks_off: bool) {
        self.last_chunk = self.open.len();
        self.unpulled += self.open.len();
        self.chunks.push_back(Chunk {
            frames: std::mem::take(&mut self.open).into(),
            sealed: Vec::new(),
            ends,
            touches: self.accepted.messages,
            bytes: std::mem::take(&mut self.open_bytes),
            // What is cut next, the header of another part, stands behind the time in this one.
            sent_ms: std::mem::replace(&mut self.open_sent_ms, self.sent_ms),
            breaks_off,
        });
    }

    /// Adds a body, or a part of one, of the message that was accepted last.
    fn push(&mut self, body: Bytes, ends: u64) {
        self.unpulled += body.len();
        self.chunks.push_back(Chunk {
            bytes: body.len(),
            frames: body,
            sealed: Vec::new(),
            ends,
            touches: self.accepted.messages,
            sent_ms: self.sent_ms,
            breaks_off: false,
        });
    }

    /// Whether a write of so many bytes waits.
    #[inline]
    pub(crate) fn fills(&self, bytes: usize) -> bool {
        self.unpulled >= bytes
    }

    pub(crate) fn has_unpulled(&self) -> bool {
        self.pulled < self.chunks.len() || !self.open.is_empty()
    }

    /// Appends chunks that wait to `out`, until it holds `budget` bytes or nothing waits. It ends
    /// where a frame ends, because control frames go next. Those of `LENT_FROM` bytes and more are
    /// lent, and must be given back (`keep`) before anything of them is written.
    pub(crate) fn pull(&mut self, out: &mut Vec<Bytes>, budget: usize) {
        if planted(Bug::EvictOldest) && self.is_full() {
            let _ = self.handle_ack(self.acked + 1, self.granted);
        }
        let mut bytes = 0;
        let mut broken_off = false;
        while bytes < budget || broken_off {
            if self.pulled == self.chunks.len() {
                self.cut_whole();
            }
            let Some(chunk) = self.chunks.get_mut(self.pulled) else {
                return;
            };
            let length = chunk.frames.len();
            bytes += length;
            self.unpulled -= length;
            broken_off = chunk.breaks_off;
            out.push(if length < LENT_FROM {
                chunk.frames.clone()
            } else {
                chunk.lend()
            });
            self.pulled += 1;
        }
    }

    /// Takes back what was lent, in its order.
    pub(crate) fn keep(&mut self, lent: &mut Vec<Lent>) {
        let pulled = self.chunks.range_mut(..self.pulled).rev();
        let lenders = pulled.filter(|chunk| chunk.is_lent());
        // There are fewer if the peer acknowledged what was not even written.
        for (lent, chunk) in lent.drain(..).rev().zip(lenders) {
            chunk.take_back(lent);
        }
    }

    /// The peer's application took all up to `messages`, and more may be sent.
    pub(crate) fn handle_ack(&mut self, messages: u64, granted: Credit) -> Result<(), Violation> {
        if messages > self.sent() {
            return Err(Violation::NeverSent(messages));
        }
        self.granted = granted;
        self.acked = messages;
        self.let_go();
        if self.held >= self.limits.bytes {
            self.cut_acked();
            self.let_go();
        }
        Ok(())
    }

    fn let_go(&mut self) {
        let acked = self.acked;
        while let Some(chunk) = self.chunks.pop_front_if(|chunk| chunk.touches <= acked) {
            self.held -= chunk.bytes as u64;
            self.pulled -= 1;
            self.before = chunk.ends;
            self.reuse(chunk.frames);
        }
    }

    /// Makes a chunk of its own of what is acknowledged of the first: it must not fill the window.
    fn cut_acked(&mut self) {
        match self.chunks.front_mut() {
            Some(first) if self.acked > self.before && !first.is_lent() => first.open(),
            // Who acknowledges what is not even written makes no room.
            _ => return,
        }
        let point = ResumePoint {
            received: self.acked,
            partial: 0,
        };
        let chunks = self.chunks.len();
        if let Some(at) = Point::find(self.chunks.range(..self.pulled), self.before, point) {
            self.cut_at(&at, point);
            self.pulled += self.chunks.len() - chunks;
        }
    }

    /// The number of the last message that went to the network as a whole.
    fn sent(&self) -> u64 {
        match self.pulled.checked_sub(1) {
            Some(last) => self.chunks[last].ends,
            None => self.acked,
        }
    }

    /// Sees to it that a chunk begins at a frame; returns its place.
    fn cut_at(&mut self, at: &Point, point: ResumePoint) -> usize {
        if at.offset == 0 {
            return at.chunk;
        }
        let chunk = &mut self.chunks[at.chunk];
        if at.offset < chunk.frames.len() {
            let rest = chunk.split_off(at);
            chunk.ends = point.received;
            chunk.touches = point.received + u64::from(point.partial > 0);
            self.chunks.insert(at.chunk + 1, rest);
        }
        at.chunk + 1
    }

    /// Keeps the memory of an acknowledged chunk for the next: to give it back to the system and to
    /// fetch it again costs more than to fill it.
    fn reuse(&mut self, frames: Bytes) {
        if frames.len() < SPARE_FROM || self.spare.len() >= SPARES {
            return;
        }
        // Somebody else may hold it: then it is theirs.
        if let Ok(unshared) = frames.try_into_mut() {
            let mut spare = Vec::from(unshared);
            spare.clear();
            if spare.capacity() <= 2 * CHUNK {
                self.spare.push(spare);
            }
        }
    }

    /// An empty buffer, of memory that was used before if there is some.
    pub(crate) fn take_spare(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Nothing came for a while: gives back the memory of the last burst.
    pub(crate) fn rest(&mut self) {
        self.spare = Vec::new();
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.messages
    }

    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    /// The end: what was never given whole to the network, and what was but is not acknowledged.
    pub(crate) fn finish(&mut self) -> (Vec<Message>, Vec<Message>) {
        self.cut_whole();
        let (mut unsent, mut unconfirmed) = (Vec::new(), Vec::new());
        let mut frames = KeptFrames::default();
        for (place, mut chunk) in std::mem::take(&mut self.chunks).into_iter().enumerate() {
            chunk.open();
            let messages = frames.read(&chunk);
            let first = chunk.ends + 1 - messages.len() as u64;
            let sent = place < self.pulled || planted(Bug::UnsentAsUnconfirmed);
            let list = if sent && !planted(Bug::UnconfirmedAsUnsent) {
                &mut unconfirmed
            } else {
                &mut unsent
            };
            list.extend(
                (first..)
                    .zip(messages)
                    .filter(|(number, _)| *number > self.acked)
                    .map(|(number, kept)| kept.message(number)),
            );
        }
        (self.pulled, self.unpulled) = (0, 0);
        self.before = self.accepted.messages;
        (unsent, unconfirmed)
    }
}
