//! From a name to a TCP connection: every address is tried, under one deadline.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::error::{ConnectError, Stage};
use crate::transport::tcp;

/// How long an address has before the next is tried beside it (RFC 8305, section 8).
const STAGGER: Duration = Duration::from_millis(250);

/// How often it looks whether anybody still wants the connection.
const TICK: Duration = Duration::from_millis(50);

/// Connects to `address`, `"HOST:PORT"`, as long as anybody wants it.
pub(crate) fn connect(
    address: &str,
    deadline: Instant,
    is_wanted: &dyn Fn() -> bool,
) -> Result<TcpStream, ConnectError> {
    race(resolve(address, deadline, is_wanted)?, deadline, is_wanted)
}

/// Waits for a thread's answer until `until`, unless nobody wants it any more.
fn receive<T>(
    answers: &Receiver<T>,
    until: Instant,
    is_wanted: &dyn Fn() -> bool,
) -> Result<T, RecvTimeoutError> {
    loop {
        let tick = Instant::now() + TICK;
        match answers.recv_deadline(tick.min(until)) {
            Err(RecvTimeoutError::Timeout) if tick < until && is_wanted() => {}
            result => return result,
        }
    }
}

/// Looks a name up in a thread that is abandoned at the deadline: the system's look-up has none.
pub(crate) fn resolve(
    address: &str,
    deadline: Instant,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Vec<SocketAddr>, ConnectError> {
    if let Ok(address) = address.parse() {
        return Ok(vec![address]);
    }
    let malformed = || ConnectError::Address(address.to_owned());
    let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
    let port: u16 = port.parse().map_err(|_| malformed())?;
    let host = host.to_owned();
    if host.is_empty() || host.contains([':', '[', ' ']) {
        return Err(malformed());
    }
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let name = host.clone();
    thread::Builder::new()
        .name("ptp-resolve".into())
        .spawn(move || {
            let found = (&*name, port).to_socket_addrs().map(Iterator::collect);
            // Nobody waits any more: the deadline has passed.
            let _ = sender.send(found);
        })
        .map_err(ConnectError::Thread)?;
    let found: io::Result<Vec<_>> = receive(&receiver, deadline, is_wanted)
        .map_err(|_| ConnectError::TimedOut(Stage::Resolve))?;
    match found {
        Ok(addresses) if !addresses.is_empty() => Ok(alternate(addresses)),
        Ok(_) => Err(ConnectError::Resolve {
            host,
            cause: io::ErrorKind::NotFound.into(),
        }),
        Err(cause) => Err(ConnectError::Resolve { host, cause }),
    }
}

/// The first family's addresses and the other's in turn (RFC 8305, section 4).
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut other = other.into_iter();
    let mut order = Vec::new();
    for address in first {
        order.push(address);
        order.extend(other.next());
    }
    order.extend(other);
    order
}

/// Tries the addresses one beside the other; the first that answers is taken.
fn race(
    addresses: Vec<SocketAddr>,
    deadline: Instant,
    is_wanted: &dyn Fn() -> bool,
) -> Result<TcpStream, ConnectError> {
    let (sender, receiver) = crossbeam_channel::unbounded();
    let mut waiting = addresses.into_iter();
    let mut running = 0;
    let mut failure = None;
    loop {
        let next = waiting.next();
        let more = next.is_some();
        if let Some(address) = next {
            let sender = sender.clone();
            thread::Builder::new()
                .name("ptp-connect".into())
                .spawn(move || {
                    // Nobody waits any more: another address answered first.
                    let _ = sender.send((address, tcp::connect(address, deadline)));
                })
                .map_err(ConnectError::Thread)?;
            running += 1;
        }
        if running == 0 {
            return Err(failure.unwrap_or(ConnectError::TimedOut(Stage::Connect)));
        }
        let until = if more && waiting.len() > 0 {
            deadline.min(Instant::now() + STAGGER)
        } else {
            deadline
        };
        match receive(&receiver, until, is_wanted) {
            Ok((_, Ok(stream))) => return Ok(stream),
            Ok((address, Err(cause))) => {
                running -= 1;
                failure = Some(match cause.kind() {
                    io::ErrorKind::TimedOut => ConnectError::TimedOut(Stage::Connect),
                    _ => ConnectError::Unreachable { address, cause },
                });
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() < deadline && is_wanted() => {}
            Err(_) => return Err(ConnectError::TimedOut(Stage::Connect)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (a, b) = (parse("[::1]:1"), parse("[::2]:1"));
        let (c, d) = (parse("1.1.1.1:1"), parse("2.2.2.2:1"));
        assert_eq!(alternate(vec![a, b, c, d]), [a, c, b, d]);
        assert_eq!(alternate(vec![c, a]), [c, a]);
    }

    #[test]
    fn what_is_no_address_is_told_so() {
        for text in [
            "",
            "host",
            "host:",
            "host:x",
            ":1",
            "host:70000",
            "::1",
            "a b:1",
        ] {
            let error = resolve(text, Instant::now() + STAGGER, &|| true).unwrap_err();
            assert!(matches!(error, ConnectError::Address(_)), "{text}: {error}");
        }
    }
}
