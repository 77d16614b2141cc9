//! One error type an operation.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::protocol::Violation;
use crate::trust::{Fingerprint, IdentityError, KnownPeersError};

/// How far a connection had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Looking up the name.
    Resolve,
    /// Reaching the address.
    Connect,
    /// Waiting for the other side's first line.
    Hello,
    /// Agreeing on keys.
    Handshake,
    /// Waiting to be let in.
    Welcome,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Resolve => "looking up the name",
            Self::Connect => "connecting",
            Self::Hello => "waiting for its first line",
            Self::Handshake => "agreeing on keys",
            Self::Welcome => "waiting to be let in",
        })
    }
}

/// Why no session came about. A normal end of a session is no error but an event.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is not of the form `HOST:PORT`.
    #[error("{0:?} is not an address: write HOST:PORT")]
    Address(String),
    /// The name could not be looked up.
    #[error("the name {host} is not known: {cause}")]
    Resolve {
        /// The name.
        host: String,
        /// What the system says.
        cause: io::Error,
    },
    /// Nobody listens there, or it can't be reached.
    #[error("{address} can't be reached: {cause}")]
    Unreachable {
        /// The address that was tried last.
        address: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
    /// The time was up.
    #[error("timed out while {0}")]
    TimedOut(Stage),
    /// The other side ended the connection.
    #[error("the other side closed the connection while this one was {0}")]
    Closed(Stage),
    /// The connection broke.
    #[error("the connection broke while {stage}: {cause}")]
    Io {
        /// How far it had come.
        stage: Stage,
        /// What the system says.
        cause: io::Error,
    },
    /// The other side is there, and is not PTP.
    #[error("the other side is not PTP: it answered {0}")]
    NotPtp(&'static str),
    /// The other side speaks no version, or no ciphers, that this one does.
    #[error("the other side speaks another version of PTP")]
    Version,
    /// The other side has too much to do.
    #[error("the other side has too many callers at the moment")]
    Overloaded,
    /// The other side is in a conversation.
    #[error("the other side is busy with somebody else")]
    Busy,
    /// The other side does not know the session that was to go on: it gave up waiting, or began anew.
    #[error("the other side does not know the session any more")]
    UnknownSession,
    /// The other side does not let this one in.
    #[error("the other side refused: {0}")]
    Refused(String),
    /// The other side does not know this one, and takes no codes.
    #[error("the other side does not trust this one, whose key it does not know")]
    NotTrusted,
    /// The two sides do not know each other yet: [`Config::code`](crate::Config::code) is to hold
    /// the code that the listener shows.
    #[error("the two sides do not know each other yet: a pairing code is needed")]
    PairingNeeded,
    /// The pairing code was wrong, or was replaced meanwhile.
    #[error("the pairing code is wrong, or no longer good")]
    WrongCode,
    /// This side does not know the other, which shows no code to pair with.
    #[error("this side does not know the other one, which shows no code to pair with")]
    NoPairing,
    /// The other side did not prove that it knows the code. Somebody may be in between.
    #[error("the other side could not prove that it knows the pairing code")]
    Unproved,
    /// This side is not to talk to the one that answered. It has not been told who called.
    #[error("the one that answered is not trusted; its fingerprint is {0}")]
    Stranger(Fingerprint),
    /// Another key answered than the one that is expected there. It has not been told who called.
    #[error("{place} answered with the fingerprint {found}, where {expected} is expected")]
    ChangedKey {
        /// Where: the address as it was given, or the name of the peer.
        place: String,
        /// Whose key is expected there.
        expected: Fingerprint,
        /// Whose answered.
        found: Fingerprint,
    },
    /// A key is expected, and the session is to be plain ([`Config::plain`](crate::Config::plain)):
    /// nobody could prove to hold it.
    #[error("a peer that is to prove its key can't be talked to in plain text")]
    Unprovable,
    /// The known peers can't be read or changed.
    #[error(transparent)]
    KnownPeers(#[from] KnownPeersError),
    /// The other side broke the protocol.
    #[error("the other side broke the protocol: {0}")]
    Protocol(#[from] Violation),
    /// The other side says that this one broke the protocol; the number is its reason
    /// (docs/protocol.md, "Faults").
    #[error("the other side says that this one broke the protocol (fault {0})")]
    Fault(u64),
    /// No key could be made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The system gave no thread.
    #[error("no thread could be started: {0}")]
    Thread(io::Error),
    /// The listener was closed.
    #[error("the listener was closed")]
    ListenerClosed,
    /// No address to listen at.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Why a listener could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address is not of the form `ADDRESS:PORT`, or names no address of this machine.
    #[error("{address:?} is not an address to listen at: {cause}")]
    Address {
        /// What was given.
        address: String,
        /// What the system says.
        cause: io::Error,
    },
    /// The address can't be used: in use, not allowed, not of this machine.
    #[error("{address} can't be listened at: {cause}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
    /// No key could be made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The system gave no thread.
    #[error("no thread could be started: {0}")]
    Thread(io::Error),
}

/// Why a message was not accepted; it is handed back ([`Payload::Returned`](crate::Payload)).
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError<P> {
    /// The session is closing or has ended.
    #[error("the session has ended")]
    Disconnected(P),
    /// The message is larger than the peer takes.
    #[error("the message is larger than the {limit} bytes that the peer takes")]
    TooLarge {
        /// The message.
        message: P,
        /// The peer's limit, in bytes.
        limit: u64,
    },
    /// The session is plain ([`Config::plain`](crate::Config::plain)), and the message is not: it is
    /// binary, which would come out as something else, or a secret, which everybody could read.
    #[error("in plain text neither bytes nor secrets can be sent")]
    NotPlain(P),
}

/// Why not all of several messages were accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("of several messages the first {accepted} were accepted, and the next was not")]
#[non_exhaustive]
pub struct SendAllError {
    /// How many were: the first so many. The others were not.
    pub accepted: usize,
    /// Why the next was not.
    #[source]
    pub cause: SendError<()>,
}

/// Why a message was not accepted at once, or in time; it is handed back
/// ([`Payload::Returned`](crate::Payload)).
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrySendError<P> {
    /// As much as may be is on the way, and the peer's application has not taken it.
    #[error("the peer has not yet taken what was sent before")]
    Full(P),
    /// The session is closing or has ended.
    #[error("the session has ended")]
    Disconnected(P),
    /// The message is larger than the peer takes.
    #[error("the message is larger than the {limit} bytes that the peer takes")]
    TooLarge {
        /// The message.
        message: P,
        /// The peer's limit, in bytes.
        limit: u64,
    },
    /// The session is plain ([`Config::plain`](crate::Config::plain)), and the message is not: it is
    /// binary, which would come out as something else, or a secret, which everybody could read.
    #[error("in plain text neither bytes nor secrets can be sent")]
    NotPlain(P),
}

impl<P> SendError<P> {
    /// The message that was not accepted.
    pub fn into_inner(self) -> P {
        match self {
            Self::Disconnected(message)
            | Self::TooLarge { message, .. }
            | Self::NotPlain(message) => message,
        }
    }
}

impl<P> TrySendError<P> {
    pub(crate) fn map<Q>(self, change: impl FnOnce(P) -> Q) -> TrySendError<Q> {
        match self {
            Self::Full(message) => TrySendError::Full(change(message)),
            Self::Disconnected(message) => TrySendError::Disconnected(change(message)),
            Self::TooLarge { message, limit } => TrySendError::TooLarge {
                message: change(message),
                limit,
            },
            Self::NotPlain(message) => TrySendError::NotPlain(change(message)),
        }
    }

    /// The message that was not accepted.
    pub fn into_inner(self) -> P {
        match self {
            Self::Full(message)
            | Self::Disconnected(message)
            | Self::TooLarge { message, .. }
            | Self::NotPlain(message) => message,
        }
    }
}

// Without the message: `Debug` is for logs, and `P` need not have it.
impl<P> fmt::Debug for SendError<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Disconnected(_) => "Disconnected(..)",
            Self::TooLarge { .. } => "TooLarge { .. }",
            Self::NotPlain(_) => "NotPlain(..)",
        })
    }
}

impl<P> fmt::Debug for TrySendError<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Disconnected(_) => "Disconnected(..)",
            Self::TooLarge { .. } => "TooLarge { .. }",
            Self::NotPlain(_) => "NotPlain(..)",
        })
    }
}

/// Why it is not known that the peer's application took everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlushError {
    /// It has not yet.
    #[error("the peer has not taken everything in time")]
    TimedOut,
    /// The session ended before.
    #[error("the session ended before the peer had taken everything")]
    Disconnected,
}
