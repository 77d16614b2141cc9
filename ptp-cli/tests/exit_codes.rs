//! How `ptp` ends where no conversation comes about: the code, and what it says.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use support::{Ptp, client, ptp, server, server_with_pipe, unused_port};

/// Somebody who is not PTP: treats its first caller as `greet` says.
fn stranger(greet: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || greet(listener.accept().unwrap().0));
    port
}

/// Reads until the caller leaves.
fn listen(mut caller: TcpStream) {
    let _ = std::io::copy(&mut caller, &mut std::io::sink());
}

fn go(port: &str, options: &[&str]) -> support::Ended {
    Ptp::without_input(&client(port, options)).wait()
}

#[test]
fn nobody_listens() {
    let (_held, port) = unused_port();
    go(&port, &[])
        .is(3, "")
        .says("[ERROR] ")
        .says(&format!("127.0.0.1:{port}"))
        .says(&format!("ptp server {port}"));
}

#[test]
fn the_name_is_unknown() {
    let ended = Ptp::without_input(&["client", "no-such-host.invalid"]).wait();
    ended
        .is(3, "")
        .says("[ERROR] ")
        .says("no-such-host.invalid");
}

#[test]
fn what_is_no_host_is_told_so() {
    for host in ["127.0.0.1:7000", "[::1]:7000", "http://alice", "a b", ""] {
        let ended = Ptp::without_input(&["client", host]).wait();
        ended
            .is(3, "")
            .says("[ERROR] ")
            .says("`ptp client alice.lan 7000`");
    }
}

#[test]
fn the_port_is_in_use() {
    let held = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = held.local_addr().unwrap().port();
    let ended = Ptp::without_input(&["server", &port.to_string()]).wait();
    let advice = format!(": try `ptp server {}`", port + 1);
    ended.is(3, "").says(&advice);
    // The one that holds it is this test.
    let by = if cfg!(target_os = "linux") {
        " by "
    } else {
        ""
    };
    let process = if cfg!(target_os = "linux") {
        format!(" (process {})", std::process::id())
    } else {
        String::new()
    };
    ended
        .says(&format!("Port {port} is in use{by}"))
        .says(&format!("{process}: try"));
}

#[test]
fn a_foreign_address_can_not_be_bound() {
    // For documentation: no machine has it.
    let ended = Ptp::without_input(&["server", "0", "--bind", "192.0.2.1"]).wait();
    ended.is(3, "").says("[ERROR] 192.0.2.1 ").says("--bind");
    let ended = Ptp::without_input(&["server", "0", "--bind", "no-such-host.invalid"]).wait();
    ended.is(3, "").says("no-such-host.invalid").says("--bind");
}

#[test]
fn an_http_server_is_recognised() {
    let port = stranger(|mut caller| {
        let _ = caller.read(&mut [0; 512]);
        let _ = caller.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        listen(caller);
    });
    go(&port, &[]).is(3, "").says("HTTP").says("not PTP");
}

#[test]
fn an_http_server_that_waits_for_a_blank_line_is_no_ptp() {
    let port = stranger(|mut caller| {
        let mut heard = Vec::new();
        let mut piece = [0; 512];
        while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
            match caller.read(&mut piece) {
                Ok(length @ 1..) => heard.extend_from_slice(&piece[..length]),
                _ => return,
            }
        }
        let _ = caller.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    go(&port, &["--timeout", "0.5"]).is(3, "").says("not PTP");
}

#[test]
fn an_ssh_server_is_recognised() {
    let port = stranger(|mut caller| {
        let _ = caller.write_all(b"SSH-2.0-OpenSSH_9.6\r\n");
        listen(caller);
    });
    go(&port, &[]).is(3, "").says("SSH").says("not PTP");
}

#[test]
fn what_a_stranger_says_is_not_obeyed() {
    let port = stranger(|mut caller| {
        let _ = caller.write_all(b"\x1b]0;title\x07\x1b[2Jhello\r\n");
        listen(caller);
    });
    let ended = go(&port, &[]);
    ended.is(3, "").says("not PTP");
    assert!(!ended.stderr.contains('\x1b'), "{:?}", ended.stderr);
}

#[test]
fn somebody_who_says_nothing_is_not_waited_for() {
    let port = stranger(listen);
    let ended = go(&port, &["--timeout", "0.5"]);
    ended.is(3, "").says("said nothing for 0.5 s");
}

#[test]
fn somebody_who_closes_at_once_is_no_ptp() {
    let port = stranger(drop);
    go(&port, &[]).is(3, "").says("closed at once");
}

#[test]
fn a_second_client_is_told_busy_and_disturbs_nobody() {
    let (mut server, port) = server_with_pipe(&[]);
    let mut first = Ptp::start(&client(&port, &[]));
    first.write("one\n");
    server.prints("one\n");
    go(&port, &[]).is(3, "").says("busy");
    first.write("two\n");
    server.prints("two\n").connected();
    server.write("three\n");
    first.prints("three\n").connected();
    first.end_input();
    first.wait().is(0, "three\n").is_content();
    server.wait().is(0, "one\ntwo\n").is_content();
}

#[test]
fn a_stranger_does_not_disturb_a_server_that_waits() {
    let (server, port) = server(&[]);
    let mut stranger = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    // It may close with a reset, as it did not read all.
    let _ = stranger.read_to_string(&mut answer);
    assert!(answer.starts_with("PTP/1 "), "{answer}");
    let silent = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let client = Ptp::with_input(&client(&port, &[]), "one\n");
    client.wait().is(0, "");
    server.wait().is(0, "one\n").is_content();
    drop(silent);
}

#[test]
fn wrong_usage_is_told_from_everything_else() {
    let wrong: [&[&str]; 12] = [
        &[],
        &["frobnicate"],
        &["server", "65536"],
        &["server", "-1"],
        &["server", "--port", "1"],
        &["server", "1", "2"],
        &["client"],
        &["client", "localhost", "0"],
        &["client", "localhost", "port"],
        &["client", "localhost", "--bind", "127.0.0.1"],
        &["client", "localhost", "--timeout", "soon"],
        &["client", "localhost", "--name"],
    ];
    for args in wrong {
        let output = ptp(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{args:?}"
        );
    }
}

#[test]
fn a_server_is_reached_by_either_family_and_by_name() {
    for host in ["127.0.0.1", "::1", "[::1]", "localhost"] {
        if host.contains(':') && TcpListener::bind("[::1]:0").is_err() {
            eprintln!("no IPv6 here: {host} is left out");
            continue;
        }
        let server = Ptp::without_input(&["server", "0"]);
        let port = server.port();
        let client = Ptp::with_input(&["client", host, &port], "one\n");
        client.wait().is(0, "").is_content();
        server.wait().is(0, "one\n").is_content();
    }
}

#[cfg(unix)]
#[test]
fn a_signal_before_a_connection_is_an_exit_code() {
    use rustix::process::Signal;
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (waiting, _) = server(&[]);
        waiting.complains("Waiting for incoming connection");
        waiting.signal(signal);
        waiting.wait().is(code, "");
        let port = stranger(listen);
        let dialling = Ptp::without_input(&client(&port, &[]));
        dialling.complains("[CLIENT] Connecting to ");
        dialling.signal(signal);
        dialling.wait().is(code, "");
    }
}
