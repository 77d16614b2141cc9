//! `ptp` without arguments: asks what to do, by plain lines, before a conversation takes the
//! terminal.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};

use clap::Parser;
use ptp_core::{Home, HomeError, KnownPeer};

use crate::args::Cli;
use crate::exit::{self, Exit};
use crate::pipe::is_quit;
use crate::{render, signals};

/// The command line that whoever sits there would have typed, if nothing was said on it and there is
/// somebody to ask. Ends the program if they want nothing.
pub(crate) fn words() -> Option<Vec<OsString>> {
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
        Ok(Some(words)) => Some(words),
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
) -> io::Result<Option<Vec<OsString>>> {
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
            Some(words) => return Ok(Some(words)),
            None => writeln!(screen, "{}", render::guide::misunderstood(peers.len() + 1))?,
        }
    }
}

/// What an answer stands for: a number of the list, the name of a known peer, or a host with or
/// without a port.
fn understand(answer: &str, peers: &[KnownPeer]) -> Option<Vec<OsString>> {
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
    let line: Vec<_> = ["ptp"]
        .into_iter()
        .chain(words)
        .map(OsString::from)
        .collect();
    Cli::try_parse_from(&line).is_ok().then_some(line)
}

#[cfg(test)]
mod tests {
    use ptp_core::{How, Identity, KnownPeers};

    use super::*;
    use crate::args::{Command, Talk};

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
        let words = understand(answer, &peers)?;
        let Command::Talk(talk) = Cli::try_parse_from(words).unwrap().command else {
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
        let words = ask(&[], &mut &b"\n9\n1\n"[..], &mut screen).unwrap();
        assert_eq!(words.unwrap(), ["ptp", "server"]);
        let screen = String::from_utf8(screen).unwrap();
        assert_eq!(screen.matches(render::guide::QUESTION).count(), 3);
        for leaving in [&b""[..], b"quit\n", b"EXIT\r\n"] {
            let words = ask(&[], &mut &*leaving, &mut Vec::new()).unwrap();
            assert!(words.is_none());
        }
    }
}
