//! Who is who: keys and their fingerprints, the files that they are kept in, and codes by which two
//! programs come to know each other.

mod file_error;
pub(crate) mod files;
mod fingerprint;
mod home;
mod identity;
mod known_peers;
mod lock;
pub(crate) mod pairing;
mod peer_line;
mod peer_list;
mod peer_name;
mod policy;
mod public_key;

#[cfg(test)]
mod tests;

pub use file_error::FileError;
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use home::{Home, HomeError};
pub use identity::{Identity, IdentityError, IdentityProblem};
pub use known_peers::{Forgotten, KnownPeers, KnownPeersError};
pub use pairing::{Code, CodeError, CodeWord};
pub use peer_line::{How, KnownPeer, PeerProblem};
pub(crate) use policy::Judged;
pub use policy::{Standing, Strangers, Trust};
pub use public_key::{ParseKeyError, PublicKey};
