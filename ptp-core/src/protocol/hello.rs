//! The hello line: the first bytes of either side, one printable line each.
//!
//! Printable, because a program that is not PTP should see text; a line, because a person may.
//! Both lines go into the Noise prologue, so that a changed byte breaks the handshake.

/// The longest hello line with its LF, in bytes.
pub(crate) const MAX_LINE: usize = 128;

const VERSION: &str = "PTP/1";
const REFUSED: &str = "refused";

/// A set of ciphers for one connection: X25519 and SHA-256 with one of two AEADs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    Aes256Gcm,
    ChaCha20Poly1305,
}

impl Suite {
    const ALL: [Self; 2] = [Self::Aes256Gcm, Self::ChaCha20Poly1305];

    /// The suites of this machine, the better first: AES where the processor has it.
    pub(crate) fn preferred() -> [Self; 2] {
        if aes_in_hardware() {
            Self::ALL
        } else {
            [Self::ChaCha20Poly1305, Self::Aes256Gcm]
        }
    }

    /// The suite's name in a hello line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "25519_AESGCM_SHA256",
            Self::ChaCha20Poly1305 => "25519_ChaChaPoly_SHA256",
        }
    }

    /// The Noise protocol's full name.
    pub(crate) fn noise(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "Noise_XX_25519_AESGCM_SHA256",
            Self::ChaCha20Poly1305 => "Noise_XX_25519_ChaChaPoly_SHA256",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }
}

#[cfg(target_arch = "x86_64")]
fn aes_in_hardware() -> bool {
    std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
}

#[cfg(target_arch = "aarch64")]
fn aes_in_hardware() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn aes_in_hardware() -> bool {
    false
}

/// What a listener answers to a hello line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Chosen(Suite),
    /// No version or no suite in common.
    Version,
    /// Too many handshakes are under way.
    Overloaded,
}

impl Answer {
    /// The line with its LF.
    pub(crate) fn line(self) -> String {
        match self {
            Self::Chosen(suite) => format!("{VERSION} {}\n", suite.name()),
            Self::Version => format!("{VERSION} {REFUSED} version\n"),
            Self::Overloaded => format!("{VERSION} {REFUSED} overloaded\n"),
        }
    }

    /// Reads a listener's line; `None` if it is not one.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let mut words = words(line)?;
        match (version(words.next()?)?, words.next(), words.next()) {
            (1, Some(REFUSED), Some("overloaded")) => Some(Self::Overloaded),
            (_, Some(REFUSED), _) => Some(Self::Version),
            (1, Some(suite), None) => Suite::named(suite).map(Self::Chosen),
            _ => None,
        }
    }
}

/// The dialler's line with its LF: the suites that it can, the one it prefers first.
pub(crate) fn offer(suites: &[Suite]) -> String {
    let mut line = VERSION.to_owned();
    for suite in suites {
        line.push(' ');
        line.push_str(suite.name());
    }
    line.push('\n');
    line
}

/// Reads a dialler's line and chooses; `None` if it is not a hello line.
///
/// AES is chosen only where both sides put it first, since without hardware it is slow and not
/// constant in time.
pub(crate) fn choose(line: &[u8], preferred: &[Suite]) -> Option<Answer> {
    let mut words = words(line)?;
    if version(words.next()?)? != 1 {
        return Some(Answer::Version);
    }
    // What a later dialler offers in addition is passed over.
    let offered: Vec<Suite> = words.filter_map(Suite::named).collect();
    let both_first = offered
        .first()
        .filter(|first| preferred.first() == Some(*first));
    let safe = [Suite::ChaCha20Poly1305, Suite::Aes256Gcm]
        .into_iter()
        .find(|suite| offered.contains(suite) && preferred.contains(suite));
    Some(match both_first.copied().or(safe) {
        Some(suite) => Answer::Chosen(suite),
        None => Answer::Version,
    })
}

/// The words of a hello line: printable ASCII between single spaces, ended by LF.
fn words(line: &[u8]) -> Option<impl Iterator<Item = &str>> {
    let line = line.strip_suffix(b"\n")?;
    if line.len() >= MAX_LINE || !line.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return None;
    }
    let words = str::from_utf8(line).ok()?.split(' ');
    words.clone().all(|word| !word.is_empty()).then_some(words)
}

fn version(word: &str) -> Option<u32> {
    let digits = word.strip_prefix("PTP/")?;
    // A number has one form: "+1" and "01" are no hello.
    let version: u32 = digits.parse().ok()?;
    (version.to_string() == digits).then_some(version)
}

/// Names what a peer speaks that is not PTP, from its first bytes, for a person to read.
pub(crate) fn identify(bytes: &[u8]) -> &'static str {
    const SIGNS: [(&[u8], &str); 13] = [
        (b"HTTP/", "HTTP"),
        (b"GET ", "HTTP"),
        (b"POST ", "HTTP"),
        (b"HEAD ", "HTTP"),
        (b"OPTIONS ", "HTTP"),
        (b"CONNECT ", "HTTP"),
        (b"<!DOCTYPE", "HTTP"),
        (b"<html", "HTTP"),
        (b"SSH-", "SSH"),
        (b"220", "mail or FTP"),
        (b"\x15\x03", "TLS"),
        (b"\x16\x03", "TLS"),
        (b"\x05", "SOCKS"),
    ];
    let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t');
    match SIGNS.iter().find(|(sign, _)| bytes.starts_with(sign)) {
        Some((_, name)) => name,
        None if bytes.starts_with(b"PTP/") => "a damaged PTP greeting",
        None if bytes.iter().all(printable) => "plain text",
        None => "something binary",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AES: Suite = Suite::Aes256Gcm;
    const CHACHA: Suite = Suite::ChaCha20Poly1305;

    #[test]
    fn aes_is_chosen_only_where_both_prefer_it() {
        for (theirs, ours, chosen) in [
            ([AES, CHACHA], [AES, CHACHA], AES),
            ([AES, CHACHA], [CHACHA, AES], CHACHA),
            ([CHACHA, AES], [AES, CHACHA], CHACHA),
            ([CHACHA, AES], [CHACHA, AES], CHACHA),
        ] {
            let answer = choose(offer(&theirs).as_bytes(), &ours);
            assert_eq!(answer, Some(Answer::Chosen(chosen)));
        }
        let only_aes = offer(&[AES]);
        assert_eq!(
            choose(only_aes.as_bytes(), &[CHACHA, AES]),
            Some(Answer::Chosen(AES))
        );
    }

    #[test]
    fn answers_come_back() {
        for answer in [
            Answer::Chosen(AES),
            Answer::Chosen(CHACHA),
            Answer::Version,
            Answer::Overloaded,
        ] {
            assert!(answer.line().len() <= MAX_LINE);
            assert_eq!(Answer::read(answer.line().as_bytes()), Some(answer));
        }
    }

    #[test]
    fn a_later_version_is_told_so_and_what_a_later_dialler_adds_is_passed_over() {
        assert_eq!(choose(b"PTP/2 x\n", &[AES]), Some(Answer::Version));
        assert_eq!(choose(b"PTP/1 x\n", &[AES]), Some(Answer::Version));
        let line = b"PTP/1 448_x 25519_AESGCM_SHA256 more\n";
        assert_eq!(choose(line, &[AES]), Some(Answer::Chosen(AES)));
        assert_eq!(
            Answer::read(b"PTP/2 refused version\n"),
            Some(Answer::Version)
        );
    }

    #[test]
    fn what_is_not_a_hello_line_is_named() {
        for (bytes, name) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], "HTTP"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
            (b"\x16\x03\x01\x02", "TLS"),
            (b"hello\n", "plain text"),
            (b"\x00\x01", "something binary"),
            (b"PTP/1 \x01\n", "a damaged PTP greeting"),
            (b"PTP/1  25519_AESGCM_SHA256\n", "a damaged PTP greeting"),
            (b"PTP/1 25519_AESGCM_SHA256 \n", "a damaged PTP greeting"),
            (b"PTP/+1 x\n", "a damaged PTP greeting"),
            (b"PTP/01 x\n", "a damaged PTP greeting"),
        ] {
            assert_eq!(choose(bytes, &[AES]), None, "{name}");
            assert_eq!(Answer::read(bytes), None, "{name}");
            assert_eq!(identify(bytes), name);
        }
    }
}
