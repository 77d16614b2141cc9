//! A connection before it has keys: lines and handshake messages, under one deadline.

use std::io;
use std::time::{Duration, Instant};

use crate::error::{ConnectError, Stage};
use crate::protocol::{MAX_LINE, PREFIX, Violation};
use crate::transport::Halves;

/// The longest hint of what a peer speaks that is not PTP: as much as a hello line.
const HINT: usize = MAX_LINE;
/// How long a refusal waits for the refused to leave first, so that it arrives.
const REFUSAL_DRAIN: Duration = Duration::from_millis(500);

/// The connection before its keys: at most 512 bytes are taken from whoever is there.
pub(crate) struct Line {
    pub(super) halves: Halves,
    pub(super) deadline: Instant,
    pub(super) stage: Stage,
    /// What was read and not yet used; never more than is asked for.
    pub(super) read: Vec<u8>,
}

impl Line {
    pub(super) fn new(halves: Halves, deadline: Instant) -> Self {
        Self {
            halves,
            deadline,
            stage: Stage::Hello,
            read: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), ConnectError> {
        while !bytes.is_empty() {
            let written = self.halves.writer.write(bytes, self.deadline);
            bytes = &bytes[written.map_err(|error| self.error(error))?..];
        }
        Ok(())
    }

    pub(super) fn write_message(&mut self, message: &[u8]) -> Result<(), ConnectError> {
        let length = message.len() as u16;
        self.write(&[&length.to_be_bytes()[..], message].concat())
    }

    /// Reads more, at most `most` bytes in all.
    pub(super) fn read_some(&mut self, most: usize) -> Result<(), ConnectError> {
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
    pub(super) fn read_line(&mut self) -> Result<Vec<u8>, ConnectError> {
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
    pub(super) fn read_message(&mut self, most: usize) -> Result<Vec<u8>, ConnectError> {
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
    pub(super) fn await_end(&mut self) {
        let _ = self.halves.writer.finish();
        let deadline = self.deadline.min(Instant::now() + REFUSAL_DRAIN);
        let mut scratch = [0; 512];
        while matches!(self.halves.reader.read(&mut scratch, deadline), Ok(1..)) {
            if Instant::now() >= deadline {
                return;
            }
        }
    }

    pub(super) fn error(&self, cause: io::Error) -> ConnectError {
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
