//! Somebody in the middle: she ends both legs with her own key, and passes on what she likes.

use std::thread;

use super::{Stall, Visitor, other_code};
use crate::driver::tests::hand::{Hand, answer_as, dial_as, opening};
use crate::error::ConnectError;
use crate::protocol::{Control, Opening, Pairing, Refusal};
use crate::transport::duplex;
use crate::trust::{Code, Identity};

/// What becomes of the dialler and of the listener when Mallory is between them.
fn between(
    stall: &Stall,
    visitor: &Visitor,
    mallory: impl FnOnce(Hand, Opening, Hand) + Send,
) -> (ConnectError, ConnectError) {
    let (dialler, from_dialler) = duplex(10_000);
    let (to_listener, listener) = duplex(10_000);
    let errors = thread::scope(|scope| {
        let listening = scope.spawn(|| stall.attend(listener).unwrap_err());
        let in_the_middle = scope.spawn(|| {
            let identity = Identity::generate().unwrap();
            let (dialler, theirs) = answer_as(from_dialler, &identity);
            let listener = dial_as(to_listener, &identity, Pairing::Offered);
            mallory(dialler, theirs, listener);
        });
        let dialler = visitor.call(dialler).unwrap_err();
        in_the_middle.join().unwrap();
        (dialler, listening.join().unwrap())
    });
    assert!(visitor.knows_nobody());
    assert!(
        stall
            .config
            .trust
            .peers()
            .unwrap()
            .all()
            .unwrap()
            .is_empty()
    );
    assert!(stall.is_spent());
    errors
}

/// Passes both shares and the dialler's confirmation on, and hears that it is refused.
fn pass_on(dialler: &mut Hand, listener: &mut Hand) -> [u8; 32] {
    let share = dialler.wait_for(|intake| intake.share.take());
    listener.put(&[Control::Share(share)]);
    let share = listener.wait_for(|intake| intake.share.take());
    dialler.put(&[Control::Share(share)]);
    let confirmation = dialler.wait_for(|intake| intake.confirmation.take());
    listener.put(&[Control::Confirmation(confirmation)]);
    let refusal = listener.wait_for(|intake| {
        assert!(intake.welcome.is_none() && intake.name.is_none());
        assert!(intake.confirmation.is_none());
        intake.refused
    });
    assert_eq!(refusal, Refusal::WrongCode);
    confirmation
}

fn codes(stall: &Stall) -> [Code; 2] {
    [stall.code(), other_code()]
}

#[test]
fn who_passes_everything_on_fails_on_both_legs_whatever_code_was_typed() {
    for right in [0, 1] {
        let stall = Stall::new();
        let visitor = Visitor::new(Some(codes(&stall)[right].clone()));
        let (dialler, listener) = between(&stall, &visitor, |mut dialler, _, mut listener| {
            pass_on(&mut dialler, &mut listener);
            dialler.put(&[Control::Refused(Refusal::WrongCode)]);
            assert!(dialler.hears_the_end());
        });
        assert!(matches!(dialler, ConnectError::WrongCode), "{dialler}");
        assert!(matches!(listener, ConnectError::WrongCode), "{listener}");
    }
}

#[test]
fn who_makes_up_the_listener_s_proof_is_found_out_by_the_dialler() {
    for right in [0, 1] {
        let stall = Stall::new();
        let visitor = Visitor::new(Some(codes(&stall)[right].clone()));
        let (dialler, listener) = between(&stall, &visitor, |mut dialler, theirs, mut listener| {
            let proof = pass_on(&mut dialler, &mut listener);
            dialler.put(&[
                Control::Confirmation(proof),
                Control::Welcome(opening(theirs.session)),
                Control::Name("Ana".to_owned()),
            ]);
            let heard = dialler.hear();
            assert_eq!((heard.fault, heard.name), (Some(15), None));
        });
        assert!(matches!(dialler, ConnectError::Unproved), "{dialler}");
        assert!(matches!(listener, ConnectError::WrongCode), "{listener}");
    }
}
