//! Dialling: what stands in the way is named, and the deadline is kept.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ptp_core::transport::duplex;
use ptp_core::{Config, ConnectError, Role, Session, Stage};
use socket2::{Domain, Socket, Type};
use support::timed;

const TIMEOUT: Duration = Duration::from_millis(300);
const SLACK: Duration = Duration::from_millis(1_700);
const HELLO: &[u8] = b"PTP/1 25519_ChaChaPoly_SHA256\n";

fn impatient() -> Config {
    let mut config = Config::open();
    config.connect_timeout = TIMEOUT;
    config.handshake_timeout = TIMEOUT;
    config
}

/// How dialling ends at a server that does `serve` with its first caller.
fn dial(serve: impl FnOnce(TcpStream) + Send + 'static) -> ConnectError {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = thread::spawn(move || serve(listener.accept().unwrap().0));
    let (result, took) = timed(|| Session::connect(&address, &impatient()));
    assert!(took < TIMEOUT + SLACK, "{took:?}");
    serving.join().unwrap();
    match result {
        Err(error) => error,
        Ok(_) => panic!("a session with a fake"),
    }
}

/// Reads until the caller gives up.
fn read_on(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Answers with `answer` and leaves the rest to the caller.
fn answers(answer: &'static [u8]) -> impl FnOnce(TcpStream) + Send + 'static {
    move |mut stream| {
        stream.write_all(answer).unwrap();
        read_on(stream);
    }
}

#[test]
fn who_is_not_ptp_is_named() {
    for (answer, name) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "SSH"),
        (b"220 mail.example.org ESMTP\r\n", "mail or FTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "TLS"),
        (b"hello?\n", "plain text"),
        (b"\x00\x01\x02\x03\x04", "something binary"),
        (b"PTP/1 \xff\n", "a damaged PTP greeting"),
    ] {
        let error = dial(answers(answer));
        let named = matches!(error, ConnectError::NotPtp(found) if found == name);
        assert!(named, "{name}: {error:?}");
    }
}

#[test]
fn a_ptp_that_cannot_talk_to_us_is_told_apart() {
    let version = dial(answers(b"PTP/2 refused version\n"));
    assert!(matches!(version, ConnectError::Version), "{version:?}");
    let overloaded = dial(answers(b"PTP/1 refused overloaded\n"));
    assert!(
        matches!(overloaded, ConnectError::Overloaded),
        "{overloaded:?}"
    );
}

#[test]
fn who_closes_at_once_is_told_with_the_stage() {
    let error = dial(drop);
    assert!(
        matches!(error, ConnectError::Closed(Stage::Hello)),
        "{error:?}"
    );
    let error = dial(|mut stream| {
        stream.read_exact(&mut [0; 40]).unwrap();
    });
    assert!(
        matches!(error, ConnectError::Closed(Stage::Hello)),
        "{error:?}"
    );
    let error = dial(|mut stream| {
        stream.write_all(HELLO).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        read_on(stream);
    });
    assert!(
        matches!(error, ConnectError::Closed(Stage::Handshake)),
        "{error:?}"
    );
}

#[test]
fn who_says_nothing_is_given_up_in_time_with_the_stage() {
    let error = dial(read_on);
    assert!(
        matches!(error, ConnectError::TimedOut(Stage::Hello)),
        "{error:?}"
    );
    let error = dial(answers(HELLO));
    assert!(
        matches!(error, ConnectError::TimedOut(Stage::Handshake)),
        "{error:?}"
    );
}

#[test]
fn a_handshake_that_makes_no_sense_is_a_breach_of_protocol() {
    for message_2 in [&[0, 96][..], &[0xff, 0xff], &[0, 0]] {
        let error = dial(move |mut stream| {
            stream.write_all(HELLO).unwrap();
            stream.write_all(message_2).unwrap();
            stream.write_all(&[0; 96]).unwrap();
            read_on(stream);
        });
        assert!(
            matches!(error, ConnectError::Protocol(_)),
            "{message_2:?}: {error:?}"
        );
    }
}

#[test]
fn a_port_where_nobody_listens_is_unreachable_at_once() {
    // A port that is bound and not listened at refuses callers, and nobody else can take it.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    for host in ["127.0.0.1", "localhost"] {
        let address = format!("{host}:{port}");
        let (result, took) = timed(|| Session::connect(&address, &Config::open()));
        match result.map(drop) {
            Err(ConnectError::Unreachable { address, cause }) => {
                assert_eq!(address.port(), port);
                assert_eq!(cause.kind(), std::io::ErrorKind::ConnectionRefused);
            }
            other => panic!("{other:?}"),
        }
        assert!(took < SLACK, "{took:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_address_that_does_not_answer_is_given_up_in_time() {
    // A full queue of callers: the system lets no more in and does not say so.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let fillers = (0..8).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(20)));
    let fillers: Vec<_> = fillers.collect();
    let (result, took) = timed(|| Session::connect(&address.to_string(), &impatient()));
    let result = result.map(drop);
    assert!(
        matches!(result, Err(ConnectError::TimedOut(Stage::Connect))),
        "{result:?}"
    );
    assert!((TIMEOUT..TIMEOUT + SLACK).contains(&took), "{took:?}");
    drop(fillers);
}

#[test]
fn a_name_that_nobody_has_is_told_in_time() {
    let mut config = impatient();
    config.connect_timeout = Duration::from_secs(2);
    let dial = || Session::connect("no-such-host.invalid:5000", &config);
    let (result, took) = timed(dial);
    match result.map(drop) {
        Err(ConnectError::Resolve { host, .. }) => assert_eq!(host, "no-such-host.invalid"),
        // Without a name server the system takes longer to say so.
        Err(ConnectError::TimedOut(Stage::Resolve)) => {}
        other => panic!("{other:?}"),
    }
    assert!(took < config.connect_timeout + SLACK, "{took:?}");
}

#[test]
fn what_is_no_address_is_told() {
    for text in [
        "",
        "localhost",
        "localhost:",
        "localhost:x",
        ":5000",
        "::1",
        "a b:1",
    ] {
        let error = Session::connect(text, &impatient()).map(drop);
        assert!(
            matches!(&error, Err(ConnectError::Address(told)) if told == text),
            "{error:?}"
        );
    }
}

#[test]
fn both_roles_keep_their_deadline_over_a_transport_too() {
    for role in [Role::Dialler, Role::Listener] {
        let (left, _right) = duplex(64);
        let (result, took) = timed(|| Session::over(left, role, &impatient()));
        let result = result.map(drop);
        assert!(
            matches!(result, Err(ConnectError::TimedOut(Stage::Hello))),
            "{result:?}"
        );
        assert!(
            (TIMEOUT..TIMEOUT + SLACK).contains(&took),
            "{role:?}: {took:?}"
        );
        let (left, right) = duplex(64);
        drop(right);
        let result = Session::over(left, role, &impatient()).map(drop);
        assert!(
            matches!(result, Err(ConnectError::Closed(Stage::Hello))),
            "{role:?}: {result:?}"
        );
    }
}

#[test]
fn two_diallers_or_two_listeners_do_not_understand_each_other() {
    let (left, right) = duplex(1024);
    let other = thread::spawn(move || Session::over(right, Role::Dialler, &impatient()).map(drop));
    assert!(Session::over(left, Role::Dialler, &impatient()).is_err());
    assert!(other.join().unwrap().is_err());
    let (left, right) = duplex(1024);
    let other = thread::spawn(move || Session::over(right, Role::Listener, &impatient()).map(drop));
    assert!(Session::over(left, Role::Listener, &impatient()).is_err());
    assert!(other.join().unwrap().is_err());
}
