//! What stands between this side and a listener, step by step, without holding a session.
//!
//! ```text
//! Name ── Route, for each address ── Reach, for each address ── Answer ── Handshake ── Trust
//! ```
//!
//! It stops where a dialler knows who answers and has not said who it is: to the listener it is a
//! caller that went away, so it takes nobody's place, and a listener for one peer goes on waiting.
//! Whether the listener would let this side in is therefore not found out.

mod probe;

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use crate::config::Config;
use crate::connect;
use crate::driver::deadline;
use crate::driver::establish::{self, Dialling};
use crate::error::{ConnectError, Stage};
use crate::protocol::Pairing;
use crate::transport::{Transport, tcp};
use crate::trust::{Identity, PublicKey, Standing};

/// How long the other addresses have once one has answered: less than a listener gives its caller
/// for the handshake (10 s), which waits meanwhile.
const GRACE: Duration = Duration::from_secs(2);

/// What one step has found.
#[derive(Debug)]
#[non_exhaustive]
pub enum Check {
    /// The addresses that the name leads to, at least one, in the order in which they are tried.
    Name {
        /// The addresses.
        result: Result<Vec<SocketAddr>, ConnectError>,
        /// How long it took.
        took: Duration,
    },
    /// Whether this machine knows a way to an address. Nothing is sent for that.
    Route {
        /// The address.
        to: SocketAddr,
        /// The own address that the way begins at.
        result: io::Result<IpAddr>,
    },
    /// Whether somebody accepts connections at an address. It is enough if one of them does; the
    /// first is spoken to.
    Reach {
        /// The address.
        to: SocketAddr,
        /// [`ConnectError::Unreachable`] and `TimedOut` are the likely errors.
        result: Result<(), ConnectError>,
        /// How long it took.
        took: Duration,
    },
    /// Whether it is PTP that answers there, of a version that both sides speak.
    Answer {
        /// Where.
        at: SocketAddr,
        /// [`ConnectError::NotPtp`] names what answers instead; `Version` is another PTP.
        result: Result<(), ConnectError>,
        /// How long it took.
        took: Duration,
    },
    /// Whose key answers.
    Handshake {
        /// Where.
        at: SocketAddr,
        /// The key, of which the other side has proved that it holds it.
        result: Result<PublicKey, ConnectError>,
        /// How long it took.
        took: Duration,
    },
    /// What this side makes of that key.
    Trust {
        /// The key.
        key: PublicKey,
        /// Those errors with which `connect` would stop before it says who calls, such as
        /// [`ConnectError::ChangedKey`].
        result: Result<Outlook, ConnectError>,
    },
}

/// What a session with the listener depends on now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outlook {
    /// What this side knows of the listener.
    pub standing: Standing,
    /// The name that this side knows it by. It may hold any character: escape it before you show it.
    pub name: Option<String>,
    /// Whether [`Config::code`] must hold a pairing code first.
    pub needs_code: bool,
}

/// The checks, each made when it is asked for. See [`diagnose`].
pub struct Diagnosis {
    address: String,
    config: Config,
    next: Next,
    /// Checks that were made with others.
    made: VecDeque<Check>,
}

/// What is to be checked next.
enum Next {
    Name,
    Reach(Vec<SocketAddr>),
    Speak(SocketAddr, TcpStream),
    Trust(PublicKey, Identity),
    Nothing,
}

/// Finds out, step by step, what stands in the way of
/// [`Session::connect`](crate::Session::connect) with the same arguments.
///
/// Each step waits, for [`Config::connect_timeout`] at most, and the last is the first that fails,
/// or [`Check::Trust`]. No session comes about, and the listener does not learn who called; so
/// whether it would let this side in, or is busy, stays open.
///
/// ```
/// use ptp_core::{Check, Config, Listener, Session, Standing};
///
/// let listener = Listener::bind("127.0.0.1:0", &Config::open())?;
/// let address = listener.local_addr()?.to_string();
/// let checks: Vec<Check> = ptp_core::diagnose(&address, &Config::open()).collect();
/// let Some(Check::Trust { result: Ok(outlook), .. }) = checks.last() else {
///     panic!("{checks:?}");
/// };
/// assert_eq!(outlook.standing, Standing::Stranger);
/// assert!(!outlook.needs_code);
///
/// // The listener still waits for its first session.
/// let session = Session::connect(&address, &Config::open())?;
/// # drop((session, listener.accept()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn diagnose(address: &str, config: &Config) -> Diagnosis {
    Diagnosis {
        address: address.to_owned(),
        config: config.clone(),
        next: Next::Name,
        made: VecDeque::new(),
    }
}

impl Iterator for Diagnosis {
    type Item = Check;

    fn next(&mut self) -> Option<Check> {
        while self.made.is_empty() {
            self.next = match mem::replace(&mut self.next, Next::Nothing) {
                Next::Name => self.look_up(),
                Next::Reach(addresses) => self.reach(addresses),
                Next::Speak(at, stream) => self.speak(at, stream),
                Next::Trust(key, identity) => self.judge(key, &identity),
                Next::Nothing => return None,
            };
        }
        self.made.pop_front()
    }
}

impl Diagnosis {
    fn look_up(&mut self) -> Next {
        let start = Instant::now();
        let deadline = deadline(self.config.connect_timeout);
        let result = connect::resolve(&self.address, deadline, &|| true).map(distinct);
        let took = start.elapsed();
        let addresses = result.as_ref().map(Vec::clone).unwrap_or_default();
        self.made.push_back(Check::Name { result, took });
        if addresses.is_empty() {
            return Next::Nothing;
        }
        let routes = addresses.iter().map(|&to| Check::Route {
            to,
            result: route(to),
        });
        self.made.extend(routes);
        Next::Reach(addresses)
    }

    /// Tries all addresses at once. The first in their order that accepts is spoken to.
    fn reach(&mut self, addresses: Vec<SocketAddr>) -> Next {
        let start = Instant::now();
        let mut until = deadline(self.config.connect_timeout);
        let answers = call(&addresses, until);
        let mut outcomes: Vec<Option<Outcome>> = addresses.iter().map(|_| None).collect();
        // Ends when all have answered, too: then nobody holds the other end.
        while let Ok((number, outcome)) = answers.recv_deadline(until) {
            if outcome.0.is_ok() {
                until = until.min(Instant::now() + GRACE);
            }
            outcomes[number] = Some(outcome);
        }
        let mut next = Next::Nothing;
        for (to, outcome) in addresses.into_iter().zip(outcomes) {
            let (result, took) = outcome.unwrap_or_else(|| {
                let late = ConnectError::TimedOut(Stage::Connect);
                (Err(late), start.elapsed())
            });
            let result = result.map(|stream| {
                if matches!(next, Next::Nothing) {
                    next = Next::Speak(to, stream);
                }
            });
            self.made.push_back(Check::Reach { to, result, took });
        }
        next
    }

    fn speak(&mut self, at: SocketAddr, stream: TcpStream) -> Next {
        let start = Instant::now();
        let deadline = deadline(self.config.connect_timeout);
        let identity = self.config.identity.clone();
        let identity = match identity.map_or_else(Identity::generate, Ok) {
            Ok(identity) => identity,
            Err(error) => return self.unanswered(at, error.into(), start),
        };
        let halves = stream.split().map_err(|cause| ConnectError::Io {
            stage: Stage::Hello,
            cause,
        });
        let met = match halves.and_then(|halves| establish::meet(halves, &identity, deadline)) {
            Ok(met) => met,
            Err(error) => return self.unanswered(at, error, start),
        };
        self.made.push_back(Check::Answer {
            at,
            result: Ok(()),
            took: start.elapsed(),
        });
        let start = Instant::now();
        let result = met.look();
        let took = start.elapsed();
        let next = result
            .as_ref()
            .map_or(Next::Nothing, |key| Next::Trust(*key, identity));
        self.made.push_back(Check::Handshake { at, result, took });
        next
    }

    /// No PTP answered. What said nothing at all is asked what it is in other tongues.
    fn unanswered(&mut self, at: SocketAddr, error: ConnectError, start: Instant) -> Next {
        let took = start.elapsed();
        let silent = matches!(
            error,
            ConnectError::TimedOut(Stage::Hello) | ConnectError::Closed(Stage::Hello)
        );
        let named = silent.then(|| probe::name(at)).flatten();
        self.made.push_back(Check::Answer {
            at,
            result: Err(named.map_or(error, ConnectError::NotPtp)),
            took,
        });
        Next::Nothing
    }

    fn judge(&mut self, key: PublicKey, identity: &Identity) -> Next {
        let dialling = Dialling {
            config: &self.config,
            identity,
            place: Some(&self.address),
            pair: false,
        };
        let result = dialling.judge(key).map(|(judged, pairing)| Outlook {
            standing: judged.standing,
            name: judged.name,
            needs_code: pairing == Pairing::Wanted,
        });
        self.made.push_back(Check::Trust { key, result });
        Next::Nothing
    }
}

/// Each address once, in the same order.
fn distinct(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut seen = Vec::new();
    for address in addresses {
        if !seen.contains(&address) {
            seen.push(address);
        }
    }
    seen
}

/// The own address that the way to `to` begins at: a connected UDP socket knows, and sends nothing.
fn route(to: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if to.is_ipv6() {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}

/// Whether a connection came about, and how long it took.
type Outcome = (Result<TcpStream, ConnectError>, Duration);

/// Calls each address in a thread of its own, which ends at `deadline`; gives the outcomes as they
/// come, each with the number of its address.
fn call(addresses: &[SocketAddr], deadline: Instant) -> Receiver<(usize, Outcome)> {
    let (sender, receiver) = crossbeam_channel::unbounded();
    for (number, &to) in addresses.iter().enumerate() {
        let start = Instant::now();
        let answers = sender.clone();
        let call = move || {
            let result = tcp::connect(to, deadline).map_err(|cause| match cause.kind() {
                io::ErrorKind::TimedOut => ConnectError::TimedOut(Stage::Connect),
                _ => ConnectError::Unreachable { address: to, cause },
            });
            // Nobody waits for one that is late.
            let _ = answers.send((number, (result, start.elapsed())));
        };
        let called = thread::Builder::new()
            .name("ptp-connect".into())
            .spawn(call);
        if let Err(cause) = called {
            let failed = (Err(ConnectError::Thread(cause)), start.elapsed());
            // The receiver is held here.
            let _ = sender.send((number, failed));
        }
    }
    receiver
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_that_a_name_leads_to_twice_is_checked_once() {
        let [a, b]: [SocketAddr; 2] = [([127, 0, 0, 1], 1).into(), ([127, 0, 0, 2], 1).into()];
        assert_eq!(distinct(vec![a, b, a]), [a, b]);
    }

    #[test]
    fn the_first_address_that_accepts_is_spoken_to() {
        let [held, open, other] = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        // Nobody else gets the port of a caller.
        let caller = TcpStream::connect(address(&held)).unwrap();
        let closed = caller.local_addr().unwrap();
        let mut diagnosis = diagnose("any:1", &Config::open());
        let next = diagnosis.reach(vec![closed, address(&open), address(&other)]);
        let Next::Speak(at, _) = next else {
            panic!("nobody is spoken to");
        };
        assert_eq!(at, address(&open));
        let reached = diagnosis.made.iter().map(|check| match check {
            Check::Reach { to, result, .. } => (*to, result.is_ok()),
            other => panic!("{other:?}"),
        });
        let expected = [
            (closed, false),
            (address(&open), true),
            (address(&other), true),
        ];
        assert_eq!(reached.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_way_to_this_machine_begins_at_it() {
        let here: SocketAddr = ([127, 0, 0, 1], 9).into();
        assert_eq!(route(here).unwrap(), here.ip());
    }
}
