//! Public keys, and how they are written down.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::protocol::is_low_order;

/// A peer's static public key (X25519).
///
/// It is written as 64 hexadecimal digits; people compare its
/// [`fingerprint`](PublicKey::fingerprint).
///
/// ```
/// let digits = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
/// let key: ptp_core::PublicKey = digits.parse()?;
/// assert_eq!(key.to_string(), digits);
/// assert!("00".repeat(32).parse::<ptp_core::PublicKey>().is_err());
/// # Ok::<(), ptp_core::ParseKeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub(crate) [u8; 32]);

/// Why a text is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseKeyError {
    /// It is not 64 hexadecimal digits.
    #[error("a public key is 64 digits from 0 to 9 and a to f")]
    Digits,
    /// The key is one for which nobody holds a private key (RFC 7748, section 6.1).
    #[error("this public key is nobody's: it has no private key")]
    LowOrder,
}

impl PublicKey {
    /// The key's 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Exactly 64 hexadecimal digits, in any case. Keys of low order are refused.
impl FromStr for PublicKey {
    type Err = ParseKeyError;

    fn from_str(digits: &str) -> Result<Self, Self::Err> {
        let key = decode_hex(digits).ok_or(ParseKeyError::Digits)?;
        if is_low_order(&key) {
            return Err(ParseKeyError::LowOrder);
        }
        Ok(Self(*key))
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

/// The 32 bytes that 64 digits stand for. They are wiped: the digits may be those of a secret.
pub(super) fn decode_hex(digits: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";

    #[test]
    fn a_key_is_read_as_it_is_written_in_any_case() {
        let key: PublicKey = KEY.parse().unwrap();
        assert_eq!(key.as_bytes()[..3], [0x85, 0x20, 0xf0]);
        assert_eq!(key.to_string(), KEY);
        assert_eq!(KEY.to_uppercase().parse(), Ok(key));
    }

    #[test]
    fn what_is_not_exactly_64_digits_is_no_key() {
        let wrong = [
            String::new(),
            KEY[1..].to_owned(),
            format!("{KEY}0"),
            format!(" {}", &KEY[1..]),
            format!("+{}", &KEY[1..]),
            format!("g{}", &KEY[1..]),
            format!("0x{}", &KEY[2..]),
            // 64 bytes, and a character across two pairs.
            format!("1é{}", &KEY[3..]),
            "é".repeat(64),
        ];
        for text in wrong {
            assert_eq!(text.parse::<PublicKey>(), Err(ParseKeyError::Digits));
        }
    }

    #[test]
    fn keys_of_low_order_are_refused_in_both_forms() {
        let order_8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b8";
        let wrong = [
            "00".repeat(32),
            format!("01{}", "00".repeat(31)),
            format!("01{}80", "00".repeat(30)),
            format!("{order_8}00"),
            format!("{order_8}80"),
            format!("ee{}7f", "ff".repeat(30)),
            format!("ec{}", "ff".repeat(31)),
        ];
        for text in wrong {
            assert_eq!(text.parse::<PublicKey>(), Err(ParseKeyError::LowOrder));
        }
    }
}
