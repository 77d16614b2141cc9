//! Who gets in: known peers, codes, keys and strangers, over real TCP.

mod support;

use ptp_core::{ConnectError, Event, Listener, Notice, Standing};
use support::PATIENCE;
use support::home::{self, Home, code, wrong};

fn listen(home: &Home) -> (Listener, String) {
    home::listen(&home.config("Ana"))
}

#[test]
fn two_that_pair_by_a_code_know_each_other_ever_after() {
    let (ana, ben) = (Home::new(), Home::new());
    let (listener, address) = listen(&ana);
    let shown = code(&listener);

    let dialler = ben.dial(&address, Some(shown)).unwrap();
    let answerer = listener.accept_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(dialler.peer().standing(), Standing::Paired);
    assert_eq!(answerer.peer().standing(), Standing::Paired);
    assert_eq!(
        (dialler.peer().name(), answerer.peer().name()),
        ("Ana", "Ben")
    );
    dialler.sender().send("hi").unwrap();
    let Ok(Event::Received(message)) = answerer.events().recv_timeout(PATIENCE) else {
        panic!("no message");
    };
    assert_eq!(message, "hi");
    drop((dialler, answerer));

    let again = ben.dial(&address, None).unwrap();
    assert_eq!(again.peer().standing(), Standing::Known);
    let answerer = listener.accept_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(answerer.peer().standing(), Standing::Known);
}

#[test]
fn a_stranger_without_a_code_is_told_that_it_needs_one_and_with_a_wrong_one_that_it_is_wrong() {
    let (ana, ben) = (Home::new(), Home::new());
    let (listener, address) = listen(&ana);
    let error = ben.dial(&address, None).err().unwrap();
    assert!(matches!(error, ConnectError::PairingNeeded), "{error}");
    let shown = code(&listener);
    let error = ben.dial(&address, Some(wrong(&shown))).err().unwrap();
    assert!(matches!(error, ConnectError::WrongCode), "{error}");
    // The next try waits its second, and is right.
    assert!(ben.dial(&address, Some(shown)).is_ok());
}

#[test]
fn a_side_that_was_forgotten_pairs_anew_with_a_code() {
    let (ana, ben) = (Home::new(), Home::new());
    let (listener, address) = listen(&ana);
    drop(ben.dial(&address, Some(code(&listener))).unwrap());
    ana.peers.forget("Ben").unwrap();
    let error = ben.dial(&address, None).err().unwrap();
    assert!(matches!(error, ConnectError::PairingNeeded), "{error}");
    let again = ben.dial(&address, Some(code(&listener))).unwrap();
    assert_eq!(again.peer().standing(), Standing::Paired);
    drop(again);
    // And the other way round.
    ben.peers.forget("Ana").unwrap();
    let error = ben.dial(&address, None).err().unwrap();
    assert!(matches!(error, ConnectError::PairingNeeded), "{error}");
}

#[test]
fn a_changed_key_stops_the_dialler_before_it_has_told_who_it_is() {
    let (ana, ben, mallory) = (Home::new(), Home::new(), Home::new());
    let (listener, address) = listen(&ana);
    drop(ben.dial(&address, Some(code(&listener))).unwrap());
    drop(listener);

    let impostor = Listener::bind(&address, &mallory.config("Ana")).unwrap();
    let shown = code(&impostor);
    let error = ben.dial(&address, Some(shown.clone())).err().unwrap();
    let ConnectError::ChangedKey {
        place,
        expected,
        found,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(place, address);
    assert_eq!(expected, ana.identity.public_key().fingerprint());
    assert_eq!(found, mallory.identity.public_key().fingerprint());
    loop {
        let notice = impostor.notices().recv_timeout(PATIENCE).unwrap();
        if let Notice::TurnedAway { fingerprint, .. } = notice {
            assert_eq!(fingerprint, None);
            break;
        }
    }
    ben.peers.forget(&address).unwrap();
    assert!(ben.dial(&address, Some(shown)).is_ok());
}

#[test]
fn the_same_identity_on_both_ends_needs_no_code() {
    let home = Home::new();
    let (listener, address) = listen(&home);
    let dialler = home.dial(&address, None).unwrap();
    let answerer = listener.accept_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(dialler.peer().standing(), Standing::Own);
    assert_eq!(answerer.peer().standing(), Standing::Own);
    assert!(home.peers.all().unwrap().is_empty());
}
