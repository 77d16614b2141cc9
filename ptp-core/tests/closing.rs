//! How a session ends where both sides are there: close, finish, drop.

mod support;

use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use ptp_core::{CloseReport, Config, Event, FlushError, Reason, SendError, Session, TrySendError};
use support::{
    Line, PATIENCE, end, eventually, ids, message, messages, pair, pair_with, rest, timed, window,
};

const LINES: [Line; 5] = [
    Line::Memory(1),
    Line::Slices,
    Line::Memory(64 * 1024),
    Line::Tcp("127.0.0.1"),
    Line::Tcp("[::1]"),
];
/// Lines over which a goodbye surely passes within `SHORT`, also on a loaded machine.
const QUICK_LINES: [Line; 3] = [LINES[2], LINES[3], LINES[4]];
const SHORT: Duration = Duration::from_millis(200);
/// What `close` and `drop` may take beyond their limit: the stream's end is waited for.
const EXTRA: Duration = Duration::from_secs(2);

/// Both as (closes first, is closed).
fn either_way((dialler, listener): (Session, Session)) -> (Session, Session) {
    (listener, dialler)
}

fn closing(session: Session) -> thread::JoinHandle<CloseReport> {
    thread::spawn(move || session.close(PATIENCE))
}

fn lingering(linger: Duration) -> Config {
    let mut config = Config::open();
    config.linger = linger;
    config
}

#[test]
fn either_side_closes_and_both_learn_who_it_was() {
    for line in LINES {
        for (ana, ben) in [pair(line), either_way(pair(line))] {
            ana.sender().send("bye").unwrap();
            let closing = closing(ana);
            assert_eq!(message(&ben), "bye");
            let told = end(&ben);
            assert_eq!((told.reason, &*told.cause), (Reason::ClosedByPeer, ""));
            assert!(told.unsent.is_empty() && told.unconfirmed.is_empty());
            let report = closing.join().unwrap();
            assert!(report.is_delivered() && report.unread.is_empty());
            assert_eq!(report.end.unwrap().reason, Reason::ClosedHere);
        }
    }
}

#[test]
fn both_may_close_at_once() {
    for line in LINES {
        for _ in 0..10 {
            let (ana, ben) = pair(line);
            ana.sender().send("from ana").unwrap();
            ben.sender().send("from ben").unwrap();
            let (ana, ben) = (closing(ana), closing(ben));
            let (ana, ben) = (ana.join().unwrap(), ben.join().unwrap());
            assert!(ana.is_delivered() && ben.is_delivered(), "{line:?}");
            assert_eq!((ana.unread.len(), ben.unread.len()), (1, 1));
            assert!(ana.end.unwrap().reason.is_closed() && ben.end.unwrap().reason.is_closed());
        }
    }
}

#[test]
fn closing_behind_8_mib_in_both_directions_loses_nothing() {
    const COUNT: usize = 128;
    for line in [Line::Memory(64 * 1024), Line::Tcp("127.0.0.1")] {
        for (ana, ben) in [pair(line), either_way(pair(line))] {
            for number in 0..COUNT {
                ana.sender().send(vec![number as u8; 64 * 1024]).unwrap();
                ben.sender().send(vec![number as u8; 64 * 1024]).unwrap();
            }
            let closing = closing(ana);
            let (got, told) = rest(&ben);
            let report = closing.join().unwrap();
            for got in [got, report.unread] {
                assert_eq!(got.len(), COUNT);
                let whole = |(number, message): (usize, &ptp_core::Message)| {
                    message.as_bytes() == vec![number as u8; 64 * 1024]
                };
                assert!(got.iter().enumerate().all(whole));
            }
            assert!(told.unsent.is_empty() && told.unconfirmed.is_empty());
            assert!(report.end.unwrap().unconfirmed.is_empty());
        }
    }
}

#[test]
fn close_returns_what_was_not_read_and_acknowledges_it() {
    for line in LINES {
        let (ana, ben) = pair(line);
        for _ in 0..5 {
            ben.sender().send("unread").unwrap();
        }
        eventually("the messages are there", || ana.events().len() == 5);
        let report = ana.close(PATIENCE);
        assert_eq!(ids(&report.unread), [1, 2, 3, 4, 5]);
        let told = end(&ben);
        assert!(told.unsent.is_empty() && told.unconfirmed.is_empty());
    }
}

#[test]
fn close_waits_no_longer_than_it_is_told() {
    for line in QUICK_LINES {
        let (ana, ben) = pair(line);
        for _ in 0..3 {
            ana.sender().send("nobody takes it").unwrap();
        }
        let (report, took) = timed(|| ana.close(SHORT));
        assert!((SHORT..SHORT + EXTRA).contains(&took), "{line:?}: {took:?}");
        assert!(!report.is_delivered());
        let told = report.end.unwrap();
        assert_eq!(told.reason, Reason::ClosedHere);
        assert_eq!(
            [ids(&told.unconfirmed), ids(&told.unsent)].concat(),
            [1, 2, 3]
        );
        assert_eq!(end_behind(&ben, 3), Reason::ClosedByPeer);
    }
}

/// The reason of the end behind `count` messages.
fn end_behind(session: &Session, count: usize) -> Reason {
    messages(session, count);
    end(session).reason
}

#[test]
fn a_peer_that_is_to_take_everything_gets_the_time_for_it() {
    for line in LINES {
        let (ana, ben) = pair(line);
        ana.sender().send("one").unwrap();
        ana.sender().send("two").unwrap();
        let (closed, is_closed) = bounded(1);
        thread::spawn(move || closed.send(ana.close(PATIENCE)).unwrap());
        // The goodbye is here, and what it follows is not lost by it.
        eventually("the peer hears of it", || {
            matches!(
                ben.sender().try_send("x"),
                Err(TrySendError::Disconnected(()))
            )
        });
        assert!(is_closed.is_empty());
        messages(&ben, 2);
        assert_eq!(end(&ben).reason, Reason::ClosedByPeer);
        assert!(is_closed.recv_timeout(PATIENCE).unwrap().is_delivered());
    }
}

#[test]
fn exactly_one_disconnected_comes_last_also_through_clones() {
    for line in LINES {
        let (ana, ben) = pair(line);
        let clones: Vec<_> = (0..3).map(|_| ben.events().clone()).collect();
        for _ in 0..100 {
            ana.sender().send("hi").unwrap();
        }
        ben.sender().send("back").unwrap();
        let closing = closing(ana);
        let readers = clones.into_iter().map(|events| {
            thread::spawn(move || {
                events
                    .iter()
                    .fold((0, 0), |(messages, ends), event| match event {
                        Event::Received(_) => (messages + 1, ends),
                        Event::Disconnected(_) => (messages, ends + 1),
                        Event::Delivered { .. } => (messages, ends),
                        other => panic!("{other:?}"),
                    })
            })
        });
        let readers: Vec<_> = readers.collect();
        let sums = readers.into_iter().map(|reader| reader.join().unwrap());
        let sum = sums.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        assert_eq!(sum, (100, 1));
        assert!(ben.events().recv().is_err());
        assert_eq!(closing.join().unwrap().unread.len(), 1);
    }
}

#[test]
fn nothing_is_accepted_once_one_side_has_closed() {
    for line in LINES {
        let (ana, ben) = pair(line);
        let (from_ana, from_ben) = (ana.sender(), ben.sender());
        ana.finish();
        let refused = from_ana.send("late".to_owned());
        assert!(matches!(refused, Err(SendError::Disconnected(back)) if back == "late"));
        assert_eq!(end(&ben).reason, Reason::ClosedByPeer);
        assert_eq!(end(&ana).reason, Reason::ClosedHere);
        for sender in [from_ana, from_ben] {
            assert_eq!(sender.send("x"), Err(SendError::Disconnected(())));
            assert_eq!(sender.try_send("x"), Err(TrySendError::Disconnected(())));
            let timed = sender.send_timeout("x", PATIENCE);
            assert_eq!(timed, Err(TrySendError::Disconnected(())));
            assert_eq!(sender.flush(PATIENCE), Ok::<(), FlushError>(()));
        }
    }
}

#[test]
fn finish_lets_the_peers_messages_in_until_both_are_done() {
    for line in LINES {
        let (ana, ben) = pair_with(line, &Config::open(), &window(2));
        ben.sender().send("one").unwrap();
        ben.sender().send("two").unwrap();
        ana.sender().send("last").unwrap();
        ana.finish();
        assert_eq!(message(&ben), "last");
        let (got, told) = rest(&ana);
        assert_eq!(got.len(), 2);
        assert_eq!(told.reason, Reason::ClosedHere);
        assert_eq!(end(&ben).reason, Reason::ClosedByPeer);
    }
}

#[test]
fn drop_delivers_and_says_goodbye() {
    for line in LINES {
        for (ana, ben) in [pair(line), either_way(pair(line))] {
            ana.sender().send("last words").unwrap();
            let dropping = thread::spawn(move || timed(|| drop(ana)).1);
            assert_eq!(message(&ben), "last words");
            assert_eq!(end(&ben).reason, Reason::ClosedByPeer);
            assert!(dropping.join().unwrap() < EXTRA);
        }
    }
}

#[test]
fn drop_takes_no_longer_than_it_may() {
    for line in QUICK_LINES {
        let (ana, ben) = pair_with(line, &lingering(SHORT), &Config::open());
        ana.sender().send("nobody takes it").unwrap();
        let ((), took) = timed(|| drop(ana));
        assert!((SHORT..SHORT + EXTRA).contains(&took), "{line:?}: {took:?}");
        assert_eq!(end_behind(&ben, 1), Reason::ClosedByPeer);
    }
}

#[test]
fn drop_does_not_acknowledge_what_was_not_taken() {
    for line in QUICK_LINES {
        let (ana, ben) = pair_with(line, &lingering(SHORT), &Config::open());
        for _ in 0..5 {
            ben.sender().send("hi").unwrap();
        }
        eventually("the messages are there", || ana.events().len() == 5);
        drop(ana);
        let told = end(&ben);
        assert_eq!(told.reason, Reason::ClosedByPeer);
        assert_eq!(ids(&told.unconfirmed), [1, 2, 3, 4, 5]);
        assert!(told.unsent.is_empty());
        assert_eq!(told.unconfirmed[0], "hi");
    }
}

#[test]
fn drop_acknowledges_what_was_taken_just_before() {
    for line in LINES {
        for taken in [1, 2, 5] {
            let (ana, ben) = pair(line);
            for _ in 0..5 {
                ben.sender().send("hi").unwrap();
            }
            eventually("the messages are there", || ana.events().len() == 5);
            messages(&ana, taken);
            drop(ana);
            let told = end(&ben);
            assert_eq!(told.reason, Reason::ClosedByPeer);
            let left: Vec<u64> = (taken as u64 + 1..=5).collect();
            assert_eq!(ids(&told.unconfirmed), left, "{line:?}, {taken} taken");
        }
    }
}

#[test]
fn a_session_that_has_ended_is_dropped_at_once() {
    for line in LINES {
        let (ana, ben) = pair(line);
        ana.finish();
        end(&ana);
        end(&ben);
        assert!(timed(|| drop((ana, ben))).1 < Duration::from_secs(1));
    }
}

#[test]
fn abort_waits_for_nobody_and_says_what_is_open() {
    for line in LINES {
        let (ana, ben) = pair(line);
        ana.sender().send("perhaps").unwrap();
        ana.abort();
        let (told, took) = timed(|| end(&ana));
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(told.reason, Reason::ClosedHere);
        assert_eq!([ids(&told.unconfirmed), ids(&told.unsent)].concat(), [1]);
        // It is told as far as that could be written without waiting.
        let heard = rest(&ben).1.reason;
        assert!(matches!(heard, Reason::ClosedByPeer | Reason::Reset));
    }
}

#[test]
fn senders_outlive_their_session_and_hand_everything_back() {
    for line in LINES {
        let (ana, ben) = pair(line);
        let sender = ana.sender();
        drop(ana);
        assert_eq!(sender.send("x"), Err(SendError::Disconnected(())));
        assert_eq!(end(&ben).reason, Reason::ClosedByPeer);
    }
}
