//! The names of known peers: what a peer calls itself, made fit to be typed and to be told apart.

use super::fingerprint::Fingerprint;

/// As long as a name in the protocol may be, in bytes.
pub(super) const MAX_NAME: usize = 64;

/// A name for a peer that calls itself `claimed`: without what can't be seen, not to be mistaken
/// for a fingerprint, an address, a host or an option; "Remote" if nothing is left.
pub(super) fn from_claim(claimed: &str) -> String {
    let name = visible(claimed).replace(':', "-");
    let mut name = trimmed(cut(trimmed(&name), MAX_NAME)).to_owned();
    if !name.contains(' ') {
        // As a word with dots it could be that of a host, which it would hide.
        name = trimmed(&name.replace('.', "-")).to_owned();
    }
    if name.is_empty() || name.parse::<Fingerprint>().is_ok() {
        return NAMELESS.to_owned();
    }
    name
}

/// `name`, or with -2, -3 and so on behind it, the first that is not `taken`.
pub(super) fn free(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2_u64..).map(|number| {
        let suffix = format!("-{number}");
        format!("{}{suffix}", cut(name, MAX_NAME - suffix.len()))
    });
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|name| !taken(name) && name.parse::<Fingerprint>().is_err())
        .unwrap_or_default()
}

/// Whether a name that somebody wrote by hand is one that is seen as it is.
pub(super) fn is_fit(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && visible(name) == name
}

/// What two names have in common if people would take them for one.
pub(super) fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// Without control, reordering and invisible characters; blanks are single spaces between words.
fn visible(name: &str) -> String {
    let kept: String = name
        .chars()
        .filter(|&letter| letter.is_whitespace() || !is_hidden(letter))
        .collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            // Reordering.
            '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2066}'..='\u{2069}'
            // Invisible.
            | '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFF}'
            // Private, tags and beyond.
            | '\u{E000}'..='\u{F8FF}' | '\u{E0000}'..='\u{10FFFF}')
}

/// Without the hyphens that begin an option.
fn trimmed(name: &str) -> &str {
    name.trim_matches(|letter| letter == '-' || letter == ' ')
}

/// At most `limit` bytes of whole characters, without a blank at the end.
fn cut(name: &str, limit: usize) -> &str {
    name[..name.floor_char_boundary(limit)].trim_end()
}

const NAMELESS: &str = "Remote";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_claimed_name_is_kept_if_it_is_harmless() {
        for name in [
            "Ana",
            "Ana María",
            "bén-2",
            "李雷",
            "J. Doe",
            "O'Neil \"x\"",
            "#1",
        ] {
            assert_eq!(from_claim(name), name);
            assert!(is_fit(name));
        }
    }

    #[test]
    fn what_can_not_be_seen_is_taken_out() {
        let claims = [
            ("A\u{1b}[31mna", "A[31mna"),
            ("A\u{202e}na\0", "Ana"),
            ("A\u{200b}n\u{feff}a\u{e0041}", "Ana"),
            (" \t Ana\n\u{a0}\u{2028}B\u{85} ", "Ana B"),
            ("\u{f8ff}Ana\u{3164}", "Ana"),
        ];
        for (claimed, name) in claims {
            assert_eq!(from_claim(claimed), name, "{claimed:?}");
            assert!(!is_fit(claimed), "{claimed:?}");
        }
    }

    #[test]
    fn a_name_is_no_address_no_host_no_option_and_no_fingerprint() {
        let claims = [
            ("localhost:5000", "localhost-5000"),
            ("example.com", "example-com"),
            ("nas.", "nas"),
            ("::1", "1"),
            ("- example.com", "example-com"),
            (
                &format!("example.com{} x", "m".repeat(53)),
                &format!("example-com{}", "m".repeat(53)),
            ),
            ("--open", "open"),
            ("60cg3-twc1z-3vymm-m7ctr-kwf4j", "Remote"),
            ("60CG3TWC1Z3VYMMM7CTRKWF4J", "Remote"),
        ];
        for (claimed, name) in claims {
            assert_eq!(from_claim(claimed), name, "{claimed:?}");
        }
    }

    #[test]
    fn a_peer_without_a_name_is_called_peer() {
        for claimed in ["", " ", "\0\u{202e}", "...", "--", "\u{200b}"] {
            assert_eq!(from_claim(claimed), "Remote", "{claimed:?}");
        }
    }

    #[test]
    fn a_taken_name_gets_a_number_within_64_bytes() {
        let taken = ["ana", "ana-2", &"x".repeat(64)];
        let free = |name: &str| free(name, |name| taken.contains(&name));
        assert_eq!(free("ben"), "ben");
        assert_eq!(free("ana"), "ana-3");
        assert_eq!(free(&"x".repeat(64)), format!("{}-2", "x".repeat(62)));
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(from_claim(&"é".repeat(100)), "é".repeat(32));
        assert_eq!(from_claim(&"李".repeat(100)), "李".repeat(21));
        assert_eq!(from_claim(&format!("{} b", "a".repeat(63))), "a".repeat(63));
    }

    proptest! {
        #[test]
        fn every_claim_gives_a_fit_name(claimed: String) {
            let name = from_claim(&claimed);
            prop_assert!(is_fit(&name), "{:?}", name);
            prop_assert_eq!(from_claim(&name), name);
        }
    }
}
