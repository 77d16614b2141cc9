//! The workloads, written once for all peers.
//!
//! Both sides greet before the clock starts, so that neither connecting nor the handshake counts.
//! The dialling side measures: from its first message to the listening side's confirmation that
//! the last one arrived (and, both ways, until it has the other's last one, too).

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::Result;
use crate::numbered::{Sink, Source};
use crate::peer::Peer;
use crate::workload::Workload;

/// What one side saw.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Messages sent and received within the workload.
    pub(crate) messages: u64,
    /// From the first message to the confirmation.
    pub(crate) elapsed: Duration,
    /// The processor time of this process in that time, all threads, user and kernel.
    pub(crate) cpu: Duration,
    /// Of round trips: the median.
    pub(crate) p50: Duration,
    /// Of round trips: the 99th percentile.
    pub(crate) p99: Duration,
}

/// The side that connects, starts and measures.
pub(crate) fn dial<P: Peer>(
    address: &str,
    workload: Workload,
    duration: Duration,
) -> Result<Outcome> {
    let size = workload.size();
    let (mut source, mut sink) = (Source::new(size, duration), Sink::new(size));
    let mut peer = P::connect(address, size)?;
    peer.send(source.single())?;
    peer.flush()?;
    wait(&mut peer, &mut sink, |sink| sink.count() > 0)?;

    source.restart(duration);
    let (start, cpu) = (Instant::now(), cpu_time());
    let mut trips = Vec::new();
    match workload {
        Workload::OneWay | Workload::Large => {
            while let Some(message) = source.next() {
                peer.send(message)?;
            }
            peer.flush()?;
        }
        Workload::BothWays => peer.exchange(&mut source, &mut sink)?,
        Workload::RoundTrip => trips = ping(&mut peer, &mut source, &mut sink)?,
    }
    sink.check()?;
    wait(&mut peer, &mut sink, Sink::is_confirmed)?;
    let (elapsed, cpu) = (start.elapsed(), cpu_time() - cpu);

    peer.close()?;
    trips.sort_unstable();
    // The greeting's two messages and the confirmation are not of the workload.
    let messages = source.count() + sink.count() - 3;
    Ok(Outcome {
        messages,
        elapsed,
        cpu,
        p50: quantile(&trips, 50),
        p99: quantile(&trips, 99),
    })
}

/// The side that listens; it says where through `publish`.
pub(crate) fn listen<P: Peer>(
    workload: Workload,
    duration: Duration,
    publish: impl FnOnce(&str) -> Result<()>,
) -> Result<Outcome> {
    let size = workload.size();
    let (listener, address) = P::listen(size)?;
    publish(&address)?;
    let mut peer = P::accept(listener, size)?;
    let (mut source, mut sink) = (Source::new(size, duration), Sink::new(size));
    wait(&mut peer, &mut sink, |sink| sink.count() > 0)?;
    peer.send(source.single())?;
    peer.flush()?;

    source.restart(duration);
    let (start, cpu) = (Instant::now(), cpu_time());
    match workload {
        Workload::OneWay | Workload::Large => wait(&mut peer, &mut sink, |sink| !sink.is_open())?,
        Workload::BothWays => peer.exchange(&mut source, &mut sink)?,
        Workload::RoundTrip => pong(&mut peer, &mut source, &mut sink)?,
    }
    sink.check()?;
    peer.send(source.confirmation())?;
    peer.flush()?;
    let (elapsed, cpu) = (start.elapsed(), cpu_time() - cpu);

    peer.close()?;
    let messages = source.count() + sink.count() - 3;
    Ok(Outcome {
        messages,
        elapsed,
        cpu,
        ..Outcome::default()
    })
}

/// Sends one message at a time, and returns how long each took there and back.
fn ping(peer: &mut impl Peer, source: &mut Source, sink: &mut Sink) -> Result<Vec<Duration>> {
    let mut trips = Vec::new();
    while let Some(message) = source.next() {
        let (sent, before) = (Instant::now(), sink.count());
        peer.send(message)?;
        peer.flush()?;
        wait(peer, sink, |sink| sink.count() > before)?;
        trips.push(sent.elapsed());
    }
    Ok(trips)
}

/// Answers each message, until the last.
fn pong(peer: &mut impl Peer, source: &mut Source, sink: &mut Sink) -> Result<()> {
    while sink.is_open() {
        let before = sink.count();
        wait(peer, sink, |sink| sink.count() > before)?;
        peer.send(source.single())?;
        peer.flush()?;
    }
    Ok(())
}

/// Receives until `done`.
fn wait(peer: &mut impl Peer, sink: &mut Sink, done: impl Fn(&Sink) -> bool) -> Result<()> {
    while !done(sink) {
        peer.recv(|message| sink.take(message))?;
        sink.check()?;
    }
    Ok(())
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    sorted
        .get(sorted.len() * percent / 100)
        .copied()
        .unwrap_or_default()
}
