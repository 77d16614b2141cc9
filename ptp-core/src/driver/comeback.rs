//! How a session whose connection was lost gets another: one side dials again, the other is called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Shared;
use super::establish::Caller;
use super::greeted::Established;
use super::resuming::{self, Resuming};
use crate::config::Config;
use crate::error::ConnectError;
use crate::planted::{Bug, planted};
use crate::protocol::Inbound;
use crate::transport::{Halves, Hangup};
use crate::trust::{Identity, PublicKey};

/// The pause before the first try, at the most; it doubles with each, up to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LAST: Duration = Duration::from_secs(30);

/// Reaches the peer's address anew, until a deadline, and as long as the other argument says that
/// anybody wants it.
pub(crate) type Reach =
    Box<dyn Fn(Instant, &dyn Fn() -> bool) -> Result<Halves, ConnectError> + Send>;

/// Which side calls.
pub(crate) enum Way {
    Dial(Reach),
    Wait,
}

/// What it takes to go on with a session over another connection.
pub(crate) struct Comeback {
    pub(crate) config: Config,
    pub(crate) identity: Identity,
    pub(crate) session: [u8; 16],
    pub(crate) peer: PublicKey,
    pub(crate) way: Way,
}

/// Why there is no other connection.
pub(super) enum Failure {
    /// Nobody came in time, or nobody waits any more.
    TimeIsUp,
    /// The peer does not go on, or it is not the peer.
    Refused(ConnectError),
}

impl Comeback {
    /// How long it is worth waiting for.
    pub(super) fn patience(&self) -> Duration {
        self.config.resume
    }

    /// Waits for another connection, and greets over it.
    pub(super) fn find(
        &self,
        shared: &Arc<Shared>,
        inbound: &Inbound,
        deadline: Instant,
    ) -> Result<Established, Failure> {
        match &self.way {
            Way::Dial(reach) => self.dial(shared, inbound, reach, deadline),
            Way::Wait => self.wait(shared, inbound, deadline),
        }
    }

    fn dial(
        &self,
        shared: &Shared,
        inbound: &Inbound,
        reach: &Reach,
        deadline: Instant,
    ) -> Result<Established, Failure> {
        let mut most = PAUSE_FIRST;
        loop {
            // At any moment of the time that it may take: not all peers of a listener at once.
            let pause = most.mul_f64(fraction());
            most = (most * 2).min(PAUSE_LAST);
            if !shared.pause(deadline.min(Instant::now() + pause)) || Instant::now() >= deadline {
                return Err(Failure::TimeIsUp);
            }
            match self.dial_once(shared, inbound, reach, deadline) {
                Ok(established) => return Ok(established),
                Err(error) if is_final(&error) => return Err(Failure::Refused(error)),
                Err(error) => log::debug!("the peer can't be reached yet: {error}"),
            }
        }
    }

    fn dial_once(
        &self,
        shared: &Shared,
        inbound: &Inbound,
        reach: &Reach,
        deadline: Instant,
    ) -> Result<Established, ConnectError> {
        let deadline = deadline.min(super::deadline(self.config.connect_timeout));
        let halves = reach(deadline, &|| shared.is_wanted())?;
        shared.expect(Arc::clone(&halves.hangup));
        let resuming = self.resuming(shared.next_generation(), shared, inbound);
        resuming::redial(halves, &self.config, &self.identity, &resuming, deadline)
    }

    fn wait(
        &self,
        shared: &Shared,
        inbound: &Inbound,
        deadline: Instant,
    ) -> Result<Established, Failure> {
        while let Some(caller) = shared.await_successor(deadline) {
            shared.expect(caller.hangup());
            let resuming = self.resuming(caller.generation(), shared, inbound);
            match caller.resume(&self.config, &resuming, deadline) {
                Ok(established) => return Ok(established),
                Err(error) if is_final(&error) => return Err(Failure::Refused(error)),
                Err(error) => log::debug!("a peer that came back is gone again: {error}"),
            }
        }
        Err(Failure::TimeIsUp)
    }

    fn resuming(&self, generation: u64, shared: &Shared, inbound: &Inbound) -> Resuming {
        Resuming {
            session: self.session,
            generation,
            peer: self.peer,
            granted: shared.lock().connection.grants(),
            point: inbound.resume_point(),
        }
    }
}

/// Whether trying again is of no use: the peer does not know the session or this side, or one of
/// both broke the protocol. If it is not the peer that answers, that may pass: a machine that moved
/// finds somebody else at the address.
fn is_final(error: &ConnectError) -> bool {
    match error {
        ConnectError::UnknownSession
        | ConnectError::NotTrusted
        | ConnectError::PairingNeeded
        | ConnectError::NoPairing
        | ConnectError::Refused(_) => true,
        ConnectError::Protocol(violation) => !violation.is_of_the_line(),
        ConnectError::Fault(code) => !crate::protocol::Violation::is_code_of_the_line(*code),
        _ => false,
    }
}

/// Anything from 0 to 1; the middle where the system gives no random bytes.
fn fraction() -> f64 {
    match getrandom::u32() {
        Ok(random) => f64::from(random) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

impl Shared {
    /// Takes over from the present connection, or from none: the caller proved that it is the peer,
    /// and says that this is a newer one. Gives it back if that can't be.
    pub(crate) fn offer(&self, caller: Box<Caller>) -> Result<(), Box<Caller>> {
        let mut state = self.lock();
        let newest = state
            .successor
            .as_ref()
            .map_or(state.generation, |caller| caller.generation());
        let is_newer = caller.generation() > newest || planted(Bug::GenerationIgnored);
        let is_taken = planted(Bug::NoTakeOver) && !state.down;
        if !state.is_wanted() || !is_newer || is_taken {
            return Err(caller);
        }
        let outdated = state.successor.replace(caller);
        // The one of this moment: once the lock is free, it may be the caller's own already.
        let present = self.hangup().clone();
        drop(state);
        drop(outdated);
        if let Some(present) = present {
            present.hang_up();
        }
        self.arrival.notify_all();
        Ok(())
    }

    /// Whether there is no connection, for now.
    pub(crate) fn is_down(&self) -> bool {
        self.lock().down
    }

    /// Asks the peer for a sign of life, and waits for it until `deadline`.
    pub(crate) fn is_alive(&self, deadline: Instant) -> bool {
        let asked = Instant::now();
        let mut state = self.lock();
        state.connection.ask(asked);
        self.wake_writer(state);
        let mut state = self.lock();
        while !state.down && state.connection.last_received() <= asked {
            if Instant::now() >= deadline {
                return false;
            }
            state = self.wait(state, Some(deadline));
        }
        !state.down
    }

    /// The peer came back and began anew: this session ends.
    pub(crate) fn replace(&self) {
        self.lock().replaced = true;
        self.hang_up();
        self.arrival.notify_all();
    }

    /// Nobody can call any more to go on with the session.
    pub(crate) fn close_door(&self) {
        self.lock().door_closed = true;
        self.arrival.notify_all();
    }

    /// Whether anybody still waits for another connection.
    fn is_wanted(&self) -> bool {
        self.lock().is_wanted()
    }

    /// Sleeps until `until`; returns whether anybody still wants another connection.
    fn pause(&self, until: Instant) -> bool {
        let mut state = self.lock();
        while state.is_wanted() {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return true;
            }
            state = self.sleep(state, rest);
        }
        false
    }

    /// Waits for a caller that goes on with the session; `None` if the time is up or nobody wants
    /// one any more.
    fn await_successor(&self, deadline: Instant) -> Option<Box<Caller>> {
        let mut state = self.lock();
        loop {
            if !state.is_wanted() {
                return None;
            }
            if let Some(caller) = state.successor.take() {
                state.generation = caller.generation();
                return Some(caller);
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return None;
            }
            state = self.sleep(state, rest);
        }
    }

    fn next_generation(&self) -> u64 {
        let mut state = self.lock();
        state.generation += 1;
        state.generation
    }

    /// A connection is being made: whoever ends the session, or knows a newer one, ends it.
    fn expect(&self, hangup: Arc<dyn Hangup>) {
        *self.hangup() = Some(hangup);
        let state = self.lock();
        let outdated = state.successor.is_some() || !state.is_wanted();
        drop(state);
        if outdated {
            self.hang_up();
        }
    }
}
