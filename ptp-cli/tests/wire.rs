//! What travels: nothing that was said, and no name.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use support::{PATIENCE, Ptp, client, contains, server_with_pipe};

/// Stands between a client and the server at `port`. Returns its own port, and what each side
/// sent, the client first, as soon as both are done.
fn recorder(port: &str) -> (String, Receiver<[Vec<u8>; 2]>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let own_port = listener.local_addr().unwrap().port().to_string();
    let server: u16 = port.parse().unwrap();
    let (done, recorded) = mpsc::channel();
    thread::spawn(move || {
        let client = listener.accept().unwrap().0;
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).unwrap();
        let forth = {
            let (client, server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || record(client, server))
        };
        let back = record(server, client);
        done.send([forth.join().unwrap(), back]).unwrap();
    });
    (own_port, recorded)
}

fn record(mut from: TcpStream, mut to: TcpStream) -> Vec<u8> {
    let mut recorded = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        recorded.extend_from_slice(&piece[..length]);
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    recorded
}

#[test]
fn nothing_that_was_said_and_no_name_can_be_read_on_the_way() {
    let (mut server, port) = server_with_pipe(&["--name", "Anastasia"]);
    let (between, recorded) = recorder(&port);
    let mut client = Ptp::start(&client(&between, &["--name", "Benedikt"]));
    client.write("the treasure lies behind the harbour\n");
    server.prints("harbour\n");
    server.write("meet me under the lighthouse\n");
    client.prints("lighthouse\n");
    client.end_input();
    client.wait().is(0, "meet me under the lighthouse\n");
    server
        .wait()
        .is(0, "the treasure lies behind the harbour\n");

    let sides = recorded.recv_timeout(PATIENCE).unwrap();
    for side in &sides {
        for secret in [
            "treasure",
            "behind",
            "harbour",
            "meet",
            "under",
            "lighthouse",
            "Anastasia",
            "Benedikt",
        ] {
            assert!(!contains(side, secret), "{secret}");
        }
        let end = side.iter().position(|byte| *byte == b'\n').unwrap();
        let line = str::from_utf8(&side[..end]).unwrap();
        assert!(line.starts_with("PTP/1 "), "{line}");
        assert!(
            line.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{line}"
        );
        assert!(line.len() < 128);
    }
    assert_ne!(sides[0], sides[1]);
}

#[test]
fn the_same_words_look_different_each_time() {
    let said = || {
        let (mut server, port) = server_with_pipe(&[]);
        let (between, recorded) = recorder(&port);
        let client = Ptp::with_input(&client(&between, &[]), "the same words\n");
        server.end_input();
        client.wait().is(0, "");
        server.wait().is(0, "the same words\n");
        recorded.recv_timeout(PATIENCE).unwrap()
    };
    let (once, again) = (said(), said());
    let behind_hello = |side: &[u8]| {
        let end = side.iter().position(|byte| *byte == b'\n').unwrap();
        side[end + 1..].to_vec()
    };
    for (once, again) in once.iter().zip(&again) {
        let (once, again) = (behind_hello(once), behind_hello(again));
        // Two bytes in a row that agree are chance or a length; eight are not.
        let agree = once
            .windows(8)
            .filter(|part| again.windows(8).any(|other| other == *part));
        assert_eq!(agree.count(), 0);
    }
}

#[test]
fn a_connection_that_is_cut_is_lost_on_both_sides() {
    let (mut server, port) = server_with_pipe(&["--resume", "0"]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let between = listener.local_addr().unwrap().port().to_string();
    let mut client = Ptp::start(&client(&between, &["--resume", "0"]));
    let near = listener.accept().unwrap().0;
    let far = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    for (from, to) in [(&near, &far), (&far, &near)] {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || record(from, to));
    }
    client.write("one\n");
    server.prints("one\n");
    // The second may fail: the first has perhaps been passed on by then.
    let _ = near.shutdown(Shutdown::Both);
    let _ = far.shutdown(Shutdown::Both);
    client
        .wait()
        .is(5, "")
        .says("[DISCONNECTED] Connection lost: ");
    server.end_input();
    server
        .wait()
        .is(5, "one\n")
        .says("[DISCONNECTED] Connection lost: ");
}
