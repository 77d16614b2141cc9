//! A session outlives its connection.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::thread;
use std::time::Duration;

use ptp_core::{Config, Event, Listener, Reason, Session};
use support::network::until_resumed;
use support::network::{Network, interrupted, network, network_with, person, resumed};
use support::proxy::Proxy;
use support::{PATIENCE, accept, eventually, ids, impatient, message, next, rest, timed};

/// Sends a message each way, and takes it.
fn converse(ana: &Session, ben: &Session) {
    ana.sender().send("there").unwrap();
    ben.sender().send("back").unwrap();
    assert_eq!(message(ben), "there");
    assert_eq!(message(ana), "back");
}

/// Closes one side; nothing is lost, and the other side learns it.
fn part(ana: Session, ben: &Session) {
    let closing = thread::spawn(move || ana.close(PATIENCE));
    assert_eq!(rest(ben).1.reason, Reason::ClosedByPeer);
    assert!(closing.join().unwrap().is_delivered());
}

#[test]
fn after_a_reset_both_sides_go_on_where_they_were() {
    let Network {
        ana, ben, proxy, ..
    } = &network(&Config::open());
    ana.sender().send("one").unwrap();
    assert_eq!(message(ben), "one");
    proxy.reset();
    for session in [ana, ben] {
        let Some(Event::Interrupted(interruption)) = next(session) else {
            panic!("not interrupted");
        };
        assert_eq!(interruption.patience, Config::open().resume);
        assert!(!interruption.cause.is_empty());
    }
    ana.sender().send("two").unwrap();
    ben.sender().send("back").unwrap();
    for session in [ana, ben] {
        let resumption = resumed(session);
        assert!(resumption.resent <= 1 && resumption.after < PATIENCE);
    }
    assert_eq!(message(ben), "two");
    assert_eq!(message(ana), "back");
    assert_eq!([ana, ben].map(|session| session.stats().resumes), [1, 1]);
}

#[test]
fn the_end_of_either_stream_is_no_end_of_the_session() {
    let Network {
        ana,
        ben,
        proxy,
        listener: _listener,
        ..
    } = network(&Config::open());
    let ends: [fn(&Proxy); 4] = [
        Proxy::finish_there,
        Proxy::finish_back,
        Proxy::finish,
        Proxy::reset,
    ];
    for (before, end) in ends.iter().enumerate() {
        end(&proxy);
        for session in [&ana, &ben] {
            until_resumed(session);
            assert_eq!(session.stats().resumes, before as u64 + 1);
        }
        converse(&ana, &ben);
    }
    part(ana, &ben);
}

#[test]
fn a_connection_that_is_cut_within_a_message_delivers_it_once() {
    let Network {
        ana,
        ben,
        proxy,
        listener: _listener,
        ..
    } = network(&Config::open());
    for cut in [1, 17, 1_000, 70_000, 150_000] {
        proxy.there().cut_at(cut);
        let body = vec![cut as u8; 200_000];
        ana.sender().send(body.clone()).unwrap();
        let messages = until_resumed(&ben);
        assert!(messages.is_empty(), "before it was cut");
        assert_eq!(message(&ben).as_bytes(), body);
        until_resumed(&ana);
    }
    part(ana, &ben);
}

#[test]
fn a_line_that_carries_a_few_bytes_at_a_time_is_resumed_over() {
    let Network {
        ana,
        ben,
        proxy,
        listener: _listener,
        ..
    } = network(&Config::open());
    proxy.slice(Some(3));
    for _ in 0..5 {
        proxy.reset();
        until_resumed(&ana);
        until_resumed(&ben);
        converse(&ana, &ben);
    }
    part(ana, &ben);
}

#[test]
fn a_byte_that_the_line_changed_costs_the_connection_and_not_the_session() {
    let Network {
        ana,
        ben,
        proxy,
        listener: _listener,
        ..
    } = network(&Config::open());
    for offset in [2, 5, 20] {
        proxy.there().corrupt(offset);
        ana.sender().send("as it was").unwrap();
        until_resumed(&ana);
        assert_eq!(until_resumed(&ben).len(), 0);
        assert_eq!(message(&ben), "as it was");
        converse(&ana, &ben);
    }
    part(ana, &ben);
}

#[test]
fn a_black_hole_is_noticed_and_left_when_it_is_healed() {
    let mut config = impatient();
    config.connect_timeout = Duration::from_millis(200);
    let Network {
        ana,
        ben,
        proxy,
        listener: _listener,
        ..
    } = network(&config);
    converse(&ana, &ben);
    proxy.stall();
    ana.sender().send("into the hole").unwrap();
    interrupted(&ana);
    interrupted(&ben);
    eventually("it is tried again", || proxy.callers() > 2);
    assert_eq!(ben.events().len(), 0);
    proxy.heal();
    until_resumed(&ana);
    assert_eq!(until_resumed(&ben).len(), 0);
    assert_eq!(message(&ben), "into the hole");
    converse(&ana, &ben);
    part(ana, &ben);
}

#[test]
fn whoever_comes_back_takes_over_from_a_connection_that_seems_to_live() {
    let Network {
        ana,
        ben,
        proxy,
        listener: _listener,
        ..
    } = network(&Config::open());
    // What Ana sends is held up on the way, and she alone sees the end of the stream.
    proxy.there().freeze();
    ana.sender().send("late").unwrap();
    ana.sender().send("later").unwrap();
    proxy.finish_back();
    interrupted(&ana);
    assert_eq!(resumed(&ana).resent, 2);
    interrupted(&ben);
    resumed(&ben);
    // It comes to a socket that was shut.
    proxy.heal();
    eventually("the old link has ended", || proxy.links() == 1);
    assert_eq!(message(&ben), "late");
    assert_eq!(message(&ben), "later");
    converse(&ana, &ben);
    assert_eq!([&ana, &ben].map(|session| session.stats().resumes), [1, 1]);
    part(ana, &ben);
}

#[test]
fn each_of_several_sessions_is_resumed_while_the_others_go_on() {
    let listener = Listener::bind("127.0.0.1:0", &Config::open()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut pairs: Vec<(Session, Session, Proxy)> = Vec::new();
    for broken in 0..5 {
        let proxy = Proxy::to(&address);
        let ana = Session::connect(proxy.address(), &person()).unwrap();
        pairs.push((ana, accept(&listener), proxy));
        let (ana, ben, proxy) = &pairs[broken / 2];
        proxy.reset();
        interrupted(ana);
        interrupted(ben);
        for (number, (ana, ben, _)) in pairs.iter().enumerate() {
            if number != broken / 2 {
                converse(ana, ben);
            }
        }
        resumed(ana);
        resumed(ben);
        converse(ana, ben);
    }
    let resumes = pairs.iter().map(|(ana, ..)| ana.stats().resumes);
    assert_eq!(resumes.collect::<Vec<_>>(), [2, 2, 1, 0, 0]);
}

#[test]
fn somebody_else_at_the_address_is_passed_over_until_the_peer_is_there_again() {
    let Network {
        ana,
        ben,
        proxy,
        listener: _listener,
        address,
    } = network_with(&Config::open(), &person());
    let other = Listener::bind("127.0.0.1:0", &person()).unwrap();
    proxy.lead_to(&other.local_addr().unwrap().to_string());
    proxy.reset();
    interrupted(&ana);
    interrupted(&ben);
    // She called, and went without a word when she saw the key.
    other.notices().recv_timeout(PATIENCE).unwrap();
    assert!(other.sessions().is_empty());
    proxy.lead_to(&address);
    resumed(&ana);
    resumed(&ben);
    converse(&ana, &ben);
}

#[test]
fn a_peer_that_forgot_the_session_ends_it_at_once_and_the_rest_is_handed_back() {
    let ben_config = person();
    let Network {
        ana,
        ben,
        proxy,
        listener,
        ..
    } = network_with(&Config::open(), &ben_config);
    for number in 1..=100 {
        ana.sender().send(format!("{number}")).unwrap();
    }
    for _ in 0..40 {
        message(&ben);
    }
    eventually("he acknowledges what he took", || {
        let _ = ana.sender().flush(Duration::ZERO);
        ana.stats().unacknowledged == 60
    });
    // He starts anew, and nobody is told.
    proxy.freeze();
    let again = Listener::bind("127.0.0.1:0", &ben_config).unwrap();
    proxy.lead_to(&again.local_addr().unwrap().to_string());
    for number in 101..=200 {
        ana.sender().send(format!("{number}")).unwrap();
    }
    proxy.finish_back();
    interrupted(&ana);
    let ((_, told), took) = timed(|| rest(&ana));
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(told.reason, Reason::Forgotten);
    let lost = [told.unconfirmed, told.unsent].concat();
    assert_eq!(ids(&lost), (41..=200).collect::<Vec<_>>());
    for message in &lost {
        assert_eq!(*message, *format!("{}", message.id().get()));
    }
    drop((listener, ben));
}

#[test]
fn a_listener_that_closes_leaves_sessions_alone_and_ends_those_that_wait_for_it() {
    let network = self::network(&Config::open());
    network.listener.close();
    converse(&network.ana, &network.ben);
    network.proxy.reset();
    assert_eq!(rest(&network.ben).1.reason, Reason::Reset);
    drop(network);

    let network = self::network(&Config::open());
    network.interrupt();
    let ((_, told), took) = timed(|| {
        network.listener.close();
        rest(&network.ben)
    });
    assert_eq!(told.reason, Reason::Reset);
    assert!(took < Duration::from_secs(2), "{took:?}");
}
