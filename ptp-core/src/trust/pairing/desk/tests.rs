//! Each rule of the desk, with a fake clock.

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
