//! `ptp`: two computers talk. Parses, calls `ptp-core`, renders, and exits with a code.

mod args;
mod chat;
mod commands;
mod escape;
mod exit;
mod generate;
mod input;
mod input_history;
mod log_door;
mod open;
mod peers;
mod pipe;
mod render;
mod signals;
mod terminal;

use args::Command;
use clap::Parser;

fn main() {
    exit::exit(match args::Cli::parse().command {
        Command::Id => peers::id(),
        Command::Peers { action } => peers::run(action.as_ref()),
        Command::Generate(what) => generate::run(&what),
        Command::Talk(talk) => {
            log_door::start(talk.options().verbose);
            if talk.is_typed() && terminal::Terminal::usable() {
                chat::run(*talk)
            } else {
                pipe::run(&talk)
            }
        }
    })
}
