//! Two people at two terminals: the promised transcript, editing, leaving, and the terminal as it
//! was before.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::process::Stdio;

use rustix::process::Signal;
use support::terminal::Terminal;
use support::{Ptp, client, ptp, server_with_pipe, unused_port};

const BANNER: &str = "=== Unified Message Application ===";
const INSTRUCTIONS: &str = "=== Type your messages (type 'quit' or 'exit' to disconnect) ===";

/// A server on a terminal, and its port.
fn waiting(options: &[&str]) -> (Terminal, String) {
    waiting_at(80, 24, options)
}

fn waiting_at(columns: u16, rows: u16, options: &[&str]) -> (Terminal, String) {
    let args = [&["server", "0", "--bind", "127.0.0.1"], options].concat();
    let server = Terminal::sized(columns, rows, &args);
    server.shows("[SERVER] Waiting for incoming connection...");
    let port = server.word_after("[SERVER] Listening on port ");
    (server, port)
}

/// A server and a client, both on terminals, in a conversation.
fn conversation() -> (Terminal, Terminal) {
    let (server, port) = waiting(&[]);
    let client = Terminal::start(&client(&port, &[]));
    server.prompts();
    client.prompts();
    (server, client)
}

#[test]
fn the_transcript_is_as_promised_when_the_server_leaves() {
    let (server, port) = waiting(&[]);
    let client = Terminal::start(&client(&port, &[]));
    server.prompts().types("Hello!\r");
    client.shows("Remote: Hello!").types("Hi there!\r");
    server.shows("Remote: Hi there!").types("quit\r");
    server.exits(0);
    client.exits(0);
    let caller = server.word_after("[CONNECTED] ");
    let code = server.word_after("someone new: ");
    server.is(&[
        BANNER,
        "",
        &format!("[SERVER] Listening on port {port}"),
        &format!("[SERVER] On the other machine: ptp client 127.0.0.1 {port}"),
        &format!("[SERVER] Pairing code for someone new: {code}"),
        "[SERVER] Waiting for incoming connection...",
        "",
        &format!("[CONNECTED] {caller} connected"),
        "",
        INSTRUCTIONS,
        "",
        "You: Hello!",
        "Remote: Hi there!",
        "You: quit",
        "[USER] Disconnecting...",
        "",
        "[DISCONNECTED] Connection closed",
    ]);
    client.is(&[
        BANNER,
        "",
        &format!("[CLIENT] Connecting to 127.0.0.1:{port}..."),
        "",
        &format!("[CONNECTED] 127.0.0.1:{port} connected"),
        "",
        INSTRUCTIONS,
        "",
        "Remote: Hello!",
        "You: Hi there!",
        "",
        "[DISCONNECTED] Remote host closed connection",
    ]);
}

#[test]
fn the_transcript_is_as_promised_when_the_client_leaves() {
    let (server, client) = conversation();
    client.types("Exit\r").exits(0);
    client.ends_with(&[
        "You: Exit",
        "[USER] Disconnecting...",
        "",
        "[DISCONNECTED] Connection closed",
    ]);
    server.exits(0);
    server.ends_with(&[
        INSTRUCTIONS,
        "",
        "",
        "[DISCONNECTED] Remote host closed connection",
    ]);
}

#[test]
fn names_stand_before_the_lines() {
    let (server, port) = waiting(&["--name", "Ana"]);
    let client = Terminal::start(&client(&port, &["--name", "Ben Lee"]));
    server.prompts().types("hi\r");
    client.shows("Ana: hi").types("hello\r");
    server.ends_with(&["You: hi", "Ben Lee: hello", "You:"]);
}

#[test]
fn ctrl_c_clears_the_line_and_then_quits() {
    let (server, client) = conversation();
    server.types("never sent").ends_with(&["You: never sent"]);
    server.types("\x03").prompts();
    server.types("\x03").exits(0);
    server.ends_with(&[
        "[USER] Disconnecting...",
        "",
        "[DISCONNECTED] Connection closed",
    ]);
    client.exits(0);
    assert!(!client.lines().iter().any(|line| line.contains("never")));
}

#[test]
fn ctrl_d_on_an_empty_line_quits() {
    let (server, client) = conversation();
    client.types("a").ends_with(&["You: a"]).types("\x04b");
    client.ends_with(&["You: ab"]).types("\x7f\x7f").prompts();
    client.types("\x04").exits(0);
    server.exits(0);
}

#[test]
fn what_is_typed_before_the_connection_is_sent_after_it() {
    let (server, port) = waiting(&[]);
    server.types("one\rtwo\rhalf");
    let mut client = Ptp::start(&client(&port, &[]));
    client.prints("one\ntwo\n");
    server.stands(&["You: one", "You: two", "You: half"], "You: half");
    client.end_input();
    server.exits(0);
    client.wait().is(0, "one\ntwo\n");
}

#[test]
fn the_terminal_is_restored_after_a_signal() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (server, client) = conversation();
        server
            .types("half")
            .ends_with(&["You: half"])
            .signal(signal);
        server.exits(0);
        server.ends_with(&[
            "[USER] Disconnecting...",
            "",
            "[DISCONNECTED] Connection closed",
        ]);
        client.exits(0);
    }
}

#[test]
fn the_terminal_is_restored_after_a_signal_before_the_connection() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (server, _) = waiting(&[]);
        server.signal(signal);
        server.exits(code);
    }
    let (server, _) = waiting(&[]);
    server.types("\x03").exits(130);
}

#[test]
fn the_terminal_is_restored_after_a_connection_error() {
    let (_held, port) = unused_port();
    let client = Terminal::start(&client(&port, &[]));
    client.exits(3);
    client.shows(&format!("[ERROR] Nobody listens at 127.0.0.1:{port}"));
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let server = Terminal::start(&["server", &port.to_string(), "--bind", "127.0.0.1"]);
    server.exits(3);
    server.shows(&format!("Port {port} is in use"));
    server.shows(&format!(": try `ptp server {}`", port + 1));
}

#[test]
fn the_terminal_is_restored_when_the_peer_is_killed() {
    let (server, port) = waiting(&["--resume", "0"]);
    let client = Ptp::start(&client(&port, &[]));
    server.prompts().types("half").ends_with(&["You: half"]);
    client.signal(Signal::KILL);
    server.exits(5);
    server.shows("[DISCONNECTED] Connection lost: ");
}

#[test]
fn a_window_that_is_closed_ends_it_and_says_goodbye() {
    let (server, client) = conversation();
    server.types("one\r");
    client.shows("Remote: one");
    assert_eq!(server.hangs_up(), Some(0));
    client.exits(0);
    client.shows("[DISCONNECTED] Remote host closed connection");
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_z_stops_it_and_the_conversation_goes_on_after_it() {
    use std::os::unix::process::CommandExt;
    let (mut server, port) = server_with_pipe(&[]);
    let client = Terminal::with(80, 24, &mut ptp(&client(&port, &[])), |command| {
        // Or the tests would be stopped as well.
        command.process_group(0);
    });
    client
        .prompts()
        .types("half")
        .ends_with(&["You: half"])
        .types("\x1a");
    assert!(client.is_stopped());
    client.is_given_back();
    server.write("one\n");
    client.signal(Signal::CONT);
    client
        .stands(&["Remote: one", "You: half"], "You: half")
        .types(" done\r");
    server.prints("half done\n");
    client.types("quit\r").exits(0);
}

#[test]
fn the_log_does_not_damage_what_is_typed() {
    let (server, port) = waiting(&["-v"]);
    server.types("half");
    let mut stranger = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    std::io::Write::write_all(&mut stranger, b"GET /\x1b[2J\r\n").unwrap();
    server.shows("was turned away");
    let client = Terminal::start(&client(&port, &["-vv"]));
    client.prompts();
    server.stands(&["You: half"], "You: half").types(" typed\r");
    client.shows("Remote: half typed").types("quit\r").exits(0);
    server.exits(0);
    assert_eq!(server.obeyed(), [""; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_wakes_up_while_nothing_happens() {
    let (server, client) = conversation();
    let (alone, _) = waiting(&[]);
    server.types("half").ends_with(&["You: half"]);
    let all = [&server, &client, &alone];
    // To let the last keys pass, and then to measure: here time is what is tested.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let before = all.map(Terminal::wake_ups);
    std::thread::sleep(std::time::Duration::from_secs(1));
    let after = all.map(Terminal::wake_ups);
    for (before, after) in before.into_iter().zip(after) {
        assert!(after - before <= 3, "{} wake-ups", after - before);
    }
}

#[test]
fn output_on_a_terminal_is_escaped_though_the_input_is_a_pipe() {
    let (mut server, port) = server_with_pipe(&["--name", "An\x1b[Ha"]);
    let (input, mut keys) = std::io::pipe().unwrap();
    let client = Terminal::with(80, 24, &mut ptp(&client(&port, &[])), |command| {
        command.stdin(input);
    });
    client.shows("[CONNECTED] ");
    server.write("\x1b[2Jred\x1b[31m\x07\n");
    client.ends_with(&["An^[[Ha: ^[[2Jred^[[31m^G"]);
    std::io::Write::write_all(&mut keys, b"one\n").unwrap();
    drop(keys);
    client.exits(0);
    assert_eq!(client.obeyed(), [""; 0]);
    server.wait().is(0, "one\n");
}

#[test]
fn a_pipe_is_a_pipe_though_the_input_is_a_terminal() {
    let (mut server, port) = server_with_pipe(&[]);
    let (mut output, writer) = std::io::pipe().unwrap();
    let client = Terminal::with(80, 24, &mut ptp(&client(&port, &[])), |command| {
        command.stdout(Stdio::from(writer));
    });
    client.shows("[CONNECTED] ").types("from the keyboard\n");
    server.prints("from the keyboard\n");
    server.write("\x1b[2J\nquit\n");
    client.exits(0);
    let mut printed = String::new();
    std::io::Read::read_to_string(&mut output, &mut printed).unwrap();
    assert_eq!(printed, "\x1b[2J\n");
}

#[test]
fn a_dumb_terminal_is_a_pipe() {
    let (server, port) = server_with_pipe(&[]);
    let mut command = ptp(&client(&port, &[]));
    let client = Terminal::with(80, 24, command.env("TERM", "dumb"), |_| {});
    client.shows("[CONNECTED] ").types("one\n\x04").exits(0);
    server.wait().is(0, "one\n");
}
