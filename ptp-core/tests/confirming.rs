//! An application that says itself when it is done with a message.

mod support;

use std::thread;
use std::time::Duration;

use ptp_core::{Config, Event, FlushError, MessageId, Reason, Session};
use support::network::{Network, interrupted, network_with, resumed};
use support::{Line, PATIENCE, end, ids, message, messages, pair_with, rest};

/// As long as an acknowledgement takes that comes.
const A_WHILE: Duration = Duration::from_millis(300);
const LINES: [Line; 3] = [Line::Memory(10_000), Line::Slices, Line::Tcp("127.0.0.1")];

fn confirming() -> Config {
    let mut config = Config::open();
    config.confirm = true;
    config
}

fn is_not_delivered(session: &Session) {
    let flushed = session.sender().flush(A_WHILE);
    assert!(matches!(flushed, Err(FlushError::TimedOut)), "{flushed:?}");
}

#[test]
fn what_is_confirmed_is_delivered_and_what_was_only_taken_is_not() {
    for line in LINES {
        let (ana, ben) = pair_with(line, &Config::open(), &confirming());
        for text in ["one", "two", "three"] {
            ana.sender().send(text).unwrap();
        }
        let got = messages(&ben, 3);
        is_not_delivered(&ana);
        ben.confirm(got[1].id());
        let Ok(Event::Delivered { up_to }) = ana.events().recv_timeout(PATIENCE) else {
            panic!("not delivered");
        };
        assert_eq!(up_to, got[1].id());
        // What was confirmed before is done with.
        ben.confirm(got[0].id());
        is_not_delivered(&ana);
        ben.confirm(got[2].id());
        ana.sender().flush(PATIENCE).unwrap();
    }
}

#[test]
fn what_was_taken_and_not_confirmed_comes_back_to_its_sender() {
    for line in LINES {
        let (ana, ben) = pair_with(line, &Config::open(), &confirming());
        for text in ["one", "two", "three"] {
            ana.sender().send(text).unwrap();
        }
        let got = messages(&ben, 3);
        ben.confirm(got[0].id());
        drop(ben);
        let told = end(&ana);
        assert_eq!(told.reason, Reason::ClosedByPeer);
        assert_eq!(ids(&told.unconfirmed), [2, 3]);
        assert!(told.unsent.is_empty());
    }
}

#[test]
fn an_end_waits_for_what_is_to_be_confirmed_and_a_close_confirms_what_it_returns() {
    for line in LINES {
        let (ana, ben) = pair_with(line, &Config::open(), &confirming());
        ana.sender().send("one").unwrap();
        ana.sender().send("two").unwrap();
        let first = message(&ben);
        ana.finish();
        let closing = thread::spawn(move || ben.close(PATIENCE));
        let told = end(&ana);
        let report = closing.join().unwrap();
        assert_eq!(ids(&report.unread), [2]);
        assert_eq!(first.id().get(), 1);
        assert!(told.unsent.is_empty() && told.unconfirmed.is_empty());
        assert_eq!(told.reason, Reason::ClosedHere);
    }
}

#[test]
fn the_window_is_full_of_what_is_not_confirmed() {
    let mut config = confirming();
    config.window_messages = 4;
    let (ana, ben) = pair_with(Line::Tcp("127.0.0.1"), &Config::open(), &config);
    for _ in 0..4 {
        ana.sender().send("x").unwrap();
    }
    let got = messages(&ben, 4);
    ana.sender().send_timeout("y", A_WHILE).unwrap_err();
    ben.confirm(got[3].id());
    ana.sender().send_timeout("y", PATIENCE).unwrap();
}

#[test]
fn what_never_came_can_not_be_confirmed_in_advance() {
    let (ana, ben) = pair_with(Line::Tcp("127.0.0.1"), &Config::open(), &confirming());
    ana.sender().send("one").unwrap();
    let first = message(&ben).id();
    ben.confirm(first);
    ana.sender().flush(PATIENCE).unwrap();
    ana.sender().send("two").unwrap();
    is_not_delivered(&ana);
    let second: MessageId = message(&ben).id();
    ben.confirm(second);
    ana.sender().flush(PATIENCE).unwrap();
}

#[test]
fn a_loss_doubles_nothing_that_was_taken_and_not_confirmed() {
    let Network {
        ana,
        ben,
        proxy,
        listener: _listener,
        ..
    } = network_with(&Config::open(), &confirming());
    ana.sender().send("one").unwrap();
    ana.sender().send("two").unwrap();
    let got = messages(&ben, 2);
    proxy.reset();
    for session in [&ana, &ben] {
        interrupted(session);
        resumed(session);
    }
    ana.sender().send("three").unwrap();
    let third = message(&ben);
    assert_eq!(third, "three");
    is_not_delivered(&ana);
    ben.confirm(got[1].id());
    ben.finish();
    assert_eq!(ana.sender().flush(A_WHILE), Err(FlushError::TimedOut));
    ben.confirm(third.id());
    let told = rest(&ana).1;
    assert_eq!(told.reason, Reason::ClosedByPeer);
    assert!(told.unsent.is_empty() && told.unconfirmed.is_empty());
}
