//! Whom this program knows: read afresh each time, changed under a lock.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use thiserror::Error;

use super::file_error::FileError;
use super::files::{self, Privacy};
use super::fingerprint::Fingerprint;
use super::lock::Lock;
use super::peer_line::{How, KnownPeer, PeerProblem, is_address, whole_seconds};
use super::peer_list::PeerList;
use super::peer_name;
use super::public_key::PublicKey;

/// The peers that were trusted once, in a file or in memory. Clones share them.
///
/// The file is text, one peer a line, and a person may edit it: nothing is remembered between two
/// calls, each reads it anew, and comments and blank lines stay where they are. Changes are made
/// under a lock on a second file beside it (`.lock` behind its name) and appear as a whole, so that
/// several programs lose nothing of each other's. An editor knows nothing of that lock.
///
/// ```
/// use ptp_core::{Forgotten, How, Identity, KnownPeers};
///
/// let ana = Identity::generate()?.public_key();
/// let peers = KnownPeers::in_memory();
/// let known = peers.remember(ana, "Ana", How::Paired, Some("ana.example:5000"))?;
/// assert_eq!(known.name, "Ana");
/// assert_eq!(peers.by_name("ana")?, Some(known.clone()));
///
/// // Somebody else answers there.
/// let other = Identity::generate()?.public_key();
/// assert_eq!(peers.bound_to("ana.example:5000")?, Some(known));
/// assert!(peers.remember(other, "Ben", How::Paired, Some("ana.example:5000")).is_err());
///
/// let Forgotten::Address { peer, .. } = peers.forget("ana.example:5000")? else {
///     panic!("the peer itself is still known");
/// };
/// assert!(peer.addresses.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct KnownPeers {
    place: Arc<Place>,
}

enum Place {
    File(PathBuf),
    Memory(Mutex<String>),
}

/// What [`KnownPeers::forget`] has forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Forgotten {
    /// The peer, with its key and its addresses.
    Peer(KnownPeer),
    /// Only that its key is expected at this address.
    Address {
        /// The peer, which is still known, without the address.
        peer: KnownPeer,
        /// The address, as it was given to `forget`.
        address: String,
    },
}

/// Why the known peers could not be read or changed. They are as they were.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KnownPeersError {
    /// The file, or the lock beside it, can't be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line can't be read; none is skipped, because it may be the one that matters.
    #[error("{}, line {line}: {problem}; correct it, or put a # before it", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: PeerProblem,
    },
    /// The address is not of the form `HOST:PORT`.
    #[error("{0:?} is not an address: write HOST:PORT")]
    Address(String),
    /// Another key is expected at the address.
    #[error(
        "{address} is where {} with the fingerprint {} is expected, not {found}: forget that address first, if this is right",
        expected.name,
        expected.key.fingerprint()
    )]
    AddressBound {
        /// The address.
        address: String,
        /// Who is expected there.
        expected: Box<KnownPeer>,
        /// The fingerprint of the other key.
        found: Fingerprint,
    },
    /// Nobody is known by this.
    #[error(
        "no known peer has the name, the fingerprint or the address {0:?}: look at the list of them"
    )]
    Unknown(String),
    /// With one more the file would be too large to be read again.
    #[error("the list of known peers would be larger than {limit} bytes: forget some")]
    Full {
        /// How large it may be.
        limit: u64,
    },
}

impl KnownPeers {
    /// Those in the file at `path`, which need not exist before something is remembered.
    ///
    /// # Errors
    /// If there is a file that can't be read, see [`all`](Self::all).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, KnownPeersError> {
        let place = Arc::new(Place::File(path.into()));
        let peers = Self { place };
        peers.read()?;
        Ok(peers)
    }

    /// None yet, and gone with the last clone.
    #[must_use]
    pub fn in_memory() -> Self {
        let place = Arc::new(Place::Memory(Mutex::default()));
        Self { place }
    }

    /// All of them, in the order of the file. A file that does not exist has none.
    ///
    /// # Errors
    /// If the file is a symbolic link or no regular file; on Unix, if others than its owner may
    /// write it; if it is larger than 1 MiB; if a line can't be read, or a name, a key or an
    /// address stands in it twice.
    pub fn all(&self) -> Result<Vec<KnownPeer>, KnownPeersError> {
        Ok(self.read()?.peers().cloned().collect())
    }

    /// The one with this key.
    ///
    /// # Errors
    /// Those of [`all`](Self::all).
    pub fn by_key(&self, key: &PublicKey) -> Result<Option<KnownPeer>, KnownPeersError> {
        Ok(self.read()?.by_key(key).cloned())
    }

    /// The one with this name, in any case of letters.
    ///
    /// # Errors
    /// Those of [`all`](Self::all).
    pub fn by_name(&self, name: &str) -> Result<Option<KnownPeer>, KnownPeersError> {
        Ok(self.read()?.by_name(name).cloned())
    }

    /// The one whose key is expected at this address, `HOST:PORT` as it was typed, in any case of
    /// letters. Nothing is looked up: another name of the same machine is another address.
    ///
    /// # Errors
    /// Those of [`all`](Self::all).
    pub fn bound_to(&self, address: &str) -> Result<Option<KnownPeer>, KnownPeersError> {
        Ok(self.read()?.bound_to(address).cloned())
    }

    /// Makes a key known, and expects it at `address` from now on. Yields how it is known.
    ///
    /// The peer is called as it claims, without characters that can't be seen, cut to 64 bytes,
    /// never in the form of an address, a host, an option or a fingerprint; "Remote" if nothing is
    /// left; with -2, -3 and so on behind it where the name is taken. A key that is known keeps its
    /// name, how and since, and gains the address as its newest; of more than 8 the oldest goes.
    ///
    /// # Errors
    /// If the address is none, or another key is expected there: then nothing is remembered. Those
    /// of [`all`](Self::all); if the file can't be written, or another program keeps it locked for
    /// 10 s.
    pub fn remember(
        &self,
        key: PublicKey,
        claimed_name: &str,
        how: How,
        address: Option<&str>,
    ) -> Result<KnownPeer, KnownPeersError> {
        self.change(|list| {
            if let Some(address) = address {
                check_free(list, &key, address)?;
            }
            let note = |peer: &mut KnownPeer| {
                if let Some(address) = address {
                    peer.note_address(address);
                }
            };
            if let Some(known) = list.change(&key, note) {
                return Ok(known);
            }
            Ok(list.add(KnownPeer {
                name: peer_name::from_claim(claimed_name),
                key,
                addresses: address.into_iter().map(str::to_owned).collect(),
                since: whole_seconds(SystemTime::now()),
                how,
            }))
        })
    }

    /// Expects a known key at this address, too, as its newest. Writes nothing, and waits for no
    /// lock, if it is that already.
    ///
    /// # Errors
    /// If the key is not known ([`KnownPeersError::Unknown`]), and those of
    /// [`remember`](Self::remember).
    pub fn note_address(&self, key: &PublicKey, address: &str) -> Result<(), KnownPeersError> {
        let newest = |peer: &KnownPeer| peer.addresses.first().is_some_and(|at| at == address);
        if self.by_key(key)?.as_ref().is_some_and(newest) {
            return Ok(());
        }
        self.change(|list| {
            check_free(list, key, address)?;
            list.change(key, |peer| peer.note_address(address))
                .map(drop)
                .ok_or_else(|| KnownPeersError::Unknown(key.fingerprint().to_string()))
        })
    }

    /// Forgets what this stands for: the peer with this fingerprint or, if there is none, with this
    /// name; or that a key is expected at this address, the peer staying known.
    ///
    /// # Errors
    /// If it stands for nobody, and those of [`remember`](Self::remember).
    pub fn forget(&self, what: &str) -> Result<Forgotten, KnownPeersError> {
        self.change(|list| {
            let fingerprint = what.parse().ok();
            let by_fingerprint = fingerprint.and_then(|known| list.by_fingerprint(known));
            if let Some(peer) = by_fingerprint.or_else(|| list.by_name(what)).cloned() {
                list.remove(&peer.key);
                return Ok(Forgotten::Peer(peer));
            }
            let key = list.bound_to(what).map(|peer| peer.key);
            key.and_then(|key| list.change(&key, |peer| peer.drop_address(what)))
                .map(|peer| Forgotten::Address {
                    peer,
                    address: what.to_owned(),
                })
                .ok_or_else(|| KnownPeersError::Unknown(what.to_owned()))
        })
    }

    fn read(&self) -> Result<PeerList, KnownPeersError> {
        match &*self.place {
            Place::File(path) => parse(path, &read_file(path)?),
            Place::Memory(text) => {
                let text = text.lock().unwrap_or_else(PoisonError::into_inner);
                parse(Path::new(MEMORY), text.as_bytes())
            }
        }
    }

    /// Reads, changes and writes what has changed, while nobody else does.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut PeerList) -> Result<T, KnownPeersError>,
    ) -> Result<T, KnownPeersError> {
        match &*self.place {
            Place::File(path) => {
                let _lock = Lock::take(&beside(path), PATIENCE)?;
                let before = read_file(path)?;
                let (changed, text) = changed(path, &before, change)?;
                if text.as_bytes() != before {
                    files::replace(path, text.as_bytes())?;
                }
                Ok(changed)
            }
            Place::Memory(place) => {
                let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
                let (changed, text) = changed(Path::new(MEMORY), place.as_bytes(), change)?;
                *place = text;
                Ok(changed)
            }
        }
    }
}

impl fmt::Debug for KnownPeers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &*self.place {
            Place::File(path) => path,
            Place::Memory(_) => Path::new(MEMORY),
        };
        formatter.debug_tuple("KnownPeers").field(&place).finish()
    }
}

fn check_free(list: &PeerList, key: &PublicKey, address: &str) -> Result<(), KnownPeersError> {
    if !is_address(address) {
        return Err(KnownPeersError::Address(address.to_owned()));
    }
    match list.bound_to(address) {
        Some(expected) if expected.key != *key => Err(KnownPeersError::AddressBound {
            address: address.to_owned(),
            expected: Box::new(expected.clone()),
            found: key.fingerprint(),
        }),
        _ => Ok(()),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, KnownPeersError> {
    match files::read(path, MAX_FILE, Privacy::Guarded) {
        Ok(mut bytes) => Ok(std::mem::take(&mut *bytes)),
        Err(FileError::Missing(_)) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<PeerList, KnownPeersError> {
    PeerList::parse(bytes).map_err(|(line, problem)| KnownPeersError::Line {
        path: path.to_owned(),
        line,
        problem,
    })
}

fn changed<T>(
    path: &Path,
    before: &[u8],
    change: impl FnOnce(&mut PeerList) -> Result<T, KnownPeersError>,
) -> Result<(T, String), KnownPeersError> {
    let mut list = parse(path, before)?;
    let changed = change(&mut list)?;
    let text = list.to_text();
    if text.len() as u64 > MAX_FILE {
        return Err(KnownPeersError::Full { limit: MAX_FILE });
    }
    Ok((changed, text))
}

/// The file that is locked. Not the list itself: that is replaced at each change.
fn beside(path: &Path) -> PathBuf {
    let mut lock = path.to_owned().into_os_string();
    lock.push(".lock");
    lock.into()
}

/// Some 5,000 peers; it is read at each question.
const MAX_FILE: u64 = 1024 * 1024;
/// A change takes some milliseconds; who holds the lock longer hangs or was stopped.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where the peers are that are in no file, for messages.
const MEMORY: &str = "memory";
