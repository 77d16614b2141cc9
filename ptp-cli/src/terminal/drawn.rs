//! What erasing must know of the rows drawn last.

use unicode_width::UnicodeWidthStr;

use super::layout::Layout;

pub(super) struct Drawn {
    /// The widths of the rows above that of the cursor.
    widths_above: Vec<usize>,
    cursor_column: usize,
}

impl Drawn {
    pub(super) fn of(layout: &Layout) -> Self {
        let rows_above = &layout.rows[..layout.cursor_row];
        Self {
            widths_above: rows_above.iter().map(|row| row.width).collect(),
            cursor_column: layout.before_cursor().width(),
        }
    }

    /// How many rows were drawn above that of the cursor.
    pub(super) fn rows_above(&self) -> usize {
        self.widths_above.len()
    }

    /// Whether the cursor, if one asks for it, tells whether the terminal broke the rows anew: only
    /// if it stood beyond the new width, and not where it could be for another reason, at the edge
    /// of the window.
    pub(super) fn tells(&self, columns: usize) -> bool {
        let reflowed = self.cursor_column % columns;
        self.cursor_column >= columns && ![0, columns - 1].contains(&reflowed)
    }

    /// How many rows are above that of the cursor now, where it was found in `column`.
    pub(super) fn rows_above_at(&self, column: Option<usize>, columns: usize) -> usize {
        if column != Some(self.cursor_column % columns) {
            return self.rows_above();
        }
        let rows = |width: &usize| width.div_ceil(columns).max(1);
        let above: usize = self.widths_above.iter().map(rows).sum();
        above + self.cursor_column / columns
    }
}
