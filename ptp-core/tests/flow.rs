//! What may be on the way: full windows, blocked senders, flush.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use ptp_core::{Config, FlushError, SendError, Session, TrySendError, transport};
use support::{
    Line, PATIENCE, eventually, impatient, message, messages, pair, pair_over, pair_with, rest,
    timed, window,
};

const LINES: [Line; 4] = [
    Line::Memory(1),
    Line::Memory(64 * 1024),
    Line::Tcp("127.0.0.1"),
    Line::Tcp("[::1]"),
];
const SHORT: Duration = Duration::from_millis(30);

/// Sends until nothing more is taken; returns how many were accepted.
fn fill(session: &Session, body: &[u8]) -> usize {
    (0..)
        .find(|_| match session.sender().try_send(body) {
            Ok(_) => false,
            Err(TrySendError::Full(())) => true,
            Err(other) => panic!("{other:?}"),
        })
        .unwrap()
}

#[test]
fn a_full_window_hands_the_message_back_at_once_or_in_time() {
    for line in LINES {
        let (ana, ben) = pair_with(line, &window(4), &Config::open());
        assert_eq!(fill(&ana, b"x"), 4);
        let (result, took) = timed(|| ana.sender().send_timeout("late".to_owned(), SHORT));
        assert_eq!(result.unwrap_err().into_inner(), "late");
        assert!((SHORT..PATIENCE).contains(&took), "{took:?}");
        messages(&ben, 4);
        ana.sender().send_timeout("in time", PATIENCE).unwrap();
        assert_eq!(message(&ben), "in time");
    }
}

#[test]
fn the_smaller_window_of_both_sides_counts() {
    for line in LINES {
        let (ana, ben) = pair_with(line, &window(9), &window(5));
        assert_eq!((fill(&ana, b"x"), fill(&ben, b"x")), (5, 5));
        assert_eq!(
            (ana.stats().unacknowledged, ben.stats().unacknowledged),
            (5, 5)
        );
    }
}

#[test]
fn bytes_bound_what_is_on_the_way_and_one_message_may_overrun_them() {
    let mut narrow = Config::open();
    narrow.window_bytes = 10_000;
    narrow.linger = SHORT;
    let mut wide = Config::open();
    wide.linger = SHORT;
    for line in LINES {
        let (ana, ben) = pair_with(line, &narrow, &wide);
        assert_eq!(fill(&ana, &[0; 4_000]), 3);
        assert_eq!(fill(&ben, &[0; 20_000]), 1);
        messages(&ana, 1);
        messages(&ben, 3);
        ana.sender()
            .send_timeout(vec![0; 50_000], PATIENCE)
            .unwrap();
        assert!(matches!(
            ana.sender().try_send("x"),
            Err(TrySendError::Full(()))
        ));
        assert_eq!(message(&ben).as_bytes().len(), 50_000);
    }
}

#[test]
fn messages_pass_through_a_window_of_one() {
    let mut narrow = window(1);
    narrow.window_bytes = 1;
    for line in LINES {
        let (ana, ben) = pair_with(line, &narrow, &narrow);
        thread::scope(|scope| {
            scope.spawn(|| send_twenty(&ana));
            scope.spawn(|| send_twenty(&ben));
            scope.spawn(|| messages(&ana, 20));
            messages(&ben, 20);
        });
    }
}

fn send_twenty(session: &Session) {
    for number in 1..=20 {
        assert_eq!(session.sender().send("hi").unwrap().get(), number);
    }
}

#[test]
fn a_blocked_send_goes_on_when_the_peer_takes_something() {
    for line in LINES {
        let (ana, ben) = pair_with(line, &window(4), &Config::open());
        fill(&ana, b"x");
        let sender = ana.sender();
        let (began, begun) = bounded(0);
        let blocked = thread::spawn(move || {
            began.send(()).unwrap();
            sender.send("at last")
        });
        begun.recv().unwrap();
        messages(&ben, 4);
        assert_eq!(blocked.join().unwrap().unwrap().get(), 5);
        assert_eq!(message(&ben), "at last");
    }
}

#[test]
fn a_blocked_send_gets_its_message_back_when_the_session_ends() {
    for ending in ["finish", "close", "drop", "the peer drops"] {
        let mut config = window(4);
        config.linger = SHORT;
        let (ana, ben) = pair_with(Line::Tcp("127.0.0.1"), &config, &config);
        fill(&ana, b"x");
        let sender = ana.sender();
        let (began, begun) = bounded(0);
        let blocked = thread::spawn(move || {
            began.send(()).unwrap();
            sender.send("too late".to_owned())
        });
        begun.recv().unwrap();
        let kept = match ending {
            "finish" => {
                ana.finish();
                Some((ana, ben))
            }
            "close" => {
                ana.close(SHORT);
                None
            }
            "drop" => {
                drop(ana);
                None
            }
            _ => {
                drop(ben);
                None
            }
        };
        let back = blocked.join().unwrap();
        drop(kept);
        assert!(
            matches!(&back, Err(SendError::Disconnected(back)) if back == "too late"),
            "{ending}: {back:?}"
        );
    }
}

#[test]
fn a_peer_that_takes_nothing_is_not_taken_for_dead() {
    for line in LINES {
        let (ana, ben) = pair_with(line, &impatient(), &impatient());
        ana.sender().send("wait").unwrap();
        // Three timeouts long.
        let flushed = ana.sender().flush(Duration::from_millis(900));
        assert_eq!(flushed, Err(FlushError::TimedOut));
        assert_eq!(message(&ben), "wait");
        ana.sender().flush(PATIENCE).unwrap();
    }
}

#[test]
fn a_silent_line_is_kept_alive_and_measured() {
    for line in [Line::Memory(64), Line::Tcp("127.0.0.1")] {
        let (ana, ben) = pair_with(line, &impatient(), &Config::open());
        assert_eq!(
            (ana.stats().round_trip, ben.stats().round_trip),
            (None, None)
        );
        eventually("a round trip was measured", || {
            ana.stats().round_trip.or(ben.stats().round_trip).is_some()
        });
        assert!(ana.events().is_empty() && ben.events().is_empty());
    }
}

#[test]
fn flush_returns_only_when_the_peers_application_took_everything() {
    for line in LINES {
        let (ana, ben) = pair(line);
        ana.sender().flush(Duration::ZERO).unwrap();
        for _ in 0..3 {
            ana.sender().send("hi").unwrap();
        }
        assert_eq!(ana.sender().flush(SHORT), Err(FlushError::TimedOut));
        let takes_the_last = AtomicBool::new(false);
        thread::scope(|scope| {
            let flushing = scope.spawn(|| {
                let flushed = ana.sender().flush(PATIENCE);
                (flushed, takes_the_last.load(Ordering::SeqCst))
            });
            messages(&ben, 2);
            eventually("an acknowledgement came", || {
                ana.stats().unacknowledged == 1
            });
            takes_the_last.store(true, Ordering::SeqCst);
            message(&ben);
            assert_eq!(flushing.join().unwrap(), (Ok(()), true));
        });
    }
}

#[test]
fn flush_waits_only_for_what_was_sent_before() {
    let (ana, ben) = pair(Line::Memory(64 * 1024));
    ana.sender().send("first").unwrap();
    thread::scope(|scope| {
        let flushing = scope.spawn(|| ana.sender().flush(PATIENCE));
        while !flushing.is_finished() {
            ana.sender().send("more").unwrap();
            message(&ben);
        }
        assert_eq!(flushing.join().unwrap(), Ok(()));
    });
}

#[test]
fn flush_is_quick_while_the_peer_reads() {
    let (ana, ben) = pair(Line::Tcp("127.0.0.1"));
    let reading = thread::spawn(move || rest(&ben).0.len());
    let ((), took) = timed(|| {
        for _ in 0..50 {
            ana.sender().send("hi").unwrap();
            ana.sender().flush(PATIENCE).unwrap();
        }
    });
    // An acknowledgement that is not asked for would come after 25 ms: 1.25 s in all.
    assert!(took < Duration::from_secs(1), "{took:?}");
    drop(ana);
    assert_eq!(reading.join().unwrap(), 50);
}

#[test]
fn flush_ends_with_the_session() {
    let (left, right) = transport::duplex(1024);
    let faults = left.faults();
    let (ana, ben) = pair_over(left, right, &Config::open(), &Config::open());
    ana.sender().send("hi").unwrap();
    thread::scope(|scope| {
        let flushing = scope.spawn(|| ana.sender().flush(PATIENCE));
        faults.cut();
        assert_eq!(flushing.join().unwrap(), Err(FlushError::Disconnected));
    });
    drop(ben);
    rest(&ana);
    assert_eq!(ana.sender().flush(PATIENCE), Err(FlushError::Disconnected));
}

#[test]
fn a_timeout_without_end_is_none() {
    let mut patient = Config::open();
    patient.timeout = Duration::MAX;
    patient.connect_timeout = Duration::MAX;
    patient.handshake_timeout = Duration::MAX;
    patient.linger = Duration::MAX;
    for line in [Line::Memory(64), Line::Tcp("127.0.0.1")] {
        let (ana, ben) = pair_with(line, &patient, &patient);
        ana.sender().send_timeout("hi", Duration::MAX).unwrap();
        assert_eq!(message(&ben), "hi");
        ana.sender().flush(Duration::MAX).unwrap();
        let closing = thread::spawn(move || ana.close(Duration::MAX));
        assert!(rest(&ben).0.is_empty());
        assert!(closing.join().unwrap().is_delivered());
    }
}
