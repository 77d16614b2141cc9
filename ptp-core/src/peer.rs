//! Who is at the other end, as far as this side knows.

use std::net::SocketAddr;

use crate::trust::{Fingerprint, Judged, PublicKey, Standing};

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct Peer {
    pub(crate) claimed_name: String,
    pub(crate) judged: Judged,
    /// A plain peer has none.
    pub(crate) public_key: Option<PublicKey>,
    pub(crate) address: Option<SocketAddr>,
}

impl Peer {
    /// One that has proved its key, and said nothing yet.
    pub(crate) fn stranger(public_key: PublicKey, address: Option<SocketAddr>) -> Self {
        Self {
            claimed_name: String::new(),
            judged: Judged::new(Standing::Stranger),
            public_key: Some(public_key),
            address,
        }
    }

    /// One that speaks no PTP.
    pub(crate) fn plain(address: Option<SocketAddr>) -> Self {
        Self {
            claimed_name: String::new(),
            judged: Judged::new(Standing::Plain),
            public_key: None,
            address,
        }
    }

    /// What to call the peer: the name that it was remembered by, or what it calls itself if it is
    /// not one of the known peers; empty if it says nothing. Where
    /// [`is_name_sure`](Self::is_name_sure) says no, nobody has checked it. It may hold any
    /// character: escape it before you show it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.judged.name.as_deref().unwrap_or(&self.claimed_name)
    }

    /// What the peer calls itself in this session; empty if it says nothing.
    #[must_use]
    pub fn claimed_name(&self) -> &str {
        &self.claimed_name
    }

    /// Whether the name is that of a known peer or of this side's own identity, rather than a
    /// stranger's word.
    #[must_use]
    pub fn is_name_sure(&self) -> bool {
        !matches!(
            self.judged.standing,
            Standing::Stranger | Standing::Listed | Standing::Plain
        )
    }

    /// What this side knows of the peer.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.judged.standing
    }

    /// The key's fingerprint, for two people to compare; `None` of a plain peer.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.public_key.map(|key| key.fingerprint())
    }

    /// The static key that the peer has proved to hold; `None` of a plain peer, which has none.
    #[must_use]
    pub fn public_key(&self) -> Option<PublicKey> {
        self.public_key
    }

    /// Where it is; `None` over a transport without addresses.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}
