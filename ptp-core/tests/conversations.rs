//! The same conversations over every kind of line.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{select, unbounded};
use ptp_core::{Config, Event, Identity, MessageKind, Secret, SendError};
use support::{Dice, Line, PATIENCE, ids, message, messages, pair, pair_with, rest};

const MIB: usize = 1024 * 1024;

/// Runs each conversation over each line.
macro_rules! over_lines {
    ($($line:ident: $kind:expr => $conversations:tt)*) => {
        $(mod $line {
            use super::*;
            over_lines!(@tests $kind, $conversations);
        })*
    };
    (@tests $kind:expr, [$($name:ident)*]) => {
        $(#[test]
        fn $name() {
            super::$name($kind);
        })*
    };
}

macro_rules! conversations {
    (small: $small:tt, large: $large:tt) => {
        over_lines! {
            over_one_byte_of_memory: Line::Memory(1) => $small
            over_64_bytes_of_memory: Line::Memory(64) => $small
            over_single_bytes: Line::Slices => $small
            over_memory: Line::Memory(64 * 1024) => $small
            over_tcp_4: Line::Tcp("127.0.0.1") => $small
            over_tcp_6: Line::Tcp("[::1]") => $small
            over_tcp_by_name: Line::Tcp("localhost") => $small
            much_over_memory: Line::Memory(64 * 1024) => $large
            much_in_pieces: Line::Pieces => $large
            much_over_tcp_4: Line::Tcp("127.0.0.1") => $large
            much_over_tcp_6: Line::Tcp("[::1]") => $large
        }
    };
}

conversations! {
    small: [
        messages_arrive_as_they_were_sent
        both_sides_know_each_other
        messages_are_numbered_from_one_in_each_direction
        a_message_bears_the_time_of_its_sender
        events_can_be_selected_with_other_channels
        statistics_count_what_was_sent_and_taken
    ],
    large: [
        the_largest_message_arrives_and_a_larger_one_is_handed_back
        each_thread_keeps_the_order_of_its_messages
        messages_of_all_sizes_keep_their_order
        many_small_messages_keep_their_order_in_both_directions
    ]
}

fn messages_arrive_as_they_were_sent(line: Line) {
    let (ana, ben) = pair(line);
    let sender = ana.sender();
    sender.send("grüß dich").unwrap();
    sender.send(String::new()).unwrap();
    sender.send(&[0, 159, 146, 150]).unwrap();
    sender.send(Vec::new()).unwrap();
    sender.send(vec![b'x'; 3_000]).unwrap();
    sender.send(Secret("the treasure".into())).unwrap();
    let got = messages(&ben, 6);
    assert_eq!(got[0], "grüß dich");
    assert_eq!(got[0].as_text(), Some("grüß dich"));
    assert_eq!(
        (got[1].kind(), got[1].as_bytes()),
        (MessageKind::Text, &b""[..])
    );
    assert_eq!(
        (got[2].kind(), got[2].as_text()),
        (MessageKind::Binary, None)
    );
    assert_eq!(got[2].as_bytes(), [0, 159, 146, 150]);
    assert_eq!(
        (got[3].kind(), got[3].as_bytes()),
        (MessageKind::Binary, &b""[..])
    );
    assert_eq!(got[4].as_bytes(), [b'x'; 3_000]);
    assert_eq!(got[5].kind(), MessageKind::Secret);
    assert_eq!(got[5].as_text(), Some("the treasure"));
    // A message that was received can be passed on as it is.
    ben.sender().send(got[0].clone()).unwrap();
    ben.sender().send(got[2].clone()).unwrap();
    ben.sender().send(got[5].clone()).unwrap();
    let back = messages(&ana, 3);
    assert_eq!(back[0], "grüß dich");
    assert_eq!(back[1].kind(), MessageKind::Binary);
    assert_eq!(back[2].kind(), MessageKind::Secret);
}

fn both_sides_know_each_other(line: Line) {
    let (mut dialler, mut listener) = (Config::open(), Config::open());
    dialler.name = "Ana".to_owned();
    dialler.identity = Some(Identity::generate().unwrap());
    // 65 bytes: the last character does not fit, and is not cut in two.
    listener.name = format!("{}é", "b".repeat(63));
    let (ana, ben) = pair_with(line, &dialler, &listener);
    assert_eq!(ben.peer().name(), "Ana");
    assert_eq!(ana.peer().name(), "b".repeat(63));
    assert_eq!(ana.peer().public_key(), Some(ben.local_key()));
    assert_eq!(ben.peer().public_key(), Some(ana.local_key()));
    assert_eq!(
        Some(ana.local_key()),
        dialler.identity.map(|key| key.public_key())
    );
    assert_eq!(ana.channel_binding(), ben.channel_binding());
    assert!(ana.channel_binding().is_some_and(|hash| hash != [0; 32]));
    let both = [ana.peer().address(), ben.peer().address()];
    match line {
        Line::Tcp("[::1]") => assert!(both.iter().all(|at| at.is_some_and(|at| at.is_ipv6()))),
        Line::Tcp("127.0.0.1") => assert!(both.iter().all(|at| at.is_some_and(|at| at.is_ipv4()))),
        Line::Tcp(_) => assert!(both.iter().all(|at| at.as_ref().is_some_and(is_loopback))),
        _ => assert_eq!(both, [None, None]),
    }
}

fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().is_loopback()
}

fn messages_are_numbered_from_one_in_each_direction(line: Line) {
    let (ana, ben) = pair(line);
    for round in 1..=20 {
        assert_eq!(ana.sender().send("there").unwrap().get(), round);
        assert_eq!(message(&ben).id().get(), round);
        assert_eq!(ben.sender().send("back").unwrap().get(), round);
        assert_eq!(message(&ana).id().get(), round);
    }
    assert_eq!(ana.sender().clone().send("more").unwrap().get(), 21);
}

fn a_message_bears_the_time_of_its_sender(line: Line) {
    let (ana, ben) = pair(line);
    let slack = Duration::from_millis(2);
    let before = SystemTime::now() - slack;
    ana.sender().send("now").unwrap();
    let sent_at = message(&ben).sent_at();
    assert!(
        before <= sent_at && sent_at <= SystemTime::now() + slack,
        "{sent_at:?}"
    );
}

fn events_can_be_selected_with_other_channels(line: Line) {
    let (ana, ben) = pair(line);
    let (ticks, ticker) = unbounded();
    ticks.send(7).unwrap();
    ana.sender().send("hi").unwrap();
    let (mut ticked, mut heard) = (0, 0);
    while ticked + heard < 2 {
        select! {
            recv(ticker) -> tick => ticked += usize::from(tick == Ok(7)),
            recv(ben.events()) -> event => match event {
                Ok(Event::Received(message)) => heard += usize::from(message == "hi"),
                other => panic!("{other:?}"),
            },
            default(PATIENCE) => panic!("nothing happens"),
        }
    }
    assert_eq!((ticked, heard), (1, 1));
    drop(ana);
    select! {
        recv(ben.events()) -> event => assert!(matches!(event, Ok(Event::Disconnected(_)))),
        default(PATIENCE) => panic!("no end"),
    }
}

fn statistics_count_what_was_sent_and_taken(line: Line) {
    let (ana, ben) = pair(line);
    for _ in 0..3 {
        ana.sender().send("hi").unwrap();
    }
    assert_eq!((ana.stats().sent, ana.stats().unacknowledged), (3, 3));
    messages(&ben, 3);
    ana.sender().flush(PATIENCE).unwrap();
    assert_eq!((ana.stats().sent, ana.stats().unacknowledged), (3, 0));
    assert_eq!((ben.stats().sent, ben.stats().taken), (0, 3));
}

fn the_largest_message_arrives_and_a_larger_one_is_handed_back(line: Line) {
    let (ana, ben) = pair(line);
    let mut largest = vec![0; 16 * MIB];
    let mut dice = Dice::new(1);
    for place in largest.iter_mut().step_by(997) {
        *place = dice.below(256) as u8;
    }
    assert_eq!(ana.max_message(), 16 * MIB as u64);
    let too_large = [&largest[..], b"x"].concat();
    match ana.sender().send(too_large) {
        Err(SendError::TooLarge { message, limit }) => {
            assert_eq!((message.len(), limit), (16 * MIB + 1, 16 * MIB as u64));
        }
        other => panic!("{other:?}"),
    }
    ana.sender().send(largest.clone()).unwrap();
    let got = message(&ben);
    assert!(got.as_bytes() == largest, "it was changed");
    ana.sender().send("behind it").unwrap();
    assert_eq!(message(&ben), "behind it");
}

fn each_thread_keeps_the_order_of_its_messages(line: Line) {
    const THREADS: u64 = 8;
    const EACH: u64 = 500;
    let (ana, ben) = pair(line);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let sender = ana.sender();
            scope.spawn(move || {
                for count in 0..EACH {
                    sender.send(format!("{number} {count}")).unwrap();
                }
            });
        }
        let got = messages(&ben, (THREADS * EACH) as usize);
        assert_eq!(ids(&got), (1..=THREADS * EACH).collect::<Vec<_>>());
        let mut next = HashMap::<u64, u64>::new();
        for message in &got {
            let (thread, count) = message.as_text().unwrap().split_once(' ').unwrap();
            let expected = next.entry(thread.parse().unwrap()).or_default();
            assert_eq!(
                count.parse::<u64>().unwrap(),
                *expected,
                "of thread {thread}"
            );
            *expected += 1;
        }
    });
}

fn messages_of_all_sizes_keep_their_order(line: Line) {
    let (ana, ben) = pair(line);
    let mut sizes = vec![
        0, 1, 127, 128, 16_383, 16_384, 16_385, 65_519, 65_535, 65_536, 65_537,
    ];
    let mut dice = Dice::new(2);
    sizes.extend((0..150).map(|_| dice.below(3) * dice.below(80_000)));
    let sent = sizes.clone();
    let sending = thread::spawn(move || {
        for (number, size) in (1..).zip(sent) {
            ana.sender().send(body(number, size)).unwrap();
        }
        ana.sender().flush(PATIENCE).unwrap();
        ana
    });
    for (number, size) in (1..).zip(sizes) {
        let got = message(&ben);
        assert_eq!(got.id().get(), number);
        assert!(
            got.as_bytes() == body(number, size),
            "message {number} of {size} bytes"
        );
    }
    drop(sending.join().unwrap());
    assert!(rest(&ben).0.is_empty());
}

/// A body that no other message has.
fn body(number: u64, size: u64) -> Vec<u8> {
    (0..size).map(|at| (at / 251 + at + number) as u8).collect()
}

fn many_small_messages_keep_their_order_in_both_directions(line: Line) {
    const COUNT: u64 = 20_000;
    let (ana, ben) = pair(line);
    thread::scope(|scope| {
        for session in [&ana, &ben] {
            scope.spawn(move || {
                for number in 1..=COUNT {
                    session.sender().send(&number.to_be_bytes()).unwrap();
                }
            });
            scope.spawn(move || {
                for number in 1..=COUNT {
                    assert_eq!(message(session).as_bytes(), number.to_be_bytes());
                }
            });
        }
    });
}
