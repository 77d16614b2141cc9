//! Messages that betray their loss: each carries its number, and both its ends are looked at.
//!
//! A message starts with its number (u64, little endian), flags in the two highest bits, and its
//! last byte is the complement of its first. Each direction counts from zero.

use std::time::{Duration, Instant};

/// The sender's last message of the workload.
const LAST: u64 = 1 << 63;
/// The listening side has received everything; always its own final message.
const CONFIRMATION: u64 = 1 << 62;

/// How many messages go between two looks at the clock (28 ns each, so a tenth of a nanosecond
/// a message; 5 ms of 64 KiB messages, a hundredth of a round).
const CLOCK_EVERY: u64 = 256;

/// Makes numbered messages, in one buffer that is used again and again.
pub(crate) struct Source {
    message: Vec<u8>,
    number: u64,
    deadline: Instant,
    ended: bool,
}

impl Source {
    /// A source of messages of `size` bytes, which ends `duration` from now.
    pub(crate) fn new(size: usize, duration: Duration) -> Self {
        Self {
            message: vec![0x2a; size],
            number: 0,
            deadline: Instant::now() + duration,
            ended: false,
        }
    }

    /// The time starts now.
    pub(crate) fn restart(&mut self, duration: Duration) {
        self.deadline = Instant::now() + duration;
    }

    /// The workload's next message; the one made after the deadline is marked as the last, and
    /// then there is none.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        if self.ended {
            return None;
        }
        self.ended = self.number.is_multiple_of(CLOCK_EVERY) && Instant::now() >= self.deadline;
        Some(self.stamp(if self.ended { LAST } else { 0 }))
    }

    /// The message made last, once more: it could not be sent.
    #[cfg(feature = "zmq")]
    pub(crate) fn again(&self) -> &[u8] {
        &self.message
    }

    /// A message outside the workload's time: a greeting or a reply.
    pub(crate) fn single(&mut self) -> &[u8] {
        self.stamp(0)
    }

    /// The message that says: I have everything.
    pub(crate) fn confirmation(&mut self) -> &[u8] {
        self.stamp(CONFIRMATION)
    }

    /// How many messages were made.
    pub(crate) fn count(&self) -> u64 {
        self.number
    }

    #[inline]
    fn stamp(&mut self, flag: u64) -> &[u8] {
        let head = (self.number | flag).to_le_bytes();
        let end = self.message.len() - 1;
        self.message[..8].copy_from_slice(&head);
        self.message[end] = !head[0];
        self.number += 1;
        &self.message
    }
}

/// Checks numbered messages. A fault is kept and ends the run, so that taking needs no `?`.
pub(crate) struct Sink {
    size: usize,
    count: u64,
    flags: u64,
    fault: Option<String>,
}

impl Sink {
    /// A sink that expects messages of `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            count: 0,
            flags: 0,
            fault: None,
        }
    }

    /// Looks at the next message: its length, its number, its first and its last byte.
    #[inline]
    pub(crate) fn take(&mut self, message: &[u8]) {
        let (Some(head), Some(tail)) = (message.first_chunk(), message.last()) else {
            return self.blame(message);
        };
        let head_number = u64::from_le_bytes(*head);
        let number = head_number & !(LAST | CONFIRMATION);
        if message.len() != self.size || number != self.count || *tail != !head[0] {
            return self.blame(message);
        }
        self.flags |= head_number;
        self.count += 1;
    }

    /// Whether the workload's messages still come.
    pub(crate) fn is_open(&self) -> bool {
        self.flags & LAST == 0 && self.fault.is_none()
    }

    /// Whether the other side has said that it received everything.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.flags & CONFIRMATION != 0
    }

    /// How many messages were taken.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The first fault, if there was one.
    pub(crate) fn check(&self) -> crate::Result<()> {
        self.fault
            .as_ref()
            .map_or(Ok(()), |fault| Err(fault.as_str().into()))
    }

    #[cold]
    fn blame(&mut self, message: &[u8]) {
        let start = &message[..message.len().min(8)];
        let text = format!(
            "message {} expected, of {} bytes; got {} bytes that start with {start:02x?}",
            self.count,
            self.size,
            message.len()
        );
        self.fault.get_or_insert(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two messages, the second one the last.
    fn two_messages() -> [Vec<u8>; 2] {
        let mut source = Source::new(64, Duration::ZERO);
        let first = source.single().to_vec();
        source.number = CLOCK_EVERY;
        let mut last = source.next().map(<[u8]>::to_vec).unwrap_or_default();
        last[..2].copy_from_slice(&[1, 0]);
        last[63] = !1;
        [first, last]
    }

    #[test]
    fn messages_in_order_are_no_fault_and_the_last_closes() {
        let mut sink = Sink::new(64);
        let [first, last] = two_messages();
        sink.take(&first);
        assert!(sink.is_open());
        sink.take(&last);
        assert!(!sink.is_open() && sink.check().is_ok() && sink.count() == 2);
    }

    #[test]
    fn a_lost_a_doubled_a_cut_and_a_changed_message_are_faults() {
        let [first, last] = two_messages();
        let mut changed = first.clone();
        changed[63] ^= 1;
        for wrong in [
            &[&last[..]][..],
            &[&first, &first],
            &[&first[..63]],
            &[&changed],
            &[&[]],
        ] {
            let mut sink = Sink::new(64);
            wrong.iter().for_each(|message| sink.take(message));
            assert!(sink.check().is_err());
        }
    }
}
