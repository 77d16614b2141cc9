//! A conversation on a terminal.

use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use ptp_core::{Code, Event, Session, TrySendError};

use crate::args::Talk;
use crate::exit::{self, Exit};
use crate::input::is_quit;
use crate::open::{self, Opened, Person};
use crate::terminal::{Entry, Terminal};
use crate::{log_door, render};

/// How long what was accepted may take to be delivered when the user leaves.
const GRACE: Duration = Duration::from_secs(5);
/// Messages that are drawn in one go.
const BATCH: usize = 200;
/// The exit code of Ctrl-C before a connection stood is that of SIGINT.
const INTERRUPT: i32 = 2;

/// What the keyboard, the printer and the signals share.
struct Chat {
    terminal: Terminal,
    session: OnceLock<Arc<Session>>,
    verbatim: bool,
    /// What was answered to the questions that the printer asks.
    answers: (Sender<String>, Receiver<String>),
}

/// Holds the conversation that `talk` asks for; returns how to exit.
pub(crate) fn run(talk: Talk) -> Exit {
    match start(talk) {
        Ok(chat) => {
            let ended = chat.terminal.read_entries(|entry| chat.handle(entry));
            if let Err(error) = ended {
                log::info!("the keyboard is gone: {error}");
            }
            chat.leave(INTERRUPT);
            // The printer ends the program when the session has ended.
            loop {
                thread::park();
            }
        }
        Err(error) => {
            eprintln!("[ERROR] The terminal can't be used: {error}");
            Exit::Unexpected
        }
    }
}

fn start(talk: Talk) -> io::Result<Arc<Chat>> {
    let terminal = Terminal::enter(render::PROMPT)?;
    log_door::through(&terminal);
    let chat = Arc::new(Chat {
        terminal,
        session: OnceLock::new(),
        verbatim: talk.options().verbatim,
        answers: unbounded(),
    });
    let watching = {
        let chat = Arc::clone(&chat);
        chat.terminal
            .clone()
            .on_signal(move |signal| chat.leave(signal))
    };
    let printing = {
        let chat = Arc::clone(&chat);
        let run = move || exit::exit(chat.converse(&talk));
        thread::Builder::new().name("printer".into()).spawn(run)
    };
    if let Err(error) = watching.and(printing.map(drop)) {
        chat.terminal.restore();
        return Err(error);
    }
    Ok(chat)
}

impl Chat {
    /// Connects, and prints what arrives until the session ends.
    fn converse(&self, talk: &Talk) -> Exit {
        self.status(render::BANNER);
        let opened = open::open(talk, self);
        let Opened { session, listener } = match opened {
            Ok(opened) => opened,
            Err((text, exit)) => {
                self.terminal.farewell(&[render::status(&text)]);
                return exit;
            }
        };
        let session = Arc::clone(self.session.get_or_init(|| session));
        self.status(render::INSTRUCTIONS);
        self.terminal.show_prompt();
        let exit = self.print_events(&session);
        drop(listener);
        exit
    }

    fn print_events(&self, session: &Session) -> Exit {
        let speaker = render::speaker(session.peer());
        let mut lines = Vec::new();
        while let Ok(first) = session.events().recv() {
            for event in std::iter::once(first).chain(session.events().try_iter().take(BATCH)) {
                match event {
                    Event::Received(message) => lines.push(render::message(&speaker, &message)),
                    Event::Disconnected(end) => {
                        lines.push(String::new());
                        let last = render::disconnected(&end);
                        lines.extend(last.iter().map(|line| render::status(line)));
                        self.terminal.farewell(&lines);
                        return render::exit_of(&end);
                    }
                    Event::Interrupted(interruption) => {
                        lines.push(render::status(&render::interrupted(&interruption)));
                    }
                    Event::Resumed(resumption) => {
                        lines.push(render::status(&render::resumed(&resumption)));
                    }
                    _ => {}
                }
            }
            self.terminal.print(&lines);
            lines.clear();
        }
        self.terminal.restore();
        Exit::Unexpected
    }

    fn handle(&self, entry: Entry) -> ControlFlow<()> {
        match (entry, self.session.get()) {
            (Entry::Line(line), _) if !self.verbatim && is_quit(line.as_bytes()) => {
                ControlFlow::Break(())
            }
            (Entry::Line(line), Some(session)) if !line.is_empty() => {
                self.send(session, &line);
                ControlFlow::Continue(())
            }
            (Entry::Answer(answer), _) => {
                // The printer waits for it.
                let _ = self.answers.0.send(answer);
                ControlFlow::Continue(())
            }
            (Entry::Line(_), _) => ControlFlow::Continue(()),
            (Entry::Leave, _) => ControlFlow::Break(()),
        }
    }

    /// Never blocks: the keyboard must go on being read.
    fn send(&self, session: &Session, line: &str) {
        match session.sender().try_send(line) {
            Err(TrySendError::Full(_)) => self.status(render::FULL),
            Err(TrySendError::TooLarge { limit, .. }) => {
                self.status(&render::too_large(1, limit));
            }
            // The session has ended: the printer says so at this moment.
            Ok(_) | Err(_) => {}
        }
    }

    /// The user leaves, or `signal` makes them: says goodbye and delivers, within a bound. The
    /// printer tells how it went and ends the program.
    fn leave(&self, signal: i32) {
        let Some(session) = self.session.get() else {
            self.terminal.restore();
            exit::exit_by_signal(signal);
        };
        self.status(render::LEAVING);
        session.finish();
        // Not in its place: to be bounded, whatever the other side does.
        thread::sleep(GRACE);
        session.abort();
    }

    fn status(&self, line: &str) {
        self.terminal.print(&[render::status(line)]);
    }
}

impl Person for Chat {
    const PATIENCE: Duration = Duration::from_secs(3600);

    fn say(&self, line: &str) {
        self.status(line);
    }

    fn ask(&self, question: &str) -> Option<Code> {
        loop {
            self.terminal.ask(question, Code::complete);
            let answer = self.answers.1.recv().ok()?;
            match Code::parse(&answer) {
                Ok(code) => return Some(code),
                Err(error) => self.status(&render::malformed_code(&error).0),
            }
        }
    }
}
