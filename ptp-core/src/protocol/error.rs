//! What a peer did wrong. Knows nothing above the protocol.

use thiserror::Error;

/// A peer broke the protocol; the connection that it came over ends, nothing else does.
///
/// The number that [`Violation::code`] gives travels in the `Fault` frame (docs/protocol.md,
/// "Faults"), so that the side that was wrong can read why in its own log.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// The Noise handshake failed: a changed byte, a wrong key or a malformed message.
    #[error("the handshake failed: what arrived was changed on the way, or is not PTP")]
    Handshake,
    /// A public key of low order, with which there would be no secret.
    #[error("the peer sent a public key of low order")]
    LowOrderKey,
    /// A record's length is impossible.
    #[error("a record of {0} bytes is impossible")]
    RecordLength(usize),
    /// A record was changed, replayed, dropped or out of order.
    #[error("a record was changed on the way")]
    RecordAuthentication,
    /// A number was not written in its shortest form, or is larger than 64 bits.
    #[error("a number is malformed")]
    Number,
    /// A frame says that it is longer than its kind may be.
    #[error("a frame of kind {kind:#04x} claims {length} bytes")]
    FrameLength {
        /// The frame's kind.
        kind: u8,
        /// The length that it claims, in bytes.
        length: u64,
    },
    /// A frame of a critical kind that this version does not know.
    #[error("a frame of unknown kind {0:#04x}")]
    UnknownFrame(u8),
    /// A frame's body is not what its kind asks for.
    #[error("a frame of kind {0:#04x} is malformed")]
    MalformedFrame(u8),
    /// A frame that is not allowed in this state.
    #[error("a frame of kind {0:#04x} is out of place")]
    UnexpectedFrame(u8),
    /// A text message is not UTF-8.
    #[error("a text message is not UTF-8")]
    NotUtf8,
    /// A message is larger than this side said that it takes.
    #[error("a message is larger than the {limit} bytes that were agreed")]
    MessageTooLarge {
        /// The agreed limit, in bytes.
        limit: u64,
    },
    /// More messages or bytes came than this side had granted.
    #[error("more was sent than was granted")]
    BeyondCredit,
    /// Credit or an acknowledgement went backwards.
    #[error("an acknowledgement or a credit went backwards")]
    Backwards,
    /// Something was acknowledged that was never sent.
    #[error("message {0} was acknowledged but never sent")]
    NeverSent(u64),
    /// The peer wants a session to go on where it can't.
    #[error("the session can't go on behind {partial} bytes of message {message}")]
    ResumePoint {
        /// The message that it names.
        message: u64,
        /// How many bytes of it it has.
        partial: u64,
    },
    /// The other side did not prove that it knows the pairing code.
    #[error("the peer did not prove that it knows the pairing code")]
    Unproved,
}

impl Violation {
    /// Whether it may be the line that changed what the peer sent: then the session can go on over
    /// another connection.
    #[must_use]
    pub fn is_of_the_line(&self) -> bool {
        Self::is_code_of_the_line(self.code())
    }

    /// As [`is_of_the_line`](Self::is_of_the_line), for the number of a violation.
    pub(crate) fn is_code_of_the_line(code: u64) -> bool {
        matches!(code, 1..=4)
    }

    /// The number of this violation in a `Fault` frame.
    #[must_use]
    pub fn code(&self) -> u64 {
        match self {
            Self::Handshake => 1,
            Self::LowOrderKey => 2,
            Self::RecordLength(_) => 3,
            Self::RecordAuthentication => 4,
            Self::Number => 5,
            Self::FrameLength { .. } => 6,
            Self::UnknownFrame(_) => 7,
            Self::MalformedFrame(_) => 8,
            Self::UnexpectedFrame(_) => 9,
            Self::NotUtf8 => 10,
            Self::MessageTooLarge { .. } => 11,
            Self::BeyondCredit => 12,
            Self::Backwards => 13,
            Self::NeverSent(_) => 14,
            Self::Unproved => 15,
            Self::ResumePoint { .. } => 16,
        }
    }
}
