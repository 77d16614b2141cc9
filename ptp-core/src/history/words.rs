//! What is searched in: the words of texts.
//!
//! SQLite's tokenizer takes a run of letters for a word, which a Chinese sentence is as a whole. So
//! each character of a script that puts no spaces between words is set off as a word of its own, in
//! what is indexed and in what is searched for, where a run of them is a phrase. Found are then any
//! characters that follow each other, one alone too. The same is done with emoji. (A trigram index
//! finds nothing shorter than three characters, and most Chinese words have two.)

use std::fmt::Write;
use std::ops::RangeInclusive;

use rusqlite::{Connection, params};
use unicode_normalization::UnicodeNormalization;

/// Stands before the number of a character that SQLite does not take for a letter, and before that of a
/// peer. Of the private use area, which the table takes for letters.
const MARK: char = '\u{e000}';

/// Scripts without spaces between words, Hangul, in which particles hang on them, and symbols, in
/// order. Everything before the first is passed quickly.
const ALONE: &[RangeInclusive<char>] = &[
    '\u{e00}'..='\u{eff}',     // Thai, Lao
    '\u{1000}'..='\u{109f}',   // Myanmar
    '\u{1100}'..='\u{11ff}',   // Hangul letters
    '\u{1780}'..='\u{17ff}',   // Khmer
    '\u{1950}'..='\u{19ff}',   // Tai Le, Khmer symbols
    '\u{1a20}'..='\u{1aaf}',   // Tai Tham
    '\u{2190}'..='\u{23ff}',   // arrows, mathematics, technical symbols
    '\u{25a0}'..='\u{27bf}',   // shapes, symbols
    '\u{2b00}'..='\u{2bff}',   // stars and arrows
    '\u{2e80}'..='\u{2fdf}',   // radicals
    '\u{3005}'..='\u{3007}',   // 々〆〇
    '\u{3021}'..='\u{303c}',   // numerals and repetition
    '\u{3041}'..='\u{30ff}',   // Hiragana, Katakana
    '\u{3105}'..='\u{318e}',   // Bopomofo, Hangul letters
    '\u{31a0}'..='\u{31ff}',   // Bopomofo, Katakana
    '\u{3400}'..='\u{4dbf}',   // Han
    '\u{4e00}'..='\u{a48f}',   // Han, Yi
    '\u{a960}'..='\u{a97f}',   // Hangul letters
    '\u{a9e0}'..='\u{a9ff}',   // Myanmar
    '\u{aa60}'..='\u{aa7f}',   // Myanmar
    '\u{ac00}'..='\u{d7ff}',   // Hangul
    '\u{f900}'..='\u{faff}',   // Han
    '\u{ff66}'..='\u{ffdc}',   // narrow Katakana and Hangul
    '\u{16fe0}'..='\u{18cff}', // Tangut, Khitan
    '\u{1aff0}'..='\u{1b16f}', // Kana
    '\u{1f000}'..='\u{1faff}', // emoji
    '\u{20000}'..='\u{323af}', // Han
];
/// Those of them that SQLite does not take for letters, beside all behind U+FFFF, of which it knows
/// few.
const SYMBOLS: &[RangeInclusive<char>] = &[
    '\u{19e0}'..='\u{19ff}',
    '\u{2190}'..='\u{23ff}',
    '\u{25a0}'..='\u{27bf}',
    '\u{2b00}'..='\u{2bff}',
    '\u{2e80}'..='\u{2fdf}',
    '\u{3036}'..='\u{3037}',
];
/// What is not seen, and joins or marks what stands around it.
const UNSEEN: &[RangeInclusive<char>] = &[
    '\u{ad}'..='\u{ad}',
    // Accents that follow their letter make no more difference than those that are one with it.
    '\u{300}'..='\u{36f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{2069}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{e0100}'..='\u{e01ef}',
];

/// Makes a text that was kept findable under its id. Among its words is one for the peer: so what
/// was said with one is found without a look at what was said with all others.
pub(super) fn index(database: &Connection, id: i64, peer: i64, text: &str) -> rusqlite::Result<()> {
    let mut words = with_peer(peer);
    words.push(' ');
    space(text, &mut words);
    database
        .prepare_cached("INSERT INTO words (rowid, body) VALUES (?1, ?2)")?
        .execute(params![id, words])
        .map(drop)
}

/// What is asked of the index for what a person searches for; `None` if that has no word.
pub(super) fn expression(search: &str) -> Option<String> {
    let terms: Vec<_> = terms(search).into_iter().filter_map(term).collect();
    (!terms.is_empty()).then(|| terms.join(" AND "))
}

/// The same, of what was said with these peers.
pub(super) fn with_peers(expression: &str, peers: &[i64]) -> String {
    let peers: Vec<_> = peers.iter().map(|peer| with_peer(*peer)).collect();
    format!("{expression} AND ({})", peers.join(" OR "))
}

/// The word for a peer, which nobody can type: what is typed has the mark only before digits.
fn with_peer(peer: i64) -> String {
    format!("{MARK}p{peer}")
}

/// What stands in quotes, and what stands between spaces outside of them; and whether it is only a
/// beginning.
fn terms(search: &str) -> Vec<(&str, bool)> {
    let parts = search.split('"').enumerate();
    let terms = parts.flat_map(|(number, part)| match number % 2 {
        1 => vec![part],
        // What stands right behind a phrase can only be that it is a beginning.
        _ => part.split_whitespace().collect(),
    });
    let mut found: Vec<(&str, bool)> = Vec::new();
    for term in terms {
        match (term, found.last_mut()) {
            ("*", Some(last)) => last.1 = true,
            _ => found.push(match term.strip_suffix('*') {
                Some(beginning) => (beginning, true),
                None => (term, false),
            }),
        }
    }
    found
}

/// A string of the query language, in which nothing has a meaning but the quotes.
fn term((text, is_beginning): (&str, bool)) -> Option<String> {
    let mut words = String::new();
    space(text, &mut words);
    let words = words.replace('"', " ");
    let counts = |letter: char| letter.is_alphanumeric() || letter == MARK;
    let beginning = if is_beginning { " *" } else { "" };
    words
        .contains(counts)
        .then(|| format!("\"{}\"{beginning}", words.trim()))
}

/// Appends the text, with spaces around each character that is a word of its own.
fn space(text: &str, words: &mut String) {
    if text.is_ascii() && !text.contains('\0') {
        return words.push_str(text);
    }
    // A letter of any width and however it was put together is the same letter.
    for letter in text.nfkc() {
        if letter == '\0' || letter == MARK {
            // SQLite's text would end with the one, and the other is taken.
            words.push(' ');
        } else if within(letter, ALONE) {
            words.push(' ');
            match letter >= '\u{10000}' || within(letter, SYMBOLS) {
                true => drop(write!(words, "{MARK}{:x}", u32::from(letter))),
                false => words.push(letter),
            }
            words.push(' ');
        } else if !within(letter, UNSEEN) {
            words.push(letter);
        }
    }
}

fn within(letter: char, ranges: &[RangeInclusive<char>]) -> bool {
    // Nearly every letter stands before the first of the ranges.
    ranges.first().is_some_and(|first| letter >= *first.start())
        && ranges.iter().any(|range| range.contains(&letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_scripts_without_spaces_stand_alone() {
        for (text, words) in [
            ("good morning", "good morning"),
            ("ab中文c", "ab 中  文 c"),
            ("naïve", "naïve"),
            ("ｗｉｄｅ", "wide"),
            ("か\u{3099}", " が "),
            ("a\0b", "a b"),
            ("zero\u{200b}width", "zerowidth"),
            // Not the word for a peer.
            ("\u{e000}p1", " p1"),
            ("😀", " \u{e000}1f600 "),
            ("a→b", "a \u{e000}2192 b"),
        ] {
            let mut found = String::new();
            space(text, &mut found);
            assert_eq!(found, words, "{text}");
        }
    }

    #[test]
    fn what_is_searched_for_are_words_phrases_and_beginnings() {
        for (search, expression) in [
            ("deploy", Some(r#""deploy""#)),
            ("deploy  now", Some(r#""deploy" AND "now""#)),
            ("depl*", Some(r#""depl" *"#)),
            (r#""good morning" ana"#, Some(r#""good morning" AND "ana""#)),
            (r#""good morn"*"#, Some(r#""good morn" *"#)),
            (r#""good morn*""#, Some(r#""good morn" *"#)),
            ("中文", Some(r#""中  文""#)),
            // Nothing of the query language gets through.
            ("a OR b", Some(r#""a" AND "OR" AND "b""#)),
            ("NEAR(a b)", Some(r#""NEAR(a" AND "b)""#)),
            ("body:a -b ^c", Some(r#""body:a" AND "-b" AND "^c""#)),
            (r#"an "open phrase"#, Some(r#""an" AND "open phrase""#)),
            ("", None),
            ("*", None),
            ("?! \"\" ...", None),
        ] {
            assert_eq!(super::expression(search).as_deref(), expression, "{search}");
        }
    }
}
