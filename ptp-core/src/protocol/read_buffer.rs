//! The reader's buffer: sealed records go in, one piece of frames comes out.
//!
//! Records are opened in place and moved together, so that frames which straddle records come out
//! contiguous. The buffer then *becomes* the block that messages look into, and the unfinished
//! rest moves to a fresh one.
//!
//! ```text
//! | frames read | frames | (free) | sealed records | free: `space()` |
//! 0           read     opened   sealed           filled
//! ```

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::error::Violation;
use super::message::Block;
use super::record::{self, Opener, PREFIX};

/// One read from the network: large enough that its fixed costs vanish, small enough for the
/// second-level cache. A part and a record fit in, unfinished, with room to spare. Measured together
/// with the size of records (`outgoing.rs`).
pub(super) const CAPACITY: usize = 160 * 1024;
/// Blocks that are remembered in order to be used again once no message looks into them: as many
/// as the default window fills, with blocks half full.
const RECENT: usize = 64;

pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    read: usize,
    opened: usize,
    sealed: usize,
    filled: usize,
    recent: VecDeque<Arc<Block>>,
}

impl ReadBuffer {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; CAPACITY],
            read: 0,
            opened: 0,
            sealed: 0,
            filled: 0,
            recent: VecDeque::new(),
        }
    }

    /// Where the next bytes of the network belong; never empty.
    pub(super) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// The first `length` bytes of `space()` came from the network: opens what is whole of them.
    pub(super) fn handle_read(
        &mut self,
        length: usize,
        opener: &mut Opener,
    ) -> Result<(), Violation> {
        self.filled += length;
        while let Some(length) = record::length(&self.bytes[self.sealed..self.filled])? {
            let end = self.sealed + PREFIX + length;
            if end > self.filled {
                break;
            }
            let shift = self.sealed + PREFIX - self.opened;
            self.opened += opener.open(&mut self.bytes[self.opened..end], shift)?;
            self.sealed = end;
        }
        Ok(())
    }

    /// Where the next frame begins.
    pub(super) fn position(&self) -> usize {
        self.read
    }

    /// What is opened and not yet read.
    pub(super) fn frames(&self) -> &[u8] {
        &self.bytes[self.read..self.opened]
    }

    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// The next `length` bytes of `frames()` are read.
    pub(super) fn advance(&mut self, length: usize) {
        self.read += length;
    }

    /// The frames that were read, before they are let go.
    pub(super) fn frames_read(&self) -> &[u8] {
        &self.bytes[..self.read]
    }

    /// Lets go of what was read.
    pub(super) fn release(&mut self) {
        if self.read == 0 && self.filled < self.bytes.len() {
            return;
        }
        let (frame, sealed) = (self.read..self.opened, self.sealed..self.filled);
        let behind = frame.len();
        self.bytes.copy_within(frame, 0);
        self.bytes.copy_within(sealed.clone(), behind);
        self.restart(behind, sealed.len());
    }

    /// Makes what was read a block, without a copy; takes `frames` for it and leaves none.
    pub(super) fn release_as_block(&mut self, frames: &mut Vec<u32>) -> Arc<Block> {
        let mut fresh = self.fresh();
        let frame = &self.bytes[self.read..self.opened];
        let sealed = &self.bytes[self.sealed..self.filled];
        let (behind, sealed_len) = (frame.len(), sealed.len());
        fresh.bytes[..behind].copy_from_slice(frame);
        fresh.bytes[behind..behind + sealed_len].copy_from_slice(sealed);
        std::mem::swap(&mut self.bytes, &mut fresh.bytes);
        std::mem::swap(frames, &mut fresh.frames);
        frames.clear();
        self.restart(behind, sealed_len);
        let block = Arc::new(fresh);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Arc::clone(&block));
        block
    }

    /// Nothing came for a while: gives back the memory of the last burst.
    pub(super) fn rest(&mut self) {
        self.recent = VecDeque::new();
    }

    /// An unfinished frame and sealed bytes now stand at the front.
    fn restart(&mut self, frame: usize, sealed: usize) {
        self.read = 0;
        self.opened = frame;
        self.sealed = frame;
        self.filled = frame + sealed;
    }

    /// A block that no message looks into any more, or a new one.
    fn fresh(&mut self) -> Block {
        let unused = self
            .recent
            .iter()
            .rposition(|block| Arc::strong_count(block) == 1);
        unused
            .and_then(|at| self.recent.remove(at))
            .and_then(Arc::into_inner)
            .unwrap_or_else(|| Block {
                bytes: vec![0; CAPACITY],
                frames: Vec::new(),
            })
    }
}
