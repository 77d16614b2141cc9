//! From the command line to an open session.

mod port_owner;

use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::select;
use ptp_core::{
    Code, Config, ConnectError, History, Home, KnownPeers, Listener, Notice, Peer, Session,
    Strangers, Trust,
};

use crate::args::{DEFAULT_PORT, Options, Talk};
use crate::conversation::{self, Conversation};
use crate::exit::Exit;
use crate::render;

/// The variable that may hold the pairing code.
pub(crate) const CODE_VARIABLE: &str = "PTP_CODE";
/// No code is longer, however it is typed.
const LONGEST_CODE: u64 = 1_000;
/// How often a person may mistype a code: as often as a listener lets them.
const TRIES: usize = 3;
/// Strangers that are told of; of more only that there are.
const MOST_STRANGERS: usize = 20;

/// Where conversations come from, and where they are kept.
pub(crate) struct Door {
    way: Way,
    history: Option<Arc<History>>,
}

/// Where conversations come from.
enum Way {
    /// Whoever calls. It tells further callers that the server is busy for as long as it is held.
    Listener { listener: Listener, plain: bool },
    /// Whoever answers at a place.
    Place { place: String, config: Box<Config> },
}

/// Why there is no conversation: what to say, and how to exit.
pub(crate) type Failure = (String, Exit);

/// What opening a session needs of whoever sits there.
pub(crate) trait Person {
    /// How long a lost peer is waited for, where the command does not say.
    const PATIENCE: Duration;
    /// Whether messages that came together are taken together.
    const BATCHES: bool = false;
    /// Shows a status line.
    fn say(&self, line: &str);
    /// Tells of something that went wrong, and ends nothing.
    fn complain(&self, line: &str) {
        self.say(line);
    }
    /// Asks for a pairing code; `None` if there is nobody to ask.
    fn ask(&self, question: &str) -> Option<Code>;

    /// Tells where it listens.
    fn listening(&self, bound: SocketAddr, addresses: &[(IpAddr, String)]) {
        self.say(&format!("[SERVER] Listening on port {}", bound.port()));
        for line in render::invitations(bound, addresses) {
            self.say(&line);
        }
    }

    /// Tells what happened while nobody was let in; `line` says it.
    fn noticed(&self, _notice: &Notice, line: &str) {
        self.say(line);
    }

    /// Tells who is there.
    fn connected(&self, peer: &Peer) {
        if let Some(line) = render::acquainted(peer) {
            self.say(&line);
        }
        self.say("");
        self.say(&render::connected(peer));
        if let Some(line) = render::caution(peer) {
            self.say(&line);
        }
    }
}

/// Listens, or finds out where to go, as the command says.
pub(crate) fn door<P: Person>(talk: &Talk, person: &P) -> Result<Door, Failure> {
    let options = talk.options();
    let home = Home::of_user().map_err(|error| render::home_error(&error))?;
    let mut config = Config::known(home.identity, home.peers.clone());
    config.name.clone_from(&options.name);
    config.plain = options.plain;
    config.connect_timeout = options.timeout;
    config.handshake_timeout = options.timeout;
    config.resume = options.resume.unwrap_or(P::PATIENCE);
    config.max_sessions = 1;
    // What a killed program had not shown yet comes back to its sender.
    config.confirm = true;
    config.batches = P::BATCHES;
    config.code = code(options)?;
    if options.open {
        config.trust = Trust::Known {
            peers: home.peers.clone(),
            strangers: Strangers::Accept,
        };
    }
    let history = conversation::history(options, person)?;
    let way = match talk {
        Talk::Server { port, bind, .. } => listen(*port, bind.as_deref(), &config, person)?,
        Talk::Client { host, port, .. } => {
            let place = place(host, *port, &home.peers, &mut config)?;
            let config = Box::new(config);
            Way::Place { place, config }
        }
    };
    Ok(Door { way, history })
}

impl Door {
    /// Whether plain peers come in here beside others.
    fn takes_both(&self) -> bool {
        matches!(self.way, Way::Listener { plain: true, .. })
    }

    /// The next conversation: waits for somebody, or goes to somebody. `connected` is left to the
    /// caller: when it is heard, a signal must find the conversation.
    pub(crate) fn open(&mut self, person: &impl Person) -> Result<Arc<Conversation>, Failure> {
        let session = match &mut self.way {
            Way::Listener { listener, .. } => wait(listener, person),
            Way::Place { place, config } => go(place, config, person),
        }?;
        if self.takes_both() && session.encryption().is_some() {
            person.say(render::SPEAKS_PTP);
        }
        let history = self.history.clone();
        Ok(Arc::new(Conversation::begin(session, history, person)))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Each conversation has waited for what it had to keep, and told what is missing.
        if let Some(history) = &self.history {
            history.close(Duration::ZERO);
        }
    }
}

fn listen(
    port: u16,
    bind: Option<&str>,
    config: &Config,
    person: &impl Person,
) -> Result<Way, Failure> {
    let address = format!("{}:{port}", bracketed(bind.unwrap_or_default()));
    let listener = Listener::bind(&address, config)
        .map_err(|error| render::listen_error(&error, port, port_owner::in_the_way(&error)))?;
    let bound = listener.local_addr().map_err(unexpected)?;
    person.listening(bound, &own_addresses());
    if config.trust.lets_anyone_in() {
        person.say(render::OPEN);
    }
    if config.plain {
        person.say(render::PLAIN_TOO);
    }
    Ok(Way::Listener {
        listener,
        plain: config.plain,
    })
}

fn wait(listener: &Listener, person: &impl Person) -> Result<Session, Failure> {
    let mut strangers = 0;
    for notice in listener.notices().try_iter() {
        tell(&notice, &mut strangers, person);
    }
    person.say("[SERVER] Waiting for incoming connection...");
    loop {
        select! {
            recv(listener.sessions()) -> session => return session.map_err(unexpected),
            recv(listener.notices()) -> notice => if let Ok(notice) = notice {
                tell(&notice, &mut strangers, person);
            },
        }
    }
}

fn unexpected(error: impl std::fmt::Display) -> Failure {
    (format!("[ERROR] {error}"), Exit::Unexpected)
}

/// Says what happened while nobody was let in.
fn tell(notice: &Notice, strangers: &mut usize, person: &impl Person) {
    let Some(line) = render::notice(notice) else {
        return;
    };
    if matches!(notice, Notice::TurnedAway { .. }) {
        *strangers += 1;
        if *strangers > MOST_STRANGERS {
            return;
        }
    }
    person.noticed(notice, &line);
    if *strangers == MOST_STRANGERS {
        person.say(render::MORE_STRANGERS);
        *strangers += 1;
    }
}

fn go(place: &str, config: &mut Config, person: &impl Person) -> Result<Session, Failure> {
    person.say(&format!("[CLIENT] Connecting to {place}..."));
    let mut tries = 0;
    loop {
        let error = match Session::connect(place, config) {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        let failure = render::connect_error(&error, place, config.connect_timeout.as_secs_f64());
        let wrong = matches!(error, ConnectError::WrongCode);
        if tries == TRIES || !(wrong || matches!(error, ConnectError::PairingNeeded)) {
            return Err(failure);
        }
        if wrong {
            person.say(&failure.0);
        }
        tries += 1;
        match person.ask(&render::question(place)) {
            Some(code) => config.code = Some(code),
            None => return Err(failure),
        }
    }
}

/// Where to go: a known peer's last address, whose key must then answer, or the host as it is.
pub(crate) fn place(
    host: &str,
    port: Option<u16>,
    peers: &KnownPeers,
    config: &mut Config,
) -> Result<String, Failure> {
    let default = port.unwrap_or(DEFAULT_PORT);
    let as_it_is = format!("{}:{default}", bracketed(host));
    if host.parse::<IpAddr>().is_ok() {
        return Ok(as_it_is);
    }
    let known = peers
        .by_name(host)
        .map_err(|error| render::home_error(&error.into()))?;
    let Some(peer) = known else {
        return Ok(as_it_is);
    };
    config.expected_key = Some(peer.key);
    let address = peer
        .addresses
        .first()
        .ok_or_else(|| render::nowhere(&peer))?;
    match (port, address.rsplit_once(':')) {
        (Some(port), Some((host, _))) => Ok(format!("{host}:{port}")),
        _ => Ok(address.clone()),
    }
}

/// The pairing code that the command line, a file or the environment gives.
fn code(options: &Options) -> Result<Option<Code>, Failure> {
    let text = match (&options.code, &options.code_file) {
        (Some(code), _) => code.clone(),
        (None, Some(file)) => first_line(file).map_err(|error| render::code_file(file, &error))?,
        (None, None) => match code_of_environment() {
            Some(code) => code,
            None => return Ok(None),
        },
    };
    let code = Code::parse(&text).map_err(|error| render::malformed_code(&error))?;
    Ok(Some(code))
}

/// The pairing code in the environment, if there is one. It counts for less than an option that was
/// typed, and for more than one in the file.
pub(crate) fn code_of_environment() -> Option<String> {
    let code = env::var(CODE_VARIABLE).ok()?;
    (!code.trim().is_empty()).then_some(code)
}

fn first_line(file: &Path) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(File::open(file)?.take(LONGEST_CODE)).read_line(&mut line)?;
    Ok(line)
}

/// An IPv6 address as it stands before a port; everything else as it is.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

fn own_addresses() -> Vec<(IpAddr, String)> {
    // Without them the conversation works just as well.
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces
        .into_iter()
        .map(|interface| (interface.ip(), interface.name))
        .collect()
}
