//! The conversation that docs/protocol.md shows in hex, made anew and compared.

use crate::protocol::ResumePoint;
use crate::protocol::batch::Batch;
use crate::protocol::frame::{Control, Credit, Opening, Pairing, kind, put_header, put_time};
use crate::protocol::greeting::Greeting;
use crate::protocol::handshake::{Answering, Dial, Keys, Secrets};
use crate::protocol::hello::{Answer, Suite, choose};
use crate::protocol::inbound::{Inbound, Intake};
use crate::protocol::record::{PREFIX, Sealer};

const SPECIFICATION: &str = include_str!("../../../../docs/protocol.md");
pub(super) const WINDOW: Credit = Credit {
    messages: 65_536,
    bytes: 8 << 20,
};
pub(super) const NOON: u64 = 1_800_000_000_000;

#[test]
fn the_conversation_in_the_specification_is_what_this_code_says() {
    let mut transcript = Transcript::default();
    let (dialler, listener) = handshake(&mut transcript, [0x21, 0x61], &opening(45_000));
    let mut dialler = Side::new(dialler, "→", Greeting::DIALLER, Credit::default());
    let mut listener = Side::new(listener, "←", Greeting::LISTENER, WINDOW);

    let welcome = [
        Control::Welcome(opening(30_000)),
        Control::Name("Ana".into()),
    ];
    listener.say(
        &mut transcript,
        "WELCOME, NAME \"Ana\"",
        &controls(&welcome),
        &mut dialler,
    );
    let name = controls(&[Control::Name("Ben".into())]);
    dialler.say(&mut transcript, "NAME \"Ben\"", &name, &mut listener);

    let hello = message(kind::TEXT, b"Hello!");
    dialler.say(
        &mut transcript,
        "TIME, TEXT \"Hello!\"",
        &hello,
        &mut listener,
    );
    assert_eq!(listener.heard(), [b"Hello!".to_vec()]);

    let answer = [controls(&[ack(1, 6)]), message(kind::BINARY, &[0x00, 0xff])].concat();
    let intake = listener.say(
        &mut transcript,
        "ACK, TIME, BINARY 00ff",
        &answer,
        &mut dialler,
    );
    assert_eq!(intake.ack.map(|(messages, _)| messages), Some(1));
    assert_eq!(dialler.heard(), [vec![0x00, 0xff]]);

    let bye = controls(&[ack(1, 2), Control::Bye]);
    assert!(
        dialler
            .say(&mut transcript, "ACK, BYE", &bye, &mut listener)
            .bye
    );
    let bye = controls(&[Control::Bye]);
    assert!(listener.say(&mut transcript, "BYE", &bye, &mut dialler).bye);

    transcript.assert_is_in_the_specification();
}

/// The conversation, as the specification shows it.
#[derive(Default)]
pub(super) struct Transcript(String);

impl Transcript {
    pub(super) fn note(&mut self, what: &str, bytes: &[u8]) {
        self.0 += what;
        self.0.push('\n');
        for row in bytes.chunks(40) {
            self.0 += "  ";
            row.iter().for_each(|byte| self.0 += &format!("{byte:02x}"));
            self.0.push('\n');
        }
    }

    fn note_message(&mut self, what: &str, message: &[u8]) {
        let length = (message.len() as u16).to_be_bytes();
        self.note(what, &[&length[..], message].concat());
    }

    pub(super) fn assert_is_in_the_specification(&self) {
        assert!(
            SPECIFICATION.contains(&self.0),
            "docs/protocol.md should hold:\n{}",
            self.0
        );
    }
}

/// One side behind the handshake.
struct Side {
    arrow: &'static str,
    sealer: Sealer,
    inbound: Inbound,
}

impl Side {
    fn new(
        keys: Keys,
        arrow: &'static str,
        greeting: &'static [Greeting],
        granted: Credit,
    ) -> Self {
        Self {
            arrow,
            sealer: keys.sealer,
            inbound: Inbound::new(keys.opener, greeting, granted, 16 << 20),
        }
    }

    /// Sends `frames` in a record to `other`.
    fn say(
        &mut self,
        transcript: &mut Transcript,
        what: &str,
        frames: &[u8],
        other: &mut Self,
    ) -> Intake {
        let mut record = [&[0; PREFIX], frames].concat();
        self.sealer.seal(&mut record, 0).unwrap();
        transcript.note(&format!("{} record: {what}", self.arrow), &record);
        transcript.note("  in the clear", frames);
        other.inbound.space()[..record.len()].copy_from_slice(&record);
        other.inbound.handle_read(record.len()).unwrap()
    }

    fn heard(&mut self) -> Vec<Vec<u8>> {
        let mut heard: Vec<Batch> = Vec::new();
        self.inbound.drain(&mut heard);
        heard
            .iter()
            .flatten()
            .map(|message| message.as_bytes().to_vec())
            .collect()
    }
}

/// The hello lines and the handshake with fixed keys, of which the ephemeral ones begin with these
/// bytes, and with what the dialler opens with; both sides' keys.
pub(super) fn handshake(
    transcript: &mut Transcript,
    ephemeral: [u8; 2],
    opening: &Opening,
) -> (Keys, Keys) {
    let key = |first: u8| -> [u8; 32] { std::array::from_fn(|at| first + at as u8) };
    let ours = [key(0x01), key(ephemeral[0])];
    let theirs = [key(0x41), key(ephemeral[1])];
    for (whose, keys) in [("dialler", ours), ("listener", theirs)] {
        transcript.note(&format!("the {whose}'s static private key"), &keys[0]);
        transcript.note(&format!("the {whose}'s ephemeral private key"), &keys[1]);
    }
    let suites = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];
    let dial = Dial::new(secrets(&ours), &suites);
    let offer = dial.offer().to_vec();
    transcript.note("→ hello line", &offer);
    assert_eq!(choose(&offer, &suites), Some(Answer::Chosen(suites[0])));
    let line = Answer::Chosen(suites[0]).line();
    transcript.note("← hello line", line.as_bytes());

    let answering = Answering::new(secrets(&theirs), &offer, suites[0]).unwrap();
    let (dialled, message_1) = dial.handle_answer(line.as_bytes(), suites[0]).unwrap();
    transcript.note_message("→ message 1", &message_1);
    let (answered, message_2) = answering.handle_message_1(&message_1).unwrap();
    transcript.note_message("← message 2", &message_2);
    let checked = dialled.handle_message_2(&message_2).unwrap();
    let (dialler, message_3) = checked.accept(opening).unwrap();
    transcript.note_message("→ message 3", &message_3);
    let mut payload = Vec::new();
    opening.put(&mut payload);
    transcript.note("  its payload in the clear", &payload);
    let (listener, opened) = answered.handle_message_3(&message_3).unwrap();
    assert_eq!(opened, *opening);
    assert_eq!(dialler.hash, listener.hash);
    transcript.note("both have the handshake hash", &dialler.hash);
    (dialler, listener)
}

fn secrets(keys: &[[u8; 32]; 2]) -> Secrets<'_> {
    Secrets {
        identity: &keys[0],
        ephemeral: Some(&keys[1]),
    }
}

pub(super) fn opening(timeout_ms: u64) -> Opening {
    Opening {
        session: [0x5e; 16],
        generation: 0,
        max_message: 16 << 20,
        timeout_ms,
        credit: WINDOW,
        resume: ResumePoint::default(),
        pairing: Pairing::NotNeeded,
    }
}

fn ack(messages: u64, bytes: u64) -> Control {
    Control::Ack {
        messages,
        credit: Credit {
            messages: WINDOW.messages + messages,
            bytes: WINDOW.bytes + bytes,
        },
    }
}

fn controls(frames: &[Control]) -> Vec<u8> {
    let mut out = Vec::new();
    frames.iter().for_each(|frame| frame.put(&mut out));
    out
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_time(&mut out, NOON);
    put_header(&mut out, kind, body.len());
    out.extend_from_slice(body);
    out
}
