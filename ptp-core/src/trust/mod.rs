//! Who is who: keys, their fingerprints, and the files that they are kept in.

mod file_error;
mod files;
mod fingerprint;
mod identity;
mod known_peers;
mod lock;
mod peer_line;
mod peer_list;
mod peer_name;
mod public_key;

#[cfg(test)]
mod tests;

pub use file_error::FileError;
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use identity::{Identity, IdentityError, IdentityProblem};
pub use known_peers::{Forgotten, KnownPeers, KnownPeersError};
pub use peer_line::{How, KnownPeer, PeerProblem};
pub use public_key::{ParseKeyError, PublicKey};
