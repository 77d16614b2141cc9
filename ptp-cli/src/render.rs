//! Every line that the program says itself.

pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod guide;
pub(crate) mod history;
mod kept;
mod plain;
mod scripts;
mod talk;
mod trust;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use ptp_core::{
    ConnectError, End, Interruption, ListenError, Message, MessageKind, Peer, Resumption, Stage,
};

use crate::args::DEFAULT_PORT;
use crate::escape;
use crate::exit::Exit;

pub(crate) use kept::{
    DROPPED, Decision, NOT_NOW, SEND_AGAIN, UNCLEAR, decision, entries_not_kept, last_lines,
    left_undelivered, not_all_again, not_kept, not_looked_up, over_before_again, sending_again,
    undelivered_before,
};
pub(crate) use plain::{NOT_PLAIN, PLAIN_TOO, SPEAKS_PTP, not_plain};
pub(crate) use scripts::{
    COMMANDS_BEHIND_QUIT, UNREADABLE, answer_unsent, aside, ask_again, cut_off, no_answer,
    no_valid_answer, not_run, program_failed, question_with_choices, unanswerable,
};
pub(crate) use talk::{
    NO_SECRET, NO_SECRETS, SECRET, SECRET_SENT, coloured_speaker, help, no_thread, secret,
    secret_came, secret_dropped, undelivered_yet, unknown_command, who,
};
pub(crate) use trust::{
    MORE_STRANGERS, NOBODY_KNOWN, OPEN, acquainted, caution, code_file, forgotten,
    forgotten_address, home_error, known_peer, malformed_code, notice, nowhere, question,
};

/// The first lines on a terminal.
pub(crate) const BANNER: &str = "=== Unified Message Application ===\n";
/// What stands above a conversation on a terminal.
pub(crate) const INSTRUCTIONS: &str =
    "\n=== Type your messages (type 'quit' or 'exit' to disconnect) ===\n";
/// What stands before the own lines.
pub(crate) const PROMPT: &str = "You: ";
/// Said when the user leaves.
pub(crate) const LEAVING: &str = "[USER] Disconnecting...";

/// Input came behind the word to leave.
pub(crate) const INPUT_BEHIND_QUIT: &str =
    "[ERROR] Input behind `quit` was not sent: use --verbatim to send every line as it is";
/// Nobody reads standard output.
pub(crate) const STUCK: &str =
    "[ERROR] Standard output takes nothing: some of what was received could not be written";
/// The other side left while there was input.
pub(crate) const INPUT_LEFT: &str = "[ERROR] The other side left before all of the input was sent";
/// The conversation is over, and the next has not begun.
pub(crate) const NOBODY: &str =
    "[ERROR] Not sent: nobody is at the other end. Try again when somebody is (arrow up)";
/// As much is on the way as may be.
pub(crate) const FULL: &str =
    "[ERROR] Not sent: the other side has not read what was sent before. Try again (arrow up)";

/// A line of the program's own, as a terminal shows it: bold, which no line of the peer can be.
pub(crate) fn status(line: &str) -> String {
    if line.trim().is_empty() {
        return line.to_owned();
    }
    format!("\x1b[1m{line}\x1b[m")
}

/// `[CONNECTED]` and where the other side is.
pub(crate) fn connected(peer: &Peer) -> String {
    match peer.address() {
        Some(address) => format!("[CONNECTED] {address} connected"),
        None => "[CONNECTED] connected".to_owned(),
    }
}

/// What stands before the peer's lines; nothing that it can forge a line of ours with. A name that
/// nobody has checked is marked.
pub(crate) fn speaker(peer: &Peer) -> String {
    match escape::name(peer.name()) {
        name if name.is_empty() => "Remote".to_owned(),
        name if peer.is_name_sure() => name.into_owned(),
        name => format!("{name} (not verified)"),
    }
}

/// How far the lines of a message behind its first are indented.
const GUTTER: usize = 4;

/// A message as a terminal shows it.
pub(crate) fn message(speaker: &str, message: &Message) -> String {
    let shown = match message.as_text() {
        Some(text) => escape::text(text, GUTTER),
        None => escape::bytes(message.as_bytes(), GUTTER),
    };
    format!("{speaker}: {shown}")
}

/// `[INTERRUPTED]` and for how long it is tried to go on.
pub(crate) fn interrupted(interruption: &Interruption) -> String {
    format!(
        "[INTERRUPTED] Connection lost, trying again for {} s (messages are kept)",
        interruption.patience.as_secs_f64()
    )
}

/// `[RESUMED]`, after how long, and what was made up for.
pub(crate) fn resumed(resumption: &Resumption) -> String {
    let count = resumption.resent;
    format!(
        "[RESUMED] After {} s, {count} {} delivered",
        resumption.after.as_secs_f64().round(),
        messages(count)
    )
}

fn messages(count: u64) -> &'static str {
    if count == 1 { "message" } else { "messages" }
}

/// `[DISCONNECTED]` and, where something was not delivered, an error.
pub(crate) fn disconnected(end: &End) -> Vec<String> {
    use ptp_core::Reason::{ClosedByPeer, ClosedHere};
    let mut lines = vec![match end.reason {
        ClosedHere => "[DISCONNECTED] Connection closed".to_owned(),
        ClosedByPeer => "[DISCONNECTED] Remote host closed connection".to_owned(),
        reason if end.cause.is_empty() => format!("[DISCONNECTED] Connection lost: {reason}"),
        _ => format!("[DISCONNECTED] Connection lost: {}", end.cause),
    }];
    lines.extend(undelivered(end));
    lines
}

/// An error that counts what was not delivered, if there is any.
pub(crate) fn undelivered(end: &End) -> Option<String> {
    match (end.unsent.len() as u64, end.unconfirmed.len() as u64) {
        (0, 0) => None,
        (unsent, 0) => Some(format!(
            "[ERROR] {unsent} {} not delivered",
            messages(unsent)
        )),
        (0, perhaps) => Some(format!(
            "[ERROR] {perhaps} {} perhaps not delivered",
            messages(perhaps)
        )),
        (unsent, perhaps) => Some(format!(
            "[ERROR] {unsent} {} not delivered, {perhaps} more perhaps not",
            messages(unsent)
        )),
    }
}

/// The messages that were not delivered, each as it was typed; of a secret only that it was one.
pub(crate) fn undelivered_texts(end: &End) -> impl Iterator<Item = String> {
    let text = |label: &str, it: &Message| match it.kind() {
        MessageKind::Secret => format!("{label}: (a secret)"),
        _ => message(label, it),
    };
    let unsent = end.unsent.iter();
    let perhaps = end.unconfirmed.iter();
    unsent
        .map(move |it| text("[NOT DELIVERED]", it))
        .chain(perhaps.map(move |it| text("[PERHAPS NOT DELIVERED]", it)))
}

/// The exit code that an end calls for.
pub(crate) fn exit_of(end: &End) -> Exit {
    if end.reason.is_closed() && end.unsent.is_empty() && end.unconfirmed.is_empty() {
        Exit::Fine
    } else {
        Exit::Undelivered
    }
}

/// A line of input that the other side does not take.
pub(crate) fn too_large(line: u64, limit: u64) -> String {
    format!(
        "[ERROR] Line {line} of the input is longer than the {limit} bytes that the other side \
         takes; nothing from it on was sent"
    )
}

/// Input that can't be read.
pub(crate) fn unreadable(line: u64, cause: &std::io::Error) -> String {
    format!("[ERROR] The input can't be read behind line {line}: {cause}")
}

/// What could not be written.
pub(crate) fn unwritable(what: &str, cause: &std::io::Error) -> String {
    let what = escape::name(what);
    format!("[ERROR] {what} can't be written ({cause}): give a folder that is yours")
}

/// Why the other side could not be reached, and what to do.
pub(crate) fn connect_error(error: &ConnectError, place: &str, timeout: f64) -> (String, Exit) {
    use ConnectError as E;
    let port = place.rsplit(':').next().unwrap_or_default();
    let text = match error {
        E::Address(_) => format!(
            "{place} is no place to connect to: write the name or the address alone, and the port \
             behind a space, such as `ptp client alice.lan 7000`"
        ),
        E::Resolve { host, .. } => format!(
            "The name {} is not known: check its spelling, or use the address itself",
            escape::name(host)
        ),
        E::Unreachable { cause, .. } if cause.kind() == ErrorKind::ConnectionRefused => format!(
            "Nobody listens at {place}: is `ptp server {port}` running there, on that port?"
        ),
        E::Unreachable { cause, .. } => format!(
            "{place} can't be reached ({cause}): is it in the same network, and the address right?"
        ),
        E::TimedOut(Stage::Resolve) => {
            format!("{place}: looking up the name took longer than {timeout} s: use the address")
        }
        E::TimedOut(Stage::Connect) => format!(
            "{place} did not answer within {timeout} s: is it on, and does a firewall let port \
             {port} through?"
        ),
        E::TimedOut(Stage::Hello) => format!(
            "{place} accepted and said nothing for {timeout} s: it is probably not PTP. Is the \
             port right? {}",
            plain::HINT
        ),
        E::Closed(Stage::Hello) => format!(
            "{place} accepted and the other side closed at once: it is not PTP, or has too many \
             callers. Is the port right? {}",
            plain::HINT
        ),
        E::NotPtp(what) => format!(
            "{place} answered {what}, which is not PTP: is the port right? Start `ptp server` \
             there, and try again. {}",
            plain::HINT
        ),
        E::Version => {
            format!("{place} speaks another version of PTP: update the older of the two programs")
        }
        E::Unprovable => plain::unprovable(place),
        E::Busy => {
            format!("{place} is busy: it is in a conversation with somebody else. Try again later")
        }
        E::Overloaded => format!("{place} has too many callers at the moment: try again later"),
        other => match trust::refusal(other, place) {
            Some(text) => return (format!("[ERROR] {text}"), Exit::Untrusted),
            None => format!("{place}: {other}"),
        },
    };
    let exit = match error {
        E::Refused(_) => Exit::Untrusted,
        E::Identity(_) | E::Thread(_) | E::KnownPeers(_) => Exit::Unexpected,
        _ => Exit::Unreachable,
    };
    (format!("[ERROR] {text}"), exit)
}

/// Why a port could not be listened at, and what to do; `owner` is the program that has it, and its
/// process.
pub(crate) fn listen_error(
    error: &ListenError,
    port: u16,
    owner: Option<(String, u32)>,
) -> (String, Exit) {
    let next = port.checked_add(1).unwrap_or(DEFAULT_PORT);
    let by = match owner {
        Some((name, process)) => {
            format!(" by {} (process {process})", escape::name(&name))
        }
        None if cfg!(target_os = "macos") && port == DEFAULT_PORT => {
            " (on a Mac it is often AirPlay)".to_owned()
        }
        None => String::new(),
    };
    let text = match error {
        ListenError::Bind { cause, .. } if cause.kind() == ErrorKind::AddrInUse => {
            format!("Port {port} is in use{by}: try `ptp server {next}`")
        }
        ListenError::Bind { cause, .. } if cause.kind() == ErrorKind::PermissionDenied => {
            format!("Port {port} is not allowed to you: try `ptp server {DEFAULT_PORT}`")
        }
        ListenError::Bind { address, cause } if cause.kind() == ErrorKind::AddrNotAvailable => {
            format!(
                "{} is not an address of this machine: leave out --bind, or give one of its own",
                address.ip()
            )
        }
        ListenError::Address { address, cause } => format!(
            "{} is not an address to listen at ({cause}): leave out --bind, or give one of this \
             machine",
            escape::name(address)
        ),
        other => other.to_string(),
    };
    let exit = match error {
        ListenError::Bind { .. } | ListenError::Address { .. } => Exit::Unreachable,
        _ => Exit::Unexpected,
    };
    (format!("[ERROR] {text}"), exit)
}

/// The commands to type on the other machine, the likeliest address first.
pub(crate) fn invitations(bound: SocketAddr, addresses: &[(IpAddr, String)]) -> Vec<String> {
    let port = match bound.port() {
        DEFAULT_PORT => String::new(),
        port => format!(" {port}"),
    };
    let places = places(bound, addresses);
    let invite =
        |(ip, label)| format!("[SERVER] On the other machine: ptp client {ip}{port}{label}");
    places.into_iter().map(invite).collect()
}

/// The addresses by which others reach a listener, each with what is to be said of it, the likeliest
/// first.
pub(crate) fn places(bound: SocketAddr, addresses: &[(IpAddr, String)]) -> Vec<(IpAddr, String)> {
    if !bound.ip().is_unspecified() {
        return vec![(bound.ip(), String::new())];
    }
    let mut found: Vec<(Kind, IpAddr, String)> = addresses
        .iter()
        .filter(|(ip, _)| is_usable(ip) && (bound.is_ipv6() || ip.is_ipv4()))
        .map(|(ip, interface)| {
            let kind = kind(interface);
            (kind, *ip, kind.label(interface))
        })
        .collect();
    // Stable: within a kind the system's order stays.
    found.sort_by_key(|(kind, ..)| *kind);
    let places = found.into_iter().map(|(_, ip, label)| (ip, label));
    places.collect()
}

/// What an interface is for, the likeliest way to another machine first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Lan,
    Vpn,
    Bridge,
}

impl Kind {
    fn label(self, interface: &str) -> String {
        match self {
            Self::Lan => String::new(),
            Self::Vpn => format!("  (VPN {interface})"),
            Self::Bridge => format!("  (containers on this machine, {interface})"),
        }
    }
}

fn kind(interface: &str) -> Kind {
    const VPN: [&str; 7] = ["tun", "tap", "wg", "utun", "tailscale", "zt", "ppp"];
    const BRIDGE: [&str; 8] = [
        "docker", "br-", "veth", "virbr", "podman", "cni", "lxc", "vmnet",
    ];
    let begins = |prefix: &&str| interface.starts_with(*prefix);
    match () {
        () if VPN.iter().any(begins) => Kind::Vpn,
        () if BRIDGE.iter().any(begins) => Kind::Bridge,
        () => Kind::Lan,
    }
}

/// Whether somebody on another machine can type the address: link-local ones need a zone.
fn is_usable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lan_comes_before_vpn_and_container_bridges() {
        let addresses = [
            ("172.17.0.1", "docker0"),
            ("10.8.0.2", "tun0"),
            ("127.0.0.1", "lo"),
            ("192.168.1.5", "eth0"),
            ("fe80::1", "eth0"),
            ("2001:db8::5", "eth0"),
        ]
        .map(|(ip, name)| (ip.parse().unwrap(), name.to_owned()));
        let lines = invitations("[::]:5001".parse().unwrap(), &addresses);
        assert_eq!(
            lines,
            [
                "[SERVER] On the other machine: ptp client 192.168.1.5 5001",
                "[SERVER] On the other machine: ptp client 2001:db8::5 5001",
                "[SERVER] On the other machine: ptp client 10.8.0.2 5001  (VPN tun0)",
                "[SERVER] On the other machine: ptp client 172.17.0.1 5001  (containers on this \
                 machine, docker0)",
            ]
        );
        let only = invitations("10.1.1.1:5000".parse().unwrap(), &addresses);
        assert_eq!(only, ["[SERVER] On the other machine: ptp client 10.1.1.1"]);
    }
}
