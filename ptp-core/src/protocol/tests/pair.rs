//! Two sides in memory: a real handshake with fixed keys, a fake clock, and a wire whose bytes the
//! test carries, cuts, delays or drops.

use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use std::time::{Duration, Instant};

use super::shake::{LISTENER, handshake, opening};
use crate::protocol::record::Opener;
use crate::protocol::{
    Connection, Control, Credit, Greeting, Inbound, Intake, Limits, MAX_PLAINTEXT, Message, PREFIX,
    Payload, Sealer, Suite, Violation,
};

/// The Unix time at which each test begins, in milliseconds.
pub(super) const BEGAN_MS: u64 = 1_700_000_000_000;
/// What the driver asks for at once.
pub(super) const BUDGET: usize = 192 * 1024;
/// The windows that `Config` has by default.
pub(super) const WINDOW: Credit = Credit {
    messages: 65_536,
    bytes: 8 * 1024 * 1024,
};

/// Ana dials, Ben listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Ana,
    Ben,
}

pub(super) use Who::{Ana, Ben};

impl Who {
    pub(super) const BOTH: [Self; 2] = [Ana, Ben];

    pub(super) fn other(self) -> Self {
        match self {
            Ana => Ben,
            Ben => Ana,
        }
    }
}

/// What a pair is made with: the defaults of `Config`, where nothing else is said.
pub(super) struct Scenario {
    suite: Suite,
    windows: [Credit; 2],
    max_message: u64,
    timeout: Duration,
    fixed_key: Option<[u8; 32]>,
}

impl Scenario {
    pub(super) fn new() -> Self {
        Self {
            suite: Suite::Aes256Gcm,
            windows: [WINDOW; 2],
            max_message: 16 * 1024 * 1024,
            timeout: Duration::from_secs(45),
            fixed_key: None,
        }
    }

    pub(super) fn suite(mut self, suite: Suite) -> Self {
        self.suite = suite;
        self
    }

    /// What `who` keeps of its own messages, and takes of the other's.
    pub(super) fn window(mut self, who: Who, messages: u64, bytes: u64) -> Self {
        self.windows[who as usize] = Credit { messages, bytes };
        self
    }

    pub(super) fn windows(self, messages: u64, bytes: u64) -> Self {
        self.window(Ana, messages, bytes)
            .window(Ben, messages, bytes)
    }

    pub(super) fn max_message(mut self, bytes: u64) -> Self {
        self.max_message = bytes;
        self
    }

    pub(super) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Without a handshake, whose keys cost milliseconds in an unoptimised build.
    pub(super) fn without_handshake(mut self, key: [u8; 32]) -> Self {
        self.fixed_key = Some(key);
        self
    }

    /// An open session.
    pub(super) fn open(self) -> Pair {
        let mut pair = self.greeting();
        pair[Ana].put(&[Control::Name("Ana".into())]);
        let welcome = opening(self.windows[Ben as usize], self.max_message);
        pair[Ben].put(&[Control::Welcome(welcome), Control::Name("Ben".into())]);
        pair.carry(Ben);
        pair.carry(Ana);
        assert!(Who::BOTH.iter().all(|who| pair[*who].inbound.is_open()));
        pair
    }

    /// Both sides with their keys, before they greet.
    pub(super) fn greeting(&self) -> Pair {
        let now = Instant::now();
        let keys = self.keys();
        let [ana, ben] = keys.map(|(sealer, opener)| (sealer, opener));
        Pair {
            start: now,
            now,
            sides: [
                self.side(Ana, ana, Greeting::DIALLER, now),
                self.side(Ben, ben, Greeting::LISTENER, now),
            ],
        }
    }

    fn keys(&self) -> [(Sealer, Opener); 2] {
        if let Some(key) = &self.fixed_key {
            let mut back = *key;
            back[0] ^= 1;
            let half = |ours, theirs| {
                let sealer = Sealer::new(self.suite, ours).unwrap();
                (sealer, Opener::new(self.suite, theirs).unwrap())
            };
            return [half(key, &back), half(&back, key)];
        }
        let suites = [self.suite];
        let done = handshake(&suites, &suites, |_, bytes| bytes);
        let (ana, (ben, _)) = (done.dialler.unwrap(), done.listener.unwrap());
        assert_eq!(ana.hash, ben.hash);
        assert_eq!(ana.peer, LISTENER.public());
        [(ana.sealer, ana.opener), (ben.sealer, ben.opener)]
    }

    fn side(
        &self,
        who: Who,
        (sealer, opener): (Sealer, Opener),
        greeting: &'static [Greeting],
        now: Instant,
    ) -> Side {
        let granted = self.windows[who.other() as usize];
        let limits = Limits {
            window: self.windows[who as usize],
            granted,
            peer_max_message: self.max_message,
            timeout: self.timeout,
        };
        Side {
            connection: Connection::new(&limits, now),
            inbound: Inbound::new(opener, greeting, granted, self.max_message),
            sealer,
            wire: Vec::new(),
            channel: VecDeque::new(),
            dead: false,
        }
    }
}

/// One side: its machine, its application's channel, and what it wrote.
pub(super) struct Side {
    pub(super) connection: Connection,
    pub(super) inbound: Inbound,
    pub(super) sealer: Sealer,
    /// Sealed, and not yet carried to the other side.
    pub(super) wire: Vec<u8>,
    /// Handed to the application, which has not taken it.
    pub(super) channel: VecDeque<Message>,
    /// Whether it has taken the other for dead.
    pub(super) dead: bool,
}

impl Side {
    /// Writes what the machine wants to send; about `budget` bytes of it.
    pub(super) fn speak(&mut self, budget: usize) {
        let mut chunks = Vec::new();
        self.connection.poll_transmit(&mut chunks, budget);
        for chunk in chunks.concat().chunks(MAX_PLAINTEXT) {
            self.seal(chunk);
        }
    }

    /// Writes control frames in a record of their own, whatever the machine says.
    pub(super) fn put(&mut self, frames: &[Control]) {
        let mut plaintext = Vec::new();
        frames.iter().for_each(|frame| frame.put(&mut plaintext));
        self.seal(&plaintext);
    }

    /// Writes any bytes as a record.
    pub(super) fn seal(&mut self, plaintext: &[u8]) {
        let start = self.wire.len();
        self.wire.extend_from_slice(&[0; PREFIX]);
        self.wire.extend_from_slice(plaintext);
        self.sealer.seal(&mut self.wire, start).unwrap();
    }

    /// Reads what arrived; returns what the last read of it brought.
    pub(super) fn hear(&mut self, now: Instant, mut bytes: &[u8]) -> Result<Intake, Violation> {
        let mut last = Intake::default();
        let mut greets = false;
        while !bytes.is_empty() || greets && self.inbound.is_open() {
            greets = !self.inbound.is_open();
            let space = self.inbound.space();
            let (read, rest) = bytes.split_at(bytes.len().min(space.len()));
            space[..read.len()].copy_from_slice(read);
            bytes = rest;
            last = self.inbound.handle_read(read.len())?;
            self.connection.handle_received(now, &last)?;
            self.inbound.drain_messages(&mut self.channel);
            self.look(now);
        }
        Ok(last)
    }

    /// Looks after deadlines, as the reader does before each read.
    pub(super) fn look(&mut self, now: Instant) {
        self.connection.handle_waiting(now, self.channel.len());
        self.dead |= self.connection.handle_timeout(now);
    }
}

/// Two sides and their clock.
pub(super) struct Pair {
    start: Instant,
    pub(super) now: Instant,
    sides: [Side; 2],
}

impl Index<Who> for Pair {
    type Output = Side;
    fn index(&self, who: Who) -> &Side {
        &self.sides[who as usize]
    }
}

impl IndexMut<Who> for Pair {
    fn index_mut(&mut self, who: Who) -> &mut Side {
        &mut self.sides[who as usize]
    }
}

impl Pair {
    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// The present Unix time in milliseconds.
    pub(super) fn unix_ms(&self) -> u64 {
        BEGAN_MS + self.elapsed().as_millis() as u64
    }

    /// As `Sender::send`, where it would not block; returns the message's number.
    pub(super) fn send(&mut self, who: Who, payload: impl Payload) -> u64 {
        let unix_ms = self.unix_ms();
        let connection = &mut self[who].connection;
        assert!(connection.has_room() && !connection.is_closing());
        let unix_ms = connection.wants_time().then_some(unix_ms);
        connection.accept(payload, unix_ms).get()
    }

    /// Carries what `who` has written and wants to write, to the other side.
    pub(super) fn carry(&mut self, who: Who) {
        while self[who].connection.wants_transmit() {
            self[who].speak(BUDGET);
        }
        let bytes = std::mem::take(&mut self[who].wire);
        let now = self.now;
        self[who.other()].hear(now, &bytes).unwrap();
    }

    /// Carries both ways until there is nothing to say.
    pub(super) fn settle(&mut self) {
        while self.wants_to_speak() {
            self.carry(Ana);
            self.carry(Ben);
        }
    }

    fn wants_to_speak(&self) -> bool {
        let wants = |side: &Side| side.connection.wants_transmit() || !side.wire.is_empty();
        self.sides.iter().any(wants)
    }

    /// The application of `who` takes a message, and the machine is not yet told.
    pub(super) fn take(&mut self, who: Who) -> Option<Message> {
        self[who].channel.pop_front()
    }

    /// The application of `who` takes all that waits.
    pub(super) fn take_all(&mut self, who: Who) -> Vec<Message> {
        self[who].channel.drain(..).collect()
    }

    /// Lets time pass: each deadline is kept to the instant, and all that is said arrives at once.
    pub(super) fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.settle();
        while let Some(next) = self.next_timeout().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.look();
            self.settle();
            let stuck = self.next_timeout().is_some_and(|later| later <= self.now);
            assert!(!stuck || self.is_dead(), "a deadline passed and stays");
        }
        self.now = end;
    }

    pub(super) fn look(&mut self) {
        let now = self.now;
        self.sides.iter_mut().for_each(|side| side.look(now));
    }

    /// When one of the machines wants to be asked again.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let alive = self.sides.iter().filter(|side| !side.dead);
        alive
            .filter_map(|side| side.connection.next_timeout())
            .min()
    }

    pub(super) fn is_dead(&self) -> bool {
        self.sides.iter().any(|side| side.dead)
    }

    pub(super) fn is_finished(&self) -> bool {
        self.sides.iter().all(|side| side.connection.is_finished())
    }
}
