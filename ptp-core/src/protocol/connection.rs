//! The machine of a session: what is held, what is due, and when it ends.
//!
//! ```text
//!            close()                      handle_received: Bye
//!   Open ───────────────→ Closing ←──────────────────────────── Open
//!                            │ nothing waits: Bye goes
//!                            │ the peer's Bye came
//!                            │ all was acknowledged, in both directions
//!                            ↓
//!                        is_finished
//! ```
//!
//! Order of calls: after each `handle_*` and command ask `wants_transmit`; call `poll_transmit`
//! where bytes can go out; call `handle_timeout` at `next_timeout`. The end takes `finish`.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::error::Violation;
use super::farewell::Farewell;
use super::frame::{Control, Credit, ResumePoint};
use super::inbound::Intake;
use super::liveness::Liveness;
use super::message::{Message, MessageId};
use super::outbound::Outbound;
use super::payload::Payload;
use super::receipts::Receipts;
use super::timer::{Timer, Timers};
use crate::planted::{Bug, planted};

/// The first look at how much the application has taken, where the peer waits for it. In a model
/// of the channel alone 100 µs gave 14–18 million messages a second, 1 ms 6–10, 25 ms 0.33.
const RECHECK_FIRST: Duration = Duration::from_micros(100);
/// The longest pause between two looks: an application that reads nothing costs ten a second.
const RECHECK_LAST: Duration = Duration::from_millis(100);
/// How long an acknowledgement may wait for company.
const ACK_DELAY: Duration = Duration::from_millis(25);

/// What one side keeps and grants, and what both agreed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// What is held in either direction at the most.
    pub(crate) window: Credit,
    /// What the peer lets this side send at first.
    pub(crate) granted: Credit,
    /// The largest message that the peer takes, in bytes.
    pub(crate) peer_max_message: u64,
    /// Silence after which the peer is dead.
    pub(crate) timeout: Duration,
}

/// The state of a session, over one connection after the other.
#[derive(Debug)]
pub(crate) struct Connection {
    outbound: Outbound,
    receipts: Receipts,
    timers: Timers,
    liveness: Liveness,
    max_message: u64,
    /// How often another connection was taken up.
    resumes: u64,
    recheck: Duration,
    ack_due: bool,
    /// The peer waits until we acknowledge what it sent so far.
    peer_waits: bool,
    ack_request_due: bool,
    farewell: Farewell,
    /// The application is gone: what it has not taken it never will.
    abandoned: bool,
}

impl Connection {
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        let mut connection = Self {
            outbound: Outbound::new(limits.window, limits.granted),
            receipts: Receipts::new(limits.window),
            timers: Timers::default(),
            liveness: Liveness::new(limits.timeout, now),
            max_message: limits.peer_max_message,
            resumes: 0,
            recheck: RECHECK_FIRST,
            ack_due: false,
            peer_waits: false,
            ack_request_due: false,
            farewell: Farewell::default(),
            abandoned: false,
        };
        connection.liveness.rearm(now, &mut connection.timers);
        connection
    }

    // Getters.
    /// Whether no message is accepted any more.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        self.farewell.is_closing()
    }

    /// What both sides have said of the end.
    pub(crate) fn farewell(&self) -> &Farewell {
        &self.farewell
    }

    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.outbound.has_room()
    }

    /// Whether `accept` wants to know the time.
    pub(crate) fn wants_time(&self) -> bool {
        self.outbound.wants_time()
    }

    /// The largest message that the peer takes, in bytes.
    pub(crate) fn max_message(&self) -> u64 {
        self.max_message
    }

    /// The number of the message that was accepted last, and of the one that the peer's
    /// application took last.
    pub(crate) fn sent_and_acked(&self) -> (u64, u64) {
        (self.outbound.accepted(), self.outbound.acked())
    }

    /// How many messages the application has taken.
    pub(crate) fn taken(&self) -> u64 {
        self.receipts.taken()
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.liveness.round_trip()
    }

    /// When something was received last.
    pub(crate) fn last_received(&self) -> Instant {
        self.liveness.last_received()
    }

    /// How often another connection was taken up.
    pub(crate) fn resumes(&self) -> u64 {
        self.resumes
    }

    /// What the peer was granted last, whether or not it has heard of it.
    pub(crate) fn grants(&self) -> Credit {
        self.receipts.granted()
    }

    /// Whether all is said in both directions, and nothing is to be written any more.
    pub(crate) fn is_finished(&self) -> bool {
        let all = || self.is_all_said() && self.receipts.all_taken();
        self.farewell.is_cut_short().unwrap_or_else(all)
    }

    /// Whether both sides have said goodbye, and all that was taken is acknowledged.
    fn is_all_said(&self) -> bool {
        self.farewell.is_mutual() && self.all_acked() && self.receipts.all_told()
    }

    /// None behind all that is said: written while this side hangs up, it would look like a loss.
    fn is_ack_wanted(&self) -> bool {
        self.ack_due && !self.is_all_said()
    }

    fn all_acked(&self) -> bool {
        self.outbound.accepted() == self.outbound.acked()
    }

    // What the world did.

    /// The peer sent something: what `Inbound` made of one read.
    pub(crate) fn handle_received(
        &mut self,
        now: Instant,
        intake: &Intake,
    ) -> Result<(), Violation> {
        self.liveness
            .handle_received(now, intake.ping, intake.pong, &mut self.timers);
        let received = Credit {
            messages: intake.messages,
            bytes: intake.bytes,
        };
        self.receipts.handle_received(received, intake.last_began)?;
        if let Some((messages, granted)) = intake.ack {
            self.outbound.handle_ack(messages, granted)?;
        }
        self.peer_waits |= intake.ack_request || intake.bye;
        if intake.bye {
            self.farewell.handle_bye();
        }
        if intake.gone {
            self.farewell.handle_gone();
        }
        if let Some(code) = intake.fault {
            self.farewell.handle_fault(code);
        }
        Ok(())
    }

    /// Of the messages that were handed to the application, `waiting` are not yet taken.
    pub(crate) fn handle_waiting(&mut self, now: Instant, waiting: usize) {
        if self.abandoned {
            // What was taken before is told at once, and nothing is to be told ever after.
            self.ack_due |= !self.receipts.all_told();
            self.timers.clear(Timer::Ack);
            return self.timers.clear(Timer::Recheck);
        }
        if self.receipts.handle_waiting(waiting as u64) {
            self.recheck = RECHECK_FIRST;
            self.timers.set_if_unset(Timer::Ack, now + ACK_DELAY);
        }
        let all_taken = self.receipts.all_taken();
        let late = self.timers.expired(Timer::Ack, now) && !self.receipts.all_told();
        self.ack_due |= late || self.receipts.is_ack_due() || (self.peer_waits && all_taken);
        self.peer_waits &= !all_taken;
        // Told meanwhile, along with something else, or to be told at once.
        if self.ack_due || self.receipts.all_told() {
            self.timers.clear(Timer::Ack);
        }
        if all_taken {
            return self.timers.clear(Timer::Recheck);
        }
        if self.timers.expired(Timer::Recheck, now) {
            self.recheck = (self.recheck * 2).min(RECHECK_LAST);
        }
        let urgent = self.peer_waits || self.receipts.is_credit_used_up();
        let pause = if urgent {
            self.recheck
        } else {
            self.recheck.max(ACK_DELAY)
        };
        self.timers.set(Timer::Recheck, now + pause);
    }

    /// A deadline of `next_timeout` may have passed. Returns whether the peer is dead.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        self.liveness.handle_timeout(now, &mut self.timers)
    }

    /// The peer broke the protocol: it is told, and the connection ends.
    pub(crate) fn handle_violation(&mut self, violation: Violation) {
        self.farewell.handle_violation(violation);
    }

    /// The connection is lost: nothing is due until there is another.
    pub(crate) fn handle_lost(&mut self) {
        self.timers = Timers::default();
        self.farewell.handle_lost();
    }

    /// There is another connection: goes on where the peer says. Returns how many messages it does
    /// not have. All that holds beyond a connection is said anew.
    pub(crate) fn handle_resumed(
        &mut self,
        now: Instant,
        limits: &Limits,
        point: ResumePoint,
    ) -> Result<u64, Violation> {
        let missing = self.outbound.resume(point, limits.granted)?;
        self.liveness = Liveness::new(limits.timeout, now);
        self.liveness.rearm(now, &mut self.timers);
        self.resumes += 1;
        self.recheck = RECHECK_FIRST;
        self.ack_due = !planted(Bug::AckNotRepeated);
        self.ack_request_due = !self.all_acked() && !planted(Bug::RequestNotRepeated);
        Ok(missing)
    }

    // What the application wants.

    /// Takes a message over. The caller has asked `has_room` and `is_closing`; `unix_ms` is given
    /// where `wants_time` asks for it.
    #[inline]
    pub(crate) fn accept(&mut self, payload: impl Payload, unix_ms: Option<u64>) -> MessageId {
        self.outbound.accept(payload, unix_ms)
    }

    /// Takes messages that are accepted together, and has memory for them.
    pub(crate) fn outbound(&mut self) -> &mut Outbound {
        &mut self.outbound
    }

    /// Asks the peer to acknowledge soon.
    pub(crate) fn flush(&mut self) {
        self.ack_request_due |= !self.all_acked();
    }

    /// No more messages: says goodbye behind those that were accepted.
    pub(crate) fn close(&mut self) {
        self.farewell.close();
    }

    /// The application takes no more messages; closes, and acknowledges only those that were
    /// counted as taken before.
    pub(crate) fn abandon(&mut self) {
        self.close();
        self.abandoned = true;
        self.ack_due |= !self.receipts.all_told();
    }

    /// Ends the session without waiting for the peer, which is told as far as that goes.
    pub(crate) fn leave(&mut self) {
        self.farewell.leave();
    }

    /// Asks the peer for a sign of life.
    pub(crate) fn ask(&mut self, now: Instant) {
        self.liveness.ask(now);
    }

    // What to do next.

    /// Whether `poll_transmit` has something.
    pub(crate) fn wants_transmit(&self) -> bool {
        self.farewell.is_last_word_due().unwrap_or_else(|| {
            self.is_ack_wanted()
                || self.outbound.has_unpulled()
                || self.liveness.wants_transmit()
                || self.ack_request_due
                || self.farewell.is_bye_due()
                || self.is_leaving()
        })
    }

    /// Whether a write of so many bytes waits for `poll_transmit`.
    #[inline]
    pub(crate) fn fills(&self, bytes: usize) -> bool {
        self.outbound.fills(bytes)
    }

    /// Appends frames to be sent, about `budget` bytes, to `out`; lends long ones (`Outbound::pull`).
    pub(crate) fn poll_transmit(&mut self, out: &mut Vec<Bytes>, budget: usize) {
        let mut control = Vec::new();
        if let Some(last) = self.farewell.take_fault() {
            if let Some(violation) = last {
                Control::Fault(violation.code()).put(&mut control);
            }
            return push(out, control);
        }
        if self.farewell.has_left() {
            return;
        }
        if self.is_ack_wanted() || !self.receipts.all_told() {
            let (messages, credit) = self.receipts.acknowledge();
            Control::Ack { messages, credit }.put(&mut control);
            self.ack_due = false;
        }
        if let Some(number) = self.liveness.take_pong() {
            Control::Pong(number).put(&mut control);
        }
        if let Some(number) = self.liveness.take_ping() {
            Control::Ping(number).put(&mut control);
        }
        if self.is_leaving() {
            Control::Gone.put(&mut control);
            self.farewell.left();
            return push(out, control);
        }
        push(out, control);
        self.outbound.pull(out, budget);
        if !self.outbound.has_unpulled() {
            self.transmit_last(out);
        }
    }

    /// Whether the peer is to be told that this side waits no longer, or takes nothing more.
    fn is_leaving(&self) -> bool {
        let takes_no_more = || self.abandoned && self.is_all_said() && !self.receipts.all_taken();
        self.farewell.is_gone_due().unwrap_or_else(takes_no_more)
    }

    /// What must stand behind all messages.
    fn transmit_last(&mut self, out: &mut Vec<Bytes>) {
        let mut control = Vec::new();
        if self.farewell.is_bye_due() {
            Control::Bye.put(&mut control);
            self.farewell.bye_sent = true;
        } else if self.ack_request_due {
            Control::AckRequest.put(&mut control);
        }
        self.ack_request_due = false;
        push(out, control);
    }

    /// When `handle_waiting` and `handle_timeout` are to be called at the latest.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The end: messages that were surely not delivered, and those that perhaps were not.
    pub(crate) fn finish(&mut self) -> (Vec<Message>, Vec<Message>) {
        self.farewell.close();
        self.outbound.finish()
    }
}

fn push(out: &mut Vec<Bytes>, control: Vec<u8>) {
    out.extend((!control.is_empty()).then(|| control.into()));
}
