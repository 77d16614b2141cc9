//! One conversation, cut at every byte: it goes on, each message arrives once and in order, and it
//! ends cleanly.

use std::time::Duration;

use super::pair::{Ana, BUDGET, Ben, Pair, Scenario, Who};
use crate::protocol::PREFIX;

/// Messages each way, of which one is in parts.
const MESSAGES: u64 = 60;
const IN_PARTS: u64 = 23;
const A_ROUND: u64 = 5;
/// Long enough that what was taken in one is acknowledged in the next.
const ROUND: Duration = Duration::from_millis(30);
const TIMEOUT: Duration = Duration::from_secs(45);
/// Records longer than this are cut at their ends and here and there between: all bytes between say
/// the same, that the record is not whole.
const LONG: usize = 2_000;
const END: usize = 48;
const STRIDE: usize = 997;

/// How the connection is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Both notice at once, and what is on its way is lost.
    Reset,
    /// This direction ends; what the other side wrote still arrives.
    End,
    /// Nothing arrives any more, and each notices when it has waited long enough.
    Silence,
}

/// Behind so many bytes of what `who` writes.
#[derive(Clone, Copy, Debug)]
struct Cut {
    who: Who,
    behind: usize,
    loss: Loss,
}

/// What the message with this number holds.
fn body(who: Who, number: u64) -> Vec<u8> {
    let length = match number {
        IN_PARTS => 70_000,
        _ => (number % 10) as usize,
    };
    vec![number as u8 ^ (who as u8) << 7; length]
}

struct Conversation {
    pair: Pair,
    sent: [u64; 2],
    taken: [u64; 2],
    /// All that each side wrote before the cut.
    written: [Vec<u8>; 2],
    cut: Option<Cut>,
    losses: u64,
}

impl Conversation {
    fn hold(cut: Option<Cut>) -> Self {
        let mut conversation = Self {
            pair: Scenario::new()
                .without_handshake([9; 32])
                .timeout(TIMEOUT)
                .open(),
            sent: [0; 2],
            taken: [0; 2],
            written: [Vec::new(), Vec::new()],
            cut,
            losses: 0,
        };
        for _ in 0..40 {
            conversation.round();
            if conversation.pair.is_finished() {
                conversation.check_end();
                return conversation;
            }
        }
        panic!("it does not end");
    }

    fn round(&mut self) {
        for who in Who::BOTH {
            self.write(who);
            while self.pair[who].connection.wants_transmit() {
                self.pair[who].speak(BUDGET);
            }
        }
        for who in Who::BOTH {
            self.carry(who);
        }
        for who in Who::BOTH {
            self.take(who);
        }
        self.pair.now += ROUND;
        self.pair.look();
    }

    fn write(&mut self, who: Who) {
        let sent = &mut self.sent[who as usize];
        for _ in 0..A_ROUND {
            if *sent == MESSAGES || self.pair[who].connection.is_closing() {
                self.pair[who].connection.close();
                return;
            }
            *sent += 1;
            assert_eq!(self.pair.send(who, body(who, *sent)), *sent);
        }
    }

    /// What `who` wrote arrives, as far as it does.
    fn carry(&mut self, who: Who) {
        let written = &mut self.written[who as usize];
        match self.cut {
            Some(cut) if cut.who == who => {
                let left = cut.behind - written.len();
                let wire = &mut self.pair[who].wire;
                if left > wire.len() {
                    written.extend_from_slice(wire);
                } else {
                    wire.truncate(left);
                    self.cut = None;
                    self.pair.carry_what_is_written(who);
                    return self.lose(cut);
                }
            }
            Some(_) => {}
            None => written.extend_from_slice(&self.pair[who].wire),
        }
        self.pair.carry_what_is_written(who);
    }

    fn lose(&mut self, cut: Cut) {
        match cut.loss {
            Loss::Reset => {}
            Loss::End => {
                self.pair.carry_what_is_written(cut.who.other());
                if self.pair[cut.who.other()].connection.is_finished() {
                    // It heard the end when all was said: so did the other.
                    return assert!(self.pair.is_finished());
                }
            }
            Loss::Silence => Who::BOTH.into_iter().for_each(|who| self.wait_in_vain(who)),
        }
        self.pair.cut();
        self.pair.resume();
        self.losses += 1;
    }

    /// Until `who` has taken the other for dead, or has nothing to wait for.
    fn wait_in_vain(&mut self, who: Who) {
        let began = self.pair.now;
        while !self.pair[who].dead && !self.pair[who].connection.is_finished() {
            let next = self.pair[who].connection.next_timeout().unwrap();
            self.pair.now = next.max(self.pair.now);
            let now = self.pair.now;
            assert!(now - began <= TIMEOUT);
            self.pair[who].look(now);
            self.pair[who].speak(BUDGET);
        }
    }

    /// The application takes all but one, which waits for the next round; at the end that, too.
    fn take(&mut self, who: Who) {
        let last = self.sent[who.other() as usize] == MESSAGES;
        while self.pair[who].channel.len() > usize::from(!last) {
            let message = self.pair.take(who).unwrap();
            let taken = &mut self.taken[who as usize];
            *taken += 1;
            assert_eq!(message.id().get(), *taken);
            assert!(message.as_bytes() == body(who.other(), *taken));
        }
    }

    fn check_end(&mut self) {
        for who in Who::BOTH {
            assert_eq!(self.taken[who as usize], self.sent[who.other() as usize]);
            assert_eq!(self.sent[who as usize], MESSAGES);
            let (unsent, unconfirmed) = self.pair[who].connection.finish();
            assert!(unsent.is_empty() && unconfirmed.is_empty());
        }
    }
}

/// Where to cut what was written: at every byte, but for the inside of long records.
fn places(written: &[u8]) -> Vec<usize> {
    let (mut places, mut record) = (Vec::new(), 0);
    while record < written.len() {
        let length = u16::from_be_bytes([written[record], written[record + 1]]);
        let length = PREFIX + usize::from(length);
        let edge = |at: &usize| *at < END || *at + END > length || at.is_multiple_of(STRIDE);
        let inside = (0..length).filter(|at| length < LONG || edge(at));
        places.extend(inside.map(|at| record + at));
        record += length;
    }
    places.push(written.len());
    places
}

fn cut_everywhere(loss: Loss) {
    let whole = Conversation::hold(None);
    for who in [Ana, Ben] {
        let places = places(&whole.written[who as usize]);
        assert!(places.len() > 900);
        for behind in places {
            let cut = Cut { who, behind, loss };
            let held = std::panic::catch_unwind(|| Conversation::hold(Some(cut)));
            let held = held.unwrap_or_else(|_| panic!("{cut:?}"));
            assert!(held.cut.is_none());
            let at_the_end = behind == whole.written[who as usize].len();
            assert!(held.losses == 1 || at_the_end, "{cut:?}");
        }
    }
}

#[test]
fn a_conversation_that_is_reset_at_any_byte_goes_on() {
    cut_everywhere(Loss::Reset);
}

#[test]
fn a_conversation_one_of_whose_directions_ends_at_any_byte_goes_on() {
    cut_everywhere(Loss::End);
}

#[test]
fn a_conversation_that_falls_silent_at_any_byte_goes_on() {
    cut_everywhere(Loss::Silence);
}
