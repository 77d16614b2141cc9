//! `--plain` with the programs that people have: nc, ncat, telnet and socat.
//!
//! Ignored, because they have to be there: docs/contributing.md says how to run them.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::{PATIENCE, Ptp, client, server_with_pipe};

/// A tool with a pipe on each stream.
fn tool(line: &str) -> Ptp {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    Ptp::run(command.stdin(Stdio::piped()).stdout(Stdio::piped()))
}

/// A tool that listens at PORT, and the port.
fn listening(line: &str) -> (Ptp, String) {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let number = free.local_addr().unwrap().port();
    drop(free);
    let port = number.to_string();
    let tool = tool(&line.replace("PORT", &port));
    // To call it would be to take its only conversation.
    let row = format!(":{number:04X} 00000000:0000 0A");
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string("/proc/net/tcp").unwrap().contains(&row) {
        assert!(Instant::now() < deadline, "{line} does not listen");
        thread::yield_now();
    }
    (tool, port)
}

/// Both say something, twice; then `ptp` leaves.
fn converse(mut ptp: Ptp, mut tool: Ptp) {
    tool.write("from the tool\n");
    ptp.prints("from the tool\n")
        .complains("[PLAIN] not encrypted, not verified\n");
    ptp.write("from ptp\nGrüße\n");
    tool.prints("from ptp").prints("Grüße");
    tool.write("and back €\n");
    ptp.prints("and back €\n");
    ptp.write("the last\nquit\n");
    tool.prints("the last");
    ptp.wait().is(0, "from the tool\nand back €\n").is_content();
}

fn calls(line: &str) {
    let (server, port) = server_with_pipe(&["--plain"]);
    converse(server, tool(&line.replace("PORT", &port)));
}

fn is_called(line: &str) {
    let (tool, port) = listening(line);
    converse(Ptp::start(&client(&port, &["--plain"])), tool);
}

#[test]
#[ignore = "needs nc"]
fn nc_calls_and_is_called() {
    calls("nc 127.0.0.1 PORT");
    is_called("nc -l 127.0.0.1 PORT");
}

#[test]
#[ignore = "needs ncat"]
fn ncat_calls_and_is_called() {
    calls("ncat 127.0.0.1 PORT");
    calls("ncat -C 127.0.0.1 PORT");
    is_called("ncat -l 127.0.0.1 PORT");
}

#[test]
#[ignore = "needs telnet"]
fn telnet_calls() {
    calls("telnet 127.0.0.1 PORT");
    // With the options of a terminal, which it offers by itself.
    calls("telnet -8 127.0.0.1 PORT");
}

#[test]
#[ignore = "needs socat"]
fn socat_calls_and_is_called() {
    calls("socat - TCP:127.0.0.1:PORT");
    calls("socat - TCP:127.0.0.1:PORT,crlf");
    is_called("socat - TCP-LISTEN:PORT,bind=127.0.0.1");
}

#[test]
#[ignore = "needs nc"]
fn nc_that_sends_a_file_and_leaves_is_heard_to_the_end() {
    let (server, port) = server_with_pipe(&["--plain"]);
    let mut nc = tool(&format!("nc -N 127.0.0.1 {port}"));
    let lines = support::numbered(10_000, "line");
    nc.pour(format!("{lines}without an end"));
    server
        .wait()
        .is(0, &format!("{lines}without an end\n"))
        .says("[DISCONNECTED] Remote host closed connection");
}

#[test]
#[ignore = "needs nc"]
fn nc_gets_a_file_of_lines_whole() {
    let (nc, port) = listening("nc -l 127.0.0.1 PORT");
    let lines = support::numbered(40, "line");
    let begin = Instant::now();
    Ptp::with_input(&client(&port, &["--plain"]), lines.clone())
        .wait()
        .is(0, "");
    assert!(begin.elapsed() >= Duration::from_millis(39 * 50));
    assert_eq!(nc.wait().stdout, lines.as_bytes());
}

#[test]
#[ignore = "needs nc"]
fn nc_without_plain_is_told_of() {
    let (server, port) = server_with_pipe(&[]);
    let mut nc = tool(&format!("nc 127.0.0.1 {port}"));
    nc.write("hello\n");
    server.complains("start `ptp server --plain`");
    nc.prints("PTP/1 refused version\n");
}
