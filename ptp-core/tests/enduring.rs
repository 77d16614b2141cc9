//! A thousand losses: nothing is lost, nothing comes twice, and nothing is left behind.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod support;

use std::thread;
use std::time::Duration;

use ptp_core::{Config, Event, Listener, Session};
use support::proxy::Proxy;
use support::{Dice, PATIENCE, Watchdog, accept, eventually, next, rest, used};

/// Sessions that lose their connections at the same time, so that their pauses pass together.
const SESSIONS: u64 = 5;
/// Of each session.
const LOSSES: u64 = 200;
/// In each direction of each session, between two losses.
const MESSAGES: u64 = 100;
/// Bytes that a round surely carries in each direction.
const CUT_WITHIN: u64 = 2_000;

/// Sends the messages of a round: short ones, and at times one of many records.
fn send(session: &Session, mut dice: Dice) {
    let long = dice.below(MESSAGES * 10);
    for number in 0..MESSAGES {
        let length = if number == long {
            100_000
        } else {
            CUT_WITHIN / MESSAGES + dice.below(30)
        };
        let body = vec![number as u8; length as usize];
        session.sender().send(body).unwrap();
    }
}

/// Takes the messages of this round, in order, and what tells of the loss.
fn take(session: &Session, round: u64) {
    let mut came = 0;
    let (mut interrupted, mut resumed) = (0, 0);
    while came < MESSAGES || resumed < 1 {
        match next(session).unwrap() {
            Event::Received(message) => {
                assert_eq!(message.id().get(), round * MESSAGES + came + 1);
                assert!(
                    message
                        .as_bytes()
                        .iter()
                        .all(|byte| u64::from(*byte) == came)
                );
                came += 1;
            }
            Event::Interrupted(_) => interrupted += 1,
            Event::Resumed(_) => resumed += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((came, interrupted, resumed), (MESSAGES, 1, 1));
}

/// Has the connection cut within what is sent next.
fn cut(proxy: &Proxy, dice: &mut Dice) {
    let lane = [proxy.there(), proxy.back()][dice.below(2) as usize];
    lane.cut_at(dice.below(CUT_WITHIN));
}

/// Breaks the connection off now.
fn break_off(proxy: &Proxy, dice: &mut Dice) {
    match dice.below(4) {
        0 => proxy.reset(),
        1 => proxy.finish(),
        2 => proxy.finish_there(),
        _ => proxy.finish_back(),
    }
}

/// Only one test may stand in this crate: others would be counted with it.
#[test]
fn a_thousand_losses_lose_nothing_double_nothing_and_leave_nothing_behind() {
    let seed = 1;
    let _watchdog = Watchdog::new(format!("seed {seed}"), Duration::from_secs(110));
    let before = used();
    let mut dice = Dice::new(seed);
    let listener = Listener::bind("127.0.0.1:0", &Config::open()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connect = |_| {
        let proxy = Proxy::to(&address);
        let ana = Session::connect(proxy.address(), &Config::open()).unwrap();
        (ana, accept(&listener), proxy)
    };
    let pairs: Vec<_> = (0..SESSIONS).map(connect).collect();
    // A listener, and of each session a reader and a writer.
    let threads = 1 + 4 * SESSIONS as usize;
    eventually("the handshakes have ended", || used().0 == threads);
    let connected = used();
    for round in 0..LOSSES {
        thread::scope(|scope| {
            for (ana, ben, proxy) in &pairs {
                let senders = [(); 2].map(|()| Dice::new(dice.below(1 << 30)));
                proxy.slice((dice.below(4) == 0).then(|| 1 + dice.below(300) as usize));
                // Where it is to happen at a byte, that byte is yet to come.
                let at_a_byte = dice.below(3) == 0;
                if at_a_byte {
                    cut(proxy, &mut dice);
                }
                for (session, dice) in [ana, ben].into_iter().zip(senders) {
                    scope.spawn(move || send(session, dice));
                }
                if !at_a_byte {
                    break_off(proxy, &mut dice);
                }
            }
        });
        for (ana, ben, _) in &pairs {
            take(ana, round);
            take(ben, round);
        }
        let what = format!("round {round}: {:?}, then {connected:?}", used());
        eventually(&what, || used() == connected);
    }
    for (ana, ben, proxy) in pairs {
        for session in [&ana, &ben] {
            let stats = session.stats();
            assert_eq!((stats.resumes, stats.sent), (LOSSES, LOSSES * MESSAGES));
        }
        proxy.slice(None);
        let closing = thread::spawn(move || ana.close(PATIENCE));
        assert!(rest(&ben).0.is_empty());
        assert!(closing.join().unwrap().is_delivered());
    }
    drop(listener);
    eventually("all is given back", || used() == before);
}
