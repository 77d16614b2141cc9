//! Who is who: keys and their fingerprints.

mod identity;

pub use identity::{Identity, IdentityError, PublicKey};
