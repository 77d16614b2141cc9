//! Frames: kind, length, body. Encodes and decodes them within hard limits.
//!
//! Records carry one continuous stream of frames; a frame may straddle records. Decoding never
//! allocates by a declared length: "need more" is a value (`None`).

use super::error::Violation;
use super::varint;

/// The longest body of a message frame: what is longer goes in parts of this size, so that
/// control frames wait for 64 KiB at the most.
pub(crate) const MAX_PART: usize = 64 * 1024;
/// The longest body of any other frame that this version knows.
pub(crate) const MAX_CONTROL: usize = 256;
/// The longest name of a peer, in bytes of UTF-8.
pub(crate) const MAX_NAME: usize = 64;

/// Bytes of a pairing share, and of a confirmation (docs/protocol.md, "Pairing").
pub(crate) const SHARE: usize = 33;
pub(crate) const CONFIRMATION: usize = 32;

/// The kinds of frame. Those from `FIRST_IGNORABLE` on are skipped where they are not known.
pub(crate) mod kind {
    pub(crate) const TEXT: u8 = 0x01;
    pub(crate) const BINARY: u8 = 0x02;
    pub(crate) const PART: u8 = 0x03;
    pub(crate) const ACK: u8 = 0x04;
    pub(crate) const ACK_REQUEST: u8 = 0x05;
    pub(crate) const PING: u8 = 0x06;
    pub(crate) const PONG: u8 = 0x07;
    pub(crate) const BYE: u8 = 0x08;
    pub(crate) const FAULT: u8 = 0x09;
    pub(crate) const WELCOME: u8 = 0x0a;
    pub(crate) const REFUSED: u8 = 0x0b;
    pub(crate) const NAME: u8 = 0x0c;
    pub(crate) const SHARE: u8 = 0x0d;
    pub(crate) const CONFIRMATION: u8 = 0x0e;
    pub(crate) const GONE: u8 = 0x0f;
    pub(crate) const SECRET: u8 = 0x10;
    pub(crate) const FIRST_IGNORABLE: u8 = 0x80;
    pub(crate) const TIME: u8 = 0x81;
}

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: u8,
    /// Bytes of the header itself.
    pub(crate) header: usize,
    /// Bytes of the body.
    pub(crate) body: usize,
}

impl Header {
    /// Bytes of the whole frame.
    pub(crate) fn frame(&self) -> usize {
        self.header + self.body
    }
}

/// Reads a header from the front of `bytes`; `None` if more bytes are needed.
#[inline]
pub(crate) fn header(bytes: &[u8]) -> Result<Option<Header>, Violation> {
    let [kind, rest @ ..] = bytes else {
        return Ok(None);
    };
    let longest = longest_body(*kind)?;
    // Nearly every message is shorter than 128 bytes: one byte of length.
    let (length, taken) = match rest {
        [short @ 0..0x80, ..] => (u64::from(*short), 1),
        _ => match varint::take(&rest[..rest.len().min(varint::MAX_LEN)])? {
            Some(found) => found,
            None => return Ok(None),
        },
    };
    if length > longest as u64 {
        return Err(Violation::FrameLength {
            kind: *kind,
            length,
        });
    }
    Ok(Some(Header {
        kind: *kind,
        header: 1 + taken,
        body: length as usize,
    }))
}

fn longest_body(kind: u8) -> Result<usize, Violation> {
    match kind {
        kind::TEXT | kind::BINARY | kind::SECRET | kind::PART => Ok(MAX_PART),
        kind::ACK..=kind::GONE => Ok(MAX_CONTROL),
        kind::FIRST_IGNORABLE.. => Ok(MAX_PART),
        unknown => Err(Violation::UnknownFrame(unknown)),
    }
}

/// Appends a header.
#[inline]
pub(crate) fn put_header(out: &mut Vec<u8>, kind: u8, body: usize) {
    if body < 0x80 {
        // Nearly every message.
        return out.extend_from_slice(&[kind, body as u8]);
    }
    out.push(kind);
    varint::put(out, body as u64);
}

/// How many messages and bytes a side may send in all since the session began; it only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credit {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// Where the other side is to go on: how many messages this side has, and how many bytes of the
/// next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResumePoint {
    pub(crate) received: u64,
    pub(crate) partial: u64,
}

/// A side's limits, its session and where it stands: in handshake message 3 and in `Welcome`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    /// Chosen by the dialler; the listener repeats it.
    pub(crate) session: [u8; 16],
    /// Which connection of the session this is, from 0.
    pub(crate) generation: u64,
    /// The largest message that this side takes, in bytes.
    pub(crate) max_message: u64,
    /// Milliseconds of silence after which this side takes the other for dead.
    pub(crate) timeout_ms: u64,
    /// What the other side may send.
    pub(crate) credit: Credit,
    pub(crate) resume: ResumePoint,
    /// Whether the dialler trusts the listener's key; a listener states `NotNeeded`.
    pub(crate) pairing: Pairing,
}

/// What a dialler says of pairing, once it has seen the listener's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// It trusts the key.
    NotNeeded,
    /// It does not yet, and has a code: its share comes next.
    Offered,
    /// It does not, and has no code.
    Wanted,
}

impl Pairing {
    fn number(self) -> u64 {
        match self {
            Self::NotNeeded => 0,
            Self::Offered => 1,
            Self::Wanted => 2,
        }
    }

    /// What is not known of a later version at least is no trust.
    fn from_number(number: u64) -> Self {
        match number {
            0 => Self::NotNeeded,
            1 => Self::Offered,
            _ => Self::Wanted,
        }
    }
}

impl Opening {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.session);
        for number in [
            self.generation,
            self.max_message,
            self.timeout_ms,
            self.credit.messages,
            self.credit.bytes,
            self.resume.received,
            self.resume.partial,
            self.pairing.number(),
        ] {
            varint::put(out, number);
        }
    }

    /// Reads an opening; what stands behind it is left for later versions.
    pub(crate) fn take(body: &[u8]) -> Option<Self> {
        let (session, rest) = body.split_first_chunk::<16>()?;
        let mut rest = rest;
        let mut number = || take_number(&mut rest);
        Some(Self {
            session: *session,
            generation: number()?,
            max_message: number()?,
            timeout_ms: number()?,
            credit: Credit {
                messages: number()?,
                bytes: number()?,
            },
            resume: ResumePoint {
                received: number()?,
                partial: number()?,
            },
            pairing: Pairing::from_number(number()?),
        })
    }
}

/// Why a listener did not let a dialler in (after the handshake, encrypted).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Busy,
    NotTrusted,
    PairingNeeded,
    WrongCode,
    UnknownSession,
    /// This listener does not pair: it has no code to show.
    NoPairing,
    /// A reason of a later version.
    Other(u64),
}

impl Refusal {
    fn code(self) -> u64 {
        match self {
            Self::Busy => 1,
            Self::NotTrusted => 2,
            Self::PairingNeeded => 3,
            Self::WrongCode => 4,
            Self::UnknownSession => 5,
            Self::NoPairing => 6,
            Self::Other(code) => code,
        }
    }

    fn from_code(code: u64) -> Self {
        match code {
            1 => Self::Busy,
            2 => Self::NotTrusted,
            3 => Self::PairingNeeded,
            4 => Self::WrongCode,
            5 => Self::UnknownSession,
            6 => Self::NoPairing,
            other => Self::Other(other),
        }
    }
}

/// A frame that is not a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// The application took all up to this number; and what may be sent now.
    Ack {
        messages: u64,
        credit: Credit,
    },
    /// Acknowledge soon: somebody waits for it.
    AckRequest,
    /// Answer with the same number.
    Ping(u64),
    Pong(u64),
    /// No more messages come; acks, credit and pongs still do.
    Bye,
    /// The sender of this ends the connection because of what its peer did.
    Fault(u64),
    Welcome(Opening),
    Refused(Refusal),
    Name(String),
    /// One side's part of a pairing run, and its proof that it knew the code.
    Share([u8; SHARE]),
    Confirmation([u8; CONFIRMATION]),
    /// The sender of this ends the session here, and takes up no connection of it again.
    Gone,
}

impl Control {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        let kind = match self {
            Self::Ack { messages, credit } => {
                varint::put(&mut body, *messages);
                varint::put(&mut body, credit.messages);
                varint::put(&mut body, credit.bytes);
                kind::ACK
            }
            Self::AckRequest => kind::ACK_REQUEST,
            Self::Ping(number) => {
                varint::put(&mut body, *number);
                kind::PING
            }
            Self::Pong(number) => {
                varint::put(&mut body, *number);
                kind::PONG
            }
            Self::Bye => kind::BYE,
            Self::Fault(code) => {
                varint::put(&mut body, *code);
                kind::FAULT
            }
            Self::Welcome(opening) => {
                opening.put(&mut body);
                kind::WELCOME
            }
            Self::Refused(refusal) => {
                varint::put(&mut body, refusal.code());
                kind::REFUSED
            }
            Self::Name(name) => {
                body.extend_from_slice(name.as_bytes());
                kind::NAME
            }
            Self::Share(share) => {
                body.extend_from_slice(share);
                kind::SHARE
            }
            Self::Confirmation(confirmation) => {
                body.extend_from_slice(confirmation);
                kind::CONFIRMATION
            }
            Self::Gone => kind::GONE,
        };
        put_header(out, kind, body.len());
        out.extend_from_slice(&body);
    }

    /// Reads the body of a control frame; `None` for an ignorable kind.
    pub(crate) fn take(kind: u8, body: &[u8]) -> Result<Option<Self>, Violation> {
        let malformed = Violation::MalformedFrame(kind);
        let mut rest = body;
        let mut number = || take_number(&mut rest).ok_or(malformed);
        Ok(Some(match kind {
            kind::ACK => Self::Ack {
                messages: number()?,
                credit: Credit {
                    messages: number()?,
                    bytes: number()?,
                },
            },
            kind::ACK_REQUEST => Self::AckRequest,
            kind::PING => Self::Ping(number()?),
            kind::PONG => Self::Pong(number()?),
            kind::BYE => Self::Bye,
            kind::FAULT => Self::Fault(number()?),
            kind::WELCOME => Self::Welcome(Opening::take(body).ok_or(malformed)?),
            kind::REFUSED => Self::Refused(Refusal::from_code(number()?)),
            kind::NAME => Self::Name(take_name(body).ok_or(malformed)?),
            kind::SHARE => Self::Share(body.try_into().map_err(|_| malformed)?),
            kind::CONFIRMATION => Self::Confirmation(body.try_into().map_err(|_| malformed)?),
            kind::GONE => Self::Gone,
            kind::FIRST_IGNORABLE.. => return Ok(None),
            unknown => return Err(Violation::UnknownFrame(unknown)),
        }))
    }
}

/// Appends a `Time` frame: when the messages behind it were accepted, in Unix milliseconds.
pub(crate) fn put_time(out: &mut Vec<u8>, unix_ms: u64) {
    let mut body = Vec::with_capacity(varint::MAX_LEN);
    varint::put(&mut body, unix_ms);
    put_header(out, kind::TIME, body.len());
    out.extend_from_slice(&body);
}

/// Reads the body of a `Time` frame.
pub(crate) fn take_time(mut body: &[u8]) -> Result<u64, Violation> {
    take_number(&mut body).ok_or(Violation::MalformedFrame(kind::TIME))
}

fn take_name(body: &[u8]) -> Option<String> {
    let name = str::from_utf8(body).ok()?;
    (name.len() <= MAX_NAME).then(|| name.to_owned())
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let (number, taken) = varint::take(rest).ok()??;
    *rest = &rest[taken..];
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> Opening {
        Opening {
            session: [7; 16],
            generation: 1,
            max_message: 1 << 24,
            timeout_ms: 45_000,
            credit: Credit {
                messages: 65_536,
                bytes: 1 << 23,
            },
            resume: ResumePoint {
                received: 300,
                partial: u64::MAX,
            },
            pairing: Pairing::Offered,
        }
    }

    #[test]
    fn every_control_frame_comes_back() {
        let frames = [
            Control::Ack {
                messages: 5,
                credit: Credit {
                    messages: u64::MAX,
                    bytes: 0,
                },
            },
            Control::AckRequest,
            Control::Ping(0),
            Control::Pong(u64::MAX),
            Control::Bye,
            Control::Fault(12),
            Control::Welcome(opening()),
            Control::Refused(Refusal::Busy),
            Control::Refused(Refusal::Other(99)),
            Control::Name("Ana".into()),
            Control::Share([0x41; SHARE]),
            Control::Confirmation([0xff; CONFIRMATION]),
        ];
        for frame in frames {
            let mut out = Vec::new();
            frame.put(&mut out);
            let head = header(&out).unwrap().unwrap();
            assert_eq!(head.frame(), out.len());
            assert_eq!(
                Control::take(head.kind, &out[head.header..]),
                Ok(Some(frame))
            );
        }
    }

    #[test]
    fn every_claimed_length_is_checked_before_anything_is_kept() {
        let lengths = [
            0,
            1,
            0xffff,
            1 << 16,
            (1 << 16) + 1,
            (1 << 31) - 1,
            u64::from(u32::MAX),
            u64::MAX,
        ];
        for length in lengths {
            for kind in 0..=u8::MAX {
                let mut out = vec![kind];
                varint::put(&mut out, length);
                match (header(&out), longest_body(kind)) {
                    (Ok(Some(found)), Ok(longest)) => {
                        assert!(found.body <= longest);
                        assert_eq!(found.body as u64, length);
                    }
                    (Err(Violation::FrameLength { .. }), Ok(longest)) => {
                        assert!(length > longest as u64);
                    }
                    (Err(Violation::UnknownFrame(_)), Err(_)) => {}
                    other => panic!("kind {kind}, length {length}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn an_opening_may_be_followed_by_what_a_later_version_adds() {
        let mut out = Vec::new();
        opening().put(&mut out);
        for cut in 0..out.len() {
            assert_eq!(Opening::take(&out[..cut]), None);
        }
        out.extend_from_slice(b"later");
        assert_eq!(Opening::take(&out), Some(opening()));
    }

    #[test]
    fn what_a_later_version_says_of_pairing_is_no_trust() {
        let mut known = Vec::new();
        opening().put(&mut known);
        known.pop();
        for (number, pairing) in [
            (0, Pairing::NotNeeded),
            (1, Pairing::Offered),
            (2, Pairing::Wanted),
            (3, Pairing::Wanted),
            (1 << 63, Pairing::Wanted),
            (u64::MAX, Pairing::Wanted),
        ] {
            let mut body = known.clone();
            varint::put(&mut body, number);
            assert_eq!(Opening::take(&body).unwrap().pairing, pairing);
        }
    }

    #[test]
    fn a_name_is_short_and_utf8() {
        assert!(Control::take(kind::NAME, &[b'a'; MAX_NAME]).is_ok());
        assert!(Control::take(kind::NAME, &[b'a'; MAX_NAME + 1]).is_err());
        assert!(Control::take(kind::NAME, &[0xff]).is_err());
    }
}
