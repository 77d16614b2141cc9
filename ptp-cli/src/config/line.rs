//! A command line, and which settings of the file go with it.

use std::error::Error;
use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::file::{ConfigError, Fault, Setting};
use super::options;

/// The words of a command line.
pub(super) struct Line {
    command: Command,
    words: Vec<OsString>,
}

/// What becomes of a setting beside the words that were typed.
enum Fit {
    Holds,
    /// Something that was typed says otherwise.
    GivesWay,
    /// It means nothing without another option.
    Waits,
}

impl Line {
    /// The words as the system gives them, the program's own name first.
    pub(super) fn new(words: Vec<OsString>) -> Self {
        Self {
            command: options::command(),
            words,
        }
    }

    /// Each command that talks, with nothing but what it can't be without.
    pub(super) fn shortest() -> Vec<Self> {
        let talks = options::talks();
        let shortest = talks.get_subcommands().map(|talk| {
            let needed = talk.get_positionals().filter(|arg| arg.is_required_set());
            let needed = needed.map(|arg| arg.get_id().as_str());
            let words = ["ptp", talk.get_name()].into_iter().chain(needed);
            Self::new(words.map(OsString::from).collect())
        });
        shortest.collect()
    }

    /// Whether it is a command that talks: the file speaks of no others.
    pub(super) fn talks(&self) -> bool {
        let talks = options::talks();
        self.words.get(1).is_some_and(|word| {
            let mut names = talks.get_subcommands().map(Command::get_name);
            names.any(|name| word == name)
        })
    }

    /// Parses it with settings in front of what was typed, so that what was typed comes last.
    pub(super) fn parse(&self, settings: &[&Setting]) -> Result<ArgMatches, clap::Error> {
        let (before, typed) = self.words.split_at(self.words.len().min(2));
        let added = settings.iter().flat_map(|setting| setting.words());
        let words = before
            .iter()
            .cloned()
            .chain(added.map(OsString::from))
            .chain(typed.iter().cloned());
        self.command.clone().try_get_matches_from(words)
    }

    /// Those of the settings that hold beside what was typed.
    pub(super) fn fitting<'s, 'o>(
        &self,
        settings: &'s [Setting<'o>],
    ) -> Result<Vec<&'s Setting<'o>>, ConfigError> {
        let typed = self.typed();
        let (mut fitting, mut waiting) = (Vec::new(), Vec::new());
        for setting in settings {
            if !self.takes(setting) || is_given(&typed, setting) || setting.words().is_empty() {
                continue;
            }
            match self.fit(setting)? {
                Fit::Holds => fitting.push(setting),
                Fit::Waits => waiting.push(setting),
                Fit::GivesWay => {}
            }
        }
        // What is waited for may itself have waited.
        while let Some(at) = waiting.iter().position(|waits| {
            let with: Vec<_> = fitting.iter().copied().chain([*waits]).collect();
            self.parse(&with).is_ok()
        }) {
            fitting.push(waiting.remove(at));
        }
        match self.clash(&fitting) {
            Some(error) => Err(error),
            None => Ok(fitting),
        }
    }

    /// What was typed, even if something is missing.
    fn typed(&self) -> ArgMatches {
        let lenient = self.command.clone().ignore_errors(true);
        lenient
            .try_get_matches_from(&self.words)
            .unwrap_or_default()
    }

    /// Whether the command has the option at all.
    fn takes(&self, setting: &Setting) -> bool {
        let name = self.words.get(1).and_then(|word| word.to_str());
        let command = name.and_then(|name| self.command.find_subcommand(name));
        command.is_some_and(|command| {
            let mut ids = command.get_arguments().map(clap::Arg::get_id);
            ids.any(|id| *id == setting.option.id)
        })
    }

    fn fit(&self, setting: &Setting) -> Result<Fit, ConfigError> {
        match self.parse(&[setting]) {
            // Something that was typed has overridden it.
            Ok(matches) if !is_given(&matches, setting) => Ok(Fit::GivesWay),
            Ok(_) => Ok(Fit::Holds),
            Err(error) => match error.kind() {
                ErrorKind::ArgumentConflict => Ok(Fit::GivesWay),
                ErrorKind::MissingRequiredArgument => Ok(Fit::Waits),
                _ => Err(ConfigError {
                    line: Some(setting.line),
                    fault: Fault::Value {
                        name: setting.option.name.clone(),
                        cause: cause(&error, setting),
                    },
                }),
            },
        }
    }

    /// Two of the settings of which only one can be given, if there are such.
    fn clash(&self, settings: &[&Setting]) -> Option<ConfigError> {
        let agree = |settings: &[&Setting]| match self.parse(settings) {
            Ok(matches) => settings.iter().all(|setting| is_given(&matches, setting)),
            Err(error) => error.kind() != ErrorKind::ArgumentConflict,
        };
        if agree(settings) {
            return None;
        }
        settings.iter().enumerate().find_map(|(at, setting)| {
            let before = settings.get(..at)?.iter();
            let other = before.copied().find(|other| !agree(&[*other, *setting]))?;
            Some(ConfigError {
                line: Some(setting.line.max(other.line)),
                fault: Fault::Clash {
                    name: setting.option.name.clone(),
                    other: other.option.name.clone(),
                },
            })
        })
    }
}

fn is_given(matches: &ArgMatches, setting: &Setting) -> bool {
    let Some((_, matches)) = matches.subcommand() else {
        return false;
    };
    let source = matches.value_source(&setting.option.id);
    source == Some(ValueSource::CommandLine)
}

/// What is said of a value that an option does not take.
fn cause(error: &clap::Error, setting: &Setting) -> String {
    let example = format!("write {}", setting.option.example(&setting.option.name));
    match error.source().map(ToString::to_string) {
        _ if !setting.option.choices.is_empty() => example,
        // The parsers in `args.rs` say what to write; those of clap do not.
        Some(cause) if cause.starts_with("write ") => cause,
        Some(cause) => format!("{cause}; {example}"),
        None => example,
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::parse;
    use super::super::options::all;
    use super::*;

    fn line(typed: &str) -> Line {
        let words = ["ptp"].into_iter().chain(typed.split(' '));
        Line::new(words.map(OsString::from).collect())
    }

    /// The words that a file adds to those that were typed.
    fn added(file: &str, typed: &str) -> Result<String, ConfigError> {
        let options = all();
        let settings = parse(file, &options)?;
        let fitting = line(typed).fitting(&settings)?;
        let words: Vec<_> = fitting.iter().flat_map(|setting| setting.words()).collect();
        Ok(words.join(" "))
    }

    #[test]
    fn what_was_typed_wins_over_the_file() {
        for (file, typed, words) in [
            (
                "name = 'Ana'\ntimeout = 15",
                "server",
                "--name=Ana --timeout=15",
            ),
            (
                "name = 'Ana'\ntimeout = 15",
                "client h --name Ben",
                "--timeout=15",
            ),
            ("open = true", "server", "--open"),
            ("open = true", "server --open", ""),
            ("open = true", "server --no-open", ""),
            ("open = false", "server", ""),
            ("name = 'Ana'", "server --no-name", ""),
            ("no-input-history = true", "server", "--no-input-history"),
            ("input_history = false", "server", "--no-input-history"),
            ("input_history = false", "server --input-history", ""),
            ("input_history = true", "server", ""),
            ("verbose = 2", "server", "-v -v"),
            ("verbose = 2", "server -v", ""),
            ("verbose = 2", "server --no-verbose", ""),
        ] {
            assert_eq!(
                added(file, typed).unwrap(),
                words,
                "{file:?} before {typed}"
            );
        }
    }

    #[test]
    fn what_does_not_go_with_what_was_typed_is_left_out() {
        for (file, typed, words) in [
            // What only the other command has.
            ("bind = '::1'\nask = 'Why?'", "server", "--bind=::1"),
            ("bind = '::1'\nask = 'Why?'", "client h", "--ask=Why?"),
            // Conflicts, said on either side.
            ("json = true", "client h --ask Why?", ""),
            ("ask = 'Why?'", "client h --json", ""),
            ("code = '1'", "server --code-file f", ""),
            ("code-file = 'f'", "server --code 1", ""),
            ("stay = true", "client h --quit-on-eof", ""),
            // Companions, in the file or typed. One that could not be given is not asked for, and what
            // needs it then does nothing.
            (
                "ask = 'Why?'\nchoices = 'a,b'",
                "client h --json",
                "--choices=a,b",
            ),
            ("jobs = 4", "server", ""),
            ("jobs = 4", "server --on-message x", "--jobs=4"),
            (
                "jobs = 4\non-message = 'x'",
                "server",
                "--on-message=x --jobs=4",
            ),
            (
                "on-message = 'x'\nname = 'A'",
                "server --jobs 4",
                "--on-message=x --name=A",
            ),
        ] {
            assert_eq!(
                added(file, typed).unwrap(),
                words,
                "{file:?} before {typed}"
            );
        }
    }

    #[test]
    fn no_word_of_the_file_is_taken_for_another_one() {
        let options = all();
        let file = "name = '--open'\nbind = ''\non-message = ['a', '--plain', '--', '-v', '']";
        let settings = parse(file, &options).unwrap();
        for typed in ["server 7000", "server -- 7000", "server --bell off 7000"] {
            let line = line(typed);
            let matches = line.parse(&line.fitting(&settings).unwrap()).unwrap();
            let (_, server) = matches.subcommand().unwrap();
            assert_eq!(server.get_one::<String>("name").unwrap(), "--open");
            assert_eq!(server.get_one::<String>("bind").unwrap(), "");
            assert_eq!(server.get_one::<u16>("port"), Some(&7000));
            let program = server.get_many::<OsString>("on_message").unwrap();
            assert!(program.eq(["a", "--plain", "--", "-v", ""]), "{typed}");
            assert!(!server.get_flag("open") && !server.get_flag("plain"));
        }
    }

    #[test]
    fn what_the_file_itself_contradicts_is_told() {
        for (file, line, name, other) in [
            (
                "json = true\nbell = 'off'\nverbatim = true",
                3,
                "verbatim",
                "json",
            ),
            ("stay = true\nquit-on-eof = true", 2, "quit-on-eof", "stay"),
            ("ask = 'Why?'\njson = true", 2, "json", "ask"),
            ("code = '1'\ncode-file = 'f'", 2, "code-file", "code"),
        ] {
            let error = added(file, "client h").unwrap_err();
            assert_eq!(error.line, Some(line), "{file}");
            let Fault::Clash {
                name: one,
                other: two,
            } = error.fault
            else {
                panic!("{file}: {:?}", error.fault);
            };
            assert_eq!((one.as_str(), two.as_str()), (name, other));
        }
        assert!(added("ask = 'Why?'\njson = true", "server").is_ok());
        assert!(added("json = true\nverbatim = true", "server --no-json").is_ok());
    }

    #[test]
    fn a_value_that_an_option_has_not_is_told() {
        for (file, advice) in [
            (
                "\ntimeout = 'soon'",
                "write a number of seconds, such as 10 or 0.5",
            ),
            (
                "\nresume = -1",
                "write a number of seconds, such as 10 or 0.5",
            ),
            ("\nbell = 'loud'", "write bell = \"off\" or \"message\""),
            ("\njobs = 65", "65 is not in 1..=64; write jobs = 1"),
            ("\nask = ''", "write ask = \"TEXT\""),
        ] {
            let error = added(file, "client h").unwrap_err();
            assert_eq!(error.line, Some(2));
            let Fault::Value { cause, .. } = error.fault else {
                panic!("{file}: {:?}", error.fault);
            };
            assert_eq!(cause, advice, "{file}");
        }
        // Who typed another one does not need that of the file.
        assert!(added("timeout = 'soon'", "server --timeout 5").is_ok());
    }
}
