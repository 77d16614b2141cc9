//! The command line.

pub(crate) mod history;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::pipe::Choices;

/// The port that is used where none is given.
pub(crate) const DEFAULT_PORT: u16 = 5000;

/// Two computers talk: what is typed on one appears on the other, both ways at once, encrypted,
/// and nothing is lost.
#[derive(Debug, Parser)]
#[command(
    name = "ptp",
    version,
    arg_required_else_help = true,
    max_term_width = 80
)]
#[command(after_help = "\
Examples:
  ptp server                       wait for somebody on port 5000
  ptp client alice.lan             talk to them
  printf 'done\\n' | ptp client alice.lan 7000
                                   deliver one line and leave
  ptp doctor alice.lan             why it does not work
  ptp id                           your own fingerprint
  ptp peers                        whom you know
  ptp config                       options that hold without being typed
  ptp history --search lunch       what was said before, if it was kept

Without arguments, on a terminal, it asks what to do.
Type 'quit' or 'exit' to disconnect. Two that never met need the pairing code
that the server shows, once.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Talk(Box<Talk>),
    /// Find out what stands between you and somebody, step by step
    #[command(after_help = "\
Examples:
  ptp doctor alice.lan             as `ptp client alice.lan` would go
  ptp doctor 192.168.1.5 7000      another port
  ptp doctor Ana && ptp client Ana < notes.txt

Name, route, TCP, protocol, version, handshake, key, trust: a line for each. It
begins no conversation, so a server that waits goes on waiting. Exit codes: 0
all is well; 3 the other side can't be reached or is not PTP; 4 its key has
changed, or a pairing code is needed.")]
    Doctor(Doctor),
    /// Show your own fingerprint, for others to compare
    #[command(after_help = "\
Examples:
  ptp id                           on their side it stands in `ptp peers` and
                                   behind [PAIRED]: read it to each other")]
    Id,
    /// List whom you know, or forget somebody
    #[command(after_help = "\
Examples:
  ptp peers                        name, fingerprint, how and when, where
  ptp peers forget Ana             she needs a code again
  ptp peers forget alice.lan:5000  only: another key may answer there

The list is the file known_peers in the folder that PTP_HOME names (without it
~/.local/share/ptp), and may be edited.")]
    Peers {
        #[command(subcommand)]
        action: Option<Peers>,
    },
    /// Show which options are in force, and from where
    #[command(after_help = "\
Examples:
  ptp config                       each option, its value, and who says so
  echo 'name = \"Ana\"' >> ~/.local/share/ptp/config.toml
                                   as if --name Ana were typed each time

Options that stand in the file config.toml need not be typed. They are called
as on the command line, without dashes: bell = \"message\", plain = true,
on-message = [\"./answer.sh\", \"--brief\"]. What is typed comes first, then
PTP_CODE, then the file; --no-plain takes plain back for once. The file is in
the folder that PTP_HOME names (without it ~/.local/share/ptp).")]
    Config,
    /// Read and search what was said before, or forget it
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "\
Examples:
  ptp history                      all of it, newest last, in a pager
  ptp history --with Ana --since 2d
  ptp history --search '\"good morning\" deplo*' --last 5
  ptp history --since 2026-11-01 --until 2026-12-01 --markdown > november.md
  ptp history --json | jq -r .text
  ptp history forget --with Ana --until yesterday

It is kept if `ptp server` and `ptp client` are told so: --history, or the line
`history = true` in config.toml. Times are yours: how far back (90m, 2d, 2w), or
when (14:30, yesterday, 2026-11-01, '2026-11-01 14:30'). The pager is PTP_PAGER,
PAGER or less; none if that is empty or cat."
    )]
    History(Box<history::History>),
    #[command(flatten)]
    Generate(Generate),
}

/// What is made of the command line itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Generate {
    /// Print what a shell needs to complete the command line
    #[command(after_help = "\
Examples:
  ptp completions bash > ~/.local/share/bash-completion/completions/ptp
  ptp completions zsh > ~/.zfunc/_ptp
  ptp completions fish > ~/.config/fish/completions/ptp.fish")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the man page, or write all of them into a folder
    #[command(after_help = "\
Examples:
  ptp man | man -l -               read it
  ptp man ~/.local/share/man/man1  install it, with a page for each command")]
    Man {
        /// The folder
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
}

/// Whom to look for.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// A name, an IPv4 or an IPv6 address, or the name of a known peer
    pub(crate) host: String,
    /// The port [default: 5000, or the known peer's]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// How long each step may take
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

/// What is done with the known peers.
#[derive(Debug, Subcommand)]
pub(crate) enum Peers {
    /// Forget a peer, or which key is expected at an address
    Forget {
        /// A name, a fingerprint, or an address HOST:PORT
        #[arg(value_name = "NAME|FINGERPRINT|HOST:PORT")]
        what: String,
    },
}

/// What begins a conversation.
#[derive(Debug, Subcommand)]
pub(crate) enum Talk {
    /// Wait for somebody
    #[command(after_help = "\
Examples:
  ptp server                       port 5000, all addresses, IPv4 and IPv6
  ptp server 0                     any free port; it is printed
  ptp server 7000 --bind 10.0.0.5  one address only
  ptp server < answers.txt > questions.txt
  ptp server --on-message ./answer.sh --brief
  ptp server --plain               also for nc, telnet and the original ptp.py

Who is not known yet needs the code that is shown. Exit codes: 0 ended as
somebody asked; 2 wrong usage; 3 the port can't be had; 4 a malformed code; 5 the connection was lost, or something was not delivered.")]
    Server {
        /// The port; 0 is any free one
        #[arg(default_value_t = DEFAULT_PORT)]
        port: u16,
        /// The address to listen at [default: all, IPv4 and IPv6]
        #[arg(long, value_name = "ADDR")]
        bind: Option<String>,
        #[command(flatten)]
        options: Options,
    },
    /// Go to somebody who waits
    #[command(after_help = "\
Examples:
  ptp client alice.lan             port 5000
  ptp client 192.168.1.5 7000      another port
  ptp client Ana                   a known peer, where she was last
  ptp client ::1 --name Ben        IPv6; they see `Ben:` before your lines
  PTP_CODE=4071-magnet-village ptp client alice.lan < notes.txt
  tar c . | base64 | ptp client alice.lan
  ptp client Ana --ask 'Deploy 1.4?' --choices yes,no --wait 5m && ./deploy
  ptp client alice.lan --plain     to nc, telnet or the original ptp.py

Exit codes: 0 ended as somebody asked; 2 wrong usage; 3 the other side can't be
reached, is busy or is not PTP; 4 not trusted: unknown, a changed key, a wrong
code; 5 the connection was lost, or something was not delivered. With --ask:
0 an answer, or the first choice; 10, 11... the second, third...; 6 no answer.")]
    Client {
        /// A name, an IPv4 or an IPv6 address, or the name of a known peer
        host: String,
        /// The port [default: 5000, or the known peer's]
        #[arg(value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
        #[command(flatten)]
        question: Question,
        #[command(flatten)]
        options: Options,
    },
}

/// A question to the other side.
#[derive(Args, Clone, Debug)]
pub(crate) struct Question {
    /// Ask this, print the answer and leave
    #[arg(
        long,
        value_name = "TEXT",
        value_parser = NonEmptyStringValueParser::new(),
        conflicts_with_all = ["json", "on_message", "verbatim", "stay", "quit_on_eof", "resend"]
    )]
    pub(crate) ask: Option<String>,
    /// The answers that count, such as yes,no
    #[arg(long, value_name = "A,B", value_parser = Choices::parse, requires = "ask")]
    pub(crate) choices: Option<Choices>,
    /// How long to wait for the answer, such as 30s or 5m [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = time, requires = "ask")]
    pub(crate) wait: Option<Duration>,
}

impl Talk {
    pub(crate) fn options(&self) -> &Options {
        match self {
            Self::Server { options, .. } | Self::Client { options, .. } => options,
        }
    }

    /// The question that is asked instead of talking.
    pub(crate) fn question(&self) -> Option<&Question> {
        match self {
            Self::Client { question, .. } if question.ask.is_some() => Some(question),
            _ => None,
        }
    }

    /// Whether somebody may sit there and type.
    pub(crate) fn is_typed(&self) -> bool {
        let options = self.options();
        !options.json && options.on_message.is_empty() && self.question().is_none()
    }

    /// Whether the end of input means to deliver everything and leave.
    pub(crate) fn leaves_at_eof(&self) -> bool {
        let options = self.options();
        options.quit_on_eof || (matches!(self, Self::Client { .. }) && !options.stay)
    }
}

/// What both commands take.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// What the other side shows before your lines
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// The pairing code; other users of this computer may see it here
    #[arg(long, value_name = "CODE", conflicts_with = "code_file")]
    pub(crate) code: Option<String>,
    /// A file whose first line is the pairing code; or set PTP_CODE
    #[arg(long, value_name = "FILE")]
    pub(crate) code_file: Option<PathBuf>,
    /// Encrypted, but let anyone in, or accept anyone
    #[arg(long)]
    pub(crate) open: bool,
    /// Not encrypted: lines of text, for nc, telnet and the original ptp.py; a server then takes both
    #[arg(long)]
    pub(crate) plain: bool,
    /// How long to try to connect; a server gives each caller so long
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// How long to wait for a lost peer to come back [default: 3600 on a terminal, 60 in a pipe; 0: never]
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    pub(crate) resume: Option<Duration>,
    /// At the end of input stay until the other side leaves (a server does so anyway)
    #[arg(long, overrides_with = "quit_on_eof")]
    pub(crate) stay: bool,
    /// At the end of input deliver everything and leave (a client does so anyway)
    #[arg(long, overrides_with = "stay")]
    pub(crate) quit_on_eof: bool,
    /// Send every line as it is, `quit` and `exit` too
    #[arg(long)]
    pub(crate) verbatim: bool,
    /// Ring the bell: off or message
    #[arg(long, value_enum, default_value = "off", hide_possible_values = true)]
    pub(crate) bell: Bell,
    /// Do not keep what is typed for the next time
    #[arg(long)]
    pub(crate) no_input_history: bool,
    /// Keep what is said, for `ptp history`
    #[arg(long)]
    pub(crate) history: bool,
    /// Delete from the history what is older, such as 90d
    #[arg(long, value_name = "TIME", value_parser = age, requires = "history")]
    pub(crate) history_keep: Option<Duration>,
    /// Send what did not arrive last time: yes, no, ask
    #[arg(
        long,
        value_name = "WHETHER",
        value_enum,
        hide_possible_values = true,
        requires = "history"
    )]
    pub(crate) resend: Option<Resend>,
    /// Events out and commands in, one JSON object a line
    #[arg(long, conflicts_with = "verbatim")]
    pub(crate) json: bool,
    /// Run a program for each message, with the message as input and its output as answer; all that
    /// follows is the program's
    #[arg(
        long,
        value_name = "CMD",
        num_args = 1..,
        allow_hyphen_values = true,
        conflicts_with_all = ["json", "verbatim", "stay", "quit_on_eof"]
    )]
    pub(crate) on_message: Vec<OsString>,
    /// How many programs may run at once; answers keep the messages' order
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=64),
        requires = "on_message"
    )]
    pub(crate) jobs: u8,
    /// Log on stderr; -vv logs more
    #[arg(short, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// When a terminal rings its bell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bell {
    Off,
    // When a message comes. (Documented values would double the length of the help.)
    Message,
}

/// Whether what an earlier conversation did not deliver is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Resend {
    Yes,
    No,
    Ask,
}

/// Reads how old something may be: less than a second is a typing error.
fn age(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(age) if age >= Duration::from_secs(1) => Ok(age),
        _ => Err("write a time such as 12h, 90d or 2y".to_owned()),
    }
}

/// Reads a number of seconds, at most a year: more is a typing error.
fn seconds(text: &str) -> Result<Duration, String> {
    const YEAR: f64 = 365.0 * 86_400.0;
    match text.parse::<f64>() {
        Ok(number) if (0.0..=YEAR).contains(&number) => Ok(Duration::from_secs_f64(number)),
        _ => Err("write a number of seconds, such as 10 or 0.5".to_owned()),
    }
}

/// Reads a time with its unit, or a number of seconds.
fn time(text: &str) -> Result<Duration, String> {
    let with_unit = |_| {
        let time = humantime::parse_duration(text).map_err(drop)?;
        seconds(&time.as_secs_f64().to_string()).map_err(drop)
    };
    let time = seconds(text).or_else(with_unit);
    time.map_err(|()| "write a time such as 30s, 5m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        for (text, seconds) in [("90", 90), ("5m", 300), ("1h 30m", 5400), ("0", 0)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "-1",
            "soon",
            "5 parsecs",
            "2years",
            "99999999999999999999h",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_are_what_they_say() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["", "-1", "x", "NaN", "1e99"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
