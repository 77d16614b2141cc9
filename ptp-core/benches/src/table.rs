//! What the runs come to.

use std::time::Duration;

use crate::peers::{PeerName, name};
use crate::play::Outcome;
use crate::workload::Workload;

/// One run of one peer.
pub(crate) struct Run {
    /// What the dialling side measured.
    pub(crate) outcome: Outcome,
    /// The processor time of both processes.
    pub(crate) cpu: Duration,
    /// What everything else on the machine took meanwhile: when it is much, the run is spoilt.
    pub(crate) others: Duration,
}

impl Run {
    /// The workload's figure, in the unit of its title.
    fn figure(&self, workload: Workload) -> f64 {
        let rate = self.outcome.messages as f64 / self.outcome.elapsed.as_secs_f64();
        match workload {
            Workload::OneWay | Workload::BothWays => rate / 1e6,
            Workload::RoundTrip => micros(self.outcome.p50),
            Workload::Large => rate * workload.size() as f64 / 1e9,
        }
    }

    fn cpu_nanos(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.outcome.messages as f64
    }
}

/// Prints a workload's table; `runs` has a row for each of `peers`, with a run for each round.
///
/// The ratios are each reference's figure over the peer's, round by round, and of those the median.
/// Under `others` stands the worst round, in per cent of one processor.
pub(crate) fn print(workload: Workload, peers: &[PeerName], runs: &[Vec<Run>]) {
    let figures = |runs: &Vec<Run>| {
        runs.iter()
            .map(|run| run.figure(workload))
            .collect::<Vec<f64>>()
    };
    let mut references: Vec<usize> = (0..peers.len())
        .filter(|at| peers[*at].is_reference())
        .collect();
    if references.is_empty() {
        // Whoever left them out compares with the first.
        references.push(0);
    }
    let has_tail = workload == Workload::RoundTrip;

    println!("\n{}; {} rounds", workload.title(), runs[0].len());
    print!("{:<12} {:>8} {:>8} {:>8}", "peer", "median", "min", "max");
    let tail = if has_tail { "      p99" } else { "" };
    print!("{tail} {:>10}", "CPU ns/msg");
    for at in &references {
        print!(" {:>16}", format!("{}/peer", name(peers[*at])));
    }
    println!(" {:>9}", "others %");

    let all = |at: usize| &runs[at];
    for (peer, runs) in peers.iter().zip(runs) {
        let theirs = figures(runs);
        let sorted = sorted(theirs.clone());
        let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
        print!(
            "{:<12} {:>8.2} {min:>8.2} {max:>8.2}",
            name(*peer),
            median(sorted)
        );
        if has_tail {
            print!(
                " {:>8.2}",
                median(runs.iter().map(|run| micros(run.outcome.p99)).collect())
            );
        }
        let cpu = runs.iter().map(Run::cpu_nanos).collect();
        let others = runs
            .iter()
            .map(|run| run.others.div_duration_f64(run.outcome.elapsed) * 100.0);
        print!(" {:>10.0}", median(cpu));
        for at in &references {
            let ours = figures(all(*at));
            let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs);
            print!(" {:>16.2}", median(ratios.collect()));
        }
        println!(" {:>9.0}", others.fold(0.0, f64::max));
    }
}

/// In microseconds.
pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// From the least to the most.
pub(crate) fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The middle one.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    let values = sorted(values);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    }
}
