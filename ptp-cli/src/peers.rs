//! `ptp id` and `ptp peers`: who one is, and whom one knows.

use std::io::{self, Write};

use ptp_core::{Forgotten, Home, HomeError};

use crate::args::Peers;
use crate::exit::Exit;
use crate::render;

/// Shows the own fingerprint.
pub(crate) fn id() -> Exit {
    finish(Home::of_user().map(|home| vec![home.identity.public_key().fingerprint().to_string()]))
}

/// Lists the known peers, or does what `action` says.
pub(crate) fn run(action: Option<&Peers>) -> Exit {
    finish(Home::of_user().and_then(|home| match action {
        None => list(&home),
        Some(Peers::Forget { what }) => forget(&home, what),
    }))
}

fn list(home: &Home) -> Result<Vec<String>, HomeError> {
    let peers = home.peers.all()?;
    if peers.is_empty() {
        eprintln!("{}", render::NOBODY_KNOWN);
    }
    Ok(peers.iter().map(render::known_peer).collect())
}

fn forget(home: &Home, what: &str) -> Result<Vec<String>, HomeError> {
    Ok(vec![match home.peers.forget(what)? {
        Forgotten::Peer(peer) => render::forgotten(&peer),
        Forgotten::Address { peer, address } => render::forgotten_address(&peer, &address),
        _ => String::new(),
    }])
}

/// Prints the lines, or the error.
fn finish(lines: Result<Vec<String>, HomeError>) -> Exit {
    let lines = match lines {
        Ok(lines) => lines,
        Err(error) => {
            eprintln!("{}", render::home_error(&error).0);
            return Exit::Unexpected;
        }
    };
    let mut out = io::stdout().lock();
    for line in lines {
        // Who has closed standard output wants no more.
        if writeln!(out, "{line}").is_err() {
            break;
        }
    }
    Exit::Fine
}
