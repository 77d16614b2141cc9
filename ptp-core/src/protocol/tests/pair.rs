//! Two sides in memory: a real handshake with fixed keys, a fake clock, and a wire whose bytes the
//! test carries, cuts, delays or drops. A lost connection is followed by another as in the driver.

use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use std::time::{Duration, Instant};

use super::shake::{DIALLER, Fixed, LISTENER, handshake_between, opening};
use crate::protocol::record::Opener;
use crate::protocol::{
    Connection, Control, Credit, Greeting, Inbound, Intake, Limits, Message, Opening, Outgoing,
    PREFIX, Payload, Sealer, Suite, Violation,
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
#[derive(Clone, Copy)]
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
        let [ana, ben] = self.keys(0);
        Pair {
            scenario: *self,
            generation: 0,
            start: now,
            now,
            sides: [
                self.side(Ana, ana, Greeting::DIALLER, now),
                self.side(Ben, ben, Greeting::LISTENER, now),
            ],
        }
    }

    /// The keys of the connection with this number: each has its own.
    fn keys(&self, generation: u64) -> [(Sealer, Opener); 2] {
        if let Some(key) = &self.fixed_key {
            let mut key = *key;
            key[24..].copy_from_slice(&generation.to_be_bytes());
            let (key, mut back) = (&key, key);
            back[0] ^= 1;
            let half = |ours, theirs| {
                let sealer = Sealer::new(self.suite, ours).unwrap();
                (sealer, Opener::new(self.suite, theirs).unwrap())
            };
            return [half(key, &back), half(&back, key)];
        }
        let suites: &[Suite] = &[self.suite];
        let mut dialler = DIALLER;
        dialler.ephemeral[24..].copy_from_slice(&generation.to_be_bytes());
        let keys: [&Fixed; 2] = [&dialler, &LISTENER];
        let done = handshake_between(keys, [suites, suites], |_, bytes| bytes);
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
        Side {
            connection: Connection::new(&self.limits(who, granted), now),
            inbound: Inbound::new(opener, greeting, granted, self.max_message),
            sealer,
            wire: Vec::new(),
            channel: VecDeque::new(),
            dead: false,
        }
    }

    /// What `who` keeps and grants on a connection for which the other side `granted` so much.
    pub(super) fn limits(&self, who: Who, granted: Credit) -> Limits {
        Limits {
            window: self.windows[who as usize],
            granted,
            peer_max_message: self.max_message,
            timeout: self.timeout,
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
        let (mut outgoing, mut lent) = (Outgoing::default(), Vec::new());
        self.connection.poll_transmit(outgoing.frames(), budget);
        outgoing.seal(&mut self.sealer, &mut lent).unwrap();
        self.connection.outbound().keep(&mut lent);
        for piece in outgoing.pieces() {
            self.wire.extend_from_slice(piece);
        }
    }

    /// Writes control frames in a record of their own, whatever the machine says.
    pub(super) fn put(&mut self, frames: &[Control]) {
        let record = record(&mut self.sealer, frames);
        self.wire.extend_from_slice(&record);
    }

    /// Writes any bytes as a record.
    pub(super) fn seal(&mut self, plaintext: &[u8]) {
        seal(&mut self.sealer, &mut self.wire, plaintext);
    }

    /// Reads what arrived; returns what the last read of it brought.
    pub(super) fn hear(&mut self, now: Instant, mut bytes: &[u8]) -> Result<Intake, Violation> {
        let mut last = Intake::default();
        let mut greets = false;
        while !bytes.is_empty() || greets && self.inbound.is_open() {
            greets = !self.inbound.is_open();
            last = self.read(now, &mut bytes)?;
        }
        Ok(last)
    }

    /// Reads once; what was read is no longer in `bytes`.
    fn read(&mut self, now: Instant, bytes: &mut &[u8]) -> Result<Intake, Violation> {
        let length = fill(&mut self.inbound, bytes);
        let intake = self.inbound.handle_read(length)?;
        self.connection.handle_received(now, &intake)?;
        let mut batches = Vec::new();
        self.inbound.drain(&mut batches);
        self.channel.extend(batches.into_iter().flatten());
        self.look(now);
        Ok(intake)
    }

    /// Looks after deadlines, as the reader does before each read.
    pub(super) fn look(&mut self, now: Instant) {
        self.connection.handle_waiting(now, self.channel.len());
        self.dead |= self.connection.handle_timeout(now);
    }
}

/// Appends a record with this plaintext.
fn seal(sealer: &mut Sealer, out: &mut Vec<u8>, plaintext: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    out.extend_from_slice(plaintext);
    sealer.seal(out, start).unwrap();
}

/// Moves as many `bytes` into the space of `inbound` as go there; returns how many.
fn fill(inbound: &mut Inbound, bytes: &mut &[u8]) -> usize {
    let space = inbound.space();
    let (read, rest) = bytes.split_at(bytes.len().min(space.len()));
    space[..read.len()].copy_from_slice(read);
    *bytes = rest;
    read.len()
}

/// A record with control frames.
fn record(sealer: &mut Sealer, frames: &[Control]) -> Vec<u8> {
    let (mut plaintext, mut record) = (Vec::new(), Vec::new());
    frames.iter().for_each(|frame| frame.put(&mut plaintext));
    seal(sealer, &mut record, &plaintext);
    record
}

/// One side's half of a connection that is being made.
struct Fresh {
    sealer: Sealer,
    inbound: Inbound,
}

/// A connection on which Ana goes on, and Ben has yet to hear her name.
pub(super) struct Redialled {
    ben: Fresh,
    /// What Ana said in message 3.
    opening: Opening,
    /// The record with her name.
    name: Vec<u8>,
    /// How many messages Ben does not have.
    pub(super) missing: u64,
}

/// Two sides and their clock.
pub(super) struct Pair {
    pub(super) scenario: Scenario,
    /// Which connection of the session it is.
    generation: u64,
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
        self.carry_what_is_written(who);
    }

    /// Carries what `who` has written to the other side.
    pub(super) fn carry_what_is_written(&mut self, who: Who) {
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

    /// The connection is gone, and `who` has noticed; what it wrote is lost with it.
    pub(super) fn lose(&mut self, who: Who) {
        let side = &mut self[who];
        side.connection.handle_lost();
        side.wire.clear();
        side.dead = false;
    }

    /// Both sides lose the connection, and all that was on its way.
    pub(super) fn cut(&mut self) {
        Who::BOTH.into_iter().for_each(|who| self.lose(who));
    }

    /// What `who` says when the session goes on.
    pub(super) fn opening(&self, who: Who) -> Opening {
        Opening {
            generation: self.generation,
            resume: self[who].inbound.resume_point(),
            ..opening(self[who].connection.grants(), self.scenario.max_message)
        }
    }

    /// Ana dials again, is welcomed, and goes on.
    pub(super) fn redial(&mut self) -> Redialled {
        self.generation += 1;
        let [(sealer, opener), (bens_sealer, bens_opener)] = self.scenario.keys(self.generation);
        let max_message = self.scenario.max_message;
        let (opening, welcome) = (self.opening(Ana), self.opening(Ben));
        let mut ben = Fresh {
            sealer: bens_sealer,
            inbound: Inbound::new(bens_opener, Greeting::LISTENER, opening.credit, max_message),
        };
        let mut ana = Fresh {
            sealer,
            inbound: Inbound::new(opener, Greeting::DIALLER, Credit::default(), max_message),
        };
        let greeting = [Control::Welcome(welcome), Control::Name("Ben".into())];
        let welcome = record(&mut ben.sealer, &greeting);
        let length = fill(&mut ana.inbound, &mut &welcome[..]);
        let welcome = ana.inbound.handle_read(length).unwrap().welcome.unwrap();
        let name = record(&mut ana.sealer, &[Control::Name("Ana".into())]);
        let missing = self.take_up(Ana, ana, &welcome).unwrap();
        Redialled {
            ben,
            opening,
            name,
            missing,
        }
    }

    /// Ben hears Ana's name, along with what she has written since, and goes on. Returns how many
    /// messages she does not have.
    pub(super) fn answer(&mut self, redialled: Redialled) -> u64 {
        let Redialled {
            mut ben,
            opening,
            mut name,
            ..
        } = redialled;
        let together = std::mem::take(&mut self[Ana].wire);
        let behind = name.len();
        name.extend_from_slice(&together);
        let mut rest = &name[..];
        let length = fill(&mut ben.inbound, &mut rest);
        assert!(length >= behind);
        ben.inbound.handle_read(length).unwrap();
        assert!(ben.inbound.is_open());
        let missing = self.take_up(Ben, ben, &opening).unwrap();
        let now = self.now;
        // What came behind the greeting.
        self[Ben].read(now, &mut &[][..]).unwrap();
        self[Ben].hear(now, rest).unwrap();
        missing
    }

    /// Goes on over another connection; returns how many messages of Ana's and Ben's are missing.
    pub(super) fn resume(&mut self) -> [u64; 2] {
        let redialled = self.redial();
        [redialled.missing, self.answer(redialled)]
    }

    /// What the driver does when another connection stands, and `theirs` was said on it.
    fn take_up(&mut self, who: Who, fresh: Fresh, theirs: &Opening) -> Result<u64, Violation> {
        let limits = self.scenario.limits(who, theirs.credit);
        let now = self.now;
        let side = &mut self[who];
        side.inbound.resume(fresh.inbound);
        side.sealer = fresh.sealer;
        side.connection.handle_resumed(now, &limits, theirs.resume)
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
