//! A listener's desk and both sides of the exchange together, with a fake clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::desk::Random;
use super::pake::{Confirming, SHARE};
use super::{Begin, Binding, CONFIRMATION, Code, Desk, Notice, PairingFault, Pake, Stale, Ticket};

const RANDOM: Random = getrandom::fill;

const WRONG_CODES: u32 = 10_000;

struct Listener {
    desk: Desk,
    now: Instant,
    burnt_tries: u32,
    codes: u32,
}

impl Listener {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            desk: Desk::new(now, RANDOM),
            now,
            burnt_tries: 0,
            codes: 0,
        }
    }

    fn hear_notices(&mut self) {
        while let Some(notice) = self.desk.poll_notice() {
            match notice {
                Notice::Burnt { tries } => self.burnt_tries += tries,
                Notice::NewCode(_) => self.codes += 1,
                Notice::NoCode => panic!("no random bytes"),
            }
        }
    }

    /// Begins as soon as it is allowed.
    fn begin(&mut self) -> (Ticket, Code) {
        loop {
            let begin = self.desk.begin(self.now);
            self.hear_notices();
            match begin {
                Begin::Run(ticket, code) => return (ticket, code),
                Begin::Wait(until) => self.now = until,
                Begin::NoCode => panic!("no code"),
            }
        }
    }

    /// A whole run with a dialler that types `typed`; whether it is let in.
    fn run(&mut self, typed: &Code, number: u32) -> Result<bool, Stale> {
        let binding = binding(number);
        let dialler = Pake::dialler(typed, &binding).unwrap();
        let to_listener = dialler.share();
        let (ticket, code) = self.begin();
        let listener = Pake::listener(&code, &binding).unwrap();
        let to_dialler = listener.share();
        let listener = listener.finish(&to_listener).unwrap();
        self.desk.share_sent(&ticket, self.now)?;
        let dialler = dialler.finish(&to_dialler).unwrap();
        self.now += Duration::from_millis(10);
        if !listener.check(dialler.own_confirmation()) {
            self.desk.failed(ticket, self.now);
            self.hear_notices();
            assert!(!dialler.check(listener.own_confirmation()));
            return Ok(false);
        }
        self.desk.succeeded(ticket, self.now)?;
        Ok(dialler.check(listener.own_confirmation()))
    }
}

/// Each connection has a handshake of its own.
fn binding(number: u32) -> Binding {
    let mut handshake_hash = [0; 32];
    handshake_hash[..4].copy_from_slice(&number.to_be_bytes());
    Binding {
        dialler_key: [1; 32],
        listener_key: [2; 32],
        handshake_hash,
    }
}

#[test]
fn ten_thousand_wrong_codes_let_nobody_in() {
    let mut listener = Listener::new();
    let start = listener.now;
    for number in 0..WRONG_CODES {
        let mut typed = Code::parse(&format!("{number:04}-magnet-village")).unwrap();
        if listener.desk.code().unwrap().as_str() == typed.as_str() {
            typed = Code::parse("0000-village-magnet").unwrap();
        }
        assert_eq!(listener.run(&typed, number), Ok(false), "{number}");
    }
    let burnt = WRONG_CODES / 3;
    assert_eq!(listener.burnt_tries, burnt * 3);
    // None expired: the third of three tries comes after two minutes.
    assert_eq!(listener.codes, 1 + burnt);
    let days = (listener.now - start).as_secs_f64() / 86_400.0;
    assert!((6.9..7.0).contains(&days), "{days} days");

    // Or else the above would show nothing.
    let right = listener.desk.code().unwrap().clone();
    assert_eq!(listener.run(&right, WRONG_CODES), Ok(true));
    assert!(listener.desk.code().is_none());
}

#[test]
fn a_right_code_that_comes_too_late_lets_nobody_in() {
    let mut listener = Listener::new();
    let right = listener.desk.code().unwrap().clone();
    listener.now += Duration::from_secs(600);
    listener.desk.handle_timeout(listener.now);
    assert_eq!(listener.run(&right, 0), Ok(false));
}

#[test]
fn a_share_that_nobody_honest_sends_costs_no_try() {
    let mut listener = Listener::new();
    for _ in 0..10 {
        let (ticket, code) = listener.begin();
        let pake = Pake::listener(&code, &binding(0)).unwrap();
        let finished: Result<Confirming, PairingFault> = pake.finish(&[b'A'; SHARE]);
        assert_eq!(finished.err(), Some(PairingFault::InvalidShare));
        listener.desk.failed(ticket, listener.now);
    }
    let right = listener.desk.code().unwrap().clone();
    assert_eq!(listener.run(&right, 0), Ok(true));
    assert_eq!((listener.codes, listener.burnt_tries), (1, 0));
}

#[test]
fn a_confirmation_without_the_code_is_wrong_whatever_it_is() {
    let mut listener = Listener::new();
    for byte in 0..6 {
        let wrong = Code::parse("0000-magnet-village").unwrap();
        let dialler = Pake::dialler(&wrong, &binding(0)).unwrap();
        let (ticket, code) = listener.begin();
        let pake = Pake::listener(&code, &binding(0)).unwrap();
        let confirming = pake.finish(&dialler.share()).unwrap();
        assert_eq!(listener.desk.share_sent(&ticket, listener.now), Ok(()));
        assert!(!confirming.check(&[byte; CONFIRMATION]));
        listener.desk.failed(ticket, listener.now);
    }
    listener.hear_notices();
    assert_eq!((listener.codes, listener.burnt_tries), (3, 6));
}

/// What a connection's thread does next with the desk.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    Send(usize),
    Succeed(usize),
    Fail(usize),
    Look,
    Renew,
}

fn step() -> impl Strategy<Value = (Step, u64)> {
    let any_ticket = || 0_usize..4;
    let step = prop_oneof![
        6 => Just(Step::Begin),
        6 => any_ticket().prop_map(Step::Send),
        1 => any_ticket().prop_map(Step::Succeed),
        3 => any_ticket().prop_map(Step::Fail),
        1 => Just(Step::Look),
        1 => Just(Step::Renew),
    ];
    let pause = prop_oneof![8 => 0..1_500_u64, 2 => 0..70_000_u64, 1 => 0..700_000_u64];
    (step, pause)
}

/// What an onlooker knows of a ticket.
struct Seen {
    ticket: Ticket,
    code: String,
    begun: Instant,
    sent: bool,
}

/// Watches a desk, and holds tickets for as long as chance wants.
struct Onlooker {
    desk: Desk,
    now: Instant,
    tickets: Vec<Seen>,
    /// When each code was first seen, and how many shares were sent with it.
    codes: HashMap<String, (Instant, u32)>,
    /// When the last run ended at the earliest, if it sent a share.
    spent_until: Option<Instant>,
}

impl Onlooker {
    fn new(now: Instant) -> Self {
        Self {
            desk: Desk::new(now, RANDOM),
            now,
            tickets: Vec::new(),
            codes: HashMap::new(),
            spent_until: None,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Begin => self.begin(),
            Step::Send(at) => self.send(at),
            Step::Succeed(at) => self.succeed(at),
            Step::Fail(at) => self.fail(at),
            Step::Look => self.desk.handle_timeout(self.now),
            Step::Renew => self.desk.renew(self.now),
        }
        while self.desk.poll_notice().is_some() {}
        assert!(self.desk.next_timeout().is_some() == self.desk.code().is_some());
    }

    fn begin(&mut self) {
        let begin = self.desk.begin(self.now);
        let Begin::Run(ticket, code) = begin else {
            assert!(!matches!(begin, Begin::Wait(until) if until <= self.now));
            return;
        };
        let code = code.as_str().to_owned();
        assert_eq!(self.desk.code().map(Code::as_str), Some(code.as_str()));
        let second = Duration::from_secs(1);
        assert!(self.spent_until.is_none_or(|end| end + second <= self.now));
        self.spent_until = None;
        self.codes.entry(code.clone()).or_insert((self.now, 0));
        self.tickets.push(Seen {
            ticket,
            code,
            begun: self.now,
            sent: false,
        });
    }

    fn send(&mut self, at: usize) {
        let Some(seen) = self.tickets.get_mut(at) else {
            return;
        };
        if self.desk.share_sent(&seen.ticket, self.now).is_ok() {
            assert!(!seen.sent && self.now < seen.begun + Duration::from_secs(2));
            seen.sent = true;
            self.spent_until = Some(self.now);
            let (_, shares) = self.codes.get_mut(&seen.code).unwrap();
            *shares += 1;
            assert!(*shares <= 3, "a code was tried a fourth time");
        }
    }

    fn succeed(&mut self, at: usize) {
        if at >= self.tickets.len() {
            return;
        }
        let seen = self.tickets.remove(at);
        let present = self.desk.code().map(|code| code.as_str().to_owned());
        if self.desk.succeeded(seen.ticket, self.now).is_ok() {
            assert!(seen.sent && self.now < seen.begun + Duration::from_secs(2));
            assert_eq!(present.as_ref(), Some(&seen.code));
            let (first_seen, _) = self.codes[&seen.code];
            assert!(self.now < first_seen + Duration::from_secs(600));
            assert!(self.desk.code().is_none());
        }
    }

    fn fail(&mut self, at: usize) {
        if at < self.tickets.len() {
            let seen = self.tickets.remove(at);
            self.desk.failed(seen.ticket, self.now);
        }
    }
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_the_rules_hold(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut onlooker = Onlooker::new(Instant::now());
        for (step, pause) in steps {
            onlooker.now += Duration::from_millis(pause);
            onlooker.take(step);
        }
    }
}
