//! Numbers on the wire: unsigned LEB128 in its shortest form, at most 64 bits.

use super::error::Violation;

/// The longest encoding of a 64-bit number, in bytes.
pub(crate) const MAX_LEN: usize = 10;

/// Appends `number` to `out`: 7 bits a byte, the lowest first, the top bit set on all but the last.
pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a number from the front of `bytes`: the number and how many bytes it took, or `None`
/// if the bytes end before the number does.
pub(crate) fn take(bytes: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    let mut number = 0u64;
    for (at, byte) in bytes.iter().take(MAX_LEN).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit; a last byte of zero means a shorter form exists.
        if (at == MAX_LEN - 1 && bits > 1) || (*byte == 0 && at > 0) {
            return Err(Violation::Number);
        }
        number |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((number, at + 1)));
        }
    }
    if bytes.len() >= MAX_LEN {
        return Err(Violation::Number);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back() {
        for shift in 0..64 {
            for number in [(1u64 << shift) - 1, 1 << shift, (1 << shift) + 1, u64::MAX] {
                let mut out = Vec::new();
                put(&mut out, number);
                assert_eq!(take(&out), Ok(Some((number, out.len()))));
                for cut in 0..out.len() {
                    assert_eq!(take(&out[..cut]), Ok(None));
                }
            }
        }
    }

    #[test]
    fn longer_forms_and_more_than_64_bits_are_refused() {
        assert_eq!(take(&[0x80, 0x00]), Err(Violation::Number));
        assert_eq!(take(&[0xff; 10]), Err(Violation::Number));
        let mut too_large = vec![0xff; 9];
        too_large.push(0x02);
        assert_eq!(take(&too_large), Err(Violation::Number));
    }
}
