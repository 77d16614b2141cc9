//! Named deadlines of a connection.

use std::time::Instant;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Look again at how much the application has taken.
    Recheck,
    /// What was taken must be acknowledged by now.
    Ack,
    /// Nothing came for a third of the agreed timeout: ask whether the peer lives, or give it up.
    Ping,
}

const KINDS: usize = 3;

/// The deadlines that are set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers([Option<Instant>; KINDS]);

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = Some(at);
    }

    /// Sets a deadline unless one is set already.
    pub(crate) fn set_if_unset(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize].get_or_insert(at);
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(crate) fn expired(&self, timer: Timer, now: Instant) -> bool {
        self.0[timer as usize].is_some_and(|at| at <= now)
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_deadline_comes_next() {
        let start = Instant::now();
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(Timer::Ack, start + Duration::from_secs(2));
        timers.set(Timer::Ping, start + Duration::from_secs(1));
        timers.set_if_unset(Timer::Ping, start + Duration::from_secs(9));
        assert_eq!(timers.next(), Some(start + Duration::from_secs(1)));
        assert!(timers.expired(Timer::Ping, start + Duration::from_secs(1)));
        assert!(!timers.expired(Timer::Ack, start + Duration::from_secs(1)));
        timers.clear(Timer::Ping);
        assert_eq!(timers.next(), Some(start + Duration::from_secs(2)));
    }
}
