//! Which options can stand in the file, and how each is taken back: all of it is made of the
//! command line itself.

use clap::builder::ValueRange;
use clap::{Arg, ArgAction, Command, CommandFactory, Subcommand};

use super::file::Value;
use crate::args::{Cli, Talk};

/// An option of the commands that talk.
#[derive(Debug)]
pub(super) struct KnownOption {
    /// What clap calls it.
    pub(super) id: String,
    /// What the file calls it: as it is typed, without dashes.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// How it is typed.
    pub(super) word: String,
    /// The values that it can have, where they have names.
    pub(super) choices: Vec<String>,
    /// What stands for its value in the help.
    placeholder: String,
    default: Option<String>,
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Flag,
    Count,
    One,
    Many,
}

impl KnownOption {
    fn new(arg: &Arg) -> Self {
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        let values = arg.get_possible_values();
        let placeholders = arg.get_value_names().unwrap_or_default();
        Self {
            id: arg.get_id().to_string(),
            name: name(arg),
            kind: Kind::of(arg),
            word: match (arg.get_long(), arg.get_short()) {
                (None, Some(short)) => format!("-{short}"),
                _ => format!("--{}", name(arg)),
            },
            choices: values
                .iter()
                .map(|value| value.get_name().to_owned())
                .collect(),
            placeholder: placeholders
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
            default: arg.get_default_values().first().map(|value| text(value)),
        }
    }

    /// How it is written in the file, by a name that it has there.
    pub(super) fn example(&self, name: &str) -> String {
        let value = match (self.kind, self.default_value()) {
            (Kind::Flag, _) => "true or false".to_owned(),
            (Kind::Count, _) => "1".to_owned(),
            (Kind::Many, _) => format!("[\"{}\"]", self.placeholder),
            (Kind::One, _) if !self.choices.is_empty() => {
                format!("\"{}\"", self.choices.join("\" or \""))
            }
            (Kind::One, Some(number @ Value::Number(_))) => number.to_string(),
            (Kind::One, _) => format!("\"{}\"", self.placeholder),
        };
        format!("{name} = {value}")
    }

    /// The value where nobody says anything, if there is one.
    pub(super) fn default_value(&self) -> Option<Value> {
        match self.kind {
            Kind::Flag => Some(Value::Flag(false)),
            Kind::Count => Some(Value::Number("0".to_owned())),
            Kind::One | Kind::Many => self.default.clone().map(Value::from_default),
        }
    }
}

impl Kind {
    fn of(arg: &Arg) -> Self {
        let several = |range: ValueRange| range.max_values() > 1;
        match arg.get_action() {
            ArgAction::SetTrue => Self::Flag,
            ArgAction::Count => Self::Count,
            _ if arg.get_num_args().is_some_and(several) => Self::Many,
            _ => Self::One,
        }
    }
}

/// The command line, with a way to take back each option that may stand in the file: `--no-open`
/// for `--open`, `--input-history` for `--no-input-history`. Nobody needs them without a file, so
/// they are hidden.
pub(super) fn command() -> Command {
    let talks = talks();
    talks
        .get_subcommands()
        .fold(Cli::command(), |command, talk| {
            command.mut_subcommand(talk.get_name(), |talk| {
                let negations: Vec<_> = configurable(&talk).map(negation).collect();
                talk.args(negations)
            })
        })
}

/// The commands that talk, as commands of one that has no others.
pub(super) fn talks() -> Command {
    Talk::augment_subcommands(Command::new("ptp").disable_help_subcommand(true))
}

/// All options of the commands that talk, each once.
pub(super) fn all() -> Vec<KnownOption> {
    let mut talks = talks();
    // How many values an option takes is only known then.
    talks.build();
    let mut options: Vec<KnownOption> = Vec::new();
    for option in talks
        .get_subcommands()
        .flat_map(configurable)
        .map(KnownOption::new)
    {
        if options.iter().all(|other| other.id != option.id) {
            options.push(option);
        }
    }
    options
}

/// The name that says the opposite.
pub(super) fn opposite(name: &str) -> String {
    match name.strip_prefix("no-") {
        Some(positive) => positive.to_owned(),
        None => format!("no-{name}"),
    }
}

fn configurable(command: &Command) -> impl Iterator<Item = &Arg> {
    use ArgAction::{Help, HelpLong, HelpShort, Version};
    command.get_arguments().filter(|arg| {
        let asks = matches!(arg.get_action(), Help | HelpLong | HelpShort | Version);
        !arg.is_positional() && !asks
    })
}

fn negation(arg: &Arg) -> Arg {
    let name = opposite(&name(arg));
    Arg::new(name.clone())
        .long(name)
        .action(ArgAction::SetTrue)
        .overrides_with(arg.get_id())
        .hide(true)
}

fn name(arg: &Arg) -> String {
    match arg.get_long() {
        Some(long) => long.to_owned(),
        None => arg.get_id().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_with_what_takes_options_back_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_option_can_be_taken_back_in_secret() {
        let command = command();
        for talk in talks().get_subcommands() {
            let full = command.find_subcommand(talk.get_name()).unwrap();
            for option in configurable(talk) {
                let opposite = opposite(&name(option));
                let mut all = full.get_arguments();
                let negation = all.find(|arg| arg.get_long() == Some(&opposite)).unwrap();
                assert!(negation.is_hide_set(), "{opposite}");
            }
        }
        assert_eq!(opposite("open"), "no-open");
        assert_eq!(opposite("no-input-history"), "input-history");
    }

    #[test]
    fn every_option_of_both_commands_can_stand_in_the_file() {
        let options = all();
        for (name, kind) in [
            ("bind", Kind::One),
            ("ask", Kind::One),
            ("open", Kind::Flag),
            ("verbose", Kind::Count),
            ("on-message", Kind::Many),
        ] {
            let mut same = options.iter().filter(|option| option.name == name);
            assert_eq!(same.next().unwrap().kind, kind, "{name}");
            assert!(same.next().is_none(), "{name}");
        }
        for name in ["host", "port", "help", "version", "no-open"] {
            assert!(options.iter().all(|option| option.name != name), "{name}");
        }
    }
}
