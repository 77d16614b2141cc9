//! From a fresh transport to an open session: hello, handshake, pairing where it is due, greeting,
//! all under one deadline.

use std::sync::Arc;
use std::time::Instant;

use super::desk::SharedDesk;
use super::greeted::{Established, Greeted, window};
use super::line::Line;
use super::pairing;
use crate::config::Config;
use crate::error::{ConnectError, Stage};
use crate::protocol::{
    Answer, Answering, Checked, Control, Credit, Dial, Greeting, Keys, MAX_MESSAGE_3, MAX_NAME,
    MESSAGE_1, MESSAGE_2, Opening, Pairing, Refusal, ResumePoint, Secrets, Suite, Violation,
    choose, identify,
};
use crate::transport::{Halves, Hangup};
use crate::trust::{How, Identity, Judged, PublicKey, Standing, Strangers};

/// Whom a dialler dials, and what it makes of who answers.
pub(crate) struct Dialling<'a> {
    pub(crate) config: &'a Config,
    pub(crate) identity: &'a Identity,
    /// The address as it was given; `None` over a transport without one.
    pub(crate) place: Option<&'a str>,
    /// Pairs even if this side trusts the other: the other does not know it.
    pub(crate) pair: bool,
}

/// Dials: sends the first line, checks whom it reached, and waits to be let in.
pub(crate) fn dial(
    halves: Halves,
    dialling: &Dialling<'_>,
    deadline: Instant,
) -> Result<(Established, Judged), ConnectError> {
    let config = dialling.config;
    let (mut line, checked) = shake(halves, dialling.identity, deadline)?;
    // An error here ends it before the other side has learned anything of this one.
    let (mut judged, pairing) = dialling.judge(PublicKey(checked.peer))?;
    let mut session = [0; 16];
    getrandom::fill(&mut session).map_err(|error| line.error(error.into()))?;
    let opening = Opening {
        pairing,
        ..opening(config, session)
    };
    let (keys, message_3) = checked.accept(&opening)?;
    line.write_message(&message_3)?;
    line.stage = Stage::Welcome;
    let steps = match pairing {
        Pairing::Offered => Greeting::PAIRING_DIALLER,
        Pairing::NotNeeded | Pairing::Wanted => Greeting::DIALLER,
    };
    let mut greeted = Greeted::new(line, keys, steps, Credit::default(), config)?;
    if let (Pairing::Offered, Some(code)) = (pairing, &config.code) {
        pairing::dial(&mut greeted, code, dialling.identity)?;
        if config.trust.peers().is_some() {
            judged.standing = Standing::Paired;
        }
    }
    let welcome = greeted.wait_for(|intake| intake.welcome.take())?;
    if welcome.session != session || pairing == Pairing::Wanted {
        return Err(greeted.fail(Violation::Handshake));
    }
    greeted.send(&[Control::Name(name(config))])?;
    let established = greeted.finish(config, &welcome)?;
    dialling.remember(&mut judged, &established)?;
    Ok((established, judged))
}

/// The dialler's part up to the point where it knows who answers, and has not said who it is.
pub(super) fn shake(
    halves: Halves,
    identity: &Identity,
    deadline: Instant,
) -> Result<(Line, Checked), ConnectError> {
    meet(halves, identity, deadline)?.shake()
}

/// A listener that answered the dialler's first line.
pub(crate) struct Met<'a> {
    line: Line,
    dial: Dial<'a>,
    answer: Vec<u8>,
    suite: Suite,
}

/// Sends the dialler's first line, and waits for the listener's.
pub(crate) fn meet(
    halves: Halves,
    identity: &Identity,
    deadline: Instant,
) -> Result<Met<'_>, ConnectError> {
    let mut line = Line::new(halves, deadline);
    let dial = Dial::new(secrets(identity), &Suite::preferred());
    line.write(dial.offer())?;
    let answer = line.read_line()?;
    let suite = match Answer::read(&answer) {
        Some(Answer::Chosen(suite)) => suite,
        Some(Answer::Version) => return Err(ConnectError::Version),
        Some(Answer::Overloaded) => return Err(ConnectError::Overloaded),
        None => return Err(ConnectError::NotPtp(identify(&answer))),
    };
    Ok(Met {
        line,
        dial,
        answer,
        suite,
    })
}

impl Met<'_> {
    fn shake(mut self) -> Result<(Line, Checked), ConnectError> {
        self.line.stage = Stage::Handshake;
        let (dialled, message_1) = self.dial.handle_answer(&self.answer, self.suite)?;
        self.line.write_message(&message_1)?;
        let checked = dialled.handle_message_2(&self.line.read_message(MESSAGE_2)?)?;
        Ok((self.line, checked))
    }

    /// Finds out whose key answers, and leaves without having said who calls.
    pub(crate) fn look(self) -> Result<PublicKey, ConnectError> {
        let (_, checked) = self.shake()?;
        Ok(PublicKey(checked.peer))
    }
}

impl Dialling<'_> {
    /// Whether to talk to the one that answered, and what to say of pairing.
    pub(crate) fn judge(&self, key: PublicKey) -> Result<(Judged, Pairing), ConnectError> {
        let trust = &self.config.trust;
        if let Some(expected) = self.config.expected_key {
            self.check(key, expected)?;
        }
        if let (Some(peers), Some(place)) = (trust.peers(), self.place)
            && let Some(expected) = peers.bound_to(place)?
        {
            self.check(key, expected.key)?;
        }
        let mut judged = trust.judge(key, self.identity)?;
        if judged.standing == Standing::Stranger && self.config.expected_key.is_some() {
            judged.standing = Standing::Listed;
        }
        let pairing = match (judged.standing, trust.strangers(), &self.config.code) {
            (Standing::Stranger, Strangers::Refuse | Strangers::Ask, _) => {
                return Err(ConnectError::Stranger(key.fingerprint()));
            }
            // One does not pair with oneself.
            (Standing::Own, ..) => Pairing::NotNeeded,
            (_, _, Some(_)) if self.pair => Pairing::Offered,
            (Standing::Stranger, Strangers::Pair, None) => Pairing::Wanted,
            (Standing::Stranger, Strangers::Pair, Some(_)) => Pairing::Offered,
            _ => Pairing::NotNeeded,
        };
        Ok((judged, pairing))
    }

    fn check(&self, found: PublicKey, expected: PublicKey) -> Result<(), ConnectError> {
        if found == expected {
            return Ok(());
        }
        Err(ConnectError::ChangedKey {
            place: self.place.unwrap_or("the other side").to_owned(),
            expected: expected.fingerprint(),
            found: found.fingerprint(),
        })
    }

    /// Remembers a new peer, and where a known one was reached.
    fn remember(&self, judged: &mut Judged, peer: &Established) -> Result<(), ConnectError> {
        let Some(peers) = self.config.trust.peers() else {
            return Ok(());
        };
        match (judged.standing, self.place) {
            (Standing::Paired, place) => {
                let known = peers.remember(peer.peer_key, &peer.peer_name, How::Paired, place)?;
                judged.name = Some(known.name);
            }
            (Standing::Known, Some(place)) => {
                // A convenience: where it can't be written, the conversation is none the worse.
                if let Err(error) = peers.note_address(&peer.peer_key, place) {
                    log::warn!("where a known peer is can't be noted: {error}");
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// A dialler that has proved its key, and waits to be let in.
pub(crate) struct Caller {
    line: Line,
    keys: Keys,
    theirs: Opening,
}

/// Answers a dialler, up to the point where it is known who it is.
pub(crate) fn answer(mut line: Line, identity: &Identity) -> Result<Caller, ConnectError> {
    let offer = line.read_line()?;
    let suite = match choose(&offer, &Suite::preferred()) {
        Some(Answer::Chosen(suite)) => suite,
        Some(refusal) => {
            line.write(refusal.line().as_bytes())?;
            line.await_end();
            return Err(ConnectError::Version);
        }
        None => {
            line.write(Answer::Version.line().as_bytes())?;
            line.await_end();
            return Err(ConnectError::NotPtp(identify(&offer)));
        }
    };
    line.stage = Stage::Handshake;
    let answering = Answering::new(secrets(identity), &offer, suite)?;
    line.write(Answer::Chosen(suite).line().as_bytes())?;
    let (answered, message_2) = answering.handle_message_1(&line.read_message(MESSAGE_1)?)?;
    line.write_message(&message_2)?;
    let (keys, theirs) = answered.handle_message_3(&line.read_message(MAX_MESSAGE_3)?)?;
    line.stage = Stage::Welcome;
    Ok(Caller { line, keys, theirs })
}

/// Answers a dialler where there is no code to show and nobody to ask.
pub(crate) fn answer_known(
    line: Line,
    config: &Config,
    identity: &Identity,
) -> Result<(Established, Judged), ConnectError> {
    let caller = answer(line, identity)?;
    let judged = config.trust.judge(caller.key(), identity)?;
    let unknown = judged.standing == Standing::Stranger;
    let refusal = if caller.resumes() {
        Refusal::UnknownSession
    } else if unknown && config.trust.strangers() != Strangers::Accept {
        Refusal::NotTrusted
    } else if caller.pairing() != Pairing::NotNeeded {
        Refusal::NoPairing
    } else {
        return Ok((caller.admit(config)?.welcome(config)?, judged));
    };
    Err(caller.refuse(config, refusal))
}

impl Caller {
    pub(crate) fn key(&self) -> PublicKey {
        PublicKey(self.keys.peer)
    }

    /// What it says of pairing.
    pub(crate) fn pairing(&self) -> Pairing {
        self.theirs.pairing
    }

    /// Whether it wants to go on with an earlier session.
    pub(crate) fn resumes(&self) -> bool {
        self.theirs.generation != 0
    }

    /// Which connection of its session it is.
    pub(crate) fn generation(&self) -> u64 {
        self.theirs.generation
    }

    pub(crate) fn session(&self) -> [u8; 16] {
        self.theirs.session
    }

    /// Ends its connection.
    pub(crate) fn hangup(&self) -> Arc<dyn Hangup> {
        Arc::clone(&self.line.halves.hangup)
    }

    /// Turns it away; returns what became of it.
    pub(crate) fn refuse(self, config: &Config, refusal: Refusal) -> ConnectError {
        match self.admit(config) {
            Ok(admitting) => admitting.refuse(refusal),
            Err(error) => error,
        }
    }

    /// Goes on to let it in.
    pub(crate) fn admit(self, config: &Config) -> Result<Admitting, ConnectError> {
        let credit = self.theirs.credit;
        Ok(Admitting {
            greeted: Greeted::new(self.line, self.keys, Greeting::LISTENER, credit, config)?,
            theirs: self.theirs,
            proof: None,
        })
    }

    /// Goes on to let it in if it proves that it knows the desk's code. It waits for its turn as
    /// long as it `is_wanted`.
    pub(crate) fn pair(
        self,
        config: &Config,
        identity: &Identity,
        desk: &SharedDesk,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<Admitting, ConnectError> {
        let (steps, credit) = (Greeting::PAIRING_LISTENER, self.theirs.credit);
        let mut greeted = Greeted::new(self.line, self.keys, steps, credit, config)?;
        match pairing::answer(&mut greeted, identity, desk, is_wanted)? {
            Ok(proof) => Ok(Admitting {
                greeted,
                theirs: self.theirs,
                proof: Some(proof),
            }),
            Err(refusal) => Err(greeted.refuse(refusal)),
        }
    }
}

/// A dialler that may be let in.
pub(crate) struct Admitting {
    pub(super) greeted: Greeted,
    pub(super) theirs: Opening,
    /// This side's proof that it knew the code, after a pairing.
    proof: Option<Control>,
}

impl Admitting {
    /// Turns it away after all; returns what became of it.
    pub(crate) fn refuse(mut self, refusal: Refusal) -> ConnectError {
        if let Some(proof) = self.proof.take()
            && let Err(error) = self.greeted.send(&[proof])
        {
            return error;
        }
        self.greeted.refuse(refusal)
    }

    /// Lets it in.
    pub(crate) fn welcome(mut self, config: &Config) -> Result<Established, ConnectError> {
        let ours = opening(config, self.theirs.session);
        let greeting = [Control::Welcome(ours), Control::Name(name(config))];
        let frames: Vec<Control> = self.proof.into_iter().chain(greeting).collect();
        self.greeted.send(&frames)?;
        self.greeted.finish(config, &self.theirs)
    }
}

fn secrets(identity: &Identity) -> Secrets<'_> {
    Secrets {
        identity: identity.secret(),
        ephemeral: None,
    }
}

/// What this side states of itself for a new session.
pub(super) fn opening(config: &Config, session: [u8; 16]) -> Opening {
    Opening {
        session,
        generation: 0,
        max_message: config.max_message.into(),
        timeout_ms: config.timeout.as_millis().try_into().unwrap_or(u64::MAX),
        credit: window(config),
        resume: ResumePoint::default(),
        pairing: Pairing::NotNeeded,
    }
}

/// The own name, cut to what a frame may hold.
pub(super) fn name(config: &Config) -> String {
    let mut end = config.name.len().min(MAX_NAME);
    while !config.name.is_char_boundary(end) {
        end -= 1;
    }
    config.name[..end].to_owned()
}
