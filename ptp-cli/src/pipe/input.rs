//! Standard input in a pipe: every line is a message.

use std::io::{BufRead, BufReader, Read};

use crossbeam_channel::Receiver;
use ptp_core::{MessageId, Payload, SendError};

use crate::conversation::{Conversation, Voice};
use crate::exit::Exit;
use crate::render;

/// Read in pieces of the size that a pipe holds.
pub(crate) const PIECE: usize = 64 * 1024;

/// Where lines go.
pub(crate) struct Outlet {
    voice: Voice,
    /// The largest message that the other side takes.
    limit: u64,
}

impl Outlet {
    pub(crate) fn of(conversation: &Conversation) -> Self {
        Self {
            voice: conversation.voice(),
            limit: conversation.max_message(),
        }
    }
}

/// Where what is said goes, over one session after the other.
pub(crate) struct Outlets<'a> {
    next: &'a Receiver<Outlet>,
    current: Outlet,
    number: u64,
}

/// Why a message was not sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// It is longer than so many bytes, which the other side takes.
    TooLarge(u64),
    /// It is no text, and the other side takes nothing else.
    NotPlain,
    /// No session follows.
    Over,
}

impl<'a> Outlets<'a> {
    /// Waits for the first; `None` if there never is one.
    pub(crate) fn wait(next: &'a Receiver<Outlet>) -> Option<Self> {
        Some(Self {
            next,
            current: next.recv().ok()?,
            number: 1,
        })
    }

    /// The largest message that the other side takes.
    pub(crate) fn limit(&self) -> u64 {
        self.current.limit
    }

    /// The how many-th session it is, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Sends a message. What one session did not take goes to the next, and `report` is told.
    pub(crate) fn send(
        &mut self,
        message: impl Payload + Copy,
        mut report: impl FnMut(End),
    ) -> Result<MessageId, Unsent> {
        loop {
            match self.current.voice.send(message) {
                Ok(id) => return Ok(id),
                Err(SendError::TooLarge { limit, .. }) => return Err(Unsent::TooLarge(limit)),
                Err(SendError::NotPlain(_)) => return Err(Unsent::NotPlain),
                Err(_) => report(End::Cut),
            }
            self.current = self.next.recv().map_err(|_| Unsent::Over)?;
            self.number += 1;
        }
    }
}

/// How the input ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// There is no more.
    Eof,
    /// The word to leave.
    Quit,
    /// The session took no more of it: it goes on with the next, if there is one.
    Cut,
    /// It could not be sent: what to say, and how to exit.
    Trouble(String, Exit),
}

/// Sends every line of `input`, and tells `report` once how it ended, and behind `quit` a second
/// time if more came. The line that a session did not take goes to the next of the `outlets`.
pub(crate) fn forward(
    input: impl Read,
    outlets: &Receiver<Outlet>,
    verbatim: bool,
    mut report: impl FnMut(End),
) {
    let Some(mut outlets) = Outlets::wait(outlets) else {
        return;
    };
    let mut input = BufReader::with_capacity(PIECE, input);
    let mut line = Vec::new();
    for number in 1u64.. {
        // Two more: a newline, and what shows that the line is too long.
        match read_line(&mut input, outlets.limit().saturating_add(2), &mut line) {
            Ok(false) => return report(End::Eof),
            Ok(true) => {}
            Err(error) => {
                let trouble = render::unreadable(number - 1, &error);
                return report(End::Trouble(trouble, Exit::Unexpected));
            }
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if !verbatim && is_quit(&line) {
            return quit(input, render::INPUT_BEHIND_QUIT, report);
        }
        // As text, or as bytes if it is not UTF-8.
        let sent = match str::from_utf8(&line) {
            Ok(text) => outlets.send(text, &mut report),
            Err(_) => outlets.send(line.as_slice(), &mut report),
        };
        match sent {
            Ok(_) => {}
            Err(Unsent::TooLarge(limit)) => {
                let trouble = render::too_large(number, limit);
                return report(End::Trouble(trouble, Exit::Unexpected));
            }
            Err(Unsent::NotPlain) => {
                return report(End::Trouble(render::not_plain(number), Exit::Unexpected));
            }
            Err(Unsent::Over) => return,
        }
    }
}

/// Reads a line with its end, at most `limit` bytes of it; whether there was one.
pub(crate) fn read_line(
    input: &mut impl BufRead,
    limit: u64,
    line: &mut Vec<u8>,
) -> std::io::Result<bool> {
    line.clear();
    Ok(input.take(limit).read_until(b'\n', line)? != 0)
}

/// Somebody leaves; reports `trouble` if there is input behind that.
pub(crate) fn quit(mut input: impl BufRead, trouble: &str, mut report: impl FnMut(End)) {
    report(End::Quit);
    if matches!(input.fill_buf(), Ok(more) if !more.is_empty()) {
        report(End::Trouble(trouble.to_owned(), Exit::Unexpected));
    }
}

/// Whether a line is one of the words that disconnect, in any case.
pub(crate) fn is_quit(line: &[u8]) -> bool {
    let word = line.trim_ascii();
    word.eq_ignore_ascii_case(b"quit") || word.eq_ignore_ascii_case(b"exit")
}
