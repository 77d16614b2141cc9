//! How a conversation in pipes ends that is ended from outside: signals, and a peer that is gone.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use rustix::process::Signal;
use support::{Ptp, client, server, server_with_pipe};

/// Every loss is final.
const FINAL: &[&str] = &["--resume", "0"];

/// A server and a client in a conversation, each with an open pipe for its input.
fn conversation() -> (Ptp, Ptp) {
    conversation_with(&[])
}

fn conversation_with(options: &[&str]) -> (Ptp, Ptp) {
    let (server, port) = server_with_pipe(options);
    let client = Ptp::start(&client(&port, options));
    server.connected();
    client.connected();
    (server, client)
}

#[test]
fn a_signal_says_goodbye_and_delivers() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        for server_is_asked in [true, false] {
            let (mut server, mut client) = conversation();
            server.write("from the server\n");
            client.write("from the client\n");
            client.prints("from the server\n");
            server.prints("from the client\n");
            if server_is_asked { &server } else { &client }.signal(signal);
            server.wait().is(0, "from the client\n").is_content();
            client.wait().is(0, "from the server\n").is_content();
        }
    }
}

#[test]
fn a_signal_in_the_middle_of_much_input_delivers_what_was_accepted() {
    let (server, mut client) = conversation();
    client.pour_forever("a line\n");
    server.prints("a line\n");
    client.signal(Signal::TERM);
    client.wait().is(0, "").is_content();
    let server = server.wait();
    assert_eq!(server.code, Some(0), "{}", server.stderr);
    assert!(server.stdout.ends_with(b"a line\n"));
}

#[test]
fn a_peer_that_is_killed_is_noticed_at_once() {
    let (server, mut client) = conversation_with(FINAL);
    client.write("one\n");
    server.prints("one\n");
    client.signal(Signal::KILL);
    let ended = server.wait();
    ended
        .is(5, "one\n")
        .says("[DISCONNECTED] Connection lost: ");

    let (mut server, client) = conversation_with(FINAL);
    server.write("one\n");
    client.prints("one\n");
    server.signal(Signal::KILL);
    let ended = client.wait();
    ended
        .is(5, "one\n")
        .says("[DISCONNECTED] Connection lost: ");
}

#[test]
fn what_a_killed_peer_did_not_take_is_counted() {
    let (mut server, client) = conversation_with(FINAL);
    client.signal(Signal::STOP);
    server.write("one\ntwo\nthree\nquit\nfour\n");
    // Then the three are accepted, and its goodbye is not answered.
    server.complains("--verbatim");
    client.signal(Signal::KILL);
    let ended = server.wait();
    ended.is(5, "").says("[DISCONNECTED] Connection lost: ");
    let (unsent, perhaps) = ended.undelivered();
    assert_eq!(unsent + perhaps, 3, "{}", ended.stderr);
}

#[test]
fn a_signal_while_the_peer_is_stopped_ends_within_a_bound() {
    let (mut server, client) = conversation();
    client.signal(Signal::STOP);
    server.write("one\ntwo\nquit\nthree\n");
    server.complains("--verbatim");
    server.signal(Signal::TERM);
    let ended = server.wait();
    ended.is(5, "");
    let (unsent, perhaps) = ended.undelivered();
    assert_eq!(unsent + perhaps, 2, "{}", ended.stderr);
    client.signal(Signal::CONT);
}

#[test]
fn a_peer_that_is_stopped_for_a_moment_is_no_loss() {
    let (mut server, client) = conversation();
    client.signal(Signal::STOP);
    server.write("one\ntwo\nquit\n");
    client.signal(Signal::CONT);
    client.wait().is(0, "one\ntwo\n").is_content();
    server.wait().is(0, "").is_content();
}

#[test]
fn a_server_waits_for_the_next_caller_when_one_is_killed_in_its_handshake() {
    let (server, port) = server(&[]);
    let silent = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    drop(silent);
    Ptp::with_input(&client(&port, &[]), "one\n")
        .wait()
        .is(0, "");
    server.wait().is(0, "one\n");
}
