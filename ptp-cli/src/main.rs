//! `ptp`: two computers talk. Parses, calls `ptp-core`, renders, and exits with a code.

mod args;
mod chat;
mod escape;
mod exit;
mod input;
mod log_door;
mod open;
mod pipe;
mod render;
mod signals;
mod terminal;

use clap::Parser;

fn main() {
    let command = args::Cli::parse().command;
    log_door::start(command.options().verbose);
    exit::exit(if terminal::Terminal::usable() {
        chat::run(command)
    } else {
        pipe::run(&command)
    })
}
