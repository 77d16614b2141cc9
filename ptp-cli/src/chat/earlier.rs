//! What a conversation begins with, where earlier ones were kept: their last lines, and what they did
//! not deliver.

use std::time::Duration;

use ptp_core::{Entry, PublicKey};

use super::Chat;
use crate::args::Resend;
use crate::conversation::Conversation;
use crate::render::{self, Decision};

impl Chat {
    /// Shows the last lines with this peer, unless the conversation before was with it, too: then they
    /// are on the screen.
    pub(super) fn remind(&self, session: &Conversation, before: Option<PublicKey>) {
        let key = session.peer().public_key();
        if before.is_some() && before == key {
            return;
        }
        let entries = session.last_lines();
        if !entries.is_empty() {
            let lines = render::last_lines(session.peer(), &entries);
            self.terminal.print(&lines);
        }
    }

    /// Begins with what was not delivered: sends it, or asks about it; returns what is asked about.
    pub(super) fn ask_again(&self, session: &Conversation) -> Vec<Entry> {
        // An answer to a question of a conversation that is over.
        self.answers.1.try_iter().for_each(drop);
        let left = match self.options.resend {
            Some(Resend::No) => return Vec::new(),
            _ => session.undelivered(),
        };
        let left = left.unwrap_or_else(|error| {
            self.status(&render::not_looked_up(&error));
            Vec::new()
        });
        if left.is_empty() {
            return left;
        }
        if self.options.resend == Some(Resend::Yes) {
            self.send_again(session, left);
            return Vec::new();
        }
        self.terminal.print(&render::undelivered_before(&left));
        self.terminal.ask(render::SEND_AGAIN, |_| None);
        left
    }

    /// The question was answered; returns what is still asked about.
    pub(super) fn decide(
        &self,
        session: &Conversation,
        answer: &str,
        left: Vec<Entry>,
    ) -> Vec<Entry> {
        match render::decision(answer) {
            // To a question of a conversation that is over.
            _ if left.is_empty() => {}
            Decision::SendAgain => self.send_again(session, left),
            Decision::NotNow => self.status(render::NOT_NOW),
            Decision::Drop => match session.drop_undelivered(&left) {
                Ok(()) => self.status(render::DROPPED),
                Err(error) => self.status(&render::history::error(&error)),
            },
            Decision::Unclear => {
                self.terminal.ask(render::SEND_AGAIN, |_| None);
                // Only now: who reads it may answer at once.
                self.status(render::UNCLEAR);
                return left;
            }
        }
        Vec::new()
    }

    /// Never waits: what the other side takes no more of is asked about the next time.
    fn send_again(&self, session: &Conversation, left: Vec<Entry>) {
        let left = match session.claim(left) {
            Ok(left) => left,
            Err(error) => return self.status(&render::history::error(&error)),
        };
        self.status(&render::sending_again(&left));
        let voice = session.voice();
        let accepted = |entry: &&Entry| voice.send_again(entry, Duration::ZERO);
        let sent = left.iter().take_while(accepted).count();
        if sent < left.len() {
            self.status(&render::not_all_again(left.len() - sent));
        }
        // As for any other: the printer sees to its delivery.
        let _ = self.sent.0.try_send(());
    }
}
