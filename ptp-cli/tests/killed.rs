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
use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ptp_core::{Config, Session};
use rustix::process::Signal;
use support::{Ptp, client, count, ptp, server_with_pipe};

/// How often each side is killed, where `PTP_KILLS` does not say.
const KILLS: usize = 20;
/// Lines each way, at the most: as many as are accepted while nobody takes them.
const LINES: usize = 2_000;

/// Much less than a killed side would be waited for.
const AT_ONCE: Duration = Duration::from_secs(15);

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
    let (unsent, perhaps) = survivor.undelivered();
    let case = format!(
        "{victim:?}: {missing} of {said} missing, {}",
        survivor.stderr
    );
    assert!(unsent <= missing, "{case}");
    // Then what was said is not what was accepted.
    let left = survivor.stderr.contains("before all of the input was sent");
    assert!(left || missing <= unsent + perhaps, "{case}");
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

#[test]
fn a_server_that_is_killed_and_started_again_is_not_waited_for() {
    let (server, port) = server_with_pipe(&[]);
    let mut first = Ptp::start(&client(&port, &["--resume", "60"]));
    server.connected();
    first.connected();
    server.signal(Signal::KILL);
    first.complains("[INTERRUPTED] ");
    let began = Instant::now();
    first.write("one\ntwo\nquit\nthree\n");
    // Then the two are accepted.
    first.complains("--verbatim");
    let again = Ptp::without_input(&["server", &port, "--bind", "127.0.0.1"]);
    let first = first.wait();
    first.is(5, "");
    assert_eq!(first.undelivered(), (2, 0), "{}", first.stderr);
    assert!(began.elapsed() < AT_ONCE);
    Ptp::with_input(&client(&port, &[]), "three\n")
        .wait()
        .is(0, "");
    again.wait().is(0, "three\n");
}

#[test]
fn what_is_not_printed_yet_is_not_acknowledged() {
    const LINES: u64 = 20_000;
    let (mut printed, writer) = std::io::pipe().unwrap();
    let mut command = ptp(&["server", "0", "--bind", "127.0.0.1", "--open"]);
    let server = Ptp::run(command.stdin(Stdio::null()).stdout(writer));
    drop(command);
    let place = format!("127.0.0.1:{}", server.port());
    let client = Session::connect(&place, &Config::open()).unwrap();
    for number in 1..=LINES {
        client.sender().send(format!("client {number}")).unwrap();
    }
    // Nobody reads what it prints, so that it gets no further than a pipe holds.
    client.sender().flush(Duration::from_secs(1)).unwrap_err();
    let acknowledged = LINES - client.stats().unacknowledged;
    server.signal(Signal::KILL);
    let mut output = Vec::new();
    printed.read_to_end(&mut output).unwrap();
    let printed = count(&output, "client") as u64;
    assert!(
        acknowledged <= printed,
        "{acknowledged} acknowledged, {printed} printed"
    );
}
