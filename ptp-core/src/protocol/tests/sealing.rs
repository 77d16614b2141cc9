//! Sealing: what is gathered, what is sealed where it lies, and that it comes back as it was.

use bytes::Bytes;

use super::random::Random;
use crate::protocol::outbound::Outbound;
use crate::protocol::outgoing::LENT_FROM;
use crate::protocol::record::{self, Opener};
use crate::protocol::{
    Credit, Frames, Lent, Message, MessageKind, Outgoing, PREFIX, Sealer, Suite,
};

const KEY: [u8; 32] = [9; 32];
const WIDE: Credit = Credit {
    messages: 1_000_000,
    bytes: 1 << 30,
};

fn sealer() -> Sealer {
    Sealer::new(Suite::Aes256Gcm, &KEY).unwrap()
}

/// Bytes that nobody else holds, and that are nowhere the same.
fn bytes(length: usize, seed: usize) -> Vec<u8> {
    let mut random = Random::new(seed as u64);
    (0..length).map(|_| random.next() as u8).collect()
}

/// Writes all, at most `most` bytes at a time.
fn written(outgoing: &mut Outgoing, most: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    while !outgoing.is_written() {
        let before = wire.len();
        wire.extend(outgoing.pieces().flatten().take(most));
        outgoing.advance(wire.len() - before);
    }
    wire
}

/// What is in the records of `wire`.
fn opened(wire: &[u8]) -> Vec<u8> {
    let mut opener = Opener::new(Suite::Aes256Gcm, &KEY).unwrap();
    let (mut plain, mut rest) = (Vec::new(), wire);
    while let Some(length) = record::length(rest).unwrap() {
        let (record, behind) = rest.split_at(PREFIX + length);
        let mut record = record.to_vec();
        let length = opener.open(&mut record, PREFIX).unwrap();
        plain.extend_from_slice(&record[..length]);
        rest = behind;
    }
    assert!(rest.is_empty());
    plain
}

#[test]
fn what_is_sealed_is_what_was_put_in() {
    let cases: [&[usize]; 8] = [
        &[],
        &[1],
        &[LENT_FROM - 1],
        &[LENT_FROM],
        &[16_860, 16_861, 16_878, 16_879],
        &[10_000, 10_000],
        &[5, LENT_FROM, 3, 200_000, 70_000, 1],
        &[LENT_FROM + 1, 20, LENT_FROM - 1, LENT_FROM - 1, 65_536],
    ];
    for lengths in cases {
        for most in [1_000, 17_000, usize::MAX] {
            let (mut sealer, mut outgoing) = (sealer(), Outgoing::default());
            let all: Vec<_> = (0..).zip(lengths).map(|(at, it)| bytes(*it, at)).collect();
            let frames = all.iter().map(|bytes| Bytes::from(bytes.clone()));
            outgoing.frames().extend(frames);
            let mut lent = Vec::new();
            outgoing.seal(&mut sealer, &mut lent).unwrap();
            let expected = all.iter().filter(|bytes| bytes.len() >= LENT_FROM);
            assert!(lent.iter().all(|lent| !lent.sealed.is_empty()));
            assert!(
                lent.iter()
                    .map(|it| it.frames.len())
                    .eq(expected.map(Vec::len))
            );
            assert_eq!(
                opened(&written(&mut outgoing, most)),
                all.concat(),
                "{lengths:?}"
            );
        }
    }
}

#[test]
fn what_somebody_else_holds_stays_as_it_is() {
    let (mut sealer, mut outgoing, mut lent) = (sealer(), Outgoing::default(), Vec::new());
    let held = Bytes::from(bytes(40_000, 1));
    let fixed = Bytes::from_static(&[7; 20_000]);
    outgoing.frames().extend([held.clone(), fixed.clone()]);
    outgoing.seal(&mut sealer, &mut lent).unwrap();
    assert_eq!(held, bytes(40_000, 1));
    for (lent, frames) in lent.iter().zip([&held, &fixed]) {
        assert!(lent.sealed.is_empty());
        assert_eq!(lent.frames, frames);
    }
    let wire = written(&mut outgoing, usize::MAX);
    assert_eq!(opened(&wire), [held, fixed].concat());
}

/// Lets `outbound` write all that waits; returns what was said.
fn speak(outbound: &mut Outbound, sealer: &mut Sealer) -> Vec<u8> {
    let (mut outgoing, mut lent) = (Outgoing::default(), Vec::new());
    outbound.pull(outgoing.frames(), usize::MAX);
    let said = outgoing.frames().concat();
    outgoing.seal(sealer, &mut lent).unwrap();
    outbound.keep(&mut lent);
    said
}

fn bodies(messages: &[Message]) -> Vec<&[u8]> {
    messages.iter().map(Message::as_bytes).collect()
}

/// Messages of 10 bytes, from number `first` on: from 1,400 on they are lent.
fn tens(first: u32, count: u32) -> Frames {
    let mut frames = Frames::new(Vec::new(), 1_500);
    (first..first + count).for_each(|number| {
        frames.push(MessageKind::Text, format!("{number:010}").as_bytes());
    });
    frames
}

#[test]
fn where_the_numbers_end_all_that_was_lent_comes_back() {
    for last in 0..12 {
        let (mut sealer, mut outgoing, mut lent) = (sealer(), Outgoing::default(), Vec::new());
        let mut outbound = Outbound::new(WIDE, WIDE);
        let sent: Vec<_> = (0..4).map(|number| bytes(40_000, number)).collect();
        for body in &sent {
            outbound.accept(body.clone(), None);
        }
        sealer.skip_to(u64::MAX - last);
        outbound.pull(outgoing.frames(), usize::MAX);
        assert_eq!(outgoing.seal(&mut sealer, &mut lent), None);
        assert_eq!(lent.len(), sent.len());
        outbound.keep(&mut lent);
        let (_, unconfirmed) = outbound.finish();
        assert_eq!(bodies(&unconfirmed), sent, "{last}");
    }
}

#[test]
fn what_was_sealed_is_plain_where_it_is_sent_again_and_handed_back() {
    let mut outbound = Outbound::new(WIDE, WIDE);
    outbound.accept("short", Some(1_500));
    outbound.accept(bytes(50_000, 1), None);
    outbound.accept(bytes(200_000, 2), Some(1_600));
    outbound.accept_frames(&mut tens(0, 2_000));
    let whole = speak(&mut outbound, &mut sealer());
    // The peer has the first message, and of the third two parts.
    for (received, partial) in [(1, 0), (2, 0), (2, 2 * 65_536), (3, 0), (500, 0)] {
        let point = crate::protocol::ResumePoint { received, partial };
        outbound.resume(point, WIDE).unwrap();
        let again = speak(&mut outbound, &mut sealer());
        // Only the time may stand before it.
        let (times, again) = again.split_at(again.len() - tail(&whole, &again));
        assert!(whole.ends_with(again) && times.len() < 12, "{received}");
    }
    let (unsent, unconfirmed) = outbound.finish();
    assert!(unsent.is_empty());
    let bodies = bodies(&unconfirmed);
    assert_eq!(bodies[0], b"short");
    assert_eq!(bodies[1], bytes(50_000, 1));
    assert_eq!(bodies[2], bytes(200_000, 2));
    assert_eq!(bodies[3..].concat().len(), 20_000);
    assert_eq!(bodies[2_002], b"0000001999");
}

/// How many bytes at their ends are the same.
fn tail(left: &[u8], right: &[u8]) -> usize {
    let pairs = left.iter().rev().zip(right.iter().rev());
    pairs.take_while(|(left, right)| left == right).count()
}

#[test]
fn an_acknowledgement_within_what_was_sealed_makes_room() {
    let narrow = Credit {
        bytes: 20_000,
        ..WIDE
    };
    let mut outbound = Outbound::new(narrow, WIDE);
    outbound.accept_frames(&mut tens(0, 2_000));
    speak(&mut outbound, &mut sealer());
    assert!(!outbound.has_room());
    outbound.handle_ack(1_500, WIDE).unwrap();
    assert!(outbound.has_room());
    let (_, unconfirmed) = outbound.finish();
    assert_eq!(unconfirmed.len(), 500);
    assert_eq!(unconfirmed[0], "0000001500");
}

#[test]
fn who_acknowledges_what_is_not_even_written_confuses_nothing() {
    // Within the first chunk, which is lent; at its end; within those behind it.
    for acked in [1, 200, 1_999, 2_000, 2_001, 2_400, 2_700] {
        let (mut sealer, mut outgoing, mut lent) = (sealer(), Outgoing::default(), Vec::new());
        // The bytes are used up, so that each acknowledgement should make room.
        let full = Credit {
            bytes: 27_000,
            ..WIDE
        };
        let mut outbound = Outbound::new(full, WIDE);
        for (first, count) in [(1, 2_000), (2_001, 400), (2_401, 300)] {
            outbound.accept_frames(&mut tens(first, count));
        }
        assert!(!outbound.has_room());
        outbound.pull(outgoing.frames(), usize::MAX);
        outbound.handle_ack(acked, WIDE).unwrap();
        outgoing.seal(&mut sealer, &mut lent).unwrap();
        outbound.keep(&mut lent);
        outbound.handle_ack(acked, WIDE).unwrap();
        let (_, unconfirmed) = outbound.finish();
        let texts = unconfirmed.iter().map(|message| message.as_text().unwrap());
        let expected: Vec<_> = (acked + 1..=2_700).map(|it| format!("{it:010}")).collect();
        assert!(texts.eq(expected), "{acked}");
        let ids = unconfirmed.iter().map(|message| message.id().get());
        assert!(ids.eq(acked + 1..=2_700), "{acked}");
    }
}

#[test]
fn a_key_is_held_as_long_as_something_waits_that_it_sealed() {
    let mut outbound = Outbound::new(WIDE, WIDE);
    let mut sealer = sealer();
    // Two records each.
    for number in 0..4 {
        outbound.accept(bytes(20_000, number), None);
    }
    speak(&mut outbound, &mut sealer);
    assert_eq!(sealer.key_holders(), 1 + 4 * 2);
    outbound.handle_ack(1, WIDE).unwrap();
    assert_eq!(sealer.key_holders(), 1 + 3 * 2);
    // What the peer has and has not acknowledged stays as it is.
    let point = crate::protocol::ResumePoint {
        received: 2,
        partial: 0,
    };
    outbound.resume(point, WIDE).unwrap();
    assert_eq!(sealer.key_holders(), 1 + 2);
    outbound.finish();
    assert_eq!(sealer.key_holders(), 1);
}

#[test]
fn what_was_sealed_and_acknowledged_is_used_again() {
    let mut outbound = Outbound::new(WIDE, WIDE);
    outbound.accept(bytes(50_000, 1), None);
    speak(&mut outbound, &mut sealer());
    outbound.handle_ack(1, WIDE).unwrap();
    let spare = outbound.take_spare();
    assert!(spare.is_empty() && spare.capacity() >= 50_000);
}

#[test]
fn damaged_memory_damages_one_record() {
    let (mut sealer, mut outgoing, mut lent) = (sealer(), Outgoing::default(), Vec::new());
    let mut outbound = Outbound::new(WIDE, WIDE);
    let body = bytes(60_000, 1);
    outbound.accept(body.clone(), None);
    outbound.accept("behind", None);
    outbound.pull(outgoing.frames(), usize::MAX);
    outgoing.seal(&mut sealer, &mut lent).unwrap();
    let Lent { frames, sealed } = lent.remove(0);
    let mut damaged = frames.to_vec();
    damaged[20_000] ^= 1;
    lent.push(Lent {
        frames: damaged.into(),
        sealed,
    });
    outbound.keep(&mut lent);
    let (_, unconfirmed) = outbound.finish();
    let [first, second] = &unconfirmed[..] else {
        panic!("{unconfirmed:?}");
    };
    let pairs = first.as_bytes().chunks(15_000).zip(body.chunks(15_000));
    assert!(
        pairs
            .map(|(left, right)| left == right)
            .eq([true, false, true, true])
    );
    assert_eq!(second, "behind");
}
