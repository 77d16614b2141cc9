//! What stands on the screen below the conversation: the prompt and the entry being typed.
//!
//! Everything that is shown goes through [`Screen::refresh`], which in one write erases the
//! prompt and the entry, writes the lines that wait above, and draws both again. So a line never
//! meets a half-typed entry, whatever happens in between.

use std::{collections::VecDeque, io, io::Write, mem};

use crossterm::event::{Event, KeyCode, KeyModifiers};
use unicode_width::UnicodeWidthStr;

use super::{
    Complete, Entry,
    drawn::Drawn,
    editor::Editor,
    hints::Hints,
    keys::{self, Outcome},
    layout::Layout,
};
use crate::escape;

/// What the screen needs of the terminal besides a place to write to.
pub(super) trait Device: Send {
    /// Columns and rows.
    fn size(&self) -> (usize, usize);
    /// Asks the terminal in which column the cursor stands, from 0; the thread that reads events
    /// alone may ask.
    fn cursor_column(&self) -> Option<usize>;
    fn set_raw(&self, raw: bool) -> io::Result<()>;
    /// Stops the program, as Ctrl-Z does; returns when it goes on.
    fn stop(&self);
}

pub(super) struct Screen {
    out: Box<dyn Write + Send>,
    device: Box<dyn Device>,
    prompt: String,
    prompt_on: bool,
    question: Option<Question>,
    hints: Hints,
    editor: Editor,
    /// Lines to be printed by the next refresh.
    waiting: Vec<String>,
    /// What was pressed before there was a prompt or a question.
    held: VecDeque<Event>,
    /// Of that, what was pressed before the first question: it was not meant as an answer.
    early: Option<VecDeque<Event>>,
    drawn: Option<Drawn>,
    /// Until the terminal once doesn't tell: waiting for an answer takes two seconds.
    cursor_is_told: bool,
    stopped_itself: bool,
}

/// A question that stands in the place of the prompt.
struct Question {
    text: String,
    /// `None`: what is typed is not shown.
    complete: Option<Complete>,
    /// What was being typed for the prompt.
    draft: String,
}

impl Question {
    fn is_hidden(&self) -> bool {
        self.complete.is_none()
    }
}

/// Who refreshes the screen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// The thread that reads events: it may ask the terminal for the cursor.
    Reader,
    Printer,
    /// Whoever ends it, and can't wait.
    Leaving,
}

impl Screen {
    pub(super) fn new(
        out: Box<dyn Write + Send>,
        device: Box<dyn Device>,
        prompt: &str,
        history: Vec<String>,
    ) -> Screen {
        Screen {
            out,
            device,
            prompt: prompt.to_owned(),
            prompt_on: false,
            question: None,
            hints: Hints::default(),
            editor: Editor::new(history),
            waiting: Vec::new(),
            held: VecDeque::new(),
            early: None,
            drawn: None,
            cursor_is_told: true,
            stopped_itself: false,
        }
    }

    pub(super) fn enter(&mut self) -> io::Result<()> {
        self.device.set_raw(true)?;
        self.write(ENTER);
        Ok(())
    }

    /// Takes the prompt away, prints `lines` and gives the terminal back.
    pub(super) fn leave(&mut self, lines: &[String]) {
        self.prompt_on = false;
        self.waiting.extend_from_slice(lines);
        self.refresh(Caller::Leaving);
        self.write(LEAVE);
        // A terminal that hung up can't be restored, and need not be.
        let _ = self.device.set_raw(false);
    }

    pub(super) fn print(&mut self, lines: &[String]) {
        self.waiting.extend_from_slice(lines);
        self.refresh(Caller::Printer);
    }

    pub(super) fn show_prompt(&mut self) {
        self.prompt_on = true;
        self.refresh(Caller::Printer);
    }

    /// Says something below the entry; nothing if it is empty.
    pub(super) fn hint(&mut self, standing: &str) {
        if self.hints.standing != standing {
            standing.clone_into(&mut self.hints.standing);
            self.refresh(Caller::Printer);
        }
    }

    /// Keeps an entry for Up to go back to.
    pub(super) fn remember(&mut self, entry: String) {
        self.editor.remember(entry);
    }

    pub(super) fn ring(&mut self) {
        self.write("\x07");
    }

    /// Shows something below the entry until the next key.
    pub(super) fn reveal(&mut self, text: String) {
        self.hints.revealed = Some(text);
        self.refresh(Caller::Printer);
    }

    /// Asks a question whose answer is hidden if there is nothing to complete it.
    pub(super) fn ask(&mut self, question: &str, complete: Option<Complete>) {
        self.early.get_or_insert_with(|| mem::take(&mut self.held));
        let typed = self.editor.take();
        let draft = self.question.take().map_or(typed, |before| before.draft);
        self.question = Some(Question {
            text: question.to_owned(),
            complete,
            draft,
        });
        self.refresh(Caller::Printer);
    }

    /// What was pressed before there was a prompt or a question, as soon as there is one.
    pub(super) fn next_held(&mut self) -> Option<Event> {
        if !self.prompt_on && self.question.is_none() {
            return None;
        }
        let early = self.early.as_mut().filter(|_| self.question.is_none());
        let early = early.and_then(VecDeque::pop_front);
        early.or_else(|| self.held.pop_front())
    }

    pub(super) fn holds_events(&self) -> bool {
        !self.held.is_empty() || self.early.as_ref().is_some_and(|early| !early.is_empty())
    }

    /// Does what was pressed. With `more` events waiting, the screen is not drawn yet.
    pub(super) fn handle(&mut self, event: Event, more: bool) -> Option<Entry> {
        let is_input = matches!(event, Event::Key(_) | Event::Paste(_));
        if is_input && !self.prompt_on && self.question.is_none() {
            return self.hold(event);
        }
        self.hints.handle(&event);
        if let Some(question) = &self.question {
            match question.complete {
                Some(complete) if keys::is_tab(&event) => {
                    self.editor.complete(complete);
                    self.refresh(Caller::Reader);
                    return None;
                }
                None if keys::is_escape(&event) => {
                    self.editor.clear();
                    return Some(self.answered());
                }
                _ => {}
            }
        }
        match keys::press(&mut self.editor, &event) {
            Outcome::Edited if more && is_input => None,
            Outcome::Edited => {
                self.refresh(Caller::Reader);
                None
            }
            // Windows has no paste event, and what comes so fast is pasted.
            Outcome::Entered if more && cfg!(windows) => {
                self.editor.insert("\n");
                None
            }
            Outcome::Entered if self.question.is_some() => Some(self.answered()),
            Outcome::Entered => {
                let text = self.editor.take();
                let shown = escape::text(&text, self.prompt.width());
                self.waiting.push(format!("{}{shown}", self.prompt));
                self.refresh(Caller::Reader);
                Some(Entry::Line(text))
            }
            // Nothing is said, and nobody leaves.
            Outcome::Left if self.question.as_ref().is_some_and(Question::is_hidden) => {
                Some(self.answered())
            }
            Outcome::Left => Some(Entry::Leave),
            Outcome::Revealed => Some(Entry::Reveal),
            Outcome::Suspended => {
                self.suspend();
                None
            }
        }
    }

    /// The question is answered: it stays on the screen, and so does the answer if it may be seen.
    fn answered(&mut self) -> Entry {
        let answer = self.editor.take();
        let Some(question) = self.question.take() else {
            return Entry::Answer(answer);
        };
        self.editor.insert(&question.draft);
        if question.is_hidden() {
            self.refresh(Caller::Reader);
            return Entry::Secret(answer);
        }
        let shown = escape::text(&answer, 0);
        self.waiting.push(format!("{}{shown}", question.text));
        self.refresh(Caller::Reader);
        Entry::Answer(answer)
    }

    /// After the program was stopped and goes on: the shell has used the terminal meanwhile.
    pub(super) fn resumed(&mut self) {
        if mem::take(&mut self.stopped_itself) {
            return;
        }
        let _ = self.device.set_raw(false);
        let _ = self.enter();
        self.drawn = None;
        self.write("\r\x1b[J");
        self.refresh(Caller::Printer);
    }

    fn hold(&mut self, event: Event) -> Option<Entry> {
        let control = |letter| {
            event.as_key_press_event().is_some_and(|key| {
                key.code == KeyCode::Char(letter) && key.modifiers == KeyModifiers::CONTROL
            })
        };
        if control('c') || control('d') && self.held.is_empty() {
            return Some(Entry::Leave);
        }
        if self.held.len() < HELD_EVENTS {
            self.held.push_back(event);
        }
        None
    }

    /// Gives the terminal back to the shell until it lets the program go on.
    fn suspend(&mut self) {
        let prompt_on = mem::replace(&mut self.prompt_on, false);
        self.leave(&[]);
        // Stays set if nobody could wake the program again and so it was not stopped; then nobody
        // stops it from outside either.
        self.stopped_itself = true;
        self.device.stop();
        let _ = self.enter();
        self.prompt_on = prompt_on;
        self.refresh(Caller::Reader);
    }

    fn refresh(&mut self, caller: Caller) {
        let (columns, height) = self.device.size();
        let columns = columns.max(1);
        let Some(rows_up) = self.rows_up(columns, caller) else {
            return;
        };
        let mut frame = String::from(BEGIN_UPDATE);
        if self.drawn.take().is_some() {
            if rows_up > 0 {
                frame += &format!("\x1b[{rows_up}A");
            }
            frame += ERASE_BELOW;
        }
        for line in self.waiting.drain(..) {
            for row in line.split('\n') {
                frame += row;
                frame += "\r\n";
            }
        }
        let prompt = match &self.question {
            _ if caller == Caller::Leaving => None,
            Some(question) => Some(question.text.clone()),
            None => self.prompt_on.then(|| self.prompt.clone()),
        };
        if let Some(prompt) = prompt {
            self.draw(&mut frame, &prompt, columns, height);
        }
        frame += DRAWN;
        self.write(&frame);
    }

    fn draw(&mut self, frame: &mut String, prompt: &str, columns: usize, height: usize) {
        *frame += WRAP_OFF;
        let hidden = self.question.as_ref().is_some_and(Question::is_hidden);
        let (text, cursor) = match hidden {
            true => ("", 0),
            false => (self.editor.text(), self.editor.cursor()),
        };
        let mut layout = Layout::new(prompt, text, cursor, columns);
        let mut hints = self.hints.rows(self.editor.text(), columns);
        hints.truncate(height.saturating_sub(2));
        // One row stays for the conversation.
        layout.keep_around_cursor(height.saturating_sub(1 + hints.len()));
        for (number, row) in layout.rows.iter().enumerate() {
            if number > 0 {
                *frame += "\r\n";
            }
            *frame += &row.shown;
        }
        for row in &hints {
            *frame += "\r\n";
            *frame += row;
        }
        let rows_below = layout.rows.len() + hints.len() - 1 - layout.cursor_row;
        if rows_below > 0 {
            *frame += &format!("\x1b[{rows_below}A");
        }
        // Writing what stands before the cursor puts it right even where the terminal gives an
        // emoji another width than the layout does.
        *frame += "\r";
        *frame += layout.before_cursor();
        self.drawn = Some(Drawn::of(&layout));
    }

    /// How far the first row drawn is above the cursor. `None` if that is known only when the
    /// reader, who will be told of the new size, has asked the terminal.
    fn rows_up(&mut self, columns: usize, caller: Caller) -> Option<usize> {
        let Some(drawn) = &self.drawn else {
            return Some(0);
        };
        if !self.cursor_is_told || !drawn.tells(columns) || caller == Caller::Leaving {
            // Rather a stray row of the entry left standing than a message erased.
            return Some(drawn.rows_above());
        }
        if caller == Caller::Printer {
            return None;
        }
        // Asked each time: tmux resizes first and tells later, so that what is drawn in between
        // is cut and not broken anew.
        let column = self.device.cursor_column();
        self.cursor_is_told = column.is_some();
        Some(drawn.rows_above_at(column, columns))
    }

    /// Reports no errors: who has no terminal any more learns it by the hang-up.
    fn write(&mut self, frame: &str) {
        let _ = self.out.write_all(frame.as_bytes());
        let _ = self.out.flush();
    }
}

/// Bracketed paste: a pasted newline is told from Enter.
const ENTER: &str = "\x1b[?2004h";
pub(super) const LEAVE: &str = "\x1b[?2004l";

/// Synchronized update: terminals that know it show nothing half-drawn.
const BEGIN_UPDATE: &str = "\x1b[?2026h";

/// While rows are drawn, no row becomes two: should the terminal be narrower than it says (tmux
/// tells late that it was resized) or an emoji wider than reckoned, then the row is cut.
const WRAP_OFF: &str = "\x1b[?7l";

/// Ends a frame: wraps again, and shows it.
pub(super) const DRAWN: &str = "\x1b[?7h\x1b[?2026l";

/// Erases from the row of the cursor on. In two steps: tmux moves what a plain `ESC[J` in the
/// first row erases into its history, and leaves a stray prompt there.
const ERASE_BELOW: &str = "\r\x1b[K\x1b[C\x1b[J\r";

/// More than anyone types ahead.
const HELD_EVENTS: usize = 10_000;
