//! A listener: one thread accepts, and each caller's handshake has a thread of its own.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use socket2::SockRef;

use crate::config::Config;
use crate::driver::{deadline, establish};
use crate::error::{ConnectError, ListenError};
use crate::protocol::{Answer, Refusal};
use crate::session::Session;
use crate::transport::{Transport, tcp};
use crate::trust::Identity;

/// The longest wait for a caller: Linux ends a wait on a socket that is shut down, elsewhere a
/// listener that is closed is noticed at the next look.
const ACCEPT_WAIT: Duration = if cfg!(target_os = "linux") {
    Duration::from_secs(3600)
} else {
    Duration::from_millis(200)
};
/// The pause after the system refused a caller's socket (no descriptors, no memory).
const BACKOFF: Duration = Duration::from_millis(100);

/// Waits for peers at an address. Handshakes are carried out whether or not the application is
/// in [`accept`](Self::accept): callers who come while all sessions are taken are told `busy`, and
/// strangers who never finish a handshake hold nobody up.
///
/// Dropping it closes it; sessions that were accepted go on.
pub struct Listener {
    shared: Arc<Shared>,
    sessions: Receiver<Session>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    socket: TcpListener,
    config: Config,
    identity: Identity,
    closed: AtomicBool,
    live: Arc<AtomicUsize>,
    handshakes: Mutex<Handshakes>,
}

/// The handshakes that are under way, the oldest first.
#[derive(Default)]
struct Handshakes {
    next: u64,
    under_way: VecDeque<(u64, TcpStream)>,
}

/// Counts a session for as long as it is held.
pub(crate) struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Listener {
    /// Listens at `address`, `"ADDRESS:PORT"`; port 0 means any that is free. `":PORT"` means all
    /// addresses, IPv4 and IPv6 on one socket where the system can.
    ///
    /// # Errors
    /// If the address is none of this machine or is in use.
    ///
    /// ```
    /// let listener = ptp_core::Listener::bind("127.0.0.1:0", &ptp_core::Config::open())?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind(address: &str, config: &Config) -> Result<Self, ListenError> {
        let socket = bind(address)?;
        let identity = match &config.identity {
            Some(identity) => identity.clone(),
            None => Identity::generate()?,
        };
        let shared = Arc::new(Shared {
            socket,
            config: config.clone(),
            identity,
            closed: AtomicBool::new(false),
            live: Arc::default(),
            handshakes: Mutex::default(),
        });
        let (sender, sessions) = crossbeam_channel::unbounded();
        let thread = thread::Builder::new().name("ptp-listener".into()).spawn({
            let shared = Arc::clone(&shared);
            move || run(&shared, &sender)
        });
        Ok(Self {
            shared,
            sessions,
            thread: Some(thread.map_err(ListenError::Thread)?),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.socket.local_addr()
    }

    /// Waits, without limit, for the next session.
    ///
    /// # Errors
    /// [`ConnectError::ListenerClosed`]. A caller whose handshake fails is no error: the wait
    /// goes on, and the log says so.
    pub fn accept(&self) -> Result<Session, ConnectError> {
        self.sessions
            .recv()
            .map_err(|_| ConnectError::ListenerClosed)
    }

    /// As [`accept`](Self::accept), for at most `timeout`; `None` if nobody came.
    ///
    /// # Errors
    /// [`ConnectError::ListenerClosed`].
    pub fn accept_timeout(&self, timeout: Duration) -> Result<Option<Session>, ConnectError> {
        match self.sessions.recv_timeout(timeout) {
            Ok(session) => Ok(Some(session)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(ConnectError::ListenerClosed),
        }
    }

    /// Stops listening: an `accept` that waits returns, and handshakes under way are broken off.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        // Wakes the accepting thread where the system does that.
        let _ = SockRef::from(&self.shared.socket).shutdown(std::net::Shutdown::Both);
        for (_, stream) in &self.shared.handshakes().under_way {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
        if let Some(thread) = self.thread.take() {
            // It panics only by a bug of ours, and has then told so itself.
            let _ = thread.join();
        }
    }
}

// Here and not beside the other ways to a session, because a session knows no listener.
impl Session {
    /// Listens at `address` and waits, without limit, for the first peer. While the session lasts,
    /// further callers are told that it is busy. For a limit, or for more than one session, use a
    /// [`Listener`]; `address` is as there.
    ///
    /// # Errors
    /// If the address can't be used.
    pub fn listen(address: &str, config: &Config) -> Result<Self, ConnectError> {
        let mut config = config.clone();
        config.max_sessions = 1;
        let listener = Listener::bind(address, &config)?;
        let mut session = listener.accept()?;
        session.hold(listener);
        Ok(session)
    }
}

fn bind(address: &str) -> Result<TcpListener, ListenError> {
    let unusable = |cause| ListenError::Address {
        address: address.to_owned(),
        cause,
    };
    let everywhere = address.strip_prefix(':').map(|port| {
        [format!("[::]:{port}"), format!("0.0.0.0:{port}")].map(|address| address.to_socket_addrs())
    });
    let addresses: Vec<SocketAddr> = match everywhere {
        Some([v6, v4]) => v6.and_then(|v6| Ok(v6.chain(v4?).collect())),
        None => address.to_socket_addrs().map(Iterator::collect),
    }
    .map_err(unusable)?;
    let mut failure = None;
    for address in addresses {
        match tcp::listen(address) {
            Ok(socket) => return Ok(socket),
            // A port that is taken is not free for half of the addresses.
            Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => {
                return Err(ListenError::Bind { address, cause });
            }
            Err(cause) => failure = Some(ListenError::Bind { address, cause }),
        }
    }
    Err(failure.unwrap_or_else(|| unusable(io::ErrorKind::NotFound.into())))
}

fn run(shared: &Arc<Shared>, sessions: &Sender<Session>) {
    while !shared.closed.load(Ordering::Acquire) {
        match tcp::accept(&shared.socket, Instant::now() + ACCEPT_WAIT) {
            Ok(stream) => start_handshake(shared, stream, sessions.clone()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(_) if shared.closed.load(Ordering::Acquire) => {}
            Err(error) => {
                log::warn!("a caller can't be accepted: {error}");
                thread::park_timeout(BACKOFF);
            }
        }
    }
}

/// Carries out a caller's handshake in a thread of its own.
fn start_handshake(shared: &Arc<Shared>, stream: TcpStream, sessions: Sender<Session>) {
    let from = stream.peer_addr().map(tcp::unmapped);
    let number = match stream.try_clone() {
        Ok(stream) => shared
            .handshakes()
            .begin(stream, shared.config.max_handshakes),
        Err(error) => return log::warn!("a caller can't be answered: {error}"),
    };
    // Closed since this caller came: nobody else would break its handshake off.
    if shared.closed.load(Ordering::Acquire) {
        return shared.handshakes().end(number);
    }
    let spawned = thread::Builder::new().name("ptp-handshake".into()).spawn({
        let shared = Arc::clone(shared);
        move || {
            let result = handshake(&shared, stream);
            shared.handshakes().end(number);
            match result {
                // Fails only if the listener was dropped meanwhile; that closes the session.
                Ok(session) => drop(sessions.send(session)),
                Err(error) => log::info!("a caller from {from:?} was turned away: {error}"),
            }
        }
    });
    if let Err(error) = spawned {
        log::warn!("a caller can't be answered: {error}");
        shared.handshakes().refuse(number);
    }
}

fn handshake(shared: &Shared, stream: TcpStream) -> Result<Session, ConnectError> {
    let deadline = deadline(shared.config.handshake_timeout);
    let halves = stream.split().map_err(|cause| ConnectError::Io {
        stage: crate::Stage::Connect,
        cause,
    })?;
    let mut slot = None;
    let (config, identity) = (&shared.config, &shared.identity);
    let established = establish::answer(halves, config, identity, deadline, |_| {
        slot = shared.free_slot();
        slot.as_ref().map(|_| ()).ok_or(Refusal::Busy)
    })?;
    let mut session = Session::start(established, config, identity)?;
    session.hold(slot);
    Ok(session)
}

impl Shared {
    fn handshakes(&self) -> MutexGuard<'_, Handshakes> {
        self.handshakes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn free_slot(&self) -> Option<Slot> {
        let most = self.config.max_sessions;
        self.live
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |live| {
                (live < most).then_some(live + 1)
            })
            .ok()
            .map(|_| Slot(Arc::clone(&self.live)))
    }
}

impl Handshakes {
    /// Enters a caller; the oldest gives way if there are `most` already.
    fn begin(&mut self, stream: TcpStream, most: usize) -> u64 {
        if self.under_way.len() >= most.max(1)
            && let Some((_, oldest)) = self.under_way.pop_front()
        {
            let _ = oldest.shutdown(std::net::Shutdown::Both);
        }
        self.next += 1;
        self.under_way.push_back((self.next, stream));
        self.next
    }

    fn end(&mut self, number: u64) {
        self.under_way.retain(|(other, _)| *other != number);
    }

    /// Tells a caller whom nobody can attend to.
    fn refuse(&mut self, number: u64) {
        if let Some((_, mut stream)) = self.under_way.pop_back_if(|(last, _)| *last == number) {
            let line = Answer::Overloaded.line();
            // The first bytes of a connection always find room; who is gone need not be told.
            let _ = io::Write::write(&mut stream, line.as_bytes());
        }
    }
}
