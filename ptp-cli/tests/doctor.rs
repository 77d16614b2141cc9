//! `ptp doctor`: each step's line, what fails and what to do, the exit code; and nobody whom it
//! visits is the worse for it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;

use support::{Ended, Home, Ptp, contains, pair, say, server_at_home, unused_port};

/// Somebody who is not PTP: treats every caller as `greet` says.
fn stranger(greet: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || listener.incoming().flatten().for_each(greet));
    port
}

/// Says `first`, and reads until the caller leaves.
fn says(first: &'static [u8]) -> String {
    stranger(move |mut caller| {
        // The caller may have left already.
        let _ = caller.write_all(first);
        let _ = std::io::copy(&mut caller, &mut std::io::sink());
    })
}

/// Says `answer` to whoever begins with `sign`, and leaves everybody else without a word.
fn answers(sign: &'static [u8], answer: &'static [u8]) -> String {
    stranger(move |mut caller| {
        let mut heard = [0; 512];
        let length = caller.read(&mut heard).unwrap_or(0);
        if heard[..length].starts_with(sign) {
            let _ = caller.write_all(answer);
        }
    })
}

fn visit(home: &Home, args: &[&str]) -> Ended {
    let args = [&["doctor"], args].concat();
    Ptp::run(home.ptp(&args).stdin(Stdio::null()).stdout(Stdio::piped())).wait()
}

fn examine(port: &str) -> Ended {
    visit(&Home::new(), &["127.0.0.1", port, "--timeout", "0.5"])
}

/// Asserts how it exited, and that its lines begin with `beginnings`, one after the other; a line
/// that says more of the one before begins with a blank.
fn finds(ended: &Ended, code: i32, beginnings: &[&str]) {
    let said = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.code, Some(code), "{said}");
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), beginnings.len(), "{said}");
    for (line, beginning) in lines.iter().zip(beginnings) {
        assert!(
            line.starts_with(beginning),
            "{beginning:?} does not begin {line:?}"
        );
    }
}

fn mentions(ended: &Ended, text: &str) {
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(contains(&ended.stdout, text), "{text:?} is not in {said}");
}

#[test]
fn a_name_that_leads_nowhere_is_the_first_step_that_fails() {
    let ended = visit(&Home::new(), &["no-such-host.invalid"]);
    finds(&ended, 3, &["name       no  ", " ", " "]);
    mentions(&ended, "check its spelling");
}

#[test]
fn what_is_no_host_is_told_so() {
    let ended = visit(&Home::new(), &["127.0.0.1:7000"]);
    finds(&ended, 3, &["name       no  ", " "]);
    mentions(&ended, "the port behind a space");
}

#[test]
fn a_port_at_which_nobody_listens_is_refused() {
    let (_held, port) = unused_port();
    let ended = examine(&port);
    finds(
        &ended,
        3,
        &[
            "name       ok  127.0.0.1 is an address",
            "route      ok  to 127.0.0.1: it is this machine",
            &format!("TCP        no  127.0.0.1:{port} refused ("),
            &format!("               Nobody listens at 127.0.0.1:{port}: is `ptp server {port}` "),
            "               What listens on this machine: `",
        ],
    );
}

#[test]
fn what_is_not_ptp_is_named() {
    let services = [
        (
            says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
            "HTTP",
        ),
        (says(b"SSH-2.0-OpenSSH_9.6\r\n"), "SSH"),
        (says(b"220 mail.example.org ESMTP\r\n"), "mail or FTP"),
        // Such as these leave who does not speak their tongue.
        (answers(b"\x16\x03", b"\x15\x03\x01\x00\x02\x02\x46"), "TLS"),
        (answers(b"GET ", b"HTTP/1.0 200 OK\r\n\r\n"), "HTTP"),
    ];
    for (port, name) in services {
        let ended = examine(&port);
        let steps = ["name ", "route ", "TCP        ok  ", "protocol   no  ", " "];
        finds(&ended, 3, &steps);
        mentions(&ended, &format!("answered {name}, which is not PTP"));
    }
}

#[test]
fn a_silent_service_is_told_so() {
    let ended = examine(&says(b""));
    let steps = ["name ", "route ", "TCP        ok  ", "protocol   no  ", " "];
    finds(&ended, 3, &steps);
    mentions(&ended, "accepted and said nothing for 0.5 s");
}

#[test]
fn another_version_is_told_from_what_is_not_ptp() {
    let ended = examine(&says(b"PTP/2 refused version\n"));
    let steps = [
        "name ",
        "route ",
        "TCP        ok  ",
        "protocol   ok  ",
        "version    no  ",
        " ",
    ];
    finds(&ended, 3, &steps);
    mentions(&ended, "update the older");
}

#[test]
fn a_server_that_waits_goes_on_waiting() {
    let (ana, ben) = (Home::new(), Home::new());
    pair(&ana, &ben);
    let (server, port) = server_at_home(&ana, &[]);
    let before = server.stderr.text();
    for _ in 0..3 {
        let ended = visit(&ben, &["127.0.0.1", &port]);
        finds(
            &ended,
            0,
            &[
                "name       ok  ",
                "route      ok  ",
                "TCP        ok  ",
                "protocol   ok  ",
                "version    ok  ",
                "handshake  ok  ",
                "key        ok  ",
                "trust      ok  ",
                "               Not asked: ",
            ],
        );
        mentions(&ended, ": Ana, whom you know");
    }
    // Nor did it learn who came, or tell of it.
    say(&ben, &port, &[], "hello\n").is(0, "");
    let ended = server.wait();
    ended.is(0, "hello\n").is_content();
    let after = ended.stderr.strip_prefix(&before).unwrap();
    assert!(after.starts_with("[CONNECTED] "), "{after}");
}

#[test]
fn an_unknown_key_needs_a_code_and_ones_own_does_not() {
    let (ana, ben) = (Home::new(), Home::new());
    let (_server, port) = server_at_home(&ana, &[]);
    let ended = visit(&ben, &["127.0.0.1", &port]);
    assert_eq!(ended.code, Some(4));
    mentions(&ended, ": not known to this computer\n");
    mentions(&ended, "trust      no  a pairing code is needed\n");
    mentions(
        &ended,
        &format!("`ptp client 127.0.0.1 {port}` asks for it"),
    );
    let ended = visit(&ana, &["127.0.0.1", &port]);
    assert_eq!(ended.code, Some(0));
    mentions(&ended, ": your own, here or on another machine\n");
}

#[test]
fn a_known_peer_is_found_by_name_and_a_changed_key_is_told() {
    let (ana, ben, other) = (Home::new(), Home::new(), Home::new());
    let port = pair(&ana, &ben);
    let args = ["server", &port, "--bind", "127.0.0.1"];
    let server = Ptp::run(other.ptp(&args).stdin(Stdio::null()).stdout(Stdio::piped()));
    server.complains("[SERVER] Waiting");
    for host in [&["ana"][..], &["127.0.0.1", &port]] {
        let ended = visit(&ben, host);
        assert_eq!(ended.code, Some(4));
        mentions(&ended, "handshake  ok  ");
        mentions(&ended, ": another one is expected here, ");
        mentions(&ended, "trust      no  ");
        mentions(&ended, &format!("ptp peers forget 127.0.0.1:{port}\n"));
    }
    let ended = visit(&ben, &["ana"]);
    mentions(
        &ended,
        &format!("name       ok  ana is known, and was last at 127.0.0.1:{port}\n"),
    );
}

#[test]
fn either_family_is_examined() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("no IPv6 here");
        return;
    }
    let server = Ptp::without_input(&["server", "0"]);
    let port = server.port();
    for host in ["127.0.0.1", "::1", "[::1]", "localhost"] {
        let args = ["doctor", host, &port];
        let ended = Ptp::without_input(&args).wait();
        assert_eq!(ended.code, Some(0), "{host}");
        mentions(&ended, "trust      ok  ");
    }
}
