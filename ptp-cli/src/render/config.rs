//! What `ptp config` shows, and what is said of a file that can't be used.

use std::path::Path;

use unicode_width::UnicodeWidthStr;

use crate::config::{ConfigError, FILE, Fault, InForce, Origin};
use crate::escape;
use crate::exit::Exit;

/// How far to the right the origins begin at most: a long value moves only its own.
const WIDEST: usize = 40;

/// All options, a line each. As a whole it is a file that says the same.
pub(crate) fn in_force(file: &Path, exists: bool, options: &[InForce]) -> String {
    let there = if exists { "" } else { " is not there" };
    let mut text = format!("# {}{there}\n", escape::name(&file.to_string_lossy()));
    let lines = options
        .iter()
        .map(|option| (setting(option), origin(option)));
    let lines: Vec<_> = lines.collect();
    let widths = lines.iter().map(|(setting, _)| setting.width());
    let column = widths.filter(|width| *width <= WIDEST).max().unwrap_or(0);
    for (setting, origin) in lines {
        let gap = column.saturating_sub(setting.width()) + 2;
        text += &format!("{setting}{:gap$}# {origin}\n", "");
    }
    text
}

fn setting(option: &InForce) -> String {
    let name = &option.name;
    match (&option.value, option.origin) {
        (Some(value), Origin::Overruled(_)) => format!("# {name} = {value}"),
        (Some(value), _) => format!("{name} = {value}"),
        (None, Origin::Default) => format!("# {name}"),
        (None, _) => format!("# {name} = (set)"),
    }
}

fn origin(option: &InForce) -> String {
    match option.origin {
        Origin::File => FILE.to_owned(),
        Origin::Overruled(variable) => format!("{FILE}, but {variable} is set"),
        Origin::Variable(variable) => variable.to_owned(),
        Origin::Default if option.value.is_none() => "(not set)".to_owned(),
        Origin::Default => "default".to_owned(),
    }
}

/// What is wrong with the file, where, and what to do.
pub(crate) fn error(file: &Path, error: &ConfigError) -> (String, Exit) {
    let file = file.to_string_lossy();
    let place = match error.line {
        Some(line) => format!("{}, line {line}", escape::name(&file)),
        None => escape::name(&file).into_owned(),
    };
    let text = match &error.fault {
        Fault::Unreadable(cause) => {
            format!("{place} can't be read ({cause}): make it a file that you may read")
        }
        Fault::NoFile => format!("{place} is not a file: move it away, or make a file of it"),
        Fault::TooLong { limit } => format!(
            "{place} is longer than {} KiB: leave nothing in it but options",
            limit / 1024
        ),
        Fault::NotText => format!("{place} is not UTF-8: save it as that"),
        Fault::NotToml { cause } => format!(
            "{place} is not TOML ({}): write each option once, on a line of its own, text in \
             quotes, such as name = \"Ana\"",
            escape::name(cause)
        ),
        Fault::Table { key } => format!(
            "{place}: {} is a table: write options without one, such as name = \"Ana\"",
            escape::name(key)
        ),
        Fault::Unknown { key, nearest } => unknown(&place, key, nearest.as_deref()),
        Fault::Twice { name, before } => {
            format!("{place}: {name} stands in line {before} already: keep one of them")
        }
        Fault::Type { name, example } => {
            format!("{place}: {name} takes something else: write {example}")
        }
        Fault::Value { name, cause } => {
            format!("{place}: {name} can't be that: {}", escape::name(cause))
        }
        Fault::Clash { name, other } => {
            format!("{place}: {name} and {other} can't stand together: keep one of them")
        }
    };
    (format!("[ERROR] {text}"), Exit::Usage)
}

fn unknown(place: &str, key: &str, nearest: Option<&str>) -> String {
    let key = escape::name(key);
    let advice = match nearest {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => "`ptp client --help` and `ptp server --help` list all".to_owned(),
    };
    format!("{place}: {key} is no option: {advice}")
}
