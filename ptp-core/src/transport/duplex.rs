//! A bounded duplex stream in memory, which can be told to fail as a network does.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Halves, Hangup, ReadHalf, Transport, WriteHalf};

/// Two connected ends; each direction holds at most `capacity` bytes (at least one).
///
/// ```
/// use ptp_core::{Config, Role, Session, transport};
///
/// let (left, right) = transport::duplex(64 * 1024);
/// let listener = std::thread::spawn(|| Session::over(right, Role::Listener, &Config::open()));
/// let dialler = Session::over(left, Role::Dialler, &Config::open())?;
/// let listener = listener.join().expect("no panic")?;
/// assert_eq!(dialler.peer().public_key(), Some(listener.local_key()));
/// # Ok::<(), ptp_core::ConnectError>(())
/// ```
#[must_use]
pub fn duplex(capacity: usize) -> (Duplex, Duplex) {
    let (there, back) = (Pipe::new(capacity), Pipe::new(capacity));
    let left = Duplex {
        reader: Reader(Arc::clone(&back)),
        writer: Writer(Arc::clone(&there)),
    };
    let right = Duplex {
        reader: Reader(there),
        writer: Writer(back),
    };
    (left, right)
}

/// One end of [`duplex`]. Dropping it ends the stream for the other.
pub struct Duplex {
    reader: Reader,
    writer: Writer,
}

impl Duplex {
    /// A handle that makes the direction *from* this end fail.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults(Arc::clone(&self.writer.0))
    }
}

impl Transport for Duplex {
    fn split(self) -> io::Result<Halves> {
        let hangup = Both(Arc::clone(&self.reader.0), Arc::clone(&self.writer.0));
        Ok(Halves {
            reader: Box::new(self.reader),
            writer: Box::new(self.writer),
            hangup: Arc::new(hangup),
            peer: None,
        })
    }
}

/// Makes one direction of a [`duplex`] behave like a bad network.
#[derive(Clone)]
pub struct Faults(Arc<Pipe>);

impl Faults {
    /// Ends the direction where it stands: the reader gets what came before, then an error, and
    /// the writer an error at once.
    pub fn cut(&self) {
        self.0.change(|state| state.end = Some(End::Cut));
    }

    /// Lets nothing through any more, or again: a cable that is out.
    pub fn stall(&self, stalled: bool) {
        self.0.change(|state| state.stalled = stalled);
    }

    /// Lets at most `most` bytes (at least one) through at a time.
    pub fn slice(&self, most: usize) {
        self.0.change(|state| state.slice = most.max(1));
    }

    /// Changes the lowest bit of the byte that will be the `offset`-th from now, counted from 0.
    pub fn corrupt(&self, offset: u64) {
        self.0.change(|state| {
            let at = state.passed + offset;
            state.corrupt.push(at);
        });
    }

    /// Cuts the direction in front of the `offset`-th byte from now, counted from 0.
    pub fn cut_at(&self, offset: u64) {
        self.0
            .change(|state| state.cut_at = Some(state.passed + offset));
    }
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    /// The writer finished.
    Finished,
    /// The network broke.
    Cut,
}

struct State {
    bytes: VecDeque<u8>,
    capacity: usize,
    end: Option<End>,
    stalled: bool,
    slice: usize,
    /// Bytes that were written since the beginning.
    passed: u64,
    corrupt: Vec<u64>,
    cut_at: Option<u64>,
}

impl State {
    /// Takes over what fits of the bytes.
    fn write(&mut self, slices: &[IoSlice<'_>]) -> usize {
        let mut room = self.capacity - self.bytes.len();
        if let Some(at) = self.cut_at {
            room = room.min((at - self.passed) as usize);
        }
        let bytes = slices.iter().flat_map(|slice| slice.iter());
        let before = self.passed;
        for byte in bytes.take(room.min(self.slice)) {
            let corrupted = self.corrupt.contains(&self.passed);
            self.bytes.push_back(byte ^ u8::from(corrupted));
            self.passed += 1;
        }
        if self.cut_at == Some(self.passed) {
            self.end = Some(End::Cut);
        }
        (self.passed - before) as usize
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let length = buffer.len().min(self.bytes.len()).min(self.slice);
        for (place, byte) in buffer.iter_mut().zip(self.bytes.drain(..length)) {
            *place = byte;
        }
        length
    }
}

struct Pipe {
    state: Mutex<State>,
    changed: Condvar,
}

impl Pipe {
    fn new(capacity: usize) -> Arc<Self> {
        let state = State {
            bytes: VecDeque::new(),
            capacity: capacity.max(1),
            end: None,
            stalled: false,
            slice: usize::MAX,
            passed: 0,
            corrupt: Vec::new(),
            cut_at: None,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits for `attempt` to yield something.
    fn wait(
        &self,
        deadline: Instant,
        mut attempt: impl FnMut(&mut State) -> Option<io::Result<usize>>,
    ) -> io::Result<usize> {
        let mut state = self.lock();
        loop {
            if let Some(result) = attempt(&mut state) {
                drop(state);
                self.changed.notify_all();
                return result;
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let waited = self.changed.wait_timeout(state, rest);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

struct Reader(Arc<Pipe>);

impl ReadHalf for Reader {
    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        self.0.wait(deadline, |state| match state.end {
            _ if !state.bytes.is_empty() && !state.stalled => Some(Ok(state.read(buffer))),
            Some(End::Finished) if !state.stalled => Some(Ok(0)),
            Some(End::Cut) => Some(Err(io::ErrorKind::ConnectionReset.into())),
            _ => None,
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0
            .change(|state| state.end = state.end.or(Some(End::Cut)));
    }
}

struct Writer(Arc<Pipe>);

impl WriteHalf for Writer {
    fn write(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)], deadline)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>], deadline: Instant) -> io::Result<usize> {
        self.0.wait(deadline, |state| {
            if state.end.is_some() {
                return Some(Err(io::ErrorKind::BrokenPipe.into()));
            }
            match state.write(slices) {
                0 if state.end.is_some() => Some(Err(io::ErrorKind::BrokenPipe.into())),
                0 => None,
                length => Some(Ok(length)),
            }
        })
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0
            .change(|state| state.end = state.end.or(Some(End::Finished)));
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0
            .change(|state| state.end = state.end.or(Some(End::Finished)));
    }
}

struct Both(Arc<Pipe>, Arc<Pipe>);

impl Hangup for Both {
    fn hang_up(&self) {
        for pipe in [&self.0, &self.1] {
            pipe.change(|state| state.end = state.end.or(Some(End::Cut)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> (Halves, Halves, Faults) {
        let (left, right) = duplex(4);
        let faults = left.faults();
        (left.split().unwrap(), right.split().unwrap(), faults)
    }

    fn past() -> Instant {
        Instant::now()
    }

    #[test]
    fn it_is_bounded_and_ends_after_what_was_written() {
        let (mut left, mut right, _) = ends();
        assert_eq!(left.writer.write(b"abcdef", past()).unwrap(), 4);
        let full = left.writer.write(b"ef", past()).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::TimedOut);
        left.writer.finish().unwrap();
        let mut buffer = [0; 8];
        assert_eq!(right.reader.read(&mut buffer, past()).unwrap(), 4);
        assert_eq!(&buffer[..4], b"abcd");
        assert_eq!(right.reader.read(&mut buffer, past()).unwrap(), 0);
    }

    #[test]
    fn it_takes_as_much_of_several_slices_as_fits() {
        let (mut left, mut right, faults) = ends();
        let slices = [&b"a"[..], b"", b"bc", b"def"].map(IoSlice::new);
        assert_eq!(left.writer.write_vectored(&slices, past()).unwrap(), 4);
        let mut buffer = [0; 8];
        assert_eq!(right.reader.read(&mut buffer, past()).unwrap(), 4);
        assert_eq!(&buffer[..4], b"abcd");
        faults.slice(2);
        assert_eq!(left.writer.write_vectored(&slices, past()).unwrap(), 2);
    }

    #[test]
    fn it_stalls_slices_corrupts_and_cuts() {
        let (mut left, mut right, faults) = ends();
        let mut buffer = [0; 8];
        faults.slice(1);
        faults.corrupt(1);
        assert_eq!(left.writer.write(b"ab", past()).unwrap(), 1);
        assert_eq!(left.writer.write(b"bb", past()).unwrap(), 1);
        faults.stall(true);
        assert!(right.reader.read(&mut buffer, past()).is_err());
        faults.stall(false);
        assert_eq!(right.reader.read(&mut buffer, past()).unwrap(), 1);
        assert_eq!(right.reader.read(&mut buffer, past()).unwrap(), 1);
        assert_eq!(buffer[0], b'b' ^ 1);
        faults.cut();
        let lost = right.reader.read(&mut buffer, past()).unwrap_err();
        assert_eq!(lost.kind(), io::ErrorKind::ConnectionReset);
        assert!(left.writer.write(b"c", past()).is_err());
    }
}
