//! Callers that want to go on with a session of a listener's, some of whom may not.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::hand::soon;
use crate::config::Config;
use crate::driver::establish::{self, Dialling, opening, shake};
use crate::driver::greeted::{Established, window};
use crate::driver::line::Line;
use crate::driver::resuming::{Resuming, redial};
use crate::error::ConnectError;
use crate::event::{Event, Reason};
use crate::listener::Listener;
use crate::protocol::{Credit, ResumePoint, Violation};
use crate::session::Session;
use crate::transport::{Halves, Transport};
use crate::trust::Identity;

/// A listener with one session, whose peer is by hand.
struct Scene {
    listener: Listener,
    ben: Session,
    identity: Identity,
    /// The first connection, which the peer does nothing with.
    first: Established,
}

impl Scene {
    fn new() -> Self {
        Self::waiting_for(Config::open().resume)
    }

    /// The listener's session waits so long for its peer.
    fn waiting_for(limit: Duration) -> Self {
        let mut config = Config::open();
        config.max_sessions = 1;
        config.resume = limit;
        let listener = Listener::bind("127.0.0.1:0", &config).unwrap();
        let identity = Identity::generate().unwrap();
        let dialling = Dialling {
            config: &config,
            identity: &identity,
            place: None,
            pair: false,
        };
        let (first, _) = establish::dial(reach(&listener), &dialling, soon()).unwrap();
        Self {
            ben: listener.accept().unwrap(),
            listener,
            identity,
            first,
        }
    }

    /// What the peer says to go on as connection `generation`.
    fn resuming(&self, generation: u64) -> Resuming {
        Resuming {
            session: self.first.session,
            generation,
            peer: self.first.peer_key,
            granted: window(&Config::open()),
            point: ResumePoint::default(),
        }
    }

    fn come_back(&self, resuming: &Resuming) -> Result<Established, ConnectError> {
        self.come_back_as(&self.identity, resuming)
    }

    fn come_back_as(
        &self,
        identity: &Identity,
        resuming: &Resuming,
    ) -> Result<Established, ConnectError> {
        let halves = reach(&self.listener);
        redial(halves, &Config::open(), identity, resuming, soon())
    }

    /// Comes back, and says nothing behind the handshake.
    fn come_back_silently(&self, generation: u64) -> Line {
        let (mut line, checked) = shake(reach(&self.listener), &self.identity, soon()).unwrap();
        let mut opening = opening(&Config::open(), self.first.session);
        opening.generation = generation;
        let (_, message_3) = checked.accept(&opening).unwrap();
        line.write_message(&message_3).unwrap();
        line
    }

    fn assert_resumed(&self, times: u64) {
        let deadline = soon();
        while self.ben.stats().resumes < times && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(self.ben.stats().resumes, times);
    }

    /// What the application is told next, a letter for each: interrupted, resumed, delivered, ended.
    fn told(&self, count: usize) -> String {
        let letter = |event| match event {
            Event::Interrupted(_) => 'i',
            Event::Resumed(_) => 'r',
            Event::Delivered { .. } => 'd',
            Event::Disconnected(_) => 'e',
            Event::Received(_) | Event::Batch(_) => 'm',
        };
        let next = || self.ben.events().recv_deadline(soon()).unwrap();
        (0..count).map(|_| letter(next())).collect()
    }
}

fn reach(listener: &Listener) -> Halves {
    let address = listener.local_addr().unwrap();
    TcpStream::connect(address).unwrap().split().unwrap()
}

#[test]
fn only_a_newer_connection_takes_over() {
    let scene = Scene::new();
    let present = scene.come_back(&scene.resuming(5)).unwrap();
    scene.assert_resumed(1);
    for generation in [5, 4, 1] {
        let refused = scene.come_back(&scene.resuming(generation)).err();
        assert!(matches!(refused, Some(ConnectError::Busy)), "{refused:?}");
    }
    scene.assert_resumed(1);
    drop(present);
    scene.come_back(&scene.resuming(6)).unwrap();
    scene.assert_resumed(2);
    scene.come_back(&scene.resuming(u64::MAX)).unwrap();
    scene.assert_resumed(3);
}

#[test]
fn a_stranger_with_the_right_session_or_a_peer_with_a_wrong_one_is_refused() {
    let scene = Scene::new();
    let stranger = Identity::generate().unwrap();
    let mut wrong = scene.resuming(1);
    wrong.session[3] ^= 1;
    for refused in [
        scene.come_back_as(&stranger, &scene.resuming(1)).err(),
        scene.come_back(&wrong).err(),
    ] {
        assert!(
            matches!(refused, Some(ConnectError::UnknownSession)),
            "{refused:?}"
        );
    }
    // The session has not noticed.
    assert!(scene.ben.events().is_empty());
    scene.come_back(&scene.resuming(1)).unwrap();
    scene.assert_resumed(1);
}

#[test]
fn a_session_goes_on_with_nobody_but_its_peer() {
    let scene = Scene::new();
    let mut resuming = scene.resuming(1);
    resuming.peer = Identity::generate().unwrap().public_key();
    let refused = scene.come_back(&resuming).err();
    assert!(
        matches!(refused, Some(ConnectError::ChangedKey { .. })),
        "{refused:?}"
    );
    // Whoever answered has not heard who called.
    assert!(scene.ben.events().is_empty());
}

#[test]
fn a_stream_that_ends_without_a_goodbye_is_gone_on_with() {
    let scene = Scene::new();
    scene.first.hangup.hang_up();
    assert_eq!(scene.told(1), "i");
    let _present = scene.come_back(&scene.resuming(1)).unwrap();
    assert_eq!(scene.told(1), "r");
}

#[test]
fn what_the_peer_has_not_acknowledged_is_never_told_to_be_delivered() {
    let scene = Scene::new();
    scene.ben.sender().send("x").unwrap();
    for generation in 1..=2 {
        let _present = scene.come_back(&scene.resuming(generation)).unwrap();
        assert_eq!(scene.told(2), "ir");
    }
    scene.ben.abort();
}

#[test]
fn a_caller_that_goes_silent_in_its_greeting_gives_way_to_a_newer_one() {
    let scene = Scene::new();
    let start = Instant::now();
    let mut silent: Vec<Line> = (1..=20)
        .map(|generation| scene.come_back_silently(generation))
        .collect();
    let newest = scene.come_back(&scene.resuming(21)).unwrap();
    scene.assert_resumed(1);
    assert!(start.elapsed() < Duration::from_secs(5));
    // None of them is kept.
    for line in &mut silent {
        let mut rest = [0; 1_000];
        while matches!(line.halves.reader.read(&mut rest, soon()), Ok(1..)) {}
    }
    drop(newest);
}

#[test]
fn a_caller_that_goes_silent_in_its_greeting_does_not_prolong_the_wait() {
    let scene = Scene::waiting_for(Duration::from_millis(300));
    let start = Instant::now();
    let _silent = scene.come_back_silently(1);
    let ended = |event| matches!(event, Event::Disconnected(_));
    assert!(scene.ben.events().iter().any(ended));
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_peer_that_begins_anew_replaces_a_session_in_whose_greeting_it_went_silent() {
    let scene = Scene::new();
    let _silent = scene.come_back_silently(1);
    let Ok(Event::Interrupted(_)) = scene.ben.events().recv() else {
        panic!("not interrupted");
    };
    let mut config = Config::open();
    config.identity = Some(scene.identity.clone());
    let start = Instant::now();
    let address = scene.listener.local_addr().unwrap().to_string();
    Session::connect(&address, &config).unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
    let Ok(Event::Disconnected(end)) = scene.ben.events().recv() else {
        panic!("not replaced");
    };
    assert_eq!(end.reason, Reason::Replaced);
}

#[test]
fn a_peer_that_wants_what_can_not_be_ends_its_session() {
    let never_sent = ResumePoint {
        received: 5,
        partial: 0,
    };
    let nowhere = ResumePoint {
        received: 0,
        partial: 7,
    };
    let less = Credit {
        messages: 1,
        bytes: 1,
    };
    for (point, granted, violation) in [
        (
            never_sent,
            window(&Config::open()),
            Violation::ResumePoint {
                message: 6,
                partial: 0,
            },
        ),
        (
            nowhere,
            window(&Config::open()),
            Violation::ResumePoint {
                message: 1,
                partial: 7,
            },
        ),
        (ResumePoint::default(), less, Violation::Backwards),
    ] {
        let scene = Scene::new();
        let mut resuming = scene.resuming(1);
        (resuming.point, resuming.granted) = (point, granted);
        scene.come_back(&resuming).unwrap();
        let Ok(Event::Interrupted(_)) = scene.ben.events().recv() else {
            panic!("not interrupted");
        };
        let Ok(Event::Disconnected(end)) = scene.ben.events().recv() else {
            panic!("not ended");
        };
        assert_eq!(end.reason, Reason::Protocol);
        assert_eq!(end.cause, violation.to_string());
    }
}
