//! What an earlier conversation did not deliver is sent again, before anything else.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use ptp_core::Entry;

use super::Pipe;
use super::input::Outlet;
use super::manner::{Manner, complain};
use crate::args::Resend;
use crate::conversation::{Conversation, Voice};
use crate::exit::Exit;
use crate::render;

/// How long a message may wait for the other side to take what was sent before: as long as there is
/// one.
const PATIENCE: Duration = Duration::from_secs(365 * 86_400);

/// The thread that sends: how many messages were not accepted before the conversation ended.
pub(super) type Again = JoinHandle<usize>;

impl<M: Manner> Pipe<M> {
    /// Lets the input through, and before it what an earlier conversation did not deliver.
    pub(super) fn let_in(&mut self, session: &Conversation) {
        let outlet = Outlet::of(session);
        let outlets = self.outlets.clone();
        // Nobody takes it if the input has ended, or is not read.
        let open = move || drop(outlets.send(outlet));
        let left = session.undelivered().unwrap_or_else(|error| {
            let text = render::not_looked_up(&error);
            self.manner.complain(&text, Exit::Unexpected);
            Vec::new()
        });
        if left.is_empty() {
            return open();
        }
        match self.resend {
            Resend::Yes => match session.claim(left) {
                Ok(left) => {
                    self.manner.note(&render::sending_again(&left));
                    self.again = send(session.voice(), left, open);
                    if self.again.is_none() {
                        let _ = self.outlets.send(Outlet::of(session));
                    }
                }
                Err(error) => {
                    let text = render::history::error(&error);
                    self.manner.complain(&text, Exit::Unexpected);
                    open();
                }
            },
            Resend::No => open(),
            Resend::Ask => {
                self.manner
                    .note(&render::left_undelivered(session.peer(), &left));
                open();
            }
        }
    }

    /// A conversation is over: how many messages it did not accept again. The input goes on behind them.
    pub(super) fn not_again(&mut self) -> usize {
        let again = self.again.take();
        again.and_then(|again| again.join().ok()).unwrap_or(0)
    }

    /// No other conversation follows that would accept them.
    pub(super) fn tell_not_again(&mut self, rest: usize) {
        if rest != 0 {
            let text = render::over_before_again(rest);
            self.manner.complain(&text, Exit::Undelivered);
            self.trouble.get_or_insert(Exit::Undelivered);
        }
    }
}

/// Sends them, and then calls `done`; on a thread of its own, because meanwhile what comes must be
/// taken. What is not accepted stays undelivered.
fn send(voice: Voice, left: Vec<Entry>, done: impl FnOnce() + Send + 'static) -> Option<Again> {
    let send = move || {
        // One that is too large for this peer does not hold up those behind it.
        let accepted = |entry: &&Entry| voice.send_again(entry, PATIENCE);
        let sent = left.iter().filter(accepted).count();
        done();
        left.len() - sent
    };
    let started = thread::Builder::new().name("again".into()).spawn(send);
    if let Err(error) = &started {
        complain(&render::no_thread(error));
    }
    started.ok()
}
