//! `send_all` and batches where something comes in between: an end, a panic, a broken connection, a
//! line that takes nothing.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails its test"
)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use ptp_core::{Config, End, Event, Message, SendError, Sender, Session, TrySendError};
use support::network::{Network, network_with};
use support::{Dice, Line, PATIENCE, eventually, ids, messages, next, pair_with, timed, window};

const LINES: [Line; 3] = [
    Line::Memory(1_000),
    Line::Memory(64 * 1024),
    Line::Tcp("127.0.0.1"),
];

/// What comes together is one event.
fn batches(mut config: Config) -> Config {
    config.batches = true;
    config
}

/// Takes everything up to the end.
fn take_all(session: &Session) -> (Vec<Message>, Box<End>) {
    let mut messages = Vec::new();
    loop {
        match next(session) {
            Some(Event::Received(message)) => messages.push(message),
            Some(Event::Batch(batch)) => messages.extend(*batch),
            Some(Event::Interrupted(_) | Event::Resumed(_)) => {}
            Some(Event::Disconnected(end)) => {
                assert!(next(session).is_none(), "an event behind the last");
                return (messages, end);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The number that a body of `name`'s begins with.
fn number_of(name: u8, body: &[u8]) -> Option<u64> {
    let rest = body.strip_prefix(&[name])?;
    Some(u64::from_be_bytes(rest[..8].try_into().unwrap()))
}

/// Message `number` of `name`, of a size that is treated differently now and then.
fn body(name: u8, number: u64, dice: &mut Dice) -> Vec<u8> {
    let size = match dice.below(60) {
        0 => 16_383,
        1 => 16_384,
        2 => 65_537,
        _ => 9 + dice.below(100) as usize,
    };
    let mut body = vec![name];
    body.extend(number.to_be_bytes());
    body.resize(size, number as u8);
    body
}

/// Sends until nothing more is accepted; returns how many were.
fn send_on(sender: &Sender, name: u8, together: u64) -> u64 {
    let mut dice = Dice::new(u64::from(name));
    let mut accepted = 0;
    loop {
        let some: Vec<Vec<u8>> = (accepted..accepted + together)
            .map(|number| body(name, number, &mut dice))
            .collect();
        match sender.send_all(&some) {
            Ok(_) => accepted += together,
            Err(error) => {
                assert_eq!(error.cause, SendError::Disconnected(()));
                return accepted + error.accepted as u64;
            }
        }
    }
}

/// Sees to it that `found` are all that the threads sent, each in its order.
fn assert_all<'a>(found: impl Iterator<Item = &'a Message> + Clone, accepted: &[(u8, u64)]) {
    for (name, accepted) in accepted {
        let numbers = found
            .clone()
            .filter_map(|message| number_of(*name, message.as_bytes()));
        assert!(numbers.eq(0..*accepted), "{}", char::from(*name));
    }
    let all: u64 = accepted.iter().map(|(_, accepted)| accepted).sum();
    assert_eq!(found.count() as u64, all);
}

/// Three threads send in their ways until `end` is called, when so many messages were taken.
fn race(
    ana: &Session,
    ben: &Session,
    count: usize,
    end: impl FnOnce(),
) -> (Vec<Message>, Box<End>) {
    let ways = [(b'a', 1), (b'b', 40), (b'c', 3_000)];
    thread::scope(|scope| {
        let sending = ways.map(|(name, together)| {
            let sender = ana.sender();
            scope.spawn(move || (name, send_on(&sender, name, together)))
        });
        let mut heard = Vec::new();
        while heard.len() < count {
            match next(ben) {
                Some(Event::Batch(batch)) => heard.extend(*batch),
                other => panic!("{other:?}"),
            }
        }
        end();
        let (more, _) = take_all(ben);
        heard.extend(more);
        let accepted = sending.map(|thread| thread.join().unwrap());
        let (none, end) = take_all(ana);
        assert!(none.is_empty());
        assert!(ids(&heard).iter().copied().eq(1..=heard.len() as u64));
        let first = end.unconfirmed.first().or(end.unsent.first());
        let acked = first.map_or(ana.stats().sent, |message| message.id().get() - 1);
        assert!(acked <= heard.len() as u64);
        let unacked = end.unconfirmed.iter().chain(&end.unsent);
        assert_all(heard[..acked as usize].iter().chain(unacked), &accepted);
        (heard, end)
    })
}

#[test]
fn whoever_sends_while_the_session_is_closed_knows_what_was_accepted() {
    for line in LINES {
        for narrow in [window(3), window(500), Config::open()] {
            let (ana, ben) = pair_with(line, &narrow, &batches(narrow.clone()));
            let (_, end) = race(&ana, &ben, 2_000, || {
                ana.finish();
                ben.finish();
            });
            assert!(end.unsent.is_empty() && end.unconfirmed.is_empty());
        }
    }
}

#[test]
fn whoever_sends_while_the_session_is_given_up_is_handed_back_the_rest() {
    for line in LINES {
        for narrow in [window(3), window(500), Config::open()] {
            let (ana, ben) = pair_with(line, &narrow, &batches(narrow.clone()));
            let (heard, end) = race(&ana, &ben, 2_000, || ana.abort());
            // What was surely not sent did not come.
            let unsent = end.unsent.first().map(|message| message.id().get());
            assert!(unsent.is_none_or(|first| first > heard.len() as u64));
        }
    }
}

#[test]
fn an_iterator_that_panics_takes_only_its_own_with_it() {
    for line in LINES {
        let (ana, ben) = pair_with(line, &Config::open(), &Config::open());
        let sender = ana.sender();
        for (good, accepted) in [(3, 0..=0), (100_000, 1..=99_999)] {
            let before = ana.stats().sent;
            let panicked = thread::scope(|scope| {
                let hearing = scope.spawn(|| {
                    let mut heard = Vec::new();
                    loop {
                        match next(&ben) {
                            Some(Event::Received(message)) if message == "over" => return heard,
                            Some(Event::Received(message)) => heard.push(message),
                            other => panic!("{other:?}"),
                        }
                    }
                });
                let some = (0..).map(|number| {
                    assert!(number < good, "on purpose");
                    "0123456789"
                });
                let panicked = catch_unwind(AssertUnwindSafe(|| sender.send_all(some)));
                let sent = ana.stats().sent - before;
                assert!(accepted.contains(&sent), "{sent}");
                assert_eq!(sender.send("over").unwrap().get(), before + sent + 1);
                assert_eq!(hearing.join().unwrap().len() as u64, sent);
                panicked
            });
            assert!(panicked.is_err());
        }
        sender.flush(PATIENCE).unwrap();
    }
}

#[test]
fn an_iterator_that_ends_the_session_is_told_so() {
    type Act = fn(Session) -> Option<Session>;
    let ways: [Act; 3] = [
        |session| {
            session.finish();
            Some(session)
        },
        |session| {
            session.abort();
            Some(session)
        },
        |session| {
            drop(session);
            None
        },
    ];
    for line in LINES {
        for way in ways {
            let (ana, ben) = pair_with(line, &window(50), &Config::open());
            let sender = ana.sender();
            let (mut ana, mut kept) = (Some(ana), None);
            let some = (0..1_000).map(|number| {
                if number == 500 {
                    kept = ana.take().and_then(way);
                }
                "gathered"
            });
            let error = sender.send_all(some).unwrap_err();
            assert_eq!(
                (error.accepted, error.cause),
                (0, SendError::Disconnected(()))
            );
            drop(kept);
            let (heard, _) = take_all(&ben);
            assert!(heard.is_empty());
        }
    }
}

#[test]
fn the_tiniest_windows_let_all_pass_empty_ones_too() {
    for confirm in [false, true] {
        for line in [Line::Memory(10), Line::Slices, Line::Tcp("127.0.0.1")] {
            for (count, bytes) in [(1, 1), (1, 1_000), (1_000, 1), (2, 3)] {
                let mut config = batches(window(count));
                config.window_bytes = bytes;
                config.confirm = confirm;
                let (ana, ben) = pair_with(line, &config, &config);
                let texts = ["", "", "x", "", "yz", "", "", "a longer one", ""].repeat(4);
                thread::scope(|scope| {
                    let sending = scope.spawn(|| ana.sender().send_all(&texts));
                    let mut heard = Vec::new();
                    while heard.len() < texts.len() {
                        assert!(ben.stats().taken + count >= heard.len() as u64);
                        match next(&ben) {
                            Some(Event::Batch(batch)) => {
                                assert!(batch.len() as u64 <= count);
                                ben.confirm(batch.last_id());
                                heard.extend(*batch);
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                    assert!(
                        heard
                            .iter()
                            .map(|it| it.as_text().unwrap())
                            .eq(texts.iter().copied())
                    );
                    sending.join().unwrap().unwrap();
                });
                ana.sender().flush(PATIENCE).unwrap();
                eventually("all is taken", || ben.stats().taken == texts.len() as u64);
            }
        }
    }
}

/// How the line is spoiled, again and again.
fn spoil(network: &Network, dice: &mut Dice) {
    let at = dice.below(40_000);
    match dice.below(5) {
        0 => network.proxy.reset(),
        1 => network.proxy.there().cut_at(at),
        2 => network.proxy.back().cut_at(at / 100),
        3 => network.proxy.there().corrupt(at),
        _ => network.proxy.slice(Some(1 + dice.below(5_000) as usize)),
    }
}

#[test]
fn chunks_that_are_partly_taken_survive_any_number_of_connections() {
    const EACH: u64 = 6_000;
    for (seed, narrow) in [(1, window(37)), (2, window(2_000)), (3, Config::open())] {
        let mut dice = Dice::new(seed);
        let narrow = batches(narrow);
        let network = network_with(&narrow, &narrow);
        let (ana, ben) = (&network.ana, &network.ben);
        thread::scope(|scope| {
            for (name, together) in [(b'a', 700), (b'b', 1)] {
                let sender = ana.sender();
                scope.spawn(move || {
                    let mut dice = Dice::new(u64::from(name));
                    let all: Vec<_> = (0..EACH).map(|it| body(name, it, &mut dice)).collect();
                    for some in all.chunks(together) {
                        sender.send_all(some).unwrap();
                    }
                });
            }
            let mut heard = Vec::new();
            let mut spoiled = 0;
            while heard.len() < 2 * EACH as usize {
                if heard.len() / 600 > spoiled {
                    spoiled = heard.len() / 600;
                    spoil(&network, &mut dice);
                }
                match next(ben) {
                    Some(Event::Batch(batch)) => heard.extend(*batch),
                    Some(Event::Interrupted(_) | Event::Resumed(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
            assert!(ids(&heard).iter().copied().eq(1..=2 * EACH));
            assert_all(heard.iter(), &[(b'a', EACH), (b'b', EACH)]);
        });
        ana.sender().flush(PATIENCE).unwrap();
    }
}

#[test]
fn whoever_never_waits_does_not_wait_for_a_line_that_takes_nothing() {
    let config = Config::open();
    let network = network_with(&config, &config);
    network.proxy.stall();
    let sender = network.ana.sender();
    let body = [7; 4_000];
    let (accepted, time) = timed(|| {
        let mut accepted = 0;
        while sender.try_send(&body).is_ok() {
            accepted += 1;
        }
        accepted
    });
    assert_eq!(accepted, config.window_bytes.div_ceil(4_000));
    assert!(time < PATIENCE, "{time:?}");
    let full = sender.send_timeout(&body, Duration::from_millis(1));
    assert!(matches!(full, Err(TrySendError::Full(()))));
    network.proxy.heal();
    let heard = messages(&network.ben, accepted as usize);
    assert!(heard.iter().all(|message| message.as_bytes() == body));
    sender.flush(PATIENCE).unwrap();
}

#[test]
fn clones_of_the_channel_share_the_batches() {
    let (ana, ben) = pair_with(
        Line::Tcp("127.0.0.1"),
        &window(1_000),
        &batches(Config::open()),
    );
    let texts: Vec<String> = (0..50_000).map(|number| number.to_string()).collect();
    let mut heard: Vec<u64> = thread::scope(|scope| {
        let takers = [(); 3].map(|()| {
            let events = ben.events().clone();
            scope.spawn(move || {
                let mut heard = Vec::new();
                for event in events {
                    match event {
                        Event::Batch(batch) => heard.extend(batch.iter().map(|it| it.id().get())),
                        Event::Disconnected(_) => {}
                        other => panic!("{other:?}"),
                    }
                }
                heard
            })
        });
        ana.sender().send_all(&texts).unwrap();
        ana.sender().flush(PATIENCE).unwrap();
        assert_eq!(ben.stats().taken, 50_000);
        ana.finish();
        takers
            .into_iter()
            .flat_map(|taker| taker.join().unwrap())
            .collect()
    });
    heard.sort_unstable();
    assert!(heard.into_iter().eq(1..=50_000));
}

#[test]
fn one_that_is_not_confirmed_leaves_the_others_room() {
    for line in LINES {
        let (mut narrow, mut confirm) = (Config::open(), Config::open());
        (narrow.window_bytes, confirm.confirm) = (100, true);
        let (ana, ben) = pair_with(line, &narrow, &confirm);
        ana.sender().send_all(["0123456789"; 10]).unwrap();
        let heard = messages(&ben, 10);
        ben.confirm(heard[8].id());
        let next = ana.sender().send_timeout("next", PATIENCE);
        assert_eq!(next.unwrap().get(), 11);
    }
}
