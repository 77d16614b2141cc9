//! In what manner a conversation in a pipe is held.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use ptp_core::{Code, Interruption, Message, MessageId, Resumption, Session, Standing};

use super::input::{End, Outlet};
use crate::conversation::Conversation;
use crate::exit::Exit;
use crate::open::Person;
use crate::render;

/// How a conversation in a pipe is held: how it is told of, and what becomes of messages.
///
/// What is written may fail, which means that nobody reads it any more.
pub(super) trait Manner {
    /// Whom the opening of a session is told to.
    type Person: Person;
    const PERSON: Self::Person;
    /// What its own threads and clocks tell.
    type News;

    /// Where news comes from; it never closes.
    fn news(&self) -> &Receiver<Self::News>;
    /// Something is new.
    fn heed(&mut self, news: Self::News) -> io::Result<()>;

    /// A conversation begins.
    fn begin(&mut self, conversation: &Arc<Conversation>) -> io::Result<()>;
    /// A message came. It is confirmed after the next flush.
    fn received(&mut self, session: &Session, message: Message) -> io::Result<()>;
    /// The other side has taken all up to a message.
    fn delivered(&mut self, _up_to: MessageId) -> io::Result<()> {
        Ok(())
    }
    fn interrupted(&mut self, interruption: &Interruption) -> io::Result<()> {
        complain(&render::interrupted(interruption));
        Ok(())
    }
    fn resumed(&mut self, resumption: &Resumption) -> io::Result<()> {
        complain(&render::resumed(resumption));
        Ok(())
    }
    /// The conversation is over.
    fn disconnected(&mut self, end: &ptp_core::End) {
        for line in render::disconnected(end) {
            complain(&line);
        }
    }

    /// Whether it takes no more events until there is news.
    fn is_full(&self) -> bool {
        false
    }
    /// It is full, and the conversation is over: called again and again until it is not.
    fn hurry(&mut self) {}
    /// Lets everything be read that was written; called before it waits.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Something went wrong, for which the program will exit so.
    fn complain(&mut self, text: &str, _exit: Exit) {
        complain(text);
    }
    /// Something is worth knowing.
    fn note(&self, text: &str) {
        complain(text);
    }
    /// How to exit, where the conversation alone would exit so.
    fn exit(&self, exit: Exit) -> Exit {
        exit
    }
}

/// Reads the input, on a thread of its own: sends to the outlets, and reports how it ended.
pub(super) type Ear = Box<dyn FnOnce(&Receiver<Outlet>, &mut dyn FnMut(End)) + Send>;

/// Nobody sits at a pipe: status lines go to standard error, and there is no answer.
pub(super) struct Nobody;

impl Person for Nobody {
    const PATIENCE: Duration = Duration::from_secs(60);
    const BATCHES: bool = true;

    fn say(&self, line: &str) {
        if !line.is_empty() {
            complain(line);
        }
    }

    fn ask(&self, _question: &str) -> Option<Code> {
        None
    }
}

/// What is known of a peer, for programs.
pub(super) fn trust(standing: Standing) -> &'static str {
    match standing {
        Standing::Own => "own",
        Standing::Known => "known",
        Standing::Paired => "paired",
        Standing::Listed => "listed",
        Standing::Plain => "plain",
        _ => "stranger",
    }
}

/// One line on standard error, in one write.
pub(super) fn complain(line: &str) {
    // Nobody is left who could be told of a closed standard error.
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
