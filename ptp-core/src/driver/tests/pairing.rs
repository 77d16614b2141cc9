//! Pairing with somebody hostile: one who guesses, replays, reflects, skips, or sits in the middle.

mod dialler;
mod listener;
mod middle;

use std::time::Instant;

use super::hand::soon;
use crate::config::Config;
use crate::driver::desk::{SharedDesk, Told, Turn};
use crate::driver::establish::{self, Dialling};
use crate::driver::line::Line;
use crate::error::ConnectError;
use crate::transport::{Duplex, Transport};
use crate::trust::{Code, Identity, KnownPeers, Standing};

const ANYONE: &dyn Fn() -> bool = &|| true;

/// Our listener with its desk.
struct Stall {
    desk: SharedDesk,
    identity: Identity,
    config: Config,
}

impl Stall {
    fn new() -> Self {
        let identity = Identity::generate().unwrap();
        Self {
            desk: SharedDesk::new(None),
            config: Config::known(identity.clone(), KnownPeers::in_memory()),
            identity,
        }
    }

    /// The newest code that was not yet told.
    fn code(&self) -> Code {
        let mut codes = self.desk.poll().into_iter().filter_map(|told| match told {
            Told::Code(code) => code,
            Told::Burnt { .. } => None,
        });
        codes.next_back().unwrap()
    }

    /// Lets one in that pairs.
    fn attend(&self, transport: Duplex) -> Result<(), ConnectError> {
        let halves = transport.split().unwrap();
        establish::answer(Line::new(halves, soon()), &self.identity)?
            .pair(&self.config, &self.identity, &self.desk, ANYONE)?
            .welcome(&self.config)
            .map(drop)
    }

    /// Whether a try was just spent: then nobody has a turn before the pause is over.
    fn is_spent(&self) -> bool {
        matches!(self.desk.begin(Instant::now(), None, ANYONE), Turn::TooLate)
    }
}

/// Our dialler, which knows nobody and has a code.
struct Visitor {
    identity: Identity,
    peers: KnownPeers,
    config: Config,
}

impl Visitor {
    fn new(code: Option<Code>) -> Self {
        let (identity, peers) = (Identity::generate().unwrap(), KnownPeers::in_memory());
        let mut config = Config::known(identity.clone(), peers.clone());
        config.code = code;
        config.name = "Ben".to_owned();
        Self {
            identity,
            peers,
            config,
        }
    }

    fn call(&self, transport: Duplex) -> Result<Standing, ConnectError> {
        let dialling = Dialling {
            config: &self.config,
            identity: &self.identity,
            place: Some("ana.example:5000"),
            pair: false,
        };
        let halves = transport.split().unwrap();
        let (_, judged) = establish::dial(halves, &dialling, soon())?;
        Ok(judged.standing)
    }

    fn knows_nobody(&self) -> bool {
        self.peers.all().unwrap().is_empty()
    }
}

/// Some code, and another one.
fn code() -> Code {
    Code::parse("4071-magnet-village").unwrap()
}

fn other_code() -> Code {
    Code::parse("4072-magnet-village").unwrap()
}
