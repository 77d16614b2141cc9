//! How a session begins: from a transport to a running line.

use std::sync::Arc;
use std::time::Instant;

use super::Session;
use crate::config::Config;
use crate::connect;
use crate::driver::comeback::{Comeback, Reach, Way};
use crate::driver::establish::{self, Dialling};
use crate::driver::greeted::Established;
use crate::driver::link::Running;
use crate::driver::plain::door::{self, Caller};
use crate::driver::plain::{self, PlainLine};
use crate::driver::{self, deadline};
use crate::error::{ConnectError, Stage};
use crate::peer::Peer;
use crate::transport::{Halves, Transport};
use crate::trust::{Identity, Judged};

impl Session {
    pub(super) fn dial(
        transport: impl Transport,
        config: &Config,
        place: Option<&str>,
        pair: bool,
        deadline: Instant,
    ) -> Result<Self, ConnectError> {
        let identity = &identity(config)?;
        let dialling = Dialling {
            config,
            identity,
            place,
            pair,
        };
        let (established, judged) = establish::dial(split(transport)?, &dialling, deadline)?;
        // Only an address can be reached anew.
        let way = place.map(|address| Way::Dial(reach(address.to_owned())));
        Self::start(established, judged, config, identity, way)
    }

    pub(super) fn answer(transport: impl Transport, config: &Config) -> Result<Self, ConnectError> {
        let identity = &identity(config)?;
        let deadline = deadline(config.handshake_timeout);
        let line = match door::look(split(transport)?, config.plain, deadline)? {
            Caller::Ptp(line) => line,
            Caller::Plain(line) => return Self::start_plain(line, config, identity),
        };
        let (established, judged) = establish::answer_known(line, config, identity)?;
        Self::start(established, judged, config, identity, None)
    }

    pub(super) fn dial_plain<T: Transport>(
        config: &Config,
        reach: impl FnOnce() -> Result<T, ConnectError>,
    ) -> Result<Self, ConnectError> {
        if config.expected_key.is_some() {
            return Err(ConnectError::Unprovable);
        }
        let line = PlainLine {
            halves: split(reach()?)?,
            heard: Vec::new(),
            called: false,
        };
        Self::start_plain(line, config, &identity(config)?)
    }

    pub(crate) fn start_plain(
        line: PlainLine,
        config: &Config,
        identity: &Identity,
    ) -> Result<Self, ConnectError> {
        let peer = Peer::plain(line.halves.peer);
        let running = plain::start(line, config).map_err(ConnectError::Thread)?;
        Ok(Self::of(running, peer, config, identity))
    }

    pub(crate) fn start(
        established: Established,
        judged: Judged,
        config: &Config,
        identity: &Identity,
        way: Option<Way>,
    ) -> Result<Self, ConnectError> {
        let peer = Peer {
            claimed_name: established.peer_name.clone(),
            judged,
            public_key: Some(established.peer_key),
            address: established.address,
        };
        let encryption = (established.suite.noise(), established.handshake_hash);
        let id = established.session;
        let confirmed = config.confirm.then(Arc::default);
        let comeback = way.map(|way| Comeback {
            // A code is for one pairing.
            config: Config {
                code: None,
                ..config.clone()
            },
            identity: identity.clone(),
            session: established.session,
            peer: established.peer_key,
            way,
        });
        let running = driver::start(established, comeback, confirmed.clone(), config.batches)
            .map_err(ConnectError::Thread)?;
        let mut session = Self::of(running, peer, config, identity);
        session.id = Some(id);
        session.encryption = Some(encryption);
        session.confirmed = confirmed;
        Ok(session)
    }

    /// A plain one, unless more is known.
    fn of(running: Running, peer: Peer, config: &Config, identity: &Identity) -> Self {
        Self {
            link: running.link,
            events: running.events,
            reader: Some(running.reader),
            confirmed: None,
            peer,
            local_key: identity.public_key(),
            id: None,
            encryption: None,
            linger: config.linger,
            held: Vec::new(),
        }
    }
}

/// The own identity, or one for this session alone.
fn identity(config: &Config) -> Result<Identity, ConnectError> {
    match &config.identity {
        Some(identity) => Ok(identity.clone()),
        None => Ok(Identity::generate()?),
    }
}

/// Reaches `address` anew.
fn reach(address: String) -> Reach {
    Box::new(move |deadline, is_wanted| split(connect::connect(&address, deadline, is_wanted)?))
}

fn split(transport: impl Transport) -> Result<Halves, ConnectError> {
    transport.split().map_err(|cause| ConnectError::Io {
        stage: Stage::Connect,
        cause,
    })
}
