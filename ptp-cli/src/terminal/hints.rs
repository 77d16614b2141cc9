//! What is said below the entry being typed, for a while, and never becomes a line above it.

use crossterm::event::Event;

use super::{keys, layout::Layout};

#[derive(Default)]
pub(super) struct Hints {
    /// Until the next key: what no line of the conversation is to hold.
    pub(super) revealed: Option<String>,
    /// Until the next key: the entry was pasted, and has many lines.
    pasted: bool,
    /// Until it changes.
    pub(super) standing: String,
}

impl Hints {
    pub(super) fn handle(&mut self, event: &Event) {
        match event {
            Event::Paste(block) => self.pasted = is_block(block),
            event if keys::is_press(event) => self.pasted = false,
            _ => return,
        }
        self.revealed = None;
    }

    /// The rows that stand below the entry `text`.
    pub(super) fn rows(&self, text: &str, columns: usize) -> Vec<String> {
        let pasted = || {
            let lines = text.trim_end_matches('\n').lines().count();
            format!("[{lines} lines: Enter sends, Esc edits]")
        };
        let hint = match &self.revealed {
            Some(revealed) => revealed.clone(),
            None if self.pasted => pasted(),
            None if self.standing.is_empty() => return Vec::new(),
            None => self.standing.clone(),
        };
        let layout = Layout::new("", &hint, 0, columns);
        let rows = layout.rows.into_iter();
        rows.map(|row| format!("{DIM}{}{PLAIN}", row.shown))
            .collect()
    }
}

/// Whether what is pasted has more than one line.
fn is_block(pasted: &str) -> bool {
    let ends = ['\r', '\n'];
    pasted.trim_end_matches(ends).contains(ends)
}

const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[m";
