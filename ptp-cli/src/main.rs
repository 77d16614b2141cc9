//! `ptp`: two computers talk. Parses, calls `ptp-core`, renders, and exits with a code.

mod args;
mod chat;
mod config;
mod conversation;
mod doctor;
mod escape;
mod exit;
mod generate;
mod guide;
mod history;
mod log_door;
mod open;
mod peers;
mod pipe;
mod render;
mod signals;
mod terminal;

use args::Command;

fn main() {
    let words = guide::words().unwrap_or_else(|| std::env::args_os().collect());
    exit::exit(match config::command(words) {
        Command::Config => config::show(),
        Command::Id => peers::id(),
        Command::Peers { action } => peers::run(action.as_ref()),
        Command::History(asked) => history::run(&asked),
        Command::Doctor(asked) => doctor::run(&asked),
        Command::Generate(what) => generate::run(&what),
        Command::Talk(talk) => {
            log_door::start(talk.options().verbose);
            match talk.is_typed() && terminal::Terminal::usable() {
                true => chat::run(*talk),
                false => pipe::run(&talk),
            }
        }
    })
}
