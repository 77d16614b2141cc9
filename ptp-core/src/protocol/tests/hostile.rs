//! An authenticated peer that says what no honest one says. Ana is hostile here, Ben is not.

use super::pair::{Ana, BUDGET, Ben, Pair, Scenario};
use crate::protocol::frame::{self, Credit, kind};
use crate::protocol::{Control, Intake, MessageKind, Refusal, Violation, varint};

use super::shake::opening;

fn open() -> Pair {
    Scenario::new().without_handshake([8; 32]).open()
}

/// A frame with this body.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_header(&mut out, kind, body.len());
    out.extend_from_slice(body);
    out
}

fn control(control: &Control) -> Vec<u8> {
    let mut out = Vec::new();
    control.put(&mut out);
    out
}

fn ack(messages: u64, credit: Credit) -> Vec<u8> {
    control(&Control::Ack { messages, credit })
}

/// Ana says these bytes in records; what Ben makes of them.
fn say(pair: &mut Pair, frames: &[u8]) -> Result<Intake, Violation> {
    for chunk in frames.chunks(crate::protocol::MAX_PLAINTEXT) {
        pair[Ana].seal(chunk);
    }
    let (wire, now) = (std::mem::take(&mut pair[Ana].wire), pair.now);
    let heard = pair[Ben].hear(now, &wire);
    // Whatever it was, what a driver does next must not panic either.
    pair[Ben].look(now);
    pair[Ben].speak(BUDGET);
    pair[Ben].wire.clear();
    heard
}

/// What Ben finds wrong with these frames in a fresh session.
fn violation(frames: &[&[u8]]) -> Option<Violation> {
    say(&mut open(), &frames.concat()).err()
}

const UNEXPECTED: fn(u8) -> Option<Violation> = |kind| Some(Violation::UnexpectedFrame(kind));

/// What a length field may claim, around a bound and around the widths of integers.
fn claims(bound: u64) -> [u64; 9] {
    let bits = [(1 << 16) - 1, 1 << 31, u64::from(u32::MAX), u64::MAX];
    let around = [0, 1, bound - 1, bound, bound + 1];
    std::array::from_fn(|at| around.iter().chain(&bits).copied().nth(at).unwrap())
}

#[test]
fn a_frame_may_claim_any_length_and_nothing_is_kept_for_it() {
    for kind in 0..=u8::MAX {
        for bound in [frame::MAX_CONTROL as u64, frame::MAX_PART as u64] {
            for claim in claims(bound) {
                let mut header = vec![kind];
                varint::put(&mut header, claim);
                let mut pair = open();
                let room = pair[Ben].inbound.space().len();
                let heard = say(&mut pair, &header);
                if claim > frame::MAX_PART as u64 {
                    assert!(heard.is_err(), "kind {kind:#x} claims {claim}");
                }
                assert!(pair[Ben].inbound.space().len() <= room);
                assert_eq!(
                    pair[Ben].channel.len(),
                    usize::from(claim == 0 && MessageKind::of(kind).is_some())
                );
            }
        }
    }
}

#[test]
fn a_record_may_claim_any_length_and_nothing_is_kept_for_it() {
    for length in 0..=u16::MAX {
        let mut pair = open();
        let now = pair.now;
        let bytes = [&length.to_be_bytes()[..], &[0; 40]].concat();
        let heard = pair[Ben].hear(now, &bytes);
        match length {
            0..=16 => assert_eq!(heard.err(), Some(Violation::RecordLength(length.into()))),
            17..=40 => assert_eq!(heard.err(), Some(Violation::RecordAuthentication)),
            _ => assert!(heard.is_ok(), "it asks for more"),
        }
    }
}

#[test]
fn any_number_in_any_control_frame_is_taken_or_refused() {
    for number in claims(65_536) {
        let credit = |messages, bytes| Credit { messages, bytes };
        let mut welcome = opening(credit(number, number), number);
        (welcome.generation, welcome.timeout_ms) = (number, number);
        (welcome.resume.received, welcome.resume.partial) = (number, number);
        let frames = [
            ack(number, credit(u64::MAX, u64::MAX)),
            ack(0, credit(number, u64::MAX)),
            ack(0, credit(u64::MAX, number)),
            control(&Control::Ping(number)),
            control(&Control::Pong(number)),
            control(&Control::Fault(number)),
            control(&Control::Refused(Refusal::Other(number))),
            control(&Control::Welcome(welcome.clone())),
        ];
        for frame in frames {
            let mut pair = open();
            pair.send(Ben, "x");
            pair.settle();
            let _ = say(&mut pair, &frame);
            assert!(pair[Ben].connection.next_timeout().is_some());
        }
        let mut time = Vec::new();
        frame::put_time(&mut time, number);
        let mut pair = open();
        say(&mut pair, &[time, frame(kind::TEXT, b"x")].concat()).unwrap();
        let began = pair.take(Ben).unwrap().sent_at();
        assert!(began >= std::time::UNIX_EPOCH);
        // The greeting takes a `Welcome` with any numbers in it.
        let mut pair = Scenario::new().without_handshake([8; 32]).greeting();
        pair[Ben].put(&[Control::Welcome(welcome)]);
        let (wire, now) = (std::mem::take(&mut pair[Ben].wire), pair.now);
        assert!(pair[Ana].hear(now, &wire).is_ok());
    }
}

#[test]
fn a_control_frame_that_ends_too_early_is_malformed() {
    let full = Credit {
        messages: u64::MAX,
        bytes: u64::MAX,
    };
    for whole in [
        ack(0, full),
        control(&Control::Ping(u64::MAX)),
        control(&Control::Pong(u64::MAX)),
        control(&Control::Fault(u64::MAX)),
        frame(kind::TIME, &[0xff, 0x01]),
    ] {
        let body = &whole[2..];
        for cut in 0..body.len() {
            let short = frame(whole[0], &body[..cut]);
            assert_eq!(
                violation(&[&short]),
                Some(Violation::MalformedFrame(whole[0]))
            );
        }
        assert_eq!(violation(&[&whole]), None);
    }
    let long_name = frame(kind::NAME, &[b'a'; 65]);
    assert!(violation(&[&long_name]).is_some());
    assert_eq!(
        violation(&[&frame(kind::PART, b"")]),
        Some(Violation::MalformedFrame(kind::PART))
    );
}

#[test]
fn a_number_in_a_longer_form_than_it_needs_is_refused() {
    assert_eq!(
        violation(&[&[kind::TEXT, 0x80, 0x00]]),
        Some(Violation::Number)
    );
    let ping = frame(kind::PING, &[0x81, 0x00]);
    assert_eq!(
        violation(&[&ping]),
        Some(Violation::MalformedFrame(kind::PING))
    );
}

#[test]
fn a_message_beyond_the_credit_ends_the_connection() {
    let open = || {
        Scenario::new()
            .without_handshake([8; 32])
            .windows(2, 100)
            .open()
    };
    let text = |size: usize| frame(kind::TEXT, &vec![b'x'; size]);
    let beyond = Some(Violation::BeyondCredit);
    let heard = |frames: &[Vec<u8>]| say(&mut open(), &frames.concat()).err();
    assert_eq!(heard(&[text(1), text(1)]), None);
    assert_eq!(heard(&[text(1), text(1), text(1)]), beyond);
    assert_eq!(heard(&[text(0), text(0), text(0)]), beyond);
    assert_eq!(heard(&[text(99), text(5_000)]), None, "one may overrun");
    assert_eq!(heard(&[text(100), text(0)]), beyond);
    let part = |size: usize| frame(kind::PART, &vec![b'x'; size]);
    assert_eq!(heard(&[part(99), part(5_000), text(1)]), None);
    assert_eq!(heard(&[part(99), part(5_000), text(1), part(1)]), beyond);
    assert_eq!(heard(&[text(1), text(1), part(1)]), beyond);
    // In reads of their own, too, and not only at the end of one.
    let mut pair = open();
    say(&mut pair, &text(60)).unwrap();
    say(&mut pair, &text(60)).unwrap();
    assert_eq!(say(&mut pair, &text(0)).err(), beyond);
}

#[test]
fn a_message_larger_than_was_agreed_ends_the_connection_as_soon_as_it_is() {
    let scenario = || {
        Scenario::new()
            .without_handshake([8; 32])
            .max_message(100_000)
    };
    let too_large = Some(Violation::MessageTooLarge { limit: 100_000 });
    let part = frame(kind::PART, &[b'x'; 60_000]);
    let heard = |frames: &[&[u8]]| say(&mut scenario().open(), &frames.concat()).err();
    assert_eq!(heard(&[&part, &part]), too_large);
    assert_eq!(heard(&[&part, &frame(kind::TEXT, &[b'x'; 40_000])]), None);
    assert_eq!(
        heard(&[&part, &frame(kind::TEXT, &[b'x'; 40_001])]),
        too_large
    );
}

#[test]
fn credit_and_acknowledgements_only_grow() {
    let granted = |messages, bytes| Credit { messages, bytes };
    let full = granted(70_000, 9 << 20);
    let backwards = Some(Violation::Backwards);
    // `Welcome` and message 3 grant the whole window; less is a step back.
    assert_eq!(violation(&[&ack(0, granted(65_535, 9 << 20))]), backwards);
    assert_eq!(
        violation(&[&ack(0, granted(65_536, (8 << 20) - 1))]),
        backwards
    );
    assert_eq!(violation(&[&ack(0, granted(65_536, 8 << 20))]), None);
    assert_eq!(
        violation(&[&ack(0, full), &ack(0, granted(69_999, 9 << 20))]),
        backwards
    );
    assert_eq!(
        violation(&[&ack(0, full), &ack(0, granted(70_000, 1 << 20))]),
        backwards
    );
    let mut pair = open();
    pair.send(Ben, "x");
    pair.send(Ben, "y");
    pair.settle();
    say(&mut pair, &ack(2, full)).unwrap();
    assert_eq!(say(&mut pair, &ack(1, full)).err(), backwards);
}

#[test]
fn what_was_never_sent_is_not_acknowledged() {
    let full = Credit {
        messages: u64::MAX,
        bytes: u64::MAX,
    };
    let never = |number| Some(Violation::NeverSent(number));
    assert_eq!(violation(&[&ack(1, full)]), never(1));
    assert_eq!(violation(&[&ack(u64::MAX, full)]), never(u64::MAX));
    let mut pair = open();
    pair.send(Ben, "accepted, not yet written");
    // `say` lets Ben write afterwards.
    assert_eq!(say(&mut pair, &ack(1, full)).err(), never(1));
    let mut pair = open();
    pair.send(Ben, vec![0; 200_000]);
    pair[Ben].speak(1);
    assert_eq!(
        say(&mut pair, &ack(1, full)).err(),
        never(1),
        "half of it was written"
    );
}

#[test]
fn after_a_goodbye_come_no_messages_and_no_second_goodbye() {
    let bye = control(&Control::Bye);
    assert_eq!(
        violation(&[&bye, &frame(kind::TEXT, b"x")]),
        UNEXPECTED(kind::TEXT)
    );
    assert_eq!(
        violation(&[&bye, &frame(kind::BINARY, b"")]),
        UNEXPECTED(kind::BINARY)
    );
    assert_eq!(
        violation(&[&bye, &frame(kind::PART, b"x")]),
        UNEXPECTED(kind::PART)
    );
    assert_eq!(violation(&[&bye, &bye]), UNEXPECTED(kind::BYE));
    let ping = control(&Control::Ping(1));
    assert_eq!(
        violation(&[&bye, &ping, &control(&Control::AckRequest)]),
        None
    );
}

#[test]
fn a_goodbye_inside_a_large_message_ends_the_connection_and_other_controls_do_not() {
    let (part, rest) = (frame(kind::PART, b"on"), frame(kind::TEXT, b"e"));
    let bye = control(&Control::Bye);
    assert_eq!(violation(&[&part, &bye]), UNEXPECTED(kind::BYE));
    let mut pair = open();
    let ping = control(&Control::Ping(7));
    let frames = [&part[..], &ping, &frame(0x99, b"later"), &rest, &bye].concat();
    let intake = say(&mut pair, &frames).unwrap();
    assert_eq!((intake.ping, intake.bye), (Some(7), true));
    assert_eq!(pair.take(Ben).unwrap(), "one");
}

#[test]
fn the_greeting_comes_once_and_first() {
    let welcome = control(&Control::Welcome(opening(Credit::default(), 1)));
    let name = control(&Control::Name("Ana".into()));
    let refused = control(&Control::Refused(Refusal::Busy));
    let share = control(&Control::Share([7; 33]));
    let confirmation = control(&Control::Confirmation([7; 32]));
    for (late, kind) in [
        (&welcome, kind::WELCOME),
        (&name, kind::NAME),
        (&refused, kind::REFUSED),
        (&share, kind::SHARE),
        (&confirmation, kind::CONFIRMATION),
    ] {
        assert_eq!(violation(&[late]), UNEXPECTED(kind));
    }
    let greet = |frames: &[&[u8]]| {
        let mut pair = Scenario::new().without_handshake([8; 32]).greeting();
        pair[Ben].seal(&frames.concat());
        let (wire, now) = (std::mem::take(&mut pair[Ben].wire), pair.now);
        pair[Ana].hear(now, &wire).err()
    };
    assert_eq!(greet(&[&welcome, &name]), None);
    assert_eq!(greet(&[&frame(0x90, b"ignorable"), &welcome, &name]), None);
    assert_eq!(greet(&[&welcome, &welcome]), UNEXPECTED(kind::WELCOME));
    assert_eq!(greet(&[&welcome, &name, &name]), UNEXPECTED(kind::NAME));
    assert_eq!(greet(&[&name]), UNEXPECTED(kind::NAME));
    assert_eq!(greet(&[&refused]), None);
    for early in [
        ack(0, Credit::default()),
        control(&Control::Bye),
        control(&Control::Ping(1)),
        share,
        confirmation,
    ] {
        assert_eq!(greet(&[&early]), UNEXPECTED(early[0]));
        assert_eq!(greet(&[&welcome, &early]), UNEXPECTED(early[0]));
    }
    assert!(greet(&[&frame(kind::TEXT, b"x")]).is_some());
    assert!(greet(&[&welcome, &frame(kind::TEXT, b"x")]).is_some());
}

#[test]
fn unknown_frames_are_skipped_if_they_are_ignorable_and_else_end_the_connection() {
    for unknown in [0x00].into_iter().chain(0x11..0x80) {
        let heard = violation(&[&frame(unknown, b"?")]);
        assert_eq!(heard, Some(Violation::UnknownFrame(unknown)));
    }
    for ignorable in [0x80].into_iter().chain(0x82..=0xff) {
        let mut pair = open();
        let long = frame(ignorable, &[0xff; frame::MAX_PART]);
        say(&mut pair, &[long, frame(kind::TEXT, b"x")].concat()).unwrap();
        assert_eq!(pair.take(Ben).unwrap(), "x");
    }
}

#[test]
fn text_is_utf8_also_where_a_part_ends_inside_a_letter() {
    let not_utf8 = Some(Violation::NotUtf8);
    // A lone continuation, an overlong slash, a surrogate, beyond U+10FFFF, a cut letter.
    let wrong: [&[u8]; 5] = [
        b"\x80",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
    ];
    for text in wrong {
        assert_eq!(violation(&[&frame(kind::TEXT, text)]), not_utf8);
        assert_eq!(violation(&[&frame(kind::SECRET, text)]), not_utf8);
        assert_eq!(violation(&[&frame(kind::BINARY, text)]), None);
        let parts = [frame(kind::PART, text), frame(kind::TEXT, b"x")].concat();
        assert_eq!(violation(&[&parts]), not_utf8);
    }
    let euro = "€".as_bytes();
    for cut in 1..euro.len() {
        let mut pair = open();
        let parts = [
            frame(kind::PART, &euro[..cut]),
            frame(kind::TEXT, &euro[cut..]),
        ];
        say(&mut pair, &parts.concat()).unwrap();
        assert_eq!(pair.take(Ben).unwrap(), "€");
    }
}
