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
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    /// A desk whose first code has been told, and a clock.
    struct Scenario {
        desk: Desk,
        now: Instant,
    }

    fn scenario() -> Scenario {
        let now = Instant::now();
        let mut scenario = Scenario {
            desk: Desk::new(now, getrandom::fill),
            now,
        };
        assert_eq!(scenario.told(), "new");
        scenario
    }

    impl Scenario {
        fn later(&mut self, duration: Duration) {
            self.now += duration;
        }

        fn begun(&mut self) -> Ticket {
            match self.desk.begin(self.now) {
                Begin::Run(ticket, code) => {
                    assert_eq!(code.as_str(), self.code());
                    ticket
                }
                other => panic!("{other:?}"),
            }
        }

        fn spent(&mut self) -> Ticket {
            let ticket = self.begun();
            assert_eq!(self.desk.share_sent(&ticket, self.now), Ok(()));
            ticket
        }

        /// How long a caller is to wait.
        fn wait(&mut self) -> Duration {
            match self.desk.begin(self.now) {
                Begin::Wait(until) => until - self.now,
                other => panic!("{other:?}"),
            }
        }

        /// A failed try, as soon as one is allowed; how long the next has to wait.
        fn fail(&mut self) -> Duration {
            if let Begin::Wait(until) = self.desk.begin(self.now) {
                self.now = until;
            } else {
                // The run that was only asked for is over before it cost anything.
                self.later(LONGEST_RUN);
            }
            let ticket = self.spent();
            self.desk.failed(ticket, self.now);
            self.wait()
        }

        fn code(&self) -> String {
            self.desk.code().unwrap().as_str().to_owned()
        }

        fn told(&mut self) -> String {
            let mut told = Vec::new();
            while let Some(notice) = self.desk.poll_notice() {
                told.push(match notice {
                    Notice::Burnt { tries } => format!("burnt {tries}"),
                    Notice::NewCode(code) => {
                        assert_eq!(code.as_str(), self.code());
                        "new".to_owned()
                    }
                    Notice::NoCode => "none".to_owned(),
                });
            }
            told.join(", ")
        }
    }

    #[test]
    fn a_code_that_was_given_is_not_told_and_lives_as_long_as_any_other() {
        let now = Instant::now();
        let given = Code::parse("0000-able-able").or_else(|_| Code::generate(getrandom::fill));
        let given = given.unwrap();
        let mut desk = Desk::with_code(now, getrandom::fill, given.clone());
        assert!(desk.poll_notice().is_none());
        assert_eq!(desk.code().unwrap().as_str(), given.as_str());
        desk.handle_timeout(now + LIFE);
        assert!(
            matches!(desk.poll_notice(), Some(Notice::NewCode(code)) if code.as_str() != given.as_str())
        );
    }

    #[test]
    fn a_code_dies_with_its_success() {
        let mut it = scenario();
        let ticket = it.spent();
        assert_eq!(it.desk.succeeded(ticket, it.now), Ok(()));
        assert!(it.desk.code().is_none());
        assert!(matches!(it.desk.begin(it.now), Begin::NoCode));
        assert_eq!(it.desk.next_timeout(), None);
        it.later(LIFE * 2);
        assert!(matches!(it.desk.begin(it.now), Begin::NoCode));
        assert_eq!(it.told(), "");
    }

    #[test]
    fn for_the_next_peer_there_is_another_code() {
        let mut it = scenario();
        let old = it.code();
        let ticket = it.spent();
        assert_eq!(it.desk.succeeded(ticket, it.now), Ok(()));
        it.desk.renew(it.now);
        assert_eq!(it.told(), "new");
        assert_ne!(it.code(), old);
        assert_eq!(it.wait(), SHORTEST_PAUSE);
        it.later(SHORTEST_PAUSE);
        let ticket = it.spent();
        assert_eq!(it.desk.succeeded(ticket, it.now), Ok(()));
    }

    #[test]
    fn there_is_one_run_at_a_time() {
        let mut it = scenario();
        let ticket = it.begun();
        assert_eq!(it.wait(), LONGEST_RUN);
        it.later(MOMENT);
        assert_eq!(it.desk.share_sent(&ticket, it.now), Ok(()));
        assert_eq!(it.wait(), LONGEST_RUN - MOMENT);
        it.desk.failed(ticket, it.now);
        assert_eq!(it.wait(), SHORTEST_PAUSE);
        it.later(SHORTEST_PAUSE - MOMENT);
        assert_eq!(it.wait(), MOMENT);
        it.later(MOMENT);
        drop(it.begun());
    }

    #[test]
    fn a_run_that_sent_no_share_costs_nothing() {
        let mut it = scenario();
        for _ in 0..10 {
            let ticket = it.begun();
            it.desk.failed(ticket, it.now);
        }
        drop(it.begun());
        it.later(LONGEST_RUN);
        let code = it.code();
        assert!(it.fail() == SHORTEST_PAUSE && it.fail() == SHORTEST_PAUSE);
        assert_eq!((it.told().as_str(), it.code()), ("", code));
    }

    #[test]
    fn a_dialler_that_goes_silent_after_the_share_has_failed() {
        let mut it = scenario();
        for _ in 0..TRIES {
            assert_eq!(it.told(), "");
            drop(it.spent());
            assert_eq!(it.desk.next_timeout(), Some(it.now + LONGEST_RUN));
            it.later(LONGEST_RUN);
            it.desk.handle_timeout(it.now);
            // The pause counts from its end, however late that is noticed.
            it.later(2 * SHORTEST_PAUSE);
        }
        assert_eq!(it.told(), "burnt 3, new");
    }

    #[test]
    fn a_run_is_over_after_two_seconds_even_if_nobody_looked() {
        let mut it = scenario();
        let ticket = it.spent();
        it.later(LONGEST_RUN);
        assert_eq!(it.desk.succeeded(ticket, it.now), Err(Stale));
        assert_eq!(it.wait(), SHORTEST_PAUSE);
        it.later(SHORTEST_PAUSE);
        let ticket = it.begun();
        it.later(LONGEST_RUN);
        assert_eq!(it.desk.share_sent(&ticket, it.now), Err(Stale));
        let ticket = it.spent();
        it.later(LONGEST_RUN - MOMENT);
        assert_eq!(it.desk.succeeded(ticket, it.now), Ok(()));
    }

    #[test]
    fn without_a_share_nobody_succeeds_and_one_share_is_sent() {
        let mut it = scenario();
        let ticket = it.begun();
        assert_eq!(it.desk.succeeded(ticket, it.now), Err(Stale));
        it.later(LONGEST_RUN);
        let ticket = it.spent();
        assert_eq!(it.desk.share_sent(&ticket, it.now), Err(Stale));
        assert_eq!(it.desk.succeeded(ticket, it.now), Ok(()));
    }

    #[test]
    fn the_third_failure_burns_the_code() {
        let mut it = scenario();
        let old = it.code();
        it.fail();
        it.fail();
        assert_eq!((it.told().as_str(), it.code()), ("", old.clone()));
        it.fail();
        assert_eq!(it.told(), "burnt 3, new");
        assert_ne!(it.code(), old);
    }

    #[test]
    fn the_third_try_may_still_succeed() {
        let mut it = scenario();
        it.fail();
        it.later(it.desk.paused_until - it.now);
        let _ = it.fail();
        it.now = it.desk.paused_until;
        let ticket = it.spent();
        assert_eq!(it.desk.succeeded(ticket, it.now), Ok(()));
        assert_eq!(it.told(), "");
    }

    #[test]
    fn the_pause_doubles_with_each_burnt_code_up_to_a_minute() {
        let mut it = scenario();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let (first, second) = (it.fail(), it.fail());
            assert_eq!(first, Duration::from_secs(seconds));
            assert_eq!(second, first);
            let third = it.fail();
            assert_eq!(third, (first * 2).min(LONGEST_PAUSE));
        }
        assert_eq!(it.told(), "burnt 27, new");
        it.desk.burnt = u32::MAX;
        assert_eq!(it.desk.pause(), LONGEST_PAUSE);
    }

    #[test]
    fn a_success_makes_the_pause_short_again() {
        let mut it = scenario();
        for _ in 0..2 * TRIES {
            it.fail();
        }
        it.now = it.desk.paused_until;
        let ticket = it.spent();
        assert_eq!(it.desk.succeeded(ticket, it.now), Ok(()));
        it.desk.renew(it.now);
        assert_eq!(it.fail(), SHORTEST_PAUSE);
    }

    #[test]
    fn neither_a_new_code_nor_the_time_makes_the_pause_shorter() {
        let mut it = scenario();
        for _ in 0..2 * TRIES {
            it.fail();
        }
        let pause = it.wait();
        it.desk.renew(it.now);
        assert_eq!(it.wait(), pause);
        it.later(LIFE);
        assert_eq!(it.fail(), pause);
    }

    #[test]
    fn a_code_dies_after_ten_minutes() {
        let mut it = scenario();
        let old = it.code();
        assert_eq!(it.desk.next_timeout(), Some(it.now + LIFE));
        it.later(LIFE - MOMENT);
        it.desk.handle_timeout(it.now);
        assert_eq!((it.told().as_str(), it.code()), ("", old.clone()));
        it.later(MOMENT);
        it.desk.handle_timeout(it.now);
        assert_eq!(it.told(), "new");
        assert_ne!(it.code(), old);
    }

    #[test]
    fn who_comes_after_a_code_died_gets_the_next_even_if_nobody_looked() {
        let mut it = scenario();
        let old = it.code();
        it.later(3 * LIFE);
        drop(it.begun());
        assert_ne!(it.code(), old);
        assert_eq!(it.told(), "new");
    }

    #[test]
    fn a_run_and_its_code_may_be_found_dead_at_once() {
        let mut it = scenario();
        let old = it.code();
        drop(it.spent());
        it.later(LIFE);
        drop(it.begun());
        assert_ne!(it.code(), old);
        assert_eq!(it.told(), "new");
    }

    #[test]
    fn a_run_does_not_outlive_its_code() {
        for renewed in [false, true] {
            let mut it = scenario();
            it.later(LIFE - MOMENT);
            let ticket = it.spent();
            match renewed {
                true => it.desk.renew(it.now),
                false => it.later(MOMENT),
            }
            assert_eq!(it.desk.succeeded(ticket, it.now), Err(Stale));
            assert_eq!(it.told(), "new");
            assert_eq!(it.wait(), SHORTEST_PAUSE);
        }
    }

    #[test]
    fn a_code_that_died_under_its_third_run_was_not_burnt() {
        let mut it = scenario();
        it.fail();
        it.fail();
        it.later(LIFE - MOMENT - (it.now - (it.desk.next_timeout().unwrap() - LIFE)));
        drop(it.spent());
        it.later(LIFE / 2);
        it.desk.handle_timeout(it.now);
        assert_eq!(it.told(), "new");
        assert_eq!(it.fail(), SHORTEST_PAUSE);
    }

    #[test]
    fn a_stale_ticket_touches_nobody_elses_run() {
        let mut it = scenario();
        let (late, early) = (it.spent(), it.now);
        it.later(LONGEST_RUN + SHORTEST_PAUSE);
        let present = it.spent();
        assert_eq!(it.desk.share_sent(&late, it.now), Err(Stale));
        // Even if its thread looked at the clock long ago.
        it.desk.failed(late, early);
        assert_eq!(it.wait(), LONGEST_RUN);
        assert_eq!(it.desk.succeeded(present, it.now), Ok(()));
    }

    #[test]
    fn no_ticket_of_a_burnt_code_is_good_for_the_next() {
        let mut it = scenario();
        let mut tickets = Vec::new();
        for _ in 0..TRIES {
            tickets.push(it.spent());
            it.later(LONGEST_RUN);
            it.desk.handle_timeout(it.now);
            it.now = it.desk.paused_until;
        }
        assert_eq!(it.told(), "burnt 3, new");
        let present = it.spent();
        for ticket in tickets {
            assert_eq!(it.desk.succeeded(ticket, it.now), Err(Stale));
        }
        assert_eq!(it.desk.succeeded(present, it.now), Ok(()));
    }

    #[test]
    fn without_random_bytes_nobody_pairs() {
        let now = Instant::now();
        let mut it = Scenario {
            desk: Desk::new(now, |_| Err(getrandom::Error::UNSUPPORTED)),
            now,
        };
        assert_eq!(it.told(), "none");
        assert!(matches!(it.desk.begin(it.now), Begin::NoCode));
        it.desk.random = getrandom::fill;
        it.desk.renew(it.now);
        assert_eq!(it.told(), "new");
        it.desk.random = |_| Err(getrandom::Error::UNSUPPORTED);
        for _ in 0..2 {
            it.fail();
        }
        it.now = it.desk.paused_until;
        let ticket = it.spent();
        it.desk.failed(ticket, it.now);
        assert_eq!(it.told(), "burnt 3, none");
        assert!(matches!(it.desk.begin(it.now), Begin::NoCode));
    }
}
