//! The greeting of a connection that goes on with a session.

use std::time::Instant;

use super::establish::{Caller, name, opening, shake};
use super::greeted::{Established, Greeted};
use crate::config::Config;
use crate::error::{ConnectError, Stage};
use crate::planted::{Bug, planted};
use crate::protocol::{Control, Credit, Greeting, Opening, ResumePoint, Violation};
use crate::transport::Halves;
use crate::trust::{Identity, PublicKey};

/// A session that is to go on, and where this side stands.
pub(crate) struct Resuming {
    pub(crate) session: [u8; 16],
    /// The number of the connection that is being made.
    pub(crate) generation: u64,
    pub(crate) peer: PublicKey,
    /// What the peer may send in all.
    pub(crate) granted: Credit,
    pub(crate) point: ResumePoint,
}

impl Resuming {
    fn opening(&self, config: &Config) -> Opening {
        Opening {
            generation: self.generation,
            credit: self.granted,
            resume: self.point,
            ..opening(config, self.session)
        }
    }
}

/// Dials again, to go on with a session.
pub(crate) fn redial(
    halves: Halves,
    config: &Config,
    identity: &Identity,
    resuming: &Resuming,
    deadline: Instant,
) -> Result<Established, ConnectError> {
    let (mut line, checked) = shake(halves, identity, deadline)?;
    let found = PublicKey(checked.peer);
    if found != resuming.peer && !planted(Bug::ListenerUnchecked) {
        return Err(ConnectError::ChangedKey {
            place: "the other side".to_owned(),
            expected: resuming.peer.fingerprint(),
            found: found.fingerprint(),
        });
    }
    let (keys, message_3) = checked.accept(&resuming.opening(config))?;
    line.write_message(&message_3)?;
    line.stage = Stage::Welcome;
    let mut greeted = Greeted::new(line, keys, Greeting::DIALLER, Credit::default(), config)?;
    let welcome = greeted.wait_for(|intake| intake.welcome.take())?;
    if welcome.session != resuming.session {
        return Err(greeted.fail(Violation::Handshake));
    }
    greeted.send(&[Control::Name(name(config))])?;
    greeted.finish(config, &welcome)
}

impl Caller {
    /// Goes on with its session, which waits until `deadline`.
    pub(crate) fn resume(
        self,
        config: &Config,
        resuming: &Resuming,
        deadline: Instant,
    ) -> Result<Established, ConnectError> {
        let mut admitting = self.admit(config)?;
        let line = &mut admitting.greeted.line;
        line.deadline = line.deadline.min(deadline);
        let welcome = Control::Welcome(resuming.opening(config));
        admitting
            .greeted
            .send(&[welcome, Control::Name(name(config))])?;
        admitting.greeted.finish(config, &admitting.theirs)
    }
}
