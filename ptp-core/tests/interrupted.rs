//! What an application can do while its session is interrupted, and how that ends if the peer does
//! not come back.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod support;

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ptp_core::{Config, Event, FlushError, Reason, Session, TrySendError};
use support::network::{Network, interrupted, network, network_with, resumed, until_resumed};
use support::{
    PATIENCE, end, eventually, ids, message, messages, next, pair_over, rest, timed, window,
};

/// What may come on top of a limit.
const SLACK: Duration = Duration::from_secs(2);
const SHORT: Duration = Duration::from_millis(300);

/// The numbers of what a session handed back.
fn handed_back(end: &ptp_core::End) -> Vec<u64> {
    [ids(&end.unconfirmed), ids(&end.unsent)].concat()
}

fn resuming_for(limit: Duration) -> Config {
    let mut config = Config::open();
    config.resume = limit;
    config
}

#[test]
fn each_side_ends_at_its_own_limit_with_what_was_not_delivered() {
    let limits = [SHORT, SHORT * 3];
    let network = network_with(&resuming_for(limits[0]), &resuming_for(limits[1]));
    network.ana.sender().send("from ana").unwrap();
    network.interrupt_past_messages();
    network.ana.sender().send("too late").unwrap();
    network.ben.sender().send("from ben").unwrap();
    let waits = thread::scope(|scope| {
        [&network.ana, &network.ben]
            .map(|session| scope.spawn(move || timed(|| rest(session).1)))
            .map(|wait| wait.join().unwrap())
    });
    for ((told, took), limit) in waits.iter().zip(limits) {
        assert_eq!(told.reason, Reason::Reset, "{}", told.cause);
        assert!((limit / 2..limit + SLACK).contains(took), "{took:?}");
        assert!(!told.cause.is_empty());
    }
    assert_eq!(handed_back(&waits[0].0), [1, 2]);
    assert_eq!(handed_back(&waits[1].0), [1]);
}

#[test]
fn with_no_time_to_resume_a_loss_is_final_on_either_side() {
    for (ana, ben) in [(Duration::ZERO, PATIENCE), (PATIENCE, Duration::ZERO)] {
        let network = network_with(&resuming_for(ana), &resuming_for(ben));
        network.proxy.reset();
        for (session, limit) in [(&network.ana, ana), (&network.ben, ben)] {
            if limit.is_zero() {
                assert_eq!(end(session).reason, Reason::Reset);
            } else {
                interrupted(session);
            }
        }
        if ben.is_zero() {
            // She calls, and hears that he does not wait.
            assert_eq!(timed(|| end(&network.ana)).0.reason, Reason::Forgotten);
        }
    }
}

#[test]
fn a_session_over_a_transport_of_ones_own_ends_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let left = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let right = listener.accept().unwrap().0;
    let line = left.try_clone().unwrap();
    let (ana, ben) = pair_over(left, right, &Config::open(), &Config::open());
    ana.sender().send("taken").unwrap();
    message(&ben);
    line.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(end(&ana).reason, Reason::Reset);
    assert_eq!(end(&ben).reason, Reason::Reset);
}

#[test]
fn messages_are_accepted_while_interrupted_until_the_window_is_full() {
    let network = network(&window(10));
    network.interrupt();
    let sender = network.ana.sender();
    for _ in 0..10 {
        sender.send("waits").unwrap();
    }
    let full = sender.try_send("no more");
    assert!(matches!(full, Err(TrySendError::Full(()))), "{full:?}");
    let full = sender.send_timeout("no more", Duration::from_millis(20));
    assert!(matches!(full, Err(TrySendError::Full(()))), "{full:?}");
    let blocked = thread::spawn(move || sender.send("the eleventh").map(|id| id.get()));
    network.heal();
    assert_eq!(resumed(&network.ana).resent, 10);
    resumed(&network.ben);
    let got = messages(&network.ben, 11);
    assert_eq!(ids(&got), (1..=11).collect::<Vec<_>>());
    assert_eq!(blocked.join().unwrap(), Ok(11));
}

#[test]
fn a_send_that_blocks_while_interrupted_ends_with_the_session() {
    let mut config = window(1);
    config.resume = SHORT;
    let network = network(&config);
    network.interrupt();
    let sender = network.ana.sender();
    sender.send("the first").unwrap();
    let (sent, took) = timed(|| sender.send("the second"));
    assert!(sent.is_err() && took < SHORT + SLACK, "{took:?}");
    assert_eq!(handed_back(&end(&network.ana)), [1]);
}

#[test]
fn flush_and_close_keep_their_limits_while_interrupted() {
    for closes_ana in [true, false] {
        let network = network(&Config::open());
        network.interrupt();
        let (session, other) = if closes_ana {
            (network.ana, network.ben)
        } else {
            (network.ben, network.ana)
        };
        session.sender().send("undelivered").unwrap();
        let (flushed, took) = timed(|| session.sender().flush(SHORT));
        assert_eq!(flushed, Err(FlushError::TimedOut));
        assert!((SHORT..SHORT + SLACK).contains(&took), "{took:?}");
        let (report, took) = timed(|| session.close(SHORT));
        assert!((SHORT..SHORT + SLACK).contains(&took), "{took:?}");
        let told = report.end.unwrap();
        assert_eq!(
            (told.reason, handed_back(&told)),
            (Reason::ClosedHere, vec![1])
        );
        drop(other);
    }
}

#[test]
fn what_was_sent_before_a_close_while_interrupted_is_delivered_when_it_is_over() {
    for closes_ana in [true, false] {
        let network = network(&Config::open());
        network.interrupt();
        let Network {
            ana, ben, proxy, ..
        } = network;
        let (session, other) = if closes_ana { (ana, ben) } else { (ben, ana) };
        session.sender().send("after all").unwrap();
        other.sender().send("you too").unwrap();
        let closing = thread::spawn(move || session.close(PATIENCE));
        eventually("she is closing", || !closing.is_finished());
        proxy.refuse(false);
        resumed(&other);
        let (got, told) = rest(&other);
        assert!(got.len() == 1 && got[0] == "after all");
        assert_eq!(told.reason, Reason::ClosedByPeer, "{}", told.cause);
        let report = closing.join().unwrap();
        assert!(report.is_delivered());
        assert_eq!(report.unread.len(), 1);
    }
}

#[test]
fn dropping_an_interrupted_session_takes_no_longer_than_it_lingers() {
    for drops_ana in [true, false] {
        let mut config = Config::open();
        config.linger = SHORT;
        let network = network(&config);
        network.interrupt();
        let session = if drops_ana { network.ana } else { network.ben };
        session.sender().send("undelivered").unwrap();
        let ((), took) = timed(|| drop(session));
        assert!((SHORT..SHORT + SLACK).contains(&took), "{took:?}");
    }
}

#[test]
fn dropping_a_session_that_dials_into_a_black_hole_takes_no_longer_than_it_lingers() {
    let mut config = Config::open();
    config.linger = SHORT;
    let Network {
        ana,
        ben,
        proxy,
        listener,
        ..
    } = network(&config);
    proxy.stall();
    proxy.reset();
    eventually("she dials", || proxy.callers() > 1);
    for session in [ana, ben] {
        let ((), took) = timed(|| drop(session));
        assert!(took < SHORT + SLACK, "{took:?}");
    }
    drop(listener);
}

#[test]
fn an_abort_is_immediate_and_a_peer_that_is_there_is_told() {
    for aborts_ana in [true, false] {
        let Network {
            ana,
            ben,
            proxy: _proxy,
            listener: _listener,
            ..
        } = network(&Config::open());
        let (session, other) = if aborts_ana { (ana, ben) } else { (ben, ana) };
        session.abort();
        assert_eq!(end(&other).reason, Reason::ClosedByPeer);
        assert_eq!(end(&session).reason, Reason::ClosedHere);
    }
}

/// Aborts in the middle of a burst; returns whether the peer was told.
fn abort_in_a_burst(session: &Session, other: &Session, size: usize) -> bool {
    let sender = session.sender();
    thread::scope(|scope| {
        scope.spawn(|| while sender.send(vec![1; size]).is_ok() {});
        messages(other, 100);
        let ((), took) = timed(|| session.abort());
        assert!(took < SLACK, "{took:?}");
        loop {
            match next(other) {
                Some(Event::Received(_)) => {}
                Some(Event::Disconnected(end)) => {
                    assert_eq!(end.reason, Reason::ClosedByPeer);
                    return true;
                }
                _ => {
                    other.abort();
                    return false;
                }
            }
        }
    })
}

#[test]
fn a_peer_is_told_of_an_abort_in_the_middle_of_a_burst() {
    for size in [10, 1_000, 60_000] {
        let mut told = 0;
        for round in 0..10 {
            let network = network(&Config::open());
            let (session, other) = if round % 2 == 0 {
                (&network.ana, &network.ben)
            } else {
                (&network.ben, &network.ana)
            };
            told += u32::from(abort_in_a_burst(session, other, size));
        }
        // Unless the machine is so busy that it takes longer than an abort may.
        assert!(told > 5, "{told} of 10 with {size} bytes");
    }
}

#[test]
fn an_abort_while_interrupted_is_immediate_and_the_caller_hears_of_it_later() {
    for aborts_ana in [true, false] {
        let network = network(&Config::open());
        network.interrupt();
        let session = if aborts_ana {
            &network.ana
        } else {
            &network.ben
        };
        session.sender().send("undelivered").unwrap();
        let (told, took) = timed(|| {
            session.abort();
            end(session)
        });
        assert!(took < SLACK, "{took:?}");
        assert_eq!(
            (told.reason, handed_back(&told)),
            (Reason::ClosedHere, vec![1])
        );
        if !aborts_ana {
            network.heal();
            assert_eq!(end(&network.ana).reason, Reason::Forgotten);
        }
    }
}

#[test]
fn a_loss_behind_finish_is_resumed_and_both_sides_end_well() {
    for finishes_ana in [true, false] {
        let Network {
            ana,
            ben,
            proxy,
            listener,
            ..
        } = network(&Config::open());
        let (session, other) = if finishes_ana {
            (&ana, &ben)
        } else {
            (&ben, &ana)
        };
        session.sender().send("the last word").unwrap();
        session.finish();
        eventually("it is there", || !other.events().is_empty());
        for _ in 0..3 {
            proxy.reset();
            interrupted(session);
            resumed(session);
        }
        let (got, told) = take_all(other);
        assert!(got == ["the last word"]);
        assert_eq!(told, Reason::ClosedByPeer);
        assert_eq!(end(session).reason, Reason::ClosedHere);
        drop(listener);
    }
}

#[test]
fn a_reset_right_behind_the_last_goodbye_is_no_loss() {
    // He waits for nobody no longer than that.
    let config = resuming_for(Duration::from_millis(500));
    for round in 0..12 {
        let Network {
            ana,
            ben,
            proxy,
            listener: _listener,
            ..
        } = network(&config);
        ana.sender().send("the last word").unwrap();
        assert_eq!(message(&ben), "the last word");
        let closing = thread::spawn(move || ana.close(PATIENCE));
        if round % 2 == 0 {
            thread::yield_now();
        }
        proxy.reset();
        let (got, reason) = take_all(&ben);
        assert!(got.is_empty());
        assert_eq!(reason, Reason::ClosedByPeer);
        let report = closing.join().unwrap();
        assert!(report.is_delivered(), "{round}: {report:?}");
        assert_eq!(report.end.unwrap().reason, Reason::ClosedHere);
    }
}

/// Takes everything up to the end, interruptions as they come.
fn take_all(session: &Session) -> (Vec<String>, Reason) {
    let mut texts = Vec::new();
    loop {
        match next(session) {
            Some(Event::Received(message)) => {
                texts.push(message.as_text().unwrap().to_owned());
            }
            Some(Event::Disconnected(end)) => return (texts, end.reason),
            Some(_) => {}
            None => panic!("no end"),
        }
    }
}

#[test]
fn an_application_that_takes_nothing_learns_in_the_end_how_things_stand() {
    let network = network(&Config::open());
    let Network {
        ana, ben, proxy, ..
    } = &network;
    for before in 0..20 {
        proxy.reset();
        for session in [ana, ben] {
            eventually("it is resumed", || session.stats().resumes == before + 1);
        }
    }
    // Not one event more for each of them.
    assert!(ana.events().len() <= 4, "{}", ana.events().len());
    ben.sender().send("here again").unwrap();
    let (mut up, mut heard) = (true, false);
    while !(up && heard) {
        match next(ana) {
            Some(Event::Interrupted(_)) if up => up = false,
            Some(Event::Resumed(_)) if !up => up = true,
            Some(Event::Received(_)) => heard = true,
            other => panic!("{up} {other:?}"),
        }
    }
    // What comes now is told as it comes.
    until_resumed(ben);
    proxy.reset();
    interrupted(ana);
    resumed(ana);
}
