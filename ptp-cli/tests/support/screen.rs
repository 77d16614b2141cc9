//! The emulated screen: what is seen, and what the terminal was told to do besides.

use std::num::NonZeroU16;

use vt100::{Callbacks, Parser, Screen};

/// What is seen on a terminal.
pub(crate) struct Seen {
    parser: Parser<Obeyed>,
    columns: u16,
}

/// What the terminal was told to do besides showing something.
#[derive(Default)]
struct Obeyed {
    unusual: Vec<String>,
    answers: Vec<u8>,
}

impl Seen {
    pub(crate) fn new(columns: u16, rows: u16) -> Self {
        let obeyed = Obeyed::default();
        Self {
            parser: Parser::new_with_callbacks(cells(rows), cells(columns), 10_000, obeyed),
            columns,
        }
    }

    /// Changes the size of the window; nothing is broken anew, as in xterm.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.parser.set_size(cells(rows), cells(columns));
        self.columns = columns;
    }

    /// Shows what was written; returns what the terminal answers.
    pub(crate) fn show(&mut self, written: &[u8]) -> Vec<u8> {
        self.parser.process(written);
        std::mem::take(&mut self.parser.callbacks_mut().answers)
    }

    /// Whether it is in the state in which a shell expects it.
    pub(crate) fn is_plain(&self) -> bool {
        let screen = self.parser.screen();
        !screen.bracketed_paste() && !screen.hide_cursor() && !screen.bold()
    }

    /// What it was told to do besides showing something.
    pub(crate) fn obeyed(&self) -> Vec<String> {
        self.parser.callbacks().unusual.clone()
    }

    /// Everything from the first line that scrolled out to the last that isn't blank.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let columns = self.columns;
        let screen = self.parser.screen_mut();
        let rows = screen.size().0.get();
        screen.set_scrollback(usize::MAX);
        let hidden = screen.scrollback();
        let mut lines = vec![String::new()];
        for offset in (0..=hidden).rev() {
            screen.set_scrollback(offset);
            let count = if offset == 0 { rows } else { 1 };
            for (row, text) in (0..count).zip(screen.rows(0, columns)) {
                *lines.last_mut().unwrap() += &text;
                if !screen.row_wrapped(row) {
                    lines.push(String::new());
                }
            }
        }
        for line in &mut lines {
            line.truncate(line.trim_end().len());
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// In what colour the first letter of `text` is shown; `None` if it is as all else, or not
    /// seen.
    pub(crate) fn colour_of(&mut self, text: &str) -> Option<u8> {
        let columns = self.columns;
        let screen = self.parser.screen_mut();
        screen.set_scrollback(0);
        let found = screen.rows(0, columns).enumerate().find_map(|(row, line)| {
            let before = line.split_once(text)?.0;
            Some((row as u16, before.chars().count() as u16))
        });
        let (row, column) = found?;
        match screen.cell(row, column)?.fgcolor() {
            vt100::Color::Idx(colour) => Some(colour),
            _ => None,
        }
    }

    /// What stands before the cursor in its row.
    pub(crate) fn before_cursor(&mut self) -> String {
        let screen = self.parser.screen_mut();
        screen.set_scrollback(0);
        let (row, column) = screen.cursor_position();
        let cells = (0..column).filter_map(|column| screen.cell(row, column));
        cells
            .filter(|cell| !cell.is_wide_continuation())
            .map(|cell| {
                if cell.has_contents() {
                    cell.contents()
                } else {
                    " "
                }
            })
            .collect()
    }
}

impl Callbacks for Obeyed {
    fn audible_bell(&mut self, _: &mut Screen) {
        self.unusual.push("bell".into());
    }

    fn visual_bell(&mut self, _: &mut Screen) {
        self.unusual.push("visual bell".into());
    }

    fn resize(&mut self, _: &mut Screen, request: (u16, u16)) {
        self.unusual.push(format!("resize {request:?}"));
    }

    fn set_window_icon_name(&mut self, _: &mut Screen, name: &[u8]) {
        self.unusual.push(format!("icon {name:?}"));
    }

    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        self.unusual.push(format!("title {title:?}"));
    }

    fn copy_to_clipboard(&mut self, _: &mut Screen, _: &[u8], text: &[u8]) {
        self.unusual.push(format!("copy {text:?}"));
    }

    fn paste_from_clipboard(&mut self, _: &mut Screen, _: &[u8]) {
        self.unusual.push("paste".into());
    }

    fn unhandled_control(&mut self, _: &mut Screen, control: u8) {
        self.unusual.push(format!("control {control:02X}"));
    }

    fn unhandled_escape(&mut self, _: &mut Screen, i1: Option<u8>, i2: Option<u8>, last: u8) {
        self.unusual
            .push(format!("escape {i1:?} {i2:?} {last:02X}"));
    }

    fn unhandled_csi(
        &mut self,
        screen: &mut Screen,
        i1: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        last: char,
    ) {
        match (i1, params, last) {
            (None, [[6]], 'n') => {
                let (row, column) = screen.cursor_position();
                self.answers = format!("\x1b[{};{}R", row + 1, column + 1).into_bytes();
            }
            // Synchronized update, and wrapping: the program's own.
            (Some(b'?'), [[2026 | 7]], 'h' | 'l') => {}
            _ => self.unusual.push(format!("csi {i1:?} {params:?} {last}")),
        }
    }

    fn unhandled_osc(&mut self, _: &mut Screen, params: &[&[u8]]) {
        self.unusual.push(format!("osc {params:?}"));
    }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}
