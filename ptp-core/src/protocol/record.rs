//! Records: Noise transport messages with a two-byte length, sealed and opened in place.
//!
//! Each direction has a key of its own, so that reader and writer share no lock. A nonce counts
//! records; each 2^20 records the key is replaced by Noise's `REKEY` (Noise specification,
//! revision 34, section 4.2). The nonce goes on counting.

use std::sync::Arc;

use ring::aead::{
    AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey,
};
use zeroize::Zeroizing;

use super::error::Violation;
use super::hello::Suite;

/// Bytes before a record that say how long it is.
pub(crate) const PREFIX: usize = 2;
/// Bytes that sealing adds behind the plaintext.
pub(crate) const TAG: usize = 16;
/// The longest plaintext of a record: Noise messages are at most 65,535 bytes.
pub(crate) const MAX_PLAINTEXT: usize = 65_535 - TAG;
/// Records under one key: far below the bounds of both ciphers, and often enough that an old key
/// soon opens nothing (docs/protocol.md, "Records").
const REKEY_EVERY: u64 = 1 << 20;

/// One direction's key and the number of its next record.
struct Direction {
    suite: Suite,
    /// Shared with the records that were sealed in place by it.
    key: Arc<LessSafeKey>,
    next: u64,
}

impl Direction {
    fn new(suite: Suite, key: &[u8; 32]) -> Option<Self> {
        Some(Self {
            suite,
            key: ring_key(suite, key)?,
            next: 0,
        })
    }

    /// The nonce of the next record; counts it. Rekeys where one is due.
    fn advance(&mut self) -> Option<NonceBytes> {
        if self.next > 0 && self.next.is_multiple_of(REKEY_EVERY) {
            self.rekey()?;
        }
        let nonce = nonce(self.suite, self.next);
        // u64::MAX belongs to rekeying; at a record a nanosecond it is reached in 584 years.
        self.next = self.next.checked_add(1)?;
        Some(nonce)
    }

    fn rekey(&mut self) -> Option<()> {
        let mut fresh = Zeroizing::new([0u8; 32]);
        let nonce = nonce(self.suite, u64::MAX);
        let _tag = seal(&self.key, nonce, &mut *fresh)?;
        self.key = ring_key(self.suite, &fresh)?;
        Some(())
    }
}

type NonceBytes = [u8; NONCE_LEN];

fn seal(key: &LessSafeKey, nonce: NonceBytes, plaintext: &mut [u8]) -> Option<Tag> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_separate_tag(nonce, Aad::empty(), plaintext)
        .ok()
}

fn ring_key(suite: Suite, key: &[u8; 32]) -> Option<Arc<LessSafeKey>> {
    let algorithm = match suite {
        Suite::Aes256Gcm => &AES_256_GCM,
        Suite::ChaCha20Poly1305 => &CHACHA20_POLY1305,
    };
    // Fails only for a key of another length.
    let key = UnboundKey::new(algorithm, key).ok()?;
    Some(Arc::new(LessSafeKey::new(key)))
}

/// Noise's nonces: 32 zero bits, then the number, big-endian for AES-GCM, little-endian for
/// ChaCha20-Poly1305 (Noise specification, sections 12.3 and 12.4).
fn nonce(suite: Suite, number: u64) -> NonceBytes {
    let mut bytes = [0u8; NONCE_LEN];
    bytes[4..].copy_from_slice(&match suite {
        Suite::Aes256Gcm => number.to_be_bytes(),
        Suite::ChaCha20Poly1305 => number.to_le_bytes(),
    });
    bytes
}

/// Seals the records of one direction.
pub(crate) struct Sealer(Direction);

impl Sealer {
    pub(crate) fn new(suite: Suite, key: &[u8; 32]) -> Option<Self> {
        Direction::new(suite, key).map(Self)
    }

    /// How many hold its present key: itself, and each record that it sealed in place.
    #[cfg(test)]
    pub(crate) fn key_holders(&self) -> usize {
        Arc::strong_count(&self.0.key)
    }

    /// The next record gets this number.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, number: u64) {
        self.0.next = number;
    }

    /// Seals the record that begins at `out[start]`: there `PREFIX` bytes were left free, and the
    /// plaintext, at most `MAX_PLAINTEXT` bytes, is all that stands behind them.
    ///
    /// `None` if the numbers of this direction are used up; nothing may be sent then.
    pub(crate) fn seal(&mut self, out: &mut Vec<u8>, start: usize) -> Option<()> {
        let (prefix, tag, _) = self.encrypt(&mut out[start + PREFIX..])?;
        out[start..start + PREFIX].copy_from_slice(&prefix);
        out.extend_from_slice(tag.as_ref());
        Some(())
    }

    /// Seals a record whose plaintext, at most `MAX_PLAINTEXT` bytes, stays where it lies.
    ///
    /// `None` as `seal`.
    pub(crate) fn seal_in_place(&mut self, plaintext: &mut [u8]) -> Option<SealedInPlace> {
        let (prefix, tag, nonce) = self.encrypt(plaintext)?;
        Some(SealedInPlace {
            prefix,
            tag,
            key: Arc::clone(&self.0.key),
            nonce,
        })
    }

    /// The next record: what goes before it, what goes behind it, and its nonce.
    fn encrypt(&mut self, plaintext: &mut [u8]) -> Option<([u8; PREFIX], Tag, NonceBytes)> {
        let nonce = self.0.advance()?;
        let length = u16::try_from(plaintext.len() + TAG).ok()?;
        let tag = seal(&self.0.key, nonce, plaintext)?;
        Some((length.to_be_bytes(), tag, nonce))
    }
}

/// A record that was sealed where it lies: what stands around it on the wire, and how it is opened
/// again by who kept it.
pub(crate) struct SealedInPlace {
    prefix: [u8; PREFIX],
    tag: Tag,
    key: Arc<LessSafeKey>,
    nonce: NonceBytes,
}

impl SealedInPlace {
    /// What goes before it.
    pub(crate) fn prefix(&self) -> [u8; PREFIX] {
        self.prefix
    }

    /// How long it is, without what stands around it.
    pub(crate) fn length(&self) -> usize {
        usize::from(u16::from_be_bytes(self.prefix)) - TAG
    }

    /// What goes behind it.
    pub(crate) fn tag(&self) -> &[u8] {
        self.tag.as_ref()
    }

    /// Makes it plain again. `None` if that is not what was sealed.
    pub(crate) fn open(&self, ciphertext: &mut [u8]) -> Option<()> {
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        self.key
            .open_in_place_separate_tag(nonce, Aad::empty(), self.tag, ciphertext, 0..)
            .ok()
            .map(|_| ())
    }
}

/// Says nothing of its key.
impl std::fmt::Debug for SealedInPlace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SealedInPlace({} bytes)", self.length())
    }
}

/// Opens the records of one direction.
pub(crate) struct Opener(Direction);

impl Opener {
    pub(crate) fn new(suite: Suite, key: &[u8; 32]) -> Option<Self> {
        Direction::new(suite, key).map(Self)
    }

    /// Opens the sealed record that fills `buffer` from `sealed` on, and moves its plaintext to
    /// the front of `buffer`. Returns the plaintext's length.
    pub(crate) fn open(&mut self, buffer: &mut [u8], sealed: usize) -> Result<usize, Violation> {
        let nonce = self.0.advance().ok_or(Violation::RecordAuthentication)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .key
            .open_within(nonce, Aad::empty(), buffer, sealed..)
            .map(|plaintext| plaintext.len())
            .map_err(|_| Violation::RecordAuthentication)
    }
}

/// How long the record at the front of `bytes` is without its prefix; `None` if more is needed.
pub(crate) fn length(bytes: &[u8]) -> Result<Option<usize>, Violation> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*prefix));
    // An empty record says nothing: who sends it only wants to be answered.
    if length <= TAG {
        return Err(Violation::RecordLength(length));
    }
    Ok(Some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(suite: Suite) -> (Sealer, Opener) {
        let key = [3; 32];
        (
            Sealer::new(suite, &key).unwrap(),
            Opener::new(suite, &key).unwrap(),
        )
    }

    fn seal(sealer: &mut Sealer, plaintext: &[u8]) -> Vec<u8> {
        let mut out = vec![0; PREFIX];
        out.extend_from_slice(plaintext);
        sealer.seal(&mut out, 0).unwrap();
        out
    }

    #[test]
    fn records_come_back_across_rekeying() {
        for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
            let (mut sealer, mut opener) = pair(suite);
            sealer.0.next = REKEY_EVERY - 2;
            opener.0.next = REKEY_EVERY - 2;
            for number in 0u8..5 {
                let mut record = seal(&mut sealer, &[number; 100]);
                assert_eq!(length(&record), Ok(Some(100 + TAG)));
                assert_eq!(opener.open(&mut record, PREFIX), Ok(100));
                assert_eq!(record[..100], [number; 100]);
            }
        }
    }

    #[test]
    fn what_is_sealed_where_it_lies_is_a_record_and_comes_back_across_rekeying() {
        for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
            let (mut sealer, mut opener) = pair(suite);
            sealer.skip_to(REKEY_EVERY - 2);
            opener.0.next = REKEY_EVERY - 2;
            let mut kept = Vec::new();
            for number in 0u8..5 {
                let mut bytes = vec![number; 100];
                let sealed = sealer.seal_in_place(&mut bytes).unwrap();
                let mut record = [&sealed.prefix()[..], &bytes, sealed.tag()].concat();
                assert_eq!(sealed.length(), 100);
                assert_eq!(opener.open(&mut record, PREFIX), Ok(100));
                assert_eq!(record[..100], [number; 100]);
                kept.push((bytes, sealed));
            }
            for (number, (bytes, sealed)) in (0..).zip(&mut kept) {
                assert_ne!(*bytes, [number; 100]);
                sealed.open(bytes).unwrap();
                assert_eq!(*bytes, [number; 100]);
                // It is no longer what was sealed.
                assert_eq!(sealed.open(bytes), None);
            }
        }
    }

    #[test]
    fn each_changed_bit_is_noticed() {
        for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
            let (mut sealer, _) = pair(suite);
            let record = seal(&mut sealer, b"hello");
            for bit in PREFIX * 8..record.len() * 8 {
                let (_, mut opener) = pair(suite);
                let mut changed = record.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    opener.open(&mut changed, PREFIX),
                    Err(Violation::RecordAuthentication)
                );
            }
        }
    }

    #[test]
    fn replayed_and_reordered_records_are_noticed() {
        let (mut sealer, mut opener) = pair(Suite::Aes256Gcm);
        let (first, second) = (seal(&mut sealer, b"one"), seal(&mut sealer, b"two"));
        assert!(opener.open(&mut second.clone(), PREFIX).is_err());
        let (_, mut opener) = pair(Suite::Aes256Gcm);
        assert!(opener.open(&mut first.clone(), PREFIX).is_ok());
        assert!(opener.open(&mut first.clone(), PREFIX).is_err());
    }

    #[test]
    fn impossible_lengths_are_refused_and_short_ones_ask_for_more() {
        assert_eq!(length(&[]), Ok(None));
        assert_eq!(length(&[1]), Ok(None));
        for short in 0..=TAG as u8 {
            assert!(length(&[0, short]).is_err());
        }
        assert_eq!(length(&[0, 17]), Ok(Some(17)));
        assert_eq!(length(&[0xff, 0xff]), Ok(Some(65_535)));
    }
}
