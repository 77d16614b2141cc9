//! A question: asks it, prints the answer, and leaves.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after, never};
use ptp_core::{Message, Session};

use super::manner::{Manner, Nobody, complain};
use super::presence::GRACE;
use crate::args::Question;
use crate::conversation::Conversation;
use crate::exit::Exit;
use crate::{escape, render};

/// How many answers may be none of the choices: a program at the other end must not go on for ever.
const TRIES: u32 = 10;
/// More have no exit code of their own.
const MOST_CHOICES: usize = 100;

/// The answers that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choices(Vec<String>);

impl Choices {
    /// Reads choices with commas between them.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let choices: Vec<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
        let mut lowered: Vec<_> = choices.iter().map(|word| word.to_lowercase()).collect();
        lowered.sort();
        lowered.dedup();
        if lowered.len() != choices.len() || lowered.iter().any(String::is_empty) {
            return Err("write different words with commas between, such as yes,no".to_owned());
        }
        if choices.len() > MOST_CHOICES {
            return Err(format!("at most {MOST_CHOICES} choices have an exit code"));
        }
        Ok(Self(choices))
    }

    /// Which of them an answer means: the word in any case, its number, or what no other begins
    /// with.
    fn of(&self, answer: &str) -> Option<u8> {
        let answer = answer.trim().to_lowercase();
        if answer.is_empty() {
            return None;
        }
        let choices = || (0..).zip(self.0.iter().map(|choice| choice.to_lowercase()));
        if let Some((index, _)) = choices().find(|(_, choice)| *choice == answer) {
            return Some(index);
        }
        let is_meant = |(index, choice): &(u8, String)| {
            choice.starts_with(&answer) || answer == (u32::from(*index) + 1).to_string()
        };
        let mut meant = choices().filter(is_meant);
        match (meant.next(), meant.next()) {
            (Some((index, _)), None) => Some(index),
            _ => None,
        }
    }
}

/// How far it has come.
enum State {
    /// So many answers came that were none.
    Waiting {
        tries: u32,
    },
    Answered(Exit),
    /// There will be none.
    Unanswered,
}

/// One question.
pub(super) struct Ask {
    question: String,
    choices: Option<Choices>,
    wait: Option<Duration>,
    /// When to wait no longer: for the answer, and then for the end.
    alarm: Receiver<Instant>,
    state: State,
    conversation: Weak<Conversation>,
}

impl Ask {
    pub(super) fn new(asked: &Question) -> Self {
        let text = asked.ask.as_deref().unwrap_or_default();
        Self {
            question: match &asked.choices {
                Some(choices) => render::question_with_choices(text, &choices.0),
                None => text.to_owned(),
            },
            choices: asked.choices.clone(),
            wait: asked.wait,
            alarm: never(),
            state: State::Waiting { tries: 0 },
            conversation: Weak::new(),
        }
    }

    /// Nothing more is to be said; the end is waited for within a bound.
    fn leave(&mut self, session: &Session, state: State) {
        self.state = state;
        session.finish();
        self.alarm = after(GRACE);
    }

    fn say(&mut self, text: &str) {
        let Some(conversation) = self.conversation.upgrade() else {
            return;
        };
        if let Err(error) = conversation.voice().send(text) {
            complain(&render::unanswerable(&error.to_string()));
            self.leave(&conversation, State::Unanswered);
        }
    }

    /// What to print and how to exit for an answer; `None` if it is none of the choices.
    fn judge(&self, message: &Message) -> Option<(Vec<u8>, Exit)> {
        let Some(choices) = &self.choices else {
            let shown = if io::stdout().is_terminal() {
                escape::bytes(message.as_bytes(), 0)
                    .into_owned()
                    .into_bytes()
            } else {
                message.as_bytes().to_vec()
            };
            return Some((shown, Exit::Fine));
        };
        let index = choices.of(message.as_text()?)?;
        let choice = choices.0.get(usize::from(index))?;
        Some((choice.clone().into_bytes(), Exit::Choice(index)))
    }
}

impl Manner for Ask {
    type Person = Nobody;
    const PERSON: Nobody = Nobody;
    type News = Instant;

    fn news(&self) -> &Receiver<Instant> {
        &self.alarm
    }

    /// The time is up.
    fn heed(&mut self, _now: Instant) -> io::Result<()> {
        self.alarm = never();
        let Some(session) = self.conversation.upgrade() else {
            return Ok(());
        };
        if matches!(self.state, State::Waiting { .. }) {
            complain(&render::no_answer(self.wait.unwrap_or_default()));
            self.leave(&session, State::Unanswered);
        } else {
            session.abort();
        }
        Ok(())
    }

    fn begin(&mut self, conversation: &Arc<Conversation>) -> io::Result<()> {
        self.conversation = Arc::downgrade(conversation);
        // The other side may have begun anew: then it has not seen the question.
        if matches!(self.state, State::Waiting { .. }) {
            self.alarm = self.wait.map_or_else(never, after);
            let question = self.question.clone();
            self.say(&question);
        }
        Ok(())
    }

    fn received(&mut self, session: &Session, message: Message) -> io::Result<()> {
        let State::Waiting { tries } = self.state else {
            complain(&render::aside(session.peer(), &message));
            return Ok(());
        };
        if let Some((mut answer, exit)) = self.judge(&message) {
            self.leave(session, State::Answered(exit));
            answer.push(b'\n');
            return io::stdout().write_all(&answer).and(io::stdout().flush());
        }
        if tries + 1 == TRIES {
            complain(&render::no_valid_answer(TRIES));
            self.leave(session, State::Unanswered);
            return Ok(());
        }
        self.state = State::Waiting { tries: tries + 1 };
        let again = self.choices.as_ref().map(|it| render::ask_again(&it.0));
        self.say(&again.unwrap_or_default());
        Ok(())
    }

    fn exit(&self, exit: Exit) -> Exit {
        match self.state {
            // Whatever became of the goodbye behind it.
            State::Answered(choice) => choice,
            State::Waiting { .. } | State::Unanswered if exit == Exit::Fine => Exit::NoAnswer,
            _ => exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(text: &str) -> Choices {
        Choices::parse(text).unwrap()
    }

    #[test]
    fn an_answer_is_the_word_its_number_or_what_only_it_begins_with() {
        let both = choices("Yes, no");
        for (answer, index) in [("yes", 0), (" YES \n", 0), ("y", 0), ("2", 1), ("No", 1)] {
            assert_eq!(both.of(answer), Some(index), "{answer}");
        }
        for answer in ["", " ", "0", "3", "yes!", "maybe", "yesno"] {
            assert_eq!(both.of(answer), None, "{answer}");
        }
    }

    #[test]
    fn what_may_mean_two_choices_means_none() {
        let three = choices("stop,start,status");
        assert_eq!(three.of("sta"), None);
        assert_eq!(three.of("star"), Some(1));
        // The number of one, and the beginning of another.
        let numbers = choices("20,10");
        assert_eq!(numbers.of("1"), None);
        assert_eq!(numbers.of("10"), Some(1));
        assert_eq!(choices("2,1").of("1"), Some(1));
        assert_eq!(choices("no,november").of("no"), Some(0));
    }

    #[test]
    fn choices_are_different_words() {
        for text in ["", ",", "yes,", "yes,YES", "yes,,no"] {
            assert!(Choices::parse(text).is_err(), "{text}");
        }
        let many = |count: usize| {
            let words: Vec<_> = (0..count).map(|number| number.to_string()).collect();
            Choices::parse(&words.join(","))
        };
        assert!(many(100).is_ok());
        assert!(many(101).is_err());
    }
}
