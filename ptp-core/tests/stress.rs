//! Much at once: both ways full, and many threads that send, close, drop and cut.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod support;

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;
use ptp_core::transport;
use ptp_core::{Config, Event, Listener, Message, Reason, Session, TrySendError};
use socket2::SockRef;
use support::proxy::Proxy;
use support::{Dice, Watchdog, accept, ids, message, pair_over};

const LIMIT: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;

/// Sends `total` bytes each way at once, and takes them slowly.
fn fill_both_ways((ana, ben): (Session, Session), total: usize, size: usize) {
    let count = total / size;
    thread::scope(|scope| {
        for session in [&ana, &ben] {
            scope.spawn(move || {
                let body = bytes::Bytes::from(vec![5; size]);
                for _ in 0..count {
                    session.sender().send(body.clone()).unwrap();
                }
                session.sender().flush(LIMIT).unwrap();
            });
            scope.spawn(move || {
                for number in 1..=count as u64 {
                    // Slow: whatever else can run does so first.
                    thread::yield_now();
                    let got = message(session);
                    assert_eq!((got.id().get(), got.as_bytes().len()), (number, size));
                }
            });
        }
    });
}

/// Sessions over TCP with buffers of so many KiB.
///
/// Where few bytes are on the way at a time, buffers that hold less than one of loopback's
/// segments make the system wait for its own delayed acknowledgements.
fn tcp_with_buffers(kib: usize, config: &Config) -> (Session, Session) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let left = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let right = listener.accept().unwrap().0;
    for stream in [&left, &right] {
        let socket = SockRef::from(stream);
        socket.set_send_buffer_size(kib * 1024).unwrap();
        socket.set_recv_buffer_size(kib * 1024).unwrap();
    }
    pair_over(left, right, config, config)
}

#[test]
fn both_ways_full_over_tcp_is_no_deadlock() {
    let _watchdog = Watchdog::new("64 MiB each way over TCP", LIMIT);
    fill_both_ways(tcp_with_buffers(16, &Config::open()), 64 * MIB, 64 * 1024);
}

#[test]
fn both_ways_full_through_small_windows_is_no_deadlock() {
    let _watchdog = Watchdog::new("both ways through small windows", LIMIT);
    let mut config = Config::open();
    config.window_bytes = 64 * 1024;
    config.window_messages = 16;
    fill_both_ways(tcp_with_buffers(64, &config), 2 * MIB, 10_000);
    let (left, right) = transport::duplex(4096);
    fill_both_ways(pair_over(left, right, &config, &config), MIB / 4, 3_000);
}

#[test]
fn messages_larger_than_every_buffer_pass_both_ways() {
    let _watchdog = Watchdog::new("large messages both ways", LIMIT);
    let mut config = Config::open();
    config.window_bytes = MIB as u64;
    fill_both_ways(tcp_with_buffers(16, &config), 48 * MIB, 12 * MIB);
}

/// How one side of a stressed session behaves, and what it saw.
struct Side {
    session: Option<Session>,
    dice: Dice,
    taken: Vec<Message>,
    /// Whether there is a connection, by what was told.
    up: bool,
    /// Unconfirmed and unsent, if the end came.
    lost: Option<(Vec<u64>, Vec<u64>)>,
}

impl Side {
    fn new(session: Session, seed: u64) -> Self {
        Self {
            session: Some(session),
            dice: Dice::new(seed),
            taken: Vec::new(),
            up: true,
            lost: None,
        }
    }

    fn take_for_a_while(&mut self) {
        for _ in 0..self.dice.below(300) {
            let session = self.session.as_ref().unwrap();
            match session.events().recv_timeout(Duration::from_micros(100)) {
                Ok(event) => self.note(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    /// Takes for a while and ends somehow. Before that it breaks the line so often, where a session
    /// outlives that.
    fn run(mut self, breaks: Option<u64>, break_line: impl Fn(&mut Dice)) -> Self {
        for _ in 0..breaks.unwrap_or(0) {
            self.take_for_a_while();
            break_line(&mut self.dice);
        }
        self.take_for_a_while();
        let Some(session) = self.session.take() else {
            return self;
        };
        match self.dice.below(6) {
            0..3 => {
                break_line(&mut self.dice);
                if breaks.is_some() {
                    session.finish();
                }
            }
            3 => session.finish(),
            4 => session.abort(),
            _ => {
                let report = session.close(Duration::from_millis(self.dice.below(400)));
                self.taken.extend(report.unread);
                match report.end {
                    Some(end) => self.note(Event::Disconnected(end)),
                    None => assert!(self.lost.is_some(), "an end without Disconnected"),
                }
                return self;
            }
        }
        if self.dice.below(4) == 0 {
            // Nobody sees how it ends.
            drop(session);
            return self;
        }
        session.events().iter().for_each(|event| self.note(event));
        assert!(self.lost.is_some(), "an end without Disconnected");
        self
    }

    fn note(&mut self, event: Event) {
        assert!(self.lost.is_none(), "an event behind the last");
        match event {
            Event::Received(message) => self.taken.push(message),
            Event::Delivered { .. } => {}
            Event::Interrupted(_) if self.up => self.up = false,
            Event::Resumed(_) if !self.up => self.up = true,
            Event::Disconnected(end) => {
                assert_ne!(end.reason, Reason::Replaced);
                self.lost = Some((ids(&end.unconfirmed), ids(&end.unsent)));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Sends from several threads until nothing more is taken; returns how much was accepted.
fn send_from_threads(session: &Session, dice: &mut Dice) -> Vec<thread::JoinHandle<u64>> {
    let threads = (0..3).map(|number| {
        let (sender, size) = (
            session.sender(),
            [10, 2_000, 90_000][dice.below(3) as usize],
        );
        let mut dice = dice.clone();
        thread::spawn(move || {
            let mut last = 0;
            for _ in 0..400 {
                let body = vec![number; dice.below(size) as usize];
                let sent = match dice.below(3) {
                    0 => sender.send(body).ok(),
                    1 => sender.send_timeout(body, Duration::from_millis(5)).ok(),
                    _ => match sender.try_send(body) {
                        Err(TrySendError::Disconnected(_)) => None,
                        sent => sent.ok(),
                    },
                };
                last = sent.map_or(last, |id| id.get());
            }
            last
        })
    });
    threads.collect()
}

/// `accepted` messages went out; the other side took `taken`.
fn check(accepted: u64, lost: Option<&(Vec<u64>, Vec<u64>)>, taken: &[Message]) {
    let numbers = ids(taken);
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let taken = numbers.len() as u64;
    assert!(taken <= accepted, "{taken} of {accepted}");
    if let Some((unconfirmed, unsent)) = lost {
        let lost = [&unconfirmed[..], &unsent[..]].concat();
        let first = accepted + 1 - lost.len() as u64;
        assert_eq!(lost, (first..=accepted).collect::<Vec<_>>());
        assert!(
            first <= taken + 1,
            "lost in silence: {taken} taken, {first} handed back"
        );
        assert!(unsent.first().is_none_or(|unsent| *unsent > taken));
    }
}

/// What is drawn for both sides.
fn config(dice: &mut Dice) -> Config {
    let mut config = Config::open();
    config.timeout = Duration::from_millis(400);
    config.linger = Duration::from_millis(dice.below(100));
    config.window_bytes = 1 << dice.below(23);
    config.window_messages = 1 << dice.below(10);
    config
}

/// Both sides send, take, break their line and end, each as the dice want it.
fn stress(
    (ana, ben): (Session, Session),
    seed: u64,
    dice: &mut Dice,
    breaks: Option<u64>,
    break_line: [&(dyn Fn(&mut Dice) + Sync); 2],
) {
    let senders = [&ana, &ben].map(|session| send_from_threads(session, dice));
    let sides = [Side::new(ana, seed), Side::new(ben, seed + 1_000_000)];
    let sides = thread::scope(|scope| {
        let runs = sides.into_iter().zip(break_line);
        let runs: Vec<_> = runs
            .map(|(side, break_line)| scope.spawn(move || side.run(breaks, break_line)))
            .collect();
        runs.into_iter()
            .map(|run| run.join().unwrap())
            .collect::<Vec<_>>()
    });
    let [from_ana, from_ben] = senders.map(|threads| {
        let last = threads.into_iter().map(|thread| thread.join().unwrap());
        last.max().unwrap_or_default()
    });
    check(from_ana, sides[0].lost.as_ref(), &sides[1].taken);
    check(from_ben, sides[1].lost.as_ref(), &sides[0].taken);
}

/// Over memory: a line that breaks once.
fn stress_over_memory(seed: u64) {
    let mut dice = Dice::new(seed);
    let config = config(&mut dice);
    let (left, right) = transport::duplex(1 << (9 + dice.below(9)));
    let faults = [left.faults(), right.faults()];
    faults[0].slice(1 << (7 + dice.below(10)));
    let break_line = faults.map(|faults| {
        move |dice: &mut Dice| match dice.below(3) {
            0 => faults.cut(),
            1 => faults.cut_at(dice.below(5_000)),
            _ => faults.corrupt(dice.below(5_000)),
        }
    });
    let pair = pair_over(left, right, &config, &config);
    let [there, back] = &break_line;
    stress(pair, seed, &mut dice, None, [there, back]);
}

/// Over a bad network: the session goes on over one connection after the other.
fn stress_over_network(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut config = config(&mut dice);
    config.resume = Duration::from_millis(dice.below(600));
    config.connect_timeout = Duration::from_millis(200);
    let listener = Listener::bind("127.0.0.1:0", &config).unwrap();
    let proxy = Proxy::to(&listener.local_addr().unwrap().to_string());
    // The first connection has all the time that a loaded machine takes.
    let mut patient = config.clone();
    patient.connect_timeout = LIMIT;
    let ana = Session::connect(proxy.address(), &patient).unwrap();
    let pair = (ana, accept(&listener));
    let break_line = |dice: &mut Dice| break_network(&proxy, dice);
    let breaks = Some(dice.below(6));
    stress(pair, seed, &mut dice, breaks, [&break_line, &break_line]);
}

fn break_network(proxy: &Proxy, dice: &mut Dice) {
    let lane = [proxy.there(), proxy.back()][dice.below(2) as usize];
    match dice.below(16) {
        0..3 => proxy.reset(),
        3 => proxy.finish_there(),
        4 => proxy.finish_back(),
        5 => proxy.finish(),
        6 => proxy.stall(),
        7 => lane.stall(),
        8 => proxy.freeze(),
        9 => lane.freeze(),
        10 => lane.corrupt(dice.below(5_000)),
        11 => lane.cut_at(dice.below(5_000)),
        12 => lane.slice(Some(1 + dice.below(2_000) as usize)),
        13 => proxy.refuse(true),
        _ => {
            proxy.refuse(false);
            proxy.heal();
        }
    }
}

fn stress_with(seeds: std::ops::Range<u64>, stress: fn(u64)) {
    for seed in seeds {
        let _watchdog = Watchdog::new(format!("seed {seed}"), LIMIT / 2);
        let caught = std::panic::catch_unwind(|| stress(seed));
        assert!(caught.is_ok(), "seed {seed}");
    }
}

#[test]
fn whatever_both_sides_do_nothing_is_lost_in_silence_and_nothing_hangs() {
    stress_with(0..100, stress_over_memory);
}

#[test]
fn whatever_a_network_does_nothing_is_lost_in_silence_and_nothing_hangs() {
    thread::scope(|scope| {
        for part in 0..4 {
            scope.spawn(move || stress_with(part * 25..(part + 1) * 25, stress_over_network));
        }
    });
}
