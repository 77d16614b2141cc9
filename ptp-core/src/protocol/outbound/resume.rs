//! Going on over another connection, where the peer says.

use super::Outbound;
use crate::planted::{Bug, planted};
use crate::protocol::error::Violation;
use crate::protocol::frame::{self, Credit, ResumePoint, kind};
use crate::protocol::kept::{Chunk, Point};

impl Outbound {
    /// Another connection stands: goes on where the peer says, and returns how many messages it
    /// does not have.
    pub(crate) fn resume(&mut self, point: ResumePoint, granted: Credit) -> Result<u64, Violation> {
        if granted.messages < self.granted.messages || granted.bytes < self.granted.bytes {
            return Err(Violation::Backwards);
        }
        let heard = self.misread(point);
        // The others only wait for their acknowledgement.
        self.chunks
            .range_mut(..self.pulled)
            .filter(|chunk| chunk.touches > heard.received)
            .for_each(Chunk::open);
        let pulled = self.chunks.range(..self.pulled);
        let at = Some(heard)
            .filter(|_| (self.acked..=self.sent()).contains(&point.received))
            .and_then(|heard| Point::find(pulled, self.before, heard))
            .ok_or(Violation::ResumePoint {
                message: point.received.saturating_add(1),
                partial: point.partial,
            })?;
        self.granted = granted;
        self.pulled = self.cut_at(&at, point);
        if planted(Bug::CreditAnew) {
            self.accepted.bytes = 0;
        }
        if !planted(Bug::TimeNotRepeated) {
            self.repeat_time(point.received);
        }
        let unpulled = self.chunks.range(self.pulled..);
        self.unpulled = unpulled.map(|chunk| chunk.frames.len()).sum();
        Ok(self.accepted.messages - point.received)
    }

    /// What the peer said, unless a bug is planted.
    fn misread(&self, mut point: ResumePoint) -> ResumePoint {
        if planted(Bug::ResumeTooFar) && point.received < self.sent() {
            (point.received, point.partial) = (point.received + 1, 0);
        }
        if planted(Bug::ResumeTooEarly) && point.received > self.acked {
            (point.received, point.partial) = (point.received - 1, 0);
        }
        if planted(Bug::PartialIgnored) {
            point.partial = 0;
        }
        point
    }

    /// Says the time anew in front of what is sent again: it may have been lost.
    fn repeat_time(&mut self, received: u64) {
        let sent_ms = match self.chunks.get(self.pulled) {
            Some(chunk) if chunk.frames.first() != Some(&kind::TIME) => chunk.sent_ms,
            _ => return,
        };
        let mut frames = Vec::new();
        frame::put_time(&mut frames, sent_ms);
        let chunk = Chunk {
            frames: frames.into(),
            sealed: Vec::new(),
            ends: received,
            // Kept as long as what it stands in front of.
            touches: received + 1,
            bytes: 0,
            sent_ms,
            breaks_off: false,
        };
        self.chunks.insert(self.pulled, chunk);
    }
}
