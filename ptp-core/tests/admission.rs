//! Who gets in: every key with every code at every door. Only the listed cells do.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

#[path = "admission/cells.rs"]
mod cells;
mod support;

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use cells::{CALLERS, Caller, Cell, Door, KEYS, Key, Says, TYPED, Typed};
use ptp_core::{Code, Config, ConnectError, Listener, Notice, Session, Standing, Strangers, Trust};
use support::home::{Home, code, listen, notice, wrong};
use support::{PATIENCE, accept, message};

/// The listener, the dialler, and a friend of the listener who is always welcome.
struct Scene {
    cell: Cell,
    ana: Home,
    ben: Home,
    friend: Home,
    listener: Listener,
    address: String,
    code: Code,
}

impl Scene {
    fn new(cell: Cell) -> Self {
        let (ana, friend) = (Home::new(), Home::new());
        let ben = if cell.key == Key::Own {
            ana.second()
        } else {
            Home::new()
        };
        ana.remember(&friend, "Friend", None);
        if matches!(cell.key, Key::KnownToListener | Key::KnownToBoth) {
            ana.remember(&ben, "Benjamin", None);
        }
        let (listener, address) = listen(&listening(cell, &ana, &ben, &friend));
        match cell.key {
            Key::KnownToBoth => ben.remember(&ana, "Annabel", None),
            Key::Changed => ben.remember(&Home::new(), "Somebody", Some(&address)),
            _ => {}
        }
        let right = if cell.door == Door::Pair {
            code(&listener)
        } else {
            Code::parse("4071-magnet-village").unwrap()
        };
        Self {
            cell,
            ana,
            ben,
            friend,
            listener,
            address,
            code: right,
        }
    }

    /// Ben's session and Ana's, or what he is told.
    fn call(&self) -> Result<(Session, Session), ConnectError> {
        let config = self.dialling();
        thread::scope(|scope| {
            let dialling = scope.spawn(|| Session::connect(&self.address, &config));
            let asks = matches!(self.cell.door, Door::AskAndAccept | Door::AskAndRefuse);
            let reaches = matches!(self.cell.says(), Ok(Says::Trust(_)));
            if asks && reaches && self.cell.seen() == Standing::Stranger {
                let incoming = self.listener.incoming().recv_timeout(PATIENCE).unwrap();
                let key = self.ben.identity.public_key();
                assert_eq!(incoming.peer().public_key(), Some(key));
                if self.cell.door == Door::AskAndAccept {
                    let answerer = incoming.accept();
                    return Ok((dialling.join().unwrap()?, answerer?));
                }
                incoming.refuse();
            }
            let dialler = dialling.join().unwrap()?;
            Ok((dialler, accept(&self.listener)))
        })
    }

    fn dialling(&self) -> Config {
        let mut config = self.ben.config("Ben");
        let key = self.ana.identity.public_key();
        let other = self.friend.identity.public_key();
        let known = |strangers| Trust::Known {
            peers: self.ben.peers.clone(),
            strangers,
        };
        config.trust = match self.cell.caller {
            Caller::Open => Trust::Open,
            Caller::Pair => known(Strangers::Pair),
            Caller::Accept => known(Strangers::Accept),
            Caller::Keys => Trust::Keys(vec![other, key]),
            Caller::OtherKeys => Trust::Keys(vec![other]),
            Caller::Refuse | Caller::Expects | Caller::ExpectsOther => known(Strangers::Refuse),
        };
        config.expected_key = match self.cell.caller {
            Caller::Expects => Some(key),
            Caller::ExpectsOther => Some(other),
            _ => None,
        };
        config.code = match self.cell.typed {
            Typed::Right => Some(self.code.clone()),
            Typed::Wrong => Some(wrong(&self.code)),
            Typed::Nothing => None,
        };
        config
    }

    fn play(&self) {
        let cell = self.cell;
        let before = [&self.ana, &self.ben].map(|home| home.peers.all().unwrap());
        match (self.call(), cell.expected()) {
            (Ok(sessions), Ok(standings)) => self.assert_talk(sessions, standings),
            (Err(error), Err(told)) => {
                assert_eq!(name(&error), told, "{cell:?}: {error}");
                let after = [&self.ana, &self.ben].map(|home| home.peers.all().unwrap());
                assert_eq!(before, after, "{cell:?}");
                let Notice::TurnedAway { fingerprint, .. } = notice(&self.listener) else {
                    panic!("{cell:?}: something else happened");
                };
                // Only who did not stop at the listener's key has said who it is.
                assert_eq!(fingerprint.is_some(), cell.says().is_ok(), "{cell:?}");
            }
            (got, expected) => {
                let got = got.as_ref().map(drop);
                panic!("{cell:?}: {got:?} where {expected:?} is expected");
            }
        }
        // It goes on listening, and nobody else has come in.
        let mut config = Config::open();
        config.identity = Some(self.friend.identity.clone());
        let friend = Session::connect(&self.address, &config).unwrap();
        let answerer = accept(&self.listener);
        let key = self.friend.identity.public_key();
        assert_eq!(answerer.peer().public_key(), Some(key), "{cell:?}");
        assert!(self.listener.incoming().is_empty() || cell.door == Door::AskNobody);
        friend.abort();
        answerer.abort();
    }

    fn assert_talk(
        &self,
        (dialler, answerer): (Session, Session),
        standings: (Standing, Standing),
    ) {
        let cell = self.cell;
        let found = (dialler.peer().standing(), answerer.peer().standing());
        assert_eq!(found, standings, "{cell:?}");
        dialler.sender().send("hi").unwrap();
        assert_eq!(message(&answerer), "hi");
        let known = matches!(cell.key, Key::KnownToListener | Key::KnownToBoth);
        let known = known || found.1 == Standing::Paired;
        assert_eq!(self.ana.knows(&self.ben), known, "{cell:?}");
        if found.0 == Standing::Paired {
            assert!(self.ben.knows(&self.ana), "{cell:?}");
            let there = self.ben.peers.bound_to(&self.address).unwrap();
            assert_eq!(there.map(|peer| peer.key), Some(answerer.local_key()));
        }
        dialler.abort();
        answerer.abort();
    }
}

fn listening(cell: Cell, ana: &Home, ben: &Home, friend: &Home) -> Config {
    let mut config = ana.config("Ana");
    let known = |strangers| Trust::Known {
        peers: ana.peers.clone(),
        strangers,
    };
    config.trust = match cell.door {
        Door::Open => Trust::Open,
        Door::Keys => {
            let mut keys = vec![friend.identity.public_key()];
            if cell.key == Key::Listed {
                keys.push(ben.identity.public_key());
            }
            Trust::Keys(keys)
        }
        Door::Pair => known(Strangers::Pair),
        Door::Refuse => known(Strangers::Refuse),
        Door::Accept => known(Strangers::Accept),
        Door::AskAndAccept | Door::AskAndRefuse | Door::AskNobody => known(Strangers::Ask),
    };
    if cell.door == Door::AskNobody {
        config.handshake_timeout = Duration::from_secs(1);
    }
    config
}

fn name(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::NotTrusted => "not trusted",
        ConnectError::NoPairing => "no pairing",
        ConnectError::PairingNeeded => "pairing needed",
        ConnectError::WrongCode => "wrong code",
        ConnectError::ChangedKey { .. } => "changed key",
        ConnectError::Stranger(_) => "stranger",
        _ => "another error",
    }
}

/// Plays all cells of this door, several at a time: some wait.
fn play(door: Door) {
    let mut cells = Vec::new();
    for key in KEYS {
        for typed in TYPED {
            cells.extend(CALLERS.map(|caller| Cell {
                key,
                typed,
                door,
                caller,
            }));
        }
    }
    let cells = Mutex::new(cells);
    let next = || cells.lock().unwrap().pop();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some(cell) = next() {
                    Scene::new(cell).play();
                }
            });
        }
    });
}

#[test]
fn an_open_door_lets_anyone_in_who_does_not_ask_for_a_code() {
    play(Door::Open);
}

#[test]
fn a_list_of_keys_lets_in_who_is_on_it() {
    play(Door::Keys);
}

#[test]
fn a_door_with_a_code_lets_in_who_is_known_or_has_it() {
    play(Door::Pair);
}

#[test]
fn a_shut_door_lets_in_who_is_known() {
    play(Door::Refuse);
}

#[test]
fn a_door_that_asks_lets_in_whom_the_application_accepts() {
    play(Door::AskAndAccept);
}

#[test]
fn a_door_that_asks_keeps_out_whom_the_application_refuses() {
    play(Door::AskAndRefuse);
}

#[test]
fn a_door_that_asks_keeps_out_strangers_while_nobody_answers() {
    play(Door::AskNobody);
}

#[test]
fn a_door_for_strangers_lets_anyone_in_and_remembers_nobody() {
    play(Door::Accept);
}
