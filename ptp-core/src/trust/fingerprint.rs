//! Fingerprints: keys in a form that two people can read to each other.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use thiserror::Error;

use super::PublicKey;

/// What identifies a public key to a person: the first 125 bits of a SHA-256 over it, as 25
/// letters and digits in five groups. To find another key with the same one takes some 2^125
/// tries.
///
/// It is read as people type it: in any case, with spaces, hyphens or nothing between, and with
/// O for 0 and I or L for 1 (Crockford's base 32, which has none of these letters, and no U).
///
/// ```
/// let identity = ptp_core::Identity::generate()?;
/// let fingerprint = identity.public_key().fingerprint();
/// let typed = fingerprint.to_string().to_uppercase().replace('-', " ");
/// assert_eq!(typed.parse(), Ok(fingerprint));
/// # Ok::<(), ptp_core::IdentityError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u128);

/// Why a text is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseFingerprintError {
    /// It holds a character that fingerprints do not have.
    #[error("a fingerprint holds no {0:?}")]
    Character(char),
    /// It is too short or too long; the number is how many letters and digits it has.
    #[error("a fingerprint has 25 letters and digits, not {0}")]
    Length(usize),
}

impl PublicKey {
    /// What to show of this key, and to compare.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let hashed = digest(&SHA256, &[LABEL, self.as_bytes()].concat());
        let bits = hashed
            .as_ref()
            .iter()
            .take(16)
            .fold(0, |bits, &byte| bits << 8 | u128::from(byte));
        Fingerprint(bits >> (128 - BITS))
    }
}

/// Lower case, five groups of five joined by hyphens.
impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = String::with_capacity(CHARACTERS + 4);
        for at in 0..CHARACTERS {
            if at > 0 && at % GROUP == 0 {
                shown.push('-');
            }
            let value = self.0 >> (5 * (CHARACTERS - 1 - at)) & 31;
            shown.extend(ALPHABET.chars().nth(value as usize));
        }
        formatter.pad(&shown)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let (mut bits, mut length) = (0, 0);
        for character in typed.chars() {
            if character == '-' || character.is_whitespace() {
                continue;
            }
            let value = value(character).ok_or(ParseFingerprintError::Character(character))?;
            length += 1;
            if length <= CHARACTERS {
                bits = bits << 5 | value;
            }
        }
        if length != CHARACTERS {
            return Err(ParseFingerprintError::Length(length));
        }
        Ok(Self(bits))
    }
}

fn value(character: char) -> Option<u128> {
    let meant = match character.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    (0..)
        .zip(ALPHABET.chars())
        .find_map(|(value, letter)| (letter == meant).then_some(value))
}

/// Other hashes of the same key, made for other ends, must not be mistaken for this one.
const LABEL: &[u8] = b"PTP fingerprint";
/// Crockford's: without i, l and o, which look like digits, and without u.
const ALPHABET: &str = "0123456789abcdefghjkmnpqrstvwxyz";
/// Five bits a character, five characters a group and five groups: as long as a person reads out
/// without losing the place, and beyond any search.
const GROUP: usize = 5;
const CHARACTERS: usize = 25;
const BITS: usize = 5 * CHARACTERS;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fingerprint() -> Fingerprint {
        PublicKey(std::array::from_fn(|at| at as u8)).fingerprint()
    }

    #[test]
    fn the_fingerprint_of_a_fixed_key_never_changes() {
        // Computed with Python's hashlib and Crockford's alphabet.
        assert_eq!(fingerprint().to_string(), "60cg3-twc1z-3vymm-m7ctr-kwf4j");
    }

    #[test]
    fn it_is_read_as_people_type_it() {
        let shown = fingerprint().to_string();
        let typed = [
            shown.to_uppercase(),
            shown.replace('-', ""),
            shown.replace('-', " "),
            format!("  {} \n", shown.replace('-', " - ")),
            shown.replace('0', "O").replace('1', "l"),
            shown.replace('0', "o").replace('1', "I"),
        ];
        for text in typed {
            assert_eq!(text.parse(), Ok(fingerprint()), "{text}");
        }
        assert_eq!(
            "0".repeat(25).parse(),
            "oO0oO-".repeat(5).parse::<Fingerprint>()
        );
    }

    #[test]
    fn what_is_not_25_letters_of_the_alphabet_is_none() {
        use ParseFingerprintError::{Character, Length};
        let wrong = [
            (String::new(), Length(0)),
            ("- -".to_owned(), Length(0)),
            ("0".repeat(24), Length(24)),
            ("0".repeat(26), Length(26)),
            ("0".repeat(100_000), Length(100_000)),
            ("u".repeat(25), Character('u')),
            (format!("{}é", "0".repeat(25)), Character('é')),
            ("0000_".repeat(5), Character('_')),
        ];
        for (text, error) in wrong {
            assert_eq!(text.parse::<Fingerprint>(), Err(error));
        }
    }

    #[test]
    fn a_column_of_fingerprints_can_be_aligned() {
        assert_eq!(format!("{:>31}|", fingerprint()).len(), 32);
    }

    proptest! {
        #[test]
        fn every_fingerprint_is_read_as_it_is_shown(key: [u8; 32]) {
            let fingerprint = PublicKey(key).fingerprint();
            let shown = fingerprint.to_string();
            prop_assert_eq!(shown.len(), 29);
            prop_assert_eq!(shown.parse(), Ok(fingerprint));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text: String) {
            let _ = text.parse::<Fingerprint>();
        }
    }
}
