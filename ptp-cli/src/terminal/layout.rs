//! How the prompt and the entry being typed are broken into rows.
//!
//! Rows are broken here and never by the terminal: then it is known how many there are, which is
//! what erasing them rests on.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::escape;

/// The rows of the prompt and the entry, and where the cursor stands in them.
pub(super) struct Layout {
    pub(super) rows: Vec<Row>,
    pub(super) cursor_row: usize,
    /// What stands before the cursor in its row, in bytes.
    pub(super) cursor: usize,
    limit: usize,
}

#[derive(Default)]
pub(super) struct Row {
    pub(super) shown: String,
    pub(super) width: usize,
}

impl Layout {
    /// Lays out `text`, whose cursor stands before the byte `cursor`, behind `prompt`.
    pub(super) fn new(prompt: &str, text: &str, cursor: usize, columns: usize) -> Layout {
        let mut layout = Layout {
            rows: vec![Row::default()],
            cursor_row: 0,
            cursor: 0,
            // The last column stays free: writing into it is what makes a terminal wrap.
            limit: columns.saturating_sub(1).max(1),
        };
        for cluster in prompt.graphemes(true) {
            layout.push(cluster, false);
        }
        let gutter = " ".repeat(prompt.width());
        let mut cursor_placed = false;
        for (start, cluster) in text.grapheme_indices(true) {
            let here = start >= cursor && !cursor_placed;
            cursor_placed |= here;
            let shown = escape::text(cluster, 0);
            if shown == "\n" {
                if here {
                    layout.place_cursor();
                }
                layout.rows.push(Row::default());
                layout.push(&gutter, false);
            } else {
                layout.push(&shown, here);
            }
        }
        if !cursor_placed {
            layout.place_cursor();
        }
        layout
    }

    /// Keeps only the rows around the cursor, at most `height`.
    pub(super) fn keep_around_cursor(&mut self, height: usize) {
        let height = height.max(1);
        // The cursor in the middle, unless that left rows of the window empty.
        let last_start = self.rows.len().saturating_sub(height);
        let start = self.cursor_row.saturating_sub(height / 2).min(last_start);
        self.rows.drain(..start);
        self.rows.truncate(height);
        self.cursor_row -= start;
    }

    /// What stands before the cursor in its row.
    pub(super) fn before_cursor(&self) -> &str {
        self.rows
            .get(self.cursor_row)
            .map_or("", |row| &row.shown[..self.cursor])
    }

    fn push(&mut self, cluster: &str, at_cursor: bool) {
        let width = width(cluster);
        if width > self.limit {
            // An escape or a gutter in a very narrow window.
            for (position, character) in cluster.char_indices() {
                let piece = &cluster[position..position + character.len_utf8()];
                self.push_piece(
                    piece,
                    character.width().unwrap_or(0),
                    at_cursor && position == 0,
                );
            }
        } else {
            self.push_piece(cluster, width, at_cursor);
        }
    }

    fn push_piece(&mut self, piece: &str, width: usize, at_cursor: bool) {
        if self
            .rows
            .last()
            .is_none_or(|row| row.width + width > self.limit)
        {
            self.rows.push(Row::default());
        }
        if at_cursor {
            self.place_cursor();
        }
        if let Some(row) = self.rows.last_mut() {
            row.shown += piece;
            row.width += width;
        }
    }

    /// The cursor stands at the end of what is laid out so far.
    fn place_cursor(&mut self) {
        self.cursor_row = self.rows.len() - 1;
        self.cursor = self.rows.last().map_or(0, |row| row.shown.len());
    }
}

/// The columns that a cluster takes at most: terminals differ in whether they show an emoji of
/// several characters as one or one beside the other.
pub(super) fn width(cluster: &str) -> usize {
    let side_by_side = cluster
        .chars()
        .map(|character| character.width().unwrap_or(0))
        .sum();
    cluster.width().max(side_by_side)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, columns: usize) -> Vec<String> {
        let layout = Layout::new("You: ", text, 0, columns);
        layout.rows.into_iter().map(|row| row.shown).collect()
    }

    /// The rows with `|` at the cursor, which stands where it does in `text`.
    fn rows_with_cursor(text: &str, columns: usize) -> String {
        let cursor = text.find('|').unwrap();
        let layout = Layout::new("You: ", &text.replace('|', ""), cursor, columns);
        let mut rows: Vec<String> = layout.rows.into_iter().map(|row| row.shown).collect();
        rows[layout.cursor_row].insert(layout.cursor, '|');
        rows.join("/")
    }

    #[test]
    fn the_last_column_stays_free() {
        assert_eq!(rows("abcd", 10), ["You: abcd"]);
        assert_eq!(rows("abcde", 10), ["You: abcd", "e"]);
        assert_eq!(rows("漢字漢", 10), ["You: 漢字", "漢"]);
        assert_eq!(rows("a漢字漢", 10), ["You: a漢", "字漢"]);
    }

    #[test]
    fn a_newline_goes_on_behind_a_gutter() {
        assert_eq!(rows("one\ntwo\n", 10), ["You: one", "     two", "     "]);
    }

    #[test]
    fn what_is_typed_is_shown_escaped_as_it_will_be_when_it_is_sent() {
        assert_eq!(rows("a\u{1b}b\tc\u{202e}", 40), ["You: a^[b    c<U+202E>"]);
    }

    #[test]
    fn the_cursor_at_a_break_stands_on_the_next_row_unless_there_is_none() {
        assert_eq!(rows_with_cursor("abc|defg", 10), "You: abc|d/efg");
        assert_eq!(rows_with_cursor("abcd|efg", 10), "You: abcd/|efg");
        assert_eq!(rows_with_cursor("abcd|", 10), "You: abcd|");
        assert_eq!(rows_with_cursor("ab|\nc", 10), "You: ab|/     c");
        assert_eq!(rows_with_cursor("ab\n|c", 10), "You: ab/     |c");
        assert_eq!(rows_with_cursor("|", 10), "You: |");
    }

    #[test]
    fn a_window_narrower_than_prompt_and_escapes_holds_them_in_pieces() {
        for columns in 0..8 {
            let layout = Layout::new("You: ", "a\u{202e}👩‍👩‍👧‍👦\nb", 1, columns);
            let limit = columns.saturating_sub(1).max(2);
            assert!(
                layout.rows.iter().all(|row| row.width <= limit),
                "{columns}"
            );
            assert_eq!(layout.before_cursor().chars().count(), layout.cursor);
        }
    }

    #[test]
    fn only_the_rows_around_the_cursor_are_kept() {
        for cursor in 0..100 {
            let mut layout = Layout::new("", &"x".repeat(100), cursor, 11);
            let row = layout.cursor_row;
            layout.keep_around_cursor(3);
            assert_eq!(layout.rows.len(), 3);
            let expected = if row == 0 {
                0
            } else if row == 9 {
                2
            } else {
                1
            };
            assert_eq!(layout.cursor_row, expected);
        }
    }

    #[test]
    fn a_joined_emoji_counts_as_wide_as_its_parts() {
        assert_eq!(width("👩‍👩‍👧‍👦"), 8);
        assert_eq!(width("❤️"), 2);
        assert_eq!(width("e\u{301}"), 1);
    }
}
