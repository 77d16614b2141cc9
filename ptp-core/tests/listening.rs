//! A listener: who is let in, and strangers of all kinds.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ptp_core::{Config, ConnectError, ListenError, Listener, Reason, Session};
use support::{PATIENCE, accept, end, eventually, message, timed, watch};

const HELLO: &[u8] = b"PTP/1 25519_AESGCM_SHA256 25519_ChaChaPoly_SHA256\n";

fn listen(config: &Config) -> (Listener, String) {
    watch();
    let listener = Listener::bind("127.0.0.1:0", config).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn dial(address: &str) -> Result<Session, ConnectError> {
    Session::connect(address, &Config::open())
}

fn one_session() -> Config {
    let mut config = Config::open();
    config.max_sessions = 1;
    config
}

/// Sees to it that `listener` works as if nothing had been.
fn assert_well(listener: &Listener, address: &str) {
    let (ana, took) = timed(|| dial(address).unwrap());
    assert!(took < Duration::from_secs(1), "{took:?}");
    let ben = accept(listener);
    ana.sender().send("hi").unwrap();
    assert_eq!(message(&ben), "hi");
}

#[test]
fn a_second_caller_is_told_busy_until_the_first_has_gone() {
    let (listener, address) = listen(&one_session());
    for _ in 0..3 {
        let ana = dial(&address).unwrap();
        let ben = accept(&listener);
        for _ in 0..2 {
            assert!(matches!(dial(&address), Err(ConnectError::Busy)));
        }
        ana.sender().send("undisturbed").unwrap();
        assert_eq!(message(&ben), "undisturbed");
        drop(ana);
        assert_eq!(end(&ben).reason, Reason::ClosedByPeer);
        drop(ben);
    }
}

#[test]
fn a_caller_who_waits_to_be_accepted_counts_already() {
    let (listener, address) = listen(&one_session());
    let ana = dial(&address).unwrap();
    assert!(matches!(dial(&address), Err(ConnectError::Busy)));
    ana.sender().send("before accept").unwrap();
    assert_eq!(message(&accept(&listener)), "before accept");
}

#[test]
fn session_listen_holds_one_and_tells_others_busy() {
    watch();
    // Which port it takes must be known before it listens: one that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let listening = thread::spawn({
        let address = address.clone();
        move || Session::listen(&address, &Config::open())
    });
    let mut dialled = None;
    eventually("it listens", || {
        dialled = dial(&address).ok();
        dialled.is_some()
    });
    let (ana, ben) = (dialled.unwrap(), listening.join().unwrap().unwrap());
    assert!(matches!(dial(&address), Err(ConnectError::Busy)));
    ana.sender().send("hi").unwrap();
    assert_eq!(message(&ben), "hi");
    drop((ana, ben));
    assert!(matches!(
        dial(&address),
        Err(ConnectError::Unreachable { .. })
    ));
    // The address is free again at once.
    drop(Listener::bind(&address, &Config::open()).unwrap());
}

#[test]
fn all_addresses_are_listened_at_and_ipv4_is_shown_as_ipv4() {
    watch();
    for everywhere in [":0", "[::]:0"] {
        let listener = Listener::bind(everywhere, &Config::open()).unwrap();
        let port = listener.local_addr().unwrap().port();
        for (host, ip) in [
            ("127.0.0.1", IpAddr::V4(Ipv4Addr::LOCALHOST)),
            ("[::1]", IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ] {
            let ana = dial(&format!("{host}:{port}")).unwrap();
            let ben = accept(&listener);
            assert_eq!(ben.peer().address().unwrap().ip(), ip);
            assert_eq!(ana.peer().address().unwrap().ip(), ip);
            assert_eq!(ana.peer().address().unwrap().port(), port);
        }
    }
}

#[test]
fn an_address_that_cannot_be_used_is_told() {
    let (_listener, address) = listen(&Config::open());
    let open = Config::open();
    let taken = Listener::bind(&address, &open).map(drop);
    assert!(matches!(taken, Err(ListenError::Bind { .. })), "{taken:?}");
    let port = address.rsplit_once(':').unwrap().1;
    let everywhere = Listener::bind(&format!(":{port}"), &open).map(drop);
    assert!(
        matches!(everywhere, Err(ListenError::Bind { .. })),
        "{everywhere:?}"
    );
    let foreign = Listener::bind("192.0.2.1:0", &open).map(drop);
    assert!(
        matches!(foreign, Err(ListenError::Bind { .. })),
        "{foreign:?}"
    );
    for malformed in ["", "localhost", "127.0.0.1:", "127.0.0.1:x", ":70000"] {
        let error = Listener::bind(malformed, &open).map(drop);
        assert!(
            matches!(error, Err(ListenError::Address { .. })),
            "{malformed}: {error:?}"
        );
        assert!(matches!(
            Session::listen(malformed, &open),
            Err(ConnectError::Listen(_))
        ));
    }
}

#[test]
fn closing_ends_a_waiting_accept_and_leaves_sessions_alone() {
    let (listener, address) = listen(&Config::open());
    let ana = dial(&address).unwrap();
    let ben = accept(&listener);
    let silent = TcpStream::connect(&address).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| listener.accept());
        let (result, took) = timed(|| {
            listener.close();
            waiting.join().unwrap()
        });
        assert!(matches!(result, Err(ConnectError::ListenerClosed)));
        assert!(took < Duration::from_secs(2), "{took:?}");
    });
    assert!(matches!(
        listener.accept(),
        Err(ConnectError::ListenerClosed)
    ));
    assert!(matches!(
        dial(&address),
        Err(ConnectError::Unreachable { .. })
    ));
    drop(listener);
    ana.sender().send("still here").unwrap();
    assert_eq!(message(&ben), "still here");
    drop(silent);
}

#[test]
fn a_session_is_its_own_as_soon_as_it_is_accepted() {
    for _ in 0..100 {
        let (listener, address) = listen(&Config::open());
        let dialling = thread::spawn(move || dial(&address).unwrap());
        let ben = accept(&listener);
        // Whatever the handshake's thread still has to do.
        drop(listener);
        let ana = dialling.join().unwrap();
        ana.sender().send("still here").unwrap();
        assert_eq!(message(&ben), "still here");
    }
}

#[test]
fn closing_in_the_middle_of_callers_never_hangs() {
    for _ in 0..50 {
        let (listener, address) = listen(&Config::open());
        thread::scope(|scope| {
            // Without a limit the system tries for a second and more once its queue is full.
            let (to, limit) = (address.parse().unwrap(), Duration::from_millis(20));
            scope.spawn(move || while TcpStream::connect_timeout(&to, limit).is_ok() {});
            let waiting = scope.spawn(|| while listener.accept().is_ok() {});
            thread::yield_now();
            listener.close();
            let took = timed(|| waiting.join().unwrap()).1;
            assert!(took < Duration::from_secs(2), "{took:?}");
        });
    }
}

#[test]
fn a_session_that_nobody_accepts_ends_with_its_listener() {
    let mut config = Config::open();
    config.resume = Duration::ZERO;
    let (listener, address) = listen(&config);
    let ana = Session::connect(&address, &config).unwrap();
    drop(listener);
    assert!(end(&ana).reason != Reason::TimedOut);
}

/// What is sent by those who don't speak PTP, or not to the end.
fn strangers() -> Vec<Vec<u8>> {
    let mut handshake = HELLO.to_vec();
    handshake.extend([0, 32]);
    let half = handshake.len();
    handshake.extend([9; 32]);
    vec![
        Vec::new(),
        b"G".to_vec(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PTP/1 ".to_vec(),
        b"PTP/2 something\n".to_vec(),
        b"PTP/1 \xff\xff\n".to_vec(),
        vec![b'P'; 100_000],
        vec![0; 100_000],
        vec![0xff; 100_000],
        HELLO.to_vec(),
        handshake[..half].to_vec(),
        handshake.clone(),
        [&handshake, &[0xff; 1_000][..]].concat(),
        [HELLO, &[0xff, 0xff]].concat(),
        // An ephemeral key of low order.
        [HELLO, &[0, 32], &[0; 32]].concat(),
    ]
}

#[test]
fn strangers_do_no_harm() {
    let (listener, address) = listen(&Config::open());
    for stranger in strangers() {
        for half_closes in [true, false] {
            let mut stream = TcpStream::connect(&address).unwrap();
            // It may hang up in the middle.
            let _ = stream.write_all(&stranger);
            if half_closes {
                let _ = stream.shutdown(Shutdown::Write);
                let mut answer = Vec::new();
                let _ = stream.take(10_000).read_to_end(&mut answer);
                assert!(answer.len() < 400, "{} bytes for a stranger", answer.len());
            }
        }
    }
    assert_well(&listener, &address);
    assert!(listener.accept_timeout(Duration::ZERO).unwrap().is_none());
}

#[test]
fn a_stranger_is_answered_with_a_line_that_can_be_read() {
    let (_listener, address) = listen(&Config::open());
    for stranger in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00",
        b"PTP/9 x\n",
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(stranger).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "PTP/1 refused version\n");
    }
}

#[test]
fn a_caller_who_sends_a_byte_at_a_time_has_the_deadline_of_all() {
    let mut config = Config::open();
    config.handshake_timeout = Duration::from_millis(200);
    let (listener, address) = listen(&config);
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_nodelay(true).unwrap();
    // Each write is a sign of life, and must not prolong the deadline.
    stream
        .set_read_timeout(Some(Duration::from_millis(5)))
        .unwrap();
    let bytes = HELLO[..5].iter().chain(std::iter::repeat(&b' '));
    let ((), took) = timed(|| {
        for byte in bytes {
            let mut answer = [0];
            let sent = stream.write_all(&[*byte]);
            if sent.is_err() || stream.read(&mut answer).is_ok() {
                break;
            }
        }
    });
    assert!(
        (Duration::from_millis(150)..Duration::from_secs(2)).contains(&took),
        "{took:?}"
    );
    assert_well(&listener, &address);
}

#[test]
fn three_hundred_silent_callers_hold_nobody_up() {
    let (listener, address) = listen(&Config::open());
    let silent: Vec<_> = (0..300)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    assert_well(&listener, &address);
    // The oldest gave way, those within the bound are still waited for.
    let is_open = |stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    };
    eventually("64 are left at the most", || {
        silent.iter().filter(|stream| is_open(stream)).count() <= Config::open().max_handshakes
    });
    assert!(is_open(silent.last().unwrap()) && !is_open(&silent[0]));
    assert_well(&listener, &address);
}

#[test]
fn one_handshake_at_a_time_lets_the_newest_in() {
    let mut config = Config::open();
    config.max_handshakes = 1;
    let (listener, address) = listen(&config);
    let silent: Vec<_> = (0..5)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    assert_well(&listener, &address);
    drop(silent);
}
