//! What a listener tells its application beside sessions.

use std::net::SocketAddr;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::driver::desk::Told;
use crate::error::ConnectError;
use crate::trust::{Code, Fingerprint};

/// Notices that wait for the application; of more, the oldest are dropped.
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
    pub(super) notices: Receiver<Notice>,
}

impl Board {
    pub(super) fn new() -> Self {
        let (put, notices) = bounded(WAITING);
        Self { put, notices }
    }

    pub(super) fn put(&self, notice: Notice) {
        let mut notice = notice;
        while let Err(TrySendError::Full(back)) = self.put.try_send(notice) {
            // Strangers must not make it grow, and the newest code is what counts.
            let _ = self.notices.try_recv();
            notice = back;
        }
    }
}
