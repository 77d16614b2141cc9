//! A known peer as a line of text: words between blanks, in quotes where a blank is a part of one.
//!
//! ```text
//! ana           8520…4e6a  paired  2026-01-31T18:05:00Z  192.168.1.20:5000 ana.example:5000
//! "Ben (work)"  de9e…4f08  added   2026-02-01T09:30:00Z
//! ```
//! Within quotes `\"` is a quote and `\\` a backslash.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use thiserror::Error;

use super::peer_name;
use super::public_key::{ParseKeyError, PublicKey};

/// A peer that was trusted once, and is from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownPeer {
    /// What it is called here; no other known peer is called so, in any case of letters. At most
    /// 64 bytes, none of them invisible.
    pub name: String,
    /// The key by which it is known again.
    pub key: PublicKey,
    /// Where it was reached, `HOST:PORT` as typed, the newest first; at most 8. At these places
    /// only this key is expected.
    pub addresses: Vec<String>,
    /// When it became known; whole seconds.
    pub since: SystemTime,
    /// How it became known.
    pub how: How,
}

/// How a peer became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// By a pairing code.
    Paired,
    /// By hand.
    Added,
}

/// What is wrong with a line of the file of known peers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerProblem {
    /// It holds bytes that are no text.
    #[error("not UTF-8 text")]
    NotText,
    /// A quote that is not closed, stands within a word, or a backslash before something else.
    #[error("quotes must enclose a whole word, and `\\` within them a `\"` or a `\\`")]
    Quotes,
    /// Less than name, key, how and since.
    #[error("NAME, KEY, HOW and SINCE are needed, and {0} words are there")]
    TooFew(usize),
    /// The name is empty, too long, or not seen as it is.
    #[error("a name has 1 to 64 bytes, and no invisible characters or spare blanks")]
    Name,
    /// The key can't be used.
    #[error("{0}")]
    Key(#[from] ParseKeyError),
    /// Neither of the words that there are.
    #[error("HOW is `paired` or `added`, not {0:?}")]
    How(String),
    /// No time, or none from 1970 to 9999.
    #[error("SINCE is a time such as 2026-01-31T18:05:00Z, not {0:?}")]
    Since(String),
    /// No address.
    #[error("an address is HOST:PORT, not {0:?}")]
    Address(String),
    /// More addresses than are kept.
    #[error("at most 8 addresses, not {0}")]
    TooManyAddresses(usize),
    /// The name is that of another.
    #[error("line {0} has the same name")]
    NameTaken(usize),
    /// The key is that of another.
    #[error("line {0} has the same key")]
    KeyTaken(usize),
    /// The address is that of another, or stands there twice.
    #[error("line {line} has the address {address}, too")]
    AddressTaken {
        /// Where it stands first.
        line: usize,
        /// The address.
        address: String,
    },
}

/// The word in the file.
impl fmt::Display for How {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Paired => "paired",
            Self::Added => "added",
        })
    }
}

impl FromStr for How {
    type Err = PeerProblem;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "paired" => Ok(Self::Paired),
            "added" => Ok(Self::Added),
            other => Err(PeerProblem::How(other.to_owned())),
        }
    }
}

impl KnownPeer {
    /// What a line says; `None` if it is blank or a comment.
    pub(super) fn from_line(line: &str) -> Result<Option<Self>, PeerProblem> {
        // Some editors begin a file with a mark of the byte order.
        let line = line.trim_start_matches('\u{FEFF}').trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let words = words(line)?;
        let [name, key, how, since, addresses @ ..] = words.as_slice() else {
            return Err(PeerProblem::TooFew(words.len()));
        };
        if !peer_name::is_fit(name) {
            return Err(PeerProblem::Name);
        }
        if let Some(wrong) = addresses.iter().find(|address| !is_address(address)) {
            return Err(PeerProblem::Address(wrong.clone()));
        }
        if addresses.len() > MAX_ADDRESSES {
            return Err(PeerProblem::TooManyAddresses(addresses.len()));
        }
        Ok(Some(Self {
            name: name.clone(),
            key: key.parse()?,
            addresses: addresses.to_vec(),
            how: how.parse()?,
            since: humantime::parse_rfc3339(since)
                .map_err(|_| PeerProblem::Since(since.clone()))?,
        }))
    }

    pub(super) fn to_line(&self) -> String {
        let since = humantime::format_rfc3339_seconds(whole_seconds(self.since));
        let mut line = format!("{} {} {} {since}", quoted(&self.name), self.key, self.how);
        for address in &self.addresses {
            line.push(' ');
            line.push_str(address);
        }
        line
    }

    pub(super) fn is_at(&self, address: &str) -> bool {
        self.addresses
            .iter()
            .any(|own| own.eq_ignore_ascii_case(address))
    }

    /// Puts the address to the front; the oldest gives way if there are too many.
    pub(super) fn note_address(&mut self, address: &str) {
        self.drop_address(address);
        self.addresses.insert(0, address.to_owned());
        self.addresses.truncate(MAX_ADDRESSES);
    }

    pub(super) fn drop_address(&mut self, address: &str) {
        self.addresses
            .retain(|own| !own.eq_ignore_ascii_case(address));
    }
}

/// Whether it is of the form `HOST:PORT`, and one word.
pub(super) fn is_address(text: &str) -> bool {
    let odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '"';
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    !host.is_empty()
        && host.len() <= MAX_HOST
        && !text.contains(odd)
        && digits
        && port.parse::<u16>().is_ok()
}

/// What two addresses have in common that are the same: the name service does not tell capitals
/// from small letters.
pub(super) fn folded_address(address: &str) -> String {
    address.to_ascii_lowercase()
}

/// The part of a time that is written: whole seconds, from 1970 to 9999.
pub(super) fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs().min(END_OF_9999))
}

fn words(line: &str) -> Result<Vec<String>, PeerProblem> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        // One after the other without a blank, or a quote in the middle.
        let closed = after.is_empty() || after.starts_with(char::is_whitespace);
        if !closed || (!rest.starts_with('"') && word.contains('"')) {
            return Err(PeerProblem::Quotes);
        }
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

/// The word up to the closing quote, and what follows that.
fn unquote(text: &str) -> Result<(String, &str), PeerProblem> {
    let mut word = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((word, &text[at + 1..])),
            '\\' => match letters.next() {
                Some((_, escaped @ ('"' | '\\'))) => word.push(escaped),
                _ => return Err(PeerProblem::Quotes),
            },
            _ => word.push(letter),
        }
    }
    Err(PeerProblem::Quotes)
}

fn quoted(name: &str) -> String {
    if !name.starts_with('#')
        && !name.contains(|letter: char| letter == '"' || letter.is_whitespace())
    {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('\\', r"\\").replace('"', "\\\""))
}

/// Home, work, a phone's hot spot, each by name and by number: more are hardly alive.
const MAX_ADDRESSES: usize = 8;
/// A name of 253 bytes (RFC 1035), or an address with brackets and a zone, which is shorter.
const MAX_HOST: usize = 255;
/// The last second with a year of four digits, since 1970.
const END_OF_9999: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";

    fn read(line: &str) -> Result<Option<KnownPeer>, PeerProblem> {
        KnownPeer::from_line(
            &line
                .replace("KEY", KEY)
                .replace("NOW", "2026-01-31T18:05:00Z"),
        )
    }

    #[test]
    fn a_line_says_name_key_how_since_and_addresses() {
        let peer = read("ana KEY paired NOW [::1]:5000 host:1")
            .unwrap()
            .unwrap();
        assert_eq!(peer.name, "ana");
        assert_eq!(peer.key.to_string(), KEY);
        assert_eq!(peer.how, How::Paired);
        assert_eq!(
            peer.since,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_882_700)
        );
        assert_eq!(peer.addresses, ["[::1]:5000", "host:1"]);
        let again = read("\u{feff} \tana  KEY\tpaired NOW \"[::1]:5000\" host:1\r").unwrap();
        assert_eq!(again, Some(peer));
    }

    #[test]
    fn blank_lines_and_comments_say_nothing() {
        for line in ["", " \t\r", "# \"", "  #ana KEY", "\u{feff}# x"] {
            assert_eq!(read(line), Ok(None));
        }
    }

    #[test]
    fn names_stand_in_quotes_where_they_must() {
        let names = [
            ("a b", r#""a b""#),
            ("a\"b", r#""a\"b""#),
            (r"a\b", r"a\b"),
            (r"a\ b", r#""a\\ b""#),
            ("#1", r##""#1""##),
            ("1#", "1#"),
        ];
        for (name, word) in names {
            let peer = read(&format!("{word} KEY added NOW")).unwrap().unwrap();
            assert_eq!(peer.name, name);
            assert!(peer.to_line().starts_with(&format!("{word} {KEY} added ")));
        }
    }

    #[test]
    fn each_kind_of_malformed_line_is_told_apart() {
        use PeerProblem::{Address, How, Key, Name, Quotes, Since, TooFew, TooManyAddresses};
        let wrong = [
            ("ana", TooFew(1)),
            ("ana KEY paired", TooFew(3)),
            (r#""ana KEY paired NOW"#, Quotes),
            (r#""ana"KEY paired NOW x"#, Quotes),
            (r#"a"na KEY paired NOW"#, Quotes),
            (r#""a\na" KEY paired NOW"#, Quotes),
            (r#""ana\"#, Quotes),
            (r#""" KEY paired NOW"#, Name),
            (r#"" " KEY paired NOW"#, Name),
            (r#"" ana" KEY paired NOW"#, Name),
            ("a\u{202e}na KEY paired NOW", Name),
            ("a\0na KEY paired NOW", Name),
            ("KEYx KEY paired NOW", Name),
            ("ana 00 paired NOW", Key(ParseKeyError::Digits)),
            ("ana KEY Paired NOW", How("Paired".to_owned())),
            ("ana KEY NOW paired", How("2026-01-31T18:05:00Z".to_owned())),
            ("ana KEY paired yesterday", Since("yesterday".to_owned())),
            (
                "ana KEY paired 2026-13-01T00:00:00Z",
                Since("2026-13-01T00:00:00Z".to_owned()),
            ),
            ("ana KEY paired NOW host", Address("host".to_owned())),
            ("ana KEY paired NOW :1", Address(":1".to_owned())),
            ("ana KEY paired NOW h:", Address("h:".to_owned())),
            ("ana KEY paired NOW h:+1", Address("h:+1".to_owned())),
            ("ana KEY paired NOW h:65536", Address("h:65536".to_owned())),
            ("ana KEY paired NOW \"h h:1\"", Address("h h:1".to_owned())),
            ("ana KEY paired NOW a:1 # home", Address("#".to_owned())),
            (
                "ana KEY paired NOW a:1 b:1 c:1 d:1 e:1 f:1 g:1 h:1 i:1",
                TooManyAddresses(9),
            ),
        ];
        for (line, problem) in wrong {
            assert_eq!(read(line), Err(problem), "{line}");
        }
        let nobody = read(&format!("ana {} paired NOW", "00".repeat(32)));
        assert_eq!(nobody, Err(Key(ParseKeyError::LowOrder)));
    }

    #[test]
    fn a_clock_that_is_out_of_its_mind_does_no_harm() {
        let times = [
            (
                SystemTime::UNIX_EPOCH - Duration::from_secs(1),
                "1970-01-01T00:00:00Z",
            ),
            (
                SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60),
                "9999-12-31T23:59:59Z",
            ),
        ];
        for (since, shown) in times {
            let mut peer = read("ana KEY paired NOW").unwrap().unwrap();
            peer.since = since;
            assert!(peer.to_line().ends_with(shown), "{}", peer.to_line());
        }
    }

    #[test]
    fn the_ninth_address_takes_the_place_of_the_oldest() {
        let mut peer = read("ana KEY paired NOW").unwrap().unwrap();
        for port in 1..=9 {
            peer.note_address(&format!("host:{port}"));
        }
        assert_eq!(peer.addresses.len(), 8);
        assert_eq!(peer.addresses[0], "host:9");
        assert!(!peer.is_at("host:1") && peer.is_at("HOST:2"));
        peer.note_address("Host:2");
        assert_eq!(peer.addresses[..2], ["Host:2", "host:9"]);
        assert_eq!(peer.addresses.len(), 8);
    }

    proptest! {
        #[test]
        fn every_peer_is_read_as_it_is_written(
            claimed: String,
            key in any::<[u8; 32]>(),
            seconds in 0..=END_OF_9999,
            paired: bool,
            hosts in proptest::collection::vec("[a-z\\[\\]:%.\\\\#-]{1,20}:[0-9]{1,4}", 0..=8),
        ) {
            let peer = KnownPeer {
                name: peer_name::from_claim(&claimed),
                key: PublicKey(key),
                addresses: hosts,
                since: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
                how: if paired { How::Paired } else { How::Added },
            };
            prop_assert_eq!(KnownPeer::from_line(&peer.to_line()), Ok(Some(peer)));
        }

        #[test]
        fn no_line_makes_the_reader_panic(line: String, bytes: Vec<u8>) {
            let _ = KnownPeer::from_line(&line);
            let _ = KnownPeer::from_line(&String::from_utf8_lossy(&bytes));
            let _ = read(&format!("{line} KEY paired {line} {line}"));
        }
    }
}
