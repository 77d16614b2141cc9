//! Plain sessions: with the original program, over memory, with both kinds of caller on one port, and
//! with peers that no protocol holds back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

#[path = "support/original.rs"]
mod original;
mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use original::{Original, Seen};
use ptp_core::transport::{self, Halves, Transport};
use ptp_core::{
    Config, ConnectError, Event, FlushError, Identity, KnownPeers, Listener, Notice, Reason, Role,
    Secret, SendError, Session, Stage, Standing, TrySendError,
};
use support::{PATIENCE, accept, end, eventually, message, messages, next, rest, timed, watch};

fn plain() -> Config {
    let mut config = Config::open();
    config.plain = true;
    config
}

fn listen(config: &Config) -> (Listener, String) {
    watch();
    let listener = Listener::bind("127.0.0.1:0", config).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// A plain session that was dialled, and who answered.
fn dialled(config: &Config) -> (Session, TcpStream) {
    watch();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let session = Session::connect(&address, config).unwrap();
    (session, listener.accept().unwrap().0)
}

/// A plain session that was answered, and who called, with its first word.
fn answered(config: &Config, word: &[u8]) -> (Session, TcpStream) {
    let (listener, address) = listen(config);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(word).unwrap();
    (accept(&listener), stream)
}

/// A plain session over memory, and the other end.
fn over_memory(config: &Config, capacity: usize) -> (Session, Halves) {
    watch();
    let (near, far) = transport::duplex(capacity);
    let session = Session::over(near, Role::Dialler, config).unwrap();
    (session, far.split().unwrap())
}

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

#[test]
fn the_original_program_is_talked_to_both_ways_whoever_calls() {
    let (dialler, far) = dialled(&plain());
    let mut original = Original::on(far);
    // Nothing is known of it yet, so a line is ended.
    dialler.sender().send("hello").unwrap();
    assert_eq!(original.hear(), "hello\n");
    converse(&dialler, &mut original);
    original.quit();
    assert_eq!(end(&dialler).reason, Reason::ClosedByPeer);

    let (listener, far) = answered(&plain(), b"first");
    let mut original = Original::on(far);
    assert_eq!(message(&listener), "first");
    converse(&listener, &mut original);
    let closing = thread::spawn(move || listener.close(PATIENCE));
    assert_eq!(original.see(), Seen::Closed);
    let report = closing.join().unwrap();
    assert!(report.is_delivered());
    assert_eq!(report.end.unwrap().reason, Reason::ClosedHere);
}

/// Both speak, each message is one, and none is cut within a character.
fn converse(session: &Session, original: &mut Original) {
    original.say("Grüße ");
    assert_eq!(message(session), "Grüße");
    let lines = ["one", "two", "three", "four", "five"];
    let ((), took) = timed(|| {
        for line in lines {
            session.sender().send(line).unwrap();
        }
        original.hear_all(&lines.concat());
    });
    assert!(took >= Duration::from_millis(4 * 50), "{took:?}");
    let long = "€".repeat(1500);
    session.sender().send(&long).unwrap();
    original.hear_all(&long);
}

#[test]
fn a_session_tells_that_it_is_plain() {
    let (session, _far) = dialled(&plain());
    assert_eq!(session.peer().standing(), Standing::Plain);
    assert_eq!(session.encryption(), None);
    assert_eq!(session.channel_binding(), None);
    assert_eq!(session.peer().public_key(), None);
    assert_eq!(session.peer().fingerprint(), None);
    assert!(!session.peer().is_name_sure() && session.peer().name().is_empty());
    assert!(session.peer().address().is_some());
    let (round_trip, took) = timed(|| session.ping(PATIENCE));
    assert!(round_trip.is_none() && took < Duration::from_secs(1));
}

#[test]
fn what_is_no_plain_text_is_handed_back() {
    let (session, _far) = over_memory(&plain(), 1024);
    let sender = session.sender();
    assert!(matches!(
        sender.send(vec![1, 2]),
        Err(SendError::NotPlain(bytes)) if bytes == [1, 2]
    ));
    assert!(matches!(
        sender.try_send(Secret("word".to_owned())),
        Err(TrySendError::NotPlain(Secret(word))) if word == "word"
    ));
    assert_eq!(session.stats().sent, 0);
}

#[test]
fn both_kinds_of_caller_come_in_at_one_port() {
    let (listener, address) = listen(&plain());
    let ana = Session::connect(&address, &Config::open()).unwrap();
    let ben = accept(&listener);
    assert!(ben.encryption().is_some());
    ana.sender().send("encrypted").unwrap();
    assert_eq!(message(&ben), "encrypted");

    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"in plain text\n").unwrap();
    let (plain, took) = timed(|| accept(&listener));
    assert!(took < Duration::from_millis(800), "{took:?}");
    assert_eq!(plain.peer().standing(), Standing::Plain);
    assert_eq!(message(&plain), "in plain text");

    // Nobody speaks first.
    let mut silent = TcpStream::connect(&address).unwrap();
    let (plain, took) = timed(|| accept(&listener));
    assert!(took >= Duration::from_millis(900), "{took:?}");
    plain.sender().send("hello?").unwrap();
    let mut heard = [0; 7];
    silent.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello?\n");
}

#[test]
fn whoever_begins_like_ptp_and_goes_on_otherwise_is_plain() {
    for word in [&b"P"[..], b"PTP", b"PTPx\n", b"PT\n"] {
        let (session, _stream) = answered(&plain(), word);
        let word = str::from_utf8(word).unwrap().trim_end();
        assert_eq!(message(&session), word);
    }
}

#[test]
fn a_greeting_of_ptp_that_comes_too_late_is_refused() {
    let (session, mut stream) = answered(&plain(), b"");
    stream.write_all(b"PTP/1 25519_AESGCM_SHA256\n").unwrap();
    let end = end(&session);
    assert_eq!(end.reason, Reason::Protocol);
    assert!(end.cause.contains("too late"), "{}", end.cause);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "PTP/1 refused overloaded\n");
}

#[test]
fn nothing_is_plain_that_was_not_asked_for() {
    let (listener, address) = listen(&Config::open());
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"hello\n").unwrap();
    let Ok(Notice::TurnedAway { cause, .. }) = listener.notices().recv_timeout(PATIENCE) else {
        panic!("not told");
    };
    assert!(
        matches!(cause, ConnectError::NotPtp("plain text")),
        "{cause}"
    );
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "PTP/1 refused version\n");

    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listening.local_addr().unwrap().to_string();
    let answering = thread::spawn(move || {
        let mut original = Original::on(listening.accept().unwrap().0);
        original.say("hello");
        original.hear()
    });
    let refused = Session::connect(&address, &Config::open());
    assert!(matches!(refused, Err(ConnectError::NotPtp("plain text"))));
    assert!(answering.join().unwrap().starts_with("PTP/1 "));
}

#[test]
fn a_plain_caller_of_ptp_learns_whom_it_called() {
    let (_listener, address) = listen(&Config::open());
    let session = Session::connect(&address, &plain()).unwrap();
    session.sender().send("hello").unwrap();
    let end = end(&session);
    assert_eq!(end.reason, Reason::Protocol);
    assert!(end.cause.contains("speaks PTP"), "{}", end.cause);
}

#[test]
fn a_key_that_is_expected_can_not_be_proved() {
    let (listener, address) = listen(&plain());
    let mut config = Config::known(Identity::generate().unwrap(), KnownPeers::in_memory());
    config.plain = true;
    config.expected_key = Some(Identity::generate().unwrap().public_key());
    let refused = Session::connect(&address, &config);
    assert!(matches!(refused, Err(ConnectError::Unprovable)));
    assert!(
        listener
            .accept_timeout(Duration::from_millis(50))
            .unwrap()
            .is_none()
    );
}

#[test]
fn who_called_and_left_is_no_session_unless_it_said_something() {
    let (listener, address) = listen(&plain());
    drop(TcpStream::connect(&address).unwrap());
    let Ok(Notice::TurnedAway { cause, .. }) = listener.notices().recv_timeout(PATIENCE) else {
        panic!("not told");
    };
    assert!(
        matches!(cause, ConnectError::Closed(Stage::Hello)),
        "{cause}"
    );
    TcpStream::connect(&address)
        .unwrap()
        .write_all(b"P")
        .unwrap();
    let session = accept(&listener);
    let (said, end) = rest(&session);
    assert!(said.len() == 1 && said[0] == *"P");
    assert_eq!(end.reason, Reason::ClosedByPeer);
}

#[test]
fn a_plain_caller_for_whom_there_is_no_place_is_told() {
    let mut config = plain();
    config.max_sessions = 1;
    let (listener, address) = listen(&config);
    let ana = Session::connect(&address, &Config::open()).unwrap();
    let _ben = accept(&listener);
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"hello\n").unwrap();
    let mut told = String::new();
    let _ = stream.read_to_string(&mut told);
    assert!(told.starts_with("Busy"), "{told}");
    drop(ana);
    // And the other way round.
    let (_plain, _stream) = answered(&config, b"hello\n");
}

#[test]
fn a_half_close_is_the_end_and_what_waits_is_handed_back() {
    let (session, far) = dialled(&plain());
    for line in ["one", "two", "three", "four"] {
        session.sender().send(line).unwrap();
    }
    eventually("one is written", || session.stats().unacknowledged < 4);
    far.shutdown(std::net::Shutdown::Write).unwrap();
    let end = end(&session);
    assert_eq!(end.reason, Reason::ClosedByPeer);
    assert!(!end.unsent.is_empty());
    assert!(end.unsent.last().is_some_and(|last| *last == "four"));
    assert!(matches!(
        session.sender().send("five"),
        Err(SendError::Disconnected(()))
    ));
    let lost = (end.unsent.len() + end.unconfirmed.len()) as u64;
    assert_eq!(session.stats().unacknowledged, lost);
    let flushed = session.sender().flush(PATIENCE);
    assert_eq!(flushed, Err(FlushError::Disconnected));
}

#[test]
fn closing_writes_all_that_was_accepted_and_reads_what_was_there() {
    let (session, mut far) = over_memory(&plain(), 1024);
    far.writer
        .write(b"their last\nwithout an end", soon())
        .unwrap();
    for line in ["one", "two", "three"] {
        session.sender().send(line).unwrap();
    }
    session.sender().flush(PATIENCE).unwrap();
    assert_eq!(session.stats().unacknowledged, 0);
    session.sender().send("four").unwrap();
    let report = session.close(PATIENCE);
    assert!(report.is_delivered());
    assert_eq!(report.unread.len(), 2);
    let mut heard = Vec::new();
    let mut piece = [0; 64];
    while let Ok(length @ 1..) = far.reader.read(&mut piece, soon()) {
        heard.extend_from_slice(&piece[..length]);
    }
    let heard = String::from_utf8(heard).unwrap();
    // How they are ended depends on when the other's last word was heard.
    assert_eq!(heard.replace('\n', ""), "onetwothreefour");
}

#[test]
fn dropping_a_session_writes_what_was_accepted() {
    let (session, far) = dialled(&plain());
    let original = Original::on(far);
    session.sender().send("one").unwrap();
    session.sender().send("two").unwrap();
    drop(session);
    original.hear_all("one\ntwo\n");
    assert_eq!(original.see(), Seen::Closed);
}

#[test]
fn a_peer_that_never_reads_holds_up_nobody_but_itself() {
    let mut config = plain();
    config.window_messages = 4;
    config.linger = Duration::from_millis(50);
    let (session, _far) = over_memory(&config, 16);
    let sender = session.sender();
    for _ in 0..4 {
        sender.send("a line that does not fit").unwrap();
    }
    assert!(matches!(
        sender.try_send("more"),
        Err(TrySendError::Full(()))
    ));
    let (full, took) = timed(|| sender.send_timeout("more", Duration::from_millis(100)));
    assert!(full.is_err() && took < Duration::from_secs(5), "{took:?}");
    assert_eq!(
        sender.flush(Duration::from_millis(50)),
        Err(FlushError::TimedOut)
    );
    let blocked = thread::spawn(move || sender.send("more"));
    let (report, took) = timed(|| session.close(Duration::from_millis(100)));
    assert!(took < Duration::from_secs(5), "{took:?}");
    let end = report.end.unwrap();
    assert_eq!(end.reason, Reason::ClosedHere);
    assert_eq!((end.unconfirmed.len(), end.unsent.len()), (1, 3));
    assert!(blocked.join().unwrap().is_err());
}

#[test]
fn an_application_that_takes_nothing_stops_the_peer() {
    let mut config = plain();
    config.window_messages = 8;
    let (session, mut far) = over_memory(&config, 64);
    let mut written = 0;
    let line = b"0123456\n";
    while let Ok(length) = far
        .writer
        .write(line, Instant::now() + Duration::from_millis(300))
    {
        written += length;
        assert!(written < 100_000, "it is never stopped");
    }
    // It goes on as soon as something is taken.
    messages(&session, 8);
    far.writer.write(b"\n", soon()).unwrap();
    assert!(session.events().len() < 20_000);
}

#[test]
fn a_stream_without_ends_and_without_sense_is_survived() {
    let (session, mut stream) = answered(&plain(), b"\xff\xfa");
    let noise: Vec<u8> = (0..1_000_000u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .map(|byte| if byte == b'\n' { b'x' } else { byte })
        .collect();
    let sending = thread::spawn(move || {
        stream.write_all(&noise).unwrap();
        stream.write_all(b"\nlast\n").unwrap();
        stream
    });
    let mut last = String::new();
    while last != "last" {
        let Some(Event::Received(message)) = next(&session) else {
            panic!("it ended");
        };
        assert!(message.as_bytes().len() <= 3 * 64 * 1024);
        last = message.as_text().unwrap().to_owned();
    }
    drop(sending.join().unwrap());
    assert_eq!(end(&session).reason, Reason::ClosedByPeer);
}

#[test]
fn aborting_ends_it_at_once() {
    let (session, _far) = dialled(&plain());
    for _ in 0..100 {
        session.sender().send("line").unwrap();
    }
    session.abort();
    let end = end(&session);
    assert_eq!(end.reason, Reason::ClosedHere);
    assert!(end.unsent.len() + end.unconfirmed.len() >= 90);
}

#[test]
fn a_plain_session_over_memory_is_answered_too() {
    watch();
    let (near, far) = transport::duplex(1024);
    let mut far = far.split().unwrap();
    far.writer.write(b"hi\r\n", soon()).unwrap();
    let session = Session::over(near, Role::Listener, &plain()).unwrap();
    assert_eq!(message(&session), "hi");
    session.sender().send("back").unwrap();
    let mut heard = [0; 64];
    let length = far.reader.read(&mut heard, soon()).unwrap();
    assert_eq!(&heard[..length], b"back\r\n");
}

#[test]
fn several_at_once_go_one_by_one_and_each_that_comes_is_a_batch() {
    let mut config = plain();
    config.batches = true;
    let (session, mut stream) = dialled(&config);
    let error = session.sender().send_all([b"bytes"]).unwrap_err();
    assert_eq!((error.accepted, error.cause), (0, SendError::NotPlain(())));
    let last = session.sender().send_all(["one", "two"]).unwrap();
    assert_eq!(last.unwrap().get(), 2);
    let mut written = [0; 8];
    stream.read_exact(&mut written).unwrap();
    assert_eq!(&written, b"one\ntwo\n");
    stream.write_all(b"first\nsecond\n").unwrap();
    let mut heard = Vec::new();
    while heard.len() < 2 {
        match next(&session) {
            Some(Event::Batch(batch)) => heard.extend(*batch),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard[0], "first");
    assert_eq!(heard[1], "second");
}
