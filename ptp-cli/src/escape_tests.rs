use std::num::NonZeroU16;

use super::*;

/// How `input` is shown in a text with a gutter of 2, and in a name.
fn shown(input: &str) -> [String; 2] {
    [text(input, 2).into_owned(), name(input).into_owned()]
}

fn code(character: char) -> String {
    format!("<U+{:04X}>", u32::from(character))
}

#[test]
fn printable_ascii_is_borrowed() {
    let all: String = (' '..='~').collect();
    assert!(matches!(text(&all, 2), Cow::Borrowed(same) if same == all));
    assert!(matches!(name(&all), Cow::Borrowed(same) if same == all));
    assert!(matches!(bytes(all.as_bytes(), 2), Cow::Borrowed(same) if same == all));
}

#[test]
fn letters_of_all_scripts_are_shown_as_they_are() {
    for plain in [
        "é",
        "e\u{301}",
        "Ελληνικά",
        "שלום",
        "سلام",
        "漢字",
        "हिन्दी",
        "ไทย",
        "한글",
        "👍🏽",
        "🇩🇪",
        "\u{a0}",
    ] {
        assert_eq!(shown(plain), [plain, plain]);
    }
}

#[test]
fn c0_and_del_are_shown_with_a_caret() {
    for byte in (0..=0x1F).chain([0x7F]) {
        let character = char::from(byte);
        let caret = format!("^{}", char::from(byte ^ 0x40));
        let in_text = match character {
            '\n' => "\n  ".to_owned(),
            '\t' => "    ".to_owned(),
            _ => caret.clone(),
        };
        assert_eq!(shown(&character.to_string()), [in_text, caret]);
    }
    assert_eq!(text("\u{1b}[2J\u{7f}", 0), "^[[2J^?");
}

#[test]
fn c1_is_escaped() {
    for character in ('\u{80}'..='\u{9F}').filter(|character| *character != '\u{85}') {
        assert_eq!(
            shown(&character.to_string()),
            [code(character), code(character)]
        );
    }
}

#[test]
fn every_line_break_goes_on_behind_the_gutter() {
    for line_break in ['\u{85}', '\u{2028}', '\u{2029}'] {
        let [in_text, in_name] = shown(&format!("a{line_break}b"));
        assert_eq!(in_text, "a\n  b");
        assert_eq!(in_name, format!("a{}b", code(line_break)));
    }
    assert_eq!(text("a\r\nb", 2), "a^M\n  b");
}

#[test]
fn bidi_invisible_and_private_characters_are_escaped_whole_range_by_whole_range() {
    let ranges: [(u32, u32); 28] = [
        (0x61C, 0x61C),
        (0x200E, 0x200F),
        (0x202A, 0x202E),
        (0x2066, 0x2069),
        (0xAD, 0xAD),
        (0x34F, 0x34F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x200B, 0x200D),
        (0x2060, 0x206F),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF),
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFFB),
        (0xE0000, 0xE0FFF),
        // Private, unassigned and never to be assigned.
        (0xE000, 0xF8FF),
        (0xF0000, 0xF00FF),
        (0x10FF00, 0x10FFFF),
        (0x378, 0x379),
        (0xFDD0, 0xFDEF),
        (0xFFFE, 0xFFFF),
        (0x1FFFE, 0x1FFFF),
        // Formats that the table doesn't name but Unicode calls so.
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A),
        (0x13430, 0x13438),
        (0xFFF9, 0xFFFB),
    ];
    for character in ranges.into_iter().flat_map(|(first, last)| first..=last) {
        let character = char::from_u32(character).unwrap();
        let input = format!("a{character}b");
        let expected = format!("a{}b", code(character));
        assert_eq!(shown(&input), [expected.clone(), expected]);
    }
}

#[test]
fn joiner_and_emoji_selector_stay_between_emoji_in_a_text_only() {
    for emoji in ["👩‍👩‍👧‍👦", "❤️", "👩🏽‍🚀", "🏳️‍🌈", "1️⃣", "#️⃣", "❤️‍🔥", "👁️‍🗨️"]
    {
        assert_eq!(text(emoji, 0), emoji);
        assert!(name(emoji).contains("<U+"), "{emoji}");
    }
    for (input, expected) in [
        ("a\u{200D}b", "a<U+200D>b"),
        ("👩\u{200D}", "👩<U+200D>"),
        ("\u{200D}👩", "<U+200D>👩"),
        ("👩\u{200D}\u{200D}👩", "👩<U+200D><U+200D>👩"),
        ("👩\u{200D}a", "👩<U+200D>a"),
        ("1\u{200D}2", "1<U+200D>2"),
        ("a\u{FE0F}", "a<U+FE0F>"),
        ("1\u{FE0F}", "1<U+FE0F>"),
        ("❤\u{FE0F}\u{FE0F}", "❤\u{FE0F}<U+FE0F>"),
        ("❤\u{FE0E}", "❤<U+FE0E>"),
        (
            "👩\u{FE0F}\u{200D}\u{200B}👩",
            "👩\u{FE0F}<U+200D><U+200B>👩",
        ),
    ] {
        assert_eq!(text(input, 0), expected);
    }
}

#[test]
fn more_marks_on_a_base_than_four_are_escaped() {
    let four = format!("e{}", "\u{301}".repeat(4));
    assert_eq!(shown(&four), [four.clone(), four.clone()]);
    let six = format!("{four}\u{302}\u{20DD}");
    let expected = format!("{four}<U+0302><U+20DD>");
    assert_eq!(shown(&six), [expected.clone(), expected]);
    assert_eq!(
        text(&"\u{11A8}".repeat(6), 0),
        format!("{}<U+11A8><U+11A8>", "\u{11A8}".repeat(4))
    );
    assert_eq!(
        text("e\u{301}\u{301}\u{301}a\u{301}\u{301}\u{301}", 0)
            .matches('<')
            .count(),
        0
    );
}

#[test]
fn bytes_that_are_not_utf_8_are_shown_in_hexadecimal() {
    assert_eq!(
        bytes(b"a\xFF\xFEb\n\x1bc\xE6\xBC", 2),
        "a<FF><FE>b\n  ^[c<E6><BC>"
    );
    assert_eq!(bytes("漢\n".as_bytes(), 1), "漢\n ");
    assert_eq!(bytes(b"", 1), "");
}

/// Notices whatever a terminal does besides showing text.
#[derive(Default)]
struct Obeyed(Vec<&'static str>);

impl vt100::Callbacks for Obeyed {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.0.push("bell");
    }
    fn visual_bell(&mut self, _: &mut vt100::Screen) {
        self.0.push("visual bell");
    }
    fn resize(&mut self, _: &mut vt100::Screen, _: (u16, u16)) {
        self.0.push("resize");
    }
    fn set_window_icon_name(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0.push("icon name");
    }
    fn set_window_title(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0.push("title");
    }
    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], _: &[u8]) {
        self.0.push("copy");
    }
    fn paste_from_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0.push("paste");
    }
    fn unhandled_char(&mut self, _: &mut vt100::Screen, _: char) {
        self.0.push("character");
    }
    fn unhandled_control(&mut self, _: &mut vt100::Screen, _: u8) {
        self.0.push("control");
    }
    fn unhandled_escape(&mut self, _: &mut vt100::Screen, _: Option<u8>, _: Option<u8>, _: u8) {
        self.0.push("escape");
    }
    fn unhandled_csi(
        &mut self,
        _: &mut vt100::Screen,
        _: Option<u8>,
        _: Option<u8>,
        _: &[&[u16]],
        _: char,
    ) {
        self.0.push("CSI");
    }
    fn unhandled_osc(&mut self, _: &mut vt100::Screen, _: &[&[u8]]) {
        self.0.push("OSC");
    }
}

/// xorshift64: the same strings in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// Up to 12 pieces: what terminals obey, controls, marks, emoji, any character, any byte.
    fn hostile(&mut self) -> Vec<u8> {
        const ORDERS: [&str; 12] = [
            "\x1b]0;title\x07",
            "\x1b]52;c;aGk=\x07",
            "\x1b[2J",
            "\x1b[H",
            "\x1b[10A",
            "\x1bc",
            "\u{9b}2J",
            "\u{9d}0;title\u{9c}",
            "\x1b[?1049h",
            "\x1bP1$r\x1b\\",
            "\u{202e}",
            "👩\u{200D}",
        ];
        let mut string = Vec::new();
        for _ in 0..self.below(13) {
            match self.below(6) {
                0 => string.extend(ORDERS[self.below(ORDERS.len())].bytes()),
                1 => string.push(self.below(0x20) as u8),
                2 => string.push(self.below(0x100) as u8),
                3 => string.extend("\u{301}".repeat(self.below(8)).bytes()),
                4 => string.push(b' ' + self.below(95) as u8),
                _ => {
                    let character = char::from_u32(self.below(0x110000) as u32).unwrap_or('x');
                    string.extend(character.encode_utf8(&mut [0; 4]).bytes());
                }
            }
        }
        string
    }
}

#[test]
fn nothing_that_a_peer_sends_does_more_to_the_terminal_than_show_text() {
    let mut random = Random(0x5EED);
    let size = |cells| NonZeroU16::new(cells).unwrap();
    let mut terminal = vt100::Parser::new_with_callbacks(size(24), size(120), 0, Obeyed::default());
    for _ in 0..100_000 {
        let string = random.hostile();
        let one_line = name(&String::from_utf8_lossy(&string)).into_owned();
        assert!(!one_line.contains(char::is_control), "{string:?}");
        let shown = bytes(&string, 8);
        assert!(
            !shown.contains(|c: char| c.is_control() && c != '\n'),
            "{string:?}"
        );
        terminal.process(b"\x1b[2J\x1b[HRemote: ");
        terminal.process(shown.replace('\n', "\r\n").as_bytes());
        terminal.process(b"!");
        let obeyed = std::mem::take(&mut terminal.callbacks_mut().0);
        assert_eq!(obeyed, [""; 0], "{string:?}");
        stands_as_text(terminal.screen(), &string);
    }
}

/// The prefix stands where it stood, each further line begins with the gutter, and the cursor is
/// behind the last character.
fn stands_as_text(screen: &vt100::Screen, string: &[u8]) {
    let (cursor_row, cursor_column) = screen.cursor_position();
    let mut wrapped = false;
    for (number, row) in (0..).zip(screen.rows(0, 120)) {
        if number == 0 {
            assert!(row.starts_with("Remote: "), "{string:?}");
        } else if number <= cursor_row && !wrapped {
            assert!(row.starts_with("        "), "{string:?}");
        } else if number > cursor_row {
            assert_eq!(row, "", "{string:?}");
        }
        // A wide character goes to the next row when one column is left.
        let last_but_one = screen.cell(number, 118);
        wrapped =
            last_but_one.is_some_and(|cell| cell.has_contents() || cell.is_wide_continuation());
    }
    let last = screen.cell(cursor_row, cursor_column.saturating_sub(1));
    assert_eq!(last.map(vt100::Cell::contents), Some("!"), "{string:?}");
}
