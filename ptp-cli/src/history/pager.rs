//! A listing on a terminal that is longer than the screen goes through a pager, as those of git do.

use std::env;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use unicode_width::UnicodeWidthStr;

use crate::{signals, terminal};

/// What names a pager, the first that does.
const VARIABLES: [&str; 2] = ["PTP_PAGER", "PAGER"];
/// What a pager's name and options are made of that needs no shell.
const PLAIN: &[u8] = b"/._-+=, ";

/// Lets `list` write to standard output; what is longer than the screen of a terminal goes through a
/// pager, for which it waits. Who reads no further has had enough, which is no error.
///
/// # Errors
/// Those of `list`, if it could not write for another reason.
pub(crate) fn page(list: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let Some(pager) = pager().filter(|_| io::stdout().is_terminal()) else {
        return print(list);
    };
    let mut page = Page::new(pager);
    let written = list(&mut page).and_then(|()| page.end());
    if let Some((mut child, input)) = page.child.zip(page.out) {
        // By which it knows that this is all. How it ends is for it to say.
        drop(input);
        let _ = child.wait();
    }
    unless_left(written)
}

/// As [`page`], without a pager.
///
/// # Errors
/// Those of `page`.
pub(crate) fn print(list: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    let written = list(&mut out).and_then(|()| out.flush());
    // What could not be written is not tried again.
    drop(out.into_parts());
    unless_left(written)
}

fn unless_left(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// What is to be run, if anything is.
fn pager() -> Option<String> {
    let named = VARIABLES.iter().find_map(env::var_os);
    let pager = named.map_or_else(|| "less".into(), |it| it.to_string_lossy().into_owned());
    let pager = pager.trim();
    (!pager.is_empty() && pager != "cat").then(|| pager.to_owned())
}

/// Holds back what is written until it is more than the screen takes.
struct Page {
    pager: String,
    columns: usize,
    /// The rows of the screen that nothing stands in.
    free: usize,
    held: Vec<u8>,
    /// Where it goes to from then on.
    out: Option<Box<dyn Write>>,
    child: Option<Child>,
}

impl Page {
    fn new(pager: String) -> Self {
        let (columns, rows) = terminal::size();
        Self {
            pager,
            columns,
            // The last is for what the shell says next.
            free: rows - 1,
            held: Vec::new(),
            out: None,
            child: None,
        }
    }

    fn start(&mut self) -> io::Result<()> {
        signals::outlive_interrupt();
        let started = command(&self.pager).stdin(Stdio::piped()).spawn();
        let out: Box<dyn Write> = match started {
            Ok(mut child) => {
                let input = child.stdin.take();
                self.child = Some(child);
                match input {
                    Some(input) => Box::new(BufWriter::new(input)),
                    None => Box::new(io::stdout()),
                }
            }
            // It is not there.
            Err(_) => Box::new(io::stdout()),
        };
        self.out.insert(out).write_all(&self.held)
    }

    fn end(&mut self) -> io::Result<()> {
        match &mut self.out {
            Some(out) => out.flush(),
            None => {
                let mut out = io::stdout();
                out.write_all(&self.held)?;
                out.flush()
            }
        }
    }
}

impl Write for Page {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if let Some(out) = &mut self.out {
            return out.write(lines);
        }
        self.held.extend_from_slice(lines);
        match self.free.checked_sub(rows(lines, self.columns)) {
            Some(free) => self.free = free,
            None => self.start()?,
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.as_mut().map_or(Ok(()), |out| out.flush())
    }
}

/// How many rows of a screen these whole lines take.
fn rows(lines: &[u8], columns: usize) -> usize {
    let lines = String::from_utf8_lossy(lines);
    let rows = |line: &str| line.width().div_ceil(columns).max(1);
    lines.lines().map(rows).sum()
}

fn command(pager: &str) -> Command {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte);
    if cfg!(unix) && !pager.bytes().all(plain) {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(pager);
        return shell;
    }
    let mut words = pager.split(' ').filter(|word| !word.is_empty());
    let name = words.next().unwrap_or_default();
    let mut command = Command::new(name);
    command.args(words);
    if Path::new(name).file_stem().is_some_and(|it| it == "less") {
        // The newest is last, and is read first.
        command.arg("+G");
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pager: &str) -> Vec<String> {
        let command = command(pager);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into()).collect()
    }

    #[test]
    fn less_begins_at_the_end_and_a_shell_reads_what_only_a_shell_can() {
        for (pager, words) in [
            ("less", &["less", "+G"][..]),
            ("/usr/bin/less -S", &["/usr/bin/less", "-S", "+G"]),
            ("more  -e", &["more", "-e"]),
            #[cfg(unix)]
            ("sed s/^/P:/", &["sh", "-c", "sed s/^/P:/"]),
            #[cfg(unix)]
            ("less | cat", &["sh", "-c", "less | cat"]),
        ] {
            assert_eq!(run(pager), words, "{pager}");
        }
    }

    #[test]
    fn a_line_takes_as_many_rows_as_it_is_wide() {
        for (lines, expected) in [
            ("", 0),
            ("a\n\nb\n", 3),
            ("12345\n123456\n", 3),
            ("漢字漢\n", 2),
        ] {
            assert_eq!(rows(lines.as_bytes(), 5), expected, "{lines}");
        }
    }
}
