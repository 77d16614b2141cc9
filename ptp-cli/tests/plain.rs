//! `--plain`: the other side has only nc, telnet or the original program, of which a stand-in is here.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

#[path = "../../ptp-core/tests/support/original.rs"]
mod original;
mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use original::{Original, Seen};
#[cfg(unix)]
use support::terminal::Terminal;
use support::{Home, Ptp, client, pair, server, server_with_pipe};

const LABEL: &str = "[PLAIN] not encrypted, not verified\n";

fn call(port: &str) -> TcpStream {
    TcpStream::connect(format!("127.0.0.1:{port}")).unwrap()
}

/// Where the original program listens, and its port.
fn listening() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    (listener, port)
}

#[test]
fn the_original_program_calls() {
    let (mut server, port) = server_with_pipe(&["--plain"]);
    server.complains("[SERVER] Plain: ");
    let mut original = Original::on(call(&port));
    original.say("Hello!");
    server.prints("Hello!\n").complains(LABEL);
    server.write("Hi there!\nGrüße\n");
    original.hear_all("Hi there!Grüße");
    original.quit();
    let ended = server.wait();
    ended.is(0, "Hello!\n").is_content();
    ended.says("[DISCONNECTED] Remote host closed connection");
}

#[test]
fn the_original_program_is_called() {
    let (listener, port) = listening();
    let client = Ptp::with_input(&client(&port, &["--plain"]), "one\ntwo\nthree\n");
    let original = Original::on(listener.accept().unwrap().0);
    original.hear_all("one\ntwo\nthree\n");
    assert_eq!(original.see(), Seen::Closed);
    client.wait().is(0, "").says(LABEL).is_content();
}

#[test]
fn quit_sends_nothing_and_closes() {
    let (listener, port) = listening();
    let mut client = Ptp::start(&client(&port, &["--plain"]));
    let mut original = Original::on(listener.accept().unwrap().0);
    original.say("still there?");
    client.prints("still there?\n");
    client.write("yes\nquit\n");
    assert_eq!(original.see(), Seen::Message("yes".to_owned()));
    assert_eq!(original.see(), Seen::Closed);
    client.wait().is(0, "still there?\n");
}

#[test]
fn a_caller_that_says_nothing_is_spoken_to() {
    let (mut server, port) = server_with_pipe(&["--plain"]);
    let original = Original::on(call(&port));
    server.complains(LABEL);
    server.write("anybody there?\n");
    assert_eq!(original.hear(), "anybody there?\n");
    original.quit();
    server.wait().is(0, "");
}

#[test]
fn a_plain_server_says_that_ptp_came() {
    let (server, port) = server(&["--plain"]);
    Ptp::with_input(&client(&port, &[]), "encrypted\n")
        .wait()
        .is(0, "");
    let ended = server.wait();
    ended
        .is(0, "encrypted\n")
        .says("[PEER] It speaks PTP: encrypted");
    assert!(!ended.stderr.contains("[PLAIN]"), "{}", ended.stderr);
}

#[test]
fn ptp_that_comes_too_late_is_refused() {
    let (server, port) = server(&["--plain"]);
    let mut late = call(&port);
    server.complains(LABEL);
    late.write_all(b"PTP/1 25519_AESGCM_SHA256\n").unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "PTP/1 refused overloaded\n");
    server.wait().is(5, "").says("greeted too late");
}

#[test]
fn a_server_that_is_not_plain_refuses_and_says_what_to_do() {
    let (server, port) = server(&[]);
    let mut stranger = call(&port);
    stranger.write_all(b"hello\n").unwrap();
    let mut answer = String::new();
    stranger.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "PTP/1 refused version\n");
    server.complains("[SERVER] Somebody called who does not speak PTP (127.0.0.1): ");
    server.complains("start `ptp server --plain`");
    // And goes on waiting.
    Ptp::with_input(&client(&port, &[]), "hi\n")
        .wait()
        .is(0, "");
    server.wait().is(0, "hi\n");
}

#[test]
fn a_server_that_is_not_plain_says_so_of_silent_callers_too() {
    let (server, port) = server(&["--timeout", "0.3"]);
    let _silent = call(&port);
    server.complains("[SERVER] Somebody called who said nothing (127.0.0.1): ");
    server.complains("start `ptp server --plain`");
}

#[test]
fn a_client_that_is_not_plain_names_the_way() {
    let (listener, port) = listening();
    let answering = thread::spawn(move || {
        let mut original = Original::on(listener.accept().unwrap().0);
        original.say("Hello!");
        original.hear()
    });
    Ptp::without_input(&client(&port, &[]))
        .wait()
        .is(3, "")
        .says("add `--plain`");
    answering.join().unwrap();
    let (_silent, port) = listening();
    Ptp::without_input(&client(&port, &["--timeout", "0.3"]))
        .wait()
        .is(3, "")
        .says("add `--plain`");
}

#[test]
fn a_known_peer_is_not_called_by_name_in_plain_text() {
    let (ana, ben) = (Home::new(), Home::new());
    pair(&ana, &ben);
    let mut command = ben.ptp(&["client", "Ana", "--plain"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("nobody can prove who it is"), "{said}");
}

#[test]
fn what_is_no_text_is_not_sent() {
    let (listener, port) = listening();
    let client = Ptp::with_input(&client(&port, &["--plain"]), b"one\n\xff\xfe\nthree\n");
    let original = Original::on(listener.accept().unwrap().0);
    original.hear_all("one\n");
    assert_eq!(original.see(), Seen::Closed);
    client
        .wait()
        .is(1, "")
        .says("Line 2 of the input is not UTF-8");
}

#[cfg(unix)]
#[test]
fn a_terminal_shows_what_it_is_worth() {
    let (listener, port) = listening();
    let terminal = Terminal::start(&client(&port, &["--plain"]));
    let mut original = Original::on(listener.accept().unwrap().0);
    terminal.prompts().shows(LABEL.trim_end());
    original.say("\x1b[2JHello!\x07");
    terminal.shows("Remote: ^[[2JHello!^G");
    terminal.types("/secret\r").shows("a secret would be none");
    terminal.types("/who\r").shows("who speaks no PTP");
    let labels = |lines: &[String]| {
        let label = |line: &&String| line.starts_with(LABEL.trim_end());
        lines.iter().filter(label).count() == 2
    };
    terminal.until_lines(labels);
    terminal.types("quit\r");
    assert_eq!(original.see(), Seen::Closed);
    terminal.exits(0);
}
