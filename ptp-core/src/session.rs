//! A conversation with one peer.

mod opening;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::config::Config;
use crate::connect;
use crate::driver::link::Link;
use crate::driver::{Shared, deadline};
use crate::error::ConnectError;
use crate::event::Event;
use crate::peer::Peer;
use crate::protocol::MessageId;
use crate::report::{CloseReport, Stats};
use crate::sender::Sender;
use crate::transport::Transport;
use crate::trust::PublicKey;

/// Which side of the handshake to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Speaks first.
    Dialler,
    /// Answers.
    Listener,
}

/// A conversation with one peer. Holding one means that it was established: the peer has proved
/// that it holds its key, and both sides have agreed to talk. With [`Config::plain`] it may be a
/// plain one, which means nothing but that there is a connection: [`encryption`](Self::encryption)
/// tells.
///
/// Dropping a session closes it: what was accepted is delivered and goodbye is said, for at most
/// [`Config::linger`]; messages that the application has not taken stay unacknowledged.
pub struct Session {
    link: Link,
    events: Receiver<Event>,
    reader: Option<JoinHandle<()>>,
    /// The last message that the application confirmed, if it is to confirm them.
    confirmed: Option<Arc<AtomicU64>>,
    peer: Peer,
    local_key: PublicKey,
    /// What both sides call the session.
    id: Option<[u8; 16]>,
    /// With what, and the hash of the handshake.
    encryption: Option<(&'static str, [u8; 32])>,
    linger: Duration,
    /// What lasts as long as the session: a place among its listener's, or the listener itself.
    held: Vec<Box<dyn Send + Sync>>,
}

impl Session {
    /// Connects to the listener at `address`, `"HOST:PORT"`, where HOST is a name, an IPv4 address
    /// or an IPv6 address in brackets. Every address of a name is tried. Returns when each side has
    /// let the other in, after [`Config::connect_timeout`] at the latest.
    ///
    /// With known peers, the key that was remembered for `address` must answer there, and a peer
    /// that is reached is remembered with it. With [`Config::code`] the two sides are paired if
    /// either does not know the other. With [`Config::plain`] there is nothing to agree on, and nobody
    /// is checked.
    ///
    /// # Errors
    /// Says which [`Stage`](crate::Stage) failed, or who did not trust whom, and why.
    pub fn connect(address: &str, config: &Config) -> Result<Self, ConnectError> {
        let deadline = deadline(config.connect_timeout);
        if config.plain {
            return Self::dial_plain(config, || connect::connect(address, deadline, &|| true));
        }
        let dial = |pair| {
            let stream = connect::connect(address, deadline, &|| true)?;
            Self::dial(stream, config, Some(address), pair, deadline)
        };
        match dial(false) {
            // This side trusts the other, which does not know it or has forgotten it.
            Err(ConnectError::PairingNeeded) if config.code.is_some() => dial(true),
            result => result,
        }
    }

    /// Holds the session over any transport; one side dials, the other listens. A listening side
    /// shows no code and asks nobody: with [`Strangers::Pair`](crate::Strangers) and `Ask` it turns
    /// strangers away.
    ///
    /// # Errors
    /// Says which [`Stage`](crate::Stage) failed, or who did not trust whom, and why.
    pub fn over(
        transport: impl Transport,
        role: Role,
        config: &Config,
    ) -> Result<Self, ConnectError> {
        match role {
            Role::Dialler if config.plain => Self::dial_plain(config, || Ok(transport)),
            Role::Dialler => {
                let deadline = deadline(config.connect_timeout);
                Self::dial(transport, config, None, false, deadline)
            }
            Role::Listener => Self::answer(transport, config),
        }
    }

    /// What its listener hands connections to; a plain one has no use for a second.
    pub(crate) fn shared(&self) -> Option<&Arc<Shared>> {
        match &self.link {
            Link::Encrypted(shared) => Some(shared),
            Link::Plain(_) => None,
        }
    }

    /// Keeps `what` for as long as the session is held.
    pub(crate) fn hold(&mut self, what: impl Send + Sync + 'static) {
        self.held.push(Box::new(what));
    }

    /// What happens in the session, in order: messages, and last [`Event::Disconnected`]. Clones
    /// of the receiver share the one stream.
    ///
    /// A message counts as delivered when it is taken from here, so leave messages in the channel
    /// until you can deal with them: the peer's `send` blocks meanwhile, and nothing is lost.
    #[must_use]
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Says that this message of the peer's, and all before it, are done with: stored, or shown.
    /// Only then, with [`Config::confirm`], do they count as delivered; without it nothing happens,
    /// since taking them was enough. What comes behind the window waits for it, as it does for the
    /// taking.
    ///
    /// ```
    /// # use ptp_core::{Config, Event, Listener, Session};
    /// # use std::time::Duration;
    /// let mut config = Config::open();
    /// config.confirm = true;
    /// # let listener = Listener::bind("127.0.0.1:0", &config)?;
    /// # let peer = Session::connect(&listener.local_addr()?.to_string(), &Config::open())?;
    /// # let session = listener.accept()?;
    /// peer.sender().send("to be kept")?;
    /// let Event::Received(message) = session.events().recv()? else {
    ///     panic!("no message");
    /// };
    /// assert!(peer.sender().flush(Duration::from_millis(50)).is_err());
    /// // … keep it, and then:
    /// session.confirm(message.id());
    /// peer.sender().flush(Duration::from_secs(5))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn confirm(&self, message: MessageId) {
        if let Some(confirmed) = &self.confirmed {
            confirmed.fetch_max(message.get(), Ordering::Release);
        }
    }

    /// A handle for sending.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender::new(self.link.clone())
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The own static key, as the peer sees it. A plain peer does not.
    #[must_use]
    pub fn local_key(&self) -> PublicKey {
        self.local_key
    }

    /// 16 random bytes by which both sides know this session, over all its connections. Not secret.
    /// `None` in a plain session.
    #[must_use]
    pub fn id(&self) -> Option<[u8; 16]> {
        self.id
    }

    /// 32 bytes that both sides of this connection share and no other connection has (the Noise
    /// handshake hash): what a protocol of the application's own can be bound to it with. Not
    /// secret. `None` in a plain session.
    #[must_use]
    pub fn channel_binding(&self) -> Option<[u8; 32]> {
        self.encryption.map(|(_, hash)| hash)
    }

    /// What the session is encrypted with, as the name of a Noise protocol:
    /// `Noise_XX_25519_AESGCM_SHA256` or `Noise_XX_25519_ChaChaPoly_SHA256`. `None` in a plain
    /// session, which is not encrypted ([`Config::plain`]).
    #[must_use]
    pub fn encryption(&self) -> Option<&'static str> {
        self.encryption.map(|(name, _)| name)
    }

    /// Asks the peer for a sign of life, and waits for it for at most `timeout`. Returns the round
    /// trip as it was measured last; `None` if nothing came, or never yet. A plain peer can't be asked.
    #[must_use]
    pub fn ping(&self, timeout: Duration) -> Option<Duration> {
        let alive = self.link.is_alive(deadline(timeout));
        self.stats().round_trip.filter(|_| alive)
    }

    /// The largest message that the peer takes, in bytes.
    #[must_use]
    pub fn max_message(&self) -> u64 {
        self.link.max_message()
    }

    /// Whether the session has ended; what it had to tell may still wait in
    /// [`events`](Self::events).
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.link.has_ended()
    }

    /// How the session does.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shared = match &self.link {
            Link::Encrypted(shared) => shared,
            Link::Plain(shared) => {
                let (sent, written, received) = shared.counts();
                return Stats {
                    round_trip: None,
                    sent,
                    unacknowledged: sent - written,
                    taken: received.saturating_sub(self.events.len() as u64),
                    resumes: 0,
                };
            }
        };
        let state = shared.lock();
        let (sent, acked) = state.connection.sent_and_acked();
        Stats {
            round_trip: state.connection.round_trip(),
            sent,
            unacknowledged: sent - acked,
            taken: state.connection.taken(),
            resumes: state.connection.resumes(),
        }
    }

    /// Says that nothing more will be sent, and returns at once: what was accepted is delivered,
    /// the peer is told, and [`Event::Disconnected`] comes when both sides are done. Until then
    /// messages of the peer go on arriving.
    ///
    /// A plain session ends as soon as all is written: its peer would take an end in one direction for
    /// that in both.
    pub fn finish(&self) {
        self.link.close();
    }

    /// Ends the session without waiting for the peer: [`Event::Disconnected`] comes at once, and
    /// says what is not known to be delivered. The peer is told if that takes no longer than 200 ms;
    /// else it waits for this side to come back, for [`Config::resume`].
    pub fn abort(&self) {
        self.link.give_up();
    }

    /// Closes the session: what was accepted is delivered, both sides say goodbye, and what the
    /// peer sent until then is returned. Takes at most about `timeout` plus a second; what the
    /// peer had not acknowledged by then stands in the report.
    pub fn close(mut self, timeout: Duration) -> CloseReport {
        let deadline = deadline(timeout);
        self.link.close();
        let mut report = CloseReport {
            unread: Vec::new(),
            end: None,
        };
        loop {
            match self.events.recv_deadline(deadline) {
                Ok(Event::Received(message)) => {
                    self.confirm(message.id());
                    report.unread.push(message);
                }
                Ok(Event::Batch(batch)) => {
                    self.confirm(batch.last_id());
                    report.unread.extend(*batch);
                }
                Ok(Event::Disconnected(end)) => report.end = Some(end),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return report,
            }
        }
        self.link.give_up();
        // The reader ends now, and with it the channel.
        for event in &self.events {
            match event {
                Event::Received(message) => report.unread.push(message),
                Event::Batch(batch) => report.unread.extend(*batch),
                Event::Disconnected(end) => report.end = Some(end),
                _ => {}
            }
        }
        self.join();
        report
    }

    fn join(&mut self) {
        if let Some(reader) = self.reader.take() {
            // It panics only by a bug of ours, and has then told so itself.
            let _ = reader.join();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.link.abandon();
        self.link.await_end(deadline(self.linger));
        self.link.give_up();
        self.join();
    }
}
