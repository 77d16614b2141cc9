//! What stands in the history, and what is asked of it.

use std::time::SystemTime;

use crate::trust::{Fingerprint, PublicKey};

/// A message that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Which it is: a later one has a higher number.
    pub id: EntryId,
    /// Whom the conversation was with.
    pub peer: PastPeer,
    /// Which conversation it was: rises from one to the next.
    pub conversation: i64,
    /// The session's [`id`](crate::Session::id); `None` if it was a plain one.
    pub session: Option<[u8; 16]>,
    /// Its number in its direction of the session, as [`MessageId`](crate::MessageId) is.
    pub number: u64,
    /// Who sent it, and what became of it.
    pub fate: Fate,
    /// Whether, not being delivered, it was [sent again](crate::Recording::sent_again) or
    /// [settled](crate::History::settle).
    pub is_settled: bool,
    /// What it says.
    pub content: Content,
    /// When it was sent, by the clock of whoever sent it.
    pub sent_at: SystemTime,
    /// When it was taken, by this side's clock: one that came, when it came; an own one, when the
    /// peer's receipt came, to the nearest of them that was kept. `None` as long as it was not.
    pub delivered_at: Option<SystemTime>,
}

/// Which message of a history it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub(super) i64);

impl EntryId {
    /// The number itself.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

/// Whom a conversation was with, as it was known then.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PastPeer {
    /// What it was called ([`Peer::name`](crate::Peer::name)); may be empty, and hold any character.
    pub name: String,
    /// Its key; `None` of a plain peer.
    pub key: Option<PublicKey>,
    /// The IP address of a plain peer, which is told by nothing else.
    pub address: Option<String>,
}

/// Who sent a message, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// The peer sent it.
    Received,
    /// Sent by this side, and the peer's application has taken it.
    Delivered,
    /// Sent by this side in a conversation that goes on; no receipt has come yet.
    Pending,
    /// Sent by this side, and surely not delivered.
    Unsent,
    /// Sent by this side; perhaps delivered, and perhaps not.
    Unconfirmed,
    /// Sent by this side to a plain peer, where nobody can know.
    Unknown,
}

impl Fate {
    /// Whether this side sent it.
    #[must_use]
    pub fn is_own(self) -> bool {
        self != Self::Received
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A text.
    Text(String),
    /// Any bytes.
    Binary(Vec<u8>),
    /// No message: stands where so many messages could not be kept, because the disk was too slow
    /// or full.
    Gap(u64),
}

/// Which messages are asked for: those that all of it applies to. The default is all.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use ptp_core::{HistoryFilter, Who};
///
/// let filter = HistoryFilter {
///     with: Some(Who::Name("Ana".into())),
///     since: SystemTime::now().checked_sub(Duration::from_secs(86_400)),
///     search: Some(r#"deploy* "at noon""#.into()),
///     ..HistoryFilter::default()
/// };
/// # let _ = filter;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Only with this peer.
    pub with: Option<Who>,
    /// Only what was sent by this side, or came to it, at this time or later.
    pub since: Option<SystemTime>,
    /// Only what was sent by this side, or came to it, before this time.
    pub until: Option<SystemTime>,
    /// Only texts with all of these words, in any order; `"words in quotes"` stand one behind the
    /// other, and `word*` is the beginning of a word. Case and accents make no difference. In
    /// languages that put no spaces between words, characters that follow each other are found
    /// wherever they stand.
    pub search: Option<String>,
    /// Only the last so many of those.
    pub last: Option<u64>,
}

/// Whom conversations were with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Who {
    /// Whoever holds this key.
    Key(PublicKey),
    /// Whoever holds the key with this fingerprint.
    Fingerprint(Fingerprint),
    /// Whoever was ever called so, in any case of ASCII letters: all that they said, under other
    /// names, too. A plain peer is called by its IP address.
    Name(String),
}
