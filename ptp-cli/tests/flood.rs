//! A thousand strangers at the door of a server: silent, dripping, talking nonsense, half through a
//! handshake, or all the way to being turned away.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ptp_core::{Config, ConnectError, Identity, KnownPeers, Session};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Home, PATIENCE, Ptp, pair, server_at_home};

const STRANGERS: usize = 1_000;
/// Strangers who go all the way, one behind the other, each with a new key.
const KNOCKING: usize = 4;
/// What they say before they fall silent: nothing, a byte, garbage, or the first line of a dialler.
const OPENINGS: [&[u8]; 4] = [
    b"",
    b"P",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"PTP/1 25519_ChaChaPoly_SHA256\n\x00\x20half",
];

/// Kilobytes of memory that `process` has in use.
fn resident(process: &Ptp) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap()
}

fn descriptors(process: &Ptp) -> usize {
    fs::read_dir(format!("/proc/{}/fd", process.child.id()))
        .unwrap()
        .count()
}

/// Both ends of each connection are not in this process, but one is.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// Is turned away at the end of a whole handshake, again and again, until `enough` says so.
fn knock(port: &str, enough: &AtomicBool) -> usize {
    let mut knocks = 0;
    while !enough.load(Ordering::Relaxed) {
        let mut config = Config::known(Identity::generate().unwrap(), KnownPeers::in_memory());
        config.connect_timeout = PATIENCE;
        match Session::connect(&format!("127.0.0.1:{port}"), &config) {
            // Busy as soon as the friend is in, and cut off if it was the oldest in the crowd.
            Err(
                ConnectError::PairingNeeded
                | ConnectError::Busy
                | ConnectError::Overloaded
                | ConnectError::Closed(_),
            ) => knocks += 1,
            Ok(_) => panic!("a stranger was let in"),
            Err(error) => panic!("{error}"),
        }
    }
    knocks
}

/// Sends a byte on each stream at each turn, until `enough` says so: a slow greeting.
fn drip(mut streams: Vec<TcpStream>, enough: &AtomicBool) {
    while !enough.load(Ordering::Relaxed) {
        for stream in &mut streams {
            // Who gave way already can't say anything.
            let _ = stream.write_all(b"P");
        }
        thread::park_timeout(Duration::from_millis(100));
    }
}

#[test]
fn a_thousand_strangers_hold_nobody_up() {
    allow_descriptors();
    let (ana, ben) = (Home::new(), Home::new());
    pair(&ana, &ben);
    let (server, port) = server_at_home(&ana, &["--timeout", "60"]);
    let (memory, open) = (resident(&server), descriptors(&server));
    let strangers: Vec<TcpStream> = OPENINGS
        .iter()
        .cycle()
        .take(STRANGERS)
        .map(|opening| {
            let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
            // Who gave way already can't say anything.
            let _ = stream.write_all(opening);
            stream
        })
        .collect();

    let enough = Arc::new(AtomicBool::new(false));
    let dripping: Vec<TcpStream> = strangers
        .iter()
        .skip(1)
        .step_by(OPENINGS.len())
        .map(|stream| stream.try_clone().unwrap())
        .collect();
    let knockers: Vec<_> = (0..KNOCKING)
        .map(|_| {
            let (port, enough) = (port.clone(), Arc::clone(&enough));
            thread::spawn(move || knock(&port, &enough))
        })
        .collect();
    let dripper = {
        let enough = Arc::clone(&enough);
        thread::spawn(move || drip(dripping, &enough))
    };

    let began = Instant::now();
    let mut friend = Ptp::run(
        ben.ptp(&["client", "127.0.0.1", &port])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    friend.connected();
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    friend.write("hello through the crowd\n");
    server.prints("hello through the crowd\n");
    let grown = resident(&server).saturating_sub(memory);
    assert!(grown <= 16 * 1024, "{grown} KiB more");

    enough.store(true, Ordering::Relaxed);
    let knocks: usize = knockers.into_iter().map(|each| each.join().unwrap()).sum();
    assert!(knocks > 0);
    dripper.join().unwrap();
    drop(strangers);
    let deadline = Instant::now() + PATIENCE;
    // One is the friend's.
    while descriptors(&server) > open + 1 {
        assert!(
            Instant::now() < deadline,
            "{} are open",
            descriptors(&server)
        );
        thread::yield_now();
    }
    friend.end_input();
    friend.wait().is(0, "");
    server.wait().is(0, "hello through the crowd\n");
}
