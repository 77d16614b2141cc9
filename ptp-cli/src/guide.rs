//! `ptp` without arguments: asks what to do, by plain lines, before a conversation takes the
//! terminal.

use std::env;
use std::io::{self, BufRead, IsTerminal, Write};

use clap::Parser;
use ptp_core::{Home, HomeError, KnownPeer};

use crate::args::{Cli, Command};
use crate::exit::{self, Exit};
use crate::pipe::is_quit;
use crate::{render, signals};

/// What whoever sits there wants, if nothing was said on the command line and there is somebody to
/// ask. Ends the program if they want nothing.
pub(crate) fn command() -> Option<Command> {
    let somebody = io::stdin().is_terminal() && io::stdout().is_terminal();
    if env::args_os().len() > 1 || !somebody {
        return None;
    }
    let peers = match reachable() {
        Ok(peers) => peers,
        Err(error) => {
            eprintln!("{}", render::home_error(&error).0);
            exit::exit(Exit::Unexpected)
        }
    };
    let ask = || ask(&peers, &mut io::stdin().lock(), &mut io::stdout());
    match signals::exit_meanwhile(ask) {
        Ok(Some(command)) => Some(command),
        Ok(None) => exit::exit(Exit::Fine),
        Err(error) => {
            eprintln!("[ERROR] The terminal can't be used: {error}");
            exit::exit(Exit::Unexpected)
        }
    }
}

/// The known peers of whom it is known where they were.
fn reachable() -> Result<Vec<KnownPeer>, HomeError> {
    let mut peers = Home::of_user()?.peers.all()?;
    peers.retain(|peer| !peer.addresses.is_empty());
    Ok(peers)
}

/// Asks until there is an answer that means something; `None` is the wish to leave.
fn ask(
    peers: &[KnownPeer],
    answers: &mut impl BufRead,
    screen: &mut impl Write,
) -> io::Result<Option<Command>> {
    write!(screen, "{}", render::guide::choices(peers))?;
    loop {
        write!(screen, "{}", render::guide::QUESTION)?;
        screen.flush()?;
        let mut answer = Vec::new();
        if answers.read_until(b'\n', &mut answer)? == 0 {
            writeln!(screen)?;
            return Ok(None);
        }
        let answer = String::from_utf8_lossy(&answer);
        let answer = answer.trim();
        if is_quit(answer.as_bytes()) {
            return Ok(None);
        }
        match understand(answer, peers) {
            Some(command) => return Ok(Some(command)),
            None => writeln!(screen, "{}", render::guide::misunderstood(peers.len() + 1))?,
        }
    }
}

/// What an answer stands for: a number of the list, the name of a known peer, or a host with or
/// without a port.
fn understand(answer: &str, peers: &[KnownPeer]) -> Option<Command> {
    let listed = |number: usize| Some(peers.get(number.checked_sub(2)?)?.name.as_str());
    let named = |peer: &&KnownPeer| peer.name.to_lowercase() == answer.to_lowercase();
    let words: Vec<&str> = match answer.parse() {
        Ok(1) => vec!["server"],
        Ok(number) => vec!["client", "--", listed(number)?],
        Err(_) if peers.iter().any(|peer| named(&peer)) => vec!["client", "--", answer],
        Err(_) => ["client", "--"]
            .into_iter()
            .chain(answer.split_whitespace())
            .collect(),
    };
    let line = ["ptp"].into_iter().chain(words);
    Some(Cli::try_parse_from(line).ok()?.command)
}

#[cfg(test)]
mod tests {
    use ptp_core::{How, Identity, KnownPeers};

    use super::*;
    use crate::args::Talk;

    fn peer(name: &str) -> KnownPeer {
        let peers = KnownPeers::in_memory();
        let key = Identity::generate().unwrap().public_key();
        peers
            .remember(key, name, How::Paired, Some("192.0.2.1:5000"))
            .unwrap()
    }

    /// Where an answer leads: a port to wait at, or a host and its port.
    fn leads(answer: &str) -> Option<(String, Option<u16>)> {
        let peers = [peer("Ana"), peer("Ben Lee")];
        let Command::Talk(talk) = understand(answer, &peers)? else {
            panic!("no conversation");
        };
        match *talk {
            Talk::Server { port, .. } => Some(("wait".to_owned(), Some(port))),
            Talk::Client { host, port, .. } => Some((host, port)),
        }
    }

    #[test]
    fn numbers_names_and_addresses_are_understood() {
        for (answer, host, port) in [
            ("1", "wait", Some(5000)),
            ("2", "Ana", None),
            ("3", "Ben Lee", None),
            ("ben lee", "ben lee", None),
            ("alice.lan", "alice.lan", None),
            ("alice.lan  7000", "alice.lan", Some(7000)),
            ("::1", "::1", None),
            ("--open", "--open", None),
        ] {
            assert_eq!(leads(answer), Some((host.to_owned(), port)), "{answer}");
        }
        for answer in ["", "0", "4", "alice.lan port", "alice.lan 0", "a b c"] {
            assert_eq!(leads(answer), None, "{answer}");
        }
    }

    #[test]
    fn it_asks_until_it_understands_or_is_left() {
        let mut screen = Vec::new();
        let command = ask(&[], &mut &b"\n9\n1\n"[..], &mut screen).unwrap();
        assert!(
            matches!(command, Some(Command::Talk(talk)) if matches!(*talk, Talk::Server { .. }))
        );
        let screen = String::from_utf8(screen).unwrap();
        assert_eq!(screen.matches(render::guide::QUESTION).count(), 3);
        for leaving in [&b""[..], b"quit\n", b"EXIT\r\n"] {
            let command = ask(&[], &mut &*leaving, &mut Vec::new()).unwrap();
            assert!(command.is_none());
        }
    }
}
