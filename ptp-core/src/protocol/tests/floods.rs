//! A peer that sends very many small things: what is kept for it stays within bounds.

use super::pair::{Ana, BUDGET, Ben, Pair, Scenario};
use crate::protocol::frame::{self, kind};
use crate::protocol::{Batch, Control, Credit, MAX_PLAINTEXT, Message, read_buffer};

fn open() -> Pair {
    Scenario::new().without_handshake([9; 32]).open()
}

fn controls(control: &Control, count: usize) -> Vec<u8> {
    let mut one = Vec::new();
    control.put(&mut one);
    one.repeat(count)
}

fn text(body: &str) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_header(&mut out, kind::TEXT, body.len());
    out.extend_from_slice(body.as_bytes());
    out
}

/// Ana says these frames, and Ben hears them in one go.
fn say(pair: &mut Pair, frames: &[u8]) {
    for chunk in frames.chunks(MAX_PLAINTEXT) {
        pair[Ana].seal(chunk);
    }
    let (wire, now) = (std::mem::take(&mut pair[Ana].wire), pair.now);
    pair[Ben].hear(now, &wire).unwrap();
}

/// Bytes that Ben writes in answer, in all.
fn answer(pair: &mut Pair) -> usize {
    let mut length = 0;
    while pair[Ben].connection.wants_transmit() {
        pair[Ben].speak(BUDGET);
        length += std::mem::take(&mut pair[Ben].wire).len();
    }
    length
}

/// Bytes in the blocks that these messages keep.
fn kept(messages: &[Message]) -> usize {
    messages.iter().map(Message::block_size).sum()
}

#[test]
fn a_hundred_thousand_pings_are_answered_by_one_pong() {
    let mut pair = open();
    say(&mut pair, &controls(&Control::Ping(77), 100_000));
    assert!(answer(&mut pair) < 64);
    pair.carry(Ben);
}

#[test]
fn a_hundred_thousand_requests_are_answered_by_one_acknowledgement() {
    let mut pair = open();
    say(&mut pair, &text("x"));
    pair.take(Ben);
    say(&mut pair, &controls(&Control::AckRequest, 100_000));
    assert!(answer(&mut pair) < 64);
}

#[test]
fn a_message_among_many_small_frames_does_not_keep_them() {
    let mut time = Vec::new();
    frame::put_time(&mut time, 1);
    let mut later = Vec::new();
    frame::put_time(&mut later, 2);
    let ignorable = [0x90, 0];
    let pings = controls(&Control::Ping(1), 60_000);
    for flood in [ignorable.repeat(90_000), time.repeat(60_000), pings] {
        let mut pair = open();
        for number in 0..20 {
            let stamp = if number % 2 == 0 { &time } else { &later };
            let two = [text("x"), text("yz")].concat();
            say(&mut pair, &[&flood[..], stamp, &two, &flood].concat());
        }
        let messages = pair.take_all(Ben);
        assert_eq!(messages.len(), 40);
        for (number, message) in (1..).zip(&messages) {
            assert_eq!(message.id().get(), number);
            assert_eq!(
                message.as_text(),
                Some(if number % 2 == 1 { "x" } else { "yz" })
            );
            let unix = message
                .sent_at()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap();
            assert_eq!(unix.as_millis() as u64, 1 + (number - 1) / 2 % 2);
        }
        assert!(kept(&messages) < 40 * 200, "{} bytes", kept(&messages));
    }
}

#[test]
fn what_came_of_an_unfinished_message_is_not_granted_anew() {
    let mut pair = Scenario::new()
        .without_handshake([9; 32])
        .window(Ben, 10, 1_000)
        .open();
    pair.send(Ana, "x");
    pair.send(Ana, vec![0; 200_000]);
    pair[Ana].speak(1);
    let (wire, now) = (std::mem::take(&mut pair[Ana].wire), pair.now);
    assert!(wire.len() > 60_000);
    pair[Ben].hear(now, &wire).unwrap();
    pair.take(Ben);
    pair[Ben].look(now);
    pair[Ben].speak(BUDGET);
    let wire = std::mem::take(&mut pair[Ben].wire);
    let intake = pair[Ana].hear(now, &wire).unwrap();
    let credit = Credit {
        messages: 11,
        bytes: 1_001,
    };
    assert_eq!(intake.ack, Some((1, credit)));
}

#[test]
fn small_messages_do_not_keep_much_more_than_themselves() {
    let mut pair = open();
    let frames = text("0123456789").repeat(60_000);
    say(&mut pair, &frames);
    let messages = pair.take_all(Ben);
    let mut blocks: Vec<_> = messages.iter().map(Message::block_address).collect();
    blocks.dedup();
    // All blocks but the first and the last are full.
    let kept = blocks.len() * read_buffer::CAPACITY;
    assert!(kept <= frames.len() + 2 * read_buffer::CAPACITY, "{kept}");
}

#[test]
fn a_time_before_each_message_costs_no_more_than_a_group() {
    let mut pair = open();
    let mut frames = Vec::new();
    for number in 1..=50_000u64 {
        frame::put_time(&mut frames, number);
        frames.extend_from_slice(&text(""));
    }
    say(&mut pair, &frames);
    let messages = pair.take_all(Ben);
    assert_eq!(messages.len(), 50_000);
    for (number, message) in (1..).zip(&messages) {
        assert_eq!(message.id().get(), number);
        let unix = message
            .sent_at()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        assert_eq!(unix.as_millis() as u64, number);
    }
}

#[test]
fn records_of_one_byte_each_leave_nothing_behind() {
    let mut pair = open();
    let room = pair[Ben].inbound.space().len();
    for byte in controls(&Control::Ping(5), 30_000) {
        pair[Ana].seal(&[byte]);
    }
    let (wire, now) = (std::mem::take(&mut pair[Ana].wire), pair.now);
    pair[Ben].hear(now, &wire).unwrap();
    assert!(pair[Ben].inbound.space().len() >= room);
    assert!(answer(&mut pair) < 64);
}

#[test]
fn a_time_that_is_said_again_parts_no_batch() {
    let mut pair = open();
    let mut frames = Vec::new();
    for ms in [7, 7, 7, 8, 7] {
        frame::put_time(&mut frames, ms);
        frames.extend(text("x"));
    }
    pair[Ana].seal(&frames);
    let wire = std::mem::take(&mut pair[Ana].wire);
    let inbound = &mut pair[Ben].inbound;
    inbound.space()[..wire.len()].copy_from_slice(&wire);
    inbound.handle_read(wire.len()).unwrap();
    let mut batches: Vec<Batch> = Vec::new();
    inbound.drain(&mut batches);
    let counts = batches.iter().map(Batch::len);
    assert_eq!(counts.collect::<Vec<_>>(), [3, 1, 1]);
    let messages = batches.iter().flatten();
    assert!(messages.clone().map(|it| it.id().get()).eq(1..=5));
    let times = messages.map(|it| it.sent_at().duration_since(std::time::UNIX_EPOCH).unwrap());
    assert!(times.map(|it| it.as_millis()).eq([7, 7, 7, 8, 7]));
}
