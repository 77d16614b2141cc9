//! `ptp doctor`: what stands between this computer and another, step by step.

use std::io::{self, Write};

use ptp_core::{Check, Config, ConnectError, Home, diagnose};

use crate::args::Doctor;
use crate::exit::Exit;
use crate::open::{self, Failure};
use crate::render;

/// Makes the checks, and prints what each has found; returns how `ptp client` would exit now where
/// nobody can type a code.
pub(crate) fn run(asked: &Doctor) -> Exit {
    let (place, config) = match prepare(asked) {
        Ok(prepared) => prepared,
        Err((text, exit)) => {
            eprintln!("{text}");
            return exit;
        }
    };
    if config.expected_key.is_some() {
        say(&render::doctor::known(&asked.host, &place));
    }
    let (mut here, mut reached, mut needs_code) = (false, false, false);
    let (mut unreached, mut failed) = (None, None);
    for check in diagnose(&place, &config) {
        for line in render::doctor::check(&check, &place) {
            say(&line);
        }
        match check {
            Check::Route { to, result } => here |= result.is_ok_and(|from| from == to.ip()),
            Check::Reach { result, .. } => match result {
                Ok(()) => reached = true,
                Err(error) => unreached = Some(error),
            },
            Check::Trust {
                result: Ok(outlook),
                ..
            } => needs_code = outlook.needs_code,
            other => failed = error(other),
        }
    }
    // One address that answers is enough.
    match failed.or(unreached.filter(|_| !reached)) {
        Some(error) => {
            let (lines, exit) = render::doctor::advice(&error, &place, here, asked.timeout);
            lines.iter().for_each(|line| say(line));
            exit
        }
        None if needs_code => {
            say(&render::doctor::code_needed(&asked.host, asked.port));
            Exit::Untrusted
        }
        None => Exit::Fine,
    }
}

fn prepare(asked: &Doctor) -> Result<(String, Config), Failure> {
    let home = Home::of_user().map_err(|error| render::home_error(&error))?;
    let mut config = Config::known(home.identity, home.peers.clone());
    config.connect_timeout = asked.timeout;
    let place = open::place(&asked.host, asked.port, &home.peers, &mut config)?;
    Ok((place, config))
}

fn error(check: Check) -> Option<ConnectError> {
    match check {
        Check::Name { result, .. } => result.err(),
        Check::Answer { result, .. } => result.err(),
        Check::Handshake { result, .. } => result.err(),
        Check::Trust { result, .. } => result.err(),
        _ => None,
    }
}

fn say(line: &str) {
    // Who has closed standard output wants no more.
    let _ = writeln!(io::stdout(), "{line}");
}
