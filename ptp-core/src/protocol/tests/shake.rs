//! A handshake with fixed keys, each flight of which a test may change on its way.

use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver};

use super::pair::WINDOW;
use crate::protocol::{
    Answer, Answering, Credit, Dial, Keys, Opening, Pairing, ResumePoint, Secrets, Suite,
    Violation, choose,
};

/// The fixed private keys of one side.
pub(super) struct Fixed {
    pub(super) identity: [u8; 32],
    pub(super) ephemeral: [u8; 32],
}

pub(super) const DIALLER: Fixed = Fixed {
    identity: [0x11; 32],
    ephemeral: [0x12; 32],
};
pub(super) const LISTENER: Fixed = Fixed {
    identity: [0x21; 32],
    ephemeral: [0x22; 32],
};

impl Fixed {
    pub(super) fn secrets(&self) -> Secrets<'_> {
        Secrets {
            identity: &self.identity,
            ephemeral: Some(&self.ephemeral),
        }
    }

    /// The public half of the identity.
    pub(super) fn public(&self) -> [u8; 32] {
        let mut dh = DefaultResolver.resolve_dh(&DHChoice::Curve25519).unwrap();
        dh.set(&self.identity);
        dh.pubkey().try_into().unwrap()
    }
}

/// What a side with these limits opens with.
pub(super) fn opening(credit: Credit, max_message: u64) -> Opening {
    Opening {
        session: [7; 16],
        generation: 0,
        max_message,
        timeout_ms: 45_000,
        credit,
        resume: ResumePoint::default(),
        pairing: Pairing::NotNeeded,
    }
}

/// What travels before the first record, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flight {
    Offer,
    Answer,
    Message1,
    Message2,
    Message3,
}

/// How a handshake ended on both sides. A side that heard nothing after another failed has
/// failed, too.
pub(super) struct Outcome {
    pub(super) dialler: Result<Keys, Violation>,
    pub(super) listener: Result<(Keys, Opening), Violation>,
}

impl Outcome {
    fn failed(violation: Violation) -> Self {
        Self {
            dialler: Err(violation),
            listener: Err(violation),
        }
    }
}

/// Carries a handshake; `carry` gets each flight and returns what arrives in its place.
pub(super) fn handshake(
    offered: &[Suite],
    preferred: &[Suite],
    carry: impl FnMut(Flight, Vec<u8>) -> Vec<u8>,
) -> Outcome {
    handshake_between([&DIALLER, &LISTENER], [offered, preferred], carry)
}

/// As `handshake`, with any keys.
pub(super) fn handshake_between(
    keys: [&Fixed; 2],
    suites: [&[Suite]; 2],
    carry: impl FnMut(Flight, Vec<u8>) -> Vec<u8>,
) -> Outcome {
    match until_message_3(keys, suites, carry) {
        Ok(outcome) => outcome,
        Err(violation) => Outcome::failed(violation),
    }
}

fn until_message_3(
    [dialler, listener]: [&Fixed; 2],
    [offered, preferred]: [&[Suite]; 2],
    mut carry: impl FnMut(Flight, Vec<u8>) -> Vec<u8>,
) -> Result<Outcome, Violation> {
    let dial = Dial::new(dialler.secrets(), offered);
    let offer = carry(Flight::Offer, dial.offer().to_vec());
    let Some(Answer::Chosen(suite)) = choose(&offer, preferred) else {
        return Err(Violation::Handshake);
    };
    let answering = Answering::new(listener.secrets(), &offer, suite)?;
    let answer = Answer::Chosen(suite).line().into_bytes();
    let answer = carry(Flight::Answer, answer);
    let Some(Answer::Chosen(suite)) = Answer::read(&answer) else {
        return Err(Violation::Handshake);
    };
    let (dialled, message_1) = dial.handle_answer(&answer, suite)?;
    let message_1 = carry(Flight::Message1, message_1);
    let (answered, message_2) = answering.handle_message_1(&message_1)?;
    let message_2 = carry(Flight::Message2, message_2);
    let checked = dialled.handle_message_2(&message_2)?;
    let mut opening = opening(WINDOW, 1 << 24);
    opening.pairing = Pairing::Offered;
    let (keys, message_3) = checked.accept(&opening)?;
    let message_3 = carry(Flight::Message3, message_3);
    Ok(Outcome {
        dialler: Ok(keys),
        listener: answered.handle_message_3(&message_3),
    })
}
