//! Frames on their way out: what is pulled becomes sealed records, in the order of the pieces that
//! are written.
//!
//! Short runs of frames are gathered and sealed together. Long ones are sealed where they lie, which
//! is where they are kept until they are acknowledged; only a record's length and tag then stand
//! among what is gathered:
//!
//! ```text
//! gathered   | record | record | length |              | tag, length |              | tag |
//! kept                                  | sealed frames |             | sealed frames |
//! ```

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::record::{PREFIX, SealedInPlace, Sealer, TAG};

/// From this size on frames are lent by who keeps them, in order to be sealed where they lie.
pub(super) const LENT_FROM: usize = 16 * 1024;
/// How much goes into one record. What a read leaves of a record that came in part has to be moved,
/// and 16 KiB are still in the first-level cache when they are sealed. Measured with reads of 160
/// KiB: 2 to 5 % less CPU a message of 64 bytes and of 64 KiB than with 64 KiB and reads of 256. A
/// little more, so that a chunk of 64 KiB and the short message that overran it are four records.
const RECORD: usize = 16 * 1024 + 512 - TAG - PREFIX;

/// Frames that were lent, to be given back: sealed, or as they were where somebody else holds them,
/// too.
pub(crate) struct Lent {
    pub(super) frames: Bytes,
    pub(super) sealed: Vec<SealedInPlace>,
}

/// What is to be written next.
enum Piece {
    /// A part of what was gathered.
    Gathered(Range<usize>),
    /// Frames that were sealed where they lie.
    InPlace(Bytes),
}

/// What was pulled, until it is written.
#[derive(Default)]
pub(crate) struct Outgoing {
    frames: Vec<Bytes>,
    gathered: Vec<u8>,
    /// Where the last record of what was gathered begins, if it is not sealed yet.
    open: Option<usize>,
    /// How much of what was gathered is among the pieces.
    placed: usize,
    pieces: VecDeque<Piece>,
}

impl Outgoing {
    /// Where frames are put for the next `seal`.
    pub(crate) fn frames(&mut self) -> &mut Vec<Bytes> {
        &mut self.frames
    }

    /// Whether all that was sealed is written.
    pub(crate) fn is_written(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Seals the frames into records; all before must be written. What was lent goes to `lent`, in
    /// its order.
    ///
    /// `None` if the numbers of records are used up; nothing may be written then.
    pub(crate) fn seal(&mut self, sealer: &mut Sealer, lent: &mut Vec<Lent>) -> Option<()> {
        self.gathered.clear();
        self.placed = 0;
        let mut result = Some(());
        let mut all = std::mem::take(&mut self.frames);
        for frames in all.drain(..) {
            if result.is_some() {
                result = self.add(frames, sealer, lent);
            } else if is_lent(&frames) {
                lent.push(Lent::plain(frames));
            }
        }
        self.frames = all;
        result?;
        self.close_record(sealer)?;
        self.place();
        Some(())
    }

    fn add(&mut self, frames: Bytes, sealer: &mut Sealer, lent: &mut Vec<Lent>) -> Option<()> {
        if !is_lent(&frames) {
            return self.gather(&frames, sealer);
        }
        match frames.try_into_mut() {
            Ok(frames) => self.seal_in_place(frames, sealer, lent),
            // An application has it, or it is a part of a larger message.
            Err(shared) => {
                let result = self.gather(&shared, sealer);
                lent.push(Lent::plain(shared));
                result
            }
        }
    }

    /// Copies frames into records.
    fn gather(&mut self, mut frames: &[u8], sealer: &mut Sealer) -> Option<()> {
        while !frames.is_empty() {
            let start = match self.open {
                Some(start) => start,
                None => self.begin_record(),
            };
            let room = RECORD - (self.gathered.len() - start - PREFIX);
            let (now, later) = frames.split_at(frames.len().min(room));
            self.gathered.extend_from_slice(now);
            frames = later;
            if now.len() == room {
                self.close_record(sealer)?;
            }
        }
        Some(())
    }

    fn seal_in_place(
        &mut self,
        mut frames: BytesMut,
        sealer: &mut Sealer,
        lent: &mut Vec<Lent>,
    ) -> Option<()> {
        let each = frames.len().div_ceil(frames.len().div_ceil(RECORD));
        let mut sealed = Vec::with_capacity(frames.len().div_ceil(each));
        let closed = self.close_record(sealer);
        let result = closed.and_then(|()| {
            frames.chunks_mut(each).try_for_each(|plaintext| {
                sealed.push(sealer.seal_in_place(plaintext)?);
                Some(())
            })
        });
        let frames = frames.freeze();
        let mut rest = frames.clone();
        for record in &sealed {
            self.gathered.extend_from_slice(&record.prefix());
            self.place();
            let ciphertext = rest.split_to(record.length());
            self.pieces.push_back(Piece::InPlace(ciphertext));
            self.gathered.extend_from_slice(record.tag());
        }
        lent.push(Lent { frames, sealed });
        result
    }

    /// Leaves room for a record's length; returns where the record begins.
    fn begin_record(&mut self) -> usize {
        let start = self.gathered.len();
        self.gathered.extend_from_slice(&[0; PREFIX]);
        self.open = Some(start);
        start
    }

    fn close_record(&mut self, sealer: &mut Sealer) -> Option<()> {
        match self.open.take() {
            Some(start) => sealer.seal(&mut self.gathered, start),
            None => Some(()),
        }
    }

    /// What was gathered meanwhile goes behind the pieces.
    fn place(&mut self) {
        let end = self.gathered.len();
        if self.placed < end {
            self.pieces.push_back(Piece::Gathered(self.placed..end));
            self.placed = end;
        }
    }

    /// What is to be written, piece by piece.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| match piece {
            Piece::Gathered(range) => &self.gathered[range.clone()],
            Piece::InPlace(frames) => frames,
        })
    }

    /// So many bytes of it were written.
    pub(crate) fn advance(&mut self, mut written: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            let length = match piece {
                Piece::Gathered(range) => range.len(),
                Piece::InPlace(frames) => frames.len(),
            };
            if written < length {
                match piece {
                    Piece::Gathered(range) => range.start += written,
                    Piece::InPlace(frames) => drop(frames.split_to(written)),
                }
                return;
            }
            written -= length;
            self.pieces.pop_front();
        }
    }

    /// Nothing was sent for a while: gives back the memory of the last burst.
    pub(crate) fn rest(&mut self) {
        if self.is_written() {
            *self = Self::default();
        }
    }
}

impl Lent {
    fn plain(frames: Bytes) -> Self {
        Self {
            frames,
            sealed: Vec::new(),
        }
    }
}

/// Control frames are never as long.
fn is_lent(frames: &Bytes) -> bool {
    frames.len() >= LENT_FROM
}
