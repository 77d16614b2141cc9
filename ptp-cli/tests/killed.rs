//! One side is killed in the middle of a conversation. The other counts what was not delivered, and
//! the count holds.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::env;

use rustix::process::Signal;
use support::{Ptp, client, count, server_with_pipe, undelivered};

/// How often each side is killed, where `PTP_KILLS` does not say.
const KILLS: usize = 20;
/// Lines each way, at the most: as many as are accepted while nobody takes them.
const LINES: usize = 2_000;

#[derive(Clone, Copy, Debug)]
enum Victim {
    Server,
    Client,
}

/// A number below `bound` that differs from run to run.
fn random(bound: usize) -> usize {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as usize % bound
}

/// Kills one side of a conversation at a random moment.
fn kill(victim: Victim) {
    // Long enough to read what was said before it noticed.
    let options = ["--resume", "0.2"];
    let (mut server, port) = server_with_pipe(&options);
    let mut client = Ptp::start(&client(&port, &options));
    // Anything from a steady trickle to all at once.
    let breath = 1 << random(12);
    let to_server = server.speak(LINES, "server", breath);
    let to_client = client.speak(LINES, "client", breath);
    let ((killed, to_killed), (survivor, to_survivor), names) = match victim {
        Victim::Server => (
            (server, to_server),
            (client, to_client),
            ("server", "client"),
        ),
        Victim::Client => (
            (client, to_client),
            (server, to_server),
            ("client", "server"),
        ),
    };
    let (killed_name, survivor_name) = names;
    let moment = 1 + random(LINES - 1);
    match random(2) {
        0 => survivor.prints(&format!("{killed_name} {moment}\n")),
        _ => killed.prints(&format!("{survivor_name} {moment}\n")),
    };
    killed.signal(Signal::KILL);
    let (said, _input) = to_survivor.stop();
    let _ = to_killed.stop();
    let killed = killed.wait();
    assert_eq!(killed.code, None, "it ended by itself: {}", killed.stderr);
    let survivor = survivor.wait();
    assert_eq!(survivor.code, Some(5), "{}", survivor.stderr);
    count(&survivor.stdout, killed_name);
    let missing = said - count(&killed.stdout, survivor_name);
    let (unsent, perhaps) = undelivered(&survivor.stderr);
    let case = format!(
        "{victim:?}: {missing} of {said} missing, {}",
        survivor.stderr
    );
    assert!(unsent <= missing, "{case}");
    assert!(missing <= unsent + perhaps, "{case}");
}

fn kill_many(victim: Victim) {
    let kills = match env::var("PTP_KILLS") {
        Ok(number) => number.parse().unwrap(),
        Err(_) => KILLS,
    };
    for _ in 0..kills {
        kill(victim);
    }
}

#[test]
fn what_a_killed_client_did_not_print_is_counted() {
    kill_many(Victim::Client);
}

#[test]
fn what_a_killed_server_did_not_print_is_counted() {
    kill_many(Victim::Server);
}
