//! A peer by hand: it does the handshake as it should, and then whatever a test wants.

use std::time::{Duration, Instant};

use crate::protocol::{
    Answer, Answering, Control, Credit, Dial, Greeting, Inbound, Intake, Keys, MESSAGE_1,
    MESSAGE_2, Opening, PREFIX, Pairing, ResumePoint, Sealer, Secrets, Suite, choose,
};
use crate::transport::{Duplex, Halves, Transport};
use crate::trust::Identity;
use crate::trust::pairing::Binding;

const SUITE: Suite = Suite::ChaCha20Poly1305;

/// A peer by hand, behind the handshake.
pub(super) struct Hand {
    halves: Halves,
    sealer: Sealer,
    inbound: Inbound,
    /// What a pairing run in this channel is bound to.
    pub(super) binding: Binding,
}

impl Hand {
    fn new(halves: Halves, keys: Keys, greeting: &'static [Greeting], binding: Binding) -> Self {
        let granted = Credit::default();
        Self {
            halves,
            sealer: keys.sealer,
            inbound: Inbound::new(keys.opener, greeting, granted, 1_000),
            binding,
        }
    }

    /// Sends `frames` in one record.
    pub(super) fn say(&mut self, frames: &[u8]) {
        let mut record = [&[0; PREFIX], frames].concat();
        self.sealer.seal(&mut record, 0).unwrap();
        write(&mut self.halves, &record);
    }

    /// Reads once.
    pub(super) fn hear(&mut self) -> Intake {
        let space = self.inbound.space();
        let length = self.halves.reader.read(space, soon()).unwrap();
        assert!(length > 0, "the other side has left");
        self.inbound.handle_read(length).unwrap()
    }

    /// Reads until `take` finds something.
    pub(super) fn wait_for<T>(&mut self, take: impl Fn(&mut Intake) -> Option<T>) -> T {
        loop {
            if let Some(taken) = take(&mut self.hear()) {
                return taken;
            }
        }
    }

    /// Sends control frames in one record.
    pub(super) fn put(&mut self, frames: &[Control]) {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.put(&mut bytes));
        self.say(&bytes);
    }

    pub(super) fn hears_the_end(&mut self) -> bool {
        let mut rest = [0; 100];
        self.halves.reader.read(&mut rest, soon()).unwrap() == 0
    }
}

pub(super) fn soon() -> Instant {
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

pub(super) fn opening(session: [u8; 16]) -> Opening {
    Opening {
        session,
        generation: 0,
        max_message: 1_000,
        timeout_ms: 60_000,
        credit: Credit {
            messages: 10,
            bytes: 1_000,
        },
        resume: ResumePoint::default(),
        pairing: Pairing::NotNeeded,
    }
}

/// Dials by hand, up to message 3.
pub(super) fn dial(transport: Duplex) -> Hand {
    dial_as(
        transport,
        &Identity::generate().unwrap(),
        Pairing::NotNeeded,
    )
}

/// Dials by hand with this key, and says this of pairing.
pub(super) fn dial_as(transport: Duplex, identity: &Identity, pairing: Pairing) -> Hand {
    let mut halves = transport.split().unwrap();
    let dial = Dial::new(secrets(identity), &[SUITE]);
    write(&mut halves, dial.offer());
    let line = read_line(&mut halves);
    let (dialled, message_1) = dial.handle_answer(&line, SUITE).unwrap();
    write_message(&mut halves, &message_1);
    let message_2 = read(&mut halves, PREFIX + MESSAGE_2);
    let checked = dialled.handle_message_2(&message_2[PREFIX..]).unwrap();
    let mut opening = opening([1; 16]);
    opening.pairing = pairing;
    let (keys, message_3) = checked.accept(&opening).unwrap();
    write_message(&mut halves, &message_3);
    let binding = Binding {
        dialler_key: *identity.public_key().as_bytes(),
        listener_key: keys.peer,
        handshake_hash: keys.hash,
    };
    let steps = match pairing {
        Pairing::Offered => Greeting::PAIRING_DIALLER,
        Pairing::NotNeeded | Pairing::Wanted => Greeting::DIALLER,
    };
    Hand::new(halves, keys, steps, binding)
}

/// Answers by hand, up to message 3; also yields the dialler's session.
pub(super) fn answer(transport: Duplex) -> (Hand, [u8; 16]) {
    let (hand, theirs) = answer_as(transport, &Identity::generate().unwrap());
    (hand, theirs.session)
}

/// Answers by hand with this key; also yields what the dialler opens with.
pub(super) fn answer_as(transport: Duplex, identity: &Identity) -> (Hand, Opening) {
    let mut halves = transport.split().unwrap();
    let offer = read_line(&mut halves);
    assert!(choose(&offer, &[SUITE]).is_some());
    let answering = Answering::new(secrets(identity), &offer, SUITE).unwrap();
    write(&mut halves, Answer::Chosen(SUITE).line().as_bytes());
    let message_1 = read(&mut halves, PREFIX + MESSAGE_1);
    let (answered, message_2) = answering.handle_message_1(&message_1[PREFIX..]).unwrap();
    write_message(&mut halves, &message_2);
    let length = read(&mut halves, PREFIX);
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    let message_3 = read(&mut halves, length);
    let (keys, theirs) = answered.handle_message_3(&message_3).unwrap();
    let binding = Binding {
        dialler_key: keys.peer,
        listener_key: *identity.public_key().as_bytes(),
        handshake_hash: keys.hash,
    };
    let steps = match theirs.pairing {
        Pairing::Offered => Greeting::PAIRING_LISTENER,
        Pairing::NotNeeded | Pairing::Wanted => Greeting::LISTENER,
    };
    (Hand::new(halves, keys, steps, binding), theirs)
}
