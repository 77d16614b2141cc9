//! A conversation that outlives its connection, and a peer that begins anew.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

#[path = "../../ptp-core/tests/support/proxy.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod proxy;
mod support;

use proxy::Proxy;
use rustix::process::Signal;
use support::terminal::Terminal;
use support::{Ptp, client, server_with_pipe};

/// A server in a pipe, and the network between it and whoever calls.
fn server_behind(options: &[&str]) -> (Ptp, Proxy, String) {
    let (server, port) = server_with_pipe(options);
    let proxy = Proxy::to(&format!("127.0.0.1:{port}"));
    let port = proxy.address().rsplit(':').next().unwrap().to_owned();
    (server, proxy, port)
}

#[test]
fn in_pipes_a_lost_connection_is_told_and_nothing_else() {
    let (mut server, proxy, port) = server_behind(&[]);
    let mut client = Ptp::start(&client(&port, &[]));
    client.write("one\n");
    server.prints("one\n");
    proxy.reset();
    const INTERRUPTED: &str =
        "[INTERRUPTED] Connection lost, trying again for 60 s (messages are kept)\n";
    for side in [&server, &client] {
        side.complains(INTERRUPTED)
            .complains("[RESUMED] After 0 s, 0 messages delivered\n");
    }
    client.write("two\n");
    server.write("three\n");
    client.prints("three\n");
    client.end_input();
    client.wait().is(0, "three\n").is_content();
    server.wait().is(0, "one\ntwo\n").is_content();
}

#[test]
fn what_is_typed_without_a_connection_arrives_behind_it() {
    let (mut server, proxy, port) = server_behind(&[]);
    let client = Terminal::start(&client(&port, &[]));
    client.prompts().types("one\r");
    server.prints("one\n");
    // The way is closed until the words are typed.
    proxy.stall();
    proxy.reset();
    client.shows("[INTERRUPTED] Connection lost, trying again for 3600 s (messages are kept)");
    client.types("two\rthree\r").shows("You: three");
    proxy.heal();
    server.prints("one\ntwo\nthree\n");
    client.shows("2 messages delivered");
    server.write("four\n");
    client.shows("Remote: four").types("quit\r");
    client.exits(0);
    server.end_input();
    server.wait().is(0, "one\ntwo\nthree\n").is_content();
}

#[test]
fn a_client_that_is_killed_and_started_again_is_talked_to_at_once() {
    let (mut server, port) = server_with_pipe(&[]);
    let first = Ptp::start(&client(&port, &[]));
    first.connected();
    server.write("one\n");
    first.prints("one\n");
    first.signal(Signal::KILL);
    server.complains("[INTERRUPTED]");
    let mut second = Ptp::start(&client(&port, &[]));
    second.connected();
    server.complains("[DISCONNECTED] Connection lost: the peer began anew\n");
    second.write("two\n");
    server.prints("two\n");
    // What the input held meanwhile goes to whoever is there.
    server.write("three\n");
    second.prints("three\n");
    second.end_input();
    second.wait().is(0, "three\n").is_content();
    server.end_input();
    // The first conversation was lost for good.
    server.wait().is(5, "two\n");
}

#[test]
fn a_server_that_is_killed_and_started_again_is_talked_to_at_once() {
    let (server, port) = server_with_pipe(&[]);
    let mut client = Ptp::start(&client(&port, &["--stay"]));
    client.write("one\n");
    server.prints("one\n");
    server.signal(Signal::KILL);
    client.complains("[INTERRUPTED]");
    let server = Ptp::start(&["server", &port, "--bind", "127.0.0.1"]);
    client.complains("[DISCONNECTED] Connection lost: the peer knows nothing of this session");
    client.write("two\n");
    server.prints("two\n");
    server.signal(Signal::TERM);
    server.wait().is(0, "two\n");
    client.wait().is(5, "");
}

#[test]
fn who_has_nothing_more_to_say_ends_with_what_was_not_delivered() {
    let (server, port) = server_with_pipe(&[]);
    let mut client = Ptp::start(&client(&port, &[]));
    client.connected();
    server.connected().signal(Signal::STOP);
    client.write("one\ntwo\n");
    client.end_input();
    server.signal(Signal::KILL);
    client.complains("[INTERRUPTED]");
    let server = Ptp::start(&["server", &port, "--bind", "127.0.0.1"]);
    let ended = client.wait();
    ended
        .is(5, "")
        .says("[DISCONNECTED] Connection lost: the peer knows nothing of this session any more\n");
    let (unsent, perhaps) = ended.undelivered();
    assert_eq!(unsent + perhaps, 2, "{}", ended.stderr);
    server.complains("[SERVER] Waiting");
}

#[test]
fn on_a_terminal_the_texts_that_were_not_delivered_are_listed_but_no_secret() {
    let (server, port) = server_with_pipe(&[]);
    let client = Terminal::start(&client(&port, &["--resume", "3"]));
    client.prompts();
    server.signal(Signal::KILL);
    client.shows("[INTERRUPTED]");
    client.types("are you there?\r/secret\rthe treasure\r");
    client.shows("[USER] Secret sent").exits(5);
    client
        .shows("You: are you there?")
        .shows("[DISCONNECTED] Connection lost: ")
        .shows("[ERROR] 2 messages not delivered")
        .shows("[NOT DELIVERED]: are you there?")
        .shows("[NOT DELIVERED]: (a secret)");
    assert!(!client.lines().concat().contains("treasure"));
}
