//! A pairing run over a connection (docs/protocol.md, "Pairing").

use std::io;

use super::desk::{SharedDesk, Turn};
use super::greeted::Greeted;
use crate::error::{ConnectError, Stage};
use crate::protocol::{Control, Refusal, Violation, kind};
use crate::trust::pairing::{Binding, CONFIRMATION, PairingFault, Pake};
use crate::trust::{Code, Identity};

/// The dialler's side: both have proved that they know `code` when it returns `Ok`.
pub(super) fn dial(
    greeted: &mut Greeted,
    code: &Code,
    identity: &Identity,
) -> Result<(), ConnectError> {
    let binding = Binding {
        dialler_key: *identity.public_key().as_bytes(),
        listener_key: *greeted.peer.as_bytes(),
        handshake_hash: greeted.hash,
    };
    let pake = Pake::dialler(code, &binding).map_err(failed)?;
    greeted.send(&[Control::Share(pake.share())])?;
    let share = greeted.wait_for(|intake| intake.share.take())?;
    let confirming = match pake.finish(&share) {
        Ok(confirming) => confirming,
        Err(_) => return Err(greeted.fail(Violation::MalformedFrame(kind::SHARE))),
    };
    greeted.send(&[confirmation(confirming.own_confirmation())])?;
    let theirs = greeted.wait_for(|intake| intake.confirmation.take())?;
    if confirming.check(&theirs) {
        return Ok(());
    }
    let _ = greeted.fail(Violation::Unproved);
    Err(ConnectError::Unproved)
}

/// The listener's side: the proof that is to be sent before `Welcome`, or why the dialler is to be
/// turned away. An error has ended the connection.
pub(super) fn answer(
    greeted: &mut Greeted,
    identity: &Identity,
    desk: &SharedDesk,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Result<Control, Refusal>, ConnectError> {
    let binding = Binding {
        dialler_key: *greeted.peer.as_bytes(),
        listener_key: *identity.public_key().as_bytes(),
        handshake_hash: greeted.hash,
    };
    let share = greeted.wait_for(|intake| intake.share.take())?;
    let line = &greeted.line;
    let run = match desk.begin(line.deadline, line.halves.peer, is_wanted) {
        Turn::Run(run) => run,
        Turn::NoCode => return Ok(Err(Refusal::NoPairing)),
        Turn::TooLate => return Err(ConnectError::TimedOut(Stage::Welcome)),
    };
    let pake = Pake::listener(run.code(), &binding).map_err(failed)?;
    let own = pake.share();
    let Ok(confirming) = pake.finish(&share) else {
        // Nobody is to wait until this one has left: it has not even spent a try.
        drop(run);
        return Err(greeted.fail(Violation::MalformedFrame(kind::SHARE)));
    };
    // Who gave up while others had their turn spends none either.
    greeted.look()?;
    // From here on a try is spent.
    if run.share_sent().is_err() {
        return Ok(Err(Refusal::WrongCode));
    }
    greeted.send(&[Control::Share(own)])?;
    let before = std::mem::replace(&mut greeted.line.deadline, run.deadline());
    let theirs = greeted.wait_for(|intake| intake.confirmation.take());
    greeted.line.deadline = before;
    if !confirming.check(&theirs?) || run.succeeded().is_err() {
        return Ok(Err(Refusal::WrongCode));
    }
    Ok(Ok(confirmation(confirming.own_confirmation())))
}

fn confirmation(mac: &[u8]) -> Control {
    let mut bytes = [0; CONFIRMATION];
    bytes.copy_from_slice(mac);
    Control::Confirmation(bytes)
}

fn failed(fault: PairingFault) -> ConnectError {
    ConnectError::Io {
        stage: Stage::Welcome,
        cause: io::Error::other(fault),
    }
}
