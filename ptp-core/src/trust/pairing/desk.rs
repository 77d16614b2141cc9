//! The listener's rules: who may try the code when, and how long it is worth anything.
//!
//! ```text
//!            begin                 share_sent
//!   free ───────────────→ begun ───────────────→ spent ───────────────→ no code, until renew
//!    ↑  ↑                   │                      │     succeeded
//!    │  └── costs no try ───┘                      │
//!    │      failed, 2 s                            │
//!    └──── pause ──────────────────────────────────┘
//!                    failed, 2 s: the third burns the code, and a new one is made
//! ```
//!
//! In any state, ten minutes or [`Desk::renew`] put a new code in place of the present one.
//!
//! There is at most one run, and it belongs to the present code: it goes when the code goes, and
//! no other run ever has its ticket's number. So a ticket whose run is over, because its time was
//! up, because it failed, or because its code was burnt, expired, replaced or used, is stale in
//! every call that comes later, in whatever order threads make them: it succeeds no more, and fails
//! no other's run. Every call looks at the clock first, so a deadline holds even if nobody called
//! [`Desk::handle_timeout`] when it passed.
//!
//! A try is spent in [`Desk::share_sent`], *before* the share goes out: a share that a stale ticket
//! does not cover is never sent, and one that was sent counts, whatever becomes of its connection.
//! A ticket that is dropped is a run that failed when its time is up.
//!
//! After each call [`Desk::poll_notice`] says what the application has to be told.

use std::time::{Duration, Instant};

use thiserror::Error;

use super::code::Code;

/// Of 2^33 codes, three guesses leave an attacker one chance in three thousand million; people
/// need the second and the third for their typing.
const TRIES: u32 = 3;
/// Two round trips of a bad line; a dialler has its code before it dials.
const LONGEST_RUN: Duration = Duration::from_secs(2);
/// Long enough to read the code to somebody, short enough to be forgotten safely.
const LIFE: Duration = Duration::from_secs(600);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// At this pace a year of guessing finds a code with a chance of one in twenty thousand, and who
/// comes with the right one still waits only a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where codes get their random bytes from.
pub(crate) type Random = fn(&mut [u8]) -> Result<(), getrandom::Error>;

/// Holds the present code, and lets diallers try it one by one.
#[derive(Debug)]
pub(crate) struct Desk {
    random: Random,
    present: Option<Present>,
    /// No run begins before.
    paused_until: Instant,
    /// Codes that were burnt since somebody paired.
    burnt: u32,
    tickets: u64,
    untold: Untold,
}

#[derive(Debug)]
struct Present {
    code: Code,
    dies: Instant,
    /// How many runs with it have failed.
    failed: u32,
    run: Option<Run>,
}

#[derive(Debug)]
struct Run {
    ticket: u64,
    until: Instant,
    /// Whether the share was sent.
    spent: bool,
}

/// What the application has not been told yet. Bounded: what happens meanwhile is summed up.
#[derive(Debug, Default)]
struct Untold {
    burnt_tries: u32,
    changed: bool,
}

/// The right to one run. Given back with [`Desk::succeeded`] or [`Desk::failed`].
#[derive(Debug)]
#[must_use]
pub(crate) struct Ticket(u64);

/// Whether a run may begin.
#[derive(Debug)]
#[must_use]
pub(crate) enum Begin {
    /// Yes, with this code.
    Run(Ticket, Code),
    /// Ask again then, or as soon as another run has ended.
    Wait(Instant),
    /// There is no code: it has been used, or none could be made.
    NoCode,
}

/// What the application has to be told.
#[derive(Debug)]
pub(crate) enum Notice {
    /// So many tries failed, three for each code, since this was told last; the code is worthless.
    Burnt { tries: u32 },
    /// This code is to be shown; the one before it is worthless.
    NewCode(Code),
    /// The system gave no random bytes for a new code: nobody can pair until [`Desk::renew`].
    NoCode,
}

/// The run is over: its time was up, or its code is no longer the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the time for pairing was up, or the code was replaced meanwhile")]
pub(crate) struct Stale;

impl Desk {
    /// With a first code, which is the first notice.
    pub(crate) fn new(now: Instant, random: Random) -> Self {
        let mut desk = Self {
            random,
            present: None,
            paused_until: now,
            burnt: 0,
            tickets: 0,
            untold: Untold::default(),
        };
        desk.put_code(now);
        desk
    }

    /// With a first code that the application has given, and knows.
    pub(crate) fn with_code(now: Instant, random: Random, code: Code) -> Self {
        let mut desk = Self::new(now, random);
        if let Some(present) = &mut desk.present {
            present.code = code;
            desk.untold.changed = false;
        }
        desk
    }

    /// The code that is to be shown, if there is one.
    pub(crate) fn code(&self) -> Option<&Code> {
        self.present.as_ref().map(|present| &present.code)
    }

    /// Puts a new code in place of the present one, if any: after a success, for the next peer, or
    /// because the application wants to. Who has been making mistakes still waits.
    pub(crate) fn renew(&mut self, now: Instant) {
        self.handle_timeout(now);
        self.void_run(now);
        self.put_code(now);
    }

    /// Asks for a run, when the dialler's share has come.
    pub(crate) fn begin(&mut self, now: Instant) -> Begin {
        self.handle_timeout(now);
        let Some(present) = &mut self.present else {
            return Begin::NoCode;
        };
        if let Some(run) = &present.run {
            return Begin::Wait(run.until);
        }
        if now < self.paused_until {
            return Begin::Wait(self.paused_until);
        }
        self.tickets += 1;
        present.run = Some(Run {
            ticket: self.tickets,
            until: now + LONGEST_RUN,
            spent: false,
        });
        Begin::Run(Ticket(self.tickets), present.code.clone())
    }

    /// Spends the try: immediately before the share is sent.
    ///
    /// # Errors
    /// If the run is over, or has sent its share already. The share must not be sent then.
    pub(crate) fn share_sent(&mut self, ticket: &Ticket, now: Instant) -> Result<(), Stale> {
        self.handle_timeout(now);
        let run = self.run(ticket).filter(|run| !run.spent).ok_or(Stale)?;
        run.spent = true;
        Ok(())
    }

    /// The dialler's confirmation was right. The code is used up, and the pause short again.
    ///
    /// # Errors
    /// If the run is over, or has not sent its share. The dialler must not be let in then.
    pub(crate) fn succeeded(&mut self, ticket: Ticket, now: Instant) -> Result<(), Stale> {
        self.handle_timeout(now);
        self.run(&ticket).filter(|run| run.spent).ok_or(Stale)?;
        self.present = None;
        self.untold.changed = false;
        self.burnt = 0;
        self.paused_until = now + SHORTEST_PAUSE;
        Ok(())
    }

    /// The dialler's share or confirmation was wrong, or its connection ended. Nothing happens if
    /// the run is over already.
    pub(crate) fn failed(&mut self, ticket: Ticket, now: Instant) {
        self.handle_timeout(now);
        if self.run(&ticket).is_some() {
            self.end_run(now, now);
        }
    }

    /// Ends what has had its time: a run, a code.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        // What was due first ends first: a code that died under a run was not burnt by it.
        if let Some(Present { run, dies, .. }) = &self.present
            && let Some(until) = run.as_ref().map(|run| run.until)
            && until <= now.min(*dies)
        {
            self.end_run(until, now);
        }
        if let Some(Present { dies, .. }) = self.present
            && dies <= now
        {
            self.void_run(dies);
            self.put_code(now);
        }
    }

    /// When to call [`Desk::handle_timeout`] at the latest, so that a new code is shown in time.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let present = self.present.as_ref()?;
        let run = present.run.as_ref().map_or(present.dies, |run| run.until);
        Some(present.dies.min(run))
    }

    /// The next thing that the application has to be told. To be asked after each call until there
    /// is nothing left.
    pub(crate) fn poll_notice(&mut self) -> Option<Notice> {
        match std::mem::take(&mut self.untold.burnt_tries) {
            0 => {}
            tries => return Some(Notice::Burnt { tries }),
        }
        let changed = std::mem::take(&mut self.untold.changed);
        changed.then(|| match self.code() {
            Some(code) => Notice::NewCode(code.clone()),
            None => Notice::NoCode,
        })
    }

    fn run(&mut self, ticket: &Ticket) -> Option<&mut Run> {
        let run = self.present.as_mut()?.run.as_mut()?;
        (run.ticket == ticket.0).then_some(run)
    }

    /// Ends the run, which failed at `at`; burns the code if that was the last try.
    fn end_run(&mut self, at: Instant, now: Instant) {
        let Some(present) = &mut self.present else {
            return;
        };
        if !present.run.take().is_some_and(|run| run.spent) {
            return;
        }
        present.failed += 1;
        if present.failed == TRIES {
            self.burnt = self.burnt.saturating_add(1);
            self.untold.burnt_tries = self.untold.burnt_tries.saturating_add(TRIES);
            self.put_code(now);
        }
        self.paused_until = at + self.pause();
    }

    /// The run goes with its code; who made it waits as after any other.
    fn void_run(&mut self, at: Instant) {
        let run = self.present.take().and_then(|present| present.run);
        if run.is_some_and(|run| run.spent) {
            self.paused_until = at + self.pause();
        }
    }

    fn pause(&self) -> Duration {
        let doubled = SHORTEST_PAUSE.checked_mul(1_u32.checked_shl(self.burnt).unwrap_or(u32::MAX));
        doubled.unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
    }

    fn put_code(&mut self, now: Instant) {
        self.present = Code::generate(self.random).ok().map(|code| Present {
            code,
            dies: now + LIFE,
            failed: 0,
            run: None,
        });
        self.untold.changed = true;
    }
}

#[cfg(test)]
mod tests;
