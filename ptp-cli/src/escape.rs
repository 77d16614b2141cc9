//! What came from a peer, made fit to be shown: escaped, never obeyed.
//!
//! A terminal obeys what it is sent, so text, names and file names of a peer reach a screen, a log
//! or a title only through this file.

use std::borrow::Cow;

use unicode_properties::{GeneralCategory, UnicodeEmoji, UnicodeGeneralCategory};
use unicode_width::UnicodeWidthChar;

/// Escapes a message for the screen.
///
/// A line break becomes `\n` and `gutter` spaces, so that no line of a peer begins where the
/// program's own lines begin; the only control character in the result is that `\n`.
pub(crate) fn text(text: &str, gutter: usize) -> Cow<'_, str> {
    escape(text, Place::Text { gutter })
}

/// Escapes a name: as [`text`], but on one line, and joiners are escaped between emoji, too.
pub(crate) fn name(name: &str) -> Cow<'_, str> {
    escape(name, Place::Name)
}

/// Escapes a message that need not be UTF-8: what is UTF-8 as [`text`], other bytes as `<FF>`.
pub(crate) fn bytes(bytes: &[u8], gutter: usize) -> Cow<'_, str> {
    if let Ok(valid) = str::from_utf8(bytes) {
        return text(valid, gutter);
    }
    let mut shown = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        shown += &text(chunk.valid(), gutter);
        for byte in chunk.invalid() {
            shown += &format!("<{byte:02X}>");
        }
    }
    Cow::Owned(shown)
}

/// Whether a character is shown as it is, wherever it stands.
pub(crate) fn is_shown(character: char) -> bool {
    matches!(class(character), Class::Plain | Class::Mark)
}

/// Whether the text goes on in the next line behind it.
pub(crate) fn breaks_line(character: char) -> bool {
    class(character) == Class::LineBreak
}

/// Escapes JSON so that it is what it was once it is read: what a terminal might obey, and what some
/// take for the end of a line, stands as `\u…`.
pub(crate) fn json(json: &str) -> String {
    let mut line = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        if is_shown(character) {
            line.push(character);
            continue;
        }
        // Only within a string: around them all is ASCII that is shown.
        for unit in character.encode_utf16(&mut [0; 2]) {
            line += &format!("\\u{unit:04x}");
        }
    }
    line
}

#[derive(Clone, Copy)]
enum Place {
    Text { gutter: usize },
    Name,
}

fn escape(input: &str, place: Place) -> Cow<'_, str> {
    if input.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(input);
    }
    let mut shown = String::with_capacity(input.len() + 16);
    let mut marks = 0;
    // The character before, unless it was escaped.
    let mut before = None;
    let mut rest = input.chars().peekable();
    while let Some(character) = rest.next() {
        let class = class(character);
        marks = if class == Class::Mark { marks + 1 } else { 0 };
        let plain = match class {
            Class::Plain => true,
            Class::Mark => marks <= MARKS_ON_A_BASE,
            Class::Joiner | Class::EmojiSelector => {
                matches!(place, Place::Text { .. })
                    && holds_emoji_together(before, character, rest.peek().copied())
            }
            Class::LineBreak | Class::Tab | Class::Control | Class::Hidden => false,
        };
        before = plain.then_some(character);
        match (class, place) {
            _ if plain => shown.push(character),
            (Class::LineBreak, Place::Text { gutter }) => {
                shown.push('\n');
                shown.extend(std::iter::repeat_n(' ', gutter));
            }
            (Class::Tab, Place::Text { .. }) => shown += TAB,
            _ if character.is_ascii() => {
                shown.push('^');
                shown.push(char::from(character as u8 ^ 0x40));
            }
            _ => shown += &format!("<U+{:04X}>", u32::from(character)),
        }
    }
    Cow::Owned(shown)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    LineBreak,
    Tab,
    Control,
    Joiner,
    EmojiSelector,
    /// Adds no column of its own to the character before.
    Mark,
    /// Invisible, reordering, private or unassigned.
    Hidden,
}

fn class(character: char) -> Class {
    match character {
        ' '..='~' => Class::Plain,
        '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => Class::LineBreak,
        '\t' => Class::Tab,
        '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' => Class::Control,
        ZERO_WIDTH_JOINER => Class::Joiner,
        EMOJI_SELECTOR => Class::EmojiSelector,
        _ if is_bidi(character) || is_invisible(character) => Class::Hidden,
        _ => match character.general_category() {
            GeneralCategory::PrivateUse | GeneralCategory::Unassigned => Class::Hidden,
            GeneralCategory::Format if !is_visible_format(character) => Class::Hidden,
            GeneralCategory::NonspacingMark
            | GeneralCategory::SpacingMark
            | GeneralCategory::EnclosingMark => Class::Mark,
            // Such as the vowels of Hangul: they stack on one cell as marks do.
            _ if character.width() == Some(0) => Class::Mark,
            _ => Class::Plain,
        },
    }
}

fn is_bidi(character: char) -> bool {
    matches!(character,
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The signs of Arabic, Syriac and Kaithi that stand before a number and are seen, though Unicode
/// counts them as format characters.
fn is_visible_format(character: char) -> bool {
    matches!(
        character,
        '\u{600}'
            ..='\u{605}'
                | '\u{6DD}'
                | '\u{70F}'
                | '\u{890}'
                | '\u{891}'
                | '\u{8E2}'
                | '\u{110BD}'
                | '\u{110CD}'
    )
}

/// Whether a joiner or an emoji selector stands where it makes one emoji of its neighbours.
fn holds_emoji_together(before: Option<char>, character: char, after: Option<char>) -> bool {
    match (before, after) {
        (Some('0'..='9' | '#' | '*'), Some(KEYCAP)) => character == EMOJI_SELECTOR,
        (Some(before), _) if character == EMOJI_SELECTOR => is_emoji(before),
        (Some(before), Some(after)) => {
            (is_emoji(before) || before == EMOJI_SELECTOR) && is_emoji(after)
        }
        _ => false,
    }
}

/// Digits, `#` and `*` count as emoji for Unicode, but only before a keycap.
fn is_emoji(character: char) -> bool {
    !character.is_ascii() && character.is_emoji_char()
}

/// Not up to a tab stop: what a peer sends then looks the same wherever its line begins.
const TAB: &str = "    ";

/// No living script needs more; a pile of them runs over the lines above.
const MARKS_ON_A_BASE: usize = 4;

const ZERO_WIDTH_JOINER: char = '\u{200D}';
const EMOJI_SELECTOR: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';

#[cfg(test)]
#[path = "escape_tests.rs"]
mod tests;
