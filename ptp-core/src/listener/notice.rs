//! What a listener tells its application beside sessions.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::driver::desk::Told;
use crate::error::ConnectError;
use crate::trust::{Code, Fingerprint};

/// Notices that wait for the application; of more, the oldest are dropped, but not the newest code.
const WAITING: usize = 64;

/// Something that happened to a [`Listener`](crate::Listener).
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// With [`Strangers::Pair`](crate::Strangers): this is the code for the next peer, and the one
    /// before it is worthless, because it was used, was tried in vain three times, or is ten
    /// minutes old. `None` if the system gave no random bytes for one: nobody new gets in.
    Code(Option<Code>),
    /// So many wrong codes were tried, three for each code that was replaced.
    WrongCodes {
        /// How many.
        tries: u32,
        /// Where the last of them came from.
        address: Option<SocketAddr>,
    },
    /// A caller was not let in, or left before it was.
    TurnedAway {
        /// Where it called from.
        address: Option<SocketAddr>,
        /// Of the key that it proved to hold; `None` if it did not come so far.
        fingerprint: Option<Fingerprint>,
        /// Why.
        cause: ConnectError,
    },
}

impl From<Told> for Notice {
    fn from(told: Told) -> Self {
        match told {
            Told::Code(code) => Self::Code(code),
            Told::Burnt { tries, address } => Self::WrongCodes { tries, address },
        }
    }
}

/// A board on which the newest notices stand.
pub(super) struct Board {
    put: Sender<Notice>,
    putting: Mutex<()>,
    pub(super) notices: Receiver<Notice>,
}

impl Board {
    pub(super) fn new() -> Self {
        let (put, notices) = bounded(WAITING);
        Self {
            put,
            putting: Mutex::default(),
            notices,
        }
    }

    pub(super) fn put(&self, notice: Notice) {
        let _one_by_one = self.putting.lock().unwrap_or_else(PoisonError::into_inner);
        let Err(TrySendError::Full(notice)) = self.put.try_send(notice) else {
            return;
        };
        // Strangers must not make it grow, nor push out the code that is good now.
        let mut waiting: Vec<_> = self.notices.try_iter().chain([notice]).collect();
        if waiting.len() > WAITING {
            let newest_code = waiting
                .iter()
                .rposition(|notice| matches!(notice, Notice::Code(_)));
            waiting.remove(usize::from(newest_code == Some(0)));
        }
        for notice in waiting {
            // There is room: nobody else puts anything in.
            let _ = self.put.try_send(notice);
        }
    }
}
