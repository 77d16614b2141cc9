//! A peer that begins anew takes the place of its own dead session, and of no other.

mod support;

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use ptp_core::{Config, ConnectError, Event, Reason, Session};
use support::network::{Network, network_with, person};
use support::proxy::Proxy;
use support::{PATIENCE, accept, end, ids, message, next, rest, timed, watch};

/// How long a link that seems to live has for a sign of life.
const PROBE: Duration = Duration::from_secs(1);

/// A listener for one session, whose peer is `ana`.
fn for_one(ana: &Config) -> Network {
    let mut one = Config::open();
    one.max_sessions = 1;
    network_with(ana, &one)
}

fn assert_busy(address: &str, config: &Config) {
    let refused = Session::connect(address, config).err();
    assert!(matches!(refused, Some(ConnectError::Busy)), "{refused:?}");
}

#[test]
fn a_peer_that_begins_anew_while_its_link_is_down_replaces_its_old_session_at_once() {
    let config = person();
    let network = for_one(&config);
    network.ben.sender().send("undelivered").unwrap();
    network.proxy.refuse(true);
    network.proxy.reset();
    let Some(Event::Interrupted(_)) = next(&network.ben) else {
        panic!("not interrupted");
    };
    let (again, took) = timed(|| Session::connect(&network.address, &config).unwrap());
    assert!(took < PROBE, "{took:?}");
    let told = end(&network.ben);
    assert_eq!(told.reason, Reason::Replaced);
    assert!(ids(&told.unconfirmed) == [1] || ids(&told.unsent) == [1]);
    let ben = accept(&network.listener);
    again.sender().send("hi").unwrap();
    assert_eq!(message(&ben), "hi");
    // The old one comes back, and nobody knows it.
    network.heal();
    let (mut told, took) = timed(|| next(&network.ana));
    while let Some(Event::Received(_) | Event::Interrupted(_)) = told {
        told = next(&network.ana);
    }
    assert!(took < PROBE * 2, "{took:?}");
    match told {
        Some(Event::Disconnected(end)) => {
            assert_eq!(end.reason, Reason::Forgotten, "{}", end.cause)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_peer_that_begins_anew_while_its_link_lives_is_told_busy() {
    let config = person();
    let network = for_one(&config);
    for _ in 0..3 {
        let ((), took) = timed(|| assert_busy(&network.address, &config));
        assert!(took < PROBE * 2, "{took:?}");
        network.ana.sender().send("undisturbed").unwrap();
        assert_eq!(message(&network.ben), "undisturbed");
    }
    assert_eq!(network.ben.stats().resumes, 0);
}

#[test]
fn a_stranger_never_replaces_a_session_that_is_interrupted() {
    let network = for_one(&person());
    network.interrupt();
    assert_busy(&network.address, &person());
    network.heal();
    let Some(Event::Resumed(_)) = next(&network.ben) else {
        panic!("not resumed");
    };
}

#[test]
fn a_peer_that_begins_anew_while_its_link_is_a_black_hole_replaces_it_within_a_second() {
    let config = person();
    let network = for_one(&config);
    network.proxy.freeze();
    let (again, took) = timed(|| Session::connect(&network.address, &config).unwrap());
    assert!((PROBE / 2..PROBE * 3).contains(&took), "{took:?}");
    assert_eq!(end(&network.ben).reason, Reason::Replaced);
    let ben = accept(&network.listener);
    again.sender().send("hi").unwrap();
    assert_eq!(message(&ben), "hi");
    network.proxy.reset();
    let told = loop {
        match next(&network.ana) {
            Some(Event::Interrupted(_)) => {}
            told => break told,
        }
    };
    assert!(matches!(told, Some(Event::Disconnected(_))), "{told:?}");
    again.sender().send("still here").unwrap();
    assert_eq!(message(&ben), "still here");
}

#[test]
fn a_session_that_listened_for_itself_ends_where_its_peer_begins_anew() {
    watch();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let listening = thread::spawn({
        let address = address.clone();
        move || Session::listen(&address, &Config::open())
    });
    let proxy = Proxy::to(&address);
    let config = person();
    let ana = loop {
        match Session::connect(proxy.address(), &config) {
            Ok(session) => break session,
            Err(_) => thread::yield_now(),
        }
    };
    let ben = listening.join().unwrap().unwrap();
    proxy.freeze();
    assert_busy(&address, &config);
    assert_eq!(rest(&ben).1.reason, Reason::Replaced);
    ana.abort();
    drop(ben.close(PATIENCE));
}
