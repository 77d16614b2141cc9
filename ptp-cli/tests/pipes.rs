//! `ptp` in pipes: what comes out, and what does not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use support::{PATIENCE, Ptp, client, numbered, server, server_with_pipe};

#[test]
fn two_lines_arrive_and_nothing_else() {
    let (server, port) = server(&[]);
    let client = Ptp::with_input(&client(&port, &[]), "one\ntwo\n");
    client.wait().is(0, "").is_content();
    server.wait().is(0, "one\ntwo\n").is_content();
}

#[test]
fn both_directions_at_once_are_complete_and_in_order() {
    let (mut server, port) = server_with_pipe(&[]);
    let mut client = Ptp::start(&client(&port, &[]));
    server.pour(numbered(100_000, "server"));
    let pipe = client.pour_on(numbered(100_000, "client"));
    client.prints("server 100000\n");
    drop(pipe.recv_timeout(PATIENCE));
    let (client, server) = (client.wait(), server.wait());
    assert!(client.code == Some(0), "{}", client.stderr);
    assert!(server.code == Some(0), "{}", server.stderr);
    assert!(client.stdout == numbered(100_000, "server").as_bytes());
    assert!(server.stdout == numbered(100_000, "client").as_bytes());
}

#[test]
fn lines_arrive_as_they_were() {
    let long = "x".repeat(1024 * 1024);
    let odd: [&[u8]; 9] = [
        b"",
        b"",
        b"\xFF\xFE is not UTF-8 \x80",
        b"\xC3",
        b"with CR\r",
        b"\r",
        b"a\0b\x1b[2J",
        "漢字 👩‍👩‍👧‍👦".as_bytes(),
        long.as_bytes(),
    ];
    let input: Vec<u8> = odd
        .iter()
        .flat_map(|line| [line, &b"\n"[..]].concat())
        .collect();
    let (server, port) = server(&[]);
    let client = Ptp::with_input(&client(&port, &[]), input.clone());
    client.wait().is(0, "").is_content();
    let server = server.wait();
    assert_eq!(server.code, Some(0));
    assert!(server.stdout == input);
}

#[test]
fn a_last_line_without_a_newline_is_a_line() {
    let (server, port) = server(&[]);
    Ptp::with_input(&client(&port, &[]), "one\ntwo")
        .wait()
        .is(0, "");
    server.wait().is(0, "one\ntwo\n");
}

#[test]
fn a_line_over_the_limit_ends_it_with_the_number_of_the_line() {
    const LIMIT: usize = 16 * 1024 * 1024;
    let line = |length| "x".repeat(length);
    let (server, port) = server(&[]);
    let input = format!("one\n{}\n{}\nfour\n", line(LIMIT), line(LIMIT + 1));
    let client = Ptp::with_input(&client(&port, &[]), input);
    client
        .wait()
        .is(1, "")
        .says("[ERROR] Line 3 ")
        .says("16777216 bytes");
    let server = server.wait();
    assert_eq!(server.code, Some(0));
    assert!(server.stdout == format!("one\n{}\n", line(LIMIT)).as_bytes());
}

#[test]
fn quit_and_exit_disconnect_in_any_case() {
    for word in ["quit", "EXIT\n", " Quit \r\n"] {
        let (server, port) = server(&[]);
        let input = format!("one\nquitting\n{word}");
        let client = Ptp::with_input(&client(&port, &["--stay"]), input);
        client.wait().is(0, "").is_content();
        server.wait().is(0, "one\nquitting\n").is_content();
    }
}

#[test]
fn quit_disconnects_while_the_input_is_open() {
    let (mut server, port) = server_with_pipe(&[]);
    let client = Ptp::start(&client(&port, &[]));
    server.write("one\nexit\n");
    server.wait().is(0, "").is_content();
    client.wait().is(0, "one\n").is_content();
}

#[test]
fn input_behind_quit_is_not_sent_and_it_says_so() {
    let (server, port) = server(&[]);
    let client = Ptp::with_input(&client(&port, &[]), "one\nquit\ntwo\n");
    client.wait().is(1, "").says("--verbatim");
    server.wait().is(0, "one\n").is_content();
}

#[test]
fn verbatim_sends_quit() {
    let (server, port) = server(&[]);
    let client = Ptp::with_input(&client(&port, &["--verbatim"]), "quit\nexit\n");
    client.wait().is(0, "").is_content();
    server.wait().is(0, "quit\nexit\n");
}

#[test]
fn a_client_leaves_at_the_end_of_its_input_and_hears_what_was_said_before() {
    let (mut server, port) = server_with_pipe(&[]);
    let mut client = Ptp::start(&client(&port, &[]));
    server.write("heard\n");
    client.prints("heard\n");
    client.write("one\n");
    client.end_input();
    client
        .wait()
        .is(0, "heard\n")
        .says("[DISCONNECTED] Connection closed");
    let server = server.wait();
    server
        .is(0, "one\n")
        .says("[DISCONNECTED] Remote host closed connection");
}

#[test]
fn a_client_told_to_stay_stays() {
    let (mut server, port) = server_with_pipe(&[]);
    let client = Ptp::with_input(&client(&port, &["--stay"]), "question\n");
    server.prints("question\n").connected();
    server.write("answer\nquit\n");
    server.wait().is(0, "question\n");
    let client = client.wait();
    client
        .is(0, "answer\n")
        .says("[DISCONNECTED] Remote host closed connection");
}

#[test]
fn a_server_stays_at_the_end_of_its_input() {
    let (mut server, port) = server_with_pipe(&[]);
    server.pour("one\n");
    let mut client = Ptp::start(&client(&port, &[]));
    client.prints("one\n");
    client.write("two\n");
    server.prints("two\n");
    client.write("three\n");
    client.end_input();
    client.wait().is(0, "one\n");
    server.wait().is(0, "two\nthree\n");
}

#[test]
fn a_server_told_to_leaves_at_the_end_of_its_input() {
    let (mut server, port) = server_with_pipe(&["--quit-on-eof"]);
    server.pour("one\n");
    let client = Ptp::start(&client(&port, &[]));
    server.wait().is(0, "");
    client.wait().is(0, "one\n").is_content();
}

#[test]
fn both_may_leave_at_the_same_time() {
    let (mut server, port) = server_with_pipe(&["--quit-on-eof"]);
    let mut client = Ptp::start(&client(&port, &[]));
    server.write(&numbered(1000, "server"));
    client.write(&numbered(1000, "client"));
    client.prints("server 1000\n");
    server.prints("client 1000\n").connected();
    client.end_input();
    server.end_input();
    client.wait().is(0, &numbered(1000, "server")).is_content();
    server.wait().is(0, &numbered(1000, "client")).is_content();
}

#[test]
fn a_line_is_visible_while_the_conversation_goes_on() {
    let (mut server, port) = server_with_pipe(&[]);
    let mut client = Ptp::start(&client(&port, &[]));
    for number in 1..=20 {
        client.write(&format!("question {number}\n"));
        server.prints(&format!("question {number}\n"));
        server.write(&format!("answer {number}\n"));
        client.prints(&format!("answer {number}\n"));
    }
    client.end_input();
    client.wait().is(0, &numbered(20, "answer"));
    server.wait().is(0, &numbered(20, "question"));
}
