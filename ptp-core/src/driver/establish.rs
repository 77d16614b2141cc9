//! From a fresh transport to an open session: hello, handshake, greeting, under one deadline.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::config::{Config, Trust};
use crate::error::{ConnectError, Stage};
use crate::protocol::{
    Answer, Answering, Control, Credit, Dial, Greeting, Inbound, Intake, Keys, Limits, MAX_LINE,
    MAX_MESSAGE_3, MAX_NAME, MESSAGE_1, MESSAGE_2, Opening, PREFIX, Refusal, Sealer, Secrets,
    Suite, Violation, choose, identify,
};
use crate::transport::{Halves, Hangup, ReadHalf, WriteHalf};
use crate::trust::{Identity, PublicKey};

/// The longest hint of what a peer speaks that is not PTP: as much as a hello line.
const HINT: usize = MAX_LINE;
/// How long a refusal waits for the refused to leave first, so that it arrives.
const REFUSAL_DRAIN: Duration = Duration::from_millis(500);

/// A session that is agreed on and not yet running.
pub(crate) struct Established {
    pub(crate) reader: Box<dyn ReadHalf>,
    pub(crate) writer: Box<dyn WriteHalf>,
    pub(crate) hangup: Box<dyn Hangup>,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) sealer: Sealer,
    pub(crate) inbound: Inbound,
    /// What came behind the greeting.
    pub(crate) intake: Intake,
    pub(crate) limits: Limits,
    pub(crate) peer_key: PublicKey,
    pub(crate) peer_name: String,
    pub(crate) handshake_hash: [u8; 32],
}

/// Dials: sends the first line, checks whom it reached, and waits to be let in.
pub(crate) fn dial(
    halves: Halves,
    config: &Config,
    identity: &Identity,
    deadline: Instant,
) -> Result<Established, ConnectError> {
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
    line.stage = Stage::Handshake;
    let (dialled, message_1) = dial.handle_answer(&answer, suite)?;
    line.write_message(&message_1)?;
    let checked = dialled.handle_message_2(&line.read_message(MESSAGE_2)?)?;
    let Trust::Open = config.trust;
    let mut session = [0; 16];
    getrandom::fill(&mut session).map_err(|error| line.error(error.into()))?;
    let (keys, message_3) = checked.accept(&opening(config, session))?;
    line.write_message(&message_3)?;
    line.stage = Stage::Welcome;
    let mut greeting = line.greet(keys, Greeting::Welcome, Credit::default(), config)?;
    let welcome = greeting.wait_for_welcome()?;
    if welcome.session != session {
        return Err(greeting.fail(Violation::Handshake));
    }
    greeting.send(&[Control::Name(name(config))])?;
    greeting.finish(config, &welcome)
}

/// Answers a dialler. `admit` decides, once it is known who it is, whether it is let in.
pub(crate) fn answer(
    halves: Halves,
    config: &Config,
    identity: &Identity,
    deadline: Instant,
    admit: impl FnOnce(PublicKey) -> Result<(), Refusal>,
) -> Result<Established, ConnectError> {
    let mut line = Line::new(halves, deadline);
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
    let admitted = match theirs.generation {
        0 => admit(PublicKey(keys.peer)),
        _ => Err(Refusal::UnknownSession),
    };
    let mut greeting = line.greet(keys, Greeting::Name, theirs.credit, config)?;
    if let Err(refusal) = admitted {
        greeting.send(&[Control::Refused(refusal)])?;
        greeting.line.await_end();
        return Err(refused(refusal));
    }
    let ours = opening(config, theirs.session);
    greeting.send(&[Control::Welcome(ours), Control::Name(name(config))])?;
    greeting.finish(config, &theirs)
}

fn secrets(identity: &Identity) -> Secrets<'_> {
    Secrets {
        identity: identity.secret(),
        ephemeral: None,
    }
}

/// What this side asks for: its limits, and nothing to resume.
fn opening(config: &Config, session: [u8; 16]) -> Opening {
    Opening {
        session,
        generation: 0,
        max_message: config.max_message.into(),
        timeout_ms: config.timeout.as_millis().try_into().unwrap_or(u64::MAX),
        credit: window(config),
        received: 0,
        partial: 0,
    }
}

fn window(config: &Config) -> Credit {
    Credit {
        messages: config.window_messages.max(1),
        bytes: config.window_bytes.max(1),
    }
}

/// The own name, cut to what a frame may hold.
fn name(config: &Config) -> String {
    let mut end = config.name.len().min(MAX_NAME);
    while !config.name.is_char_boundary(end) {
        end -= 1;
    }
    config.name[..end].to_owned()
}

fn refused(refusal: Refusal) -> ConnectError {
    match refusal {
        Refusal::Busy => ConnectError::Busy,
        Refusal::NotTrusted => ConnectError::Refused("it does not know this side".into()),
        Refusal::PairingNeeded => ConnectError::Refused("it asks for a pairing code".into()),
        Refusal::WrongCode => ConnectError::Refused("the pairing code is wrong".into()),
        Refusal::UnknownSession => ConnectError::Refused("it does not know the session".into()),
        Refusal::Other(code) => ConnectError::Refused(format!("for a reason with number {code}")),
    }
}

/// The connection before its keys: at most 512 bytes are taken from whoever is there.
struct Line {
    halves: Halves,
    deadline: Instant,
    stage: Stage,
    /// What was read and not yet used; never more than is asked for.
    read: Vec<u8>,
}

impl Line {
    fn new(halves: Halves, deadline: Instant) -> Self {
        Self {
            halves,
            deadline,
            stage: Stage::Hello,
            read: Vec::new(),
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), ConnectError> {
        while !bytes.is_empty() {
            let written = self.halves.writer.write(bytes, self.deadline);
            bytes = &bytes[written.map_err(|error| self.error(error))?..];
        }
        Ok(())
    }

    fn write_message(&mut self, message: &[u8]) -> Result<(), ConnectError> {
        let length = message.len() as u16;
        self.write(&[&length.to_be_bytes()[..], message].concat())
    }

    /// Reads more, at most `most` bytes in all.
    fn read_some(&mut self, most: usize) -> Result<(), ConnectError> {
        let before = self.read.len();
        self.read.resize(most, 0);
        let space = &mut self.read[before..];
        let result = self.halves.reader.read(space, self.deadline);
        self.read.truncate(before + *result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => Err(ConnectError::Closed(self.stage)),
            Ok(_) => Ok(()),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Reads a hello line with its LF. What can't become one is named.
    fn read_line(&mut self) -> Result<Vec<u8>, ConnectError> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                return Ok(self.read.drain(..=end).collect());
            }
            let greeting = self.read.starts_with(&b"PTP/"[..self.read.len().min(4)]);
            if !greeting || self.read.len() >= MAX_LINE {
                // A little more may tell what it is; what is there is enough for an answer.
                return Ok(std::mem::take(&mut self.read));
            }
            match self.read_some(HINT) {
                Err(ConnectError::Closed(_)) if !self.read.is_empty() => {
                    return Ok(std::mem::take(&mut self.read));
                }
                result => result?,
            }
        }
    }

    /// Reads a handshake message of at most `most` bytes.
    fn read_message(&mut self, most: usize) -> Result<Vec<u8>, ConnectError> {
        let prefix = self.read_exactly(PREFIX)?;
        let length = usize::from(u16::from_be_bytes([prefix[0], prefix[1]]));
        if length > most {
            return Err(Violation::Handshake.into());
        }
        self.read_exactly(length)
    }

    fn read_exactly(&mut self, length: usize) -> Result<Vec<u8>, ConnectError> {
        while self.read.len() < length {
            self.read_some(length)?;
        }
        Ok(self.read.drain(..length).collect())
    }

    /// Lets the peer read what it was told before the connection closes.
    fn await_end(&mut self) {
        let _ = self.halves.writer.finish();
        let deadline = self.deadline.min(Instant::now() + REFUSAL_DRAIN);
        let mut scratch = [0; 512];
        while matches!(self.halves.reader.read(&mut scratch, deadline), Ok(1..)) {
            if Instant::now() >= deadline {
                return;
            }
        }
    }

    /// Goes on with the records.
    fn greet(
        mut self,
        keys: Keys,
        greeting: Greeting,
        granted: Credit,
        config: &Config,
    ) -> Result<Greeted, ConnectError> {
        let mut inbound = Inbound::new(keys.opener, greeting, granted, config.max_message.into());
        let read = std::mem::take(&mut self.read);
        inbound.space()[..read.len()].copy_from_slice(&read);
        let mut greeted = Greeted {
            line: self,
            sealer: keys.sealer,
            inbound,
            intake: Intake::default(),
            peer: PublicKey(keys.peer),
            hash: keys.hash,
        };
        greeted.handle_read(read.len())?;
        Ok(greeted)
    }

    fn error(&self, cause: io::Error) -> ConnectError {
        match cause.kind() {
            io::ErrorKind::TimedOut => ConnectError::TimedOut(self.stage),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                ConnectError::Closed(self.stage)
            }
            _ => ConnectError::Io {
                stage: self.stage,
                cause,
            },
        }
    }
}

/// The connection with its keys, before both have greeted.
struct Greeted {
    line: Line,
    sealer: Sealer,
    inbound: Inbound,
    intake: Intake,
    peer: PublicKey,
    hash: [u8; 32],
}

impl Greeted {
    /// Sends control frames in one record.
    fn send(&mut self, frames: &[Control]) -> Result<(), ConnectError> {
        let mut record = vec![0; PREFIX];
        for frame in frames {
            frame.put(&mut record);
        }
        self.sealer
            .seal(&mut record, 0)
            .ok_or(Violation::Handshake)?;
        self.line.write(&record)
    }

    fn wait_for_welcome(&mut self) -> Result<Opening, ConnectError> {
        loop {
            if let Some(refusal) = self.intake.refused {
                return Err(refused(refusal));
            }
            if let Some(welcome) = self.intake.welcome.take() {
                return Ok(welcome);
            }
            self.read()?;
        }
    }

    fn finish(mut self, config: &Config, theirs: &Opening) -> Result<Established, ConnectError> {
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
            intake: self.intake,
            limits: Limits {
                window: window(config),
                granted: theirs.credit,
                peer_max_message: theirs.max_message,
                timeout,
            },
            peer_key: self.peer,
            handshake_hash: self.hash,
        })
    }

    fn read(&mut self) -> Result<(), ConnectError> {
        let space = self.inbound.space();
        match self.line.halves.reader.read(space, self.line.deadline) {
            Ok(0) => Err(ConnectError::Closed(self.line.stage)),
            Ok(length) => self.handle_read(length),
            Err(error) => Err(self.line.error(error)),
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
        let name = self.intake.name.take();
        self.intake = Intake {
            name: intake.name.or(name),
            ..intake
        };
        Ok(())
    }

    /// Tells the peer what it did wrong.
    fn fail(&mut self, violation: Violation) -> ConnectError {
        // It ends in any case, and who is gone need not be told.
        let _ = self.send(&[Control::Fault(violation.code())]);
        self.line.await_end();
        violation.into()
    }
}
