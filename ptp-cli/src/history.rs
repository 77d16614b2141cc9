//! `ptp history`: what was said before is listed, searched and forgotten.

mod object;
mod pager;
pub(crate) mod time;

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use ptp_core::{Entry, EntryId, History, HistoryError, HistoryFilter, Home, HomeError, Who};

use crate::args::history::{Action, Forget, History as Asked, Undelivered, Which};
use crate::exit::Exit;
use crate::open::Failure;
use crate::render;
use crate::render::history::{Listing, Style};

/// Where the history of this user is, or will be.
///
/// # Errors
/// If nothing says where this user's data is kept.
pub(crate) fn file() -> Result<PathBuf, HomeError> {
    let folder = Home::folder().ok_or(HomeError::NoFolder)?;
    Ok(folder.join("history.sqlite3"))
}

/// Does what is asked for.
pub(crate) fn run(asked: &Asked) -> Exit {
    let done = open().and_then(|history| match (history, &asked.action) {
        (None, _) => {
            eprintln!("{}", render::history::NOTHING_KEPT);
            Ok(())
        }
        (Some(history), None) => list(&history, asked),
        (Some(history), Some(Action::Forget(what))) => forget(&history, what),
        (Some(history), Some(Action::Compact)) => compact(&history),
        (Some(history), Some(Action::Undelivered(what))) => undelivered(&history, what),
    });
    match done {
        Ok(()) => Exit::Fine,
        Err((text, exit)) => {
            eprintln!("{text}");
            exit
        }
    }
}

/// The history, if there is one.
fn open() -> Result<Option<History>, Failure> {
    let file = file().map_err(|error| render::home_error(&error))?;
    match file.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        _ => History::open(file).map(Some).map_err(failure),
    }
}

fn list(history: &History, asked: &Asked) -> Result<(), Failure> {
    let filter = filter(&asked.which, asked.last)?;
    let (json, style) = match asked.markdown {
        true => (false, Style::Markdown),
        false => (asked.json, Style::Plain),
    };
    let mut found = false;
    write(json, style, |each| {
        let mut written = Ok(());
        let visited = history.visit(&filter, |entry| {
            found = true;
            written = each(&entry);
            match &written {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        visited.map_err(io::Error::other).and(written)
    })?;
    match found {
        true => Ok(()),
        false => say_why_nothing(history, filter, asked.which.with.as_deref()),
    }
}

fn forget(history: &History, what: &Forget) -> Result<(), Failure> {
    let filter = filter(&what.which, None)?;
    let with = what.which.with.as_deref();
    let count = count(history, &filter, u64::MAX)?;
    if count == 0 {
        return say_why_nothing(history, filter, with);
    }
    let question = render::history::forget_question(count, what.all, with);
    if agreed(&question, what.yes)? {
        let deleted = history.forget(&filter).map_err(failure)?;
        say(&render::history::forgot(deleted));
    }
    Ok(())
}

fn compact(history: &History) -> Result<(), Failure> {
    let before = size(history.path());
    history.compact().map_err(failure)?;
    let after = size(history.path());
    say(&render::history::compacted(history.path(), before, after));
    Ok(())
}

fn undelivered(history: &History, what: &Undelivered) -> Result<(), Failure> {
    let who = what.with.as_deref().map(who).transpose()?;
    let entries = history.undelivered(who.as_ref()).map_err(failure)?;
    if entries.is_empty() {
        eprintln!("{}", render::history::ALL_DELIVERED);
        return Ok(());
    }
    write(what.json, Style::Plain, |each| {
        entries.iter().try_for_each(each)
    })?;
    if !what.drop {
        eprintln!("{}", render::history::OFFERED_AGAIN);
        return Ok(());
    }
    let count = entries.len() as u64;
    if agreed(&render::history::drop_question(count), what.yes)? {
        let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
        history.settle(&ids).map_err(failure)?;
        eprintln!("{}", render::history::dropped(count));
    }
    Ok(())
}

fn filter(which: &Which, last: Option<u64>) -> Result<HistoryFilter, Failure> {
    Ok(HistoryFilter {
        with: which.with.as_deref().map(who).transpose()?,
        since: which.since,
        until: which.until,
        search: which.search.clone(),
        last,
    })
}

/// Whom a name stands for, a fingerprint, or a public key. Who is known by a name has it alone: a
/// stranger may have claimed it.
fn who(name: &str) -> Result<Who, Failure> {
    if let Ok(fingerprint) = name.parse() {
        return Ok(Who::Fingerprint(fingerprint));
    }
    if let Ok(key) = name.parse() {
        return Ok(Who::Key(key));
    }
    let known = Home::of_user().and_then(|home| Ok(home.peers.by_name(name)?));
    match known.map_err(|error| render::home_error(&error))? {
        Some(peer) => Ok(Who::Key(peer.key)),
        None => Ok(Who::Name(name.to_owned())),
    }
}

/// How many entries fit, as far as it matters.
fn count(history: &History, filter: &HistoryFilter, enough: u64) -> Result<u64, Failure> {
    let mut count = 0;
    let counted = history.visit(filter, |_| {
        count += 1;
        match count < enough {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    counted.map_err(failure)?;
    Ok(count)
}

fn say_why_nothing(
    history: &History,
    filter: HistoryFilter,
    name: Option<&str>,
) -> Result<(), Failure> {
    let all = HistoryFilter::default();
    let with = HistoryFilter {
        with: filter.with,
        ..HistoryFilter::default()
    };
    let text = if count(history, &all, 1)? == 0 {
        render::history::NOTHING_KEPT.to_owned()
    } else {
        match name {
            Some(name) if count(history, &with, 1)? == 0 => render::history::nothing_with(name),
            _ => render::history::NOTHING_FITS.to_owned(),
        }
    };
    eprintln!("{text}");
    Ok(())
}

/// Writes the entries that `list` hands over, one by one: for a person in a pager, if there is one.
fn write(
    json: bool,
    style: Style,
    list: impl FnOnce(&mut dyn FnMut(&Entry) -> io::Result<()>) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut listing = Listing::new(style, TimeZone::system());
    let list = |out: &mut dyn Write| {
        list(&mut |entry| {
            let lines = match json {
                true => object::line(entry)?,
                false => listing.next(entry),
            };
            out.write_all(lines.as_bytes())
        })
    };
    let written = match json || style == Style::Markdown {
        true => pager::print(list),
        false => pager::page(list),
    };
    written.map_err(|error| match error.downcast() {
        Ok(error) => failure(error),
        Err(error) => (render::history::unwritable(&error), Exit::Unexpected),
    })
}

/// Whether whoever sits there agrees.
fn agreed(question: &str, yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err((render::history::unasked(question), Exit::Usage));
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    // What can't be read is no yes.
    let length = io::stdin().read_line(&mut answer).unwrap_or(0);
    if length == 0 {
        eprintln!();
    }
    let agreed = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    if !agreed {
        eprintln!("{}", render::history::UNCHANGED);
    }
    Ok(agreed)
}

/// With the log of changes beside it, in bytes.
fn size(file: &Path) -> u64 {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let length = |file: &Path| file.metadata().map_or(0, |metadata| metadata.len());
    length(file) + length(Path::new(&log))
}

fn failure(error: HistoryError) -> Failure {
    let exit = match error {
        HistoryError::NoWord(_) => Exit::Usage,
        _ => Exit::Unexpected,
    };
    (render::history::error(&error), exit)
}

fn say(line: &str) {
    // Who has closed standard output wants no more.
    let _ = writeln!(io::stdout(), "{line}");
}
