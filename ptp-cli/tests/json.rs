//! `--json`: what is written is what docs/json.md says, whatever comes in.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

#[path = "../../ptp-core/tests/support/proxy.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod proxy;
#[path = "json/schema.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod schema;
mod support;

use std::collections::BTreeSet;
use std::process::Stdio;

use proxy::Proxy;
use rustix::process::Signal;
use schema::Schema;
use serde_json::Value;
use support::{Ended, Home, Ptp, client, ptp, say, server_with_pipe, unused_port};

/// The lines of standard output; each must be an event that is documented.
fn events(stdout: &[u8]) -> Vec<Value> {
    let text = str::from_utf8(stdout).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    assert!(!text.contains('\x1b'));
    let read = |line: &str| {
        let event = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Schema::documented().check(&event);
        event
    };
    text.split_terminator('\n').map(read).collect()
}

fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == name)
        .collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect()
}

/// The first event of that name that it writes.
fn first(ptp: &Ptp, name: &str) -> Value {
    let found = ptp.stdout.find(|said| {
        let whole = said.iter().rposition(|byte| *byte == b'\n')?;
        named(&events(&said[..=whole]), name)
            .first()
            .cloned()
            .cloned()
    });
    found.unwrap_or_else(|| panic!("no {name}: {:?} {:?}", ptp.stdout.text(), ptp.stderr.text()))
}

fn server(options: &[&str]) -> (Ptp, String) {
    let args = [&["server", "0", "--bind", "127.0.0.1", "--json"], options].concat();
    listening(Ptp::start(&args))
}

fn listening(server: Ptp) -> (Ptp, String) {
    let port = first(&server, "listening")["port"].to_string();
    (server, port)
}

/// How it ended, with its events; nothing but events was said.
fn ended(ptp: Ptp, code: i32) -> Vec<Value> {
    let Ended {
        code: found,
        stdout,
        stderr,
    } = ptp.wait();
    assert_eq!(stderr, "");
    let events = events(&stdout);
    assert_eq!(found, Some(code), "{events:?}");
    events
}

/// A peer that is paired, speaks in text and in bytes, is interrupted and leaves.
fn a_whole_conversation(seen: &mut Vec<Value>) {
    let (ana, ben) = (Home::new(), Home::new());
    let args = [
        "server",
        "0",
        "--bind",
        "127.0.0.1",
        "--json",
        "--name",
        "Ana",
    ];
    let mut command = ana.ptp(&args);
    let (mut server, port) = listening(Ptp::run(
        command.stdin(Stdio::piped()).stdout(Stdio::piped()),
    ));
    // Somebody without a code is turned away, which is worth a notice.
    let stranger = Home::new();
    say(&stranger, &port, &[], "").says("[ERROR]");
    first(&server, "notice");
    let code = first(&server, "pairing")["code"]
        .as_str()
        .unwrap()
        .to_owned();
    let proxy = Proxy::to(&format!("127.0.0.1:{port}"));
    let port = proxy.address().rsplit(':').next().unwrap().to_owned();
    let args = client(
        &port,
        &["--json", "--name", "Ben", "--code", &code, "--stay"],
    );
    let mut command = ben.ptp(&args);
    let mut client = Ptp::run(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
    for line in schema::commands() {
        if !line.contains("quit") {
            client.write(&format!("{line}\n"));
        }
    }
    first(&client, "delivered");
    proxy.reset();
    first(&server, "resumed");
    client.write("no command\n{\"send\":\"behind it\"}\n");
    first(&client, "error");
    server.write("{\"send\":\"from Ana\"}\n");
    first(&client, "received");
    server.write("{\"quit\":true}\n");
    let server = ended(server, 0);
    let client = ended(client, 0);
    assert_eq!(named(&server, "connected")[0]["peer"]["name"], "Ben");
    assert_eq!(named(&server, "connected")[0]["peer"]["trust"], "paired");
    let texts: Vec<_> = named(&server, "received")
        .iter()
        .map(|event| {
            event["text"]
                .as_str()
                .or(event["binary"].as_str())
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(texts, ["Hello!", "Hello!", "Hello!", "AP8=", "behind it"]);
    let accepted: Vec<_> = named(&client, "accepted")
        .iter()
        .map(|it| it["ref"].clone())
        .collect();
    let refs = [
        Value::Null,
        7.into(),
        "my-message".into(),
        8.into(),
        Value::Null,
    ];
    assert_eq!(accepted, refs);
    let delivered: Vec<_> = named(&client, "delivered")
        .iter()
        .map(|it| it["id"].as_u64())
        .collect();
    assert_eq!(delivered, [1, 2, 3, 4, 5].map(Some));
    assert_eq!(
        named(&client, "disconnected")[0]["reason"],
        "closed_by_peer"
    );
    assert_eq!(named(&server, "disconnected")[0]["reason"], "closed_here");
    seen.extend(server.into_iter().chain(client));
}

/// A peer that is lost with what was sent to it, and messages that it does not take.
fn a_lost_conversation(seen: &mut Vec<Value>) {
    let (mut server, port) = server(&["--resume", "0"]);
    let client = Ptp::start(&client(&port, &["--resume", "0"]));
    client.connected();
    first(&server, "connected");
    server.write("{\"send\":\"one\"}\n");
    client.prints("one\n");
    first(&server, "delivered");
    client.signal(Signal::STOP);
    let large = "x".repeat(16 * 1024 * 1024 + 1);
    server.write(&format!(
        "{{\"send\":\"two\"}}\n{{\"send\":\"{large}\",\"ref\":3}}\n"
    ));
    assert_eq!(first(&server, "error")["kind"], "too_large");
    client.signal(Signal::KILL);
    let events = ended(server, 5);
    let end = events.last().unwrap();
    assert_eq!(end["undelivered"], 1);
    let [unsent, unconfirmed] =
        ["unsent", "unconfirmed"].map(|field| end[field].as_array().unwrap());
    assert_eq!([unsent.as_slice(), unconfirmed.as_slice()].concat(), [2]);
    seen.extend(events);
}

#[test]
fn everything_that_is_written_is_documented_and_everything_documented_is_written() {
    let mut seen = Vec::new();
    a_whole_conversation(&mut seen);
    a_lost_conversation(&mut seen);
    let found: BTreeSet<_> = seen.iter().flat_map(schema::fields_of).collect();
    assert_eq!(found, Schema::documented().fields());
}

#[test]
fn a_line_that_is_no_command_is_told_and_the_conversation_goes_on() {
    let (server, port) = server(&[]);
    let mut client = Ptp::start(&client(&port, &["--json"]));
    let bad: [&[u8]; 8] = [
        b"",
        b"hello",
        b"{\"send\":\"\xFF\"}",
        b"{\"dance\":\"\\u001b[2J\"}",
        b"{\"send\":1}",
        b"{}",
        b"\0\0\0",
        b"{\"send\":\"a\",\"ref\":{}}",
    ];
    for line in bad {
        client.write_bytes(&[line, b"\n"].concat());
    }
    client.write("{\"send\":\"good\"}\n");
    client.end_input();
    let client = ended(client, 0);
    let errors = named(&client, "error");
    let lines: Vec<_> = errors
        .iter()
        .map(|event| event["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(errors.iter().all(|event| event["kind"] == "command"));
    assert_eq!(named(&client, "delivered").len(), 1);
    let server = ended(server, 0);
    assert_eq!(named(&server, "received")[0]["text"], "good");
}

#[test]
fn a_name_is_what_the_other_side_says_and_still_one_line_of_json() {
    const NAME: &str = "\x1b[2J\"\n\u{9b}\u{2028}\u{202e}\\";
    let (server, port) = server(&[]);
    let client = Ptp::with_input(&client(&port, &["--name", NAME]), "\x1b]0;title\x07\n");
    client.wait().is(0, "");
    let server = ended(server, 0);
    assert_eq!(named(&server, "connected")[0]["peer"]["name"], NAME);
    assert_eq!(named(&server, "received")[0]["from"], NAME);
    assert_eq!(named(&server, "received")[0]["text"], "\x1b]0;title\x07");
}

#[test]
fn a_line_without_end_is_skipped() {
    let (server, port) = server(&[]);
    let client = Ptp::with_input(
        &client(&port, &["--json"]),
        ["x".repeat(110_000_000), "\n{\"send\":\"good\"}".into()].concat(),
    );
    let client = ended(client, 0);
    assert_eq!(
        names(&client),
        [
            "connected",
            "error",
            "accepted",
            "delivered",
            "disconnected"
        ]
    );
    assert_eq!(named(&ended(server, 0), "received").len(), 1);
}

#[test]
fn many_messages_are_accepted_and_delivered_each_in_order() {
    const MANY: u64 = 5000;
    let (server, port) = server(&[]);
    let input: String = (1..=MANY)
        .map(|number| format!("{{\"send\":\"message {number}\",\"ref\":{number}}}\n"))
        .collect();
    let client = Ptp::with_input(&client(&port, &["--json"]), input);
    let client = ended(client, 0);
    let mut accepted = 0;
    let mut delivered = 0;
    for event in &client {
        match event["event"].as_str().unwrap() {
            "accepted" => {
                accepted += 1;
                assert_eq!(
                    (&event["id"], &event["ref"]),
                    (&accepted.into(), &accepted.into())
                );
            }
            "delivered" => {
                delivered += 1;
                assert_eq!(event["id"], delivered);
                assert!(delivered <= accepted);
            }
            _ => {}
        }
    }
    assert_eq!((accepted, delivered), (MANY, MANY));
    let server = ended(server, 0);
    for (number, event) in (1..=MANY).zip(named(&server, "received")) {
        assert_eq!(event["text"], format!("message {number}"));
        assert_eq!(event["id"], number);
    }
}

#[test]
fn bytes_of_a_plain_peer_come_in_base64() {
    let (server, port) = server(&[]);
    Ptp::with_input(&client(&port, &[]), b"\xFF\n".to_vec())
        .wait()
        .is(0, "");
    assert_eq!(named(&ended(server, 0), "received")[0]["binary"], "/w==");
}

#[test]
fn the_words_quit_and_exit_are_messages() {
    let (mut plain, port) = server_with_pipe(&[]);
    let args = client(&port, &["--json"]);
    let client = Ptp::with_input(&args, "{\"send\":\"quit\"}\n{\"quit\":true}\n");
    ended(client, 0);
    plain.end_input();
    plain.wait().is(0, "quit\n");
}

#[test]
fn commands_behind_quit_are_not_obeyed_and_it_says_so() {
    let (server, port) = server(&[]);
    let args = client(&port, &["--json"]);
    let client = Ptp::with_input(&args, "{\"quit\":true}\n{\"send\":\"late\"}\n");
    let client = ended(client, 1);
    assert_eq!(named(&client, "error").len(), 1);
    assert!(named(&ended(server, 0), "received").is_empty());
}

#[test]
fn errors_before_a_conversation_are_events() {
    let (_held, port) = unused_port();
    let client = Ptp::without_input(&client(&port, &["--json"]));
    let events = ended(client, 3);
    assert_eq!(names(&events), ["error"]);
    assert_eq!(events[0]["kind"], "unreachable");
    let message = events[0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("Nobody listens at 127.0.0.1:"),
        "{message}"
    );

    let (_server, taken) = server(&[]);
    let second = Ptp::without_input(&["server", &taken, "--bind", "127.0.0.1", "--json"]);
    assert_eq!(ended(second, 3)[0]["kind"], "unreachable");
    let malformed = ["client", "127.0.0.1", "--json", "--code", "?"];
    assert_eq!(
        ended(Ptp::without_input(&malformed), 4)[0]["kind"],
        "untrusted"
    );
}

#[test]
fn a_peer_that_begins_anew_is_connected_again() {
    let (mut server, port) = server(&[]);
    let first_client = Ptp::start(&client(&port, &[]));
    first_client.connected();
    server.write("{\"send\":\"one\"}\n");
    first_client.prints("one\n");
    first_client.signal(Signal::KILL);
    first(&server, "interrupted");
    let second = Ptp::start(&client(&port, &[]));
    second.connected();
    first(&server, "disconnected");
    server.write("{\"send\":\"two\",\"ref\":2}\n");
    second.prints("two\n");
    server.write("{\"quit\":true}\n");
    let events = ended(server, 5);
    assert_eq!(named(&events, "connected").len(), 2);
    // Its ids begin anew.
    let accepted: Vec<_> = named(&events, "accepted")
        .iter()
        .map(|it| it["id"].clone())
        .collect();
    assert_eq!(accepted, [1, 1]);
    assert_eq!(named(&events, "disconnected")[0]["reason"], "replaced");
    second.wait().is(0, "two\n");
}

#[test]
fn a_signal_says_goodbye() {
    let (server, port) = server(&[]);
    let client = Ptp::start(&client(&port, &["--json"]));
    first(&client, "connected");
    first(&server, "connected");
    server.signal(Signal::TERM);
    assert_eq!(ended(server, 0).last().unwrap()["reason"], "closed_here");
    ended(client, 0);
    let (server, _) = self::server(&[]);
    server.signal(Signal::TERM);
    ended(server, 143);
}

#[test]
fn an_output_closed_early_ends_it_quietly() {
    let (mut plain, port) = server_with_pipe(&[]);
    let (reader, writer) = std::io::pipe().unwrap();
    let args = client(&port, &["--json", "--stay"]);
    let client = Ptp::run(ptp(&args).stdin(Stdio::piped()).stdout(writer));
    plain.connected();
    drop(reader);
    plain.write("nobody reads it\n");
    client.wait().is(0, "").is_content();
}

#[test]
fn options_that_contradict_it_are_wrong_usage() {
    for options in [
        &["--json", "--verbatim"][..],
        &["--json", "--ask", "?"],
        &["--json", "--on-message", "cat"],
    ] {
        let args = [&["client", "127.0.0.1"], options].concat();
        Ptp::without_input(&args).wait().is(2, "");
    }
}
