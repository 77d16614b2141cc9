//! Static keys.

use std::fmt;
use std::sync::Arc;

use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver};
use thiserror::Error;
use zeroize::Zeroizing;

/// An own static key, by which peers know this program again. Clones share one secret, which is
/// wiped when the last of them goes. `Debug` prints the public key alone.
#[derive(Clone)]
pub struct Identity {
    secret: Arc<Zeroizing<[u8; 32]>>,
    public: PublicKey,
}

/// The system gave no random bytes, or no key could be made of them.
#[derive(Debug, Error)]
#[error("no key could be made: {0}")]
pub struct IdentityError(String);

impl Identity {
    /// A new random X25519 key, kept in memory only.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    ///
    /// ```
    /// let (one, other) = (ptp_core::Identity::generate()?, ptp_core::Identity::generate()?);
    /// assert_ne!(one.public_key(), other.public_key());
    /// # Ok::<(), ptp_core::IdentityError>(())
    /// ```
    pub fn generate() -> Result<Self, IdentityError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(|error| IdentityError(error.to_string()))?;
        Self::from_secret(secret)
    }

    fn from_secret(secret: Zeroizing<[u8; 32]>) -> Result<Self, IdentityError> {
        let public = DefaultResolver
            .resolve_dh(&DHChoice::Curve25519)
            .and_then(|mut dh| {
                dh.set(&*secret);
                dh.pubkey().try_into().ok()
            })
            .ok_or_else(|| IdentityError("X25519 is not available".to_owned()))?;
        Ok(Self {
            secret: Arc::new(secret),
            public: PublicKey(public),
        })
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Identity")
            .field(&self.public)
            .finish()
    }
}

/// A peer's static public key (X25519).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub(crate) [u8; 32]);

impl PublicKey {
    /// The key's 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Lowercase hexadecimal.
impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({self})")
    }
}
