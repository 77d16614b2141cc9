//! What an application is told of its deliveries.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod support;

use std::thread;

use ptp_core::{Config, Event, Session};
use support::network::{Network, network};
use support::{Line, PATIENCE, eventually, messages, pair, rest};

const COUNT: u64 = 20_000;

/// Takes events until message `last` is told to be delivered; returns what was told.
fn deliveries(session: &Session, last: u64) -> Vec<u64> {
    let mut told = Vec::new();
    while told.last() != Some(&last) {
        match session.events().recv_timeout(PATIENCE).unwrap() {
            Event::Delivered { up_to } => told.push(up_to.get()),
            Event::Interrupted(_) | Event::Resumed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    told
}

#[test]
fn deliveries_rise_and_reach_the_last_message() {
    for line in [Line::Memory(10_000), Line::Tcp("127.0.0.1")] {
        let (ana, ben) = pair(line);
        let told = thread::scope(|scope| {
            scope.spawn(|| messages(&ben, COUNT as usize));
            let told = scope.spawn(|| deliveries(&ana, COUNT));
            for _ in 0..COUNT {
                ana.sender().send("x").unwrap();
            }
            told.join().unwrap()
        });
        assert!(told.is_sorted_by(|one, next| one < next), "{told:?}");
        assert_eq!(ana.stats().unacknowledged, 0);
    }
}

#[test]
fn deliveries_rise_and_reach_the_last_message_over_losses() {
    let Network {
        ana,
        ben,
        proxy,
        listener: _listener,
        ..
    } = network(&Config::open());
    thread::scope(|scope| {
        let told = scope.spawn(|| deliveries(&ana, COUNT));
        scope.spawn(|| {
            let mut taken = 0;
            while taken < COUNT {
                if let Event::Received(_) = ben.events().recv_timeout(PATIENCE).unwrap() {
                    taken += 1;
                }
            }
        });
        for number in 0..COUNT {
            if number % (COUNT / 10) == COUNT / 20 {
                proxy.reset();
            }
            ana.sender().send("x").unwrap();
        }
        let told = told.join().unwrap();
        assert!(told.is_sorted_by(|one, next| one < next), "{told:?}");
    });
}

#[test]
fn what_was_delivered_last_is_told_before_the_end() {
    for _ in 0..20 {
        let (ana, ben) = pair(Line::Tcp("127.0.0.1"));
        ana.sender().send("one").unwrap();
        ana.sender().send("two").unwrap();
        let closing = thread::spawn(move || ben.close(PATIENCE));
        assert_eq!(deliveries(&ana, 2).last(), Some(&2));
        assert!(rest(&ana).0.is_empty());
        closing.join().unwrap();
    }
}

#[test]
fn an_application_that_never_looks_is_not_flooded_with_deliveries() {
    let (ana, ben) = pair(Line::Tcp("127.0.0.1"));
    for _ in 0..COUNT {
        ana.sender().send("x").unwrap();
        messages(&ben, 1);
    }
    ana.sender().flush(PATIENCE).unwrap();
    eventually("one is told", || ana.events().len() == 1);
    assert_eq!(deliveries(&ana, COUNT).last(), Some(&COUNT));
    assert!(ana.events().is_empty());
}
