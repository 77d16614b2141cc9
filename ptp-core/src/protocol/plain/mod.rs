//! The other protocol: text without keys, for a peer that has only nc, telnet or the original
//! program. It knows no acknowledgement, no resume and no goodbye but the end of the stream.
//!
//! ```text
//! bytes ──→ Telnet: commands out ──→ Lines: a line, or what stood still for 40 ms ──→ messages
//! messages ──→ Queue: pieces of at most 4,096 bytes, 50 ms apart ──→ one write each
//! ```
//!
//! [`Lines`] is the reader's alone; [`Queue`] is shared under the driver's lock. Call
//! `handle_read` with what came, `handle_timeout` at `next_timeout`, `handle_end` last; and
//! `poll_transmit` at the queue's `next_timeout`, then `handle_written`.

mod lines;
mod queue;
mod telnet;

pub(crate) use lines::{Lines, SpeaksPtp};
pub(crate) use queue::Queue;

/// How PTP greets. Who does is not talked to like this.
pub(crate) const GREETING: &[u8] = b"PTP/";

/// How the peer ends its lines, and so how it is written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// As nc does, and whoever has not said anything yet is taken to.
    #[default]
    Lf,
    /// As telnet does.
    CrLf,
    /// Not at all, as the original program does: each write is a message.
    Nothing,
}

impl LineEnd {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::Nothing => b"",
        }
    }
}

#[cfg(test)]
mod tests;
