//! The code that one person reads out and another types.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use super::words::WORDS;

/// Decimal digits of the number.
const DIGITS: usize = 4;
const NUMBERS: u16 = 10_000;
/// The longest word of the list, in letters.
const LONGEST_WORD: usize = 7;
/// From here on the beginning of a word stands for it, if no other begins so; four letters always
/// do. Of one or two letters even a single fitting word is more likely a slip.
const SHORTEST_BEGINNING: usize = 3;
/// One draw in twelve is thrown away; that all of these are is a broken source.
const DRAWS: usize = 64;

/// A pairing code: a number of four digits and two words, as in `4071-magnet-village`; 33 bits.
///
/// It is worth something to whoever reads it, for ten minutes or three tries. It is wiped when it
/// is dropped, `Debug` does not print it, and there is no `Display`, so that it gets nowhere but
/// where [`Code::as_str`] puts it.
///
/// ```
/// let code = ptp_core::Code::parse(" 4071 MAGN vilage ")?;
/// assert_eq!(code.as_str(), "4071-magnet-village");
/// # Ok::<(), ptp_core::CodeError>(())
/// ```
#[derive(Clone)]
pub struct Code(Zeroizing<String>);

/// Why a text is not a code. Says which part is wrong, never what was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodeError {
    /// It does not begin with exactly four digits.
    #[error("a code begins with a number of four digits")]
    Number,
    /// There are fewer or more than two words behind the number.
    #[error("a code has two words behind its number")]
    Words,
    /// No word of the list is, or begins with, or is one mistake away from what was typed.
    #[error("the {0} word of the code is not one that codes are made of")]
    Unknown(CodeWord),
    /// Several words of the list fit.
    #[error("the {0} word of the code could be several: type more of it")]
    Ambiguous(CodeWord),
}

/// Which of a code's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeWord {
    /// The one behind the number.
    First,
    /// The last.
    Second,
}

impl fmt::Display for CodeWord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

impl Code {
    /// A new code; all are equally likely if all bytes that `fill` gives are.
    ///
    /// # Errors
    /// Those of `fill`, and if what it gives can't be random.
    pub(crate) fn generate(
        mut fill: impl FnMut(&mut [u8]) -> Result<(), getrandom::Error>,
    ) -> Result<Self, getrandom::Error> {
        for _ in 0..DRAWS {
            let mut drawn = Zeroizing::new([0; 6]);
            fill(&mut *drawn)?;
            let [n0, n1, a0, a1, b0, b1] = *drawn;
            let number = u16::from_be_bytes([n0, n1]);
            // The last few numbers of 16 bits would favour the lower codes.
            if number < u16::MAX / NUMBERS * NUMBERS {
                let word =
                    |high, low| WORDS[usize::from(u16::from_be_bytes([high, low])) % WORDS.len()];
                return Ok(Self::of(number % NUMBERS, word(a0, a1), word(b0, b1)));
            }
        }
        Err(getrandom::Error::UNEXPECTED)
    }

    /// Reads what somebody typed.
    ///
    /// Capitals do not matter. Spaces, hyphens, dashes, underscores and dots separate the parts,
    /// any number of them, also before and behind; none is needed behind the number. A word may be
    /// cut short, to three letters if no other begins with them (four always suffice). One mistake
    /// in a word, a wrong, missing, additional letter or two swapped ones, is put right if only one
    /// word is that near.
    ///
    /// # Errors
    /// Which part is wrong.
    ///
    /// ```
    /// use ptp_core::{Code, CodeError};
    ///
    /// assert!(matches!(Code::parse("71-magnet-village"), Err(CodeError::Number)));
    /// assert!(matches!(Code::parse("4071-magnet"), Err(CodeError::Words)));
    /// ```
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let text = Zeroizing::new(text.to_ascii_lowercase());
        let (number, words) = parts(&text);
        if number.len() != DIGITS {
            return Err(CodeError::Number);
        }
        let number = number.parse().map_err(|_| CodeError::Number)?;
        let [first, second] = words[..] else {
            return Err(CodeError::Words);
        };
        let (first, second) = (
            find(first, CodeWord::First)?,
            find(second, CodeWord::Second)?,
        );
        Ok(Self::of(number, first, second))
    }

    /// The words with which the word that is being typed at the end of `partial` may go on.
    ///
    /// Empty if no letter of a word has been typed, if there is no number of four digits before
    /// it, or if both words are finished.
    ///
    /// ```
    /// assert_eq!(ptp_core::Code::completions("4071-ZIN"), ["zinc", "zinnia"]);
    /// assert!(ptp_core::Code::completions("4071-").is_empty());
    /// ```
    #[must_use]
    pub fn completions(partial: &str) -> Vec<&'static str> {
        let Some(typing) = Typing::at_end_of(partial) else {
            return Vec::new();
        };
        beginning_with(&typing.letters).collect()
    }

    /// `partial` with the word at its end completed, and a hyphen behind it if it is the first;
    /// `None` if none or several [complete](Self::completions) it.
    ///
    /// ```
    /// use ptp_core::Code;
    ///
    /// assert_eq!(Code::complete("4071 ZIN").as_deref(), None);
    /// assert_eq!(Code::complete("4071 ZINC").as_deref(), Some("4071 zinc-"));
    /// assert_eq!(Code::complete("4071-zinc-zig").as_deref(), Some("4071-zinc-zigzag"));
    /// ```
    #[must_use]
    pub fn complete(partial: &str) -> Option<String> {
        let typing = Typing::at_end_of(partial)?;
        let word = only(beginning_with(&typing.letters))?.ok()?;
        let behind = match typing.word {
            CodeWord::First => "-",
            CodeWord::Second => "",
        };
        Some(format!("{}{word}{behind}", typing.before))
    }

    /// The one form in which a code is shown, and hashed by the pairing: `4071-magnet-village`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(number: u16, first: &str, second: &str) -> Self {
        // Of the full size at once: a text that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(DIGITS + 2 * (1 + LONGEST_WORD)));
        for place in [1_000, 100, 10, 1] {
            text.push(char::from(b'0' + (number / place % 10) as u8));
        }
        for word in [first, second] {
            text.push('-');
            text.push_str(word);
        }
        Self(text)
    }
}

/// Tells nothing.
impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Code(..)")
    }
}

/// Takes apart: the digits at the front, and the words behind.
fn parts(text: &str) -> (&str, Vec<&str>) {
    let text = text.trim_start_matches(separates);
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, words) = text.split_at(digits);
    let words = words.split(separates).filter(|word| !word.is_empty());
    (number, words.collect())
}

/// Also what editors and keyboards make of a hyphen.
fn separates(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '-' | '_' | '.' | '\u{2010}'..='\u{2015}')
}

/// The word of the list that is meant. A beginning goes before a mistake: who stops after four
/// letters has been promised that they suffice.
fn find(typed: &str, position: CodeWord) -> Result<&'static str, CodeError> {
    if typed.len() < SHORTEST_BEGINNING {
        return Err(CodeError::Ambiguous(position));
    }
    let near = || WORDS.into_iter().filter(|word| is_near(typed, word));
    only(beginning_with(typed))
        .or_else(|| only(near()))
        .ok_or(CodeError::Unknown(position))?
        .map_err(|Several| CodeError::Ambiguous(position))
}

fn beginning_with(letters: &str) -> impl Iterator<Item = &'static str> {
    WORDS
        .into_iter()
        .filter(move |word| word.starts_with(letters))
}

struct Several;

/// The only one, if there is one at all.
fn only(mut words: impl Iterator<Item = &'static str>) -> Option<Result<&'static str, Several>> {
    let first = words.next()?;
    Some(match words.next() {
        None => Ok(first),
        Some(_) => Err(Several),
    })
}

/// Whether at most one letter is wrong, missing or too many, or two neighbours are swapped.
fn is_near(typed: &str, word: &str) -> bool {
    let (typed, word) = (typed.as_bytes(), word.as_bytes());
    let front = typed.iter().zip(word).take_while(|(a, b)| a == b).count();
    let (typed, word) = (&typed[front..], &word[front..]);
    let pairs = typed.iter().rev().zip(word.iter().rev());
    let back = pairs.take_while(|(a, b)| a == b).count();
    match (&typed[..typed.len() - back], &word[..word.len() - back]) {
        ([] | [_], [] | [_]) => true,
        ([a, b], [c, d]) => (a, b) == (d, c),
        _ => false,
    }
}

/// A word at the end of a text that is not finished.
struct Typing<'a> {
    before: &'a str,
    letters: Zeroizing<String>,
    word: CodeWord,
}

impl<'a> Typing<'a> {
    fn at_end_of(partial: &'a str) -> Option<Self> {
        let letters = partial.rsplit(separates).next()?;
        let before = partial.strip_suffix(letters)?;
        let (number, words) = parts(before);
        let word = match words[..] {
            [] => CodeWord::First,
            [_] => CodeWord::Second,
            _ => return None,
        };
        let begun = number.len() == DIGITS && !letters.is_empty();
        begun.then(|| Self {
            before,
            letters: Zeroizing::new(letters.to_ascii_lowercase()),
            word,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<String, CodeError> {
        Code::parse(text).map(|code| code.as_str().to_owned())
    }

    #[test]
    fn the_list_has_what_codes_need() {
        assert!(WORDS.is_sorted());
        for word in WORDS {
            assert!((4..=LONGEST_WORD).contains(&word.len()), "{word}");
            assert!(word.bytes().all(|letter| letter.is_ascii_lowercase()));
            assert!(!WORDS.contains(&format!("{word}s").as_str()), "{word}");
        }
        let beginnings: HashSet<&str> = WORDS.iter().map(|word| &word[..4]).collect();
        assert_eq!(beginnings.len(), 1_024);
    }

    #[test]
    fn no_single_mistake_makes_one_word_of_another() {
        for (at, word) in WORDS.iter().enumerate() {
            let near: Vec<_> = WORDS[..at].iter().filter(|it| is_near(it, word)).collect();
            assert!(near.is_empty(), "{word}: {near:?}");
        }
    }

    #[test]
    fn every_word_is_known_by_four_letters() {
        for word in WORDS {
            let typed = format!("0000-{}-{word}", &word[..4]);
            assert_eq!(parsed(&typed), Ok(format!("0000-{word}-{word}")));
        }
    }

    #[test]
    fn case_and_separators_do_not_matter() {
        let forms = [
            "0407-magnet-village",
            "  0407 MAGNET Village\n",
            "--0407__magnet...village-",
            "0407magnet village",
            "0407\u{2014}magnet\u{a0}\u{2011}\tvillage",
        ];
        for form in forms {
            assert_eq!(parsed(form), Ok("0407-magnet-village".into()), "{form:?}");
        }
    }

    #[test]
    fn one_mistake_in_a_word_is_put_right() {
        for typed in [
            "vilage", "villlage", "villege", "vlilage", "illage", "villages",
        ] {
            let code = parsed(&format!("0407-magnet-{typed}"));
            assert_eq!(code, Ok("0407-magnet-village".into()), "{typed}");
        }
        let two = parsed("0407-magnet-vilege");
        assert_eq!(two, Err(CodeError::Unknown(CodeWord::Second)));
    }

    #[test]
    fn an_error_says_which_part_is_wrong() {
        use CodeError::{Ambiguous, Number, Unknown, Words};
        let cases = [
            ("", Number),
            ("-", Number),
            ("magnet-village", Number),
            ("407-magnet-village", Number),
            ("04071-magnet-village", Number),
            ("04 07-magnet-village", Number),
            ("+407-magnet-village", Number),
            ("٠٤٠٧-magnet-village", Number),
            ("0407", Words),
            ("0407-magnet", Words),
            ("0407-magnet-village-magnet", Words),
            ("0407-xxxxxx-village", Unknown(CodeWord::First)),
            ("0407-magnet-xxxxxx", Unknown(CodeWord::Second)),
            ("0407-m-village", Ambiguous(CodeWord::First)),
            ("0407-magnet-zin", Ambiguous(CodeWord::Second)),
            ("0407-magnet-zi", Ambiguous(CodeWord::Second)),
        ];
        for (typed, wrong) in cases {
            assert_eq!(parsed(typed), Err(wrong), "{typed:?}");
        }
    }

    #[test]
    fn neither_a_code_nor_an_error_prints_what_it_is_about() {
        let code = Code::parse("0407-magnet-village").unwrap();
        assert_eq!(format!("{code:?}"), "Code(..)");
        let error = Code::parse("0407-magnet-hidden77").unwrap_err();
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains("hidden") && !printed.contains("magnet"));
    }

    #[test]
    fn only_the_word_that_is_being_typed_is_completed() {
        assert_eq!(Code::completions("0407_magn"), ["magnet"]);
        assert_eq!(
            Code::complete("0407 m. VILL").as_deref(),
            Some("0407 m. village")
        );
        for text in ["", "0407", "407-magn", "0407-", "0407-magnet-village-m"] {
            assert!(Code::completions(text).is_empty(), "{text}");
            assert_eq!(Code::complete(text), None, "{text}");
        }
    }

    #[test]
    fn all_codes_are_equally_likely() {
        // Each number comes of exactly six draws, each word of exactly sixty-four.
        let mut numbers = vec![0; usize::from(NUMBERS)];
        let mut words = std::collections::HashMap::new();
        for drawn in 0..=u16::MAX {
            let [high, low] = drawn.to_be_bytes();
            let mut kept = true;
            let code = Code::generate(|bytes| {
                // What is refused is drawn again, here as nought.
                let again = std::mem::replace(&mut kept, false);
                let drawn = [high, low, high, low, low, high];
                bytes.copy_from_slice(if again { &drawn } else { &[0; 6] });
                Ok(())
            })
            .unwrap();
            let mut parts = code.as_str().split('-');
            if drawn < 60_000 {
                numbers[parts.next().unwrap().parse::<usize>().unwrap()] += 1;
                *words.entry(parts.next().unwrap().to_owned()).or_insert(0) += 1;
            } else {
                assert_eq!(code.as_str(), format!("0000-{0}-{0}", WORDS[0]));
            }
        }
        assert!(numbers.iter().all(|&count| count == 6));
        assert_eq!(words.len(), 1_024);
        assert!(words.values().all(|count| (58..=59).contains(count)));
    }

    #[test]
    fn a_source_that_fails_or_is_stuck_makes_no_code() {
        assert!(Code::generate(|_| Err(getrandom::Error::UNSUPPORTED)).is_err());
        let stuck = Code::generate(|bytes| {
            bytes.fill(0xff);
            Ok(())
        });
        assert!(stuck.is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>(), near in "[0-9]{3,5}[ a-z._-]{0,24}") {
            for text in [text, near] {
                let _ = Code::parse(&text);
                let words = Code::completions(&text);
                prop_assert_eq!(Code::complete(&text).is_some(), words.len() == 1);
            }
        }

        #[test]
        fn a_code_comes_back_however_it_is_written(
            drawn in any::<[u8; 5]>(),
            capitals in any::<u32>(),
            separators in prop::array::uniform4("[ ._\t-]{1,4}"),
        ) {
            // A number from 0 to 32,767 is never drawn again.
            let [n, a0, a1, b0, b1] = drawn;
            let code = Code::generate(|bytes| {
                bytes.copy_from_slice(&[n / 2, n, a0, a1, b0, b1]);
                Ok(())
            }).unwrap();
            let [before, first, second, behind] = separators;
            let mut parts = code.as_str().split('-');
            let mut part = || parts.next().unwrap();
            let written = format!("{before}{}{first}{}{second}{}{behind}", part(), part(), part());
            let written: String = written
                .chars()
                .enumerate()
                .map(|(at, letter)| match capitals >> (at % 32) & 1 {
                    0 => letter,
                    _ => letter.to_ascii_uppercase(),
                })
                .collect();
            prop_assert_eq!(parsed(&written), Ok(code.as_str().to_owned()));
        }
    }
}
