//! A listener: one thread accepts, and each caller's handshake has a thread of its own.

mod incoming;
mod members;
mod notice;
mod reception;
mod under_way;

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use socket2::SockRef;

use crate::config::Config;
use crate::driver::desk::SharedDesk;
use crate::error::{ConnectError, ListenError};
use crate::session::Session;
use crate::transport::tcp;
use crate::trust::{Identity, Strangers};

pub use incoming::Incoming;
use incoming::Queue;
use members::Members;
use notice::Board;
pub use notice::Notice;
use under_way::UnderWay;

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
/// Dropping it closes it; sessions that were accepted go on as long as their connections last. For
/// peers that come back after a loss it must listen.
pub struct Listener {
    shared: Arc<Shared>,
    sessions: Receiver<Session>,
    incoming: Receiver<Incoming>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    socket: TcpListener,
    config: Config,
    identity: Identity,
    closed: AtomicBool,
    members: Members,
    /// Its one session was handed over, and nobody accepts any more.
    lone: AtomicBool,
    handshakes: Mutex<UnderWay>,
    /// Where codes are tried, if strangers may pair.
    desk: Option<SharedDesk>,
    board: Board,
}

/// Where callers go that have got through. The channels close when the accepting thread and all
/// handshakes have ended.
#[derive(Clone)]
struct Arrivals {
    sessions: Sender<Session>,
    incoming: Queue,
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
        let pairs = config.trust.strangers() == Strangers::Pair;
        let shared = Arc::new(Shared {
            socket,
            config: config.clone(),
            identity,
            closed: AtomicBool::new(false),
            members: Members::default(),
            lone: AtomicBool::new(false),
            handshakes: Mutex::default(),
            desk: pairs.then(|| SharedDesk::new(config.code.clone())),
            board: Board::new(),
        });
        shared.tell();
        let (sessions_in, sessions) = unbounded();
        let (queue, incoming) = Queue::new();
        let arrivals = Arrivals {
            sessions: sessions_in,
            incoming: queue,
        };
        let thread = thread::Builder::new().name("ptp-listener".into()).spawn({
            let shared = Arc::clone(&shared);
            move || run(&shared, &arrivals)
        });
        Ok(Self {
            shared,
            sessions,
            incoming,
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

    /// Sessions that were let in, for `select!`: what [`accept`](Self::accept) takes from.
    #[must_use]
    pub fn sessions(&self) -> &Receiver<Session> {
        &self.sessions
    }

    /// Callers about whom the application is asked, with [`Strangers::Ask`]; known peers come by
    /// [`accept`](Self::accept). Each waits for as long as its handshake may take; of those that
    /// nobody takes, the newest 64 wait and the others are turned away.
    #[must_use]
    pub fn incoming(&self) -> &Receiver<Incoming> {
        &self.incoming
    }

    /// What else happens: codes to show, and callers that were turned away. Of notices that nobody
    /// takes, the newest 64 are kept, and among them the code that is good now.
    ///
    /// ```
    /// use ptp_core::{Config, ConnectError, Identity, KnownPeers, Listener, Notice, Session};
    ///
    /// let ana = Config::known(Identity::generate()?, KnownPeers::in_memory());
    /// let listener = Listener::bind("127.0.0.1:0", &ana)?;
    /// let Notice::Code(Some(_)) = listener.notices().recv()? else {
    ///     panic!("no code to show");
    /// };
    ///
    /// let ben = Config::known(Identity::generate()?, KnownPeers::in_memory());
    /// let address = listener.local_addr()?.to_string();
    /// let refused = Session::connect(&address, &ben);
    /// assert!(matches!(refused, Err(ConnectError::PairingNeeded)));
    ///
    /// let Notice::TurnedAway { fingerprint, .. } = listener.notices().recv()? else {
    ///     panic!("nobody was turned away");
    /// };
    /// let own = ben.identity.map(|identity| identity.public_key().fingerprint());
    /// assert_eq!(fingerprint, own);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn notices(&self) -> &Receiver<Notice> {
        &self.shared.board.notices
    }

    /// Stops listening: an `accept` that waits returns, and handshakes under way are broken off.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        // Wakes the accepting thread where the system does that.
        let _ = SockRef::from(&self.shared.socket).shutdown(std::net::Shutdown::Both);
        self.shared.handshakes().break_off();
        self.shared.members.close_doors();
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
        listener.shared.lone.store(true, Ordering::Release);
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

fn run(shared: &Arc<Shared>, arrivals: &Arrivals) {
    while !shared.closed.load(Ordering::Acquire) {
        let longest = Instant::now() + ACCEPT_WAIT;
        let due = shared.desk.as_ref().and_then(SharedDesk::next_timeout);
        match tcp::accept(&shared.socket, due.map_or(longest, |due| due.min(longest))) {
            Ok(stream) => reception::receive(shared, arrivals, stream),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => shared.tell(),
            Err(_) if shared.closed.load(Ordering::Acquire) => {}
            Err(error) => {
                log::warn!("a caller can't be accepted: {error}");
                thread::park_timeout(BACKOFF);
            }
        }
    }
}

impl Shared {
    fn handshakes(&self) -> MutexGuard<'_, UnderWay> {
        self.handshakes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn is_full(&self) -> bool {
        self.members.len() >= self.config.max_sessions
    }

    /// Tells the application what has become of codes.
    fn tell(&self) {
        for told in self.desk.iter().flat_map(SharedDesk::poll) {
            self.board.put(told.into());
        }
    }
}
