//! Encrypted messages between two programs, both ways at once, nothing lost.
//!
//! A [`Session`] is a conversation with one peer. It comes from [`Session::connect`], from
//! [`Session::listen`] or a [`Listener`], or from [`Session::over`] any transport. Messages go out
//! through a [`Sender`], and everything that happens comes in through a
//! [`crossbeam_channel::Receiver`] of [`Event`]s.
//!
//! ```
//! use std::time::Duration;
//!
//! use ptp_core::{Config, Event, Listener, Session};
//!
//! let listener = Listener::bind("127.0.0.1:0", &Config::open())?;
//! let address = listener.local_addr()?.to_string();
//! let ana = Session::connect(&address, &Config::open())?;
//! let ben = listener.accept()?;
//!
//! ana.sender().send("hi")?;
//! let Ok(Event::Received(message)) = ben.events().recv() else {
//!     panic!("no message");
//! };
//! assert_eq!(message, "hi");
//!
//! let closing = std::thread::spawn(move || ana.close(Duration::from_secs(5)));
//! let Ok(Event::Disconnected(end)) = ben.events().recv() else {
//!     panic!("no goodbye");
//! };
//! assert!(end.unsent.is_empty() && end.unconfirmed.is_empty());
//! assert!(closing.join().expect("no panic").is_delivered());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything is synchronous: two threads a session carry the bytes, and no runtime is needed.
//! What `send` accepted is delivered once and in order, or handed back in [`End`].

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

mod config;
mod connect;
mod diagnosis;
mod driver;
mod error;
mod event;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "history")]
mod history;
mod listener;
mod peer;
mod planted;
mod protocol;
mod report;
mod sender;
mod session;
pub mod transport;
mod trust;

pub use config::Config;
pub use diagnosis::{Check, Diagnosis, Outlook, diagnose};
pub use error::{
    ConnectError, FlushError, ListenError, SendAllError, SendError, Stage, TrySendError,
};
pub use event::{End, Event, Interruption, Reason, Resumption};
#[cfg(feature = "history")]
pub use history::{
    Content, Entry, EntryId, Fate, History, HistoryError, HistoryFilter, NotKept, PastPeer,
    Recording, Who,
};
pub use listener::{Incoming, Listener, Notice};
pub use peer::Peer;
pub use protocol::{
    Batch, Iter as BatchIter, Message, MessageId, MessageKind, MessageRef, Payload, Secret,
    Violation,
};
pub use report::{CloseReport, Stats};
pub use sender::Sender;
pub use session::{Role, Session};
pub use trust::{
    Code, CodeError, CodeWord, FileError, Fingerprint, Forgotten, Home, HomeError, How, Identity,
    IdentityError, IdentityProblem, KnownPeer, KnownPeers, KnownPeersError, ParseFingerprintError,
    ParseKeyError, PeerProblem, PublicKey, Standing, Strangers, Trust,
};

/// A dialling and a listening session over memory, for examples in this documentation.
///
/// # Errors
/// Those of [`Session::over`].
#[doc(hidden)]
pub fn doctest_pair() -> Result<(Session, Session), ConnectError> {
    let (left, right) = transport::duplex(64 * 1024);
    std::thread::scope(|scope| {
        let listening = scope.spawn(|| Session::over(right, Role::Listener, &Config::open()));
        let dialler = Session::over(left, Role::Dialler, &Config::open())?;
        match listening.join() {
            Ok(listener) => Ok((dialler, listener?)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
