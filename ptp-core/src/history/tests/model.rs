//! What is found, against a model that looks at every character of every text.

use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::Connection;

use crate::history::schema::{self, MIGRATIONS};
use crate::history::words;

/// What a character is to a search.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sort {
    /// Of a word, as it is compared.
    Letter(char),
    /// A word of its own.
    Alone,
    /// Between words.
    Between,
    /// As if it were not there.
    Unseen,
}

use Sort::{Alone, Between, Letter, Unseen};

/// The characters of the texts. Few, so that they come together again and again.
const LETTERS: &[(char, Sort)] = &[
    ('a', Letter('a')),
    ('B', Letter('b')),
    ('b', Letter('b')),
    ('é', Letter('e')),
    ('e', Letter('e')),
    ('1', Letter('1')),
    ('ж', Letter('ж')),
    ('ह', Letter('ह')),
    ('中', Alone),
    ('文', Alone),
    ('の', Alone),
    ('ก', Alone),
    ('ิ', Alone),
    ('한', Alone),
    ('😀', Alone),
    ('☃', Alone),
    ('𠮷', Alone),
    ('⺀', Alone),
    ('→', Alone),
    (' ', Between),
    (' ', Between),
    ('\n', Between),
    ('\0', Between),
    ('"', Between),
    ('*', Between),
    ('-', Between),
    ('_', Between),
    ('(', Between),
    (':', Between),
    ('^', Between),
    ('+', Between),
    ('°', Between),
    ('│', Between),
    ('\u{e000}', Between),
    ('\u{200b}', Unseen),
    ('\u{301}', Unseen),
];

fn sort(letter: char) -> Sort {
    let known = LETTERS.iter().find(|(known, _)| *known == letter);
    known.map_or(Between, |(_, sort)| *sort)
}

/// The words of a text, as they are compared.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    for letter in text.chars() {
        match sort(letter) {
            Letter(folded) => word.push(folded),
            Unseen => {}
            Alone => {
                tokens.push(std::mem::take(&mut word));
                tokens.push(letter.to_string());
            }
            Between => tokens.push(std::mem::take(&mut word)),
        }
    }
    tokens.push(word);
    tokens.retain(|token| !token.is_empty());
    tokens
}

/// Whether the words stand there one behind the other, the last perhaps only begun.
fn stand_in(words: &[String], text: &str, is_beginning: bool) -> bool {
    let Some((last, first)) = words.split_last() else {
        return false;
    };
    tokens(text).windows(words.len()).any(|window| {
        let (end, begin) = (&window[words.len() - 1], &window[..words.len() - 1]);
        begin == first
            && match is_beginning {
                true => end.starts_with(last.as_str()),
                false => end == last,
            }
    })
}

/// Which of the texts it is that this is so of.
fn standing(texts: &[String], is_so: impl Fn(&str) -> bool) -> Vec<i64> {
    let numbered = (0..).zip(texts);
    let those = numbered.filter(|(_, text)| is_so(text));
    those.map(|(id, _)| id).collect()
}

/// Texts, each under its place among them.
struct Index(Connection);

impl Index {
    fn of(texts: &[String]) -> Self {
        let mut database = Connection::open_in_memory().unwrap();
        schema::migrate(&mut database, MIGRATIONS).unwrap();
        for (id, text) in (0..).zip(texts) {
            words::index(&database, id, 7, text).unwrap();
        }
        Self(database)
    }

    /// Where it is found; `None` if there is no word in it.
    fn find(&self, search: &str) -> Option<Vec<i64>> {
        let expression = words::expression(search)?;
        let both = [expression.clone(), words::with_peers(&expression, &[7, 8])];
        let found = both.map(|expression| {
            let query = "SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid";
            let mut statement = self.0.prepare_cached(query).unwrap();
            let rows = statement.query_map([expression], |row| row.get(0));
            let rows: Result<Vec<i64>, _> = rows.unwrap().collect();
            rows.unwrap()
        });
        let [found, with_peer] = found;
        assert_eq!(found, with_peer);
        Some(found)
    }
}

fn text() -> impl Strategy<Value = String> {
    let letter = proptest::sample::select(LETTERS).prop_map(|(letter, _)| letter);
    vec(letter, 0..24).prop_map(String::from_iter)
}

/// A part of the text, from one character to another.
fn part(text: &str, from: usize, length: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    let from = from % letters.len().max(1);
    letters.iter().skip(from).take(length).collect()
}

/// A database each: fewer than is usual.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(100, |cases| cases.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn words_phrases_and_beginnings_are_found_where_they_stand_and_nowhere_else(
        texts in vec(text(), 1..12),
        which in 0usize..12,
        from in 0usize..24,
        length in 1usize..6,
        is_beginning in any::<bool>(),
    ) {
        let index = Index::of(&texts);
        let part = part(&texts[which % texts.len()], from, length);
        let part = part.replace(['"', '*'], " ");
        let wanted = tokens(&part);
        let search = format!("\"{part}\"{}", if is_beginning { "*" } else { "" });
        let expected = standing(&texts, |text| stand_in(&wanted, text, is_beginning));
        match index.find(&search) {
            Some(found) => prop_assert_eq!(found, expected, "{:?}", search),
            None => prop_assert!(wanted.is_empty(), "no word in {:?}", search),
        }
    }

    #[test]
    fn several_words_are_found_where_all_of_them_stand(
        texts in vec(text(), 1..12),
        which in 0usize..12,
        from in vec(0usize..24, 1..4),
    ) {
        let index = Index::of(&texts);
        let whole = tokens(&texts[which % texts.len()]);
        prop_assume!(!whole.is_empty());
        let wanted: Vec<_> = from.iter().map(|at| whole[at % whole.len()].clone()).collect();
        let expected = standing(&texts, |text| {
            wanted.iter().all(|word| stand_in(std::slice::from_ref(word), text, false))
        });
        prop_assert_eq!(index.find(&wanted.join(" ")), Some(expected), "{:?}", wanted);
    }

    #[test]
    fn whatever_is_searched_for_is_understood(
        texts in vec(text(), 1..4),
        search in prop_oneof![
            any::<String>(),
            text(),
            "(AND|OR|NOT|NEAR|body:|\\{body\\}|[\"'()*+^:,{} -]|[a中\u{0}]){0,20}",
        ],
    ) {
        Index::of(&texts).find(&search);
    }

    #[test]
    fn any_text_finds_itself(text in any::<String>()) {
        let index = Index::of(std::slice::from_ref(&text));
        let quoted = text.replace('"', " ");
        if let Some(found) = index.find(&format!("\"{quoted}\"")) {
            prop_assert_eq!(found, [0], "{:?}", text);
        }
        for word in quoted.split_whitespace() {
            if let Some(found) = index.find(word) {
                prop_assert_eq!(found, [0], "{:?} of {:?}", word, text);
            }
        }
    }
}

#[test]
fn a_search_for_very_many_words_is_understood() {
    let index = Index::of(&["a b".to_owned()]);
    let many = |separator: &str| vec!["a"; 5_000].join(separator);
    assert_eq!(index.find(&many(" ")), Some(vec![0]));
    assert_eq!(index.find(&format!("\"{}\"", many(" "))), Some(vec![]));
    assert_eq!(index.find(&many("中")), Some(vec![]));
    assert_eq!(index.find(&"\"".repeat(10_001)), None);
}
