//! Names a service that accepts and says nothing to a PTP greeting: it is asked in the tongues of
//! those that wait for a word of their own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::protocol::identify;
use crate::transport::{Transport, tcp};

/// How long it has for an answer to each question.
const PATIENCE: Duration = Duration::from_secs(2);

/// What it speaks; `None` if it is silent whatever is said.
pub(super) fn name(at: SocketAddr) -> Option<&'static str> {
    [&CLIENT_HELLO[..], REQUEST]
        .into_iter()
        .find_map(|question| ask(at, question))
}

fn ask(at: SocketAddr, question: &[u8]) -> Option<&'static str> {
    let deadline = Instant::now() + PATIENCE;
    let mut halves = tcp::connect(at, deadline).ok()?.split().ok()?;
    // A question fits into an empty send buffer.
    halves.writer.write(question, deadline).ok()?;
    let mut answer = [0; 64];
    match halves.reader.read(&mut answer, deadline) {
        // PTP after all, only slower than it was given time for.
        Ok(length @ 1..) if answer[..length].starts_with(b"PTP/") => None,
        Ok(length @ 1..) => Some(identify(&answer[..length])),
        _ => None,
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// The shortest ClientHello of TLS 1.2 (RFC 5246, section 7.4.1.2): one cipher, no extension. Who
/// does not take it answers with an alert, which says just as well that it is TLS.
const CLIENT_HELLO: [u8; 50] = {
    let mut hello = [0; 50];
    // A record of 45 bytes; a ClientHello of 41; version 1.2; a random of zeros and no session.
    let head = [0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
    let mut at = 0;
    while at < head.len() {
        hello[at] = head[at];
        at += 1;
    }
    // TLS_RSA_WITH_AES_128_CBC_SHA, which all of that version know; no compression.
    hello[45] = 2;
    hello[47] = 0x2f;
    hello[48] = 1;
    hello
};
