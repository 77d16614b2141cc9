//! How long it takes to connect: two processes, loopback TCP, all ways interleaved round by round.
//!
//! The dialling process starts the other and tells it by a line which way comes next; the answer is
//! a line, too: where to, and what the dialler needs to trust it. Then the clock runs, until the
//! connecting call returns and until the first byte of the listening *application* is there. Only
//! the latter compares: TCP, TLS 1.3 and libzmq return before the other side has said that it is
//! content.

#[cfg(feature = "zmq")]
mod curve;
mod parts;
mod ptp;
mod table;
mod tcp;
#[cfg(feature = "rustls")]
mod tls;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use clap::ValueEnum;

use crate::Result;
use crate::peers::name;
use ptp::Meeting;

/// A way to connect, in the order of the rounds.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// A TcpStream, nothing else.
    Tcp,
    /// TLS 1.3 over it by rustls; the listener alone shows a certificate.
    #[cfg(feature = "rustls")]
    Tls,
    /// The same with certificates on both sides.
    #[cfg(feature = "rustls")]
    TlsMutual,
    /// libzmq, PAIR, encrypted by CURVE.
    #[cfg(feature = "zmq")]
    ZmqCurve,
    /// ptp-core with anyone: no files.
    PtpOpen,
    /// ptp-core with a known peer: identity and known peers in files, read anew each time.
    PtpKnown,
    /// ptp-core with somebody unknown and no code, until the dialler knows that it needs one.
    PtpUnknown,
    /// ptp-core with somebody unknown and a code, until both have written each other down.
    PtpPair,
}

/// The listening side of a way.
trait Door {
    /// Makes ready for the next caller; yields what it needs to find and to trust this side.
    fn open(&mut self) -> Result<String>;

    /// Takes the caller, sends it a first byte, and waits until it has gone.
    fn answer(&mut self) -> Result<()>;
}

/// The dialling side of a way.
trait Caller {
    /// Connects to what the door's `open` gave.
    fn call(&mut self, address: &str) -> Result<Took>;
}

/// How long a call took.
#[derive(Clone, Copy)]
struct Took {
    /// Until the connecting call returned.
    connected: Duration,
    /// Until the first byte of the listening application had come.
    heard: Duration,
}

impl Way {
    fn door(self, folder: &Path) -> Result<Box<dyn Door>> {
        let folder = &folder.join(format!("listen-{}", name(self)));
        Ok(match self {
            Self::Tcp => Box::new(tcp::Tcp::listen()?),
            #[cfg(feature = "rustls")]
            Self::Tls | Self::TlsMutual => Box::new(tls::Tls::listen(self == Self::TlsMutual)?),
            #[cfg(feature = "zmq")]
            Self::ZmqCurve => Box::new(curve::Curve::new()?),
            Self::PtpOpen => Box::new(ptp::Ptp::new(Meeting::Open, folder)?),
            Self::PtpKnown => Box::new(ptp::Ptp::new(Meeting::Known, folder)?),
            Self::PtpUnknown => Box::new(ptp::Ptp::new(Meeting::Unknown, folder)?),
            Self::PtpPair => Box::new(ptp::Ptp::new(Meeting::Pair, folder)?),
        })
    }

    fn caller(self, folder: &Path) -> Result<Box<dyn Caller>> {
        let folder = &folder.join(format!("dial-{}", name(self)));
        Ok(match self {
            Self::Tcp => Box::new(tcp::Dialler),
            #[cfg(feature = "rustls")]
            Self::Tls | Self::TlsMutual => Box::<tls::Dialler>::default(),
            #[cfg(feature = "zmq")]
            Self::ZmqCurve => Box::new(curve::Curve::new()?),
            Self::PtpOpen => Box::new(ptp::Ptp::new(Meeting::Open, folder)?),
            Self::PtpKnown => Box::new(ptp::Ptp::new(Meeting::Known, folder)?),
            Self::PtpUnknown => Box::new(ptp::Ptp::new(Meeting::Unknown, folder)?),
            Self::PtpPair => Box::new(ptp::Ptp::new(Meeting::Pair, folder)?),
        })
    }
}

/// Connects in every way, `times` times, and prints two tables: the ways, and what they consist of.
pub(crate) fn conduct(ways: &[Way], times: u32, folder: Option<PathBuf>) -> Result<()> {
    let folder = folder.unwrap_or_else(env::temp_dir);
    let folder = folder.join(format!("ptp-bench-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let result = rounds(ways, times, &folder).and_then(|took| {
        table::print(ways, &took);
        parts::measure(times, &folder)
    });
    fs::remove_dir_all(&folder)?;
    result
}

fn rounds(ways: &[Way], times: u32, folder: &Path) -> Result<Vec<Vec<Took>>> {
    end_after(Duration::from_secs(30) + times * ways.len() as u32 * Duration::from_millis(250));
    let mut listening = Command::new(env::current_exe()?)
        .arg("connecting")
        .args(["--times", &times.to_string()])
        .arg("--listen")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut other = Other {
        tell: listening.stdin.take().ok_or("no stdin")?,
        hear: BufReader::new(listening.stdout.take().ok_or("no stdout")?),
    };
    let callers: Result<Vec<_>> = ways.iter().map(|way| way.caller(folder)).collect();
    let mut callers = callers?;
    let mut took: Vec<Vec<Took>> = ways.iter().map(|_| Vec::new()).collect();
    // The first round warms up: files come into being, and known peers become known.
    for round in 0..=times {
        for ((way, caller), took) in ways.iter().zip(&mut callers).zip(&mut took) {
            let call = call(*way, &mut **caller, &mut other)
                .map_err(|error| format!("{}: {error}", name(*way)))?;
            if round > 0 {
                took.push(call);
            }
        }
    }
    drop(other);
    listening.wait()?;
    Ok(took)
}

/// The listening process, as the dialling one hears it.
struct Other {
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

fn call(way: Way, caller: &mut dyn Caller, other: &mut Other) -> Result<Took> {
    writeln!(other.tell, "{}", name(way))?;
    let mut address = String::new();
    other.hear.read_line(&mut address)?;
    let took = caller.call(address.trim())?;
    // The next call begins when the other side has put this one away.
    other.hear.read_line(&mut address)?;
    Ok(took)
}

/// Is the listening process: opens the door that a line names, and answers a call.
pub(crate) fn listen(times: u32, folder: &Path) -> Result<()> {
    let all = Way::value_variants();
    end_after(Duration::from_secs(30) + times * all.len() as u32 * Duration::from_millis(250));
    let mut doors: Vec<Option<Box<dyn Door>>> = all.iter().map(|_| None).collect();
    for line in io::stdin().lines() {
        let line = line?;
        let at = all.iter().position(|way| name(*way) == line);
        let at = at.ok_or("no such way")?;
        let door = match &mut doors[at] {
            Some(door) => door,
            empty => empty.insert(all[at].door(folder)?),
        };
        println!("{}", door.open()?);
        door.answer()
            .map_err(|error| format!("{line}, listening: {error}"))?;
        println!("done");
    }
    Ok(())
}

/// Whatever hangs, this process ends: nobody else waits with a deadline.
fn end_after(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        eprintln!("not ready after {limit:?}");
        process::exit(3);
    });
}

/// A clock that was started just before a call.
struct Clock {
    begun: Instant,
    connected: Duration,
}

impl Clock {
    fn start() -> Self {
        Self {
            begun: Instant::now(),
            connected: Duration::ZERO,
        }
    }

    fn connected(&mut self) {
        self.connected = self.begun.elapsed();
    }

    fn heard(self) -> Took {
        Took {
            connected: self.connected,
            heard: self.begun.elapsed(),
        }
    }
}
