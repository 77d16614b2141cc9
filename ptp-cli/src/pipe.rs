//! A conversation in a pipe: standard output carries received messages and nothing else.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::mem;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, select};
use ptp_core::{Code, Event, Message, Reason, Session};

use crate::args::Talk;
use crate::exit::{self, Exit};
use crate::input::{self, End, Outlet};
use crate::open::{self, Person};
use crate::{render, signals};

/// How long what was accepted may take to be delivered after a signal.
const GRACE: Duration = Duration::from_secs(5);
/// How long the main thread may then take to notice.
const STUCK: Duration = Duration::from_secs(1);
/// How long input that was already there may take to be noticed when the other side has left.
const LAST_LOOK: Duration = Duration::from_millis(20);

/// What a signal finds.
enum Present {
    /// No connection has stood yet.
    Before,
    Talking(Weak<Session>),
    /// A conversation was lost, and the next is waited for.
    Between,
    /// A signal came.
    Leaving,
}

static PRESENT: Mutex<Present> = Mutex::new(Present::Before);

fn present() -> MutexGuard<'static, Present> {
    PRESENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds the conversation that `talk` asks for; returns how to exit.
pub(crate) fn run(talk: &Talk) -> Exit {
    if let Err(error) = signals::watch(leave) {
        log::warn!("signals can't be watched: {error}");
    }
    let mut door = match open::door(talk, &Nobody) {
        Ok(door) => door,
        Err(failure) => return fail(&failure),
    };
    let mut pipe = match Pipe::new(talk) {
        Ok(pipe) => pipe,
        Err(error) => {
            complain(&format!("[ERROR] The input can't be read: {error}"));
            return Exit::Unexpected;
        }
    };
    let mut lost = None;
    loop {
        let session = match door.open(&Nobody) {
            Ok(session) => session,
            Err(failure) => return lost.unwrap_or(fail(&failure)),
        };
        *present() = Present::Talking(Arc::downgrade(&session));
        match pipe.converse(session) {
            ControlFlow::Break(Exit::Fine) => return lost.unwrap_or(Exit::Fine),
            ControlFlow::Break(exit) => return exit,
            ControlFlow::Continue(()) => lost = Some(Exit::Undelivered),
        }
    }
}

fn fail((text, exit): &open::Failure) -> Exit {
    complain(text);
    *exit
}

/// Nobody sits at a pipe: status lines go to standard error, and there is no answer.
struct Nobody;

impl Person for Nobody {
    const PATIENCE: Duration = Duration::from_secs(60);

    fn say(&self, line: &str) {
        if !line.is_empty() {
            complain(line);
        }
    }

    fn ask(&self, _question: &str) -> Option<Code> {
        None
    }
}

/// One line on standard error, in one write.
fn complain(line: &str) {
    // Nobody is left who could be told of a closed standard error.
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// A signal came: says goodbye and delivers, within a bound.
fn leave(signal: i32) {
    let found = mem::replace(&mut *present(), Present::Leaving);
    let session = match found {
        Present::Before => exit::exit_by_signal(signal),
        Present::Between => exit::exit(Exit::Undelivered),
        Present::Talking(session) => session,
        Present::Leaving => return,
    };
    // Gone if the conversation is over; then the program is about to end by itself.
    let Some(session) = session.upgrade() else {
        return;
    };
    // The main thread ends the program as soon as the session has ended.
    session.finish();
    thread::sleep(GRACE);
    session.abort();
    thread::sleep(STUCK);
    // It could not: nobody reads its standard output, and what it holds was never written.
    complain(render::STUCK);
    exit::exit(Exit::Undelivered)
}

/// What goes through the pipes, over one conversation after the other.
struct Pipe {
    /// Where the input is to go.
    outlets: Sender<Outlet>,
    /// How the input ended; closed when there is nothing more to tell.
    reports: Receiver<End>,
    output: Output,
    leaves_at_eof: bool,
    /// All was said that is to be said.
    leaving: bool,
    trouble: Option<Exit>,
}

impl Pipe {
    fn new(talk: &Talk) -> io::Result<Self> {
        let (report, reports) = crossbeam_channel::unbounded();
        let (outlets, next_outlets) = crossbeam_channel::unbounded();
        let verbatim = talk.options().verbatim;
        thread::Builder::new().name("input".into()).spawn(move || {
            input::forward(io::stdin().lock(), &next_outlets, verbatim, |end| {
                // Nobody listens any more if the conversation is over.
                let _ = report.send(end);
            });
        })?;
        Ok(Self {
            outlets,
            reports,
            output: Output::new(),
            leaves_at_eof: talk.leaves_at_eof(),
            leaving: false,
            trouble: None,
        })
    }

    /// Holds a conversation to its end; returns how to exit, if another is not to follow.
    fn converse(&mut self, session: Arc<Session>) -> ControlFlow<Exit> {
        // Nobody takes it if the input has ended.
        let _ = self.outlets.send(Outlet::of(&session));
        let mut cut = false;
        loop {
            let event = select! {
                recv(session.events()) -> event => event,
                recv(self.reports) -> report => {
                    match report {
                        Ok(End::Cut) => cut = true,
                        Ok(end) => self.heed(end, &session),
                        Err(_) => self.reports = crossbeam_channel::never(),
                    }
                    continue;
                }
            };
            let mut written = Ok(());
            match event {
                Ok(Event::Received(message)) => written = self.output.write(&session, &message),
                Ok(Event::Disconnected(end)) => return self.end(&end, cut),
                Ok(Event::Interrupted(interruption)) => {
                    complain(&render::interrupted(&interruption));
                }
                Ok(Event::Resumed(resumption)) => complain(&render::resumed(&resumption)),
                Ok(_) => {}
                Err(_) => return ControlFlow::Break(Exit::Unexpected),
            }
            // Only before it waits for more.
            if written.is_ok() && session.events().is_empty() {
                written = self.output.stdout.flush();
            }
            if written.is_err() {
                let exit = leave_quietly(session).or(self.trouble);
                return ControlFlow::Break(exit.unwrap_or(Exit::Fine));
            }
        }
    }

    /// The input has ended so.
    fn heed(&mut self, end: End, session: &Session) {
        let stays = end == End::Eof && !self.leaves_at_eof;
        if let End::Trouble(text, exit) = end {
            complain(&text);
            self.trouble.get_or_insert(exit);
        }
        if !stays {
            self.leaving = true;
            session.finish();
        }
    }

    /// A conversation has ended; `cut` says whether it left a line of the input. Another follows if
    /// the other side began anew.
    fn end(&mut self, end: &ptp_core::End, cut: bool) -> ControlFlow<Exit> {
        // Nobody is told if nobody reads it any more: there is nothing left to acknowledge.
        let _ = self.output.stdout.flush();
        for line in render::disconnected(end) {
            complain(&line);
        }
        let last = if cut {
            Some(End::Cut)
        } else {
            self.reports.recv_timeout(LAST_LOOK).ok()
        };
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
            return ControlFlow::Continue(());
        }
        drop(present);
        ControlFlow::Break(exit_of(end, self.trouble, last))
    }
}

/// Whoever read our output has seen enough: what is not taken now is not acknowledged. Complains
/// only if something that was sent is not delivered.
fn leave_quietly(session: Arc<Session>) -> Option<Exit> {
    let events = session.events().clone();
    drop(session);
    let end = events.iter().find_map(|event| match event {
        Event::Disconnected(end) => Some(end),
        _ => None,
    })?;
    let undelivered = render::undelivered(&end)?;
    complain(&undelivered);
    Some(Exit::Undelivered)
}

/// The exit code, where the input had `trouble` before, and `last` is how it ended. What was
/// accepted and not delivered counts more than what was not even read.
fn exit_of(end: &ptp_core::End, trouble: Option<Exit>, last: Option<End>) -> Exit {
    let left = match last {
        // Not where this side left, as after a signal: then there may well be more input.
        Some(End::Cut) if end.reason != Reason::ClosedHere => {
            Some((render::INPUT_LEFT.to_owned(), Exit::Undelivered))
        }
        Some(End::Trouble(text, exit)) => Some((text, exit)),
        _ => None,
    };
    if let Some((text, _)) = &left {
        complain(text);
    }
    match render::exit_of(end) {
        Exit::Fine => trouble.or(left.map(|(_, exit)| exit)).unwrap_or(Exit::Fine),
        lost => lost,
    }
}

/// Standard output.
struct Output {
    stdout: BufWriter<io::Stdout>,
    /// What a terminal gets is escaped, wherever the input comes from.
    terminal: bool,
}

impl Output {
    fn new() -> Self {
        Self {
            stdout: BufWriter::with_capacity(64 * 1024, io::stdout()),
            terminal: io::stdout().is_terminal(),
        }
    }

    /// Writes a message, as yet unflushed.
    fn write(&mut self, session: &Session, message: &Message) -> io::Result<()> {
        if self.terminal {
            let speaker = render::speaker(session.peer());
            return writeln!(self.stdout, "{}", render::message(&speaker, message));
        }
        self.stdout.write_all(message.as_bytes())?;
        self.stdout.write_all(b"\n")
    }
}
