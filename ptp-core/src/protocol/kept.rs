//! Frames as they are kept until they are acknowledged: reading them back, and finding the place
//! where a peer wants them to go on.

use bytes::{Bytes, BytesMut};

use super::frame::{self, ResumePoint, kind};
use super::message::{Assembly, Message, MessageKind};
use super::outgoing::Lent;
use super::record::SealedInPlace;
use crate::planted::{Bug, planted};

/// Frames that are kept until the last message in them is acknowledged.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Empty while they are lent.
    pub(super) frames: Bytes,
    /// The records that they were sealed in, if they were sealed where they lie.
    pub(super) sealed: Vec<SealedInPlace>,
    /// The number of the last message that ends in this chunk or before it.
    pub(super) ends: u64,
    /// The number of the last message that has a byte in this chunk or before it.
    pub(super) touches: u64,
    /// Bytes of messages in it.
    pub(super) bytes: usize,
    /// The time that is in force where it begins.
    pub(super) sent_ms: u64,
    /// Its last header's body is the next chunk: nothing may go between them.
    pub(super) breaks_off: bool,
}

impl Chunk {
    /// Gives the frames away, to be sealed where they lie.
    pub(super) fn lend(&mut self) -> Bytes {
        std::mem::take(&mut self.frames)
    }

    pub(super) fn is_lent(&self) -> bool {
        self.frames.is_empty()
    }

    /// Takes back what was lent.
    pub(super) fn take_back(&mut self, lent: Lent) {
        (self.frames, self.sealed) = (lent.frames, lent.sealed);
    }

    /// Makes the frames plain again, if they are sealed.
    pub(super) fn open(&mut self) {
        let sealed = std::mem::take(&mut self.sealed);
        if sealed.is_empty() || planted(Bug::KeptSealed) {
            return;
        }
        let frames = std::mem::take(&mut self.frames);
        // Somebody may still be writing them.
        let mut frames = frames
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let mut rest = &mut frames[..];
        for record in sealed {
            let (ciphertext, behind) = rest.split_at_mut(record.length());
            // Fails only where this process's memory is damaged; then so is what stood in this record.
            let _ = record.open(ciphertext);
            rest = behind;
        }
        self.frames = frames.freeze();
    }

    /// Takes off what stands behind `at`; what is left still has its old numbers. They are plain.
    pub(super) fn split_off(&mut self, at: &Point) -> Self {
        let rest = Self {
            frames: self.frames.split_off(at.offset),
            sealed: Vec::new(),
            ends: self.ends,
            touches: self.touches,
            bytes: self.bytes - at.bytes,
            sent_ms: at.sent_ms,
            breaks_off: self.breaks_off,
        };
        self.bytes = at.bytes;
        self.breaks_off = false;
        rest
    }
}

/// Where one frame ends and the next begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// The place of the chunk, and in it.
    pub(super) chunk: usize,
    pub(super) offset: usize,
    /// Bytes of messages that stand before it in its chunk.
    pub(super) bytes: usize,
    /// The time that is in force there.
    pub(super) sent_ms: u64,
}

impl Point {
    /// The place behind all that a peer has; `None` if no frame ends there. `before` is the number
    /// of the last message that ended before the first of the `chunks`.
    pub(super) fn find<'a>(
        chunks: impl Iterator<Item = &'a Chunk>,
        before: u64,
        point: ResumePoint,
    ) -> Option<Self> {
        let mut search = Search::new(before);
        for (place, chunk) in chunks.enumerate() {
            if chunk.touches <= point.received {
                // A frame that breaks off is followed by its body, which touches the same message.
                search.has.received = chunk.ends;
                search.at.chunk = place + 1;
                continue;
            }
            search.enter(place, chunk);
            while !search.is_at(point) {
                if !search.step(&chunk.frames)? {
                    break;
                }
            }
            if search.is_at(point) {
                break;
            }
        }
        search.is_at(point).then_some(search.at)
    }
}

/// A walk over the frames of chunks, counting what a peer has that has them all.
struct Search {
    has: ResumePoint,
    at: Point,
    /// Bytes of a body whose header ended the chunk.
    rest: usize,
}

impl Search {
    fn new(before: u64) -> Self {
        Self {
            has: ResumePoint {
                received: before,
                partial: 0,
            },
            at: Point {
                chunk: 0,
                offset: 0,
                bytes: 0,
                sent_ms: 0,
            },
            rest: 0,
        }
    }

    fn is_at(&self, point: ResumePoint) -> bool {
        self.has == point && self.rest == 0
    }

    /// Goes on in the next chunk, behind the body whose header ended the one before.
    fn enter(&mut self, place: usize, chunk: &Chunk) {
        let rest = std::mem::take(&mut self.rest);
        self.at = Point {
            chunk: place,
            offset: rest,
            bytes: rest,
            sent_ms: chunk.sent_ms,
        };
    }

    /// Steps over the next frame; returns whether there was one that the chunk does not break off.
    /// `None` if it is none of ours, which it always is.
    fn step(&mut self, frames: &[u8]) -> Option<bool> {
        let frames = frames.get(self.at.offset..)?;
        let Some(header) = frame::header(frames).ok()? else {
            return Some(false);
        };
        match header.kind {
            kind::TIME => {
                let body = frames.get(header.header..header.frame())?;
                self.at.sent_ms = frame::take_time(body).ok()?;
            }
            kind::PART => self.has.partial += header.body as u64,
            _ => {
                self.has.received += 1;
                self.has.partial = 0;
            }
        }
        if header.frame() > frames.len() {
            self.rest = header.body;
            return Some(false);
        }
        self.at.offset += header.frame();
        if header.kind != kind::TIME {
            self.at.bytes += header.body;
        }
        Some(true)
    }
}

/// Reads back frames that this side wrote itself.
#[derive(Default)]
pub(super) struct KeptFrames {
    /// A header whose body is the next chunk.
    pending: Option<frame::Header>,
    sent_ms: u64,
    assembly: Assembly,
}

/// A whole message that was kept.
pub(super) struct Kept {
    kind: MessageKind,
    sent_ms: u64,
    body: Assembly,
}

impl Kept {
    pub(super) fn message(mut self, number: u64) -> Message {
        self.body.finish(self.kind, number, self.sent_ms)
    }
}

impl KeptFrames {
    /// The messages that end in `chunk`.
    pub(super) fn read(&mut self, chunk: &Chunk) -> Vec<Kept> {
        let mut messages = Vec::new();
        let mut frames = &chunk.frames[..];
        self.sent_ms = chunk.sent_ms;
        loop {
            let header = match (self.pending.take(), frame::header(frames)) {
                (Some(header), _) => header,
                (None, Ok(Some(header))) => {
                    frames = &frames[header.header..];
                    header
                }
                (None, _) => return messages,
            };
            let Some((body, rest)) = frames.split_at_checked(header.body) else {
                self.pending = Some(header);
                return messages;
            };
            frames = rest;
            messages.extend(self.read_body(header.kind, body));
        }
    }

    fn read_body(&mut self, frame: u8, body: &[u8]) -> Option<Kept> {
        if frame == kind::TIME {
            self.sent_ms = frame::take_time(body).unwrap_or(self.sent_ms);
            return None;
        }
        self.assembly.extend(body);
        Some(Kept {
            kind: MessageKind::of(frame)?,
            sent_ms: self.sent_ms,
            body: std::mem::take(&mut self.assembly),
        })
    }
}
