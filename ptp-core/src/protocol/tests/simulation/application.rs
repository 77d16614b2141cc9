//! A model application: what it sends, and what it must receive.

use std::collections::VecDeque;

use crate::protocol::tests::random::Random;
use crate::protocol::{Message, MessageKind};

/// A model application: its plan, and what it has sent and taken.
pub(super) struct Application {
    pub(super) plan: u64,
    /// Bodies' lengths in the order of their numbers.
    pub(super) sent: Vec<usize>,
    /// The length of the messages that are not acknowledged, and all of them together.
    unacked: VecDeque<usize>,
    unacked_bytes: usize,
    pub(super) taken: u64,
    last_sent_ms: u64,
    sizes: &'static [(u64, u64)],
    /// In percent of the steps.
    pub(super) takes: u64,
    pub(super) speaks: u64,
    pub(super) delivers: u64,
    pub(super) longest_slice: u64,
}

impl Application {
    pub(super) fn new(random: &mut Random) -> Self {
        const TINY: &[(u64, u64)] = &[(0, 64)];
        const MIXED: &[(u64, u64)] = &[(0, 64), (0, 300), (0, 2_000), (0, 20_000), (0, 200_000)];
        const EDGES: &[(u64, u64)] = &[(0, 3), (16_383, 16_385), (65_535, 65_537), (1, 500)];
        // One byte at a time is for little ones: large ones would take all the time there is.
        let (sizes, longest_slice) = match random.below(8) {
            0 => (TINY, 1),
            1..=3 => (TINY, random.magnitude(1 << 14)),
            4..=6 => (MIXED, 1_000 + random.magnitude(1 << 18)),
            _ => (EDGES, 5_000 + random.magnitude(1 << 18)),
        };
        // Many only of little ones: large ones would take all the time there is.
        let most = match (sizes == TINY, random.chance(3)) {
            (true, true) => 2_000,
            (true, false) => 300,
            (false, _) => 220,
        };
        Self {
            plan: random.between(200, most),
            sent: Vec::new(),
            unacked: VecDeque::new(),
            unacked_bytes: 0,
            taken: 0,
            last_sent_ms: 0,
            sizes,
            takes: random.pick(&[3, 20, 100]),
            speaks: random.pick(&[10, 50, 100]),
            delivers: random.pick(&[10, 50, 100]),
            longest_slice,
        }
    }

    /// The number of the next message, and how long it is.
    pub(super) fn next(&mut self, random: &mut Random) -> (u64, usize) {
        let size = self.draw(random);
        self.send(size);
        (self.sent.len() as u64, size)
    }

    /// How long a message is to be.
    pub(super) fn draw(&self, random: &mut Random) -> usize {
        // The larger, the rarer.
        let place = random.below(self.sizes.len() as u64 * 3) as usize / 3;
        let (from, to) = match random.chance(70) {
            true => self.sizes[0],
            false => self.sizes[place],
        };
        random.between(from, to) as usize
    }

    /// The next message was accepted, and is so long.
    pub(super) fn send(&mut self, size: usize) {
        self.sent.push(size);
        self.unacked.push_back(size);
        self.unacked_bytes += size;
    }

    /// All but so many of the messages that it sent are acknowledged. What is left must fit into
    /// the window, which the last one may overrun.
    pub(super) fn handle_unacked(&mut self, left: u64, (messages, bytes): (u64, u64)) {
        while self.unacked.len() as u64 > left {
            self.unacked_bytes -= self.unacked.pop_front().unwrap();
        }
        assert!(left <= messages);
        let but_last = self.unacked_bytes - self.unacked.back().unwrap_or(&0);
        assert!(
            self.unacked.is_empty() || (but_last as u64) < bytes,
            "more is held than the window"
        );
    }

    /// It takes a message, which must be the next that `sender` sent, by `unix_ms`.
    pub(super) fn take(&mut self, message: &Message, sender: &Self, unix_ms: u64) {
        let number = self.taken + 1;
        is_message(message, number, sender.sent[number as usize - 1]);
        let sent_at = message.sent_at().duration_since(std::time::UNIX_EPOCH);
        let sent_ms = sent_at.unwrap().as_millis() as u64;
        assert!(self.last_sent_ms <= sent_ms && sent_ms <= unix_ms);
        self.last_sent_ms = sent_ms;
        self.taken = number;
    }
}

/// What the message with this number holds: itself, and so many letters.
pub(super) fn body(number: u64, size: usize) -> Vec<u8> {
    let number_in_front = number.to_string().into_bytes();
    let mut body = vec![b'a' + (number % 26) as u8; size.max(number_in_front.len())];
    body[..number_in_front.len()].copy_from_slice(&number_in_front);
    body.truncate(size);
    body
}

pub(super) fn kind(number: u64) -> MessageKind {
    match number % 3 {
        0 => MessageKind::Text,
        1 => MessageKind::Secret,
        _ => MessageKind::Binary,
    }
}

pub(super) fn is_message(message: &Message, number: u64, size: usize) {
    assert_eq!(message.id().get(), number);
    assert_eq!(message.kind(), kind(number));
    assert!(
        message.as_bytes() == body(number, size),
        "message {number} was changed"
    );
}
