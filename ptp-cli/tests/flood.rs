//! A thousand strangers at the door of a server, none of whom ever finishes a handshake.

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
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{PATIENCE, Ptp, client, server};

const STRANGERS: usize = 1_000;
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

#[test]
fn a_thousand_strangers_hold_nobody_up() {
    allow_descriptors();
    let (server, port) = server(&["--timeout", "60"]);
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

    let began = Instant::now();
    let mut friend = Ptp::start(&client(&port, &[]));
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
