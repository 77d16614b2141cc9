//! Static keys, and the file that an own one is kept in.
//!
//! ```text
//! # Private key of PTP: whoever has it is you. Show it to nobody.
//! secret 77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a
//! public 8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver};
use thiserror::Error;
use zeroize::Zeroizing;

use super::file_error::FileError;
use super::files::{self, Privacy};
use super::public_key::{ParseKeyError, PublicKey, decode_hex};

/// An own static key, by which peers know this program again. Clones share one secret, which is
/// wiped when the last of them goes. `Debug` prints the public key alone.
#[derive(Clone)]
pub struct Identity {
    secret: Arc<Zeroizing<[u8; 32]>>,
    public: PublicKey,
}

/// Why there is no identity.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The system gave no random bytes, or no key could be made of them.
    #[error("no key could be made: {0}")]
    Generate(String),
    /// The file can't be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file does not say what it should. What it says instead is not shown: it may be a part
    /// of the secret.
    #[error(
        "{}, line {line}: {problem}; put a copy back, or move the file away to begin with a new identity",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1; the one after the last if something is missing.
        line: usize,
        /// What is wrong.
        problem: IdentityProblem,
    },
    /// The public key is not that of the secret.
    #[error(
        "the two keys in {} do not belong together; put a copy back, or move the file away to begin with a new identity",
        path.display()
    )]
    Mismatch {
        /// The file.
        path: PathBuf,
    },
}

/// What is wrong with a line of an identity's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityProblem {
    /// It is neither of the two lines that there are.
    #[error("neither `secret` nor `public` and a key")]
    Unknown,
    /// The same line stands above.
    #[error("a second key of this kind")]
    Twice,
    /// The secret is not 64 hexadecimal digits.
    #[error("the secret is not 64 digits from 0 to 9 and a to f")]
    Secret,
    /// The public key can't be used.
    #[error("{0}")]
    Public(#[from] ParseKeyError),
    /// A key is not there.
    #[error("the {0} key is missing")]
    Missing(&'static str),
    /// The line holds bytes that are no text.
    #[error("not text")]
    NotText,
}

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
        getrandom::fill(&mut *secret)
            .map_err(|error| IdentityError::Generate(error.to_string()))?;
        Self::from_secret(secret)
    }

    /// The key in the file at `path`, as [`create`](Self::create) left it.
    ///
    /// # Errors
    /// If there is none ([`FileError::Missing`]); if it is a symbolic link or no regular file; on
    /// Unix, if others than its owner have any permission on it; if it is larger than 4 KiB, is
    /// not text of the expected form, or holds two keys that do not belong together.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, IdentityError> {
        let path = path.as_ref();
        let bytes = files::read(path, MAX_FILE, Privacy::Secret)?;
        let (secret, public) = parse(&bytes).map_err(|(line, problem)| {
            let path = path.to_owned();
            IdentityError::Malformed {
                path,
                line,
                problem,
            }
        })?;
        let identity = Self::from_secret(secret)?;
        if identity.public != public {
            let path = path.to_owned();
            return Err(IdentityError::Mismatch { path });
        }
        Ok(identity)
    }

    /// A new random key, kept in a new file at `path` that nobody else may read (mode 0600). Its
    /// folder is made where it is absent (mode 0700). When this returns, key and name have
    /// reached the disk.
    ///
    /// # Errors
    /// If there is anything at `path` ([`FileError::Exists`]): it is never overwritten. If the
    /// file can't be written; then nothing is left of it.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, IdentityError> {
        let identity = Self::generate()?;
        files::create(path.as_ref(), identity.file_text().as_bytes())?;
        Ok(identity)
    }

    /// The key in the file at `path`, which is created if there is none. Programs that do so at
    /// the same time end up with the same key.
    ///
    /// # Errors
    /// Those of [`load`](Self::load) and [`create`](Self::create). A file that can't be used stays
    /// as it is.
    ///
    /// ```
    /// use ptp_core::Identity;
    ///
    /// let folder = std::env::temp_dir().join(format!("ptp-example-{}", std::process::id()));
    /// let path = folder.join("identity");
    /// assert!(Identity::load(&path).is_err());
    ///
    /// let first = Identity::load_or_create(&path)?;
    /// let again = Identity::load_or_create(&path)?;
    /// assert_eq!(first.public_key(), again.public_key());
    /// assert!(Identity::create(&path).is_err());
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Self, IdentityError> {
        let path = path.as_ref();
        match Self::load(path) {
            Err(IdentityError::File(FileError::Missing(_))) => {}
            loaded => return loaded,
        }
        match Self::create(path) {
            // Somebody else was faster.
            Err(IdentityError::File(FileError::Exists(_))) => Self::load(path),
            created => created,
        }
    }

    fn from_secret(secret: Zeroizing<[u8; 32]>) -> Result<Self, IdentityError> {
        let public = DefaultResolver
            .resolve_dh(&DHChoice::Curve25519)
            .and_then(|mut dh| {
                dh.set(&*secret);
                dh.pubkey().try_into().ok()
            })
            .ok_or_else(|| IdentityError::Generate("X25519 is not available".to_owned()))?;
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

    fn file_text(&self) -> Zeroizing<String> {
        // As large as it will be: a string that grows leaves its beginning behind, unwiped.
        let mut text = Zeroizing::new(String::with_capacity(HEADER.len() + 2 * 80));
        text.push_str(HEADER);
        for (word, key) in [
            ("secret", self.secret()),
            ("public", self.public.as_bytes()),
        ] {
            text.push_str(word);
            text.push(' ');
            for byte in key {
                let digits = [byte >> 4, byte & 15].map(u32::from);
                text.extend(digits.map(|digit| char::from_digit(digit, 16).unwrap_or_default()));
            }
            text.push('\n');
        }
        text
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

type Keys = (Zeroizing<[u8; 32]>, PublicKey);

fn parse(bytes: &[u8]) -> Result<Keys, (usize, IdentityProblem)> {
    let (mut secret, mut public, mut lines) = (None, None, 0);
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        let wrong = |problem| (number, problem);
        lines = number;
        let line = str::from_utf8(line).map_err(|_| wrong(IdentityProblem::NotText))?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once(char::is_whitespace) {
            Some(("secret", _)) if secret.is_some() => return Err(wrong(IdentityProblem::Twice)),
            Some(("public", _)) if public.is_some() => return Err(wrong(IdentityProblem::Twice)),
            Some(("secret", digits)) => {
                let key = decode_hex(digits.trim());
                secret = Some(key.ok_or(wrong(IdentityProblem::Secret))?);
            }
            Some(("public", digits)) => {
                let key = digits.trim().parse();
                public = Some(key.map_err(|cause| wrong(IdentityProblem::Public(cause)))?);
            }
            _ => return Err(wrong(IdentityProblem::Unknown)),
        }
    }
    let missing = |kind| (lines, IdentityProblem::Missing(kind));
    Ok((
        secret.ok_or(missing("secret"))?,
        public.ok_or(missing("public"))?,
    ))
}

/// What is written is 250 bytes; the rest is for comments.
const MAX_FILE: u64 = 4 * 1024;

const HEADER: &str = "\
# Private key of PTP: whoever has it is you. Show it to nobody, and keep a copy in a safe place.
";
