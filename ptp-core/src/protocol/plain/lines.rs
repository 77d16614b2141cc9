//! From bytes to text messages: a line each, or what stood still.

use std::time::{Duration, Instant};

use super::telnet::{Heard, Telnet};
use super::{GREETING, LineEnd};
use crate::protocol::message::{Assembly, Message, MessageKind};

/// What stands without an end for so long is a message: the original program sends no ends. Longer
/// than the parts of one write are apart, shorter than a person notices.
pub(crate) const QUIET: Duration = Duration::from_millis(40);
/// The longest message, in bytes as they came: a stream without ends must not fill the memory.
pub(crate) const LONGEST: usize = 64 * 1024;

/// The peer greeted as PTP does, and so can't be talked to like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpeaksPtp;

/// The incoming direction.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    telnet: Telnet,
    /// The first bytes, which tell PTP.
    first: Vec<u8>,
    /// What came of the present line.
    line: Vec<u8>,
    cr: Cr,
    end: LineEnd,
    quiet_at: Option<Instant>,
    messages: u64,
}

/// A CR, which may be the first half of an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Cr {
    #[default]
    None,
    /// It was the last byte.
    Pending,
    /// It was, and stood still: it was the end, and a second half that comes late belongs to it.
    Ended,
}

impl Lines {
    /// How the peer ended its last message.
    pub(crate) fn end(&self) -> LineEnd {
        self.end
    }

    /// How many messages there were.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// When `handle_timeout` is to be called.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.quiet_at
    }

    /// Bytes came; appends the messages that are whole. `unix_ms` is the time for them.
    pub(crate) fn handle_read(
        &mut self,
        now: Instant,
        unix_ms: u64,
        bytes: &[u8],
        messages: &mut Vec<Message>,
    ) -> Result<(), SpeaksPtp> {
        let missing = GREETING.len() - self.first.len();
        self.first.extend(bytes.iter().take(missing));
        if self.first == GREETING {
            return Err(SpeaksPtp);
        }
        for byte in bytes {
            let text = match self.telnet.handle(*byte) {
                Heard::Command => continue,
                Heard::Text(byte) => byte,
                Heard::Stray(byte) => {
                    self.put(u8::MAX, unix_ms, messages);
                    byte
                }
            };
            self.put(text, unix_ms, messages);
        }
        let stands = !self.line.is_empty() || self.cr == Cr::Pending;
        self.quiet_at = stands.then(|| now + QUIET);
        Ok(())
    }

    /// The time of `next_timeout` has come, and nothing else: what stands is a message.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        unix_ms: u64,
        messages: &mut Vec<Message>,
    ) {
        if self.quiet_at.is_none_or(|quiet_at| now < quiet_at) {
            return;
        }
        self.quiet_at = None;
        if self.cr == Cr::Pending {
            self.finish_line(LineEnd::CrLf, unix_ms, messages);
            self.cr = Cr::Ended;
            return;
        }
        let whole = self.line.len() - incomplete(&self.line);
        self.end = LineEnd::Nothing;
        if whole == 0 {
            return self.take(self.line.len(), unix_ms, messages);
        }
        self.take(whole, unix_ms, messages);
        if !self.line.is_empty() {
            self.quiet_at = Some(now + QUIET);
        }
    }

    /// The stream has ended: what stands is the last message.
    pub(crate) fn handle_end(&mut self, unix_ms: u64, messages: &mut Vec<Message>) {
        self.quiet_at = None;
        if !self.line.is_empty() || self.cr == Cr::Pending {
            self.take(self.line.len(), unix_ms, messages);
            self.cr = Cr::None;
        }
    }

    fn put(&mut self, byte: u8, unix_ms: u64, messages: &mut Vec<Message>) {
        match (std::mem::take(&mut self.cr), byte) {
            (Cr::Ended, b'\n' | 0) => {}
            (Cr::Pending, b'\n' | 0) => self.finish_line(LineEnd::CrLf, unix_ms, messages),
            (_, b'\n') => self.finish_line(LineEnd::Lf, unix_ms, messages),
            (cr, _) => {
                if cr == Cr::Pending {
                    self.push(b'\r', unix_ms, messages);
                }
                match byte {
                    b'\r' => self.cr = Cr::Pending,
                    _ => self.push(byte, unix_ms, messages),
                }
            }
        }
    }

    fn push(&mut self, byte: u8, unix_ms: u64, messages: &mut Vec<Message>) {
        if self.line.len() >= LONGEST {
            self.take(self.line.len() - incomplete(&self.line), unix_ms, messages);
        }
        self.line.push(byte);
    }

    fn finish_line(&mut self, end: LineEnd, unix_ms: u64, messages: &mut Vec<Message>) {
        self.end = end;
        self.take(self.line.len(), unix_ms, messages);
    }

    /// Makes a message of the first `length` bytes of the line.
    fn take(&mut self, length: usize, unix_ms: u64, messages: &mut Vec<Message>) {
        self.messages += 1;
        let mut message = Assembly::default();
        message.extend(String::from_utf8_lossy(&self.line[..length]).as_bytes());
        messages.push(message.finish(MessageKind::Text, self.messages, unix_ms));
        self.line.drain(..length);
    }
}

/// How many bytes at the end are the beginning of a character.
fn incomplete(bytes: &[u8]) -> usize {
    let last = &bytes[bytes.len().saturating_sub(3)..];
    let Some(at) = last.iter().rposition(|byte| *byte >= 0xc0) else {
        return 0;
    };
    match str::from_utf8(&last[at..]) {
        Err(error) if error.error_len().is_none() => last.len() - at,
        _ => 0,
    }
}
