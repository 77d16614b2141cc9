//! `ptp` on two computers whose network fails.
//!
//! Ignored, because they need root: docs/testing.md says how to run them.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

#[path = "../../ptp-core/tests/support/cable.rs"]
mod cable;
mod support;

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use cable::{Cable, Fault, Side};
use support::{Ended, Ptp, count, numbered, ptp};

/// Each way.
const LINES: usize = 20_000;
/// So slowly that the failures fall in the middle of it.
const BREATH: usize = 5;
const FAILURES: usize = 5;
/// More than a kernel takes to notice that nothing is acknowledged.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on the left and a client on the right, in a conversation.
fn conversation(cable: &Cable, options: &[&str]) -> (Ptp, Ptp) {
    let start = |side, args: &[&str]| {
        let args = [args, options].concat();
        Ptp::run(
            cable
                .on(side, &ptp(&args))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        )
    };
    let server = start(Side::Left, &["server", "0"]);
    let port = server.port();
    let client = start(Side::Right, &["client", Side::Left.address(), &port]);
    server.connected();
    client.connected();
    (server, client)
}

/// Both say all their lines while `fail` happens, again and again, in the middle of it.
fn talk_while(cable: &Cable, fail: impl Fn(&Ptp, &Ptp)) -> (Ended, Ended) {
    let (mut server, mut client) = conversation(cable, &[]);
    let to_server = server.speak(LINES, "server", BREATH);
    let to_client = client.speak(LINES, "client", BREATH);
    for failure in 1..=FAILURES {
        let reached = LINES * failure / (FAILURES + 1);
        client.prints(&format!("server {reached}\n"));
        fail(&server, &client);
    }
    let _server_stays = to_server.finish();
    let client_leaves = to_client.finish();
    // The client's end of input ends the conversation, and must not cut the server's short.
    client.prints(&format!("server {LINES}\n"));
    drop(client_leaves);
    let (client, server) = (client.wait(), server.wait());
    for (ended, other) in [(&client, "server"), (&server, "client")] {
        assert!(ended.code == Some(0), "{}", ended.stderr);
        assert!(ended.stdout == numbered(LINES, other).as_bytes());
    }
    (server, client)
}

/// How often TCP on this program's computer has waited in vain for an acknowledgement.
fn timeouts(program: &Ptp) -> u64 {
    let counters = format!("/proc/{}/net/netstat", program.child.id());
    let counters = std::fs::read_to_string(counters).unwrap();
    // A line of names, and one of values.
    let mut lines = counters.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let mut pairs = names.split(' ').zip(values.split(' '));
    let (_, value) = pairs.find(|(name, _)| *name == "TCPTimeouts").unwrap();
    value.parse().unwrap()
}

#[test]
#[ignore = "needs root"]
fn a_cable_that_is_unplugged_for_a_moment_does_not_show() {
    let cable = Cable::new();
    let ended = talk_while(&cable, |server, client| {
        let both = || timeouts(server) + timeouts(client);
        let before = both();
        cable.fail(Fault::Unplugged);
        // TCP has noticed, and survives it.
        let deadline = Instant::now() + PATIENCE;
        while both() == before {
            assert!(Instant::now() < deadline, "nobody noticed");
            thread::yield_now();
        }
        cable.mend();
    });
    for ended in [ended.0, ended.1] {
        ended.is_content();
        assert!(!ended.stderr.contains("[INTERRUPTED]"), "{}", ended.stderr);
    }
}

#[test]
#[ignore = "needs root"]
fn both_go_on_when_the_network_ends_the_connection_again_and_again() {
    let cable = Cable::new();
    let ended = talk_while(&cable, |server, client| {
        let both = [server, client];
        let before = both.map(|side| side.complaints("[INTERRUPTED] "));
        cable.fail(Fault::Reset);
        for (side, before) in both.iter().zip(before) {
            side.complains_again("[INTERRUPTED] ", before + 1);
        }
        cable.fail(Fault::Unplugged);
        cable.mend();
        for (side, before) in both.iter().zip(before) {
            side.complains_again("[RESUMED] ", before + 1);
        }
    });
    ended.0.is_content();
    ended.1.is_content();
}

#[test]
#[ignore = "needs root"]
fn a_network_that_stays_away_ends_both_in_time_and_each_counts_what_is_not_delivered() {
    const PATIENCE: f64 = 3.0;
    let cable = Cable::new();
    let (mut server, mut client) = conversation(&cable, &["--resume", "3"]);
    let to_server = server.speak(LINES, "server", BREATH);
    let to_client = client.speak(LINES, "client", BREATH);
    client.prints("server 1000\n");
    cable.fail(Fault::Reset);
    let interrupted = [&server, &client].map(|side| {
        side.complains("[INTERRUPTED] ");
        Instant::now()
    });
    cable.fail(Fault::Unplugged);
    let (server_said, _server_stays) = to_server.stop();
    let (client_said, _client_stays) = to_client.stop();
    thread::scope(|scope| {
        let ends = [(server, "client"), (client, "server")].map(|(side, other)| {
            scope.spawn(move || {
                let ended = side.wait();
                (ended, other, Instant::now())
            })
        });
        let ends = ends.map(|thread| thread.join().unwrap());
        for ((ended, _, at), interrupted) in ends.iter().zip(interrupted) {
            let took = (*at - interrupted).as_secs_f64();
            assert!((PATIENCE - 0.5..PATIENCE + 2.0).contains(&took), "{took}");
            assert_eq!(ended.code, Some(5), "{}", ended.stderr);
        }
        let [(server, ..), (client, ..)] = &ends;
        for (side, said, other, name) in [
            (server, server_said, client, "server"),
            (client, client_said, server, "client"),
        ] {
            let missing = said - count(&other.stdout, name);
            let (unsent, perhaps) = side.undelivered();
            assert!(unsent > 0, "{}", side.stderr);
            assert!(unsent <= missing && missing <= unsent + perhaps);
        }
    });
}
