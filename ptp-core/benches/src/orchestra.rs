//! The two processes of a run, and the order of the runs.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, io, process, thread};

use clap::ValueEnum;

use crate::Result;
use crate::peers::{PeerName, name};
use crate::play::Outcome;
use crate::table::{self, Run};
use crate::workload::Workload;

/// Which of the two processes this one is.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    /// Waits to be connected to.
    Listen,
    /// Connects and measures.
    Dial,
}

/// Runs every workload: the peers one after the other, round by round, then a table.
pub(crate) fn conduct(
    workloads: &[Workload],
    peers: &[PeerName],
    rounds: u32,
    duration: Duration,
) -> Result<()> {
    for &workload in workloads {
        let mut runs: Vec<Vec<Run>> = peers.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (&peer, runs) in peers.iter().zip(&mut runs) {
                let run = run(peer, workload, duration)
                    .map_err(|error| format!("{}, {}: {error}", name(peer), workload.title()))?;
                runs.push(run);
            }
        }
        table::print(workload, peers, &runs);
    }
    Ok(())
}

/// Is one side: tells its address (when it listens), plays, and tells its outcome.
pub(crate) fn be(
    side: Side,
    peer: PeerName,
    workload: Workload,
    duration: Duration,
    address: &str,
) -> Result<()> {
    // Whatever hangs, this process ends: nobody else waits with a deadline.
    let limit = duration * 4 + Duration::from_secs(10);
    thread::spawn(move || {
        thread::sleep(limit);
        eprintln!(
            "{} ({}): nothing came in {limit:?}",
            name(peer),
            workload.title()
        );
        process::exit(3);
    });
    let outcome = match side {
        Side::Listen => peer.listen(workload, duration, tell)?,
        Side::Dial => peer.dial(address, workload, duration)?,
    };
    let Outcome {
        messages,
        elapsed,
        cpu,
        p50,
        p99,
    } = outcome;
    let nanos = [elapsed, cpu, p50, p99].map(|time| time.as_nanos().to_string());
    tell(&format!("{messages} {}", nanos.join(" ")))
}

fn tell(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Starts both sides of one run, and adds up what they say.
fn run(peer: PeerName, workload: Workload, duration: Duration) -> Result<Run> {
    let busy = busy_ticks()?;
    let mut listening = start(Side::Listen, peer, workload, duration, "")?;
    let mut from_listening = BufReader::new(listening.stdout.take().ok_or("no stdout")?);
    let mut address = String::new();
    from_listening.read_line(&mut address)?;

    let dialled =
        start(Side::Dial, peer, workload, duration, address.trim())?.wait_with_output()?;
    if !dialled.status.success() {
        listening.kill()?;
        listening.wait()?;
        return Err(format!("the dialling side failed: {}", dialled.status).into());
    }
    let mut said = String::new();
    from_listening.read_to_string(&mut said)?;
    let status = listening.wait()?;
    if !status.success() {
        return Err(format!("the listening side failed: {status}").into());
    }
    let (dialler, listener) = (parse(str::from_utf8(&dialled.stdout)?)?, parse(&said)?);
    if dialler.messages != listener.messages {
        return Err("the two sides count differently".into());
    }
    let cpu = dialler.cpu + listener.cpu;
    let all = Duration::from_millis(10 * (busy_ticks()? - busy));
    Ok(Run {
        cpu,
        others: all.saturating_sub(cpu),
        outcome: dialler,
    })
}

/// How long all processors together have worked, in hundredths of a second; proc_stat(5).
fn busy_ticks() -> Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .map_while(|number| number.parse().ok())
        .collect();
    let &[user, nice, system, _idle, _iowait, irq, softirq, ..] = ticks.as_slice() else {
        return Err(format!("not from /proc/stat: {line:?}").into());
    };
    Ok(user + nice + system + irq + softirq)
}

fn start(
    side: Side,
    peer: PeerName,
    workload: Workload,
    duration: Duration,
    address: &str,
) -> io::Result<Child> {
    Command::new(env::current_exe()?)
        .args(["--side", &name(side)])
        .args(["--peers", &name(peer)])
        .args(["--only", &name(workload)])
        .args(["--seconds", &duration.as_secs_f64().to_string()])
        .args(["--address", address])
        .stdout(Stdio::piped())
        .spawn()
}

fn parse(line: &str) -> Result<Outcome> {
    let numbers: Vec<u64> = line
        .split_whitespace()
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()?;
    let &[messages, elapsed, cpu, p50, p99] = numbers.as_slice() else {
        return Err(format!("not an outcome: {line:?}").into());
    };
    let [elapsed, cpu, p50, p99] = [elapsed, cpu, p50, p99].map(Duration::from_nanos);
    Ok(Outcome {
        messages,
        elapsed,
        cpu,
        p50,
        p99,
    })
}
