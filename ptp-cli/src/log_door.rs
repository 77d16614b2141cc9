//! The one door of the log: standard error, or the terminal while a conversation is on it.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use env_logger::{Builder, Env, Target};

use crate::terminal::Terminal;

type Writer = Box<dyn Write + Send>;

static TERMINAL: Mutex<Option<Writer>> = Mutex::new(None);

/// Starts the log: silent, unless `-v`, `-vv` or `RUST_LOG` asks for it.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => "off",
        1 => "info",
        _ => "debug",
    };
    Builder::from_env(Env::default().default_filter_or(level))
        .target(Target::Pipe(Box::new(Door)))
        .init();
}

/// From now on the log goes through `terminal`, if it would go there anyway.
pub(crate) fn through(terminal: &Terminal) {
    if io::stderr().is_terminal() {
        let writer: Writer = Box::new(terminal.log_writer());
        *TERMINAL.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
    }
}

struct Door;

impl Write for Door {
    fn write(&mut self, log: &[u8]) -> io::Result<usize> {
        let mut terminal = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *terminal {
            Some(writer) => writer.write(log),
            None => io::stderr().write(log),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
