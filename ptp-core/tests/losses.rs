//! How a session ends where the network or the peer fails.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use ptp_core::transport::{self, Faults};
use ptp_core::{Config, End, Listener, Message, Reason, SendError, Session};
use support::proxy::Proxy;
use support::{
    Dice, PATIENCE, accept, end, eventually, ids, impatient, message, pair_over, rest, timed,
};

/// The impatient timeout, and what may come on top of it: the loss of the peer is a second one.
const TIMEOUT: Duration = Duration::from_millis(300);
const SLACK: Duration = Duration::from_millis(1_700);

/// Two sessions over memory, and what breaks either direction.
fn memory(config: &Config) -> (Session, Session, Faults, Faults) {
    let (left, right) = transport::duplex(64 * 1024);
    let (there, back) = (left.faults(), right.faults());
    let (ana, ben) = pair_over(left, right, config, config);
    (ana, ben, there, back)
}

/// Two sessions over TCP with a proxy between them, which do not try to go on after a loss.
fn network(config: &Config) -> (Session, Session, Proxy) {
    let mut config = config.clone();
    config.resume = Duration::ZERO;
    let listener = Listener::bind("127.0.0.1:0", &config).unwrap();
    let proxy = Proxy::to(&listener.local_addr().unwrap().to_string());
    let ana = Session::connect(proxy.address(), &config).unwrap();
    (ana, accept(&listener), proxy)
}

/// Sends until the session ends; then takes the rest. Returns how many messages were accepted.
fn send_on(session: &Session, size: usize) -> (u64, Box<End>) {
    let accepted = (0..)
        .find(|_| session.sender().send(vec![7; size]).is_err())
        .unwrap();
    (accepted, rest(session).1)
}

#[test]
fn a_cut_is_a_reset_and_everything_open_is_handed_back() {
    let (ana, ben, there, back) = memory(&Config::open());
    ana.sender().send("taken").unwrap();
    message(&ben);
    ana.sender().flush(PATIENCE).unwrap();
    there.stall(true);
    for _ in 0..3 {
        ana.sender().send("lost").unwrap();
    }
    there.cut();
    back.cut();
    let told = end(&ana);
    assert_eq!(told.reason, Reason::Reset);
    assert!(!told.reason.is_closed());
    assert_eq!(
        [ids(&told.unconfirmed), ids(&told.unsent)].concat(),
        [2, 3, 4]
    );
    assert!(
        told.unconfirmed
            .iter()
            .chain(&told.unsent)
            .all(|back| *back == "lost")
    );
    assert_eq!(end(&ben).reason, Reason::Reset);
    assert_eq!(ana.sender().send("x"), Err(SendError::Disconnected(())));
}

#[test]
fn what_arrived_before_a_cut_can_still_be_taken() {
    let (ana, ben, there, _) = memory(&Config::open());
    for _ in 0..10 {
        ana.sender().send("in time").unwrap();
    }
    eventually("the messages are there", || ben.events().len() == 10);
    there.cut();
    let (got, told) = rest(&ben);
    assert_eq!((got.len(), told.reason), (10, Reason::Reset));
    assert_eq!(ids(&end(&ana).unconfirmed), (1..=10).collect::<Vec<_>>());
}

/// Over memory the one whose time is up first hangs up, and the other may see that.
fn assert_timed_out(one: Reason, other: Reason) {
    let both = [one, other];
    assert!(both.contains(&Reason::TimedOut), "{both:?}");
    let fit = |reason: &Reason| matches!(reason, Reason::TimedOut | Reason::Reset);
    assert!(both.iter().all(fit), "{both:?}");
}

#[test]
fn a_silent_line_times_out() {
    let (ana, ben, there, back) = memory(&impatient());
    ana.sender().send("nobody hears it").unwrap();
    let start = Instant::now();
    there.stall(true);
    back.stall(true);
    assert_timed_out(rest(&ana).1.reason, rest(&ben).1.reason);
    let took = start.elapsed();
    assert!((TIMEOUT / 2..TIMEOUT + SLACK).contains(&took), "{took:?}");
}

#[test]
fn the_shorter_timeout_of_both_sides_counts() {
    let (left, right) = transport::duplex(1024);
    let (there, back) = (left.faults(), right.faults());
    let (ana, ben) = pair_over(left, right, &Config::open(), &impatient());
    there.stall(true);
    back.stall(true);
    let ((), took) = timed(|| assert_timed_out(end(&ana).reason, end(&ben).reason));
    assert!(took < TIMEOUT + SLACK, "{took:?}");
}

#[test]
fn a_peer_that_never_writes_is_given_up_in_time() {
    let (ana, ben, _, back) = memory(&impatient());
    back.stall(true);
    let (told, took) = timed(|| end(&ana));
    assert_eq!(told.reason, Reason::TimedOut);
    assert!(took < TIMEOUT + SLACK, "{took:?}");
    assert_eq!(rest(&ben).1.reason, Reason::Reset);
}

#[test]
fn a_peer_that_never_reads_blocks_send_only_until_it_is_given_up() {
    let (ana, ben, there, back) = memory(&impatient());
    there.stall(true);
    back.stall(true);
    let ((accepted, told), took) = timed(|| send_on(&ana, 100_000));
    assert!(took < TIMEOUT + SLACK, "{took:?}");
    let lost = [ids(&told.unconfirmed), ids(&told.unsent)].concat();
    assert_eq!(lost, (1..=accepted).collect::<Vec<_>>());
    assert!(!told.unsent.is_empty() && told.unconfirmed.len() <= 2);
    assert_timed_out(told.reason, rest(&ben).1.reason);
}

#[test]
fn a_tcp_peer_that_never_reads_is_given_up_in_time() {
    for _ in 0..3 {
        let (ana, ben, proxy) = network(&impatient());
        proxy.stall();
        let ((accepted, told), took) = timed(|| send_on(&ana, 64 * 1024));
        assert_eq!(told.reason, Reason::TimedOut, "{}", told.cause);
        assert!(took < TIMEOUT + SLACK, "{took:?}");
        let lost = [ids(&told.unconfirmed), ids(&told.unsent)].concat();
        assert_eq!(lost, (1..=accepted).collect::<Vec<_>>());
        assert_eq!(rest(&ben).1.reason, Reason::TimedOut);
    }
}

#[test]
fn a_tcp_line_that_is_out_times_out_on_both_sides() {
    let (ana, ben, proxy) = network(&impatient());
    ana.sender().send("hi").unwrap();
    message(&ben);
    proxy.stall();
    ben.sender().send("nobody hears it").unwrap();
    let (told, took) = timed(|| [end(&ana), end(&ben)]);
    assert_eq!(told.map(|end| end.reason), [Reason::TimedOut; 2]);
    assert!(took < TIMEOUT + SLACK, "{took:?}");
}

#[test]
fn close_and_drop_are_bounded_on_a_line_that_is_out() {
    let (ana, ben, proxy) = network(&Config::open());
    proxy.stall();
    ana.sender().send("lost").unwrap();
    let (report, took) = timed(|| ana.close(TIMEOUT));
    assert!(took < TIMEOUT + SLACK, "{took:?}");
    let told = report.end.unwrap();
    assert_eq!(
        (told.reason, ids(&told.unconfirmed)),
        (Reason::ClosedHere, vec![1])
    );
    let took = timed(|| drop(ben)).1;
    assert!(took < Duration::from_secs(2) + SLACK, "{took:?}");
}

#[test]
fn a_changed_record_ends_the_session_as_a_breach_of_protocol() {
    for offset in [2, 5, 40] {
        let (ana, ben, there, _) = memory(&impatient());
        there.corrupt(offset);
        ana.sender().send(vec![1; 100]).unwrap();
        let told = end(&ben);
        assert_eq!(told.reason, Reason::Protocol);
        assert!(!told.cause.is_empty());
        let told = end(&ana);
        assert_eq!(
            (told.reason, ids(&told.unconfirmed)),
            (Reason::Protocol, vec![1])
        );
        assert!(told.cause.contains("peer"), "{}", told.cause);
    }
}

#[test]
fn a_changed_byte_anywhere_delivers_nothing_wrong() {
    let mut dice = Dice::new(3);
    for _ in 0..40 {
        let (ana, ben, proxy) = network(&impatient());
        proxy.there().corrupt(dice.below(100_000));
        let sending = thread::spawn(move || send_on(&ana, 1_000));
        let (got, told) = rest(&ben);
        assert!(got.iter().all(|message| message.as_bytes() == [7; 1_000]));
        // A changed length may also leave it waiting for bytes that never come.
        let reasons = [Reason::Protocol, Reason::TimedOut];
        assert!(reasons.contains(&told.reason), "{:?}", told.reason);
        let (accepted, told) = sending.join().unwrap();
        check(accepted, got.len() as u64, &told);
    }
}

#[test]
fn a_reset_of_the_connection_is_a_reset_of_the_session() {
    let (ana, ben, proxy) = network(&Config::open());
    ana.sender().send("hi").unwrap();
    message(&ben);
    proxy.reset();
    for session in [&ana, &ben] {
        let (told, took) = timed(|| end(session));
        assert_eq!(told.reason, Reason::Reset);
        assert!(!told.cause.is_empty() && took < SLACK, "{took:?}");
    }
}

#[test]
fn the_end_of_a_stream_without_goodbye_is_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let left = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let right = listener.accept().unwrap().0;
    let ended = right.try_clone().unwrap();
    let (ana, ben) = pair_over(left, right, &Config::open(), &Config::open());
    ended.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(end(&ana).reason, Reason::Reset);
    assert_eq!(end(&ben).reason, Reason::Reset);
}

#[test]
fn slices_change_nothing() {
    let (ana, ben, there, back) = memory(&Config::open());
    there.slice(1);
    back.slice(3);
    ana.sender().send(vec![7; 200_000]).unwrap();
    ben.sender().send("back").unwrap();
    assert_eq!(message(&ben).as_bytes(), vec![7; 200_000]);
    assert_eq!(message(&ana), "back");
}

/// The peer took `taken` of `accepted` messages: nothing that it took is said to be unsent, and
/// nothing that it did not take is missing from the lists.
fn check(accepted: u64, taken: u64, told: &End) {
    let (unconfirmed, unsent) = (ids(&told.unconfirmed), ids(&told.unsent));
    let lost = [&unconfirmed[..], &unsent[..]].concat();
    let first = accepted + 1 - lost.len() as u64;
    assert_eq!(
        lost,
        (first..=accepted).collect::<Vec<_>>(),
        "no gap, no double, in order"
    );
    assert!(
        first <= taken + 1,
        "{} to {} are lost in silence",
        taken + 1,
        first - 1
    );
    assert!(
        unsent.first().is_none_or(|unsent| *unsent > taken),
        "{unsent:?} of {taken} taken"
    );
}

/// A body that no other message has; of all kinds of sizes.
fn body(seed: u64, number: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed << 32 | number);
    let size = [40, 3_000, 20_000, 150_000][dice.below(4) as usize];
    let length = dice.below(size) as usize;
    vec![dice.below(256) as u8; length]
}

fn check_bodies(seed: u64, messages: &[Message]) {
    for message in messages {
        assert!(
            message.as_bytes() == body(seed, message.id().get()),
            "seed {seed}: {message:?}"
        );
    }
}

/// Sends to each other until the line is cut somewhere; the one who sends takes nothing.
fn converse_until_cut(seed: u64, ana: &Session, ben: &Session) {
    let mut dice = Dice::new(seed);
    let most = dice.below(60);
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut numbers = 1..=most;
            let ends = numbers.find(|number| ana.sender().send(body(seed, *number)).is_err());
            let accepted = ends.map_or(most, |number| number - 1);
            // Where the line outlasts the messages it is the goodbye that is cut.
            ana.finish();
            (accepted, rest(ana).1)
        });
        let takes = dice.below(most + 1);
        let mut got = Vec::new();
        while got.len() < takes as usize
            && let Some(ptp_core::Event::Received(message)) = support::next(ben)
        {
            got.push(message);
        }
        let taken_before = got.len();
        let waiting = ben.events().clone();
        eventually("it ends", || ben.sender().try_send(&[]).is_err());
        got.extend(waiting.iter().filter_map(|event| match event {
            ptp_core::Event::Received(message) => Some(message),
            _ => None,
        }));
        let (accepted, told) = sending.join().unwrap();
        assert!(taken_before <= got.len());
        check(accepted, got.len() as u64, &told);
        check_bodies(seed, &got);
        check_bodies(seed, &told.unconfirmed);
        check_bodies(seed, &told.unsent);
    });
}

#[test]
fn a_cut_anywhere_loses_nothing_in_silence() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let (ana, ben, there, back) = memory(&impatient());
        match dice.below(4) {
            0 => back.cut_at(dice.below(2_000)),
            1 => there.cut_at(dice.below(2_000)),
            _ => there.cut_at(dice.below(1_500_000)),
        }
        converse_until_cut(seed, &ana, &ben);
    }
}

#[test]
fn a_cut_of_a_network_anywhere_loses_nothing_in_silence() {
    for seed in 1_000..1_060 {
        let mut dice = Dice::new(seed);
        let (ana, ben, proxy) = network(&impatient());
        match dice.below(3) {
            0 => proxy.back().cut_at(dice.below(1_000)),
            _ => proxy.there().cut_at(dice.below(1_500_000)),
        }
        converse_until_cut(seed, &ana, &ben);
    }
}
