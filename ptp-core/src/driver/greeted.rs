//! A connection with keys, until both sides have greeted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::line::Line;
use crate::config::Config;
use crate::error::ConnectError;
use crate::protocol::{
    Control, Credit, Greeting, Inbound, Intake, Keys, Limits, Opening, PREFIX, Refusal,
    ResumePoint, Sealer, Suite, Violation,
};
use crate::transport::{Halves, Hangup, ReadHalf, WriteHalf};
use crate::trust::PublicKey;

/// A session that is agreed on and not yet running.
pub(crate) struct Established {
    pub(crate) reader: Box<dyn ReadHalf>,
    pub(crate) writer: Box<dyn WriteHalf>,
    pub(crate) hangup: Arc<dyn Hangup>,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) sealer: Sealer,
    pub(crate) inbound: Inbound,
    pub(crate) limits: Limits,
    /// Where this side is to go on.
    pub(crate) resume: ResumePoint,
    pub(crate) session: [u8; 16],
    pub(crate) peer_key: PublicKey,
    pub(crate) peer_name: String,
    pub(crate) handshake_hash: [u8; 32],
    pub(crate) suite: Suite,
}

/// The connection with its keys, before both have greeted.
pub(super) struct Greeted {
    pub(super) line: Line,
    sealer: Sealer,
    inbound: Inbound,
    pub(super) intake: Intake,
    pub(super) peer: PublicKey,
    pub(super) hash: [u8; 32],
    suite: Suite,
}

impl Greeted {
    /// Goes on with the records: `greeting` is what the other side is to say, `granted` the credit
    /// that it gave so far.
    pub(super) fn new(
        mut line: Line,
        keys: Keys,
        greeting: &'static [Greeting],
        granted: Credit,
        config: &Config,
    ) -> Result<Self, ConnectError> {
        let mut inbound = Inbound::new(keys.opener, greeting, granted, config.max_message.into());
        let read = std::mem::take(&mut line.read);
        inbound.space()[..read.len()].copy_from_slice(&read);
        let mut greeted = Self {
            line,
            sealer: keys.sealer,
            inbound,
            intake: Intake::default(),
            peer: PublicKey(keys.peer),
            hash: keys.hash,
            suite: keys.suite,
        };
        greeted.handle_read(read.len())?;
        Ok(greeted)
    }

    /// Sends control frames in one record.
    pub(super) fn send(&mut self, frames: &[Control]) -> Result<(), ConnectError> {
        let mut record = vec![0; PREFIX];
        for frame in frames {
            frame.put(&mut record);
        }
        self.sealer
            .seal(&mut record, 0)
            .ok_or(Violation::Handshake)?;
        self.line.write(&record)
    }

    /// Reads until the greeting has brought what `take` takes out of it.
    pub(super) fn wait_for<T>(
        &mut self,
        take: impl Fn(&mut Intake) -> Option<T>,
    ) -> Result<T, ConnectError> {
        loop {
            if let Some(taken) = take(&mut self.intake) {
                return Ok(taken);
            }
            if let Some(refusal) = self.intake.refused {
                return Err(refused(refusal));
            }
            self.read()?;
        }
    }

    /// Tells the peer that it is not let in.
    pub(super) fn refuse(mut self, refusal: Refusal) -> ConnectError {
        match self.send(&[Control::Refused(refusal)]) {
            Ok(()) => {
                self.line.await_end();
                refused(refusal)
            }
            Err(error) => error,
        }
    }

    pub(super) fn finish(
        mut self,
        config: &Config,
        theirs: &Opening,
    ) -> Result<Established, ConnectError> {
        while !self.inbound.is_open() {
            self.read()?;
        }
        let timeout = config.timeout.min(Duration::from_millis(theirs.timeout_ms));
        let timeout = timeout.min(super::FOREVER);
        let Halves {
            reader,
            mut writer,
            hangup,
            peer,
        } = self.line.halves;
        // Only helps the system to give up early; the session's own timeout does not need it.
        let _ = writer.limit_silence(timeout);
        Ok(Established {
            reader,
            writer,
            hangup,
            address: peer,
            sealer: self.sealer,
            peer_name: self.intake.name.take().unwrap_or_default(),
            inbound: self.inbound,
            limits: Limits {
                window: window(config),
                granted: theirs.credit,
                peer_max_message: theirs.max_message,
                timeout,
            },
            resume: theirs.resume,
            session: theirs.session,
            peer_key: self.peer,
            handshake_hash: self.hash,
            suite: self.suite,
        })
    }

    pub(super) fn read(&mut self) -> Result<(), ConnectError> {
        let space = self.inbound.space();
        match self.line.halves.reader.read(space, self.line.deadline) {
            Ok(0) => Err(ConnectError::Closed(self.line.stage)),
            Ok(length) => self.handle_read(length),
            Err(error) => Err(self.line.error(error)),
        }
    }

    /// Takes what has come already; an error if the other side has gone.
    pub(super) fn look(&mut self) -> Result<(), ConnectError> {
        let before = std::mem::replace(&mut self.line.deadline, Instant::now());
        let result = self.read();
        self.line.deadline = before;
        match result {
            Err(ConnectError::TimedOut(_)) => Ok(()),
            result => result,
        }
    }

    /// Takes what was read; what the greeting told before is kept.
    fn handle_read(&mut self, length: usize) -> Result<(), ConnectError> {
        let intake = match self.inbound.handle_read(length) {
            Ok(intake) => intake,
            Err(violation) => return Err(self.fail(violation)),
        };
        if let Some(code) = intake.fault {
            return Err(ConnectError::Fault(code));
        }
        // What the greeting said before and nobody has taken yet.
        let before = std::mem::replace(&mut self.intake, intake);
        let intake = &mut self.intake;
        intake.name = intake.name.take().or(before.name);
        intake.share = intake.share.or(before.share);
        intake.confirmation = intake.confirmation.or(before.confirmation);
        intake.welcome = intake.welcome.take().or(before.welcome);
        intake.refused = intake.refused.or(before.refused);
        Ok(())
    }

    /// Tells the peer what it did wrong.
    pub(super) fn fail(&mut self, violation: Violation) -> ConnectError {
        // It ends in any case, and who is gone need not be told.
        let _ = self.send(&[Control::Fault(violation.code())]);
        self.line.await_end();
        violation.into()
    }
}

pub(super) fn window(config: &Config) -> Credit {
    Credit {
        messages: config.window_messages.max(1),
        bytes: config.window_bytes.max(1),
    }
}

fn refused(refusal: Refusal) -> ConnectError {
    match refusal {
        Refusal::Busy => ConnectError::Busy,
        Refusal::NotTrusted => ConnectError::NotTrusted,
        Refusal::PairingNeeded => ConnectError::PairingNeeded,
        Refusal::WrongCode => ConnectError::WrongCode,
        Refusal::NoPairing => ConnectError::NoPairing,
        Refusal::UnknownSession => ConnectError::UnknownSession,
        Refusal::Other(code) => ConnectError::Refused(format!("for a reason with number {code}")),
    }
}
