//! The line between the two: how connections are lost, who notices, and how others follow.

use std::time::{Duration, Instant};

use super::{TIMEOUT, World};
use crate::protocol::tests::pair::{Ana, Ben, Who};
use crate::protocol::tests::random::Random;

/// How long a side that has said everything waits for the end of the stream.
const DRAIN: Duration = Duration::from_secs(1);
/// More than it takes to ask and to be answered: a clock that jumps again before may kill.
const BETWEEN_JUMPS: u64 = 1_000;

/// What a side makes of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    /// All is said: it waits for the end of the stream until then, and throws away what comes.
    Drains(Instant),
    /// It has noticed a loss.
    Down,
    /// The session has ended for it.
    Over,
}

use Link::{Down, Drains, Over, Up};

pub(super) struct Line {
    pub(super) links: [Link; 2],
    /// What this side writes is swallowed, and nobody is told.
    swallows: [bool; 2],
    /// Behind what this side wrote, its stream ends.
    ended: [bool; 2],
    /// This side had said everything when it lost the connection, and waits for little longer.
    parts: [bool; 2],
    silent_since: Instant,
    /// A bit was changed on this connection.
    corrupted: bool,
    /// Losses that are to come, and the step of the next.
    losses: u64,
    next_loss: u64,
    next_jump: u64,
}

impl Line {
    pub(super) fn new(random: &mut Random, now: Instant) -> Self {
        Self {
            links: [Up; 2],
            swallows: [false; 2],
            ended: [false; 2],
            parts: [false; 2],
            silent_since: now,
            corrupted: false,
            losses: random.pick(&[0, 1, 2, 5, 20]),
            next_loss: random.magnitude(1_000),
            next_jump: random.magnitude(1 << 14),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.links.iter().all(|link| matches!(link, Up))
    }

    pub(super) fn is_over(&self) -> bool {
        self.links.iter().all(|link| matches!(link, Over))
    }

    /// Whether the other side is yet to hear that the stream of `who` has ended.
    pub(super) fn is_end_on_its_way(&self, who: Who) -> bool {
        let listens = matches!(self.links[who.other() as usize], Up | Drains(_));
        self.ended[who as usize] && !self.swallows[who as usize] && listens
    }

    /// When a side stops to wait for the end of the stream.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let drains = |link: &Link| match link {
            Drains(until) => Some(*until),
            _ => None,
        };
        self.links.iter().filter_map(drains).min()
    }
}

impl World {
    pub(super) fn link(&self, who: Who) -> Link {
        self.line.links[who as usize]
    }

    /// What befalls the line in this step.
    pub(super) fn befall(&mut self, step: u64) {
        if step == self.line.next_jump {
            self.line.next_jump += BETWEEN_JUMPS + self.random.magnitude(1 << 14);
            if self.line.is_up() && self.line.swallows == [false; 2] {
                self.pair.now += Duration::from_secs(self.random.magnitude(100_000));
            }
        }
        if step != self.line.next_loss {
            return;
        }
        self.line.next_loss += self.random.magnitude(1_000);
        if self.line.losses == 0
            || self
                .line
                .links
                .iter()
                .any(|link| matches!(link, Down | Over))
        {
            return;
        }
        self.line.losses -= 1;
        let who = self.random.pick(&Who::BOTH);
        match self.random.below(8) {
            0..=2 => self.reset(),
            3 | 4 => self.close(who),
            5 => self.fall_silent(&Who::BOTH),
            6 => self.fall_silent(&[who]),
            _ => self.corrupt(who),
        }
    }

    /// Both notice at once; up to any byte what was on its way has arrived.
    pub(super) fn reset(&mut self) {
        for who in Who::BOTH {
            self.carry_some(who);
        }
        for who in Who::BOTH {
            self.pair[who].wire.clear();
            self.lose(who);
        }
    }

    /// `who` notices; what it wrote arrives up to any byte, and the other then sees the end.
    fn close(&mut self, who: Who) {
        self.carry_some(who.other());
        self.pair[who.other()].wire.clear();
        let waits = self.pair[who].wire.len() as u64;
        let arrives = self.random.between(0, waits) as usize;
        self.pair[who].wire.truncate(arrives);
        self.lose(who);
    }

    /// Nothing that they write arrives any more, and nobody is told.
    fn fall_silent(&mut self, speakers: &[Who]) {
        self.line.silent_since = self.pair.now;
        for who in speakers {
            self.carry_some(*who);
            self.line.swallows[*who as usize] = true;
        }
    }

    fn corrupt(&mut self, who: Who) {
        let wire = &mut self.pair[who].wire;
        let bit = self.random.below(wire.len() as u64 * 8) as usize;
        if let Some(byte) = wire.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
            self.line.corrupted = true;
            // A record that seems longer than it is is waited for: soon something else happens.
            self.line.losses += 1;
        }
    }

    /// Up to any byte what `who` wrote arrives.
    fn carry_some(&mut self, who: Who) {
        let waits = self.pair[who].wire.len() as u64;
        let length = self.random.between(0, waits) as usize;
        if self.link(who.other()) == Up && !self.line.swallows[who as usize] {
            self.carry(who, length);
        }
    }

    /// `who` has lost the connection. What it wrote may still be on its way.
    fn lose(&mut self, who: Who) {
        let place = who as usize;
        if matches!(self.link(who), Down | Over) {
            return;
        }
        let farewell = self.pair[who].connection.farewell();
        let is_for_good = farewell.is_for_good();
        self.line.parts[place] = matches!(self.link(who), Drains(_));
        let wire = std::mem::take(&mut self.pair[who].wire);
        self.pair.lose(who);
        self.pair[who].wire = wire;
        self.line.ended[place] = true;
        self.line.links[place] = if is_for_good { Over } else { Down };
    }

    /// What `who` has written moves on to the other.
    pub(super) fn deliver(&mut self, who: Who) {
        let (place, other) = (who as usize, who.other());
        if self.line.swallows[place] {
            return self.pair[who].wire.clear();
        }
        if self.link(other) != Up {
            self.pair[who].wire.clear();
        }
        let longest = self.applications[place].longest_slice;
        // A long slice carries small messages by the hundred; short ones come in greater number.
        let slices = if longest < 100 { 64 } else { 1 };
        for _ in 0..slices {
            let waits = self.pair[who].wire.len();
            if waits == 0 || self.link(other) != Up {
                break;
            }
            let length = (self.random.between(1, longest) as usize).min(waits);
            self.carry(who, length);
        }
        if self.pair[who].wire.is_empty() && self.line.ended[place] {
            self.hear_end(other);
        }
    }

    /// The next `length` bytes that `who` wrote arrive.
    fn carry(&mut self, who: Who, length: usize) {
        let (now, other) = (self.pair.now, who.other());
        let mut wire = std::mem::take(&mut self.pair[who].wire);
        let result = self.pair[other].hear(now, &wire[..length]);
        wire.drain(..length);
        self.pair[who].wire = wire;
        match result {
            Err(violation) => {
                assert!(self.line.corrupted && violation.is_of_the_line());
                self.pair[other].connection.handle_violation(violation);
                self.pair[other].speak(1);
                self.lose(other);
            }
            Ok(_) => self.check_channel(other),
        }
    }

    /// The stream to `who` has ended.
    fn hear_end(&mut self, who: Who) {
        match self.link(who) {
            Up if !self.pair[who].connection.is_finished() => self.lose(who),
            Up | Drains(_) => self.line.links[who as usize] = Over,
            Down | Over => {}
        }
        self.line.ended[who as usize] = true;
    }

    /// What `who` does if it has said and heard everything, or has heard nothing for too long.
    pub(super) fn settle(&mut self, who: Who) {
        if self.link(who) == Up && self.pair[who].connection.is_finished() {
            while self.pair[who].connection.wants_transmit() {
                self.pair[who].speak(1 << 18);
            }
            let is_for_good = self.pair[who].connection.farewell().is_for_good();
            let until = self.pair.now + DRAIN;
            self.line.links[who as usize] = if is_for_good { Over } else { Drains(until) };
            self.line.ended[who as usize] = true;
        } else if matches!(self.link(who), Drains(until) if until <= self.pair.now) {
            self.lose(who);
        } else if self.link(who) == Up && self.pair[who].dead {
            // Where a record seems longer than it is, pings vanish in it.
            let is_ill = self.line.corrupted || self.line.swallows != [false; 2];
            assert!(is_ill, "{who:?} dies of nothing");
            let silent = self.pair.now - self.line.silent_since;
            let hears = !self.line.swallows[who.other() as usize];
            assert!(hears || silent <= TIMEOUT + Duration::from_secs(1));
            self.lose(who);
        }
    }

    /// What `who` does about a connection that it lost.
    pub(super) fn come_back(&mut self, who: Who) {
        let place = who as usize;
        let refused = self.link(who.other()) == Over;
        if (refused || self.line.parts[place]) && self.random.chance(5) {
            self.line.links[place] = Over;
        } else if who == Ana && !refused && self.random.chance(20) {
            self.dial();
        }
    }

    fn dial(&mut self) {
        let course = self.random.below(10);
        if course < 2 {
            return;
        }
        // A newer connection takes over.
        self.lose(Ben);
        if self.link(Ben) == Over {
            return;
        }
        for who in Who::BOTH {
            self.pair[who].wire.clear();
        }
        self.line.swallows = [false; 2];
        self.line.ended = [false; 2];
        self.line.corrupted = false;
        let redialled = self.pair.redial();
        self.is_missing(Ana, redialled.missing);
        self.line.links[Ana as usize] = Up;
        if self.random.chance(30) {
            self.pair[Ana].speak(1 << 18);
        }
        match course {
            // It breaks again before Ben knows of it.
            2 => self.line.ended[Ben as usize] = true,
            3 => self.fall_silent(&Who::BOTH),
            _ => {
                let missing = self.pair.answer(redialled);
                self.is_missing(Ben, missing);
                self.check_channel(Ben);
                self.line.links[Ben as usize] = Up;
            }
        }
        self.line.parts = [false; 2];
    }

    /// So many messages of `who` are said to be missing.
    fn is_missing(&self, who: Who, missing: u64) {
        if self.abandoned.is_none() {
            let (sent, _) = self.pair[who].connection.sent_and_acked();
            assert_eq!(missing, sent - self.handed(who.other()));
        }
    }
}
