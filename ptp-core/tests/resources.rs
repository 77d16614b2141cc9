//! What is used is given back: threads and descriptors, counted in /proc.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use ptp_core::{Config, Listener, Session};
use support::{Line, accept, end, eventually, message, pair, rest, used};

fn converse((ana, ben): (Session, Session), close: usize) {
    let sender = ana.sender();
    sender.send("hi").unwrap();
    assert_eq!(message(&ben), "hi");
    match close {
        0 => drop((ana, ben)),
        1 => {
            let closing = thread::spawn(move || ana.close(support::PATIENCE));
            end(&ben);
            closing.join().unwrap();
        }
        2 => ana.abort(),
        _ => {
            drop(ben);
            rest(&ana);
        }
    }
}

/// Only one test may stand in this crate: others would be counted with it.
#[test]
fn sessions_and_listeners_give_back_their_threads_and_descriptors() {
    let base = used();
    let back_to_base = |what| eventually(what, || used() == base);

    for round in 0..100 {
        converse(pair(Line::Memory(1024)), round % 4);
        converse(pair(Line::Tcp("127.0.0.1")), round % 4);
    }
    back_to_base("200 sessions have left nothing");

    let mut config = Config::open();
    config.max_sessions = 1;
    let listener = Listener::bind("127.0.0.1:0", &config).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let strangers: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    let ana = Session::connect(&address, &Config::open()).unwrap();
    let ben = accept(&listener);
    for _ in 0..20 {
        assert!(Session::connect(&address, &Config::open()).is_err());
    }
    drop((strangers, ana, ben, listener));
    back_to_base("a listener and its strangers have left nothing");

    let listener = Listener::bind("127.0.0.1:0", &Config::open()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut config = Config::open();
    config.resume = Duration::ZERO;
    let waiting: Vec<_> = (0..20)
        .map(|_| Session::connect(&address, &config).unwrap())
        .collect();
    drop(listener);
    waiting.iter().for_each(|session| drop(end(session)));
    drop(waiting);
    back_to_base("sessions that nobody accepted have left nothing");

    // What the sender of a session that has ended still holds is memory alone.
    let (ana, ben) = pair(Line::Tcp("127.0.0.1"));
    let senders = [ana.sender(), ben.sender()];
    drop((ana, ben));
    back_to_base("senders that are kept hold no descriptor");
    drop(senders);
}
