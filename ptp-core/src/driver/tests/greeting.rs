//! What a peer may do wrong around the greeting: one side is this driver, the other by hand.

use std::thread;
use std::time::{Duration, Instant};

use super::hand::{answer, dial, opening, soon};
use crate::config::Config;
use crate::driver::establish::{self, Dialling};
use crate::driver::greeted::Established;
use crate::driver::line::Line;
use crate::error::ConnectError;
use crate::protocol::{Control, Intake, Violation};
use crate::transport::{Halves, Transport, duplex};
use crate::trust::Identity;

/// Our listener, which lets anyone in.
fn welcome(halves: Halves, identity: &Identity) -> Result<Established, ConnectError> {
    let config = Config::open();
    establish::answer(Line::new(halves, soon()), identity)?
        .admit(&config)?
        .welcome(&config)
}

/// Our dialler, which trusts anyone.
fn call(halves: Halves, identity: &Identity) -> Result<(), ConnectError> {
    let dialling = Dialling {
        config: &Config::open(),
        identity,
        place: None,
        pair: false,
    };
    establish::dial(halves, &dialling, soon()).map(drop)
}

/// What our listener makes of a dialler that says `frames` where it should greet.
fn listen_to(frames: &'static [u8]) -> (Result<(), ConnectError>, Intake) {
    let (ours, theirs) = duplex(10_000);
    let dialling = thread::spawn(move || {
        let mut hand = dial(theirs);
        let greeting = hand.hear();
        assert!(greeting.welcome.is_some());
        hand.say(frames);
        let intake = hand.hear();
        assert!(hand.hears_the_end());
        intake
    });
    let identity = Identity::generate().unwrap();
    let halves = ours.split().unwrap();
    let result = welcome(halves, &identity);
    (result.map(drop), dialling.join().unwrap())
}

#[test]
fn a_dialler_is_told_what_is_wrong_with_its_greeting() {
    let wrong: [(&[u8], Violation); 4] = [
        (b"\x01\x00", Violation::UnexpectedFrame(0x01)),
        (b"\x06\x01\x05", Violation::UnexpectedFrame(0x06)),
        (b"\x0c\x01\xff", Violation::MalformedFrame(0x0c)),
        // A pairing share, and it has not offered to pair.
        (
            b"\x0d\x21AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            Violation::UnexpectedFrame(0x0d),
        ),
    ];
    for (frames, violation) in wrong {
        let (result, intake) = listen_to(frames);
        assert!(matches!(result, Err(ConnectError::Protocol(found)) if found == violation));
        assert_eq!(intake.fault, Some(violation.code()));
    }
}

#[test]
fn a_listener_is_told_what_is_wrong_with_its_welcome() {
    let (ours, theirs) = duplex(10_000);
    let answering = thread::spawn(move || {
        let (mut hand, mut session) = answer(theirs);
        session[0] ^= 1;
        let mut frames = Vec::new();
        Control::Welcome(opening(session)).put(&mut frames);
        hand.say(&frames);
        let intake = hand.hear();
        assert!(hand.hears_the_end());
        intake
    });
    let identity = Identity::generate().unwrap();
    let halves = ours.split().unwrap();
    let result = call(halves, &identity);
    assert!(matches!(result, Err(ConnectError::Protocol(_))));
    assert_eq!(answering.join().unwrap().fault, Some(1));
}

#[test]
fn a_fault_before_the_greeting_ends_it() {
    let (ours, theirs) = duplex(10_000);
    let answering = thread::spawn(move || {
        let (mut hand, session) = answer(theirs);
        let mut frames = Vec::new();
        Control::Fault(99).put(&mut frames);
        Control::Welcome(opening(session)).put(&mut frames);
        Control::Name(String::new()).put(&mut frames);
        hand.say(&frames);
        hand.hears_the_end()
    });
    let identity = Identity::generate().unwrap();
    let halves = ours.split().unwrap();
    let result = call(halves, &identity);
    assert!(matches!(result, Err(ConnectError::Fault(99))));
    assert!(answering.join().unwrap());
}

#[test]
fn a_peer_that_said_goodbye_first_and_stays_is_left_within_a_moment() {
    let (ours, theirs) = duplex(10_000);
    let dialling = thread::spawn(move || {
        let mut hand = dial(theirs);
        hand.hear();
        let mut frames = Vec::new();
        Control::Name(String::new()).put(&mut frames);
        hand.say(&frames);
        hand
    });
    let identity = Identity::generate().unwrap();
    let halves = ours.split().unwrap();
    let established = welcome(halves, &identity).unwrap();
    let mut hand = dialling.join().unwrap();
    let running = crate::driver::start(established, None, None, false).unwrap();
    let said = Instant::now();
    hand.say(b"\x08\x00");
    assert!(hand.hear().bye);
    // Without another word, and with the stream open: it need not wait for a timeout.
    running.reader.join().unwrap();
    assert!(
        said.elapsed() < Duration::from_secs(5),
        "{:?}",
        said.elapsed()
    );
}
