//! What a terminal offers beside the conversation: commands, secrets, what was typed before, the
//! bell, colours, and whether what was said has arrived.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use rustix::process::Signal;
use support::terminal::Terminal;
use support::{Home, Ptp, client, pair, server_at_home, server_with_pipe};

/// A client on a terminal in a conversation with a server in a pipe.
fn with_pipe(options: &[&str]) -> (Ptp, Terminal) {
    let (server, port) = server_with_pipe(&[]);
    let client = Terminal::start(&client(&port, options));
    client.prompts();
    (server, client)
}

/// A client and a server, both on terminals.
fn two_terminals() -> (Terminal, Terminal) {
    let server = Terminal::start(&["server", "0", "--bind", "127.0.0.1", "--name", "Ana"]);
    server.shows("[SERVER] Waiting");
    let port = server.word_after("[SERVER] Listening on port ");
    let client = Terminal::start(&client(&port, &["--name", "Ben"]));
    server.prompts();
    client.prompts();
    (server, client)
}

#[test]
fn help_lists_the_commands_and_who_says_who_it_is() {
    let (_server, client) = with_pipe(&[]);
    client.types("/help\r").shows("[HELP] /secret");
    client.types("/who\r").shows("[WHO] round trip ");
    client
        .shows("[WHO] Remote, your own identity; fingerprint ")
        .shows("[WHO] at 127.0.0.1:")
        .shows(", direct, encrypted: Noise_XX_25519_")
        .shows("connection taken up again 0 times");
}

#[test]
fn a_line_that_begins_with_a_slash_is_sent_if_it_is_doubled_and_else_nothing_is() {
    let (server, client) = with_pipe(&[]);
    client
        .types("/etc/hosts\r")
        .shows("[ERROR] Not sent: /etc/hosts is no command.");
    client
        .types("//etc/hosts\r")
        .types("\x1b[200~/a\n/b\x1b[201~\r");
    server.prints("/etc/hosts\n/a\n/b\n");
    client.types("quit\r").exits(0);
    server.wait().is(0, "/etc/hosts\n/a\n/b\n");
    let (server, client) = with_pipe(&["--verbatim"]);
    client.types("/who\r");
    server.prints("/who\n");
}

#[test]
fn a_secret_is_seen_by_nobody_until_a_key_is_pressed() {
    let (ana, ben) = two_terminals();
    ben.types("/secret\r").shows("Secret (not shown");
    ben.types("the treasure\r").shows("[USER] Secret sent");
    ana.shows("[SECRET] Ben sent a secret: Ctrl-R shows it");
    assert!(!ana.lines().concat().contains("treasure"));
    ana.types("half\x12").shows("the treasure");
    ana.types("x").ends_with(&["You: halfx"]);
    assert!(!ana.lines().concat().contains("treasure"));
    ana.types("\x03\x12")
        .shows("[USER] There is no secret to show");
    // Up goes back to the command, and not to what was typed hidden.
    ben.types("\x1b[A").ends_with(&["You: /secret"]);
    ben.types("\x03/secret\rno\x1b")
        .shows("[USER] No secret sent");
    assert!(!ben.lines().concat().contains("treasure"));
    ben.types("quit\r").exits(0);
    assert!(!ben.lines().concat().contains("treasure"));
}

#[test]
fn a_secret_goes_into_a_pipe_as_any_other_line() {
    let (server, client) = with_pipe(&[]);
    client.types("/secret\r").shows("Secret (not shown");
    client.types("the treasure\r").shows("[USER] Secret sent");
    server.prints("the treasure\n");
}

#[test]
fn what_was_typed_is_there_the_next_time_but_no_secret_and_no_code() {
    let (ana, ben) = (Home::new(), Home::new());
    pair(&ana, &ben);
    let talk = |options: &[&str], keys: &[&str]| {
        let (server, port) = server_at_home(&ana, &[]);
        let client = Terminal::with(80, 24, &mut ben.ptp(&client(&port, options)), |_| {});
        client.prompts();
        for keys in keys {
            client.types(keys);
        }
        (server, client)
    };
    let (_server, client) = talk(&[], &["one\r", "two\r", "/secret\r", "treasure\r"]);
    client.shows("[USER] Secret sent").types("quit\r").exits(0);
    let (_server, client) = talk(&["--no-input-history"], &["kept nowhere\r", "\x1b[A\x1b[A"]);
    client.ends_with(&["You: kept nowhere"]);
    let (_server, client) = talk(&[], &["\x1b[A\x1b[A"]);
    client.ends_with(&["You: two"]);
    let kept = std::fs::read_to_string(ben.0.join("input_history")).unwrap();
    assert_eq!(kept, "one\ntwo\n/secret\n");
    assert!(!ana.0.join("input_history").exists());
}

#[test]
fn a_line_that_has_not_arrived_is_visibly_so() {
    let (server, client) = with_pipe(&[]);
    server.signal(Signal::STOP);
    client
        .types("one\r")
        .shows("[the last line is not delivered yet]");
    client
        .types("two\r")
        .shows("[the last 2 lines are not delivered yet]");
    server.signal(Signal::CONT);
    server.prints("one\ntwo\n");
    client.until_lines(|lines| !lines.concat().contains("not delivered yet"));
    client.ends_with(&["You: two", "You:"]);
}

#[test]
fn the_bell_rings_only_if_it_is_asked_for() {
    for (options, rings) in [(&["--bell", "message"][..], true), (&[], false)] {
        let (mut server, client) = with_pipe(options);
        server.write("one\n");
        client.shows("Remote: one");
        client.types("quit\r").exits(0);
        assert_eq!(client.obeyed().contains(&"bell".to_owned()), rings);
    }
}

#[test]
fn names_have_the_colour_of_their_key_unless_no_colour_is_wanted() {
    let colour = |no_color: &str| {
        let (mut server, port) = server_with_pipe(&["--name", "Ana"]);
        let mut command = support::ptp(&client(&port, &[]));
        command.env("NO_COLOR", no_color);
        let client = Terminal::with(80, 24, &mut command, |_| {});
        client.prompts();
        server.write("one\n");
        client.shows("Ana: one");
        client.colour_of("Ana: one")
    };
    let coloured = colour("");
    assert!(coloured.is_some());
    assert_eq!(colour(""), coloured);
    assert_eq!(colour("1"), None);
}
