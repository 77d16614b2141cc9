//! A caller's handshake: who it is, and whether it is let in.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender};

use super::notice::Notice;
use super::{Arrivals, Incoming, Shared};
use crate::driver::comeback::Way;
use crate::driver::deadline;
use crate::driver::desk::SharedDesk;
use crate::driver::establish::{self, Caller};
use crate::driver::plain::{PlainLine, door};
use crate::error::{ConnectError, Stage};
use crate::peer::Peer;
use crate::planted::{Bug, planted};
use crate::protocol::{Pairing, Refusal};
use crate::session::Session;
use crate::transport::{Transport, tcp};
use crate::trust::{Fingerprint, How, Judged, PublicKey, Standing, Strangers};

/// How long the link of a peer that calls anew has for a sign of life, before it is taken for dead.
const PROBE: Duration = Duration::from_secs(1);
/// How often a handshake that waits for the application looks whether anybody still wants it.
const TICK: Duration = Duration::from_millis(100);

/// Carries out a caller's handshake in a thread of its own.
pub(super) fn receive(shared: &Arc<Shared>, arrivals: &Arrivals, stream: TcpStream) {
    let number = match stream.try_clone() {
        Ok(stream) => shared
            .handshakes()
            .begin(stream, shared.config.max_handshakes),
        Err(error) => return log::warn!("a caller can't be answered: {error}"),
    };
    // Closed since this caller came: nobody else would break its handshake off.
    if shared.closed.load(Ordering::Acquire) {
        return shared.handshakes().end(number);
    }
    let spawned = thread::Builder::new().name("ptp-handshake".into()).spawn({
        let (shared, arrivals) = (Arc::clone(shared), arrivals.clone());
        move || {
            Reception::new(&shared, &arrivals, number, &stream).attend(stream);
        }
    });
    if let Err(error) = spawned {
        log::warn!("a caller can't be answered: {error}");
        shared.handshakes().refuse(number);
    }
}

/// One caller at the door.
struct Reception<'a> {
    shared: &'a Shared,
    arrivals: &'a Arrivals,
    /// Among the handshakes that are under way.
    number: u64,
    address: Option<SocketAddr>,
    deadline: Instant,
    fingerprint: Option<Fingerprint>,
}

/// A session, and who asked for it if it was asked for.
type Arrival = (Session, Option<Sender<Session>>);

/// What is to become of a caller.
enum Verdict<'a> {
    Admit(Judged),
    Refuse(Refusal),
    /// It must prove that it knows the desk's code.
    Pair(&'a SharedDesk),
    Ask,
}

impl<'a> Reception<'a> {
    fn new(shared: &'a Shared, arrivals: &'a Arrivals, number: u64, stream: &TcpStream) -> Self {
        Self {
            shared,
            arrivals,
            number,
            address: stream.peer_addr().map(tcp::unmapped).ok(),
            deadline: deadline(shared.config.handshake_timeout),
            fingerprint: None,
        }
    }

    fn attend(mut self, stream: TcpStream) {
        let result = self.handshake(stream);
        // A pairing run has changed something.
        self.shared.tell();
        // Before the session is handed over: who has it may close the listener, which breaks off
        // all handshakes that are under way.
        self.shared.handshakes().end(self.number);
        match result {
            Ok(None) => {}
            Ok(Some((session, asked_by))) => {
                let waiting = asked_by.as_ref().unwrap_or(&self.arrivals.sessions);
                // Fails only if nobody waits any more; that closes the session.
                let _ = waiting.send(session);
            }
            Err(cause) => self.turned_away(cause),
        }
    }

    fn turned_away(&self, cause: ConnectError) {
        let from = self.address;
        log::info!("a caller from {from:?} was turned away: {cause}");
        self.shared.board.put(Notice::TurnedAway {
            address: self.address,
            fingerprint: self.fingerprint,
            cause,
        });
    }

    fn handshake(&mut self, stream: TcpStream) -> Result<Option<Arrival>, ConnectError> {
        let halves = stream.split().map_err(|cause| ConnectError::Io {
            stage: Stage::Connect,
            cause,
        })?;
        let line = match door::look(halves, self.shared.config.plain, self.deadline)? {
            door::Caller::Ptp(line) => line,
            door::Caller::Plain(line) => return self.admit_plain(line).map(Some),
        };
        let caller = establish::answer(line, &self.shared.identity)?;
        self.fingerprint = Some(caller.key().fingerprint());
        if caller.resumes() {
            return self.resume(caller).map(|()| None);
        }
        self.decide(caller).map(Some)
    }

    /// Lets in a caller that speaks no PTP, as far as there is room. It waits for nobody's word: that
    /// plain callers are let in is what the application has said.
    fn admit_plain(&self, line: PlainLine) -> Result<Arrival, ConnectError> {
        let config = &self.shared.config;
        let Some(place) = self.shared.members.join(config.max_sessions) else {
            return Err(line.refuse());
        };
        let mut session = Session::start_plain(line, config, &self.shared.identity)?;
        session.hold(place);
        Ok((session, None))
    }

    /// Hands the caller over to the session that it goes on with. Its key counts, and nothing else:
    /// whom the session was begun with is trusted as long as it lasts.
    fn resume(&self, caller: Caller) -> Result<(), ConnectError> {
        let config = &self.shared.config;
        let members = &self.shared.members;
        let Some(shared) = members.find(caller.key(), caller.session()) else {
            return Err(caller.refuse(config, Refusal::UnknownSession));
        };
        match shared.offer(Box::new(caller)) {
            Ok(()) => Ok(()),
            // Its session has ended, or is about to.
            Err(caller) if shared.lock().ended => {
                Err(caller.refuse(config, Refusal::UnknownSession))
            }
            Err(caller) => Err(caller.refuse(config, Refusal::Busy)),
        }
    }

    /// Whether there is a place for another session with `key`. Its own dead self gives way: one
    /// whose link is interrupted, or gives no sign of life when it is asked.
    fn has_room_for(&self, key: PublicKey) -> bool {
        let shared = self.shared;
        if !shared.is_full() {
            return true;
        }
        let of_peer = shared.members.of(key);
        let dead = of_peer.into_iter().find(|(_, session)| {
            session.is_down() || !session.is_alive(self.deadline.min(Instant::now() + PROBE))
        });
        let Some((place, session)) = dead.filter(|_| !planted(Bug::NotReplaced)) else {
            return false;
        };
        session.replace();
        if shared.lone.load(Ordering::Acquire) {
            return false;
        }
        shared.members.leave(place);
        true
    }

    /// Lets the caller in, or not; also yields who asked for the session, if it was asked for.
    fn decide(&self, caller: Caller) -> Result<Arrival, ConnectError> {
        let (config, identity) = (&self.shared.config, &self.shared.identity);
        let mut asked_by = None;
        let (admitting, mut judged) = match self.judge(&caller)? {
            Verdict::Refuse(refusal) => return Err(caller.refuse(config, refusal)),
            Verdict::Admit(judged) => (caller.admit(config)?, judged),
            Verdict::Pair(desk) => {
                let admitting = caller.pair(config, identity, desk, &|| self.is_wanted())?;
                (admitting, Judged::new(Standing::Paired))
            }
            Verdict::Ask => match self.ask(&caller) {
                None => return Err(caller.refuse(config, Refusal::NotTrusted)),
                answer => {
                    asked_by = answer;
                    (caller.admit(config)?, Judged::new(Standing::Stranger))
                }
            },
        };
        let Some(place) = self.shared.members.join(config.max_sessions) else {
            return Err(admitting.refuse(Refusal::Busy));
        };
        let established = admitting.welcome(config)?;
        if let (Standing::Paired, Some(peers)) = (judged.standing, config.trust.peers()) {
            let (key, name) = (established.peer_key, &established.peer_name);
            judged.name = Some(peers.remember(key, name, How::Paired, None)?.name);
        }
        let (key, number) = (established.peer_key, established.session);
        let way = Some(Way::Wait);
        let mut session = Session::start(established, judged, config, identity, way)?;
        place.enter(key, number, &session);
        session.hold(place);
        if let Some(shared) = session.shared()
            && self.shared.closed.load(Ordering::Acquire)
        {
            shared.close_door();
        }
        Ok((session, asked_by))
    }

    fn judge(&self, caller: &Caller) -> Result<Verdict<'a>, ConnectError> {
        let trust = &self.shared.config.trust;
        // Said before anybody types a code for nothing.
        if !self.has_room_for(caller.key()) {
            return Ok(Verdict::Refuse(Refusal::Busy));
        }
        let judged = trust.judge(caller.key(), &self.shared.identity)?;
        let stranger = judged.standing == Standing::Stranger;
        let strangers = trust.strangers();
        Ok(match (caller.pairing(), &self.shared.desk) {
            // One does not pair with oneself.
            (Pairing::Offered, Some(desk)) if judged.standing != Standing::Own => {
                Verdict::Pair(desk)
            }
            (Pairing::Wanted, Some(_)) => Verdict::Refuse(Refusal::PairingNeeded),
            (Pairing::Offered | Pairing::Wanted, _) => match strangers {
                Strangers::Refuse if stranger => Verdict::Refuse(Refusal::NotTrusted),
                _ => Verdict::Refuse(Refusal::NoPairing),
            },
            (Pairing::NotNeeded, _) if !stranger => Verdict::Admit(judged),
            (Pairing::NotNeeded, _) => match strangers {
                Strangers::Accept => Verdict::Admit(judged),
                Strangers::Pair => Verdict::Refuse(Refusal::PairingNeeded),
                Strangers::Refuse => Verdict::Refuse(Refusal::NotTrusted),
                Strangers::Ask => Verdict::Ask,
            },
        })
    }

    /// Asks the application; `None` is a no.
    fn ask(&self, caller: &Caller) -> Option<Sender<Session>> {
        let (incoming, answer) =
            Incoming::new(Peer::stranger(caller.key(), self.address), self.deadline);
        self.arrivals.incoming.put(incoming);
        loop {
            let tick = Instant::now() + TICK;
            match answer.recv_deadline(tick.min(self.deadline)) {
                Ok(asked_by) => return Some(asked_by),
                Err(RecvTimeoutError::Timeout)
                    if Instant::now() < self.deadline && self.is_wanted() => {}
                Err(_) => return None,
            }
        }
    }

    /// Whether it still counts as one of the handshakes. One that waits for something else than its
    /// caller does not notice that its connection was broken off.
    fn is_wanted(&self) -> bool {
        !self.shared.closed.load(Ordering::Acquire) && self.shared.handshakes().holds(self.number)
    }
}
