//! JSON: events out and commands in, an object a line (docs/json.md).

mod command;
mod event;

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use ptp_core::{Code, End, Interruption, Message, MessageId, Notice, Peer, Resumption, Session};

use super::manner::{Ear, Manner, Nobody};
use crate::conversation::Conversation;
use crate::exit::Exit;
use crate::open::Person;
use crate::render;
use command::News;
use event::Event;

/// What commands came to, and was not written yet.
const WAITING: usize = 1024;

/// The two sides of it: what writes events, and what reads commands.
pub(super) fn json() -> (Json, Ear) {
    let (tell, news) = bounded(WAITING);
    let json = Json {
        news,
        _open: tell.clone(),
        conversation: 0,
        accepted: 0,
        delivered: 0,
        told: 0,
    };
    let ear = move |outlets: &_, report: &mut dyn FnMut(_)| {
        command::obey(io::stdin().lock(), outlets, &tell, report);
    };
    (json, Box::new(ear))
}

/// Writes what happens.
pub(super) struct Json {
    news: Receiver<News>,
    /// Keeps the channel open when the input has ended.
    _open: Sender<News>,
    /// The how many-th conversation it is, from 1.
    conversation: u64,
    /// The last message of which it was written that it is accepted.
    accepted: u64,
    /// The last message that was delivered.
    delivered: u64,
    /// The last message of which it was written that it is delivered.
    told: u64,
}

/// Writes an event, which is read at once.
fn write(event: &Event) -> io::Result<()> {
    let line = event.line()?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}

impl Json {
    /// Writes what was delivered, as far as it was told that it was accepted.
    fn tell_delivered(&mut self) -> io::Result<()> {
        while self.told < self.delivered.min(self.accepted) {
            self.told += 1;
            write(&Event::Delivered { id: self.told })?;
        }
        Ok(())
    }
}

impl Manner for Json {
    type Person = Stdout;
    const PERSON: Stdout = Stdout;
    type News = News;

    fn news(&self) -> &Receiver<News> {
        &self.news
    }

    fn heed(&mut self, news: News) -> io::Result<()> {
        match news {
            News::Accepted {
                reference,
                id,
                conversation,
            } if conversation == self.conversation => {
                self.accepted = id;
                write(&Event::Accepted { reference, id })?;
                self.tell_delivered()
            }
            // The conversation that took it was over before this could be told.
            News::Accepted { reference, .. } => write(&Event::Error {
                kind: event::kind(Exit::Undelivered),
                message: "not delivered: the conversation was over",
                line: None,
                reference,
            }),
            News::Refused {
                kind,
                message,
                line,
                reference,
            } => write(&Event::Error {
                kind,
                message: &message,
                line: Some(line),
                reference,
            }),
        }
    }

    fn begin(&mut self, _conversation: &Arc<Conversation>) -> io::Result<()> {
        self.conversation += 1;
        (self.accepted, self.delivered, self.told) = (0, 0, 0);
        Ok(())
    }

    fn received(&mut self, session: &Session, message: Message) -> io::Result<()> {
        write(&Event::received(session.peer(), &message))
    }

    fn delivered(&mut self, up_to: MessageId) -> io::Result<()> {
        self.delivered = up_to.get();
        self.tell_delivered()
    }

    fn interrupted(&mut self, interruption: &Interruption) -> io::Result<()> {
        write(&Event::interrupted(interruption))
    }

    fn resumed(&mut self, resumption: &Resumption) -> io::Result<()> {
        write(&Event::resumed(resumption))
    }

    fn disconnected(&mut self, end: &End) {
        // All before the first that was not: the last of them may not have been told of yet.
        let undelivered = end.unconfirmed.iter().chain(&end.unsent);
        let first = undelivered.map(|message| message.id().get()).min();
        self.delivered = first.map_or(u64::MAX, |first| first.saturating_sub(1));
        // Nobody is left who could be told.
        let _ = self.tell_delivered();
        let _ = write(&Event::disconnected(end));
    }

    fn complain(&mut self, text: &str, exit: Exit) {
        complain(text, exit);
    }

    fn note(&self, text: &str) {
        note(text);
    }
}

fn note(text: &str) {
    let message = &event::plain(text);
    // Nobody is left who could be told.
    let _ = write(&Event::Notice { message });
}

fn complain(text: &str, exit: Exit) {
    let message = event::plain(text);
    // Nobody is left who could be told.
    let _ = write(&Event::Error {
        kind: event::kind(exit),
        message: &message,
        line: None,
        reference: None,
    });
}

/// Whoever reads standard output; there is no answer.
pub(super) struct Stdout;

// What can't be written here shows when the next event of the conversation is to be written.
impl Person for Stdout {
    const PATIENCE: Duration = Nobody::PATIENCE;
    const BATCHES: bool = true;

    /// Everything that is worth it is an event.
    fn say(&self, _line: &str) {}

    fn complain(&self, line: &str) {
        complain(line, Exit::Unexpected);
    }

    fn ask(&self, _question: &str) -> Option<Code> {
        None
    }

    fn listening(&self, bound: SocketAddr, addresses: &[(IpAddr, String)]) {
        let places = render::places(bound, addresses);
        let _ = write(&Event::Listening {
            port: bound.port(),
            addresses: places.into_iter().map(|(ip, _)| ip).collect(),
        });
    }

    fn noticed(&self, notice: &Notice, line: &str) {
        match notice {
            Notice::Code(Some(code)) => {
                let code = code.as_str();
                let _ = write(&Event::Pairing { code });
            }
            _ if line.starts_with(event::ERROR) => complain(line, Exit::Unexpected),
            _ => note(line),
        }
    }

    fn connected(&self, peer: &Peer) {
        let _ = write(&Event::connected(peer));
    }
}
