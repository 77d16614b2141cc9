//! Whether the peer lives: pings, pongs, and how long it has been silent.

use std::time::{Duration, Instant};

use super::timer::{Timer, Timers};
use crate::planted::{Bug, planted};

/// The shortest timeout that is agreed to: below it every hiccup would look like a death.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
/// So many pings are asked in vain before the peer is given up, each a third of the timeout after
/// what was before it. Counted and not timed: a machine that slept through the whole timeout has
/// not given the peer its time.
const PINGS: u32 = 2;

/// What is known of the peer's life on the present connection.
#[derive(Debug)]
pub(super) struct Liveness {
    timeout: Duration,
    epoch: Instant,
    last_received: Instant,
    /// Pings since something was received.
    asked: u32,
    round_trip: Option<Duration>,
    ping_due: Option<u64>,
    pong_due: Option<u64>,
}

impl Liveness {
    pub(super) fn new(timeout: Duration, now: Instant) -> Self {
        Self {
            timeout: timeout.max(SHORTEST_TIMEOUT),
            epoch: now,
            last_received: now,
            asked: 0,
            round_trip: None,
            ping_due: None,
            pong_due: None,
        }
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    pub(super) fn last_received(&self) -> Instant {
        self.last_received
    }

    pub(super) fn wants_transmit(&self) -> bool {
        self.ping_due.is_some() || self.pong_due.is_some()
    }

    /// Anything is a sign of life.
    pub(super) fn handle_received(
        &mut self,
        now: Instant,
        ping: Option<u64>,
        pong: Option<u64>,
        timers: &mut Timers,
    ) {
        self.last_received = now;
        self.rearm(now, timers);
        if let Some(number) = pong {
            let sent = self.epoch + Duration::from_micros(number.min(u64::from(u32::MAX) << 16));
            self.round_trip = Some(now.saturating_duration_since(sent));
        }
        self.pong_due = ping.or(self.pong_due);
    }

    /// Waits for the next sign of life from now on.
    pub(super) fn rearm(&mut self, now: Instant, timers: &mut Timers) {
        self.asked = 0;
        timers.set(Timer::Ping, now + self.timeout / (PINGS + 1));
    }

    /// Asks whether the peer lives when that is due. Returns whether it is dead.
    pub(super) fn handle_timeout(&mut self, now: Instant, timers: &mut Timers) -> bool {
        if !timers.expired(Timer::Ping, now) {
            return false;
        }
        let in_vain = self.asked == PINGS && !planted(Bug::NeverDead);
        let silent = || now - self.last_received >= self.timeout;
        if in_vain || (planted(Bug::DeadAfterJump) && silent()) {
            return true;
        }
        self.asked += 1;
        self.ask(now);
        timers.set(Timer::Ping, now + self.timeout / (PINGS + 1));
        false
    }

    /// Asks the peer for a sign of life.
    pub(super) fn ask(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.epoch);
        self.ping_due = Some(since.as_micros() as u64);
    }

    pub(super) fn take_pong(&mut self) -> Option<u64> {
        self.pong_due.take()
    }

    pub(super) fn take_ping(&mut self) -> Option<u64> {
        self.ping_due.take()
    }
}
