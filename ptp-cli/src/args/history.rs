//! The command line of `ptp history`.

use std::time::SystemTime;

use clap::{Args, Subcommand};

use crate::history::time;

/// What is wanted of the history.
#[derive(Args, Debug)]
pub(crate) struct History {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only the last so many of those
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) last: Option<u64>,
    /// One JSON object a line, exactly as it was said
    #[arg(long)]
    pub(crate) json: bool,
    /// Markdown, such as for notes
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

/// What is done with the history, other than to read it.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Delete messages for good
    #[command(
        override_usage = "ptp history forget <OPTIONS>",
        after_help = "\
Examples:
  ptp history forget --with Ana    all that was said with her
  ptp history forget --until 52w   all that is older than a year
  ptp history forget --search 'credit card'
  ptp history forget --all --yes   everything, without a question

They are overwritten in the file. Copies of it, and what the other side keeps,
stay. Without --yes it says how many, and asks. At least one option has to say
which."
    )]
    Forget(Forget),
    /// Make the file as small as it can be
    #[command(after_help = "\
Examples:
  ptp history forget --until 52w && ptp history compact")]
    Compact,
    /// List your messages that were not delivered when a conversation was lost
    #[command(after_help = "\
Examples:
  ptp history undelivered          surely or perhaps, as is said behind each
  ptp history undelivered --with Ana --json
  ptp history undelivered --drop   they are not offered again")]
    Undelivered(Undelivered),
}

/// Which messages.
#[derive(Args, Clone, Debug)]
pub(crate) struct Which {
    /// Only with whom you know, or knew, by this name or fingerprint
    #[arg(long, value_name = "NAME")]
    pub(crate) with: Option<String>,
    /// Only from then on, such as 2d, yesterday, 14:30 or 2026-11-01
    #[arg(long, value_name = "TIME", value_parser = time::read)]
    pub(crate) since: Option<SystemTime>,
    /// Only before then; a date means its beginning
    #[arg(long, value_name = "TIME", value_parser = time::read)]
    pub(crate) until: Option<SystemTime>,
    /// Only texts with all of these words; "words in quotes" as a phrase, word* as a beginning
    #[arg(long, value_name = "WORDS")]
    pub(crate) search: Option<String>,
}

/// What is deleted.
#[derive(Args, Debug)]
#[group(id = "chosen", required = true, multiple = true, args = ["with", "since", "until", "search", "all"])]
pub(crate) struct Forget {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Everything
    #[arg(long, conflicts_with_all = ["with", "since", "until", "search"])]
    pub(crate) all: bool,
    /// Without a question
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What is listed of what was not delivered.
#[derive(Args, Debug)]
pub(crate) struct Undelivered {
    /// Only to whom you know, or knew, by this name or fingerprint
    #[arg(long, value_name = "NAME")]
    pub(crate) with: Option<String>,
    /// One JSON object a line, exactly as it was said
    #[arg(long)]
    pub(crate) json: bool,
    /// They are not offered again; they stay in the history
    #[arg(long)]
    pub(crate) drop: bool,
    /// With --drop: without a question
    #[arg(long, requires = "drop")]
    pub(crate) yes: bool,
}
