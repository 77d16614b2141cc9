//! Plain text with a fake clock: what arrives, what goes out, and what nobody should send.

use std::time::{Duration, Instant};

use super::lines::{LONGEST, QUIET};
use super::queue::{LARGEST, PAUSE};
use super::{LineEnd, Lines, Queue, SpeaksPtp};
use crate::protocol::Message;
use crate::protocol::frame::Credit;

const WINDOW: Credit = Credit {
    messages: 1_000,
    bytes: 1 << 20,
};

/// A side that is read from, and its clock.
struct Heard {
    lines: Lines,
    now: Instant,
    messages: Vec<Message>,
}

impl Heard {
    fn new() -> Self {
        Self {
            lines: Lines::default(),
            now: Instant::now(),
            messages: Vec::new(),
        }
    }

    fn read(&mut self, bytes: &[u8]) -> &mut Self {
        let read = self
            .lines
            .handle_read(self.now, 1_500, bytes, &mut self.messages);
        read.unwrap();
        self
    }

    fn pause(&mut self, pause: Duration) -> &mut Self {
        self.now += pause;
        self.lines
            .handle_timeout(self.now, 1_500, &mut self.messages);
        self
    }

    fn end(&mut self) -> &mut Self {
        self.lines.handle_end(1_500, &mut self.messages);
        self
    }

    fn take(&mut self) -> Vec<String> {
        let text = |message: Message| message.as_text().unwrap().to_owned();
        self.messages.drain(..).map(text).collect()
    }
}

/// What is written of these messages, with the time since the first.
fn written(queue: &mut Queue, end: LineEnd) -> Vec<(Duration, Vec<u8>)> {
    let begin = Instant::now();
    let mut now = begin;
    let mut pieces = Vec::new();
    while let Some(due) = queue.next_timeout(now) {
        assert!(due == now || queue.poll_transmit(now, end).is_none());
        now = due;
        pieces.push((now - begin, queue.poll_transmit(now, end).unwrap()));
        queue.handle_written(now);
    }
    pieces
}

fn queue(messages: &[&str]) -> Queue {
    let mut queue = Queue::new(WINDOW);
    for message in messages {
        queue.accept(*message, 7);
    }
    queue
}

#[test]
fn lines_end_in_lf_crlf_or_cr_nul_however_they_are_cut() {
    let stream = b"one\ntwo\r\nthree\r\0\n\r\nfo\rur\nf\xc3\xbcnf\n";
    let lines = ["one", "two", "three", "", "", "fo\rur", "fünf"];
    for piece in 1..=stream.len() {
        let mut heard = Heard::new();
        for bytes in stream.chunks(piece) {
            heard.read(bytes);
        }
        assert_eq!(heard.take(), lines, "in pieces of {piece}");
        assert!(heard.lines.next_timeout().is_none());
    }
}

#[test]
fn what_stands_without_an_end_is_a_message_after_a_while_and_not_before() {
    let mut heard = Heard::new();
    heard.read(b"hel").pause(QUIET / 2).read(b"lo");
    assert_eq!(heard.lines.next_timeout(), Some(heard.now + QUIET));
    heard.pause(QUIET / 2);
    assert!(heard.take().is_empty());
    assert_eq!(heard.pause(QUIET / 2).take(), ["hello"]);
    assert!(heard.pause(QUIET * 9).take().is_empty());
    assert!(heard.lines.next_timeout().is_none());
}

#[test]
fn a_late_second_half_of_an_end_is_no_line() {
    let mut heard = Heard::new();
    heard.read(b"one\r").pause(QUIET);
    assert_eq!(heard.take(), ["one"]);
    assert_eq!(heard.read(b"\ntwo\n").take(), ["two"]);
    assert_eq!(
        heard.read(b"\r").pause(QUIET).read(b"x\n").take(),
        ["", "x"]
    );
}

#[test]
fn what_stands_at_the_end_of_the_stream_is_the_last_message() {
    assert_eq!(Heard::new().read(b"one\ntwo").end().take(), ["one", "two"]);
    assert_eq!(Heard::new().read(b"one\n").end().take(), ["one"]);
    assert_eq!(Heard::new().read(b"one\r").end().take(), ["one"]);
    assert!(Heard::new().end().take().is_empty());
}

#[test]
fn a_character_that_comes_in_two_pieces_is_one() {
    let mut heard = Heard::new();
    heard.read("a\u{20ac}".as_bytes().split_at(2).0);
    assert_eq!(heard.pause(QUIET).take(), ["a"]);
    heard.read("\u{20ac}".as_bytes().split_at(1).1);
    assert_eq!(heard.pause(QUIET).take(), ["\u{20ac}"]);
    // Its rest never comes.
    heard.read(b"b\xe2\x82").pause(QUIET).pause(QUIET);
    assert_eq!(heard.take(), ["b", "\u{fffd}"]);
}

#[test]
fn what_is_no_utf_8_becomes_a_replacement() {
    for (bytes, text) in [
        (&b"\xff\n"[..], "\u{fffd}"),
        (b"caf\xe9 au lait\n", "caf\u{fffd} au lait"),
        (b"\xc0\xaf\n", "\u{fffd}\u{fffd}"),
        (b"\xed\xa0\x80\n", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\xf0\x9f\x98\n", "\u{fffd}"),
        (b"\x80\x80\x80\x80\n", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
        ("é€😀\n".as_bytes(), "é€😀"),
    ] {
        let read = Heard::new().read(bytes).take();
        assert_eq!(read, [text], "{bytes:?}");
    }
}

#[test]
fn telnet_commands_are_not_heard() {
    let stream = b"\xff\xfd\x03\xff\xfb\x18hel\xff\xf1lo\r\n";
    assert_eq!(Heard::new().read(stream).take(), ["hello"]);
}

#[test]
fn a_stream_without_ends_comes_in_messages_of_a_bounded_size() {
    let mut heard = Heard::new();
    // Three bytes each, so that the bound falls within a character.
    let text = "\u{20ac}".repeat(LONGEST);
    for piece in text.as_bytes().chunks(1000) {
        heard.read(piece);
    }
    heard.end();
    let messages = heard.take();
    assert!(messages.len() >= 3);
    assert!(messages.iter().all(|message| message.len() <= LONGEST));
    assert_eq!(messages.concat(), text);
}

#[test]
fn bytes_of_any_kind_in_pieces_of_any_size_make_nobody_panic() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut dice = |bound: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % bound
    };
    const LIKELY: &[u8] = b"\r\n\0\xff\xfa\xf0\xfb\xe2\x82\xacaP";
    for _ in 0..200 {
        let mut heard = Heard::new();
        heard.read(b"begin\n");
        for _ in 0..50 {
            let length = dice(20);
            let bytes: Vec<u8> = (0..length)
                .map(|_| LIKELY[dice(LIKELY.len() as u64) as usize])
                .collect();
            heard.read(&bytes);
            heard.pause(Duration::from_millis(dice(60)));
        }
        heard.end();
        assert_eq!(heard.lines.messages() as usize, heard.messages.len());
        let ids: Vec<u64> = heard.messages.iter().map(|it| it.id().get()).collect();
        assert!(ids.iter().copied().eq(1..=ids.len() as u64));
    }
}

#[test]
fn whoever_greets_as_ptp_does_is_no_plain_peer() {
    for piece in 1..=8 {
        let mut heard = Heard::new();
        let greeting = b"PTP/1 25519_AESGCM_SHA256\n";
        let mut results = greeting.chunks(piece).map(|bytes| {
            let messages = &mut heard.messages;
            heard.lines.handle_read(heard.now, 0, bytes, messages)
        });
        assert!(results.any(|result| result == Err(SpeaksPtp)), "{piece}");
        assert!(heard.take().is_empty());
    }
    // Also after a pause, but only as the first word.
    let mut heard = Heard::new();
    heard.read(b"PT").pause(QUIET);
    let late = heard
        .lines
        .handle_read(heard.now, 0, b"P/1\n", &mut heard.messages);
    assert_eq!(late, Err(SpeaksPtp));
    assert_eq!(Heard::new().read(b"hi\nPTP/1\n").take(), ["hi", "PTP/1"]);
}

#[test]
fn it_is_written_with_an_lf_first_and_then_as_the_peer_does() {
    let mut heard = Heard::new();
    assert_eq!(heard.lines.end(), LineEnd::Lf);
    for (bytes, end) in [
        (&b"a\r\n"[..], LineEnd::CrLf),
        (b"a\n", LineEnd::Lf),
        (b"a\r\0", LineEnd::CrLf),
        (b"a", LineEnd::Nothing),
    ] {
        heard.read(bytes).pause(QUIET);
        assert_eq!(heard.lines.end(), end);
    }
    for (end, bytes) in [
        (LineEnd::Lf, &b"hi\n"[..]),
        (LineEnd::CrLf, b"hi\r\n"),
        (LineEnd::Nothing, b"hi"),
    ] {
        assert_eq!(written(&mut queue(&["hi"]), end)[0].1, bytes);
    }
    // Nothing at all could not be written.
    assert_eq!(written(&mut queue(&[""]), LineEnd::Nothing)[0].1, b"\n");
}

#[test]
fn messages_are_one_write_each_and_apart() {
    let mut queue = queue(&["one", "two", "three"]);
    assert_eq!(
        written(&mut queue, LineEnd::Nothing),
        [
            (Duration::ZERO, b"one".to_vec()),
            (PAUSE, b"two".to_vec()),
            (PAUSE * 2, b"three".to_vec()),
        ]
    );
    assert_eq!(queue.accepted_and_written(), (3, 3));
}

#[test]
fn a_long_message_goes_in_pieces_that_are_each_valid() {
    for text in ["a", "é", "€", "😀"] {
        for end in [LineEnd::Lf, LineEnd::CrLf, LineEnd::Nothing] {
            for around in 0..12 {
                let long = text.repeat((2 * LARGEST + around) / text.len());
                let pieces = written(&mut queue(&[&long]), end);
                let mut whole = String::new();
                for (_, piece) in &pieces {
                    assert!(piece.len() <= LARGEST);
                    whole.push_str(str::from_utf8(piece).unwrap());
                }
                assert_eq!(whole, long + str::from_utf8(end.bytes()).unwrap());
                assert!(pieces.windows(2).all(|two| two[1].0 - two[0].0 == PAUSE));
            }
        }
    }
}

#[test]
fn the_end_says_what_was_not_written_and_what_was_in_part() {
    let long = "x".repeat(LARGEST * 2);
    let mut queue = queue(&["one", &long, "three"]);
    let mut now = Instant::now();
    for _ in 0..2 {
        now = queue.next_timeout(now).unwrap();
        queue.poll_transmit(now, LineEnd::Lf).unwrap();
        queue.handle_written(now);
    }
    let (unsent, unconfirmed) = queue.finish();
    assert_eq!(unconfirmed.len(), 1);
    assert!(unconfirmed[0] == *long && unconfirmed[0].id().get() == 2);
    assert_eq!(unsent.len(), 1);
    assert!(unsent[0] == *"three" && unsent[0].id().get() == 3);
    assert_eq!(queue.accepted_and_written(), (3, 1));
}

#[test]
fn a_write_that_failed_may_have_arrived() {
    let mut queue = queue(&["one", "two"]);
    queue.poll_transmit(Instant::now(), LineEnd::Lf).unwrap();
    let (unsent, unconfirmed) = queue.finish();
    assert!(unconfirmed[0] == *"one" && unsent[0] == *"two");
}

#[test]
fn the_queue_is_bounded_by_messages_and_by_bytes() {
    let mut few = Queue::new(Credit {
        messages: 2,
        ..WINDOW
    });
    let mut small = Queue::new(Credit { bytes: 4, ..WINDOW });
    for queue in [&mut few, &mut small] {
        queue.accept("abc", 0);
        assert!(queue.has_room());
        queue.accept("de", 0);
        assert!(!queue.has_room());
        let now = Instant::now();
        queue.poll_transmit(now, LineEnd::Lf).unwrap();
        queue.handle_written(now);
        assert!(queue.has_room());
    }
}
