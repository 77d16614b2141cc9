//! How a session ends: goodbyes, faults, and a side that leaves without waiting for the other.

use super::error::Violation;
use crate::planted::{Bug, planted};

/// Which side wanted to end the session first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClosedBy {
    Here,
    Peer,
}

/// What both sides have said of the end.
#[derive(Debug, Default)]
pub(crate) struct Farewell {
    closed_by: Option<ClosedBy>,
    /// On the present connection.
    pub(super) bye_sent: bool,
    pub(crate) bye_received: bool,
    /// The peer has said goodbye, on this connection or one before.
    pub(crate) peer_leaves: bool,
    /// This side leaves without waiting for the peer any longer.
    gone: Option<Word>,
    fault: Option<Fault>,
}

/// The last word to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Due,
    Told,
}

#[derive(Debug)]
enum Fault {
    /// The peer is to be told.
    Due(Violation),
    Told(Violation),
    /// The peer told us; this was its reason.
    Received(u64),
    /// The peer ends the session, and nothing was wrong.
    PeerGone,
}

impl Fault {
    /// Whether it ends the session, rather than a connection that another may follow.
    fn is_for_good(&self) -> bool {
        match self {
            Self::Due(violation) | Self::Told(violation) => !violation.is_of_the_line(),
            Self::Received(code) => !Violation::is_code_of_the_line(*code),
            Self::PeerGone => true,
        }
    }
}

impl Farewell {
    /// Whether no message is accepted any more.
    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        self.closed_by.is_some() || self.is_broken()
    }

    /// Whether a fault ends the session.
    fn is_broken(&self) -> bool {
        self.fault.as_ref().is_some_and(Fault::is_for_good)
    }

    pub(crate) fn closed_by(&self) -> Option<ClosedBy> {
        self.closed_by
    }

    /// The code of the fault that the peer found in this side.
    pub(crate) fn fault_received(&self) -> Option<u64> {
        match self.fault {
            Some(Fault::Received(code)) => Some(code),
            _ => None,
        }
    }

    /// Whether it ends for good, rather than lose a connection that another may follow.
    pub(crate) fn is_for_good(&self) -> bool {
        self.is_broken() || self.gone.is_some()
    }

    /// Whether the end has come without both goodbyes; `None` if nothing speaks for that. A peer
    /// that blames the line ends the connection; that is a loss like any other.
    pub(super) fn is_cut_short(&self) -> Option<bool> {
        match (&self.fault, self.gone) {
            (Some(Fault::Told(_)), _) => Some(true),
            (Some(Fault::Due(_)), _) => Some(false),
            (Some(fault), _) => Some(fault.is_for_good()),
            (None, Some(word)) => Some(word == Word::Told),
            (None, None) => None,
        }
    }

    /// Whether both sides have said goodbye.
    pub(super) fn is_mutual(&self) -> bool {
        self.bye_sent && self.bye_received
    }

    /// Whether a goodbye is to be said behind all messages.
    pub(super) fn is_bye_due(&self) -> bool {
        self.closed_by.is_some() && !self.bye_sent
    }

    /// Whether the peer is to be told that this side leaves; `None` if it does not.
    pub(super) fn is_gone_due(&self) -> Option<bool> {
        self.gone.map(|word| word == Word::Due)
    }

    /// The fault that the peer is to be told of, or `None` in its place if there is nothing more
    /// to say.
    pub(super) fn take_fault(&mut self) -> Option<Option<Violation>> {
        match &self.fault {
            Some(Fault::Due(violation)) => {
                let violation = *violation;
                self.fault = Some(Fault::Told(violation));
                Some(Some(violation))
            }
            Some(_) => Some(None),
            None => None,
        }
    }

    /// Whether a word is due behind which nothing is said; `None` if there is none to say.
    pub(super) fn is_last_word_due(&self) -> Option<bool> {
        match &self.fault {
            Some(fault) => Some(matches!(fault, Fault::Due(_))),
            None => self.is_gone_due(),
        }
    }

    /// Whether the peer was told that this side leaves.
    pub(super) fn has_left(&self) -> bool {
        self.gone == Some(Word::Told)
    }

    pub(super) fn handle_bye(&mut self) {
        self.bye_received = true;
        self.peer_leaves = true;
        self.closed_by.get_or_insert(ClosedBy::Peer);
    }

    pub(super) fn handle_gone(&mut self) {
        self.closed_by.get_or_insert(ClosedBy::Peer);
        self.fault = Some(Fault::PeerGone);
    }

    pub(super) fn handle_fault(&mut self, code: u64) {
        self.fault = Some(Fault::Received(code));
    }

    /// The peer broke the protocol: it is told, unless a fault was the last word already, and the
    /// connection ends.
    pub(super) fn handle_violation(&mut self, violation: Violation) {
        match &self.fault {
            None => self.fault = Some(Fault::Due(violation)),
            Some(fault) if fault.is_for_good() => {}
            Some(Fault::Received(_)) => self.fault = Some(Fault::Told(violation)),
            Some(_) => {}
        }
    }

    /// The connection is lost: what was said on it of the end is said again on the next.
    pub(super) fn handle_lost(&mut self) {
        self.fault = None;
        self.bye_sent &= planted(Bug::ByeNotRepeated);
        self.bye_received = false;
    }

    pub(super) fn close(&mut self) {
        self.closed_by.get_or_insert(ClosedBy::Here);
    }

    pub(super) fn leave(&mut self) {
        self.close();
        self.gone.get_or_insert(Word::Due);
    }

    /// The last word was said.
    pub(super) fn left(&mut self) {
        self.gone = Some(Word::Told);
    }
}
