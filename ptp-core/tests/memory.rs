//! Both directions full at once, with slow readers: no deadlock, and memory stays within the
//! windows.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod support;

use std::fs;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use ptp_core::{Config, Event, Session};
use support::network::{Network, network};
use support::{PATIENCE, Watchdog, next};

const LIMIT: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;
const EACH_WAY: usize = 64 * MIB;

/// What this process holds now, or held at the most, in bytes: a line of /proc/self/status.
fn memory(line: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|it| it.strip_prefix(line)).unwrap();
    let kib = value.trim_start_matches(':').trim().trim_end_matches(" kB");
    kib.parse::<usize>().unwrap() * 1024
}

/// Sends so much in messages of `size` bytes.
fn send(session: &Session, size: usize) {
    for number in 0..EACH_WAY / size {
        // Each in memory of its own, as an application would.
        let body = Bytes::from(vec![number as u8; size]);
        session.sender().send(body).unwrap();
    }
    session.sender().flush(LIMIT).unwrap();
}

/// Takes so much, slowly: whatever else can run does so first. Returns how many losses were told.
fn take(session: &Session, size: usize) -> u64 {
    let (mut came, mut losses) = (0, 0);
    while came < EACH_WAY / size {
        thread::yield_now();
        match next(session).unwrap() {
            Event::Received(message) => {
                assert_eq!(message.as_bytes().len(), size);
                assert_eq!(message.as_bytes()[size / 2], came as u8);
                came += 1;
                assert_eq!(message.id().get(), came as u64);
            }
            Event::Interrupted(_) => losses += 1,
            Event::Resumed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    losses
}

/// 64 MiB each way at once over small buffers, with cuts in the middle; returns how much memory
/// that took at the most.
fn fill_both_ways(config: &Config, size: usize, cuts: u64) -> usize {
    let Network {
        ana,
        ben,
        proxy,
        listener: _listener,
        ..
    } = network(config);
    let before = memory("VmRSS");
    // The highest mark starts anew where the system lets it.
    let _ = fs::write("/proc/self/clear_refs", "5");
    thread::scope(|scope| {
        for session in [&ana, &ben] {
            scope.spawn(|| send(session, size));
            scope.spawn(|| take(session, size));
        }
        for cut in 0..cuts {
            let lane = [proxy.there(), proxy.back()][cut as usize % 2];
            lane.cut_at((EACH_WAY as u64 / (cuts + 1)).min(EACH_WAY as u64 / 4));
            support::eventually("it is resumed", || ana.stats().resumes > cut);
        }
    });
    assert_eq!([&ana, &ben].map(|it| it.stats().resumes), [cuts; 2]);
    let closing = thread::spawn(move || ana.close(PATIENCE));
    // The last cut may have come when one side had taken everything.
    let end = loop {
        match next(&ben) {
            Some(Event::Interrupted(_) | Event::Resumed(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(end, Some(Event::Disconnected(_))), "{end:?}");
    assert!(closing.join().unwrap().is_delivered());
    memory("VmHWM").saturating_sub(before)
}

/// Only one test may stand in this crate: the memory of others would be counted with it.
#[test]
fn both_ways_full_takes_no_more_memory_than_the_windows() {
    let _watchdog = Watchdog::new("64 MiB each way", LIMIT);
    let mut small = Config::open();
    small.window_bytes = 256 * 1024;
    small.window_messages = 64;
    for (what, config, size, cuts) in [
        ("a small window", &small, 16 * 1024, 0),
        ("a small window and cuts", &small, 16 * 1024, 2),
        ("the usual window", &Config::open(), 64 * 1024, 0),
        ("the usual window and cuts", &Config::open(), 64 * 1024, 2),
    ] {
        let took = fill_both_ways(config, size, cuts);
        println!("{what}: {} KiB", took / 1024);
        // Each direction is held once by its sender and once by its receiver; and as much again for
        // what is sealed, being read, and free and not yet given back.
        let window = config.window_bytes as usize;
        assert!(took < 8 * window + 16 * MIB, "{what}: {} KiB", took / 1024);
    }
}
