//! Limits, timeouts and trust: plain values, each with its reason and default.

use std::time::Duration;

use crate::trust::{Code, Identity, KnownPeers, PublicKey, Strangers, Trust};

/// What a session or a listener is made with. There is no default: whom to trust must be said.
///
/// ```
/// use std::time::Duration;
///
/// let mut config = ptp_core::Config::open();
/// config.name = "Ana".to_owned();
/// config.connect_timeout = Duration::from_secs(3);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Whom to hold the session with.
    pub trust: Trust,
    /// The own static key. `None` makes a new one for each session, by which nobody knows this
    /// side again.
    pub identity: Option<Identity>,
    /// What a dialler pairs with, if the listener does not know it or it does not know the
    /// listener. A listener makes its codes itself; one that stands here is its first. A code is
    /// for one pairing.
    pub code: Option<Code>,
    /// The key that must answer a dialler, whatever it would trust else.
    pub expected_key: Option<PublicKey>,
    /// Talks in plain text to peers that do not speak PTP, such as nc, telnet or the original
    /// program: not encrypted, not verified, and whatever `trust` says. `false`; nothing falls back
    /// to it.
    ///
    /// A dialler then speaks nothing else. A listener takes both kinds: who says something else than
    /// PTP first, or nothing for a second, is a plain peer ([`Standing::Plain`](crate::Standing)).
    pub plain: bool,
    /// What the peer may show before this side's messages, at most 64 bytes; longer names are cut
    /// at a character. Empty (the default): no name is sent. It travels encrypted.
    pub name: String,
    /// The largest message that is taken from the peer, in bytes: 16 MiB, because a message is
    /// held in memory as a whole on both sides. At most 4 GiB.
    pub max_message: u32,
    /// How many bytes of messages each direction holds unacknowledged before `send` blocks:
    /// 8 MiB, a round trip of 100 ms at 80 MB/s. A single message may overrun it.
    pub window_bytes: u64,
    /// How many messages each direction holds unacknowledged before `send` blocks: 65,536.
    pub window_messages: u64,
    /// How long `connect` tries in all, name resolution and handshake included: 10 s.
    pub connect_timeout: Duration,
    /// How long a caller has for its whole handshake with a listener: 10 s.
    pub handshake_timeout: Duration,
    /// Silence after which the peer is taken for dead: 45 s, as long as a phone's change of
    /// network takes. The smaller of both sides' values holds; after a third of it the peer is
    /// asked for a sign of life. At least 100 ms.
    pub timeout: Duration,
    /// How long a session that has lost its connection is kept and tried to be taken up again, from
    /// the moment at which this side noticed: 60 s. Zero makes every loss final, as it always is
    /// over a transport that can't be dialled again ([`Session::over`](crate::Session::over)).
    pub resume: Duration,
    /// Whether a message counts as delivered only when the application says so
    /// ([`Session::confirm`](crate::Session::confirm)), rather than when it is taken from the
    /// channel: for one that must first have stored it, or shown it. False.
    pub confirm: bool,
    /// Whether messages that arrived together are one event, [`Event::Batch`](crate::Event::Batch),
    /// rather than an [`Event::Received`](crate::Event::Received) each: for a program that takes
    /// millions a second, of which an event each is the largest cost. False. Nothing waits for a
    /// batch to fill: it is what one read from the network brought.
    pub batches: bool,
    /// How long dropping a session may take to deliver what was accepted and to say goodbye: 2 s,
    /// because nobody expects `drop` to take longer.
    pub linger: Duration,
    /// How many sessions a listener holds at the same time; further callers are told `busy`:
    /// 1,024. [`Session::listen`](crate::Session::listen) always holds one.
    pub max_sessions: usize,
    /// How many handshakes a listener has under way at the same time: 64. At the bound the oldest
    /// gives way, because the newcomer may be the one that is waited for.
    pub max_handshakes: usize,
}

impl Config {
    /// Encrypted, with anyone: nobody is checked.
    #[must_use]
    pub fn open() -> Self {
        Self::new(Trust::Open, None)
    }

    /// Only with who holds one of `keys`.
    #[must_use]
    pub fn keys(identity: Identity, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self::new(Trust::Keys(keys.into_iter().collect()), Some(identity))
    }

    /// With the peers that are known, and with who becomes one by a code
    /// ([`Strangers::Pair`]).
    ///
    /// ```
    /// use ptp_core::{Config, Identity, KnownPeers, Listener, Notice, Session, Standing};
    ///
    /// let ana = Config::known(Identity::generate()?, KnownPeers::in_memory());
    /// let listener = Listener::bind("127.0.0.1:0", &ana)?;
    /// let address = listener.local_addr()?.to_string();
    /// let Notice::Code(Some(code)) = listener.notices().recv()? else {
    ///     panic!("no code to show");
    /// };
    ///
    /// let mut ben = Config::known(Identity::generate()?, KnownPeers::in_memory());
    /// ben.code = Some(code);
    /// let first = Session::connect(&address, &ben)?;
    /// assert_eq!(first.peer().standing(), Standing::Paired);
    /// drop((first, listener.accept()?));
    ///
    /// ben.code = None;
    /// let again = Session::connect(&address, &ben)?;
    /// assert_eq!(again.peer().standing(), Standing::Known);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn known(identity: Identity, peers: KnownPeers) -> Self {
        let strangers = Strangers::Pair;
        Self::new(Trust::Known { peers, strangers }, Some(identity))
    }

    fn new(trust: Trust, identity: Option<Identity>) -> Self {
        Self {
            trust,
            identity,
            code: None,
            expected_key: None,
            plain: false,
            name: String::new(),
            max_message: 16 * 1024 * 1024,
            window_bytes: 8 * 1024 * 1024,
            window_messages: 65_536,
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(45),
            resume: Duration::from_secs(60),
            confirm: false,
            batches: false,
            linger: Duration::from_secs(2),
            max_sessions: 1_024,
            max_handshakes: 64,
        }
    }
}
