//! The door of a listener under pressure: names, codes, queues and notices.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use ptp_core::{Code, Config, ConnectError, Listener, Notice, Session, Standing, Strangers, Trust};
use support::home::{Home, code, listen, notice, wrong};
use support::{PATIENCE, accept, end, eventually, timed};

fn asking(ana: &Home) -> Config {
    let mut config = ana.config("Ana");
    config.trust = Trust::Known {
        peers: ana.peers.clone(),
        strangers: Strangers::Ask,
    };
    config
}

/// Somebody who talks to anyone, and is known to nobody.
fn anyone() -> Config {
    let mut config = Home::new().config("Anyone");
    config.trust = Trust::Open;
    config
}

fn one_session(ana: &Home) -> Config {
    let mut config = ana.config("Ana");
    config.max_sessions = 1;
    config
}

/// Pairs a new somebody who claims this name; yields the listener's session.
fn pair(listener: &Listener, address: &str, name: &str) -> (Session, Session) {
    let home = Home::new();
    let mut config = home.config(name);
    config.code = Some(code(listener));
    let dialler = Session::connect(address, &config).unwrap();
    (dialler, accept(listener))
}

#[test]
fn an_address_that_is_bound_to_another_key_stops_a_dialler_that_takes_strangers() {
    let (ana, ben) = (Home::new(), Home::new());
    let (listener, address) = listen(&asking(&ana));
    ben.remember(&Home::new(), "Somebody", Some(&address));
    let mut config = ben.config("Ben");
    config.trust = Trust::Known {
        peers: ben.peers.clone(),
        strangers: Strangers::Accept,
    };
    let error = Session::connect(&address, &config).err().unwrap();
    assert!(matches!(error, ConnectError::ChangedKey { .. }), "{error}");
    let Notice::TurnedAway { fingerprint, .. } = notice(&listener) else {
        panic!("something else happened");
    };
    assert_eq!(fingerprint, None);
    assert!(listener.incoming().is_empty());
}

#[test]
fn a_stranger_s_name_is_not_sure_and_a_known_peer_s_is_the_one_that_was_remembered() {
    let (ana, ben) = (Home::new(), Home::new());
    let mut config = ana.config("Ana");
    config.trust = Trust::Known {
        peers: ana.peers.clone(),
        strangers: Strangers::Accept,
    };
    let (listener, address) = listen(&config);
    let mut claims = anyone();
    claims.identity = Some(ben.identity.clone());
    claims.name = "Mallory".to_owned();
    let stranger = Session::connect(&address, &claims).unwrap();
    let answerer = accept(&listener);
    assert_eq!(answerer.peer().name(), "Mallory");
    assert!(!answerer.peer().is_name_sure());
    stranger.abort();
    ana.remember(&ben, "Ben", None);
    let known = Session::connect(&address, &claims).unwrap();
    let answerer = accept(&listener);
    let peer = answerer.peer();
    assert_eq!((peer.name(), peer.claimed_name()), ("Ben", "Mallory"));
    assert!(peer.is_name_sure());
    known.abort();
}

#[test]
fn two_that_claim_one_name_get_different_ones() {
    let ana = Home::new();
    let (listener, address) = listen(&ana.config("Ana"));
    let names = ["Ben", "ben"].map(|claimed| {
        let (dialler, answerer) = pair(&listener, &address, claimed);
        dialler.abort();
        answerer.peer().name().to_owned()
    });
    assert_eq!(names, ["Ben", "ben-2"]);
}

#[test]
fn busy_is_told_before_a_code_is_tried() {
    let ana = Home::new();
    let (listener, address) = listen(&one_session(&ana));
    let (dialler, answerer) = pair(&listener, &address, "Ben");
    let next = code(&listener);
    for code in [
        None,
        Some(next.clone()),
        Some(wrong(&next)),
        Some(wrong(&next)),
    ] {
        let error = Home::new().dial(&address, code).err().unwrap();
        assert!(matches!(error, ConnectError::Busy), "{error}");
    }
    dialler.abort();
    end(&answerer);
    drop((dialler, answerer));
    // No try was spent, and the code is still good.
    let mut config = Home::new().config("Cid");
    config.code = Some(next);
    let paired = Session::connect(&address, &config).unwrap();
    assert_eq!(paired.peer().standing(), Standing::Paired);
}

#[test]
fn a_code_is_good_for_one_pairing() {
    let ana = Home::new();
    let (listener, address) = listen(&ana.config("Ana"));
    let first = code(&listener);
    drop(Home::new().dial(&address, Some(first.clone())).unwrap());
    let second = code(&listener);
    assert_ne!(first.as_str(), second.as_str());
    let error = Home::new().dial(&address, Some(first)).err().unwrap();
    assert!(matches!(error, ConnectError::WrongCode), "{error}");
    assert!(Home::new().dial(&address, Some(second)).is_ok());
}

#[test]
fn three_wrong_codes_are_told_once_and_burn_the_code() {
    let ana = Home::new();
    let (listener, address) = listen(&ana.config("Ana"));
    let first = code(&listener);
    for _ in 0..3 {
        let error = Home::new().dial(&address, Some(wrong(&first))).err();
        assert!(matches!(error, Some(ConnectError::WrongCode)), "{error:?}");
    }
    let (mut burnt, mut codes, mut turned_away) = (Vec::new(), Vec::new(), 0);
    while turned_away < 3 {
        match notice(&listener) {
            Notice::WrongCodes { tries, address } => burnt.push((tries, address.unwrap().ip())),
            Notice::Code(code) => codes.push(code.unwrap()),
            Notice::TurnedAway { .. } => turned_away += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(burnt, [(3, "127.0.0.1".parse().unwrap())]);
    assert_eq!(codes.len(), 1);
    // Two seconds later both are tried.
    let error = Home::new().dial(&address, Some(first)).err().unwrap();
    assert!(matches!(error, ConnectError::WrongCode), "{error}");
    let second = codes.pop().unwrap();
    assert!(Home::new().dial(&address, Some(second)).is_ok());
}

#[test]
fn strangers_at_the_desk_do_not_hold_up_a_known_peer_though_there_is_one_place() {
    let (ana, friend) = (Home::new(), Home::new());
    ana.remember(&friend, "Friend", None);
    let (listener, address) = listen(&one_session(&ana));
    let wrong = wrong(&code(&listener));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                Home::new()
                    .dial(&address, Some(wrong.clone()))
                    .err()
                    .unwrap()
            });
        }
        // One of them has failed, and the others wait for their turn.
        while !matches!(notice(&listener), Notice::TurnedAway { .. }) {}
        let mut config = anyone();
        config.identity = Some(friend.identity.clone());
        let (session, took) = timed(|| Session::connect(&address, &config).unwrap());
        assert!(took < Duration::from_secs(1), "{took:?}");
        let answerer = accept(&listener);
        assert_eq!(answerer.peer().name(), "Friend");
        session.abort();
        drop(answerer);
    });
}

#[test]
fn a_listener_that_is_closed_does_not_wait_for_the_queue_at_the_desk() {
    let ana = Home::new();
    let (listener, address) = listen(&ana.config("Ana"));
    let wrong = wrong(&code(&listener));
    thread::scope(|scope| {
        let calls = [(); 4]
            .map(|()| scope.spawn(|| Home::new().dial(&address, Some(wrong.clone())).is_err()));
        while !matches!(notice(&listener), Notice::TurnedAway { .. }) {}
        let (closed, took) = timed(|| {
            listener.close();
            listener.accept()
        });
        assert!(matches!(closed, Err(ConnectError::ListenerClosed)));
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert!(calls.into_iter().all(|call| call.join().unwrap()));
    });
}

#[test]
fn who_gave_way_does_not_wait_any_longer() {
    let ana = Home::new();
    let mut config = asking(&ana);
    config.max_handshakes = 1;
    let (listener, address) = listen(&config);
    thread::scope(|scope| {
        let first = scope.spawn(|| Session::connect(&address, &anyone()).err().unwrap());
        let incoming = listener.incoming().recv_timeout(PATIENCE).unwrap();
        let newcomer = TcpStream::connect(&address).unwrap();
        let error = first.join().unwrap();
        assert!(matches!(error, ConnectError::Closed(_)), "{error}");
        // Its thread has ended, although nobody has answered.
        let (told, took) = timed(|| notice(&listener));
        assert!(matches!(told, Notice::TurnedAway { .. }));
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(matches!(
            incoming.accept(),
            Err(ConnectError::ListenerClosed)
        ));
        drop(newcomer);
    });
}

#[test]
fn whoever_is_asked_about_may_have_gone_and_the_listener_may_be_closed() {
    let ana = Home::new();
    let (listener, address) = listen(&asking(&ana));
    let mut hasty = anyone();
    hasty.connect_timeout = Duration::from_millis(300);
    let error = Session::connect(&address, &hasty).err().unwrap();
    assert!(matches!(error, ConnectError::TimedOut(_)), "{error}");
    let gone = listener.incoming().recv_timeout(PATIENCE).unwrap();
    assert!(matches!(gone.accept(), Err(ConnectError::ListenerClosed)));
    thread::scope(|scope| {
        let dropped = scope.spawn(|| Session::connect(&address, &anyone()).err().unwrap());
        drop(listener.incoming().recv_timeout(PATIENCE).unwrap());
        let error = dropped.join().unwrap();
        assert!(matches!(error, ConnectError::NotTrusted), "{error}");
        let late = scope.spawn(|| Session::connect(&address, &anyone()).err().unwrap());
        let incoming = listener.incoming().recv_timeout(PATIENCE).unwrap();
        let took = timed(|| {
            listener.close();
            assert!(listener.accept().is_err());
        });
        assert!(took.1 < Duration::from_secs(1), "{:?}", took.1);
        assert!(incoming.accept().is_err());
        late.join().unwrap();
    });
    assert!(ana.peers.all().unwrap().is_empty());
}

#[test]
fn a_thousand_who_are_turned_away_do_not_push_out_the_code_nor_pile_up() {
    let ana = Home::new();
    let (listener, address) = listen(&ana.config("Ana"));
    for _ in 0..20 {
        // All at once, and as many as have handshakes at a time.
        let strangers = [(); 50].map(|()| TcpStream::connect(&address).unwrap());
        for stranger in &strangers {
            stranger.shutdown(Shutdown::Write).unwrap();
        }
        drop(strangers);
    }
    eventually("there are as many notices as may be", || {
        assert!(listener.notices().len() <= 64);
        listener.notices().len() == 64
    });
    let codes: Vec<Code> = listener
        .notices()
        .try_iter()
        .filter_map(|notice| match notice {
            Notice::Code(code) => code,
            _ => None,
        })
        .collect();
    assert_eq!(codes.len(), 1);
    assert!(Home::new().dial(&address, codes.first().cloned()).is_ok());
}

#[test]
fn callers_whom_nobody_asks_about_do_not_pile_up() {
    let ana = Home::new();
    let mut config = asking(&ana);
    config.max_handshakes = 4;
    let (listener, address) = listen(&config);
    let mut hasty = anyone();
    hasty.connect_timeout = Duration::from_millis(100);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    assert!(Session::connect(&address, &hasty).is_err());
                    assert!(listener.incoming().len() <= 64);
                }
            });
        }
    });
}
