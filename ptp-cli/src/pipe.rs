//! A conversation in a pipe: standard output carries received messages and nothing else.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, select};
use ptp_core::{Code, Event, Message, Reason, Session};

use crate::args::{Options, Talk};
use crate::exit::{self, Exit};
use crate::input::{self, End};
use crate::open::{self, Opened, Person};
use crate::{render, signals};

/// How long what was accepted may take to be delivered after a signal.
const GRACE: Duration = Duration::from_secs(5);
/// How long the main thread may then take to notice.
const STUCK: Duration = Duration::from_secs(1);
/// How long input that was already there may take to be noticed when the other side has left.
const LAST_LOOK: Duration = Duration::from_millis(20);

/// Holds the conversation that `talk` asks for; returns how to exit.
pub(crate) fn run(talk: &Talk) -> Exit {
    static SESSION: OnceLock<Weak<Session>> = OnceLock::new();
    if let Err(error) = signals::watch(|signal| leave(SESSION.get(), signal)) {
        log::warn!("signals can't be watched: {error}");
    }
    let Opened { session, listener } = match open::open(talk, &Nobody) {
        Ok(opened) => opened,
        Err((text, exit)) => {
            complain(&text);
            return exit;
        }
    };
    // Set once: this is the only place.
    let _ = SESSION.set(Arc::downgrade(&session));
    let input = match read_input(&session, talk.options()) {
        Ok(input) => input,
        Err(error) => {
            complain(&format!("[ERROR] The input can't be read: {error}"));
            return Exit::Unexpected;
        }
    };
    let exit = converse(session, &input, talk.leaves_at_eof());
    drop(listener);
    exit
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
fn leave(session: Option<&Weak<Session>>, signal: i32) {
    let Some(session) = session else {
        exit::exit_by_signal(signal);
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

fn read_input(session: &Arc<Session>, options: &Options) -> io::Result<Receiver<End>> {
    let (report, reports) = crossbeam_channel::unbounded();
    let (sender, limit) = (session.sender(), session.max_message());
    let verbatim = options.verbatim;
    thread::Builder::new().name("input".into()).spawn(move || {
        input::forward(io::stdin().lock(), &sender, limit, verbatim, |end| {
            // Nobody listens any more if the conversation is over.
            let _ = report.send(end);
        });
    })?;
    Ok(reports)
}

fn converse(session: Arc<Session>, input: &Receiver<End>, leaves_at_eof: bool) -> Exit {
    let mut output = Output::new();
    let mut trouble = None;
    let mut cut = false;
    let mut input_open = true;
    let closed = crossbeam_channel::never();
    loop {
        let reports = if input_open { input } else { &closed };
        let event = select! {
            recv(session.events()) -> event => event,
            recv(reports) -> report => {
                match report {
                    Ok(End::Eof) if leaves_at_eof => session.finish(),
                    Ok(End::Eof) => {}
                    Ok(End::Quit) => session.finish(),
                    Ok(End::Cut) => cut = true,
                    Ok(End::Trouble(text, exit)) => {
                        complain(&text);
                        trouble.get_or_insert(exit);
                        session.finish();
                    }
                    Err(_) => input_open = false,
                }
                continue;
            }
        };
        let mut written = Ok(());
        match event {
            Ok(Event::Received(message)) => written = output.write(&session, &message),
            Ok(Event::Disconnected(end)) => {
                for line in render::disconnected(&end) {
                    complain(&line);
                }
                let last = if cut {
                    Some(End::Cut)
                } else {
                    input.recv_timeout(LAST_LOOK).ok()
                };
                return exit_of(&end, trouble, last);
            }
            Ok(Event::Interrupted(interruption)) => complain(&render::interrupted(&interruption)),
            Ok(Event::Resumed(resumption)) => complain(&render::resumed(&resumption)),
            Ok(_) => {}
            Err(_) => return Exit::Unexpected,
        }
        // Only before it waits for more.
        if written.is_ok() && session.events().is_empty() {
            written = output.stdout.flush();
        }
        if written.is_err() {
            return leave_quietly(session).unwrap_or(trouble.unwrap_or(Exit::Fine));
        }
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
