//! Which of the two protocols a caller speaks, from its first bytes or from its silence.

use std::time::{Duration, Instant};

use super::PlainLine;
use crate::driver::line::Line;
use crate::error::ConnectError;
use crate::protocol::plain::GREETING;
use crate::transport::Halves;

/// A dialler of PTP greets at once: who is silent for so long waits for somebody to speak to it.
const SILENCE: Duration = Duration::from_secs(1);
/// Said to a plain caller where all places are taken.
const BUSY: &[u8] = b"Busy: in a conversation with somebody else. Try again later\n";

/// A caller, by what it speaks.
pub(crate) enum Caller {
    Ptp(Line),
    Plain(PlainLine),
}

/// Takes every caller for one that speaks PTP, unless plain ones are let in, too: then looks.
pub(crate) fn look(
    halves: Halves,
    lets_plain_in: bool,
    deadline: Instant,
) -> Result<Caller, ConnectError> {
    let mut line = Line::new(halves, deadline);
    if !lets_plain_in {
        return Ok(Caller::Ptp(line));
    }
    line.deadline = deadline.min(Instant::now() + SILENCE);
    while line.read.len() < GREETING.len() && GREETING.starts_with(&line.read) {
        match line.read_some(GREETING.len()) {
            Ok(()) => {}
            Err(ConnectError::TimedOut(_)) => break,
            Err(ConnectError::Closed(_)) if !line.read.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    line.deadline = deadline;
    Ok(if line.read == GREETING {
        Caller::Ptp(line)
    } else {
        Caller::Plain(PlainLine {
            halves: line.halves,
            heard: line.read,
            called: true,
        })
    })
}

impl PlainLine {
    /// Tells a caller that there is no place for it.
    pub(crate) fn refuse(mut self) -> ConnectError {
        // The first bytes of a connection always find room; who is gone need not be told.
        let _ = self.halves.writer.write(BUSY, Instant::now());
        ConnectError::Busy
    }
}
