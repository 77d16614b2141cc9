//! What `ptp` without arguments asks.

use std::fmt::Write;

use ptp_core::KnownPeer;

use crate::escape;

/// Stands before each answer.
pub(crate) const QUESTION: &str = "A number, or the address of a computer that waits: ";

/// What there is to choose from: to wait, or one of `peers` at its last address.
pub(crate) fn choices(peers: &[KnownPeer]) -> String {
    let mut text = "Wait for somebody, or connect to somebody who waits?\n\n".to_owned();
    text += "  1  wait for somebody\n";
    for (number, peer) in (2..).zip(peers) {
        let at = peer.addresses.first().map(String::as_str);
        let (name, at) = (
            escape::name(&peer.name),
            escape::name(at.unwrap_or_default()),
        );
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {number}  connect to {name}, last at {at}");
    }
    text + "\n"
}

/// The answer means nothing.
pub(crate) fn misunderstood(last: usize) -> String {
    let numbers = match last {
        1 => "1".to_owned(),
        last => format!("a number from 1 to {last}"),
    };
    format!("Type {numbers}, or an address such as alice.lan or 192.168.1.5 7000; quit leaves")
}
