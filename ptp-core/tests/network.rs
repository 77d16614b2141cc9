//! A session outlives the failures of a real network: nothing is lost, doubled or out of order.
//!
//! Ignored, because they need root: docs/testing.md says how to run them.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

#[path = "support/cable.rs"]
mod cable;
mod support;

use std::fs::File;
use std::os::fd::AsFd;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use cable::{Cable, Fault, Side};
use crossbeam_channel::select;
use ptp_core::{Config, Event, Listener, Message, Session};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use support::{Dice, PATIENCE, accept, message, next, rest};

const CYCLES: u64 = 20;
/// Each way, in each cycle.
const MESSAGES: u64 = 1_000;
/// After which silence a peer is taken for dead: the shortest that is no hiccup.
const TIMEOUT: Duration = Duration::from_secs(1);

#[test]
#[ignore = "needs root"]
fn a_cable_that_is_unplugged_loses_nothing() {
    survive(|_| Fault::Unplugged);
}

#[test]
#[ignore = "needs root"]
fn a_black_hole_loses_nothing() {
    survive(|_| Fault::BlackHole);
}

#[test]
#[ignore = "needs root"]
fn a_black_hole_in_one_direction_loses_nothing() {
    survive(|cycle| {
        Fault::OneWay(match cycle % 2 {
            0 => Side::Left,
            _ => Side::Right,
        })
    });
}

#[test]
#[ignore = "needs root"]
fn a_reset_loses_nothing() {
    survive(|_| Fault::Reset);
}

#[test]
#[ignore = "needs root"]
fn a_line_that_loses_every_tenth_packet_loses_nothing() {
    let cable = Cable::new();
    let (_listener, mut ana, mut ben) = talk_over(&cable, &impatient());
    cable.fail(Fault::Loss);
    for _ in 0..CYCLES {
        exchange(&mut ana, &mut ben, None);
    }
    cable.mend();
    close(ana, ben);
}

#[test]
#[ignore = "needs root"]
fn a_cable_that_stays_unplugged_ends_both_sides_in_time() {
    let mut config = impatient();
    config.resume = Duration::from_secs(2);
    let cable = Cable::new();
    let (_listener, ana, ben) = talk_over(&cable, &config);
    ana.session.sender().send("in time").unwrap();
    assert_eq!(message(&ben.session), "in time");
    ana.session.sender().flush(PATIENCE).unwrap();
    cable.fail(Fault::Unplugged);
    for side in [&ana, &ben] {
        for _ in 0..3 {
            side.session.sender().send("too late").unwrap();
        }
    }
    thread::scope(|scope| {
        for side in [&ana, &ben] {
            scope.spawn(move || {
                let Some(Event::Interrupted(interruption)) = next(&side.session) else {
                    panic!("not interrupted");
                };
                let end = rest(&side.session).1;
                let took = interruption.since.elapsed();
                let allowed = config.resume..config.resume + Duration::from_secs(2);
                assert!(allowed.contains(&took), "{took:?}");
                let back = [end.unsent, end.unconfirmed].concat();
                assert_eq!(back.len(), 3);
                assert!(back.iter().all(|message| *message == "too late"));
            });
        }
    });
}

/// One side of a conversation.
struct Talker {
    session: Session,
    /// How many messages it has taken.
    taken: u64,
    /// How many it had when the present cycle began, which is also how many it had sent.
    before: u64,
    /// Whether it was told of an interruption in this cycle.
    noticed: bool,
    /// Whether the interruption lasts.
    interrupted: bool,
}

impl Talker {
    fn new(session: Session) -> Self {
        Self {
            session,
            taken: 0,
            before: 0,
            noticed: false,
            interrupted: false,
        }
    }

    fn begin_cycle(&mut self) {
        self.before = self.taken;
        self.noticed = false;
    }

    fn is_done(&self) -> bool {
        self.taken == self.before + MESSAGES && !self.interrupted
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Received(message) => {
                self.taken += 1;
                let found = number(&message);
                assert_eq!(found, Some(self.taken), "lost, doubled or out of order");
                assert!(message.as_bytes() == body(self.taken), "message {found:?}");
            }
            Event::Interrupted(_) => (self.noticed, self.interrupted) = (true, true),
            Event::Resumed(_) => self.interrupted = false,
            Event::Delivered { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// What message `number` says: mostly little, now and then more than one read brings.
fn body(number: u64) -> Vec<u8> {
    let length = match number % 100 {
        0 => 100_000,
        _ => Dice::new(number).below(1_000) as usize,
    };
    let mut body = number.to_be_bytes().to_vec();
    body.resize(8 + length, number as u8);
    body
}

fn number(message: &Message) -> Option<u64> {
    let (number, _) = message.as_bytes().split_first_chunk()?;
    Some(u64::from_be_bytes(*number))
}

fn impatient() -> Config {
    let mut config = Config::open();
    config.timeout = TIMEOUT;
    config
}

/// Runs `work` on one side of `cable`, and with it all threads that it starts.
fn on<T: Send>(cable: &Cable, side: Side, work: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(cable.namespace(side)).unwrap();
    let run = move || {
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(namespace.as_fd(), network).unwrap();
        work()
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

fn talk_over(cable: &Cable, config: &Config) -> (Listener, Talker, Talker) {
    let place = format!("{}:0", Side::Right.address());
    let listener = on(cable, Side::Right, || Listener::bind(&place, config)).unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let ana = on(cable, Side::Left, || Session::connect(&place, config)).unwrap();
    let ben = accept(&listener);
    (listener, Talker::new(ana), Talker::new(ben))
}

/// Both talk while the line fails, once in each cycle, until both have noticed.
fn survive(fault: impl Fn(u64) -> Fault) {
    let cable = Cable::new();
    let (_listener, mut ana, mut ben) = talk_over(&cable, &impatient());
    for cycle in 0..CYCLES {
        let trouble = Trouble {
            cable: &cable,
            fault: fault(cycle),
            moment: Dice::new(cycle).below(MESSAGES),
        };
        exchange(&mut ana, &mut ben, Some(&trouble));
    }
    assert!(ana.session.stats().resumes >= CYCLES);
    close(ana, ben);
}

/// Both send and take so many messages, while the line has this trouble.
fn exchange(ana: &mut Talker, ben: &mut Talker, trouble: Option<&Trouble>) {
    thread::scope(|scope| {
        let mut line = trouble.map_or(Line::Mended, |_| Line::Works);
        for talker in [&mut *ana, &mut *ben] {
            talker.begin_cycle();
            let (sender, first) = (talker.session.sender(), talker.before + 1);
            scope.spawn(move || {
                for number in first..first + MESSAGES {
                    sender.send(body(number)).unwrap();
                    if number % 10 == 0 {
                        // So that a cycle takes long enough for the line to fail in its middle.
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            });
        }
        let [from_ana, from_ben] = [&*ana, &*ben].map(|talker| talker.session.events().clone());
        while !(matches!(line, Line::Mended) && ana.is_done() && ben.is_done()) {
            select! {
                recv(from_ana) -> event => ana.note(event.unwrap()),
                recv(from_ben) -> event => ben.note(event.unwrap()),
                default(PATIENCE) => panic!("nothing happens: {:?}", [ana.taken, ben.taken]),
            }
            line = match (line, trouble) {
                (Line::Works, Some(trouble)) if ana.taken >= ana.before + trouble.moment => {
                    // Not here: nobody would take anything meanwhile.
                    Line::Fails(scope.spawn(|| trouble.cable.fail(trouble.fault)))
                }
                (Line::Fails(failing), Some(trouble)) if ana.noticed && ben.noticed => {
                    failing.join().unwrap();
                    trouble.cable.mend();
                    Line::Mended
                }
                (line, _) => line,
            };
        }
    });
}

/// What happens to the line in a cycle, and behind how many messages.
struct Trouble<'a> {
    cable: &'a Cable,
    fault: Fault,
    moment: u64,
}

enum Line<'a> {
    Works,
    Fails(ScopedJoinHandle<'a, ()>),
    Mended,
}

/// Both have said all, and part.
fn close(ana: Talker, ben: Talker) {
    thread::scope(|scope| {
        let closing = scope.spawn(move || ana.session.close(PATIENCE));
        let (messages, end) = rest(&ben.session);
        assert!(messages.is_empty() && end.reason.is_closed(), "{end:?}");
        let report = closing.join().unwrap();
        assert!(report.is_delivered() && report.unread.is_empty());
    });
}
