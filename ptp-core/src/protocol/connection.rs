//! The machine of an open connection: what is held, what is due, and when it ends.
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
use super::frame::{Control, Credit};
use super::inbound::Intake;
use super::message::{Message, MessageId};
use super::outbound::Outbound;
use super::payload::Payload;
use super::receipts::Receipts;
use super::timer::{Timer, Timers};

/// The first look at how much the application has taken, where the peer waits for it. In a model
/// of the channel alone 100 µs gave 14–18 million messages a second, 1 ms 6–10, 25 ms 0.33.
const RECHECK_FIRST: Duration = Duration::from_micros(100);
/// The longest pause between two looks: an application that reads nothing costs ten a second.
const RECHECK_LAST: Duration = Duration::from_millis(100);
/// How long an acknowledgement may wait for company.
const ACK_DELAY: Duration = Duration::from_millis(25);
/// The shortest timeout that is agreed to: below it every hiccup would look like a death.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);

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

/// Which side wanted to end the session first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClosedBy {
    Here,
    Peer,
}

/// The state of an open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    outbound: Outbound,
    receipts: Receipts,
    timers: Timers,
    timeout: Duration,
    max_message: u64,
    epoch: Instant,
    last_received: Instant,
    round_trip: Option<Duration>,
    recheck: Duration,
    ack_due: bool,
    /// The peer waits until we acknowledge what it sent so far.
    peer_waits: bool,
    ack_request_due: bool,
    ping_due: Option<u64>,
    pong_due: Option<u64>,
    closed_by: Option<ClosedBy>,
    bye_sent: bool,
    bye_received: bool,
    /// The application is gone: what it has not taken it never will.
    abandoned: bool,
    fault: Option<Fault>,
}

#[derive(Debug)]
enum Fault {
    /// The peer is to be told.
    Due(Violation),
    Told,
    /// The peer told us; this was its reason.
    Received(u64),
}

impl Connection {
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        let timeout = limits.timeout.max(SHORTEST_TIMEOUT);
        let mut connection = Self {
            outbound: Outbound::new(limits.window, limits.granted),
            receipts: Receipts::new(limits.window),
            timers: Timers::default(),
            timeout,
            max_message: limits.peer_max_message,
            epoch: now,
            last_received: now,
            round_trip: None,
            recheck: RECHECK_FIRST,
            ack_due: false,
            peer_waits: false,
            ack_request_due: false,
            ping_due: None,
            pong_due: None,
            closed_by: None,
            bye_sent: false,
            bye_received: false,
            abandoned: false,
            fault: None,
        };
        connection.rearm(now);
        connection
    }

    // Getters.

    /// Whether no message is accepted any more.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        self.closed_by.is_some() || self.fault.is_some()
    }

    pub(crate) fn closed_by(&self) -> Option<ClosedBy> {
        self.closed_by
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
        self.round_trip
    }

    pub(crate) fn bye_received(&self) -> bool {
        self.bye_received
    }

    /// The code of the fault that the peer found in this side.
    pub(crate) fn fault_received(&self) -> Option<u64> {
        match self.fault {
            Some(Fault::Received(code)) => Some(code),
            _ => None,
        }
    }

    /// Whether all is said in both directions, and nothing is to be written any more.
    pub(crate) fn is_finished(&self) -> bool {
        if let Some(fault) = &self.fault {
            return !matches!(fault, Fault::Due(_));
        }
        let taken = self.abandoned || self.receipts.all_taken();
        let told = taken && self.receipts.all_told();
        self.bye_sent && self.bye_received && self.all_acked() && told
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
        self.last_received = now;
        self.rearm(now);
        let received = Credit {
            messages: intake.messages,
            bytes: intake.bytes,
        };
        self.receipts.handle_received(received, intake.last_began)?;
        if let Some((messages, granted)) = intake.ack {
            self.outbound.handle_ack(messages, granted)?;
        }
        if let Some(number) = intake.pong {
            let sent = self.epoch + Duration::from_micros(number.min(u64::from(u32::MAX) << 16));
            self.round_trip = Some(now.saturating_duration_since(sent));
        }
        self.pong_due = intake.ping.or(self.pong_due);
        self.peer_waits |= intake.ack_request || intake.bye;
        if intake.bye {
            self.bye_received = true;
            self.closed_by.get_or_insert(ClosedBy::Peer);
        }
        if let Some(code) = intake.fault {
            self.fault = Some(Fault::Received(code));
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
        if self.timers.expired(Timer::Ping, now) {
            let since = now.saturating_duration_since(self.epoch);
            self.ping_due = Some(since.as_micros() as u64);
            self.timers.set(Timer::Ping, now + self.timeout / 3);
        }
        self.timers.expired(Timer::Dead, now)
    }

    /// The peer broke the protocol: it is told, and the connection ends.
    pub(crate) fn handle_violation(&mut self, violation: Violation) {
        self.fault.get_or_insert(Fault::Due(violation));
    }

    fn rearm(&mut self, now: Instant) {
        self.timers.set(Timer::Ping, now + self.timeout / 3);
        self.timers.set(Timer::Dead, now + self.timeout);
    }

    // What the application wants.

    /// Takes a message over. The caller has asked `has_room` and `is_closing`; `unix_ms` is given
    /// where `wants_time` asks for it.
    #[inline]
    pub(crate) fn accept(&mut self, payload: impl Payload, unix_ms: Option<u64>) -> MessageId {
        self.outbound.accept(payload, unix_ms)
    }

    /// An empty buffer for the copy of a large message.
    pub(crate) fn take_spare(&mut self) -> Vec<u8> {
        self.outbound.take_spare()
    }

    /// Nothing came for a while: gives back the memory of the last burst.
    pub(crate) fn rest(&mut self) {
        self.outbound.rest();
    }

    /// Asks the peer to acknowledge soon.
    pub(crate) fn flush(&mut self) {
        self.ack_request_due |= !self.all_acked();
    }

    /// No more messages: says goodbye behind those that were accepted.
    pub(crate) fn close(&mut self) {
        self.closed_by.get_or_insert(ClosedBy::Here);
    }

    /// The application takes no more messages; closes, and acknowledges only those that were
    /// counted as taken before.
    pub(crate) fn abandon(&mut self) {
        self.close();
        self.abandoned = true;
        self.ack_due |= !self.receipts.all_told();
    }

    // What to do next.

    /// Whether `poll_transmit` has something.
    pub(crate) fn wants_transmit(&self) -> bool {
        match self.fault {
            Some(Fault::Due(_)) => true,
            Some(_) => false,
            None => {
                self.ack_due
                    || self.outbound.has_unpulled()
                    || self.ping_due.is_some()
                    || self.pong_due.is_some()
                    || self.ack_request_due
                    || (self.closed_by.is_some() && !self.bye_sent)
            }
        }
    }

    /// Appends frames that are to be sent, about `budget` bytes of them, to `out`.
    pub(crate) fn poll_transmit(&mut self, out: &mut Vec<Bytes>, budget: usize) {
        let mut control = Vec::new();
        if let Some(fault) = &self.fault {
            if let Fault::Due(violation) = fault {
                Control::Fault(violation.code()).put(&mut control);
                out.push(control.into());
                self.fault = Some(Fault::Told);
            }
            return;
        }
        if self.ack_due || !self.receipts.all_told() {
            let (messages, credit) = self.receipts.acknowledge();
            Control::Ack { messages, credit }.put(&mut control);
            self.ack_due = false;
        }
        if let Some(number) = self.pong_due.take() {
            Control::Pong(number).put(&mut control);
        }
        if let Some(number) = self.ping_due.take() {
            Control::Ping(number).put(&mut control);
        }
        push(out, control);
        self.outbound.pull(out, budget);
        if !self.outbound.has_unpulled() {
            self.transmit_last(out);
        }
    }

    /// What must stand behind all messages.
    fn transmit_last(&mut self, out: &mut Vec<Bytes>) {
        let mut control = Vec::new();
        if self.closed_by.is_some() && !self.bye_sent {
            Control::Bye.put(&mut control);
            self.bye_sent = true;
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
        self.closed_by.get_or_insert(ClosedBy::Here);
        self.outbound.finish()
    }
}

fn push(out: &mut Vec<Bytes>, control: Vec<u8>) {
    if !control.is_empty() {
        out.push(control.into());
    }
}
