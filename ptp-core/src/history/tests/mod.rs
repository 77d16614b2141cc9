//! The history, with real sessions over memory: what is kept.

mod deleting;
mod files;
mod finding;
mod model;
mod trouble;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use rusqlite::Connection;

use super::schema::Unfit;
use super::*;
use crate::{Config, Event, Role, Secret, doctest_pair, transport};

const SOON: Duration = Duration::from_secs(10);

/// A folder of the test's own.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ptp-history-test-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn file(&self) -> PathBuf {
        self.0.join("history.sqlite3")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A conversation that is kept: the folder, the history, both sides, and what keeps the first.
fn conversation() -> (Folder, History, (Session, Session), Recording) {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let sides = doctest_pair().unwrap();
    let recording = history.record(&sides.0).unwrap();
    (folder, history, sides, recording)
}

fn search(words: &str) -> HistoryFilter {
    HistoryFilter {
        search: Some(words.into()),
        ..HistoryFilter::default()
    }
}

fn texts(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(text).collect()
}

fn text(entry: &Entry) -> &str {
    match &entry.content {
        Content::Text(text) => text,
        _ => panic!("{entry:?}"),
    }
}

/// Sends texts, and tells the recording.
fn say(session: &Session, recording: &Recording, texts: &[&str]) {
    for text in texts {
        let id = session.sender().send(*text).unwrap();
        recording.sent(id, text);
    }
}

/// Takes so many messages and keeps them.
fn hear(session: &Session, recording: &Recording, count: usize) {
    let mut heard = 0;
    while heard < count {
        let event = session.events().recv_timeout(SOON).unwrap();
        recording.event(&event);
        heard += usize::from(matches!(event, Event::Received(_)));
    }
}

/// Tells the recording everything until the end.
fn listen(session: &Session, recording: &Recording) {
    for event in session.events() {
        recording.event(&event);
    }
}

fn fates(history: &History) -> Vec<Fate> {
    let all = history.find(&HistoryFilter::default()).unwrap();
    all.iter().map(|entry| entry.fate).collect()
}

#[test]
fn a_message_is_kept_with_whom_when_and_whether_it_was_delivered() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, peer) = doctest_pair().unwrap();
    let before = SystemTime::now() - Duration::from_millis(1);
    let recording = history.record(&session).unwrap();
    say(&session, &recording, &["one"]);
    peer.sender().send(&b"\x00two"[..]).unwrap();
    hear(&session, &recording, 1);
    recording.flush(SOON).unwrap();
    let all = history.find(&HistoryFilter::default()).unwrap();
    let [one, two] = &all[..] else {
        panic!("{all:?}");
    };
    assert_eq!(two.content, Content::Binary(b"\x00two".to_vec()));
    assert_eq!((one.number, two.number), (1, 1));
    assert_eq!((one.fate, two.fate), (Fate::Pending, Fate::Received));
    assert_eq!(one.peer.key, session.peer().public_key());
    assert_eq!((one.session, two.session), (session.id(), session.id()));
    assert_eq!(session.id(), peer.id());
    for entry in &all {
        assert!(entry.sent_at >= before && entry.sent_at <= SystemTime::now());
    }
    assert_eq!(one.delivered_at, None);
    assert!(two.delivered_at.is_some());

    let Ok(Event::Received(_)) = peer.events().recv() else {
        panic!("no message");
    };
    recording.event(&session.events().recv_timeout(SOON).unwrap());
    recording.flush(SOON).unwrap();
    history.close(SOON);
    let one = &history.find(&HistoryFilter::default()).unwrap()[0];
    assert_eq!(one.fate, Fate::Delivered);
    assert!(one.delivered_at >= Some(one.sent_at));
}

#[test]
fn each_message_of_a_batch_is_kept_but_a_secret() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (left, right) = transport::duplex(64 * 1024);
    let mut config = Config::open();
    config.batches = true;
    let (session, peer) = std::thread::scope(|scope| {
        let listening = scope.spawn(|| Session::over(right, Role::Listener, &Config::open()));
        let session = Session::over(left, Role::Dialler, &config).unwrap();
        (session, listening.join().unwrap().unwrap())
    });
    let recording = history.record(&session).unwrap();
    let sender = peer.sender();
    sender.send_all(["one", "two"]).unwrap();
    sender.send(Secret("hidden".into())).unwrap();
    sender.send_all([b"three"]).unwrap();
    peer.finish();
    session.finish();
    listen(&session, &recording);
    recording.flush(SOON).unwrap();
    history.close(SOON);
    let all = history.find(&HistoryFilter::default()).unwrap();
    let kept = all
        .iter()
        .map(|entry| (entry.number, entry.content.clone()));
    let text = |text: &str| Content::Text(text.into());
    assert!(kept.eq([
        (1, text("one")),
        (2, text("two")),
        (4, Content::Binary(b"three".to_vec())),
    ]));
}

#[test]
fn a_secret_is_not_kept_in_either_direction() {
    let (folder, history, (session, peer), recording) = conversation();
    let secret = Secret("open sesame".into());
    let id = session.sender().send(secret.clone()).unwrap();
    recording.sent(id, &secret);
    peer.sender().send(secret).unwrap();
    hear(&session, &recording, 1);
    say(&session, &recording, &["behind it"]);
    recording.flush(SOON).unwrap();
    let all = history.find(&HistoryFilter::default()).unwrap();
    assert_eq!(texts(&all), ["behind it"]);
    history.close(SOON);
    drop(history);
    assert!(!holds(&folder, b"sesame"));
}

/// Whether any file of the history holds these bytes.
fn holds(folder: &Folder, bytes: &[u8]) -> bool {
    let files = fs::read_dir(&folder.0).unwrap();
    let holds = |file: &Vec<u8>| file.windows(bytes.len()).any(|window| window == bytes);
    files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .any(|file| holds(&file))
}

#[test]
fn what_a_lost_conversation_did_not_deliver_is_listed_until_it_is_sent_again_or_settled() {
    let (folder, history, (session, peer), recording) = conversation();
    say(&session, &recording, &["arrives", "perhaps", "perhaps too"]);
    let Ok(Event::Received(_)) = peer.events().recv() else {
        panic!("no message");
    };
    recording.event(&session.events().recv_timeout(SOON).unwrap());
    recording.flush(SOON).unwrap();
    assert!(history.undelivered(None).unwrap().is_empty(), "it goes on");
    session.abort();
    listen(&session, &recording);
    recording.flush(SOON).unwrap();
    history.close(SOON);
    drop(history);

    let history = History::open(folder.file()).unwrap();
    assert_eq!(
        fates(&history),
        [Fate::Delivered, Fate::Unconfirmed, Fate::Unconfirmed]
    );
    let left = history.undelivered(None).unwrap();
    assert_eq!(texts(&left), ["perhaps", "perhaps too"]);
    let key = session.peer().public_key().map(Who::Key);
    assert_eq!(history.undelivered(key.as_ref()).unwrap(), left);
    assert!(
        history
            .undelivered(Some(&Who::Key(session.local_key())))
            .unwrap()
            .is_empty()
    );

    let (again, _peer) = doctest_pair().unwrap();
    let recording = history.record(&again).unwrap();
    let id = again.sender().send("perhaps").unwrap();
    recording.sent_again(id, &"perhaps", left[0].id);
    recording.flush(SOON).unwrap();
    assert_eq!(history.undelivered(None).unwrap(), left[1..]);
    history.settle(&[left[1].id]).unwrap();
    assert!(history.undelivered(None).unwrap().is_empty());
    assert_eq!(history.find(&HistoryFilter::default()).unwrap().len(), 4);
}

#[test]
fn a_receipt_may_be_told_before_its_message() {
    let (_folder, history, (session, peer), recording) = conversation();
    let id = session.sender().send("hi").unwrap();
    let Ok(Event::Received(_)) = peer.events().recv() else {
        panic!("no message");
    };
    let delivered = session.events().recv_timeout(SOON).unwrap();
    assert!(
        matches!(delivered, Event::Delivered { .. }),
        "{delivered:?}"
    );
    recording.event(&delivered);
    recording.sent(id, &"hi");
    recording.flush(SOON).unwrap();
    assert_eq!(fates(&history), [Fate::Delivered]);
}

#[test]
fn a_message_that_is_told_twice_is_kept_once() {
    let (_folder, history, (session, _peer), recording) = conversation();
    let id = session.sender().send("hi").unwrap();
    recording.sent(id, &"hi");
    recording.sent(id, &"hi");
    recording.flush(SOON).unwrap();
    assert_eq!(history.find(&search("hi")).unwrap().len(), 1);
}

#[test]
fn what_is_told_behind_the_end_belongs_to_its_conversation() {
    let (folder, history, (session, peer), recording) = conversation();
    let id = session.sender().send("arrives").unwrap();
    peer.events().recv_timeout(SOON).unwrap();
    session.finish();
    peer.finish();
    listen(&session, &recording);
    recording.flush(SOON).unwrap();
    recording.sent(id, &"arrives");
    recording.flush(SOON).unwrap();
    assert_eq!(fates(&history), [Fate::Delivered]);
    history.close(SOON);
    drop((history, recording));
    let history = History::open(folder.file()).unwrap();
    assert!(history.undelivered(None).unwrap().is_empty());
}

#[test]
fn of_two_programs_that_send_again_each_message_is_only_one_s() {
    let folder = Folder::new();
    let (session, _peer) = doctest_pair().unwrap();
    let history = History::open(folder.file()).unwrap();
    let recording = history.record(&session).unwrap();
    say(&session, &recording, &["one", "two", "three"]);
    session.abort();
    listen(&session, &recording);
    recording.flush(SOON).unwrap();
    history.close(SOON);

    let (first, second) = (open(&folder), open(&folder));
    let of_first = first.undelivered(None).unwrap();
    let of_second = second.undelivered(None).unwrap();
    assert_eq!(texts(&of_first), ["one", "two", "three"]);
    assert_eq!(of_first, of_second);
    let claimed = first.claim(of_first[..2].to_vec()).unwrap();
    assert_eq!(texts(&claimed), ["one", "two"]);
    assert_eq!(texts(&second.claim(of_second).unwrap()), ["three"]);
    assert_eq!(texts(&second.undelivered(None).unwrap()), ["three"]);
    let (again, _peer) = doctest_pair().unwrap();
    let recording = first.record(&again).unwrap();
    let id = again.sender().send("one").unwrap();
    recording.sent_again(id, &"one", claimed[0].id);
    recording.flush(SOON).unwrap();
    // What it did not come to is given back when it ends.
    assert_eq!(texts(&first.undelivered(None).unwrap()), ["two"]);
    drop((first, recording));
    // The last of them never heard that it arrived.
    let left = second.undelivered(None).unwrap();
    assert_eq!(texts(&left), ["two", "three", "one"]);
    let all = second.find(&search("one")).unwrap();
    assert_eq!((all[0].is_settled, all[1].is_settled), (true, false));
}

fn open(folder: &Folder) -> History {
    History::open(folder.file()).unwrap()
}
