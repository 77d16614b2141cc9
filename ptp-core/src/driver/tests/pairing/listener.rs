//! A hostile listener before our dialler, which has a code that only it knows.

use std::thread;

use super::{Visitor, code, other_code};
use crate::driver::tests::hand::{Hand, answer_as, opening};
use crate::error::ConnectError;
use crate::protocol::{Control, Intake, Opening, Pairing, Refusal, Violation, kind};
use crate::transport::duplex;
use crate::trust::Identity;
use crate::trust::pairing::{CONFIRMATION, Pake};

/// What our dialler makes of a listener that does this behind message 3. Whatever it is, it
/// remembers nobody.
fn called(visitor: &Visitor, act: impl FnOnce(Hand, Opening) + Send) -> ConnectError {
    let (ours, theirs) = duplex(10_000);
    thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let (hand, theirs) = answer_as(theirs, &Identity::generate().unwrap());
            act(hand, theirs);
        });
        let result = visitor.call(ours);
        answering.join().unwrap();
        assert!(visitor.knows_nobody());
        result.unwrap_err()
    })
}

fn visitor() -> Visitor {
    Visitor::new(Some(code()))
}

fn assert_protocol(error: &ConnectError, violation: Violation) {
    assert!(
        matches!(error, ConnectError::Protocol(found) if *found == violation),
        "{error} where {violation} is expected"
    );
}

/// Hears the dialler's share and answers it, not knowing the code; yields its confirmation.
fn share(hand: &mut Hand) -> [u8; CONFIRMATION] {
    hand.wait_for(|intake| intake.share.take());
    let pake = Pake::listener(&other_code(), &hand.binding).unwrap();
    hand.put(&[Control::Share(pake.share())]);
    hand.wait_for(|intake| intake.confirmation.take())
}

/// Hears that it was found out, and nothing else: no name, no message.
fn hears_only_a_fault(hand: &mut Hand, violation: Violation) {
    let heard: Intake = hand.hear();
    assert_eq!(heard.fault, Some(violation.code()));
    assert_eq!((heard.name, heard.messages), (None, 0));
    assert!(hand.hears_the_end());
}

fn welcome(theirs: &Opening) -> [Control; 2] {
    let welcome = Control::Welcome(opening(theirs.session));
    [welcome, Control::Name("Ana".to_owned())]
}

#[test]
fn a_listener_that_skips_its_proof_is_not_let_in_and_learns_no_name() {
    let unexpected = Violation::UnexpectedFrame(kind::WELCOME);
    // Instead of its share.
    let error = called(&visitor(), |mut hand, theirs| {
        hand.wait_for(|intake| intake.share.take());
        hand.put(&welcome(&theirs));
        hears_only_a_fault(&mut hand, unexpected);
    });
    assert_protocol(&error, unexpected);
    // Instead of its confirmation.
    let error = called(&visitor(), |mut hand, theirs| {
        share(&mut hand);
        hand.put(&welcome(&theirs));
        hears_only_a_fault(&mut hand, unexpected);
    });
    assert_protocol(&error, unexpected);
    // With any confirmation, the dialler's own among them: the wrong role.
    for reflects in [true, false] {
        let error = called(&visitor(), |mut hand, theirs| {
            let theirs_back = share(&mut hand);
            let proof = if reflects { theirs_back } else { [0; 32] };
            let [welcome, name] = welcome(&theirs);
            hand.put(&[Control::Confirmation(proof), welcome, name]);
            hears_only_a_fault(&mut hand, Violation::Unproved);
        });
        assert!(matches!(error, ConnectError::Unproved), "{error}");
    }
}

#[test]
fn a_listener_that_welcomes_who_has_no_code_is_not_let_in() {
    let error = called(&Visitor::new(None), |mut hand, theirs| {
        assert_eq!(theirs.pairing, Pairing::Wanted);
        hand.put(&welcome(&theirs));
        hears_only_a_fault(&mut hand, Violation::Handshake);
    });
    assert_protocol(&error, Violation::Handshake);
}

#[test]
fn the_dialler_s_own_share_sent_back_is_refused() {
    for role in [b'A', b'B'] {
        let malformed = Violation::MalformedFrame(kind::SHARE);
        let error = called(&visitor(), |mut hand, _| {
            let mut share = hand.wait_for(|intake| intake.share.take());
            share[0] = role;
            hand.put(&[Control::Share(share)]);
            hears_only_a_fault(&mut hand, malformed);
        });
        assert_protocol(&error, malformed);
    }
}

#[test]
fn a_confirmation_of_another_length_and_a_second_share_are_refused() {
    let malformed = Violation::MalformedFrame(kind::CONFIRMATION);
    let again = [&[kind::SHARE, 33], &[b'B'; 33][..]].concat();
    let cases = [
        (
            [&[kind::CONFIRMATION, 31], &[7; 31][..]].concat(),
            malformed,
        ),
        (
            [&[kind::CONFIRMATION, 33], &[7; 33][..]].concat(),
            malformed,
        ),
        (again, Violation::UnexpectedFrame(kind::SHARE)),
        (
            b"\x0c\x03Ana".to_vec(),
            Violation::UnexpectedFrame(kind::NAME),
        ),
        (
            b"\x01\x02hi".to_vec(),
            Violation::UnexpectedFrame(kind::TEXT),
        ),
    ];
    for (frames, violation) in cases {
        let error = called(&visitor(), |mut hand, _| {
            share(&mut hand);
            hand.say(&frames);
            hears_only_a_fault(&mut hand, violation);
        });
        assert_protocol(&error, violation);
    }
}

#[test]
fn a_share_that_nobody_asked_for_is_refused() {
    let mut open = visitor();
    open.config.trust = crate::trust::Trust::Open;
    let error = called(&open, |mut hand, theirs| {
        assert_eq!(theirs.pairing, Pairing::NotNeeded);
        hand.put(&[Control::Share([b'B'; 33])]);
        hears_only_a_fault(&mut hand, Violation::UnexpectedFrame(kind::SHARE));
    });
    assert_protocol(&error, Violation::UnexpectedFrame(kind::SHARE));
}

#[test]
fn a_refusal_is_understood_at_every_step() {
    let refusals = [
        Refusal::Busy,
        Refusal::NotTrusted,
        Refusal::PairingNeeded,
        Refusal::WrongCode,
        Refusal::UnknownSession,
        Refusal::NoPairing,
        Refusal::Other(99),
    ];
    for step in 0..3 {
        for refusal in refusals {
            let error = called(&visitor(), |mut hand, _| {
                let theirs = hand.wait_for(|intake| intake.share.take());
                // A listener that has the code, and changes its mind.
                let pake = Pake::listener(&code(), &hand.binding).unwrap();
                let own = Control::Share(pake.share());
                let confirming = pake.finish(&theirs).unwrap();
                if step > 0 {
                    hand.put(&[own]);
                    let proof = hand.wait_for(|intake| intake.confirmation.take());
                    assert!(confirming.check(&proof));
                }
                if step > 1 {
                    let proof = confirming.own_confirmation().try_into().unwrap();
                    hand.put(&[Control::Confirmation(proof)]);
                }
                hand.put(&[Control::Refused(refusal)]);
                assert!(hand.hears_the_end());
            });
            let told = match refusal {
                Refusal::Busy => matches!(error, ConnectError::Busy),
                Refusal::NotTrusted => matches!(error, ConnectError::NotTrusted),
                Refusal::PairingNeeded => matches!(error, ConnectError::PairingNeeded),
                Refusal::WrongCode => matches!(error, ConnectError::WrongCode),
                Refusal::NoPairing => matches!(error, ConnectError::NoPairing),
                Refusal::UnknownSession => matches!(error, ConnectError::UnknownSession),
                Refusal::Other(_) => {
                    matches!(error, ConnectError::Refused(_))
                }
            };
            assert!(told, "step {step}, {refusal:?}: {error}");
        }
    }
}
