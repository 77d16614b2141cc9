//! The file `config.toml`: options that hold without being typed each time.
//!
//! What stands there becomes words of the command line, before those that were typed. So an option
//! means the same in both places, and a new one in `args.rs` can stand in the file at once.

mod file;
mod line;
mod options;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgMatches, FromArgMatches};
use ptp_core::{Home, HomeError};

use self::file::Setting;
use self::line::Line;
use self::options::KnownOption;
use crate::args::{Cli, Command};
use crate::exit::{self, Exit};
use crate::open::{self, CODE_VARIABLE, Failure};
use crate::render;

pub(crate) use self::file::{ConfigError, Fault};

/// The name of the file, in the folder of this user.
pub(crate) const FILE: &str = "config.toml";
/// The option whose value is shown to nobody.
const SECRET: &str = "code";
/// Options that a variable stands above, where the file gives them.
const BELOW_VARIABLE: [&str; 2] = [SECRET, "code_file"];

/// An option with its value, as the file would say it, and where that is from. It has none if it is
/// not set, or is a secret.
pub(crate) struct InForce {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) origin: Origin,
}

/// Where a value is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    File,
    /// In the file, but the variable counts.
    Overruled(&'static str),
    Variable(&'static str),
    Default,
}

/// What the words of a command line ask for, with what the file adds. Ends the program where they
/// can't be understood, or ask for help.
pub(crate) fn command(words: Vec<OsString>) -> Command {
    let line = Line::new(words);
    let parsed = match line.parse(&[]) {
        // What is missing may stand in the file: `--jobs 4`, and there `on-message`.
        Err(error) if error.kind() != ErrorKind::MissingRequiredArgument => Err(error),
        typed if line.talks() => completed(&line, typed),
        typed => typed,
    };
    let cli = parsed.and_then(|matches| {
        Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut options::command()))
    });
    match cli {
        Ok(cli) => cli.command,
        Err(error) => error.exit(),
    }
}

/// Shows which options are in force, and from where.
pub(crate) fn show() -> Exit {
    match shown() {
        Ok(text) => {
            // Who has closed standard output wants no more.
            let _ = io::stdout().write_all(text.as_bytes());
            Exit::Fine
        }
        Err((text, exit)) => {
            eprintln!("{text}");
            exit
        }
    }
}

/// Adds what the file says. What is wrong with the typed words is said before what is wrong there.
fn completed(
    line: &Line,
    typed: Result<ArgMatches, clap::Error>,
) -> Result<ArgMatches, clap::Error> {
    let Some(path) = path() else {
        return typed;
    };
    let options = options::all();
    let added = file::read(&path, &options).and_then(|mut settings| {
        if open::code_of_environment().is_some() {
            settings.retain(|setting| !is_below_variable(setting.option));
        }
        Ok(line.parse(&line.fitting(&settings)?))
    });
    match (added, typed) {
        (Ok(Err(_)) | Err(_), Err(typed)) => Err(typed),
        (Ok(parsed), _) => parsed,
        (Err(error), Ok(_)) => {
            let (text, exit) = render::config::error(&path, &error);
            eprintln!("{text}");
            exit::exit(exit)
        }
    }
}

fn shown() -> Result<String, Failure> {
    let path = path().ok_or_else(|| render::home_error(&HomeError::NoFolder))?;
    let options = options::all();
    let settings =
        read_whole(&path, &options).map_err(|error| render::config::error(&path, &error))?;
    let lines: Vec<_> = options
        .iter()
        .map(|option| in_force(option, &settings))
        .collect();
    Ok(render::config::in_force(&path, path.exists(), &lines))
}

/// Reads the file, and looks whether all that stands in it can be used together.
fn read_whole<'a>(
    path: &Path,
    options: &'a [KnownOption],
) -> Result<Vec<Setting<'a>>, ConfigError> {
    let settings = file::read(path, options)?;
    for line in Line::shortest() {
        line.fitting(&settings)?;
    }
    Ok(settings)
}

fn in_force(option: &KnownOption, settings: &[Setting]) -> InForce {
    let same = |setting: &&Setting| setting.option.id == option.id;
    let setting = settings.iter().find(same);
    let variable = open::code_of_environment().is_some();
    let origin = match setting {
        _ if variable && option.id == SECRET => Origin::Variable(CODE_VARIABLE),
        Some(_) if variable && is_below_variable(option) => Origin::Overruled(CODE_VARIABLE),
        Some(_) => Origin::File,
        None => Origin::Default,
    };
    let value = match setting {
        Some(setting) => Some(setting.value.to_string()),
        None => option.default_value().map(|value| value.to_string()),
    };
    InForce {
        name: option.name.clone(),
        value: value.filter(|_| option.id != SECRET),
        origin,
    }
}

fn is_below_variable(option: &KnownOption) -> bool {
    BELOW_VARIABLE.contains(&option.id.as_str())
}

fn path() -> Option<PathBuf> {
    Some(Home::folder()?.join(FILE))
}
