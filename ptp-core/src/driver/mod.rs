//! The driver: carries bytes between a transport and the protocol machine, with two threads.
//!
//! ```text
//!  Sender::send                                      reader thread: read() and open, unlocked
//!    lock → Connection::accept → unlock                lock → Connection::handle_* → unlock
//!    wake the writer only if it sleeps                 events.send(), unlocked
//!  writer thread: wait for work                      application: session.events().recv()
//!    lock → Connection::poll_transmit → unlock
//!    seal, write(), unlocked
//! ```
//!
//! `plain/` is the driver of conversations that are not encrypted; `link.rs` tells the two apart.
//!
//! The five laws that it keeps stand in docs/architecture.md. Locks are taken in one order:
//! `out`, then `state`, then `hangup`.

pub(crate) mod comeback;
mod course;
pub(crate) mod desk;
pub(crate) mod establish;
mod feed;
pub(crate) mod greeted;
mod line;
pub(crate) mod link;
mod out;
mod pairing;
pub(crate) mod plain;
mod reader;
mod resuming;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use crate::protocol::{Connection, Limits, ResumePoint, Violation};
use crate::transport::Hangup;
use comeback::Comeback;
use establish::Caller;
use feed::Feed;
use greeted::Established;
use link::{Link, Running};
use out::Out;
use reader::Reader;

/// How long the line must have been quiet before a caller writes itself rather than wake the
/// sleeping writer: in a burst the writer gathers more.
const QUIET: Duration = Duration::from_micros(50);

/// Longer than any program runs. A deadline further off would not fit into an `Instant`.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// When `timeout`, of any length, is over.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(FOREVER)
}

/// What the threads of a session share.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// The writer sleeps here.
    work: Condvar,
    /// Those sleep here who wait for room, for acknowledgements or for the end.
    progress: Condvar,
    /// The reader sleeps here while there is no connection.
    arrival: Condvar,
    out: Mutex<Out>,
    /// Ends the present connection, or the one that is being made. `None` where there is none: what
    /// keeps a sender then keeps no socket.
    hangup: Mutex<Option<Arc<dyn Hangup>>>,
}

/// What the lock protects. It is never held across I/O, a channel send or code of the application.
pub(crate) struct State {
    pub(crate) connection: Connection,
    writer_asleep: bool,
    /// Threads that sleep at `progress`.
    waiting: usize,
    /// Something arrived since a caller last wrote itself: probably this is the answer to it.
    received_since_write: bool,
    /// Sealed bytes are left that a caller could not write.
    part_written: bool,
    last_write: Instant,
    write_error: Option<io::Error>,
    /// This side no longer waits for the peer.
    given_up: bool,
    /// The application takes nothing more; the reader counts what it took before.
    abandoned: bool,
    /// There is no connection.
    down: bool,
    /// The number of the newest connection; those before it are worth nothing.
    generation: u64,
    /// A caller that goes on with the session, and waits to be attended to.
    successor: Option<Box<Caller>>,
    /// Nobody can call any more to go on with the session.
    door_closed: bool,
    /// The peer came back and began anew.
    replaced: bool,
    /// The reader has ended, and with it the session.
    pub(crate) ended: bool,
}

/// Starts a session's reader, which starts a writer for each connection. `comeback` is how it gets
/// another connection, if it can; `confirmed` is where the application says what it is done with, if
/// it is to say so; `batches` says whether messages that came together are one event.
pub(crate) fn start(
    established: Established,
    comeback: Option<Comeback>,
    confirmed: Option<Arc<AtomicU64>>,
    batches: bool,
) -> io::Result<Running> {
    let Established {
        sealer,
        writer,
        hangup,
        limits,
        ..
    } = established;
    let shared = Arc::new(Shared {
        state: Mutex::new(State::new(&limits, Instant::now())),
        work: Condvar::new(),
        progress: Condvar::new(),
        arrival: Condvar::new(),
        out: Mutex::new(Out::new(
            sealer,
            writer,
            Arc::clone(&hangup),
            limits.timeout,
        )),
        hangup: Mutex::new(Some(hangup)),
    });
    let (events_in, events) = crossbeam_channel::unbounded();
    let feed = Feed::new(events_in, confirmed, batches);
    let reader = Reader::new(
        Arc::clone(&shared),
        established.inbound,
        established.reader,
        feed,
    );
    let spawned = thread::Builder::new()
        .name("ptp-reader".into())
        .spawn(move || course::run(reader, comeback));
    if spawned.is_err() {
        shared.end();
    }
    Ok(Running {
        link: Link::Encrypted(shared),
        events,
        reader: spawned?,
    })
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock would be a bug of ours; the machine's state is still the best
        // knowledge there is of what was delivered.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for progress until `deadline`; with `None` until it comes.
    pub(crate) fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let mut state = match deadline {
            None => self
                .progress
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(deadline) => {
                let rest = deadline.saturating_duration_since(Instant::now());
                let waited = self.progress.wait_timeout(state, rest);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.waiting -= 1;
        state
    }

    /// Sleeps at `arrival`, for so long at the most.
    fn sleep<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        let waited = self.arrival.wait_timeout(state, most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Sees to it that what the machine now wants to send goes out. Takes the lock over.
    #[inline]
    pub(crate) fn transmit(&self, mut state: MutexGuard<'_, State>) {
        // The answer to what arrived, or the first word after a silence, is worth a write of its
        // own; whatever comes in a burst is gathered by the writer.
        let direct = state.received_since_write
            || (state.writer_asleep && state.last_write.elapsed() > QUIET)
            || state.connection.fills(out::BUDGET);
        if direct {
            state.received_since_write = false;
            drop(state);
            self.write_directly();
        } else {
            self.wake_writer(state);
        }
    }

    /// Wakes the writer if it sleeps and there is something to do.
    #[inline]
    fn wake_writer(&self, mut state: MutexGuard<'_, State>) {
        let wake = state.writer_asleep && state.has_work();
        if wake {
            state.writer_asleep = false;
        }
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }

    /// Writes what waits, as far as that goes without blocking.
    fn write_directly(&self) {
        let mut out = match self.out.try_lock() {
            Ok(out) => out,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Whoever holds it looks again before it lets the writer sleep.
            Err(TryLockError::WouldBlock) => return,
        };
        if !out.is_written() || !out.is_connected() {
            return;
        }
        let result = self.seal_next(&mut out).and_then(|()| out.write_some());
        let mut state = self.lock();
        state.last_write = Instant::now();
        state.part_written = !out.is_written();
        match result {
            Ok(()) => {
                drop(out);
                self.wake_writer(state);
            }
            Err(error) => self.fail(state, &out, error),
        }
    }

    /// Seals what is to be written next.
    fn seal_next(&self, out: &mut Out) -> io::Result<()> {
        self.lock()
            .connection
            .poll_transmit(out.frames(), out::BUDGET);
        let result = out.seal();
        if !out.lent().is_empty() {
            self.lock().connection.outbound().keep(out.lent());
        }
        result
    }

    /// Writing failed: the reader is to notice and to tell. Whoever fails still holds `out`, so that
    /// it is this connection that ends and not the next.
    fn fail(&self, mut state: MutexGuard<'_, State>, out: &Out, error: io::Error) {
        state.write_error.get_or_insert(error);
        drop(state);
        self.work.notify_one();
        out.hang_up();
    }

    /// Gives back the memory of the last burst.
    fn rest(&self) {
        // Whoever holds it is at work.
        if let Ok(mut out) = self.out.try_lock() {
            out.rest();
        }
        self.lock().connection.outbound().rest();
    }

    fn hang_up(&self) {
        let hangup = self.hangup();
        let present = hangup.clone();
        drop(hangup);
        if let Some(hangup) = present {
            hangup.hang_up();
        }
    }

    /// The connection has ended; its writer is to end, too.
    fn disconnect(&self) {
        self.lock().down = true;
        self.hang_up();
        self.work.notify_all();
        self.progress.notify_all();
    }

    /// Whether the end of the stream may be no word of the peer's: the system tells a reset only once,
    /// and perhaps told the writer; or this side hung up, because the peer calls anew.
    fn broke_off(&self) -> bool {
        let state = self.lock();
        state.write_error.is_some() || state.successor.is_some()
    }

    /// Lets go of the transport: both threads are done with it.
    fn release(&self) {
        self.hangup().take();
        self.out().release();
        let mut state = self.lock();
        // Nobody is to write, nor to wake a writer, until there is another connection.
        state.received_since_write = false;
        state.writer_asleep = false;
        state.part_written = false;
    }

    /// Another connection stands. Returns how many messages the peer does not have.
    fn take_up(&self, out: Out, limits: &Limits, point: ResumePoint) -> Result<u64, Violation> {
        let mut present = self.out();
        *present = out;
        let mut state = self.lock();
        state.down = false;
        state.write_error = None;
        state.received_since_write = true;
        state.last_write = Instant::now();
        let missing = state
            .connection
            .handle_resumed(Instant::now(), limits, point);
        self.progress.notify_all();
        missing
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hangup(&self) -> MutexGuard<'_, Option<Arc<dyn Hangup>>> {
        self.hangup.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everybody: there is nothing to wait for any more.
    fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.down = true;
        let successor = state.successor.take();
        drop(state);
        drop(successor);
        self.hang_up();
        self.work.notify_all();
        self.progress.notify_all();
    }
}

impl State {
    fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            connection: Connection::new(limits, now),
            writer_asleep: false,
            waiting: 0,
            received_since_write: true,
            part_written: false,
            last_write: now,
            write_error: None,
            given_up: false,
            abandoned: false,
            down: false,
            generation: 0,
            successor: None,
            door_closed: false,
            replaced: false,
            ended: false,
        }
    }

    /// Whether the session is to go on over another connection.
    fn is_wanted(&self) -> bool {
        !(self.given_up || self.replaced || self.door_closed || self.ended)
    }

    /// Whether no message is accepted any more.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.ended || self.connection.is_closing()
    }

    /// Whether the writer has something to do.
    fn has_work(&self) -> bool {
        self.part_written || self.connection.wants_transmit() || self.is_over()
    }

    /// Whether the writer of this connection has nothing to do ever again.
    fn is_over(&self) -> bool {
        self.down || self.write_error.is_some() || self.connection.is_finished()
    }
}
