//! What the fuzz targets run: each function takes any bytes, and panics where a promise is broken.
//!
//! Plain functions, so that a test replays the corpus on a stable compiler. They are no part of
//! the public face.

use std::time::{Duration, Instant};

use crate::protocol::plain::{Lines, SpeaksPtp};
use crate::protocol::{
    Answer, Connection, Control, Credit, Greeting, Inbound, Limits, MAX_LINE, MAX_PLAINTEXT,
    Message, Opener, Opening, PREFIX, Sealer, Suite, Violation, choose, frame_header, identify,
};

const SUITE: Suite = Suite::ChaCha20Poly1305;
const KEY: [u8; 32] = [0x5a; 32];
/// Small, so that few bytes get beyond it.
const WINDOW: Credit = Credit {
    messages: 20,
    bytes: 2_000,
};
const MAX_MESSAGE: u64 = 100_000;
/// What one call of `poll_transmit` may give in answer: control frames, once each, beside the
/// messages that wait.
const LONGEST_ANSWER: usize = 1_000;

/// A hello line, from either side.
pub fn hello(input: &[u8]) {
    let answers = [choose(input, &Suite::preferred()), Answer::read(input)];
    for answer in answers.into_iter().flatten() {
        assert!(input.len() <= MAX_LINE && input.is_ascii());
        let line = answer.line();
        assert!(line.len() <= MAX_LINE);
        assert_eq!(Answer::read(line.as_bytes()), Some(answer));
    }
    assert!(!identify(input).is_empty());
}

/// What a plain peer says: the same however it is cut, as long as it comes without a pause.
pub fn plain(input: &[u8]) {
    let (how, text) = input.split_first().unwrap_or((&0, &[]));
    let heard = |slice: usize, pause: Duration| {
        let (mut lines, mut messages) = (Lines::default(), Vec::new());
        let mut now = Instant::now();
        for bytes in text.chunks(slice) {
            lines.handle_read(now, 0, bytes, &mut messages)?;
            now += pause;
            lines.handle_timeout(now, 0, &mut messages);
        }
        lines.handle_end(0, &mut messages);
        assert!(lines.next_timeout().is_none());
        assert_eq!(messages.len() as u64, lines.messages());
        let texts = messages.iter().map(|it| it.as_text().map(str::to_owned));
        let texts: Option<Vec<String>> = texts.collect();
        assert!(texts.is_some(), "a message that is no text");
        Ok::<_, SpeaksPtp>(texts)
    };
    let whole = heard(text.len().max(1), Duration::ZERO);
    assert_eq!(whole.is_err(), text.starts_with(b"PTP/"));
    assert_eq!(heard(usize::from(*how) + 1, Duration::ZERO), whole);
    let _ = heard(usize::from(*how) + 1, Duration::from_millis(50));
}

/// Records, as they come from the network.
pub fn record(input: &[u8]) {
    let Some(mut peer) = Peer::new(Greeting::OVER) else {
        return;
    };
    let (slice, wire) = input.split_first().unwrap_or((&0, &[]));
    let _ = peer.hear(wire, usize::from(*slice) + 1);
    assert!(peer.bytes <= wire.len() as u64);
}

/// Frames, one by one.
pub fn frame(input: &[u8]) {
    let mut rest = input;
    while let Ok(Some(header)) = frame_header(rest) {
        let Some(frame) = rest.get(..header.frame()) else {
            break;
        };
        let body = &frame[header.header..];
        if let Ok(Some(control)) = Control::take(header.kind, body) {
            let mut again = Vec::new();
            control.put(&mut again);
            let body = frame_header(&again).ok().flatten().map(|it| it.header);
            let body = &again[body.unwrap_or(again.len())..];
            assert_eq!(Control::take(header.kind, body), Ok(Some(control)));
        }
        rest = &rest[header.frame()..];
    }
    if let Some(opening) = Opening::take(input) {
        let mut again = Vec::new();
        opening.put(&mut again);
        assert_eq!(Opening::take(&again), Some(opening));
    }
}

/// What an authenticated peer says. The first byte decides how it is cut into records and reads,
/// and whether the greeting is still to come.
pub fn inbound(input: &[u8]) {
    let Some((how, frames)) = input.split_first() else {
        return;
    };
    let record = [1, 7, 300, MAX_PLAINTEXT][usize::from(how & 3)];
    let slice = [1, 50, 5_000, usize::MAX][usize::from(how >> 2 & 3)];
    let greeting = match (how >> 4 & 3, how & 0x80) {
        (0, 0) => Greeting::DIALLER,
        (0, _) => Greeting::PAIRING_DIALLER,
        (1, 0) => Greeting::LISTENER,
        (1, _) => Greeting::PAIRING_LISTENER,
        _ => Greeting::OVER,
    };
    let Some((mut peer, wire)) = Peer::new(greeting).zip(sealed(frames, record)) else {
        return;
    };
    peer.reads_slowly = how & 0x40 != 0;
    if let Err(violation) = peer.hear(&wire, slice) {
        peer.connection.handle_violation(violation);
        peer.answer();
        assert!(peer.connection.is_finished() && !peer.connection.wants_transmit());
    }
    let (unsent, unconfirmed) = peer.connection.finish();
    assert!(unsent.len() + unconfirmed.len() <= 2);
}

/// Seals `frames` into records of `length` bytes.
fn sealed(frames: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut sealer = Sealer::new(SUITE, &KEY)?;
    let mut wire = Vec::new();
    for plaintext in frames.chunks(length) {
        let start = wire.len();
        wire.extend_from_slice(&[0; PREFIX]);
        wire.extend_from_slice(plaintext);
        sealer.seal(&mut wire, start)?;
    }
    Some(wire)
}

/// An honest side: what its driver would do with what arrives.
struct Peer {
    inbound: Inbound,
    connection: Connection,
    now: Instant,
    messages: u64,
    bytes: u64,
    waiting: usize,
    reads_slowly: bool,
}

impl Peer {
    fn new(greeting: &'static [Greeting]) -> Option<Self> {
        let now = Instant::now();
        let limits = Limits {
            window: WINDOW,
            granted: WINDOW,
            peer_max_message: MAX_MESSAGE,
            timeout: Duration::from_secs(1),
        };
        let mut connection = Connection::new(&limits, now);
        connection.accept("so that there is something to acknowledge", Some(1));
        connection.accept(vec![0; 100], None);
        let opener = Opener::new(SUITE, &KEY)?;
        Some(Self {
            inbound: Inbound::new(opener, greeting, WINDOW, MAX_MESSAGE),
            connection,
            now,
            messages: 0,
            bytes: 0,
            waiting: 0,
            reads_slowly: false,
        })
    }

    /// Reads `wire` in slices and answers each.
    fn hear(&mut self, wire: &[u8], slice: usize) -> Result<(), Violation> {
        let mut rest = wire;
        let mut greets = false;
        self.answer();
        while !rest.is_empty() || greets && self.inbound.is_open() {
            greets = !self.inbound.is_open();
            let space = self.inbound.space();
            let (read, later) = rest.split_at(rest.len().min(slice).min(space.len()));
            space[..read.len()].copy_from_slice(read);
            rest = later;
            let intake = self.inbound.handle_read(read.len())?;
            assert!(intake.messages >= self.messages && intake.bytes >= self.bytes);
            self.bytes = intake.bytes;
            self.connection.handle_received(self.now, &intake)?;
            let mut batches = Vec::new();
            self.inbound.drain(&mut batches);
            for message in batches.into_iter().flatten() {
                self.messages += 1;
                check(&message, self.messages);
                self.waiting += 1;
            }
            assert_eq!(self.messages, intake.messages);
            assert!(self.waiting as u64 <= WINDOW.messages);
            self.look();
        }
        Ok(())
    }

    /// Time passes, the application takes something, and what is due is written.
    fn look(&mut self) {
        self.now += Duration::from_millis(30);
        self.waiting = if self.reads_slowly { self.waiting } else { 0 };
        self.connection.handle_waiting(self.now, self.waiting);
        self.connection.handle_timeout(self.now);
        self.answer();
    }

    fn answer(&mut self) {
        let mut out = Vec::new();
        self.connection.poll_transmit(&mut out, usize::MAX);
        assert!(out.concat().len() <= LONGEST_ANSWER);
    }
}

fn check(message: &Message, number: u64) {
    assert_eq!(message.id().get(), number);
    assert!(message.as_bytes().len() as u64 <= MAX_MESSAGE);
    assert_eq!(message.as_text().is_some(), message.kind().is_text());
    assert!(message.sent_at() >= std::time::UNIX_EPOCH);
}
