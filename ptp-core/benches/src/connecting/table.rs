//! What the calls come to.

use std::time::Duration;

use super::{Took, Way};
use crate::peers::name;
use crate::table::{median, micros, sorted};

/// Prints a row for each of `ways`, with a call for each round. The ratios are of `heard`, round by
/// round, and of those the median.
pub(super) fn print(ways: &[Way], took: &[Vec<Took>]) {
    let rounds = took.first().map_or(0, Vec::len);
    println!("\nconnecting, µs; {rounds} rounds");
    println!(
        "{:<12} {:>10} {:>10} {:>8} {:>8} {:>7} {:>7}",
        "way", "connected", "heard", "min", "max", "/tcp", "/tls"
    );
    let heard = |took: &[Took]| -> Vec<f64> { took.iter().map(|it| micros(it.heard)).collect() };
    let reference = |wanted: &str| {
        let at = ways.iter().position(|way| name(*way) == wanted)?;
        Some(heard(&took[at]))
    };
    let references = [reference("tcp"), reference("tls")];
    for (way, took) in ways.iter().zip(took) {
        let connected = took.iter().map(|it| micros(it.connected)).collect();
        let heard = heard(took);
        let ratios = references.each_ref().map(|reference| match reference {
            Some(theirs) => {
                let ratios = heard.iter().zip(theirs).map(|(ours, theirs)| ours / theirs);
                format!("{:.1}", median(ratios.collect()))
            }
            None => String::new(),
        });
        let heard = sorted(heard);
        println!(
            "{:<12} {:>10.0} {:>10.0} {:>8.0} {:>8.0} {:>7} {:>7}",
            name(*way),
            median(connected),
            median(heard.clone()),
            heard[0],
            heard[heard.len() - 1],
            ratios[0],
            ratios[1]
        );
    }
}

/// Prints a row for each part.
pub(super) fn print_parts<'a>(parts: impl Iterator<Item = (&'a str, Vec<Duration>)>) {
    println!("\n{:<38} {:>8} {:>8} {:>8}", "µs", "median", "min", "max");
    for (part, took) in parts {
        let took = sorted(took.into_iter().map(micros).collect());
        println!(
            "{part:<38} {:>8.0} {:>8.0} {:>8.0}",
            median(took.clone()),
            took[0],
            took[took.len() - 1]
        );
    }
}
