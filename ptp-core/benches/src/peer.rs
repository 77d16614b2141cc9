//! What a peer has to be able to do, and the framing for those that only carry bytes.

use std::thread;

use crate::Result;
use crate::numbered::{Sink, Source};

/// One side of a conversation by some library.
///
/// Every method is called through static dispatch, so the harness costs a message nothing.
pub(crate) trait Peer: Sized {
    /// What waits for the other side.
    type Listener;

    /// Listens on a free port of 127.0.0.1 for messages of `size` bytes; the text is what
    /// [`Peer::connect`] needs to find it and to trust it.
    fn listen(size: usize) -> Result<(Self::Listener, String)>;

    /// Waits for the other side, for messages of `size` bytes.
    fn accept(listener: Self::Listener, size: usize) -> Result<Self>;

    /// Connects to what `listen` gave.
    fn connect(address: &str, size: usize) -> Result<Self>;

    /// Sends a message, or puts it into the batch.
    fn send(&mut self, message: &[u8]) -> Result<()>;

    /// Lets go what is in the batch.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Blocks until something comes, and hands over the messages that are there.
    fn recv(&mut self, take: impl FnMut(&[u8])) -> Result<()>;

    /// Sends all of `source` and receives all of `sink`, both at once.
    fn exchange(&mut self, source: &mut Source, sink: &mut Sink) -> Result<()>;

    /// Ends the conversation; everything has been received.
    fn close(self) -> Result<()> {
        Ok(())
    }
}

/// [`Peer::exchange`] for two halves that work alone: the second receives in a thread of its own.
pub(crate) fn exchange_in_threads(
    send: impl FnOnce() -> Result<()>,
    receive: impl FnOnce() -> Result<()> + Send,
) -> Result<()> {
    thread::scope(|scope| {
        let receiving = scope.spawn(receive);
        send()?;
        receiving
            .join()
            .map_err(|_| "the receiving thread panicked")?
    })
}

/// What a stream's sender collects before it writes.
pub(crate) const BATCH: usize = 256 * 1024;
/// What a stream's receiver reads at once.
const READ: usize = 256 * 1024;
/// The longest message and its prefix.
const LONGEST: usize = 64 * 1024 + 4;

/// Appends a message behind its length.
#[inline]
pub(crate) fn frame(batch: &mut Vec<u8>, message: &[u8]) {
    batch.extend_from_slice(&(message.len() as u32).to_le_bytes());
    batch.extend_from_slice(message);
}

/// Received bytes, parsed where they lie.
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; READ + LONGEST],
            start: 0,
            end: 0,
        }
    }

    /// Where to read to: 256 KiB. What was begun and is incomplete moves to the front.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        &mut self.buffer[self.end..]
    }

    /// So many bytes were read; zero of them is the stream's end.
    pub(crate) fn filled(&mut self, bytes: usize) -> Result<()> {
        self.end += bytes;
        if bytes == 0 {
            Err("the other side closed".into())
        } else {
            Ok(())
        }
    }

    /// Hands over every complete message, and says whether there was one.
    #[inline]
    pub(crate) fn drain(&mut self, mut take: impl FnMut(&[u8])) -> bool {
        let before = self.start;
        while let Some((prefix, rest)) = self.buffer[self.start..self.end].split_first_chunk() {
            let length = u32::from_le_bytes(*prefix) as usize;
            let Some(message) = rest.get(..length) else {
                break;
            };
            take(message);
            self.start += prefix.len() + length;
        }
        self.start > before
    }
}
