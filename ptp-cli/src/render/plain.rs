//! What the program says of peers that do not speak PTP.

use std::net::SocketAddr;

use ptp_core::{ConnectError, Session, Stage};

use super::messages;

/// Stands above a plain conversation.
pub(super) const LABEL: &str = "[PLAIN] not encrypted, not verified";
/// Said by a server that lets plain callers in.
pub(crate) const PLAIN_TOO: &str = "[SERVER] Plain: nc, telnet and the original ptp.py are let in, \
                                    too, not encrypted and not verified";
/// Said by such a server of a caller that is none of these.
pub(crate) const SPEAKS_PTP: &str = "[PEER] It speaks PTP: encrypted";
/// What to do where somebody else than PTP answers.
pub(super) const HINT: &str =
    "To talk to nc, telnet or the original ptp.py, not encrypted, add `--plain`";
/// Something was typed that can't go in plain text.
pub(crate) const NOT_PLAIN: &str =
    "[ERROR] Not sent: the conversation is not encrypted, and a secret would be none";

/// A line of input that can't go in plain text.
pub(crate) fn not_plain(line: u64) -> String {
    format!(
        "[ERROR] Line {line} of the input is not UTF-8, which can't be sent in plain text; nothing \
         from it on was sent"
    )
}

/// A known peer was called by name, which can't prove its key.
pub(super) fn unprovable(place: &str) -> String {
    format!(
        "In plain text nobody can prove who it is, so a known peer can't be called by name: give the \
         address, {place}"
    )
}

/// A caller was turned away that speaks something else.
pub(super) fn turned_away(address: Option<SocketAddr>, cause: &ConnectError) -> Option<String> {
    let what = match cause {
        ConnectError::NotPtp("plain text" | "something binary") => "does not speak PTP".to_owned(),
        ConnectError::NotPtp(what) => format!("speaks {what} and not PTP"),
        ConnectError::TimedOut(Stage::Hello) => "said nothing".to_owned(),
        _ => return None,
    };
    let from = address.map_or_else(String::new, |address| format!(" ({})", address.ip()));
    Some(format!(
        "[SERVER] Somebody called who {what}{from}: to talk to nc, telnet or the original ptp.py, not \
         encrypted, start `ptp server --plain`"
    ))
}

/// What `/who` shows.
pub(super) fn who(session: &Session) -> [String; 3] {
    let place = match session.peer().address() {
        Some(address) => format!("at {address}"),
        None => "somewhere".to_owned(),
    };
    let stats = session.stats();
    let (sent, waiting) = (stats.sent, stats.unacknowledged);
    [
        LABEL.to_owned(),
        format!("[WHO] Somebody {place}, who speaks no PTP"),
        format!(
            "[WHO] {sent} {} sent, {waiting} of them not on their way yet; whether they arrive can't \
             be known",
            messages(sent)
        ),
    ]
}
