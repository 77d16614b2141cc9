//! The folder that a person's identity and known peers are kept in.

use std::env;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use thiserror::Error;

use super::identity::{Identity, IdentityError};
use super::known_peers::{KnownPeers, KnownPeersError};

/// What names the folder instead of the system's own place for such data.
const VARIABLE: &str = "PTP_HOME";

/// A person's identity and known peers, as the command `ptp` keeps them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Home {
    /// The own static key.
    pub identity: Identity,
    /// Whom this person knows.
    pub peers: KnownPeers,
}

/// Why a home can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HomeError {
    /// Nothing says where this user's data is kept.
    #[error("there is no folder for this user's data: set PTP_HOME to one")]
    NoFolder,
    /// The identity can't be read or made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The known peers can't be read.
    #[error(transparent)]
    KnownPeers(#[from] KnownPeersError),
}

impl Home {
    /// The home in `folder`: the files `identity`, which is made if there is none, and
    /// `known_peers`.
    ///
    /// # Errors
    /// If the identity can't be read or made, or the known peers can't be read.
    ///
    /// ```
    /// let folder = std::env::temp_dir().join(format!("ptp-home-{}", std::process::id()));
    /// let home = ptp_core::Home::at(&folder)?;
    /// let again = ptp_core::Home::at(&folder)?;
    /// assert_eq!(home.identity.public_key(), again.identity.public_key());
    /// assert!(home.peers.all()?.is_empty());
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(folder: impl AsRef<Path>) -> Result<Self, HomeError> {
        let folder = folder.as_ref();
        Ok(Self {
            identity: Identity::load_or_create(folder.join("identity"))?,
            peers: KnownPeers::open(folder.join("known_peers"))?,
        })
    }

    /// The home of this user.
    ///
    /// # Errors
    /// Those of [`at`](Self::at), and if [`folder`](Self::folder) names none.
    pub fn of_user() -> Result<Self, HomeError> {
        Self::at(Self::folder().ok_or(HomeError::NoFolder)?)
    }

    /// Where this user's home is: what the variable `PTP_HOME` says, or `ptp` in the folder for
    /// data of the system (on Linux `XDG_DATA_HOME` or `~/.local/share`).
    #[must_use]
    pub fn folder() -> Option<PathBuf> {
        match env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
            Some(folder) => Some(folder.into()),
            None => {
                let system = etcetera::choose_base_strategy().ok()?;
                Some(system.data_dir().join("ptp"))
            }
        }
    }
}
