//! A conversation in a pipe, in one of four manners: lines, JSON, a question, a program that answers.

mod again;
mod ask;
mod input;
mod json;
mod lines;
mod manner;
mod on_message;
mod presence;

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use std::{thread, vec};

use crossbeam_channel::{Receiver, Sender, never, select};
use ptp_core::{Event, Message, MessageId, Reason, Session};

use crate::args::{Resend, Talk};
use crate::conversation::{Conversation, Kept};
use crate::exit::Exit;
use crate::open::{self, Person};
use crate::{render, signals};

use again::Again;
pub(crate) use ask::Choices;
pub(crate) use input::is_quit;
use input::{End, Outlet};
use manner::{Ear, Manner, complain};
use presence::{Present, leave, present};

/// What is written and not flushed at the most: far less than the other side may send unconfirmed.
const FLUSH_MESSAGES: usize = 4_096;
const FLUSH_BYTES: usize = 1 << 20;
/// How long input that was already there may take to be noticed when the other side has left.
const LAST_LOOK: Duration = Duration::from_millis(20);
/// How often one who takes no events looks whether the conversation is over.
const LOOK: Duration = Duration::from_secs(1);
/// How long one who takes events waits for them, before it waits again.
const LONG: Duration = Duration::from_secs(86_400);

/// Holds the conversation that `talk` asks for; returns how to exit.
pub(crate) fn run(talk: &Talk) -> Exit {
    let options = talk.options();
    if let Some(question) = talk.question() {
        hold(talk, ask::Ask::new(question), None)
    } else if let Some(program) = on_message::Program::of(options) {
        hold(talk, on_message::OnMessage::new(program), None)
    } else if options.json {
        let (json, ear) = json::json();
        hold(talk, json, Some(ear))
    } else {
        hold(
            talk,
            lines::Lines::new(),
            Some(lines::ear(options.verbatim)),
        )
    }
}

fn hold<M: Manner>(talk: &Talk, mut manner: M, ear: Option<Ear>) -> Exit {
    if let Err(error) = signals::watch(leave) {
        log::warn!("signals can't be watched: {error}");
    }
    let mut door = match open::door(talk, &M::PERSON) {
        Ok(door) => door,
        Err(failure) => return fail(&mut manner, &failure),
    };
    let (outlets, reports) = match listen(ear) {
        Ok(channels) => channels,
        Err(error) => {
            let text = format!("[ERROR] The input can't be read: {error}");
            return fail(&mut manner, &(text, Exit::Unexpected));
        }
    };
    let mut pipe = Pipe {
        outlets,
        reports,
        manner,
        leaves_at_eof: talk.leaves_at_eof(),
        resend: talk.options().resend.unwrap_or(Resend::Ask),
        again: None,
        leaving: false,
        trouble: None,
        batch: Vec::new().into_iter(),
        open: (0, 0),
        last: None,
    };
    let mut lost = None;
    let exit = loop {
        let session = match door.open(&M::PERSON) {
            Ok(session) => session,
            Err(failure) => {
                let exit = fail(&mut pipe.manner, &failure);
                break lost.unwrap_or(exit);
            }
        };
        *present() = Present::Talking(Arc::downgrade(&session));
        M::PERSON.connected(session.peer());
        match pipe.converse(session) {
            ControlFlow::Break(Exit::Fine) => break lost.unwrap_or(Exit::Fine),
            ControlFlow::Break(exit) => break exit,
            ControlFlow::Continue(()) => lost = Some(Exit::Undelivered),
        }
    };
    pipe.manner.exit(exit)
}

fn fail(manner: &mut impl Manner, (text, exit): &open::Failure) -> Exit {
    manner.complain(text, *exit);
    *exit
}

/// Starts the thread that reads the input, if it is read.
fn listen(ear: Option<Ear>) -> io::Result<(Sender<Outlet>, Receiver<End>)> {
    let (outlets, next_outlets) = crossbeam_channel::unbounded();
    let Some(ear) = ear else {
        return Ok((outlets, never()));
    };
    let (report, reports) = crossbeam_channel::unbounded();
    thread::Builder::new().name("input".into()).spawn(move || {
        ear(&next_outlets, &mut |end| {
            // Nobody listens any more if the conversation is over.
            let _ = report.send(end);
        });
    })?;
    Ok((outlets, reports))
}

/// What goes through the pipes, over one conversation after the other.
struct Pipe<M> {
    /// Where the input is to go.
    outlets: Sender<Outlet>,
    /// How the input ended; closed when there is nothing more to tell.
    reports: Receiver<End>,
    manner: M,
    leaves_at_eof: bool,
    resend: Resend,
    again: Option<Again>,
    /// All was said that is to be said.
    leaving: bool,
    trouble: Option<Exit>,
    /// What came with messages that were already told.
    batch: vec::IntoIter<Message>,
    /// Messages that are not confirmed yet, and their bytes; the last of them.
    open: (usize, usize),
    last: Option<MessageId>,
}

impl<M: Manner> Pipe<M> {
    /// Holds a conversation to its end; returns how to exit, if another is not to follow.
    fn converse(&mut self, session: Arc<Conversation>) -> ControlFlow<Exit> {
        self.last = None;
        let mut written = self.manner.begin(&session);
        self.let_in(&session);
        let (mut cut, nothing) = (false, never());
        loop {
            let full = self.manner.is_full();
            if written.and_then(|()| self.flush(&session, full)).is_err() {
                let exit = leave_quietly(session).or(self.trouble);
                return ControlFlow::Break(exit.unwrap_or(Exit::Fine));
            }
            if !full && let Some(message) = self.batch.next() {
                let event = Event::Received(message);
                session.kept().event(&event);
                written = self.tell(&session, event);
                continue;
            }
            let events = if full { &nothing } else { session.events() };
            written = select! {
                recv(events) -> event => match event {
                    Ok(Event::Batch(batch)) => {
                        self.batch = batch.into_iter();
                        Ok(())
                    }
                    Ok(event) => {
                        session.kept().event(&event);
                        match event {
                            Event::Disconnected(end) => return self.end(&session, &end, cut),
                            event => self.tell(&session, event),
                        }
                    }
                    Err(_) => return ControlFlow::Break(Exit::Unexpected),
                },
                recv(self.reports) -> report => {
                    match report {
                        Ok(End::Cut) => cut = true,
                        Ok(end) => self.heed(end, &session),
                        Err(_) => self.reports = never(),
                    }
                    Ok(())
                }
                recv(self.manner.news()) -> news => match news {
                    Ok(news) => self.manner.heed(news),
                    Err(_) => return ControlFlow::Break(Exit::Unexpected),
                },
                recv(session.kept().troubles()) -> trouble => {
                    let lines = trouble.iter().map(render::not_kept);
                    lines.for_each(|line| self.manner.complain(&line, Exit::Unexpected));
                    Ok(())
                }
                default(if full { LOOK } else { LONG }) => {
                    let left = matches!(*present(), Present::Leaving);
                    if full && (left || session.has_ended()) {
                        self.manner.hurry();
                    }
                    Ok(())
                }
            };
        }
    }

    /// Lets what came so far be read if that is due, also if the program is killed then: it is
    /// delivered.
    fn flush(&mut self, session: &Session, full: bool) -> io::Result<()> {
        // Only before it waits for more, or the other side would wait.
        let much = self.open.0 >= FLUSH_MESSAGES || self.open.1 >= FLUSH_BYTES;
        let idle = self.batch.len() == 0 && session.events().is_empty();
        if full || much || idle {
            self.manner.flush()?;
            if let Some(last) = self.last.take() {
                session.confirm(last);
                self.open = (0, 0);
            }
        }
        Ok(())
    }

    fn tell(&mut self, session: &Session, event: Event) -> io::Result<()> {
        match event {
            Event::Received(message) => {
                self.last = Some(message.id());
                self.open.0 += 1;
                self.open.1 += message.as_bytes().len();
                self.manner.received(session, message)
            }
            Event::Delivered { up_to } => self.manner.delivered(up_to),
            Event::Interrupted(interruption) => self.manner.interrupted(&interruption),
            Event::Resumed(resumption) => self.manner.resumed(&resumption),
            _ => Ok(()),
        }
    }

    /// The input has ended so.
    fn heed(&mut self, end: End, session: &Session) {
        let stays = end == End::Eof && !self.leaves_at_eof;
        if let End::Trouble(text, exit) = end {
            self.manner.complain(&text, exit);
            self.trouble.get_or_insert(exit);
        }
        if !stays {
            self.leaving = true;
            session.finish();
        }
    }

    /// A conversation has ended; `cut` says whether it left a line of the input. Another follows if
    /// the other side began anew.
    fn end(&mut self, session: &Conversation, end: &ptp_core::End, cut: bool) -> ControlFlow<Exit> {
        // Nobody is told if nobody reads it any more: there is nothing left to acknowledge.
        let _ = self.manner.flush();
        let last = if cut {
            Some(End::Cut)
        } else {
            self.last_look()
        };
        while let Ok(news) = self.manner.news().try_recv() {
            let _ = self.manner.heed(news);
        }
        let not_again = self.not_again();
        self.manner.disconnected(end);
        for trouble in settle(session.kept()) {
            self.manner.complain(&trouble, Exit::Unexpected);
        }
        let anew = matches!(end.reason, Reason::Replaced | Reason::Forgotten)
            && !self.leaving
            && match last {
                None | Some(End::Cut) => true,
                Some(End::Eof) => !self.leaves_at_eof,
                Some(End::Quit | End::Trouble(..)) => false,
            };
        let mut present = present();
        if anew && !matches!(*present, Present::Leaving) {
            *present = Present::Between;
            presence::keeping(false);
            return ControlFlow::Continue(());
        }
        drop(present);
        self.tell_not_again(not_again);
        ControlFlow::Break(self.exit_of(end, last))
    }

    /// How the input has ended meanwhile, if it has.
    fn last_look(&mut self) -> Option<End> {
        loop {
            select! {
                recv(self.reports) -> report => return report.ok(),
                recv(self.manner.news()) -> news => {
                    let _ = self.manner.heed(news.ok()?);
                }
                default(LAST_LOOK) => return None,
            }
        }
    }

    /// The exit code, where `last` is how the input ended. What was accepted and not delivered
    /// counts more than what was not even read.
    fn exit_of(&mut self, end: &ptp_core::End, last: Option<End>) -> Exit {
        let left = match last {
            // Not where this side left, as after a signal: then there may well be more input.
            Some(End::Cut) if end.reason != Reason::ClosedHere => {
                Some((render::INPUT_LEFT.to_owned(), Exit::Undelivered))
            }
            Some(End::Trouble(text, exit)) => Some((text, exit)),
            _ => None,
        };
        if let Some((text, exit)) = &left {
            self.manner.complain(text, *exit);
        }
        let trouble = self.trouble.or(left.map(|(_, exit)| exit));
        match render::exit_of(end) {
            Exit::Fine => trouble.unwrap_or(Exit::Fine),
            lost => lost,
        }
    }
}

/// Waits until all is kept, which is bounded: a signal need not end it.
fn settle(kept: &Kept) -> Vec<String> {
    presence::keeping(true);
    kept.settle()
}

/// Whoever read our output has seen enough: what is not taken now is not acknowledged. Complains
/// only if something that was sent is not delivered.
fn leave_quietly(session: Arc<Conversation>) -> Option<Exit> {
    let events = session.events().clone();
    let kept = session.kept().clone();
    drop(session);
    let end = events.iter().find_map(|event| match event {
        // What came was not taken by anybody.
        Event::Received(_) | Event::Batch(_) => None,
        event => {
            kept.event(&event);
            match event {
                Event::Disconnected(end) => Some(end),
                _ => None,
            }
        }
    })?;
    settle(&kept).iter().for_each(|trouble| complain(trouble));
    let undelivered = render::undelivered(&end)?;
    complain(&undelivered);
    Some(Exit::Undelivered)
}
