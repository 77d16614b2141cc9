//! A program that is run for each message; what it prints is the answer.

mod job;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use ptp_core::{End, Message, Session};

use super::manner::{Manner, Nobody, complain};
use crate::args::Options;
use crate::conversation::{Conversation, Voice};
use crate::{escape, render};
use job::{Finished, Job};

/// How long programs may still run when the conversation is over: shorter than a signal takes to
/// end everything.
const GRACE: Duration = Duration::from_secs(4);

/// What is run, and how often at once.
pub(super) struct Program {
    command: OsString,
    arguments: Vec<OsString>,
    jobs: usize,
}

impl Program {
    /// The program that the options name, if they do. A `--` before it is left out.
    pub(super) fn of(options: &Options) -> Option<Self> {
        let mut words = options.on_message.iter().cloned().peekable();
        if words.len() > 1 {
            words.next_if(|word| word == "--");
        }
        Some(Self {
            command: words.next()?,
            arguments: words.collect(),
            jobs: usize::from(options.jobs),
        })
    }
}

/// Runs the program, and sends answers in the order of the messages.
///
/// Its queue holds at most as many as may run; other messages wait where they came from.
pub(super) struct OnMessage {
    program: Program,
    queue: VecDeque<Turn>,
    next_turn: u64,
    finish: Sender<(u64, Finished)>,
    finished: Receiver<(u64, Finished)>,
    /// What answers are sent with.
    voice: Option<Voice>,
    /// When programs are ended, once the conversation is over.
    deadline: Option<Instant>,
    /// Messages for which there was no time.
    cut_off: u64,
}

/// A message and what has become of it.
struct Turn {
    number: u64,
    message: u64,
    job: Job,
    finished: Option<Finished>,
}

impl OnMessage {
    pub(super) fn new(program: Program) -> Self {
        let (finish, finished) = unbounded();
        Self {
            program,
            queue: VecDeque::new(),
            next_turn: 0,
            finish,
            finished,
            voice: None,
            deadline: None,
            cut_off: 0,
        }
    }

    fn is_late(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Ends what still runs.
    fn end_programs(&mut self) {
        for turn in self.queue.iter_mut().filter(|turn| turn.finished.is_none()) {
            turn.job.kill();
            turn.finished = Some(Finished::Failed("it ran on after the goodbye".to_owned()));
        }
        self.answer();
    }

    /// Sends the answers that are due.
    fn answer(&mut self) {
        while let Some(finished) = self.queue.front_mut().and_then(|turn| turn.finished.take()) {
            let Some(turn) = self.queue.pop_front() else {
                return;
            };
            match finished {
                Finished::Silent => {}
                Finished::Answer(answer) => self.send(turn.message, &answer),
                Finished::Failed(why) => {
                    let program = self.program.command.to_string_lossy();
                    log::warn!(
                        "message {}: {}: {why}",
                        turn.message,
                        escape::name(&program)
                    );
                    complain(&render::program_failed(&program, turn.message, &why));
                }
            }
        }
    }

    fn send(&self, message: u64, answer: &[u8]) {
        let Some(voice) = &self.voice else {
            return;
        };
        let sent = match str::from_utf8(answer) {
            Ok(text) => voice.send(text).map_err(|error| error.to_string()),
            Err(_) => voice.send(answer).map_err(|error| error.to_string()),
        };
        if let Err(cause) = sent {
            complain(&render::answer_unsent(message, &cause));
        }
    }
}

impl Manner for OnMessage {
    type Person = Nobody;
    const PERSON: Nobody = Nobody;
    type News = (u64, Finished);

    fn news(&self) -> &Receiver<Self::News> {
        &self.finished
    }

    fn heed(&mut self, (number, finished): Self::News) -> io::Result<()> {
        // It is gone if it was ended.
        if let Some(turn) = self.queue.iter_mut().find(|turn| turn.number == number) {
            turn.finished = Some(finished);
        }
        self.answer();
        Ok(())
    }

    fn begin(&mut self, conversation: &Arc<Conversation>) -> io::Result<()> {
        self.voice = Some(conversation.voice());
        self.deadline = None;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= self.program.jobs
    }

    fn received(&mut self, session: &Session, message: Message) -> io::Result<()> {
        if self.is_late() {
            self.cut_off += 1;
            return Ok(());
        }
        let id = message.id().get();
        let number = self.next_turn;
        let finish = self.finish.clone();
        let tell = move |finished| {
            // Nobody waits for it if the program ends.
            let _ = finish.send((number, finished));
        };
        match Job::start(&self.program, session, message, tell) {
            Ok(job) => {
                self.next_turn += 1;
                self.queue.push_back(Turn {
                    number,
                    message: id,
                    job,
                    finished: None,
                });
            }
            Err(error) => {
                let program = self.program.command.to_string_lossy();
                log::warn!("message {id}: {}: {error}", escape::name(&program));
                complain(&render::not_run(&program, id, &error));
            }
        }
        Ok(())
    }

    fn hurry(&mut self) {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + GRACE);
        if Instant::now() >= deadline {
            self.end_programs();
        }
    }

    fn disconnected(&mut self, end: &End) {
        for line in render::disconnected(end) {
            complain(&line);
        }
        let deadline = self.deadline.unwrap_or_else(|| Instant::now() + GRACE);
        while !self.queue.is_empty() {
            match self.finished.recv_deadline(deadline) {
                Ok(news) => {
                    let _ = self.heed(news);
                }
                Err(_) => self.end_programs(),
            }
        }
        if self.cut_off != 0 {
            complain(&render::cut_off(self.cut_off));
            self.cut_off = 0;
        }
    }
}
