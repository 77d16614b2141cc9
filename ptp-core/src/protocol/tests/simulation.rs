//! Thousands of conversations, each decided by its seed: random sizes, windows, slices, delays,
//! slow readers and ends, on a virtual clock and without threads. After every step the promises
//! of a session are checked.
//!
//! `PTP_SEEDS=100000 cargo test -p ptp-core simulat` runs more of them, `PTP_SEED=7` one alone.

use std::collections::VecDeque;
use std::time::Duration;

use super::pair::{Ana, Ben, Pair, Scenario, Who};
use super::random::Random;
use crate::protocol::{Message, MessageKind, Secret, Suite};

/// Enough that each combination of the draws below comes up, within 20 s unoptimised.
const SEEDS: u64 = 2_000;
/// A conversation takes a few thousand steps; one that takes so many will never end.
const MOST_STEPS: usize = 200_000;
const TIMEOUT: Duration = Duration::from_secs(45);

#[test]
fn simulated_conversations_lose_nothing_double_nothing_and_end() {
    let number = |name| Some(std::env::var(name).ok()?.parse::<u64>().unwrap());
    let seeds = match number("PTP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PTP_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let _announce = Announce(seed);
        World::new(seed).run();
    }
}

/// Tells on a panic how to see it again.
struct Announce(u64);

impl Drop for Announce {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            eprintln!("seed {seed} fails: PTP_SEED={seed} cargo test -p ptp-core --lib simulat");
        }
    }
}

/// How a conversation is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Goodbye,
    /// One application goes away and takes nothing more.
    Abandoned(Who),
    /// The connection breaks, and both sides notice.
    Cut,
    /// Nothing arrives any more, and nobody tells.
    BlackHole,
}

/// A model application, and the line from it to the other.
struct Application {
    plan: u64,
    /// Bodies' lengths in the order of their numbers.
    sent: Vec<usize>,
    /// The length of the messages that are not acknowledged.
    unacked: VecDeque<usize>,
    taken: u64,
    last_sent_ms: u64,
    sizes: &'static [(u64, u64)],
    /// In percent of the steps.
    takes: u64,
    speaks: u64,
    delivers: u64,
    longest_slice: u64,
}

impl Application {
    fn new(random: &mut Random) -> Self {
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
        let most = if sizes == TINY { 300 } else { 60 };
        Self {
            plan: random.between(20, most),
            sent: Vec::new(),
            unacked: VecDeque::new(),
            taken: 0,
            last_sent_ms: 0,
            sizes,
            takes: random.pick(&[3, 20, 100]),
            speaks: random.pick(&[10, 50, 100]),
            delivers: random.pick(&[10, 50, 100]),
            longest_slice,
        }
    }

    fn size(&self, random: &mut Random) -> usize {
        // The larger, the rarer.
        let place = random.below(self.sizes.len() as u64 * 3) as usize / 3;
        let (from, to) = match random.chance(70) {
            true => self.sizes[0],
            false => self.sizes[place],
        };
        random.between(from, to) as usize
    }
}

/// What the message with this number holds: itself, and so many letters.
fn body(number: u64, size: usize) -> Vec<u8> {
    let mut body = number.to_string().into_bytes();
    body.resize(size, b'a' + (number % 26) as u8);
    body
}

fn kind(number: u64) -> MessageKind {
    match number % 3 {
        0 => MessageKind::Text,
        1 => MessageKind::Secret,
        _ => MessageKind::Binary,
    }
}

struct World {
    random: Random,
    pair: Pair,
    applications: [Application; 2],
    windows: [(u64, u64); 2],
    fate: Fate,
    /// The step at which fate strikes.
    strikes: u64,
    abandoned: Option<Who>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let window = |random: &mut Random| (random.magnitude(64), random.magnitude(1 << 18));
        let windows = [window(&mut random), window(&mut random)];
        let pair = Scenario::new()
            .without_handshake([seed as u8; 32])
            .suite(random.pick(&[Suite::Aes256Gcm, Suite::ChaCha20Poly1305]))
            .window(Ana, windows[0].0, windows[0].1)
            .window(Ben, windows[1].0, windows[1].1)
            .max_message(200_000)
            .timeout(TIMEOUT)
            .open();
        let fate = match random.below(10) {
            0..=5 => Fate::Goodbye,
            6 => Fate::Abandoned(random.pick(&Who::BOTH)),
            7 | 8 => Fate::Cut,
            _ => Fate::BlackHole,
        };
        Self {
            pair,
            applications: [Application::new(&mut random), Application::new(&mut random)],
            windows,
            fate,
            strikes: random.magnitude(4_000),
            abandoned: None,
            random,
        }
    }

    fn run(mut self) {
        for step in 0..MOST_STEPS as u64 {
            let strikes = step == self.strikes;
            match self.fate {
                Fate::Cut if strikes => return self.end(),
                Fate::BlackHole if strikes => return self.fall_silent(),
                Fate::Abandoned(who) if strikes => {
                    self.pair[who].connection.abandon();
                    self.pair[who].channel.clear();
                    self.abandoned = Some(who);
                }
                _ => {}
            }
            self.pass_time();
            for who in Who::BOTH {
                self.act(who);
                self.check(who);
            }
            if self.is_over() {
                return self.end();
            }
        }
        panic!("it does not end");
    }

    /// Whether a side has nothing to say or to wait for, and so closes the connection.
    fn is_over(&self) -> bool {
        Who::BOTH.into_iter().any(|who| {
            let side = &self.pair[who];
            side.connection.is_finished() && side.wire.is_empty()
        })
    }

    fn pass_time(&mut self) {
        let idle = Who::BOTH.into_iter().all(|who| {
            let side = &self.pair[who];
            side.wire.is_empty() && side.channel.is_empty() && !side.connection.wants_transmit()
        });
        let pause = match self.pair.next_timeout() {
            Some(next) if idle => next.saturating_duration_since(self.pair.now),
            _ if self.random.chance(2) => Duration::from_millis(self.random.below(100)),
            _ => Duration::from_micros(self.random.below(500)),
        };
        self.pair.now += pause;
    }

    /// What one side's application, writer and reader do in a step.
    fn act(&mut self, who: Who) {
        let now = self.pair.now;
        self.write(who);
        if self.random.chance(self.applications[who as usize].takes) {
            for _ in 0..self.random.magnitude(32) {
                self.take(who);
            }
        }
        if self.pair[who].connection.next_timeout() <= Some(now) {
            self.pair[who].look(now);
        }
        if self.random.chance(self.applications[who as usize].speaks) {
            let budget = self.random.magnitude(1 << 18) as usize;
            if self.pair[who].connection.wants_transmit() {
                self.pair[who].speak(budget);
            }
        }
        if self.random.chance(self.applications[who as usize].delivers) {
            self.deliver(who);
        }
        assert!(!self.pair.is_dead());
    }

    fn write(&mut self, who: Who) {
        for _ in 0..self.random.below(4) {
            let connection = &self.pair[who].connection;
            if connection.is_closing() || !connection.has_room() {
                break;
            }
            let application = &mut self.applications[who as usize];
            if application.sent.len() as u64 == application.plan {
                self.pair[who].connection.close();
                break;
            }
            let size = application.size(&mut self.random);
            application.sent.push(size);
            application.unacked.push_back(size);
            let number = application.sent.len() as u64;
            let body = body(number, size);
            let accepted = match kind(number) {
                MessageKind::Text => self.pair.send(who, String::from_utf8(body).unwrap()),
                MessageKind::Secret => self
                    .pair
                    .send(who, Secret(String::from_utf8(body).unwrap())),
                MessageKind::Binary => self.pair.send(who, body),
            };
            assert_eq!(accepted, number);
        }
        match self.random.below(2_000) {
            0 => self.pair[who].connection.close(),
            1..20 => self.pair[who].connection.flush(),
            _ => {}
        }
    }

    fn deliver(&mut self, who: Who) {
        let longest = self.applications[who as usize].longest_slice;
        // A long slice carries small messages by the hundred; short ones come in greater number.
        let slices = if longest < 100 { 64 } else { 1 };
        for _ in 0..slices {
            let waits = self.pair[who].wire.len();
            let length = (self.random.between(1, longest) as usize).min(waits);
            let slice: Vec<u8> = self.pair[who].wire.drain(..length).collect();
            let now = self.pair.now;
            let other = &mut self.pair[who.other()];
            other.hear(now, &slice).unwrap();
            if self.abandoned == Some(who.other()) {
                other.channel.clear();
            }
        }
    }

    /// The application takes a message, which must be the next.
    fn take(&mut self, who: Who) {
        let Some(message) = self.pair.take(who) else {
            return;
        };
        let sender = &self.applications[who.other() as usize];
        let number = self.applications[who as usize].taken + 1;
        is_message(&message, number, sender.sent[number as usize - 1]);
        let sent_at = message.sent_at().duration_since(std::time::UNIX_EPOCH);
        let sent_ms = sent_at.unwrap().as_millis() as u64;
        assert!(sent_ms <= self.pair.unix_ms());
        let application = &mut self.applications[who as usize];
        assert!(application.last_sent_ms <= sent_ms);
        application.last_sent_ms = sent_ms;
        application.taken = number;
    }

    /// What must hold after every step.
    fn check(&mut self, who: Who) {
        let taken = self.applications[who.other() as usize].taken;
        let (sent, acked) = self.pair[who].connection.sent_and_acked();
        assert!(acked <= taken, "acknowledged before it was taken");
        let application = &mut self.applications[who as usize];
        let gone = application.unacked.len() as u64 - (sent - acked);
        application.unacked.drain(..gone as usize);
        let (messages, bytes) = self.windows[who as usize];
        let held = &application.unacked;
        assert!(held.len() as u64 <= messages);
        let but_last: usize = held.iter().rev().skip(1).sum();
        assert!((but_last as u64) < bytes, "more is held than the window");
        let waits = &self.pair[who].channel;
        assert!(waits.len() as u64 <= messages);
        let but_last: usize = waits.iter().rev().skip(1).map(length).sum();
        assert!(
            (but_last as u64) < bytes,
            "more was granted than the window"
        );
    }

    /// From now on nothing arrives: both sides are to notice in time.
    fn fall_silent(mut self) {
        let began = self.pair.now;
        for who in Who::BOTH {
            while !self.pair[who].dead && !self.pair[who].connection.is_finished() {
                let next = self.pair[who].connection.next_timeout().unwrap();
                self.pair.now = next.max(self.pair.now);
                let now = self.pair.now;
                self.take(who);
                self.pair[who].look(now);
                self.pair[who].speak(1 << 18);
                assert!(now - began <= TIMEOUT);
            }
            self.pair.now = began;
        }
        self.end();
    }

    /// The connection is gone: what was not delivered must be handed back.
    fn end(mut self) {
        let handed = Who::BOTH.map(|who| {
            let taken = self.applications[who as usize].taken;
            taken + self.pair[who].channel.len() as u64
        });
        for who in Who::BOTH {
            let (sent, acked) = self.pair[who].connection.sent_and_acked();
            let (unsent, unconfirmed) = self.pair[who].connection.finish();
            let both = unconfirmed.iter().chain(&unsent);
            let sizes = &self.applications[who as usize].sent;
            for (number, message) in (acked + 1..).zip(both) {
                is_message(message, number, sizes[number as usize - 1]);
            }
            let open = (unsent.len() + unconfirmed.len()) as u64;
            assert_eq!(open, sent - acked);
            if self.abandoned.is_none() {
                assert!(unsent.len() as u64 <= sent - handed[who.other() as usize]);
            }
            assert!(sent - self.applications[who.other() as usize].taken <= open);
            let clean = matches!(self.fate, Fate::Goodbye);
            assert!(
                !clean || open == 0,
                "{open} of {sent} came back from a clean end"
            );
        }
        for who in Who::BOTH {
            while !self.pair[who].channel.is_empty() {
                self.take(who);
            }
        }
    }
}

fn length(message: &Message) -> usize {
    message.as_bytes().len()
}

fn is_message(message: &Message, number: u64, size: usize) {
    assert_eq!(message.id().get(), number);
    assert_eq!(message.kind(), kind(number));
    assert!(
        message.as_bytes() == body(number, size),
        "message {number} was changed"
    );
}
