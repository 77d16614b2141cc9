//! A conversation on a terminal.

mod commands;
mod earlier;
mod input_history;
mod typing;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{io, mem};

use crossbeam_channel::{Receiver, Sender, at, bounded, never, select, unbounded};
use ptp_core::{Code, End, Entry, Event, Home, Message, MessageKind, Reason, Session};

use self::input_history::InputHistory;
use crate::args::{Bell, Options, Talk};
use crate::conversation::{Conversation, Kept};
use crate::exit::{self, Exit};
use crate::open::{self, Failure, Person};
use crate::terminal::Terminal;
use crate::{log_door, render};

/// How long what was accepted may take to be delivered when the user leaves.
const GRACE: Duration = Duration::from_secs(5);
/// How long a message may be on its way before that is said.
const LATE: Duration = Duration::from_secs(1);
/// Secrets that wait to be looked at. A peer must not fill the memory with them.
const MOST_SECRETS: usize = 100;
const LARGEST_SECRET: usize = 64 * 1024;
/// Messages that are drawn in one go.
const BATCH: usize = 200;
/// The exit code of Ctrl-C before a connection stood is that of SIGINT.
const INTERRUPT: i32 = 2;

/// What the keyboard, the printer and the signals share.
struct Chat {
    terminal: Terminal,
    present: Mutex<Present>,
    options: Options,
    history: Mutex<Option<InputHistory>>,
    /// Those that came and were not looked at.
    secrets: Mutex<VecDeque<Message>>,
    /// Something was sent, and the printer is to see to its delivery.
    sent: (Sender<()>, Receiver<()>),
    /// What was answered to the questions that the printer asks.
    answers: (Sender<String>, Receiver<String>),
}

/// What the user speaks into.
#[derive(Clone)]
enum Present {
    /// No connection has stood yet.
    Before,
    Talking(Arc<Conversation>),
    /// A conversation was lost, and the next is waited for.
    Between,
    /// The user leaves.
    Leaving,
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
    let options = talk.options().clone();
    let (history, typed_before) = history(&options).unzip();
    let terminal = Terminal::enter(render::PROMPT, typed_before.unwrap_or_default())?;
    log_door::through(&terminal);
    let chat = Arc::new(Chat {
        terminal,
        present: Mutex::new(Present::Before),
        options,
        history: Mutex::new(history),
        secrets: Mutex::default(),
        sent: bounded(1),
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

/// What was typed in sessions before, if it is to be kept and can be.
fn history(options: &Options) -> Option<(InputHistory, Vec<String>)> {
    let folder = Home::folder().filter(|_| !options.no_input_history)?;
    let made = std::fs::create_dir_all(&folder);
    match made.and_then(|()| InputHistory::open(&folder)) {
        Ok(opened) => Some(opened),
        Err(error) => {
            log::warn!("what is typed can't be kept: {error}");
            None
        }
    }
}

impl Chat {
    /// Connects, and prints what arrives, until a conversation ends that no other follows.
    fn converse(&self, talk: &Talk) -> Exit {
        self.status(render::BANNER);
        let mut door = match open::door(talk, self) {
            Ok(door) => door,
            Err(failure) => return self.fail(&failure),
        };
        let (mut lost, mut before) = (None, None);
        loop {
            let session = match door.open(self) {
                Ok(session) => session,
                Err(failure) => {
                    let exit = self.fail(&failure);
                    return lost.unwrap_or(exit);
                }
            };
            *self.present() = Present::Talking(Arc::clone(&session));
            self.connected(session.peer());
            self.remind(&session, before);
            before = session.peer().public_key();
            self.status(render::INSTRUCTIONS);
            self.terminal.show_prompt();
            let left = self.ask_again(&session);
            match self.print_events(&session, left) {
                ControlFlow::Break(Exit::Fine) => return lost.unwrap_or(Exit::Fine),
                ControlFlow::Break(exit) => return exit,
                ControlFlow::Continue(()) => lost = Some(Exit::Undelivered),
            }
        }
    }

    fn fail(&self, (text, exit): &Failure) -> Exit {
        self.terminal.farewell(&[render::status(text)]);
        *exit
    }

    /// Prints what arrives until the session ends, and asks about what is `left` of earlier ones;
    /// returns how to exit, if another is not to follow.
    fn print_events(&self, session: &Conversation, mut left: Vec<Entry>) -> ControlFlow<Exit> {
        let speaker = render::coloured_speaker(session.peer());
        let mut late = never();
        loop {
            select! {
                recv(session.events()) -> event => {
                    let Ok(event) = event else {
                        self.terminal.restore();
                        return ControlFlow::Break(Exit::Unexpected);
                    };
                    if let Some(end) = self.print(session, &speaker, event, &mut late) {
                        return end;
                    }
                }
                recv(self.sent.1) -> _ => late = at(Instant::now() + LATE),
                recv(late) -> _ => late = self.look_after(session),
                recv(self.answers.1) -> answer => {
                    left = self.decide(session, &answer.unwrap_or_default(), left);
                }
                recv(session.kept().troubles()) -> trouble => if let Ok(trouble) = trouble {
                    self.status(&render::not_kept(&trouble));
                },
            }
        }
    }

    /// Prints what an event and those that wait behind it tell, in one go; returns how to exit if the
    /// session has ended.
    fn print(
        &self,
        session: &Conversation,
        speaker: &str,
        first: Event,
        late: &mut Receiver<Instant>,
    ) -> Option<ControlFlow<Exit>> {
        let mut lines = Vec::new();
        let mut last = None;
        let mut rings = false;
        for event in std::iter::once(first).chain(session.events().try_iter().take(BATCH)) {
            session.kept().event(&event);
            match event {
                Event::Received(message) => {
                    last = Some(message.id());
                    rings |= self.options.bell == Bell::Message;
                    lines.push(self.show(speaker, message));
                }
                Event::Delivered { .. } => *late = self.look_after(session),
                Event::Interrupted(interruption) => {
                    lines.push(render::status(&render::interrupted(&interruption)));
                }
                Event::Resumed(resumption) => {
                    lines.push(render::status(&render::resumed(&resumption)));
                }
                Event::Disconnected(end) => {
                    self.terminal.hint("");
                    return Some(self.end(lines, &end, session.kept()));
                }
                _ => {}
            }
        }
        if !lines.is_empty() {
            self.terminal.print(&lines);
        }
        // Only now has it arrived: the program may be killed at any moment.
        if let Some(last) = last {
            session.confirm(last);
        }
        if rings {
            self.terminal.ring();
        }
        None
    }

    /// The line for a message; of a secret only that it is there.
    fn show(&self, speaker: &str, message: Message) -> String {
        if message.kind() != MessageKind::Secret {
            return render::message(speaker, &message);
        }
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if secrets.len() >= MOST_SECRETS || message.as_bytes().len() > LARGEST_SECRET {
            return render::secret_dropped(speaker);
        }
        secrets.push_back(message);
        render::secret_came(speaker)
    }

    /// Says what is not delivered yet; returns when to look again.
    fn look_after(&self, session: &Session) -> Receiver<Instant> {
        let waiting = session.stats().unacknowledged;
        self.terminal.hint(&render::undelivered_yet(waiting));
        match waiting {
            0 => never(),
            _ => at(Instant::now() + LATE),
        }
    }

    /// A conversation has ended; `lines` are still to be printed. Another follows if the other side
    /// began anew.
    fn end(&self, mut lines: Vec<String>, end: &End, kept: &Kept) -> ControlFlow<Exit> {
        lines.push(String::new());
        let last = render::disconnected(end).into_iter();
        let texts = render::undelivered_texts(end);
        let missing = kept.settle();
        let last = last.chain(texts).chain(missing);
        lines.extend(last.map(|line| render::status(&line)));
        let mut present = self.present();
        let anew = matches!(end.reason, Reason::Replaced | Reason::Forgotten);
        if anew && !matches!(*present, Present::Leaving) {
            *present = Present::Between;
            drop(present);
            self.terminal.print(&lines);
            return ControlFlow::Continue(());
        }
        drop(present);
        self.terminal.farewell(&lines);
        ControlFlow::Break(render::exit_of(end))
    }

    /// The user leaves, or `signal` makes them: says goodbye and delivers, within a bound. The
    /// printer tells how it went and ends the program.
    fn leave(&self, signal: i32) {
        let found = mem::replace(&mut *self.present(), Present::Leaving);
        let session = match found {
            Present::Talking(session) => session,
            Present::Before => {
                self.terminal.restore();
                exit::exit_by_signal(signal);
            }
            Present::Between => {
                self.terminal.restore();
                exit::exit(Exit::Undelivered);
            }
            Present::Leaving => return,
        };
        self.status(render::LEAVING);
        session.finish();
        // Not in its place: to be bounded, whatever the other side does.
        thread::sleep(GRACE);
        session.abort();
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
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
