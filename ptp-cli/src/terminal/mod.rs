//! The terminal during a conversation: lines in, lines out.
//!
//! One thread, the main thread, reads the keyboard in [`Terminal::read_entries`]; any thread
//! prints with [`Terminal::print`]. Both draw under one lock, so that a printed line never damages
//! the entry being typed. From [`Terminal::enter`] to [`Terminal::restore`] the terminal is in raw
//! mode, and nothing else may write to it.

mod drawn;
mod editor;
mod hints;
mod keys;
mod layout;
mod screen;
mod tty;

use std::{
    env, io,
    io::{IsTerminal, Write},
    ops::ControlFlow,
    panic,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crossterm::event::{self, Event};

use self::screen::Screen;
pub(crate) use self::tty::size;
use crate::escape;

/// What was entered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Enter was pressed. A pasted block has newlines in it, but none at its end.
    Line(String),
    /// The answer to a question.
    Answer(String),
    /// The answer to a question whose answer is hidden; empty if it was called off.
    Secret(String),
    /// Ctrl-R was pressed: something is to be shown that was not.
    Reveal,
    /// Ctrl-C or Ctrl-D was pressed, and nothing was typed.
    Leave,
}

/// Completes what was typed, if there is one way to.
pub(crate) type Complete = fn(&str) -> Option<String>;

/// The terminal; clones are handles to the same.
#[derive(Clone)]
pub(crate) struct Terminal {
    shared: Arc<Shared>,
}

struct Shared {
    screen: Mutex<Screen>,
    /// Outside of the lock, because a panic may have to restore while its own thread draws.
    restored: AtomicBool,
}

impl Terminal {
    /// Whether a conversation can be held here: input and output are terminals that can do more
    /// than lines.
    pub(crate) fn usable() -> bool {
        io::stdin().is_terminal()
            && io::stdout().is_terminal()
            && env::var_os("TERM").is_none_or(|kind| kind != "dumb")
    }

    /// Takes the terminal over until [`restore`](Self::restore) or [`farewell`](Self::farewell),
    /// one of which must be called before the program ends; a panic calls it by itself.
    /// `history` is what Up goes back to.
    ///
    /// # Errors
    /// If the terminal can't be set up; then it is as it was.
    pub(crate) fn enter(prompt: &str, history: Vec<String>) -> io::Result<Terminal> {
        let device = Box::new(tty::Tty);
        let terminal = Terminal::new(Screen::new(tty::output()?, device, prompt, history));
        terminal.lock().enter()?;
        // From now on a change of the window's size is noticed.
        if let Err(error) = event::poll(Duration::ZERO) {
            terminal.restore();
            return Err(error);
        }
        let restored_first = panic::take_hook();
        let to_restore = terminal.clone();
        panic::set_hook(Box::new(move |message| {
            if !to_restore.close(&[]) {
                tty::restore_unlocked();
            }
            restored_first(message);
        }));
        Ok(terminal)
    }

    fn new(screen: Screen) -> Terminal {
        Terminal {
            shared: Arc::new(Shared {
                screen: Mutex::new(screen),
                restored: AtomicBool::new(false),
            }),
        }
    }

    /// Prints lines above the entry being typed, all in one write; nothing after the terminal was
    /// restored. A newline in a line begins the next; everything else must be escaped already.
    pub(crate) fn print(&self, lines: &[String]) {
        if let Some(mut screen) = self.drawable() {
            screen.print(lines);
        }
    }

    /// Shows the prompt; until then what is typed is kept and waits, and only Ctrl-C and Ctrl-D
    /// are heard.
    pub(crate) fn show_prompt(&self) {
        if let Some(mut screen) = self.drawable() {
            screen.show_prompt();
        }
    }

    /// Asks a question in the place of the prompt; the next line that is entered is the answer, and
    /// is not kept in the history. What was typed before is kept for the prompt. Tab completes by
    /// `complete`.
    pub(crate) fn ask(&self, question: &str, complete: Complete) {
        if let Some(mut screen) = self.drawable() {
            screen.ask(question, Some(complete));
        }
    }

    /// As [`ask`](Self::ask), and what is typed is not shown. Esc, Ctrl-C and Ctrl-D call it off.
    pub(crate) fn ask_hidden(&self, question: &str) {
        if let Some(mut screen) = self.drawable() {
            screen.ask(question, None);
        }
    }

    /// Says something below the entry, until it is called again; nothing if it is empty.
    pub(crate) fn hint(&self, text: &str) {
        if let Some(mut screen) = self.drawable() {
            screen.hint(text);
        }
    }

    /// Keeps an entry for Up to go back to.
    pub(crate) fn remember(&self, entry: &str) {
        if let Some(mut screen) = self.drawable() {
            screen.remember(entry.to_owned());
        }
    }

    /// Rings the terminal's bell.
    pub(crate) fn ring(&self) {
        if let Some(mut screen) = self.drawable() {
            screen.ring();
        }
    }

    /// Shows something below the entry until the next key; it is never a line of the conversation.
    pub(crate) fn reveal(&self, text: String) {
        if let Some(mut screen) = self.drawable() {
            screen.reveal(text);
        }
    }

    /// Reads the keyboard and gives each entry to `take`, until that breaks off. Only one thread
    /// may be in here. It can't be woken: to end the program from another thread, end the process.
    ///
    /// # Errors
    /// If the terminal can't be read any more.
    pub(crate) fn read_entries(
        &self,
        mut take: impl FnMut(Entry) -> ControlFlow<()>,
    ) -> io::Result<()> {
        loop {
            let event = self.next_event()?;
            let more = tty::more_events()?;
            let entry = self
                .drawable()
                .and_then(|mut screen| screen.handle(event, more));
            if let Some(entry) = entry
                && take(entry).is_break()
            {
                return Ok(());
            }
        }
    }

    fn next_event(&self) -> io::Result<Event> {
        loop {
            let mut screen = self.lock();
            if let Some(event) = screen.next_held() {
                return Ok(event);
            }
            let held = screen.holds_events();
            drop(screen);
            // Reading can't be woken when the prompt comes, so what was typed before waits for it.
            if !held || event::poll(PROMPT_INTERVAL)? {
                return event::read();
            }
        }
    }

    /// Takes the prompt away, prints the last lines and gives the terminal back. Only the first
    /// call of this or [`restore`](Self::restore) does anything; nothing is printed after it.
    pub(crate) fn farewell(&self, lines: &[String]) {
        self.close(lines);
    }

    /// Gives the terminal back, as [`farewell`](Self::farewell) without lines.
    pub(crate) fn restore(&self) {
        self.close(&[]);
    }

    /// Whether the terminal is restored now; if not, whoever draws has been stuck for a while.
    fn close(&self, lines: &[String]) -> bool {
        let deadline = Instant::now() + STUCK_AFTER;
        let screen = loop {
            match self.shared.screen.try_lock() {
                Ok(screen) => break Some(screen),
                Err(TryLockError::Poisoned(poisoned)) => break Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => break None,
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
            }
        };
        let restored_before = self.shared.restored.swap(true, Ordering::SeqCst);
        match screen {
            _ if restored_before => true,
            Some(mut screen) => {
                screen.leave(lines);
                true
            }
            None => {
                tty::leave_raw_mode();
                false
            }
        }
    }

    /// Calls `ended` with the number of the signal on HUP, INT and TERM and when the terminal
    /// hangs up, on a thread of its own; it should end the program. Also puts the screen right
    /// when the program goes on after it was stopped. Windows has none of these: nothing happens.
    ///
    /// # Errors
    /// If the signals can't be watched.
    pub(crate) fn on_signal(&self, ended: impl FnMut(i32) + Send + 'static) -> io::Result<()> {
        let terminal = self.clone();
        tty::watch_signals(ended, move || {
            if let Some(mut screen) = terminal.drawable() {
                screen.resumed();
            }
        })
    }

    /// Where the log goes while the terminal is in raw mode: its lines are escaped and printed
    /// like any others; after the terminal was restored they go to stderr.
    pub(crate) fn log_writer(&self) -> impl Write + Send + use<> {
        LogWriter {
            terminal: self.clone(),
            unfinished: Vec::new(),
        }
    }

    /// `None` once the terminal was restored: nothing may be drawn any more.
    fn drawable(&self) -> Option<MutexGuard<'_, Screen>> {
        let screen = self.lock();
        (!self.shared.restored.load(Ordering::SeqCst)).then_some(screen)
    }

    fn lock(&self) -> MutexGuard<'_, Screen> {
        // A thread that panicked has restored the terminal, so a screen left half-done is not
        // drawn any more.
        self.shared
            .screen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

struct LogWriter {
    terminal: Terminal,
    /// What came after the last newline.
    unfinished: Vec<u8>,
}

impl Write for LogWriter {
    fn write(&mut self, log: &[u8]) -> io::Result<usize> {
        self.unfinished.extend_from_slice(log);
        let Some(end) = self.unfinished.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(log.len());
        };
        let lines: Vec<u8> = self.unfinished.drain(..=end).collect();
        match self.terminal.drawable() {
            Some(mut screen) => screen.print(&[escape::bytes(&lines[..end], 0).into_owned()]),
            None => io::stderr().write_all(&lines)?,
        }
        Ok(log.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How soon what was typed before the prompt came is taken up; only waited for if there is any.
const PROMPT_INTERVAL: Duration = Duration::from_millis(100);

/// Drawing takes milliseconds: after this long the terminal takes no more output, or the thread
/// that draws has panicked and is the one that waits.
const STUCK_AFTER: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
