//! The resume that docs/protocol.md shows in hex, made anew by the machine and compared.

use std::time::{Duration, Instant};

use super::recorded::{NOON, Transcript, WINDOW, handshake, opening};
use crate::protocol::{
    Connection, Control, Credit, Greeting, Inbound, Keys, Limits, Message, Opening, PREFIX, Sealer,
    frame_header, kind,
};

#[test]
fn the_resume_in_the_specification_is_what_this_code_says() {
    let now = Instant::now();
    let [mut dialler, mut listener] = first_connection(now);
    let mut transcript = Transcript::default();

    dialler.accept("Hello!");
    let record = dialler.say(&mut transcript, now);
    listener.hear(now, &record);
    listener.accept(vec![0x00, 0xff]);
    let record = listener.say(&mut transcript, now);
    dialler.hear(now, &record);
    dialler.accept("Are you there?");
    // This one is lost.
    dialler.say(&mut transcript, now);
    dialler.connection.handle_lost();
    listener.connection.handle_lost();

    let welcome = second_connection(&mut transcript, now, [&mut dialler, &mut listener]);
    assert_eq!(welcome.resume.received, 1);

    // Both speak at once.
    listener.take();
    dialler.take();
    let there = dialler.say(&mut transcript, now);
    let back = listener.say(&mut transcript, now);
    listener.hear(now, &there);
    dialler.hear(now, &back);
    assert_eq!(listener.heard.len(), 2);
    listener.take();
    let record = listener.say(&mut transcript, now);
    dialler.hear(now, &record);
    dialler.connection.close();
    let record = dialler.say(&mut transcript, now);
    listener.hear(now, &record);
    let record = listener.say(&mut transcript, now);
    dialler.hear(now, &record);
    assert!(dialler.connection.is_finished() && listener.connection.is_finished());
    assert_eq!(dialler.connection.sent_and_acked(), (2, 2));
    assert_eq!(listener.connection.sent_and_acked(), (1, 1));
    transcript.assert_is_in_the_specification();
}

/// One side of the session.
struct Side {
    arrow: &'static str,
    sealer: Sealer,
    inbound: Inbound,
    connection: Connection,
    heard: Vec<Message>,
    /// Of what was heard the application has not taken so many.
    waiting: usize,
}

impl Side {
    fn new(now: Instant, arrow: &'static str, keys: Keys, greeting: &'static [Greeting]) -> Self {
        Self {
            arrow,
            sealer: keys.sealer,
            inbound: Inbound::new(keys.opener, greeting, WINDOW, 16 << 20),
            connection: Connection::new(&limits(WINDOW), now),
            heard: Vec::new(),
            waiting: 0,
        }
    }

    fn accept(&mut self, payload: impl crate::protocol::Payload) {
        let unix_ms = self.connection.wants_time().then_some(NOON);
        self.connection.accept(payload, unix_ms);
    }

    fn take(&mut self) {
        self.waiting = 0;
    }

    /// A record with all that the machine wants to say.
    fn say(&mut self, transcript: &mut Transcript, now: Instant) -> Vec<u8> {
        self.connection.handle_waiting(now, self.waiting);
        let mut chunks = Vec::new();
        self.connection.poll_transmit(&mut chunks, 1 << 16);
        assert!(!self.connection.wants_transmit());
        note(transcript, self.arrow, &mut self.sealer, &chunks.concat())
    }

    fn hear(&mut self, now: Instant, record: &[u8]) {
        let before = self.heard.len();
        let intake = read(&mut self.inbound, record);
        self.connection.handle_received(now, &intake).unwrap();
        let mut batches = Vec::new();
        self.inbound.drain(&mut batches);
        self.heard.extend(batches.into_iter().flatten());
        self.waiting += self.heard.len() - before;
        self.connection.handle_waiting(now, self.waiting);
    }

    fn opening(&self, timeout_ms: u64) -> Opening {
        Opening {
            generation: 1,
            credit: self.connection.grants(),
            resume: self.inbound.resume_point(),
            ..opening(timeout_ms)
        }
    }

    fn take_up(&mut self, now: Instant, sealer: Sealer, inbound: Inbound, theirs: &Opening) {
        self.sealer = sealer;
        self.inbound.resume(inbound);
        let limits = limits(theirs.credit);
        self.connection
            .handle_resumed(now, &limits, theirs.resume)
            .unwrap();
    }
}

/// The greeting is that of the recorded conversation, and not shown again.
fn first_connection(now: Instant) -> [Side; 2] {
    let (dialler, listener) = handshake(&mut Transcript::default(), [0x21, 0x61], &opening(45_000));
    let mut dialler = Side::new(now, "→", dialler, Greeting::DIALLER);
    let mut listener = Side::new(now, "←", listener, Greeting::LISTENER);
    let silent = &mut Transcript::default();
    let welcome = greeting(Some(opening(30_000)), "Ana");
    read(
        &mut dialler.inbound,
        &note(silent, "", &mut listener.sealer, &welcome),
    );
    let name = greeting(None, "Ben");
    read(
        &mut listener.inbound,
        &note(silent, "", &mut dialler.sealer, &name),
    );
    [dialler, listener]
}

/// Handshake and greeting of a connection that goes on with the session; what the listener said.
fn second_connection(
    transcript: &mut Transcript,
    now: Instant,
    [dialler, listener]: [&mut Side; 2],
) -> Opening {
    let (called, welcome) = (dialler.opening(45_000), listener.opening(30_000));
    let (mut ours, mut theirs) = handshake(transcript, [0x81, 0xa1], &called);
    let credit = Credit::default();
    let mut inbound = Inbound::new(ours.opener, Greeting::DIALLER, credit, 16 << 20);
    let frames = greeting(Some(welcome.clone()), "Ana");
    let intake = read(
        &mut inbound,
        &note(transcript, "←", &mut theirs.sealer, &frames),
    );
    assert_eq!(intake.welcome.as_ref(), Some(&welcome));
    let frames = greeting(None, "Ben");
    let name = note(transcript, "→", &mut ours.sealer, &frames);
    dialler.take_up(now, ours.sealer, inbound, &welcome);
    let mut inbound = Inbound::new(theirs.opener, Greeting::LISTENER, called.credit, 16 << 20);
    read(&mut inbound, &name);
    listener.take_up(now, theirs.sealer, inbound, &called);
    welcome
}

fn greeting(welcome: Option<Opening>, name: &str) -> Vec<u8> {
    let mut frames = Vec::new();
    if let Some(welcome) = welcome {
        Control::Welcome(welcome).put(&mut frames);
    }
    Control::Name(name.into()).put(&mut frames);
    frames
}

fn limits(granted: Credit) -> Limits {
    Limits {
        window: WINDOW,
        granted,
        peer_max_message: 16 << 20,
        timeout: Duration::from_secs(30),
    }
}

/// Seals `frames`, and notes them with their names.
fn note(transcript: &mut Transcript, arrow: &str, sealer: &mut Sealer, frames: &[u8]) -> Vec<u8> {
    let mut record = [&[0; PREFIX], frames].concat();
    sealer.seal(&mut record, 0).unwrap();
    let names = names(frames).join(", ");
    transcript.note(&format!("{arrow} record: {names}"), &record);
    transcript.note("  in the clear", frames);
    record
}

fn names(mut frames: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(header) = frame_header(frames).unwrap() {
        let (frame, rest) = frames.split_at(header.frame());
        let body = || String::from_utf8_lossy(&frame[header.header..]);
        names.push(match header.kind {
            kind::TEXT => format!("TEXT {:?}", body()),
            kind::BINARY => "BINARY 00ff".into(),
            kind::ACK => "ACK".into(),
            kind::ACK_REQUEST => "ACK_REQUEST".into(),
            kind::BYE => "BYE".into(),
            kind::WELCOME => "WELCOME".into(),
            kind::NAME => format!("NAME {:?}", body()),
            kind::TIME => "TIME".into(),
            other => panic!("{other:#04x} has no name here"),
        });
        frames = rest;
    }
    names
}

fn read(inbound: &mut Inbound, record: &[u8]) -> crate::protocol::Intake {
    inbound.space()[..record.len()].copy_from_slice(record);
    inbound.handle_read(record.len()).unwrap()
}
