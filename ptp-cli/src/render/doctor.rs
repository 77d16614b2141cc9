//! What the checks of `ptp doctor` have found, and what to do about it.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ptp_core::{Check, ConnectError, Fingerprint, Outlook, Stage, Standing};

use super::connect_error;
use crate::args::DEFAULT_PORT;
use crate::escape;
use crate::exit::Exit;

/// What the dialler can't find out without taking the place of a conversation.
const NOT_ASKED: &str = "Not asked: whether it lets you in, or is busy; that would end its wait";

/// The line of a step.
fn step(name: &str, is_fine: bool, text: &str) -> String {
    let verdict = if is_fine { "ok" } else { "no" };
    format!("{name:<10} {verdict}  {text}")
}

/// A line that says more of the step before.
fn more(text: &str) -> String {
    format!("{:15}{text}", "")
}

/// The host is the name of a known peer.
pub(crate) fn known(name: &str, place: &str) -> String {
    let name = escape::name(name);
    step(
        "name",
        true,
        &format!("{name} is known, and was last at {place}"),
    )
}

/// The lines of a check at `place`.
pub(crate) fn check(check: &Check, place: &str) -> Vec<String> {
    match check {
        Check::Name { result, took } => vec![match result {
            Ok(addresses) => step("name", true, &addresses_of(place, addresses, *took)),
            Err(error) => failed("name", error, *took),
        }],
        Check::Route { to, result } => vec![route(to.ip(), result)],
        Check::Reach { to, result, took } => vec![reach(*to, result, *took)],
        Check::Answer { at, result, took } => answer(*at, result, *took),
        Check::Handshake { result, took, .. } => vec![match result {
            Ok(_) => step("handshake", true, &time(*took)),
            Err(error) => failed("handshake", error, *took),
        }],
        Check::Trust { key, result } => trust(key.fingerprint(), result),
        _ => Vec::new(),
    }
}

fn failed(name: &str, error: &ConnectError, took: Duration) -> String {
    let error = match error {
        ConnectError::Address(place) => format!("{place} is neither a name nor an address"),
        other => other.to_string(),
    };
    let text = format!("{} ({})", escape::name(&error), time(took));
    step(name, false, &text)
}

fn addresses_of(place: &str, addresses: &[SocketAddr], took: Duration) -> String {
    if let Ok(at) = place.parse::<SocketAddr>() {
        return format!("{} is an address", at.ip());
    }
    let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
    let found: Vec<_> = addresses.iter().map(|at| at.ip().to_string()).collect();
    format!(
        "{} is {} ({})",
        escape::name(host),
        found.join(", "),
        time(took)
    )
}

fn route(to: IpAddr, from: &io::Result<IpAddr>) -> String {
    match from {
        Ok(from) if *from == to => step("route", true, &format!("to {to}: it is this machine")),
        Ok(from) => step("route", true, &format!("to {to} from {from}")),
        Err(cause) => step("route", false, &format!("none to {to}: {cause}")),
    }
}

fn reach(to: SocketAddr, result: &Result<(), ConnectError>, took: Duration) -> String {
    let what = match result {
        Ok(()) => "accepted".to_owned(),
        Err(ConnectError::Unreachable { cause, .. })
            if cause.kind() == ErrorKind::ConnectionRefused =>
        {
            "refused".to_owned()
        }
        Err(ConnectError::Unreachable { cause, .. }) => format!("can't be reached: {cause}"),
        Err(ConnectError::TimedOut(_)) => "did not answer".to_owned(),
        Err(error) => error.to_string(),
    };
    let text = format!("{to} {what} ({})", time(took));
    step("TCP", result.is_ok(), &text)
}

fn answer(at: SocketAddr, result: &Result<(), ConnectError>, took: Duration) -> Vec<String> {
    let is_ptp = step(
        "protocol",
        true,
        &format!("{at} answered as PTP ({})", time(took)),
    );
    match result {
        Ok(()) => vec![is_ptp, step("version", true, "the same on both sides")],
        Err(error @ ConnectError::Version) => {
            vec![is_ptp, step("version", false, &error.to_string())]
        }
        Err(error) => vec![failed("protocol", error, took)],
    }
}

fn trust(found: Fingerprint, result: &Result<Outlook, ConnectError>) -> Vec<String> {
    let key = |is_fine, who: &str| step("key", is_fine, &format!("{found}: {who}"));
    match result {
        Ok(outlook) => {
            let who = match (outlook.standing, &outlook.name) {
                (Standing::Own, _) => "your own, here or on another machine".to_owned(),
                (Standing::Stranger, _) => "not known to this computer".to_owned(),
                (_, Some(name)) => format!("{}, whom you know", escape::name(name)),
                (_, None) => "the one that is expected".to_owned(),
            };
            let key = key(outlook.standing != Standing::Stranger, &who);
            if outlook.needs_code {
                return vec![key, step("trust", false, "a pairing code is needed")];
            }
            let trusted = step("trust", true, "this computer trusts that key");
            vec![key, trusted, more(NOT_ASKED)]
        }
        Err(error @ ConnectError::ChangedKey { expected, .. }) => vec![
            key(false, &format!("another one is expected here, {expected}")),
            step("trust", false, &first_line(&error.to_string())),
        ],
        Err(error) => vec![
            key(false, "not accepted"),
            step("trust", false, &first_line(&error.to_string())),
        ],
    }
}

/// Why it usually fails so, and what to do; how to exit. `here` says that the place is on this
/// machine.
pub(crate) fn advice(
    error: &ConnectError,
    place: &str,
    here: bool,
    timeout: Duration,
) -> (Vec<String>, Exit) {
    let (text, exit) = connect_error(error, place, timeout.as_secs_f64());
    let lines = text.lines().map(|line| line.trim_start_matches("[ERROR]"));
    let mut lines: Vec<_> = lines.map(|line| more(line.trim_start())).collect();
    lines.extend(hint(error, place, here).map(|hint| more(&hint)));
    (lines, exit)
}

/// What to do where two do not know each other yet.
pub(crate) fn code_needed(host: &str, port: Option<u16>) -> String {
    let port = port.map_or_else(String::new, |port| format!(" {port}"));
    more(&format!(
        "The other side shows one: `ptp client {}{port}` asks for it, once (a script gives it by \
         PTP_CODE). If it is open to anyone, it has none, and --open accepts it",
        escape::name(host)
    ))
}

/// What may help on this system, or be so on the other.
fn hint(error: &ConnectError, place: &str, here: bool) -> Option<String> {
    let (host, port) = place.rsplit_once(':')?;
    let host = escape::name(host.trim_matches(['[', ']']));
    Some(match error {
        ConnectError::Resolve { .. } if host.contains('.') => {
            format!("What this system makes of the name: `{LOOK_UP} {host}`")
        }
        ConnectError::Resolve { .. } => format!(
            "What this system makes of the name: `{LOOK_UP} {host}`. In a home network it often has \
             an end, such as {host}.local"
        ),
        ConnectError::Unreachable { cause, .. } => match cause.kind() {
            ErrorKind::ConnectionRefused if here => {
                format!("What listens on this machine: `{LISTENERS}`")
            }
            ErrorKind::ConnectionRefused => "What listens on that machine: `ss -ltn` on Linux, \
                 `netstat -an` elsewhere; or a firewall there refuses for it"
                .to_owned(),
            _ => format!("The way there as this system sees it: `{ROUTE} {host}`"),
        },
        ConnectError::TimedOut(Stage::Connect) => format!(
            "Whether it is on: `ping {host}`. To let the port through there: `sudo ufw allow \
             {port}/tcp` on many a Linux, System Settings, Network, Firewall on a Mac, and on \
             Windows what it asks when ptp first listens"
        ),
        ConnectError::NotPtp("HTTP") if port.parse() == Ok(DEFAULT_PORT) => format!(
            "On a Mac port {port} is AirPlay's: turn AirPlay Receiver off there, or take another \
             port, such as `ptp server 5001`"
        ),
        _ => return None,
    })
}

const LOOK_UP: &str = if cfg!(target_os = "linux") {
    "getent hosts"
} else if cfg!(target_os = "macos") {
    "dscacheutil -q host -a name"
} else {
    "nslookup"
};

const LISTENERS: &str = if cfg!(target_os = "linux") {
    "ss -ltnp"
} else {
    "netstat -an"
};

const ROUTE: &str = if cfg!(target_os = "linux") {
    "ip route get"
} else if cfg!(target_os = "macos") {
    "route -n get"
} else {
    "tracert"
};

fn time(took: Duration) -> String {
    match took.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1000.0),
        seconds => format!("{seconds:.1} s"),
    }
}

/// Of an error that came from a file: fit to stand in a line.
fn first_line(text: &str) -> String {
    escape::name(text.lines().next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(error: &ConnectError, place: &str, here: bool) -> String {
        advice(error, place, here, Duration::from_secs(10))
            .0
            .join("\n")
    }

    #[test]
    fn what_helps_depends_on_the_place() {
        let http = ConnectError::NotPtp("HTTP");
        assert!(said(&http, "192.0.2.1:5000", false).contains("AirPlay"));
        assert!(!said(&http, "192.0.2.1:80", false).contains("AirPlay"));
        let refused = ConnectError::Unreachable {
            address: ([192, 0, 2, 1], 5000).into(),
            cause: ErrorKind::ConnectionRefused.into(),
        };
        assert!(said(&refused, "192.0.2.1:5000", true).contains("this machine"));
        assert!(said(&refused, "192.0.2.1:5000", false).contains("that machine"));
        let unknown = |host: &str| ConnectError::Resolve {
            host: host.to_owned(),
            cause: ErrorKind::NotFound.into(),
        };
        assert!(said(&unknown("alice"), "alice:5000", false).contains("alice.local"));
        assert!(!said(&unknown("alice.lan"), "alice.lan:5000", false).contains(".local"));
    }

    #[test]
    fn what_a_name_contains_is_escaped() {
        let result = Err(ConnectError::Address("\x1b[2J".to_owned()));
        let took = Duration::from_millis(1500);
        let lines = check(&Check::Name { result, took }, "\x1b[2J:5000");
        assert_eq!(
            lines,
            ["name       no  ^[[2J is neither a name nor an address (1.5 s)"]
        );
    }
}
