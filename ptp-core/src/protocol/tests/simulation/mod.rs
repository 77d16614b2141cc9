//! Thousands of conversations, each decided by its seed: random sizes, windows, slices, delays,
//! slow readers, losses, clocks that jump, and ends, on a virtual clock and without threads. After
//! every step the promises of a session are checked.
//!
//! `PTP_SEEDS=100000 cargo test -p ptp-core simulat` runs more of them, `PTP_SEED=7` one alone.

mod application;
mod line;

use std::time::Duration;

use super::pair::{Ana, Ben, Pair, Scenario, Who};
use super::random::Random;
use crate::protocol::{COPY_BELOW, Frames, Message, MessageKind, Secret, Suite};
use application::{Application, body, is_message, kind};
use line::{Line, Link};

/// Enough that each combination of the draws below comes up.
const SEEDS: u64 = 10_000;
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
    /// One side leaves without waiting for the other.
    Left(Who),
    /// One process dies, with all that it knew: the other's session can't go on.
    Death,
}

struct World {
    random: Random,
    pair: Pair,
    applications: [Application; 2],
    line: Line,
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
            0..=6 => Fate::Goodbye,
            7 => Fate::Abandoned(random.pick(&Who::BOTH)),
            8 => Fate::Left(random.pick(&Who::BOTH)),
            _ => Fate::Death,
        };
        Self {
            applications: [Application::new(&mut random), Application::new(&mut random)],
            line: Line::new(&mut random, pair.now),
            pair,
            windows,
            fate,
            strikes: random.magnitude(4_000),
            abandoned: None,
            random,
        }
    }

    fn run(mut self) {
        for step in 0..MOST_STEPS as u64 {
            if step == self.strikes {
                match self.fate {
                    Fate::Goodbye => {}
                    Fate::Abandoned(who) => self.abandon(who),
                    Fate::Left(who) => self.pair[who].connection.leave(),
                    Fate::Death => {
                        self.reset();
                        return self.end();
                    }
                }
            }
            self.befall(step);
            self.pass_time();
            for who in Who::BOTH {
                self.act(who);
                self.check(who);
            }
            if self.line.is_over() {
                return self.end();
            }
        }
        panic!("it does not end");
    }

    fn abandon(&mut self, who: Who) {
        self.pair[who].connection.abandon();
        self.pair[who].channel.clear();
        self.abandoned = Some(who);
    }

    fn pass_time(&mut self) {
        let is_idle = |who: Who| {
            let (side, link) = (&self.pair[who], self.link(who));
            let waits = match link {
                Link::Up => side.channel.is_empty() && !side.connection.wants_transmit(),
                // Ben waits until Ana has noticed, too.
                Link::Down => who == Ben && matches!(self.link(Ana), Link::Up | Link::Drains(_)),
                Link::Drains(_) | Link::Over => true,
            };
            waits && side.wire.is_empty() && !self.line.is_end_on_its_way(who)
        };
        let idle = Who::BOTH.into_iter().all(is_idle);
        let pause = match self.next_timeout() {
            Some(next) if idle => next.saturating_duration_since(self.pair.now),
            _ if self.random.chance(2) => Duration::from_millis(self.random.below(100)),
            _ => Duration::from_micros(self.random.below(500)),
        };
        self.pair.now += pause;
    }

    fn next_timeout(&self) -> Option<std::time::Instant> {
        let up = Who::BOTH
            .into_iter()
            .filter(|who| self.link(*who) == Link::Up);
        let machines = up.filter_map(|who| self.pair[who].connection.next_timeout());
        machines.chain(self.line.next_timeout()).min()
    }

    /// What one side's application, writer and reader do in a step.
    fn act(&mut self, who: Who) {
        let application = &self.applications[who as usize];
        let (takes, speaks, delivers) =
            (application.takes, application.speaks, application.delivers);
        if self.link(who) != Link::Over {
            self.write(who);
        }
        if self.random.chance(takes) {
            for _ in 0..self.random.magnitude(32) {
                self.take(who);
            }
        }
        match self.link(who) {
            Link::Up => self.hold(who, speaks),
            Link::Down => self.come_back(who),
            Link::Drains(_) => self.settle(who),
            Link::Over => {}
        }
        if self.random.chance(delivers) {
            self.deliver(who);
        }
    }

    /// What the driver does for a connection.
    fn hold(&mut self, who: Who, speaks: u64) {
        let now = self.pair.now;
        if self.pair[who].connection.next_timeout() <= Some(now) {
            self.pair[who].look(now);
        }
        if self.random.chance(speaks) && self.pair[who].connection.wants_transmit() {
            let budget = self.random.magnitude(1 << 18) as usize;
            self.pair[who].speak(budget);
        }
        self.settle(who);
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
            if self.random.chance(20) {
                self.write_several(who);
                continue;
            }
            let (number, size) = application.next(&mut self.random);
            let body = body(number, size);
            let accepted = match kind(number) {
                MessageKind::Text => self.pair.send(who, String::from_utf8(body).unwrap()),
                MessageKind::Secret => {
                    let secret = Secret(String::from_utf8(body).unwrap());
                    self.pair.send(who, secret)
                }
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

    /// Sends several at once, as far as there is room; the rest is thought over again.
    fn write_several(&mut self, who: Who) {
        let application = &mut self.applications[who as usize];
        let most = self.random.between(1, 40);
        let left = application.plan - application.sent.len() as u64;
        let sizes: Vec<usize> = (0..most.min(left))
            .map(|_| application.draw(&mut self.random))
            .filter(|size| *size < COPY_BELOW)
            .collect();
        let first = application.sent.len() as u64 + 1;
        let buffer = self.pair[who].connection.outbound().buffer(0);
        let mut frames = Frames::new(buffer, self.pair.unix_ms());
        for (number, size) in (first..).zip(&sizes) {
            frames.push(kind(number), &body(number, *size));
        }
        if frames.messages() == 0 {
            return;
        }
        let outbound = self.pair[who].connection.outbound();
        let last = outbound.accept_frames(&mut frames).get();
        let accepted = sizes.len() - frames.messages() as usize;
        assert!(accepted > 0 && last == first - 1 + accepted as u64);
        sizes[..accepted]
            .iter()
            .for_each(|size| self.applications[who as usize].send(*size));
    }

    /// The application takes a message, which must be the next.
    fn take(&mut self, who: Who) {
        let Some(message) = self.pair.take(who) else {
            return;
        };
        let unix_ms = self.pair.unix_ms();
        let [ana, ben] = &mut self.applications;
        match who {
            Ana => ana.take(&message, ben, unix_ms),
            Ben => ben.take(&message, ana, unix_ms),
        }
    }

    /// What must hold after every step.
    fn check(&mut self, who: Who) {
        let taken = self.applications[who.other() as usize].taken;
        let (sent, acked) = self.pair[who].connection.sent_and_acked();
        assert!(acked <= taken, "acknowledged before it was taken");
        let window = self.windows[who as usize];
        self.applications[who as usize].handle_unacked(sent - acked, window);
    }

    /// What must hold whenever something was handed to the application of `who`.
    fn check_channel(&mut self, who: Who) {
        if self.abandoned == Some(who) {
            return self.pair[who].channel.clear();
        }
        let (messages, bytes) = self.windows[who as usize];
        let waits = &self.pair[who].channel;
        assert!(waits.len() as u64 <= messages);
        let but_last: usize = waits.iter().rev().skip(1).map(length).sum();
        assert!(
            (but_last as u64) < bytes,
            "more was granted than the window"
        );
    }

    /// How many messages the application of `who` has, or has been handed.
    fn handed(&self, who: Who) -> u64 {
        self.applications[who as usize].taken + self.pair[who].channel.len() as u64
    }

    /// The session has ended: what was not delivered must be handed back.
    fn end(mut self) {
        let handed = Who::BOTH.map(|who| self.handed(who));
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
            let taken = self.applications[who.other() as usize].taken;
            assert!(sent - taken <= open);
            if self.fate == Fate::Goodbye {
                assert_eq!((taken, unsent.len()), (sent, 0), "not all was delivered");
            }
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
