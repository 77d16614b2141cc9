//! Standard input in a pipe: every line is a message.

use std::io::{BufRead, BufReader, Read};

use crossbeam_channel::Receiver;
use ptp_core::{SendError, Sender, Session};

use crate::exit::Exit;
use crate::render;

/// Read in pieces of the size that a pipe holds.
const PIECE: usize = 64 * 1024;

/// Where lines go.
pub(crate) struct Outlet {
    sender: Sender,
    /// The largest message that the other side takes.
    limit: u64,
}

impl Outlet {
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            sender: session.sender(),
            limit: session.max_message(),
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
    let Ok(mut outlet) = outlets.recv() else {
        return;
    };
    let mut input = BufReader::with_capacity(PIECE, input);
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        // Two more: a newline, and what shows that the line is too long.
        match (&mut input)
            .take(outlet.limit.saturating_add(2))
            .read_until(b'\n', &mut line)
        {
            Ok(0) => return report(End::Eof),
            Ok(_) => {}
            Err(error) => {
                let trouble = render::unreadable(number - 1, &error);
                return report(End::Trouble(trouble, Exit::Unexpected));
            }
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if !verbatim && is_quit(&line) {
            report(End::Quit);
            if matches!(input.fill_buf(), Ok(more) if !more.is_empty()) {
                report(End::Trouble(
                    render::INPUT_BEHIND_QUIT.into(),
                    Exit::Unexpected,
                ));
            }
            return;
        }
        while let Err(end) = send(&outlet.sender, &line, number) {
            if end != End::Cut {
                return report(end);
            }
            report(end);
            match outlets.recv() {
                Ok(next) => outlet = next,
                Err(_) => return,
            }
        }
    }
}

/// Sends a line as text, or as bytes if it is not UTF-8.
fn send(sender: &Sender, line: &[u8], number: u64) -> Result<(), End> {
    let sent = match str::from_utf8(line) {
        Ok(text) => sender.send(text),
        Err(_) => sender.send(line),
    };
    sent.map(drop).map_err(|error| match error {
        SendError::TooLarge { limit, .. } => {
            End::Trouble(render::too_large(number, limit), Exit::Unexpected)
        }
        SendError::NotPlain(_) => End::Trouble(render::not_plain(number), Exit::Unexpected),
        _ => End::Cut,
    })
}

/// Whether a line is one of the words that disconnect, in any case.
pub(crate) fn is_quit(line: &[u8]) -> bool {
    let word = line.trim_ascii();
    word.eq_ignore_ascii_case(b"quit") || word.eq_ignore_ascii_case(b"exit")
}
