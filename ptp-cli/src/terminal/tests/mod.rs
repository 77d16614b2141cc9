//! The terminal against an emulated screen: what stands there is compared, not what was written.

use std::{
    io, mem,
    num::NonZeroU16,
    sync::{Arc, Mutex},
    thread,
};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use unicode_width::UnicodeWidthStr;

use super::{
    Entry, Terminal,
    screen::{Device, Screen},
};
use crate::escape;
use std::io::Write;

mod asking;
mod drawing;
mod leaving;
mod typing;

/// An emulated terminal of which tests and the program hold a handle each.
#[derive(Clone)]
struct Emulator(Arc<Mutex<Emulated>>);

struct Emulated {
    parser: vt100::Parser,
    size: (usize, usize),
    /// What the terminal answers when it is asked for the cursor.
    answers: bool,
    writes: Vec<String>,
    raw: Vec<bool>,
    stops: usize,
}

impl Emulator {
    fn with<T>(&self, look: impl FnOnce(&mut Emulated) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// Everything from the first line in the scrollback to the last that isn't blank, wrapped rows
    /// joined.
    fn lines(&self) -> Vec<String> {
        self.with(|emulated| {
            let (columns, rows) = emulated.size;
            let screen = emulated.parser.screen_mut();
            screen.set_scrollback(usize::MAX);
            let hidden = screen.scrollback();
            let mut all = Vec::new();
            for offset in (0..=hidden).rev() {
                screen.set_scrollback(offset);
                let count = if offset == 0 { rows } else { 1 };
                for (row, text) in screen.rows(0, columns as u16).enumerate().take(count) {
                    all.push((text, screen.row_wrapped(row as u16)));
                }
            }
            let mut lines = vec![String::new()];
            for (text, wrapped) in all {
                *lines.last_mut().unwrap() += &text;
                if !wrapped {
                    lines.push(String::new());
                }
            }
            for line in &mut lines {
                line.truncate(line.trim_end().len());
            }
            while lines.last().is_some_and(String::is_empty) {
                lines.pop();
            }
            lines
        })
    }

    /// The column of the cursor and the row, counted from the bottom of what is shown.
    fn cursor(&self) -> (usize, usize) {
        self.with(|emulated| {
            let (row, column) = emulated.parser.screen().cursor_position();
            (column.into(), row.into())
        })
    }

    fn resize(&self, columns: usize, rows: usize) {
        self.with(|emulated| {
            emulated.parser.set_size(size(rows), size(columns));
            emulated.size = (columns, rows);
        });
    }

    /// Gets narrower as tmux does: rows that have no room any more go on in the next.
    fn resize_and_reflow(&self, columns: usize, rows: usize) {
        self.with(|emulated| {
            let screen = emulated.parser.screen();
            let (cursor_row, cursor_column) = screen.cursor_position();
            let mut all = vt100::Parser::new(size(rows), size(columns), 1000);
            for (number, row) in screen.rows(0, emulated.size.0 as u16).enumerate() {
                if number > 0 {
                    all.process(b"\r\n");
                }
                if number == usize::from(cursor_row) {
                    let (before, after) = row.split_at(cursor_column.into());
                    all.process(format!("{before}\x1b7{after}").as_bytes());
                    break;
                }
                all.process(row.as_bytes());
            }
            all.process(b"\x1b8");
            emulated.parser = all;
            emulated.size = (columns, rows);
        });
    }
}

impl Write for Emulator {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|emulated| {
            emulated.parser.process(bytes);
            emulated
                .writes
                .push(String::from_utf8_lossy(bytes).into_owned());
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Device for Emulator {
    fn size(&self) -> (usize, usize) {
        self.with(|emulated| emulated.size)
    }

    fn cursor_column(&self) -> Option<usize> {
        self.with(|emulated| {
            emulated
                .answers
                .then_some(emulated.parser.screen().cursor_position().1.into())
        })
    }

    fn set_raw(&self, raw: bool) -> io::Result<()> {
        self.with(|emulated| emulated.raw.push(raw));
        Ok(())
    }

    fn stop(&self) {
        self.with(|emulated| emulated.stops += 1);
    }
}

fn size(cells: usize) -> NonZeroU16 {
    NonZeroU16::new(cells as u16).unwrap()
}

/// A terminal without a prompt yet.
fn without_prompt(columns: usize, rows: usize) -> (Terminal, Emulator) {
    let emulator = Emulator(Arc::new(Mutex::new(Emulated {
        parser: vt100::Parser::new(size(rows), size(columns), 100_000),
        size: (columns, rows),
        answers: true,
        writes: Vec::new(),
        raw: Vec::new(),
        stops: 0,
    })));
    let screen = Screen::new(
        Box::new(emulator.clone()),
        Box::new(emulator.clone()),
        "You: ",
        Vec::new(),
    );
    let terminal = Terminal::new(screen);
    terminal.lock().enter().unwrap();
    (terminal, emulator)
}

fn with_prompt(columns: usize, rows: usize) -> (Terminal, Emulator) {
    let (terminal, emulator) = without_prompt(columns, rows);
    terminal.show_prompt();
    (terminal, emulator)
}

fn key(code: KeyCode) -> Event {
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn control(letter: char) -> Event {
    Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))
}

/// The events of typing: `⏎` is Enter, `←` the left key.
fn keys(typed: &str) -> Vec<Event> {
    let code = |character| match character {
        '⏎' => KeyCode::Enter,
        '←' => KeyCode::Left,
        '↑' => KeyCode::Up,
        _ => KeyCode::Char(character),
    };
    typed
        .chars()
        .map(|character| key(code(character)))
        .collect()
}

/// Does what the reading thread does with events that all wait already.
fn feed(terminal: &Terminal, events: Vec<Event>) -> Vec<Entry> {
    let mut left = events.len();
    let mut entries = Vec::new();
    for event in events {
        left -= 1;
        entries.extend(
            terminal
                .drawable()
                .and_then(|mut screen| screen.handle(event, left > 0)),
        );
    }
    entries
}

fn print(terminal: &Terminal, line: &str) {
    terminal.print(&[line.to_owned()]);
}

fn line(text: &str) -> Entry {
    Entry::Line(text.to_owned())
}
