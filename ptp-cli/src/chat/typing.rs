//! What is done with what the user types. On the keyboard's thread, which must go on reading: nothing
//! here blocks.

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use ptp_core::{MessageId, Secret, TrySendError};

use super::commands::Command;
use super::{Chat, Present};
use crate::conversation::Conversation;
use crate::pipe::is_quit;
use crate::render;
use crate::terminal::Entry;

/// How long `/who` waits for a sign of life.
const PING: Duration = Duration::from_secs(1);

impl Chat {
    pub(super) fn handle(&self, entry: Entry) -> ControlFlow<()> {
        match entry {
            Entry::Line(line) if line.is_empty() => {}
            Entry::Line(line) => return self.obey(&line),
            // At a question, too.
            Entry::Answer(answer) if is_quit(answer.as_bytes()) => return ControlFlow::Break(()),
            Entry::Answer(answer) => {
                // The printer waits for it.
                let _ = self.answers.0.send(answer);
            }
            Entry::Secret(secret) => self.send_secret(secret),
            Entry::Reveal => self.reveal(),
            Entry::Leave => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    /// A line was entered: it is sent, or is a command.
    fn obey(&self, line: &str) -> ControlFlow<()> {
        let command = match self.options.verbatim {
            true => Command::Say(line),
            false => Command::of(line),
        };
        if command == Command::Leave {
            return ControlFlow::Break(());
        }
        self.terminal.remember(line);
        self.keep(line);
        match command {
            Command::Say(text) => {
                self.send(|conversation| conversation.voice().try_send(text));
            }
            Command::Help => self.terminal.print(&render::help()),
            Command::Who => self.show_who(),
            Command::Secret => {
                let talking = self.talking();
                match talking.map(|session| session.encryption().is_some()) {
                    Some(true) => self.terminal.ask_hidden(render::SECRET),
                    Some(false) => self.status(render::NOT_PLAIN),
                    None => {}
                }
            }
            Command::Unknown(command) => self.status(&render::unknown_command(command)),
            Command::Leave => {}
        }
        ControlFlow::Continue(())
    }

    /// Keeps a line for the next time.
    fn keep(&self, line: &str) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &mut *history
            && let Err(error) = kept.keep(line)
        {
            log::warn!("what is typed is not kept any more: {error}");
            *history = None;
        }
    }

    /// Not in place: the peer is asked for a sign of life.
    fn show_who(&self) {
        let Some(session) = self.talking() else {
            return;
        };
        let terminal = self.terminal.clone();
        let show = move || {
            let round_trip = session.ping(PING);
            terminal.print(&render::who(&session, round_trip));
        };
        if let Err(error) = thread::Builder::new().name("who".into()).spawn(show) {
            self.status(&render::no_thread(&error));
        }
    }

    /// The session, or a word to the user that there is none now.
    fn talking(&self) -> Option<Arc<Conversation>> {
        match self.present().clone() {
            Present::Talking(session) => return Some(session),
            Present::Between => self.status(render::NOBODY),
            Present::Before | Present::Leaving => {}
        }
        None
    }

    /// Says nothing of it but that it goes.
    fn send_secret(&self, secret: String) {
        if secret.is_empty() {
            return self.status(render::NO_SECRET);
        }
        // It is not kept.
        if self.send(|conversation| conversation.sender().try_send(Secret(secret))) {
            self.status(render::SECRET_SENT);
        }
    }

    /// Shows the oldest secret that was not shown yet, until the next key.
    fn reveal(&self) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        match secrets.pop_front() {
            Some(secret) => self.terminal.reveal(render::secret(&secret)),
            None => self.status(render::NO_SECRETS),
        }
    }

    /// Returns whether it was accepted.
    fn send<M>(
        &self,
        send: impl FnOnce(&Conversation) -> Result<MessageId, TrySendError<M>>,
    ) -> bool {
        let Some(session) = self.talking() else {
            return false;
        };
        match send(&session) {
            Ok(_) => {
                // Full: it was told already.
                let _ = self.sent.0.try_send(());
                return true;
            }
            Err(TrySendError::Full(_)) => self.status(render::FULL),
            Err(TrySendError::TooLarge { limit, .. }) => {
                self.status(&render::too_large(1, limit));
            }
            Err(TrySendError::NotPlain(_)) => self.status(render::NOT_PLAIN),
            Err(_) => self.status(render::NOBODY),
        }
        false
    }
}
