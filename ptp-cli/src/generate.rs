//! What is made of the command line itself: completions for shells, and man pages.

use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};

use crate::args::{Cli, Generate};
use crate::exit::Exit;
use crate::render;

/// Prints or writes what is asked for.
pub(crate) fn run(what: &Generate) -> Exit {
    let mut command = Cli::command();
    match what {
        Generate::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut command, "ptp", &mut script);
            print(&script)
        }
        Generate::Man { folder: None } => {
            let mut page = Vec::new();
            match clap_mangen::Man::new(without_help(command)).render(&mut page) {
                Ok(()) => print(&page),
                Err(error) => fail(&render::unwritable("the man page", &error)),
            }
        }
        Generate::Man {
            folder: Some(folder),
        } => write_pages(command, folder),
    }
}

/// Writes a page for the command and for each of its subcommands.
fn write_pages(command: Command, folder: &Path) -> Exit {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(without_help(command), folder));
    match written {
        Ok(()) => Exit::Fine,
        Err(error) => fail(&render::unwritable(&folder.to_string_lossy(), &error)),
    }
}

/// Leaves out the command `help`, which would have a page for each of the others again.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true)
}

fn print(text: &[u8]) -> Exit {
    // Who has closed standard output wants no more.
    let _ = io::stdout().write_all(text);
    Exit::Fine
}

fn fail(text: &str) -> Exit {
    eprintln!("{text}");
    Exit::Unexpected
}
