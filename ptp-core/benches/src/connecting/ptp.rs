//! ptp-core through its public face, with files as the `ptp` command has them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ptp_core::{
    Code, Config, ConnectError, Event, Identity, KnownPeers, Listener, Notice, Session,
};

use super::{Caller, Clock, Door, Took};
use crate::Result;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(5);

/// How well the two sides know each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meeting {
    /// Nobody is checked, and there are no files.
    Open,
    /// Both know each other, from the first call on.
    Known,
    /// Neither knows the other, and there is no code.
    Unknown,
    /// Neither knows the other, and there is a code.
    Pair,
}

/// Either side.
pub(super) struct Ptp {
    meeting: Meeting,
    identity: PathBuf,
    peers: PathBuf,
    listener: Option<Listener>,
}

impl Ptp {
    pub(super) fn new(meeting: Meeting, folder: &Path) -> Result<Self> {
        let identity = folder.join("identity");
        if meeting != Meeting::Open {
            Identity::load_or_create(&identity)?;
        }
        Ok(Self {
            meeting,
            identity,
            peers: folder.join("known_peers"),
            listener: None,
        })
    }

    /// Reads the files, as a command does when it starts.
    fn config(&self) -> Result<Config> {
        Ok(match self.meeting {
            Meeting::Open => Config::open(),
            _ => Config::known(
                Identity::load(&self.identity)?,
                KnownPeers::open(&self.peers)?,
            ),
        })
    }

    /// Before each pairing the two have never met.
    fn forget(&self) -> Result<()> {
        if self.meeting == Meeting::Pair && self.peers.exists() {
            fs::remove_file(&self.peers)?;
        }
        Ok(())
    }
}

impl Door for Ptp {
    fn open(&mut self) -> Result<String> {
        self.forget()?;
        let first = self.listener.is_none();
        let config = self.config()?;
        let listener = match &mut self.listener {
            // A new one for each pairing: after one a listener pauses for a second.
            Some(listener) if self.meeting != Meeting::Pair => listener,
            place => place.insert(Listener::bind("127.0.0.1:0", &config)?),
        };
        let address = listener.local_addr()?;
        let code = match self.meeting {
            Meeting::Pair => shown(listener)?,
            Meeting::Known if first => shown(listener)?,
            _ => return Ok(address.to_string()),
        };
        Ok(format!("{address} {}", code.as_str()))
    }

    fn answer(&mut self) -> Result<()> {
        let listener = self.listener.as_ref().ok_or("not open")?;
        if self.meeting == Meeting::Unknown {
            while !matches!(
                listener.notices().recv_timeout(PATIENCE)?,
                Notice::TurnedAway { .. }
            ) {}
            return Ok(());
        }
        let session = listener.accept_timeout(PATIENCE)?.ok_or("nobody came")?;
        session.sender().send("x")?;
        while !matches!(
            session.events().recv_timeout(PATIENCE)?,
            Event::Disconnected(_)
        ) {}
        Ok(())
    }
}

fn shown(listener: &Listener) -> Result<Code> {
    match listener.notices().recv_timeout(PATIENCE)? {
        Notice::Code(Some(code)) => Ok(code),
        notice => Err(format!("no code: {notice:?}").into()),
    }
}

impl Caller for Ptp {
    fn call(&mut self, address: &str) -> Result<Took> {
        self.forget()?;
        let (address, code) = address.split_once(' ').unwrap_or((address, ""));
        let code = match code {
            "" => None,
            code => Some(Code::parse(code)?),
        };
        let mut clock = Clock::start();
        let mut config = self.config()?;
        config.code = code;
        let session = match Session::connect(address, &config) {
            Err(ConnectError::PairingNeeded) if self.meeting == Meeting::Unknown => {
                clock.connected();
                return Ok(clock.heard());
            }
            session => session?,
        };
        clock.connected();
        let Event::Received(_) = session.events().recv_timeout(PATIENCE)? else {
            return Err("no message".into());
        };
        let took = clock.heard();
        session.close(PATIENCE);
        Ok(took)
    }
}
