//! What the program says about who is who.

use std::path::Path;

use ptp_core::{CodeError, ConnectError, HomeError, KnownPeer, Notice, Peer, Standing};

use super::plain;
use crate::escape;
use crate::exit::Exit;

/// Said by a server that lets anyone in.
pub(crate) const OPEN: &str =
    "[SERVER] Open: anyone who reaches this port is let in, encrypted but not verified";
/// Said once when too many strangers have called to tell of each.
pub(crate) const MORE_STRANGERS: &str =
    "[SERVER] More strangers call; they are turned away without a word here";
/// Said where there is nobody to list.
pub(crate) const NOBODY_KNOWN: &str =
    "Nobody is known yet: the first conversation with somebody asks for a pairing code";

/// Asks for the code that is shown at `place`.
pub(crate) fn question(place: &str) -> String {
    let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
    format!("First time with {}. Pairing code: ", escape::name(host))
}

/// `[PAIRED]`, if that has just happened.
pub(crate) fn acquainted(peer: &Peer) -> Option<String> {
    let paired = peer.standing() == Standing::Paired;
    let fingerprint = peer.fingerprint().filter(|_| paired)?;
    let name = escape::name(peer.name());
    Some(format!(
        "[PAIRED] {name} is known from now on; fingerprint {fingerprint}"
    ))
}

/// Who it is, unless it is oneself: what one should know before one talks to it.
pub(crate) fn caution(peer: &Peer) -> Option<String> {
    let (name, claimed) = (escape::name(peer.name()), escape::name(peer.claimed_name()));
    let Some(fingerprint) = peer.fingerprint() else {
        return Some(plain::LABEL.to_owned());
    };
    match peer.standing() {
        Standing::Stranger => Some(format!(
            "[PEER] Not verified: nobody knows who this is; fingerprint {fingerprint}"
        )),
        Standing::Known => {
            let known = format!("[PEER] {name}, whom you know; fingerprint {fingerprint}");
            let renamed = !claimed.is_empty() && claimed != name;
            Some(if renamed {
                format!("{known}; now goes by another name: {claimed}")
            } else {
                known
            })
        }
        _ => None,
    }
}

/// What happened while a server waits, if it is worth a line.
pub(crate) fn notice(notice: &Notice) -> Option<String> {
    match notice {
        Notice::Code(Some(code)) => Some(format!(
            "[SERVER] Pairing code for someone new: {}",
            code.as_str()
        )),
        Notice::Code(None) => Some(
            "[ERROR] No pairing code could be made: nobody new can be let in. Start again".into(),
        ),
        Notice::WrongCodes { tries, address } => {
            let from =
                address.map_or_else(String::new, |address| format!(" from {}", address.ip()));
            Some(format!("[SERVER] {tries} wrong codes{from}"))
        }
        Notice::TurnedAway {
            cause: ConnectError::KnownPeers(error),
            ..
        } => {
            let error = error.to_string();
            Some(format!(
                "[ERROR] A caller was turned away: {}",
                escape::text(&error, 0)
            ))
        }
        Notice::TurnedAway {
            address,
            fingerprint: Some(fingerprint),
            cause,
        } => {
            let why = match cause {
                ConnectError::PairingNeeded => "not known, and gave no code",
                ConnectError::WrongCode => "gave a wrong code",
                ConnectError::NotTrusted => "not known",
                ConnectError::NoPairing => "wanted to pair, which this server does not",
                _ => return None,
            };
            let from = address.map_or_else(String::new, |address| format!(" {}", address.ip()));
            Some(format!(
                "[SERVER] Turned away{from}: {why} (fingerprint {fingerprint})"
            ))
        }
        Notice::TurnedAway { address, cause, .. } => plain::turned_away(*address, cause),
        _ => None,
    }
}

/// Why who answers at `place` is not talked to, or does not talk; `None` for other errors.
pub(super) fn refusal(error: &ConnectError, place: &str) -> Option<String> {
    Some(match error {
        ConnectError::PairingNeeded => format!(
            "{place} and this computer do not know each other yet. The server shows a pairing \
             code: run this on a terminal to type it, or give it by PTP_CODE, --code-file or --code"
        ),
        ConnectError::WrongCode => format!(
            "The pairing code is wrong, or was replaced meanwhile: take the one that {place} shows \
             now"
        ),
        ConnectError::NotTrusted => format!(
            "{place} does not know this computer, and lets in only whom it knows. Your own \
             fingerprint is shown by `ptp id`"
        ),
        ConnectError::NoPairing => format!(
            "{place} is not known to this computer, and shows no pairing code. If it is open to \
             anyone, `--open` accepts it without knowing who it is"
        ),
        ConnectError::Unproved => format!(
            "{place} could not prove that it knows the pairing code: somebody may sit in between. \
             Compare the fingerprints (`ptp id`), and try again with the code that it shows now"
        ),
        ConnectError::Stranger(fingerprint) => {
            format!("{place} is not known to this computer; its fingerprint is {fingerprint}")
        }
        ConnectError::ChangedKey {
            place,
            expected,
            found,
        } => format!(
            "The key at {place} has changed: it is another computer, or somebody sits in \
             between. Nothing was told to it.\n\
             [ERROR]   expected fingerprint  {expected}\n\
             [ERROR]   found fingerprint     {found}\n\
             [ERROR] If you know why, and only then: ptp peers forget {place}",
        ),
        _ => return None,
    })
}

/// A line of `ptp peers`.
pub(crate) fn known_peer(peer: &KnownPeer) -> String {
    let since = humantime::format_rfc3339_seconds(peer.since).to_string();
    let day = since.get(..10).unwrap_or(&since);
    let addresses: Vec<_> = peer.addresses.iter().map(|at| escape::name(at)).collect();
    let line = format!(
        "{}  {}  {} {day}  {}",
        escape::name(&peer.name),
        peer.key.fingerprint(),
        peer.how,
        addresses.join(" ")
    );
    line.trim_end().to_owned()
}

/// A peer was forgotten.
pub(crate) fn forgotten(peer: &KnownPeer) -> String {
    format!(
        "Forgot {} ({}): a pairing code is needed next time",
        escape::name(&peer.name),
        peer.key.fingerprint()
    )
}

/// The key that is expected at an address was forgotten.
pub(crate) fn forgotten_address(peer: &KnownPeer, address: &str) -> String {
    format!(
        "Forgot that {} is expected at {}; who it is, is still known",
        escape::name(&peer.name),
        escape::name(address)
    )
}

/// The own identity or the known peers can't be used.
pub(crate) fn home_error(error: &HomeError) -> (String, Exit) {
    let text = error.to_string();
    (
        format!("[ERROR] {}", escape::text(&text, 0)),
        Exit::Unexpected,
    )
}

/// A known peer that was never called.
pub(crate) fn nowhere(peer: &KnownPeer) -> (String, Exit) {
    let name = escape::name(&peer.name);
    let text = format!(
        "[ERROR] {name} is known, but not where: give the address, such as `ptp client 192.168.1.5`"
    );
    (text, Exit::Unreachable)
}

/// The file with the code can't be read.
pub(crate) fn code_file(file: &Path, cause: &std::io::Error) -> (String, Exit) {
    let file = file.to_string_lossy();
    let text = format!(
        "[ERROR] The code in {} can't be read: {cause}",
        escape::name(&file)
    );
    (text, Exit::Untrusted)
}

/// A code that can't be one.
pub(crate) fn malformed_code(error: &CodeError) -> (String, Exit) {
    let text =
        format!("[ERROR] That is no pairing code: {error}. A code looks like 4071-magnet-village");
    (text, Exit::Untrusted)
}
