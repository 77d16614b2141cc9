//! What carries a session's bytes: any reliable, ordered duplex stream.

mod duplex;
pub(crate) mod tcp;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use duplex::{Duplex, Faults, duplex};

/// A reliable, ordered stream of bytes in both directions, which splits into halves that two
/// threads use at the same time.
///
/// Every wait takes a deadline. [`duplex`] is one in memory; TCP is built in.
pub trait Transport: Send + 'static {
    /// Splits the stream.
    ///
    /// # Errors
    /// If the system refuses a second handle.
    fn split(self) -> io::Result<Halves>;
}

/// A transport, taken apart.
pub struct Halves {
    /// The incoming direction.
    pub reader: Box<dyn ReadHalf>,
    /// The outgoing direction.
    pub writer: Box<dyn WriteHalf>,
    /// Ends both.
    pub hangup: Arc<dyn Hangup>,
    /// Where the peer is, if it has an address.
    pub peer: Option<SocketAddr>,
}

/// The incoming direction of a transport.
pub trait ReadHalf: Send {
    /// Reads what is there into `buffer`, and waits for it until `deadline` at the latest.
    /// A deadline that has passed makes one attempt without waiting. `Ok(0)` is the end.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when nothing came in time; any other error is final.
    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize>;
}

/// The outgoing direction of a transport.
pub trait WriteHalf: Send {
    /// Writes at least one byte of `bytes`, and waits until `deadline` at the latest for room.
    /// A deadline that has passed makes one attempt without waiting.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when there was no room in time; any other error is final.
    fn write(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize>;

    /// Writes at least one byte of the first of `slices` that has any, and as many more as go at once,
    /// in their order. Otherwise as [`write`](Self::write), with which the default writes one slice.
    ///
    /// A large write comes in slices of some twenty and some thousand bytes in turn: where a call costs
    /// much, a transport should take them together.
    ///
    /// # Errors
    /// Those of `write`.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>], deadline: Instant) -> io::Result<usize> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        first.map_or(Ok(0), |first| self.write(first, deadline))
    }

    /// Tells the peer that nothing more comes; what was written still arrives.
    ///
    /// # Errors
    /// If the stream is broken already.
    fn finish(&mut self) -> io::Result<()>;

    /// Silence of the peer after which the system itself may give up, where it can.
    ///
    /// # Errors
    /// If the system refuses.
    fn limit_silence(&mut self, timeout: Duration) -> io::Result<()> {
        let _ = timeout;
        Ok(())
    }
}

/// Ends a transport from any thread.
pub trait Hangup: Send + Sync {
    /// Ends both directions at once. A blocked read or write returns; on systems where it does
    /// not, it returns at its deadline. Calling it again does nothing.
    fn hang_up(&self);
}
