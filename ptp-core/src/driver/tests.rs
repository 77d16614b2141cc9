//! What a peer may do wrong around the greeting: one side is this driver, the other by hand.

use std::thread;
use std::time::{Duration, Instant};

use super::establish::{self, Dialling};
use super::greeted::Established;
use crate::config::Config;
use crate::error::ConnectError;
use crate::protocol::{
    Answer, Answering, Control, Credit, Dial, Greeting, Inbound, Intake, Keys, MESSAGE_1,
    MESSAGE_2, Opening, PREFIX, Pairing, Sealer, Secrets, Suite, Violation, choose,
};
use crate::transport::{Duplex, Halves, Transport, duplex};
use crate::trust::Identity;

const SUITE: Suite = Suite::ChaCha20Poly1305;

/// A peer by hand, behind the handshake.
struct Hand {
    halves: Halves,
    sealer: Sealer,
    inbound: Inbound,
}

impl Hand {
    fn new(halves: Halves, keys: Keys, greeting: &'static [Greeting]) -> Self {
        let granted = Credit::default();
        Self {
            halves,
            sealer: keys.sealer,
            inbound: Inbound::new(keys.opener, greeting, granted, 1_000),
        }
    }

    /// Sends `frames` in one record.
    fn say(&mut self, frames: &[u8]) {
        let mut record = [&[0; PREFIX], frames].concat();
        self.sealer.seal(&mut record, 0).unwrap();
        write(&mut self.halves, &record);
    }

    /// Reads once.
    fn hear(&mut self) -> Intake {
        let space = self.inbound.space();
        let length = self.halves.reader.read(space, soon()).unwrap();
        self.inbound.handle_read(length).unwrap()
    }

    fn hears_the_end(&mut self) -> bool {
        let mut rest = [0; 100];
        self.halves.reader.read(&mut rest, soon()).unwrap() == 0
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn write(halves: &mut Halves, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = halves.writer.write(rest, soon()).unwrap();
        rest = &rest[written..];
    }
}

fn write_message(halves: &mut Halves, message: &[u8]) {
    write(halves, &(message.len() as u16).to_be_bytes());
    write(halves, message);
}

fn read(halves: &mut Halves, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut at = 0;
    while at < length {
        at += halves.reader.read(&mut bytes[at..], soon()).unwrap();
    }
    bytes
}

fn read_line(halves: &mut Halves) -> Vec<u8> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.extend(read(halves, 1));
    }
    line
}

fn secrets(identity: &Identity) -> Secrets<'_> {
    Secrets {
        identity: identity.secret(),
        ephemeral: None,
    }
}

fn opening(session: [u8; 16]) -> Opening {
    Opening {
        session,
        generation: 0,
        max_message: 1_000,
        timeout_ms: 60_000,
        credit: Credit {
            messages: 10,
            bytes: 1_000,
        },
        received: 0,
        partial: 0,
        pairing: Pairing::NotNeeded,
    }
}

/// Dials by hand, up to message 3.
fn dial(transport: Duplex) -> Hand {
    let mut halves = transport.split().unwrap();
    let identity = Identity::generate().unwrap();
    let dial = Dial::new(secrets(&identity), &[SUITE]);
    write(&mut halves, dial.offer());
    let line = read_line(&mut halves);
    let (dialled, message_1) = dial.handle_answer(&line, SUITE).unwrap();
    write_message(&mut halves, &message_1);
    let message_2 = read(&mut halves, PREFIX + MESSAGE_2);
    let checked = dialled.handle_message_2(&message_2[PREFIX..]).unwrap();
    let (keys, message_3) = checked.accept(&opening([1; 16])).unwrap();
    write_message(&mut halves, &message_3);
    Hand::new(halves, keys, Greeting::DIALLER)
}

/// Answers by hand, up to message 3; also yields the dialler's session.
fn answer(transport: Duplex) -> (Hand, [u8; 16]) {
    let mut halves = transport.split().unwrap();
    let identity = Identity::generate().unwrap();
    let offer = read_line(&mut halves);
    assert!(choose(&offer, &[SUITE]).is_some());
    let answering = Answering::new(secrets(&identity), &offer, SUITE).unwrap();
    write(&mut halves, Answer::Chosen(SUITE).line().as_bytes());
    let message_1 = read(&mut halves, PREFIX + MESSAGE_1);
    let (answered, message_2) = answering.handle_message_1(&message_1[PREFIX..]).unwrap();
    write_message(&mut halves, &message_2);
    let length = read(&mut halves, PREFIX);
    let message_3 = read(
        &mut halves,
        usize::from(length[0]) << 8 | usize::from(length[1]),
    );
    let (keys, theirs) = answered.handle_message_3(&message_3).unwrap();
    (Hand::new(halves, keys, Greeting::LISTENER), theirs.session)
}

/// Our listener, which lets anyone in.
fn welcome(halves: Halves, identity: &Identity) -> Result<Established, ConnectError> {
    let config = Config::open();
    establish::answer(halves, identity, soon())?
        .admit(&config)?
        .welcome(&config)
}

/// Our dialler, which trusts anyone.
fn call(halves: Halves, identity: &Identity) -> Result<(), ConnectError> {
    let dialling = Dialling {
        config: &Config::open(),
        identity,
        place: None,
        pair: false,
    };
    establish::dial(halves, &dialling, soon()).map(drop)
}

/// What our listener makes of a dialler that says `frames` where it should greet.
fn listen_to(frames: &'static [u8]) -> (Result<(), ConnectError>, Intake) {
    let (ours, theirs) = duplex(10_000);
    let dialling = thread::spawn(move || {
        let mut hand = dial(theirs);
        let greeting = hand.hear();
        assert!(greeting.welcome.is_some());
        hand.say(frames);
        let intake = hand.hear();
        assert!(hand.hears_the_end());
        intake
    });
    let identity = Identity::generate().unwrap();
    let halves = ours.split().unwrap();
    let result = welcome(halves, &identity);
    (result.map(drop), dialling.join().unwrap())
}

#[test]
fn a_dialler_is_told_what_is_wrong_with_its_greeting() {
    let wrong: [(&[u8], Violation); 4] = [
        (b"\x01\x00", Violation::UnexpectedFrame(0x01)),
        (b"\x06\x01\x05", Violation::UnexpectedFrame(0x06)),
        (b"\x0c\x01\xff", Violation::MalformedFrame(0x0c)),
        // The greeting itself is whole, and the error in the same record.
        (b"\x0c\x00\x0f", Violation::UnknownFrame(0x0f)),
    ];
    for (frames, violation) in wrong {
        let (result, intake) = listen_to(frames);
        assert!(matches!(result, Err(ConnectError::Protocol(found)) if found == violation));
        assert_eq!(intake.fault, Some(violation.code()));
    }
}

#[test]
fn a_listener_is_told_what_is_wrong_with_its_welcome() {
    let (ours, theirs) = duplex(10_000);
    let answering = thread::spawn(move || {
        let (mut hand, mut session) = answer(theirs);
        session[0] ^= 1;
        let mut frames = Vec::new();
        Control::Welcome(opening(session)).put(&mut frames);
        hand.say(&frames);
        let intake = hand.hear();
        assert!(hand.hears_the_end());
        intake
    });
    let identity = Identity::generate().unwrap();
    let halves = ours.split().unwrap();
    let result = call(halves, &identity);
    assert!(matches!(result, Err(ConnectError::Protocol(_))));
    assert_eq!(answering.join().unwrap().fault, Some(1));
}

#[test]
fn a_fault_before_the_greeting_ends_it() {
    let (ours, theirs) = duplex(10_000);
    let answering = thread::spawn(move || {
        let (mut hand, session) = answer(theirs);
        let mut frames = Vec::new();
        Control::Fault(99).put(&mut frames);
        Control::Welcome(opening(session)).put(&mut frames);
        Control::Name(String::new()).put(&mut frames);
        hand.say(&frames);
        hand.hears_the_end()
    });
    let identity = Identity::generate().unwrap();
    let halves = ours.split().unwrap();
    let result = call(halves, &identity);
    assert!(matches!(result, Err(ConnectError::Fault(99))));
    assert!(answering.join().unwrap());
}

#[test]
fn a_peer_that_said_goodbye_first_and_stays_is_left_within_a_moment() {
    let (ours, theirs) = duplex(10_000);
    let dialling = thread::spawn(move || {
        let mut hand = dial(theirs);
        hand.hear();
        let mut frames = Vec::new();
        Control::Name(String::new()).put(&mut frames);
        hand.say(&frames);
        hand
    });
    let identity = Identity::generate().unwrap();
    let halves = ours.split().unwrap();
    let established = welcome(halves, &identity).unwrap();
    let mut hand = dialling.join().unwrap();
    let running = super::start(established).unwrap();
    let said = Instant::now();
    hand.say(b"\x08\x00");
    assert!(hand.hear().bye);
    // Without another word, and with the stream open: it need not wait for a timeout.
    running.reader.join().unwrap();
    assert!(
        said.elapsed() < Duration::from_secs(5),
        "{:?}",
        said.elapsed()
    );
}
