//! What a line that begins with `/` means on a terminal.

use crate::pipe::is_quit;

/// What to do with an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    /// Send it.
    Say(&'a str),
    Leave,
    Help,
    Who,
    Secret,
    /// A command that there is not.
    Unknown(&'a str),
}

impl<'a> Command<'a> {
    /// A block of several lines is never a command.
    pub(crate) fn of(entry: &'a str) -> Self {
        if is_quit(entry.as_bytes()) {
            return Self::Leave;
        }
        match entry.strip_prefix('/') {
            None => Self::Say(entry),
            Some(_) if entry.contains('\n') => Self::Say(entry),
            Some(text) if text.starts_with('/') => Self::Say(text),
            Some(command) => match command.trim_ascii_end() {
                "help" => Self::Help,
                "who" => Self::Who,
                "secret" => Self::Secret,
                _ => Self::Unknown(entry),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command_or_is_sent() {
        for (entry, command) in [
            ("hello", Command::Say("hello")),
            (" quit ", Command::Leave),
            ("EXIT", Command::Leave),
            ("quit it", Command::Say("quit it")),
            ("/help", Command::Help),
            ("/who ", Command::Who),
            ("/secret", Command::Secret),
            ("/secret sauce", Command::Unknown("/secret sauce")),
            ("/etc/hosts", Command::Unknown("/etc/hosts")),
            ("/", Command::Unknown("/")),
            ("//etc/hosts", Command::Say("/etc/hosts")),
            ("//", Command::Say("/")),
            (" /who", Command::Say(" /who")),
            ("/etc\n/usr", Command::Say("/etc\n/usr")),
        ] {
            assert_eq!(Command::of(entry), command, "{entry:?}");
        }
    }
}
