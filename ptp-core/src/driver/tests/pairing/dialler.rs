//! A hostile dialler at our desk.

use std::thread;
use std::time::{Duration, Instant};

use super::{ANYONE, Stall, Visitor, other_code};
use crate::driver::desk::{Told, Turn};
use crate::driver::tests::hand::{Hand, dial_as, soon};
use crate::error::{ConnectError, Stage};
use crate::protocol::{Control, Pairing, Violation, kind};
use crate::transport::duplex;
use crate::trust::pairing::{Binding, CONFIRMATION, Pake};
use crate::trust::{Code, Identity};

const BINDING: Binding = Binding {
    dialler_key: [1; 32],
    listener_key: [2; 32],
    handshake_hash: [3; 32],
};

/// What the listener makes of a dialler that does this behind message 3.
fn attended(stall: &Stall, act: impl FnOnce(Hand) + Send) -> ConnectError {
    let (ours, theirs) = duplex(10_000);
    thread::scope(|scope| {
        let dialling = scope.spawn(|| {
            let identity = Identity::generate().unwrap();
            act(dial_as(theirs, &identity, Pairing::Offered));
        });
        let result = stall.attend(ours);
        dialling.join().unwrap();
        result.unwrap_err()
    })
}

/// Exchanges shares as an honest dialler does; yields its confirmation and the listener's share.
fn share(hand: &mut Hand, code: &Code) -> ([u8; CONFIRMATION], [u8; 33]) {
    let pake = Pake::dialler(code, &hand.binding).unwrap();
    hand.put(&[Control::Share(pake.share())]);
    let theirs = hand.wait_for(|intake| intake.share.take());
    let confirming = pake.finish(&theirs).unwrap();
    (confirming.own_confirmation().try_into().unwrap(), theirs)
}

fn assert_protocol(error: &ConnectError, violation: Violation) {
    assert!(
        matches!(error, ConnectError::Protocol(found) if *found == violation),
        "{error} where {violation} is expected"
    );
}

#[test]
fn nonsense_in_place_of_a_share_costs_no_try_and_holds_nobody_up() {
    let stall = Stall::new();
    let malformed = Violation::MalformedFrame(kind::SHARE);
    let mut hollow = [0; 33];
    hollow[0] = b'A';
    let listener_s = Pake::listener(&stall.code(), &BINDING).unwrap();
    for share in [[0; 33], hollow, [0xff; 33], listener_s.share()] {
        let error = attended(&stall, |mut hand| {
            hand.put(&[Control::Share(share)]);
            assert_eq!(hand.wait_for(|intake| intake.fault), 8);
            // It has not left, and others can have their turn.
            assert!(!stall.is_spent());
        });
        assert_protocol(&error, malformed);
    }
    for length in [0, 32, 34] {
        let error = attended(&stall, |mut hand| {
            let body = vec![b'A'; length];
            hand.say(&[&[kind::SHARE, length as u8], &body[..]].concat());
        });
        assert_protocol(&error, malformed);
        assert!(!stall.is_spent());
    }
}

#[test]
fn a_share_of_an_earlier_run_and_its_confirmation_are_worth_nothing() {
    let stall = Stall::new();
    let code = stall.code();
    let (ours, theirs) = duplex(10_000);
    let recorded = thread::scope(|scope| {
        let dialling = scope.spawn(|| {
            let identity = Identity::generate().unwrap();
            let mut hand = dial_as(theirs, &identity, Pairing::Offered);
            let pake = Pake::dialler(&code, &hand.binding).unwrap();
            let own = pake.share();
            hand.put(&[Control::Share(own)]);
            let theirs = hand.wait_for(|intake| intake.share.take());
            let confirming = pake.finish(&theirs).unwrap();
            let confirmation = confirming.own_confirmation().try_into().unwrap();
            // It gives up: the code stays as it is, and only the try is spent.
            [own, theirs].map(|share| (share, confirmation))
        });
        assert!(stall.attend(ours).is_err());
        dialling.join().unwrap()
    });
    for (mut share, confirmation) in recorded {
        // The listener's own share, too, as if it were a dialler's.
        share[0] = b'A';
        let error = attended(&stall, |mut hand| {
            hand.put(&[Control::Share(share)]);
            hand.wait_for(|intake| intake.share.take());
            hand.put(&[Control::Confirmation(confirmation)]);
            hand.wait_for(|intake| intake.refused);
        });
        assert!(matches!(error, ConnectError::WrongCode), "{error}");
        assert!(stall.is_spent());
    }
}

#[test]
fn whatever_comes_in_place_of_the_confirmation_ends_the_run_and_spends_the_try() {
    let short = [&[kind::CONFIRMATION, 31], &[7; 31][..]].concat();
    let long = [&[kind::CONFIRMATION, 33], &[7; 33][..]].concat();
    let mut again = Vec::new();
    Control::Share([b'A'; 33]).put(&mut again);
    let malformed = Violation::MalformedFrame(kind::CONFIRMATION);
    let cases = [
        (short, malformed),
        (long, malformed),
        (again, Violation::UnexpectedFrame(kind::SHARE)),
        (
            b"\x0c\x03Ben".to_vec(),
            Violation::UnexpectedFrame(kind::NAME),
        ),
        (
            b"\x01\x02hi".to_vec(),
            Violation::UnexpectedFrame(kind::TEXT),
        ),
        (b"\x08\x00".to_vec(), Violation::UnexpectedFrame(kind::BYE)),
        (
            b"\x0b\x01\x02".to_vec(),
            Violation::UnexpectedFrame(kind::REFUSED),
        ),
    ];
    for (frames, violation) in cases {
        let stall = Stall::new();
        let code = stall.code();
        let error = attended(&stall, |mut hand| {
            share(&mut hand, &code);
            hand.say(&frames);
            assert_eq!(hand.wait_for(|intake| intake.fault), violation.code());
            assert!(hand.hears_the_end());
        });
        assert_protocol(&error, violation);
        assert!(stall.is_spent());
    }
}

#[test]
fn a_wrong_code_spends_a_try_and_a_second_share_at_once_none() {
    let stall = Stall::new();
    stall.code();
    let error = attended(&stall, |mut hand| {
        let share = Control::Share([b'A'; 33]);
        hand.put(&[share.clone(), share]);
        assert_eq!(hand.wait_for(|intake| intake.fault), 9);
    });
    assert_protocol(&error, Violation::UnexpectedFrame(kind::SHARE));
    assert!(!stall.is_spent());
    let error = attended(&stall, |mut hand| {
        let (confirmation, _) = share(&mut hand, &other_code());
        hand.put(&[Control::Confirmation(confirmation)]);
        let heard = hand.wait_for(|intake| intake.refused.map(|_| std::mem::take(intake)));
        assert!(heard.welcome.is_none() && heard.name.is_none() && heard.confirmation.is_none());
    });
    assert!(matches!(error, ConnectError::WrongCode), "{error}");
    assert!(stall.is_spent());
}

#[test]
fn who_leaves_while_others_have_their_turn_spends_no_try() {
    let stall = Stall::new();
    let code = stall.code();
    let Turn::Run(run) = stall.desk.begin(soon(), None, ANYONE) else {
        panic!("nobody else is there");
    };
    let error = attended(&stall, |mut hand| {
        let pake = Pake::dialler(&code, &hand.binding).unwrap();
        hand.put(&[Control::Share(pake.share())]);
        drop(hand);
        drop(run);
    });
    assert!(
        matches!(error, ConnectError::Closed(Stage::Welcome)),
        "{error}"
    );
    assert!(!stall.is_spent());
}

#[test]
fn three_that_leave_when_they_have_the_share_burn_the_code() {
    let stall = Stall::new();
    let code = stall.code();
    for try_number in 1..=3 {
        let error = attended(&stall, |mut hand| {
            share(&mut hand, &code);
            drop(hand);
        });
        assert!(
            matches!(error, ConnectError::Closed(Stage::Welcome)),
            "{error}"
        );
        let burnt = stall
            .desk
            .poll()
            .iter()
            .any(|told| matches!(told, Told::Burnt { tries: 3, .. }));
        assert_eq!(burnt, try_number == 3);
    }
    assert!(stall.is_spent());
}

#[test]
fn who_is_silent_has_two_seconds_and_then_others_have_their_turn() {
    let stall = Stall::new();
    let code = stall.code();
    let began = Instant::now();
    thread::scope(|scope| {
        let ben = Visitor::new(Some(code.clone()));
        let (ours, theirs) = duplex(10_000);
        let error = attended(&stall, |mut hand| {
            share(&mut hand, &code);
            // In the queue behind it.
            scope.spawn(|| assert!(stall.attend(ours).is_ok()));
            scope.spawn(move || assert!(ben.call(theirs).is_ok()));
            assert!(hand.hears_the_end());
        });
        assert!(
            matches!(error, ConnectError::TimedOut(Stage::Welcome)),
            "{error}"
        );
        assert!(began.elapsed() >= Duration::from_millis(1_900));
    });
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn two_at_once_get_in_one_behind_the_other_each_with_a_code_of_its_own() {
    let stall = Stall::new();
    let codes = [stall.code()];
    let (ours, theirs) = duplex(10_000);
    thread::scope(|scope| {
        let second = scope.spawn(|| stall.attend(ours));
        let identity = Identity::generate().unwrap();
        let mut hand = dial_as(theirs, &identity, Pairing::Offered);
        let (left, right) = duplex(10_000);
        let first = scope.spawn(|| stall.attend(left));
        let ben = Visitor::new(Some(codes[0].clone()));
        assert!(ben.call(right).is_ok());
        assert!(first.join().unwrap().is_ok());
        let (confirmation, _) = share(&mut hand, &stall.code());
        hand.put(&[Control::Confirmation(confirmation)]);
        hand.wait_for(|intake| intake.welcome.take());
        hand.put(&[Control::Name(String::new())]);
        assert!(second.join().unwrap().is_ok());
    });
}
