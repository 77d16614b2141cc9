//! `ptp`: two computers talk. Parses, calls `ptp-core`, renders, and exits with a code.

mod args;
mod chat;
mod doctor;
mod escape;
mod exit;
mod generate;
mod guide;
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
    let command = guide::command().unwrap_or_else(|| args::Cli::parse().command);
    exit::exit(match command {
        Command::Id => peers::id(),
        Command::Peers { action } => peers::run(action.as_ref()),
        Command::Doctor(asked) => doctor::run(&asked),
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
