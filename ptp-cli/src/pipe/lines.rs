//! Lines: standard output carries received messages and nothing else.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::Arc;

use crossbeam_channel::{Receiver, never};
use ptp_core::{Message, Session};

use super::input;
use super::manner::{Ear, Manner, Nobody};
use crate::conversation::Conversation;
use crate::render;

/// Every line of the input is a message.
pub(super) fn ear(verbatim: bool) -> Ear {
    Box::new(move |outlets, report| input::forward(io::stdin().lock(), outlets, verbatim, report))
}

/// Received messages as lines.
pub(super) struct Lines {
    stdout: BufWriter<io::Stdout>,
    /// What a terminal gets is escaped, wherever the input comes from.
    terminal: bool,
    news: Receiver<()>,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self {
            stdout: BufWriter::with_capacity(64 * 1024, io::stdout()),
            terminal: io::stdout().is_terminal(),
            news: never(),
        }
    }
}

impl Manner for Lines {
    type Person = Nobody;
    const PERSON: Nobody = Nobody;
    type News = ();

    fn news(&self) -> &Receiver<()> {
        &self.news
    }

    fn heed(&mut self, (): ()) -> io::Result<()> {
        Ok(())
    }

    fn begin(&mut self, _conversation: &Arc<Conversation>) -> io::Result<()> {
        Ok(())
    }

    fn received(&mut self, session: &Session, message: Message) -> io::Result<()> {
        if self.terminal {
            let speaker = render::speaker(session.peer());
            return writeln!(self.stdout, "{}", render::message(&speaker, &message));
        }
        self.stdout.write_all(message.as_bytes())?;
        self.stdout.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}
