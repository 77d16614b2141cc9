//! Whom a session is held with.

use super::identity::Identity;
use super::known_peers::{KnownPeers, KnownPeersError};
use super::public_key::PublicKey;

/// Whom a session is held with. Nothing here lets strangers in unless it says so.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Trust {
    /// Anyone: the conversation is encrypted, but nobody is checked and nothing is remembered.
    Open,
    /// Only who holds one of these keys.
    Keys(Vec<PublicKey>),
    /// The peers that are known, and who has the same identity as this side; what becomes of
    /// everybody else is up to `strangers`. A key that was remembered for an address must answer
    /// there, whatever else is allowed.
    Known {
        /// Those that are known.
        peers: KnownPeers,
        /// What to do with the others.
        strangers: Strangers,
    },
}

/// What becomes of a peer that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strangers {
    /// It is turned away.
    Refuse,
    /// It is let in, and remembered, if both sides prove that they have the same code: a
    /// [`Listener`](crate::Listener) shows one ([`Notice::Code`](crate::Notice)), a dialler has it
    /// in [`Config::code`](crate::Config::code).
    Pair,
    /// A listener's application is asked ([`Listener::incoming`](crate::Listener::incoming)); a
    /// dialler turns away.
    Ask,
    /// It is let in, and not remembered.
    Accept,
}

/// What this side knows of its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// Nothing: it was let in all the same.
    Stranger,
    /// Its key is one of [`Trust::Keys`].
    Listed,
    /// It has the same identity as this side: the same person.
    Own,
    /// It is one of the known peers.
    Known,
    /// It has just become one, by a code.
    Paired,
    /// Nothing, and nobody could know: it speaks no PTP, and nothing is encrypted
    /// ([`Config::plain`](crate::Config::plain)).
    Plain,
}

/// A peer as this side sees it.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) standing: Standing,
    /// The name that it was remembered by.
    pub(crate) name: Option<String>,
}

impl Judged {
    pub(crate) fn new(standing: Standing) -> Self {
        Self {
            standing,
            name: None,
        }
    }
}

impl Trust {
    /// What this side knows of `key`.
    pub(crate) fn judge(&self, key: PublicKey, own: &Identity) -> Result<Judged, KnownPeersError> {
        let standing = match self {
            Self::Keys(keys) if keys.contains(&key) => Standing::Listed,
            Self::Known { peers, .. } => match peers.by_key(&key)? {
                Some(peer) => {
                    return Ok(Judged {
                        standing: Standing::Known,
                        name: Some(peer.name),
                    });
                }
                None if key == own.public_key() => Standing::Own,
                None => Standing::Stranger,
            },
            Self::Open | Self::Keys(_) => Standing::Stranger,
        };
        Ok(Judged::new(standing))
    }

    /// Whether strangers are let in without a question.
    #[must_use]
    pub fn lets_anyone_in(&self) -> bool {
        self.strangers() == Strangers::Accept
    }

    /// What becomes of strangers.
    pub(crate) fn strangers(&self) -> Strangers {
        match self {
            Self::Open => Strangers::Accept,
            Self::Keys(_) => Strangers::Refuse,
            Self::Known { strangers, .. } => *strangers,
        }
    }

    /// The known peers, where there are any.
    pub(crate) fn peers(&self) -> Option<&KnownPeers> {
        match self {
            Self::Known { peers, .. } => Some(peers),
            Self::Open | Self::Keys(_) => None,
        }
    }
}
