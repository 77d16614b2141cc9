//! Many messages at once: `send_all`, and batches in the event channel.

#![expect(clippy::panic, reason = "a helper that fails fails its test")]

mod support;

use std::error::Error;
use std::thread;
use std::time::Duration;

use ptp_core::{
    Batch, Config, Event, FlushError, Message, MessageKind, Reason, Secret, SendAllError,
    SendError, Session,
};
use support::network::{network, resumed};
use support::{
    Dice, Line, PATIENCE, end, eventually, messages, next, pair, pair_with, rest, window,
};

const LINES: [Line; 5] = [
    Line::Memory(1_000),
    Line::Memory(64 * 1024),
    Line::Slices,
    Line::Tcp("127.0.0.1"),
    Line::Tcp("[::1]"),
];

/// What comes together is one event.
fn batches() -> Config {
    let mut config = Config::open();
    config.batches = true;
    config
}

fn batch(session: &Session) -> Box<Batch> {
    match next(session) {
        Some(Event::Batch(batch)) => batch,
        other => panic!("no batch but {other:?}"),
    }
}

/// Takes batches until so many messages came.
fn take(session: &Session, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.len() < count {
        messages.extend(*batch(session));
    }
    messages
}

/// What is said to be sent, of all sizes that are treated differently.
fn bodies(dice: &mut Dice, count: usize) -> Vec<Vec<u8>> {
    let edges = [
        0, 1, 127, 128, 16_383, 16_384, 16_385, 65_536, 65_537, 300_000,
    ];
    (0..count)
        .map(|number| {
            let size = match dice.below(20) {
                0 => edges[dice.below(edges.len() as u64) as usize],
                _ => dice.below(200) as usize,
            };
            vec![number as u8; size]
        })
        .collect()
}

#[test]
fn all_sizes_arrive_once_and_in_order_whoever_gathers() {
    for (seed, line) in LINES.into_iter().enumerate() {
        let count = if matches!(line, Line::Slices) {
            60
        } else {
            2_000
        };
        let bodies = bodies(&mut Dice::new(seed as u64), count);
        let (ana, ben) = pair_with(line, &Config::open(), &batches());
        thread::scope(|scope| {
            let heard = scope.spawn(|| take(&ben, count));
            let last = ana.sender().send_all(&bodies).unwrap();
            assert_eq!(last.unwrap().get(), count as u64);
            let heard = heard.join().unwrap();
            assert!(heard.iter().map(Message::as_bytes).eq(&bodies));
            assert!(heard.iter().map(|it| it.id().get()).eq(1..=count as u64));
        });
        ana.sender().flush(PATIENCE).unwrap();
        // The other way round, one by one.
        thread::scope(|scope| {
            let heard = scope.spawn(|| messages(&ana, count));
            ben.sender().send_all(&bodies).unwrap();
            assert!(
                heard
                    .join()
                    .unwrap()
                    .iter()
                    .map(Message::as_bytes)
                    .eq(&bodies)
            );
        });
    }
}

#[test]
fn a_lent_message_is_what_the_message_is() {
    let (ana, ben) = pair_with(Line::Tcp("127.0.0.1"), &Config::open(), &batches());
    let texts = ["", "hi", "two words"];
    ana.sender().send_all(texts).unwrap();
    let mut heard = 0;
    while heard < texts.len() {
        let batch = batch(&ben);
        assert_eq!(batch.iter().len(), batch.len());
        for (lent, place) in batch.iter().zip(heard..) {
            assert_eq!(lent.as_text(), Some(texts[place]));
            assert_eq!(lent.id().get(), place as u64 + 1);
            assert_eq!(lent.kind(), MessageKind::Text);
        }
        heard += batch.len();
        assert_eq!(batch.last_id().get(), heard as u64);
        let shown = format!("{batch:?} {:?}", batch.iter().next());
        assert!(!shown.contains("words"), "{shown}");
        // It can go on to somebody else as it is.
        ben.sender().send_all(&*batch).unwrap();
        let sent_at: Vec<_> = batch.iter().map(|lent| lent.sent_at()).collect();
        let owned = batch.into_iter().map(|message| message.sent_at());
        assert!(owned.eq(sent_at));
    }
    let back = messages(&ana, texts.len());
    assert!(back.iter().map(Message::as_text).eq(texts.map(Some)));
}

#[test]
fn a_secret_that_is_passed_on_in_its_batch_stays_one() {
    let (ana, ben) = pair_with(Line::Memory(1_000), &Config::open(), &batches());
    ana.sender().send("known").unwrap();
    ana.sender().send(Secret("hidden".into())).unwrap();
    let mut passed = 0;
    while passed < 2 {
        match next(&ben) {
            Some(Event::Batch(batch)) => {
                assert!(!format!("{batch:?} {:?}", batch.iter().last()).contains("hidden"));
                ben.sender().send_all(&*batch).unwrap();
                passed += batch.len();
            }
            other => panic!("{other:?}"),
        }
    }
    let back = messages(&ana, 2);
    let kinds = back.iter().map(Message::kind);
    assert!(kinds.eq([MessageKind::Text, MessageKind::Secret]));
}

#[test]
fn a_batch_is_delivered_when_it_is_taken_and_not_before() {
    for line in LINES {
        let (ana, ben) = pair_with(line, &Config::open(), &batches());
        ana.sender().send_all(["one", "two", "three"]).unwrap();
        eventually("all came", || {
            ben.stats().taken == 0 && !ben.events().is_empty()
        });
        let flushed = ana.sender().flush(Duration::from_millis(100));
        assert!(matches!(flushed, Err(FlushError::TimedOut)), "{flushed:?}");
        take(&ben, 3);
        ana.sender().flush(PATIENCE).unwrap();
        assert_eq!(ben.stats().taken, 3);
    }
}

#[test]
fn with_batches_too_an_application_may_say_itself_what_it_is_done_with() {
    let mut config = batches();
    config.confirm = true;
    for line in LINES {
        let (ana, ben) = pair_with(line, &Config::open(), &config);
        ana.sender().send_all(["one", "two", "three"]).unwrap();
        let heard = take(&ben, 3);
        ben.confirm(heard[1].id());
        let Ok(Event::Delivered { up_to }) = ana.events().recv_timeout(PATIENCE) else {
            panic!("not delivered");
        };
        assert_eq!(up_to.get(), 2);
        ana.finish();
        // A close confirms what it returns, and nothing more.
        let report = ben.close(Duration::from_millis(100));
        assert!(report.unread.is_empty());
        let end = end(&ana);
        assert_eq!(end.unconfirmed.len(), 1, "{:?}", end.reason);
    }
}

#[test]
fn what_is_unread_at_a_close_is_returned() {
    for line in LINES {
        let (ana, ben) = pair_with(line, &Config::open(), &batches());
        let numbers: Vec<String> = (0..500).map(|number| number.to_string()).collect();
        ana.sender().send_all(&numbers).unwrap();
        ana.finish();
        let report = ben.close(PATIENCE);
        assert!(
            report
                .unread
                .iter()
                .map(|it| it.as_text().unwrap())
                .eq(&numbers)
        );
        let end = end(&ana);
        assert!(end.unconfirmed.is_empty() && end.unsent.is_empty());
    }
}

#[test]
fn more_than_the_window_waits_for_the_peer() {
    for line in LINES {
        let mut narrow = window(7);
        narrow.window_bytes = 100;
        narrow.batches = true;
        let (ana, ben) = pair_with(line, &narrow, &narrow);
        let texts: Vec<String> = (0..100).map(|number| "x".repeat(number % 30)).collect();
        thread::scope(|scope| {
            let sending = scope.spawn(|| ana.sender().send_all(&texts));
            let heard = take(&ben, texts.len());
            assert!(heard.iter().map(|it| it.as_text().unwrap()).eq(&texts));
            assert_eq!(sending.join().unwrap().unwrap().unwrap().get(), 100);
        });
    }
}

#[test]
fn none_is_none() {
    let (ana, ben) = pair(Line::Memory(1_000));
    assert_eq!(ana.sender().send_all([""; 0]), Ok(None));
    assert_eq!(ana.stats().sent, 0);
    drop(ben);
}

#[test]
fn one_that_is_too_large_stops_those_behind_it() {
    let mut small = Config::open();
    small.max_message = 10;
    for line in LINES {
        let (ana, ben) = pair_with(line, &Config::open(), &small);
        let error = ana
            .sender()
            .send_all(["one", "two", "eleven chars", "three"]);
        let cause = SendError::TooLarge {
            message: (),
            limit: 10,
        };
        let error = error.unwrap_err();
        assert_eq!((error.accepted, error.cause), (2, cause));
        assert_eq!(error.source().unwrap().to_string(), cause.to_string());
        assert_eq!(ana.sender().send("four").unwrap().get(), 3);
        let heard = messages(&ben, 3);
        assert!(
            heard
                .iter()
                .map(|it| it.as_text().unwrap())
                .eq(["one", "two", "four"])
        );
    }
}

#[test]
fn whoever_waits_for_room_learns_of_the_end_and_how_many_were_accepted() {
    for line in LINES {
        let (ana, ben) = pair_with(line, &window(5), &Config::open());
        let sender = ana.sender();
        let waiting = thread::spawn(move || sender.send_all(vec!["x"; 1_000]));
        eventually("the window is full", || ana.stats().unacknowledged == 5);
        ben.abort();
        let (heard, end) = rest(&ana);
        assert!(heard.is_empty());
        let SendAllError {
            accepted, cause, ..
        } = waiting.join().unwrap().unwrap_err();
        assert_eq!((accepted, cause), (5, SendError::Disconnected(())));
        // Each that was accepted is accounted for.
        assert_eq!(end.unsent.len() + end.unconfirmed.len(), 5);
        let late = ana.sender().send_all(["late"]).unwrap_err();
        assert_eq!(
            (late.accepted, late.cause),
            (0, SendError::Disconnected(()))
        );
    }
}

#[test]
fn an_iterator_may_itself_use_the_session() {
    let (ana, ben) = pair(Line::Tcp("127.0.0.1"));
    let sender = ana.sender();
    let asking = (1..=3).map(|_| {
        sender.send("meanwhile").unwrap();
        assert!(!ana.has_ended());
        "gathered"
    });
    assert_eq!(sender.send_all(asking).unwrap().unwrap().get(), 6);
    let heard = messages(&ben, 6);
    let texts: Vec<&str> = heard.iter().map(|it| it.as_text().unwrap()).collect();
    assert_eq!(texts[..3], ["meanwhile"; 3]);
    assert_eq!(texts[3..], ["gathered"; 3]);
}

#[test]
fn several_threads_keep_each_their_order() {
    const EACH: usize = 20_000;
    let (ana, ben) = pair_with(Line::Tcp("127.0.0.1"), &Config::open(), &batches());
    thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let sender = ana.sender();
            scope.spawn(move || {
                let texts = (0..EACH).map(|number| format!("{name} {number}"));
                let texts: Vec<String> = texts.collect();
                for some in texts.chunks(700) {
                    sender.send_all(some).unwrap();
                }
            });
        }
        let heard = take(&ben, 3 * EACH);
        for name in ["a", "b", "c"] {
            let own = heard
                .iter()
                .filter_map(|it| it.as_text()?.strip_prefix(name));
            assert!(
                own.map(|it| it.trim().parse::<usize>().unwrap())
                    .eq(0..EACH)
            );
        }
    });
}

#[test]
fn nothing_is_lost_or_doubled_across_connections() {
    let network = network(&batches());
    let (ana, ben) = (&network.ana, &network.ben);
    let mut said = 0;
    for round in 0..5 {
        let texts: Vec<String> = (0..3_000).map(|it| (said + it).to_string()).collect();
        said += texts.len();
        ana.sender().send_all(&texts).unwrap();
        if round < 4 {
            network.proxy.reset();
        }
    }
    let mut heard = 0;
    while heard < said {
        match next(ben) {
            Some(Event::Batch(batch)) => {
                for message in &*batch {
                    assert_eq!(message.as_text(), Some(heard.to_string().as_str()));
                    heard += 1;
                    assert_eq!(message.id().get(), heard as u64);
                }
            }
            Some(Event::Interrupted(_) | Event::Resumed(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    ana.sender().flush(PATIENCE).unwrap();
}

#[test]
fn a_peer_that_comes_back_is_told_of_among_batches() {
    let network = network(&batches());
    let (ana, ben) = (&network.ana, &network.ben);
    ana.sender().send_all(["one", "two"]).unwrap();
    take(ben, 2);
    network.interrupt();
    network.heal();
    resumed(ben);
    ana.sender().send_all(["three"]).unwrap();
    assert_eq!(take(ben, 1)[0], "three");
    ana.finish();
    assert_eq!(end(ben).reason, Reason::ClosedByPeer);
}
