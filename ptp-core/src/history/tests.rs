//! The history, with real sessions over memory.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use rusqlite::Connection;

use super::schema::Unfit;
use super::*;
use crate::{Event, Secret, doctest_pair};

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
fn what_was_said_is_found_by_words_phrases_and_beginnings_in_any_script() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    let said = [
        "Good morning, Ana",
        "the deployment is at noon",
        "今天天气很好",
        "สวัสดีครับ",
        "안녕하세요",
        "un café",
        "🦕 ahoy",
        "हिन्दी में",
    ];
    say(&session, &recording, &said);
    recording.flush(SOON).unwrap();
    for (words, found) in [
        ("good", vec![0]),
        ("GOOD ana", vec![0]),
        ("\"good morning\"", vec![0]),
        ("\"morning good\"", vec![]),
        ("depl*", vec![1]),
        ("d*", vec![1]),
        ("depl", vec![]),
        ("天气", vec![2]),
        ("天", vec![2]),
        ("气天", vec![]),
        ("สวัสดี", vec![3]),
        ("녕하", vec![4]),
        ("cafe", vec![5]),
        ("🦕", vec![6]),
        ("हिन्दी", vec![7]),
        ("\"the dep\"*", vec![1]),
    ] {
        let entries = history.find(&search(words)).unwrap();
        let expected: Vec<_> = found.iter().map(|at: &usize| said[*at]).collect();
        assert_eq!(texts(&entries), expected, "{words}");
    }
    assert!(matches!(
        history.find(&search("?!")),
        Err(HistoryError::NoWord(_))
    ));
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
fn a_secret_is_not_kept_in_either_direction() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
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
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
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
    let key = session.peer().public_key();
    assert_eq!(history.undelivered(key.as_ref()).unwrap(), left);
    assert!(
        history
            .undelivered(Some(&session.local_key()))
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
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
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
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    let id = session.sender().send("hi").unwrap();
    recording.sent(id, &"hi");
    recording.sent(id, &"hi");
    recording.flush(SOON).unwrap();
    assert_eq!(history.find(&search("hi")).unwrap().len(), 1);
}

#[test]
fn filters_are_by_peer_time_and_number() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (ana, _peer) = doctest_pair().unwrap();
    let (ben, _other) = doctest_pair().unwrap();
    let with_ana = history.record(&ana).unwrap();
    let with_ben = history.record(&ben).unwrap();
    say(&ana, &with_ana, &["the first", "the second"]);
    with_ana.flush(SOON).unwrap();
    let between = SystemTime::now() + Duration::from_millis(1);
    while SystemTime::now() <= between {}
    say(&ben, &with_ben, &["the third"]);
    with_ben.flush(SOON).unwrap();
    say(&ana, &with_ana, &["the fourth"]);
    with_ana.flush(SOON).unwrap();
    let all = HistoryFilter::default;
    let key = ana.peer().public_key().map(Who::Key);
    for words in [None, Some("the".to_owned())] {
        let found = |filter: HistoryFilter| {
            let search = words.clone();
            let entries = history.find(&HistoryFilter { search, ..filter }).unwrap();
            texts(&entries).join(",").replace("the ", "")
        };
        let with = key.clone();
        assert_eq!(found(all()), "first,second,third,fourth");
        assert_eq!(
            found(HistoryFilter {
                last: Some(2),
                ..all()
            }),
            "third,fourth"
        );
        assert_eq!(
            found(HistoryFilter {
                last: Some(0),
                ..all()
            }),
            ""
        );
        assert_eq!(
            found(HistoryFilter {
                with: with.clone(),
                ..all()
            }),
            "first,second,fourth"
        );
        assert_eq!(
            found(HistoryFilter {
                with,
                last: Some(2),
                ..all()
            }),
            "second,fourth"
        );
        let with = ben.peer().fingerprint().map(Who::Fingerprint);
        assert_eq!(found(HistoryFilter { with, ..all() }), "third");
        let since = Some(between);
        assert_eq!(found(HistoryFilter { since, ..all() }), "third,fourth");
        assert_eq!(
            found(HistoryFilter {
                until: since,
                ..all()
            }),
            "first,second"
        );
        assert_eq!(
            found(HistoryFilter {
                since,
                until: since,
                ..all()
            }),
            ""
        );
        let with = Some(Who::Name("nobody".into()));
        assert_eq!(found(HistoryFilter { with, ..all() }), "");
    }
}

#[test]
fn times_are_kept_to_where_clocks_are_set_and_programs_keep_things_late() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let database = connect(&folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    // Forward, back, and some in between; others are deleted meanwhile.
    let times = [
        100, 200, 200, 300, 150, 900, 400, 500, 450, 300, 950, 950, 100, 1_000,
    ];
    let about = Arc::new(About::new(0, session.peer(), session.id(), 0));
    let mut store = store::Store::new(connect(&folder.file()).unwrap(), "a test".into());
    for (number, at) in (1..).zip(times) {
        let letter = queue::Letter {
            is_own: true,
            number,
            sent: at,
            at,
            body: queue::Body::Text(format!("at {at}").into()),
            repeats: None,
        };
        let about = Arc::clone(&about);
        let what = queue::What::Message(letter);
        store.keep(&[queue::Item { about, what }]).unwrap();
    }
    let found = |filter: HistoryFilter| {
        let entries = history.find(&filter).unwrap();
        let times = entries
            .iter()
            .map(|entry| text(entry)["at ".len()..].parse());
        times.collect::<Result<Vec<i64>, _>>().unwrap()
    };
    let mut left = times.to_vec();
    for deleted in [None, Some(900), Some(1_000), Some(100)] {
        if let Some(deleted) = deleted {
            let query = "DELETE FROM messages WHERE at = ?1";
            database.execute(query, [deleted]).unwrap();
            left.retain(|at| *at != deleted);
        }
        for bound in (0..=1_050).step_by(50) {
            let at = Some(recording::time(bound));
            for search in [None, Some("at".to_owned())] {
                let since = HistoryFilter {
                    since: at,
                    search,
                    ..HistoryFilter::default()
                };
                let until = HistoryFilter {
                    until: at,
                    since: None,
                    ..since.clone()
                };
                let those = |is_so: &dyn Fn(i64) -> bool| {
                    let all = left.iter().copied();
                    all.filter(|at| is_so(*at)).collect::<Vec<_>>()
                };
                assert_eq!(found(since), those(&|at| at >= bound));
                assert_eq!(found(until), those(&|at| at < bound));
            }
        }
    }
    // What is too old is found by the same.
    store.age(400).unwrap();
    left.retain(|at| *at >= 400);
    assert_eq!(found(HistoryFilter::default()), left);
}

#[test]
fn what_is_forgotten_stands_in_no_file_any_more() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    say(
        &session,
        &recording,
        &["xylophone in the cellar", "stays here"],
    );
    recording.flush(SOON).unwrap();
    assert!(holds(&folder, b"xylophone"));
    assert_eq!(history.forget(&search("xylophone")).unwrap(), 1);
    assert!(!holds(&folder, b"xylophone"));
    assert!(!holds(&folder, b"cellar"));
    assert!(history.find(&search("cellar")).unwrap().is_empty());
    assert_eq!(
        texts(&history.find(&search("stays")).unwrap()),
        ["stays here"]
    );
    // The conversation goes on.
    say(&session, &recording, &["and more"]);
    recording.flush(SOON).unwrap();
    history.close(SOON);
    assert_eq!(history.forget(&HistoryFilter::default()).unwrap(), 2);
    history.compact().unwrap();
    assert!(history.find(&HistoryFilter::default()).unwrap().is_empty());
}

#[test]
fn of_a_conversation_that_was_forgotten_nothing_is_left() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    say(&session, &recording, &["arrives"]);
    peer.events().recv_timeout(SOON).unwrap();
    recording.event(&session.events().recv_timeout(SOON).unwrap());
    session.abort();
    listen(&session, &recording);
    recording.flush(SOON).unwrap();
    assert_eq!(history.forget(&HistoryFilter::default()).unwrap(), 1);
    drop(history);
    let database = Connection::open(folder.file()).unwrap();
    for table in ["messages", "receipts", "conversations", "peers"] {
        let count = format!("SELECT count(*) FROM {table}");
        let left: i64 = database.query_row(&count, [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[test]
fn only_the_last_are_forgotten_where_so_many_are_asked_for() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    say(
        &session,
        &recording,
        &["a note", "a note too", "else", "noted"],
    );
    recording.flush(SOON).unwrap();
    for (words, left) in [
        (Some("note*"), vec!["a note", "a note too", "else"]),
        (None, vec!["a note", "a note too"]),
        (Some("a"), vec!["a note"]),
    ] {
        let filter = HistoryFilter {
            search: words.map(str::to_owned),
            last: Some(1),
            ..HistoryFilter::default()
        };
        assert_eq!(history.forget(&filter).unwrap(), 1);
        assert_eq!(
            texts(&history.find(&HistoryFilter::default()).unwrap()),
            left
        );
    }
}

#[test]
fn what_is_older_than_the_retention_is_deleted() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    say(&session, &recording, &["old", "new"]);
    recording.flush(SOON).unwrap();
    history.close(SOON);
    drop(history);
    let database = Connection::open(folder.file()).unwrap();
    let day = 86_400_000;
    database
        .execute(
            "UPDATE messages SET at = at - ?1 WHERE body = 'old'",
            [2 * day],
        )
        .unwrap();
    drop(database);

    let history = History::open(folder.file()).unwrap();
    history.retain(Duration::from_millis(day as u64));
    let (another, _peer) = doctest_pair().unwrap();
    let _recording = history.record(&another).unwrap();
    let begun = Instant::now();
    while !history.find(&search("old")).unwrap().is_empty() {
        assert!(begun.elapsed() < SOON);
        std::thread::yield_now();
    }
    assert_eq!(
        texts(&history.find(&HistoryFilter::default()).unwrap()),
        ["new"]
    );
}

#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    recording.flush(SOON).unwrap();
    for file in fs::read_dir(&folder.0).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    history.close(SOON);
    drop(history);
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let error = History::open(folder.file()).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn a_newer_schema_a_foreign_database_and_a_damaged_file_are_told_apart_and_left_alone() {
    let folder = Folder::new();
    drop(History::open(folder.file()).unwrap());
    let database = Connection::open(folder.file()).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    let error = History::open(folder.file()).unwrap_err();
    assert!(
        matches!(
            error,
            HistoryError::Newer {
                found: 99,
                known: 1,
                ..
            }
        ),
        "{error}"
    );

    let foreign = folder.0.join("foreign");
    let database = Connection::open(&foreign).unwrap();
    database.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(database);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&foreign, mode).unwrap();
    let error = History::open(&foreign).unwrap_err();
    assert!(matches!(error, HistoryError::Foreign(_)), "{error}");

    let damaged = folder.file();
    fs::write(&damaged, "this is no database, but as long as the header of one would be: a hundred bytes and some more").unwrap();
    let before = fs::read(&damaged).unwrap();
    let error = History::open(&damaged).unwrap_err();
    assert!(matches!(error, HistoryError::Damaged { .. }), "{error}");
    assert_eq!(fs::read(&damaged).unwrap(), before);
}

#[test]
fn a_schema_is_brought_up_to_date_in_steps_and_as_a_whole() {
    let mut database = Connection::open_in_memory().unwrap();
    let first = "CREATE TABLE a (x); INSERT INTO a VALUES (1);";
    let second = "ALTER TABLE a ADD COLUMN y DEFAULT 2;";
    schema::migrate(&mut database, &[first]).unwrap();
    let broken = schema::migrate(&mut database, &[first, second, "NONSENSE"]);
    assert!(matches!(broken, Err(Unfit::Sql(_))));
    assert!(
        database.prepare("SELECT y FROM a").is_err(),
        "nothing of it is done"
    );
    schema::migrate(&mut database, &[first, second]).unwrap();
    schema::migrate(&mut database, &[first, second]).unwrap();
    let sum: i64 = database
        .query_row("SELECT sum(x + y) FROM a", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sum, 3);
    let older = schema::migrate(&mut database, &[first]);
    assert!(matches!(older, Err(Unfit::Newer { found: 2, known: 1 })));
}

#[test]
fn while_another_program_holds_the_disk_nothing_waits_and_nothing_is_called_kept() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    recording.flush(SOON).unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    say(&session, &recording, &["waits"]);
    let moment = Duration::from_millis(20);
    let not_kept = recording.flush(moment).unwrap_err();
    assert_eq!((not_kept.waiting, not_kept.missed), (1, 0));
    other.execute_batch("COMMIT").unwrap();
    recording.flush(SOON).unwrap();
    assert_eq!(texts(&history.find(&search("waits")).unwrap()), ["waits"]);
}

#[test]
fn a_receipt_and_an_end_are_called_kept_when_they_are() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    say(&session, &recording, &["arrives", "does not"]);
    recording.flush(SOON).unwrap();
    peer.events().recv_timeout(SOON).unwrap();
    let delivered = session.events().recv_timeout(SOON).unwrap();
    let other = Connection::open(folder.file()).unwrap();
    let moment = Duration::from_millis(20);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    recording.event(&delivered);
    let not_kept = recording.flush(moment).unwrap_err();
    assert_eq!((not_kept.waiting, not_kept.missed), (1, 0));
    other.execute_batch("COMMIT; BEGIN IMMEDIATE").unwrap();
    session.abort();
    listen(&session, &recording);
    recording.flush(moment).unwrap_err();
    other.execute_batch("COMMIT").unwrap();
    recording.flush(SOON).unwrap();
    assert_eq!(fates(&history), [Fate::Delivered, Fate::Unconfirmed]);
    history.close(SOON);
    recording.event(&delivered);
    recording.flush(SOON).unwrap_err();
}

#[test]
fn a_history_whose_file_is_locked_is_closed_in_time_and_says_that_it_was_locked_once() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    recording.flush(SOON).unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    say(&session, &recording, &["waits"]);
    let begun = Instant::now();
    history.close(Duration::from_millis(50));
    assert!(begun.elapsed() < PATIENCE / 2);
    let not_kept = recording.flush(SOON).unwrap_err();
    assert_eq!((not_kept.waiting, not_kept.missed), (0, 1));
    // It was not for want of room in the queue, and told it was by `flush`.
    say(&session, &recording, &["comes behind the end"]);
    assert!(history.troubles().is_empty());
}

#[test]
fn receipts_of_a_long_lock_cost_no_memory_and_the_last_is_kept() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    recording.flush(SOON).unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let large = vec![b'x'; 16 << 20];
    let mut number = 0;
    let receipts = 50_000;
    for _ in 0..10 {
        number += 1;
        recording.sent(crate::MessageId(number), &large);
        for _ in 0..receipts {
            recording.event(&Event::Delivered {
                up_to: crate::MessageId(number),
            });
        }
    }
    other.execute_batch("COMMIT").unwrap();
    recording.flush(SOON).unwrap_err();
    let database = connect(&folder.file()).unwrap();
    let count = |query| database.query_row(query, [], |row| row.get::<_, i64>(0));
    let kept = count("SELECT delivered FROM conversations").unwrap();
    assert_eq!(kept, 10);
    // 64 MiB of them, each for 128 bytes, and no more.
    let receipts_kept = count("SELECT count(*) FROM receipts").unwrap();
    let gaps = count("SELECT count(*) FROM messages WHERE direction = 2").unwrap();
    assert!(receipts_kept <= 10 && gaps <= 2, "{receipts_kept} {gaps}");
}

#[test]
fn a_message_larger_than_the_queue_leaves_a_gap() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    recording.sent(crate::MessageId(1), &vec![0; 65 << 20]);
    assert_eq!(recording.flush(SOON).unwrap_err().missed, 1);
    let all = history.find(&HistoryFilter::default()).unwrap();
    assert_eq!(all[0].content, Content::Gap(1));
}

#[test]
fn a_program_that_made_the_schema_newer_is_noticed_by_one_that_keeps_a_conversation() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    say(&session, &recording, &["before"]);
    recording.flush(SOON).unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    say(&session, &recording, &["behind"]);
    let trouble = history.troubles().recv_timeout(SOON).unwrap();
    assert!(
        matches!(trouble, HistoryError::Newer { found: 99, .. }),
        "{trouble}"
    );
    assert_eq!(recording.flush(SOON).unwrap_err().missed, 1);
    let error = history.find(&HistoryFilter::default()).unwrap_err();
    assert!(matches!(error, HistoryError::Newer { .. }), "{error}");
    assert!(history.troubles().is_empty());
}

#[test]
fn signs_of_life_of_killed_programs_that_kept_nothing_are_cleared_away() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let left = folder.0.join("history.sqlite3-live-0123456789abcdef");
    fs::write(&left, "").unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let _recording = history.record(&session).unwrap();
    assert!(!left.exists());
}

#[test]
fn what_finds_no_room_in_the_queue_is_told_once_and_leaves_a_gap() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let recording = history.record(&session).unwrap();
    say(&session, &recording, &["before"]);
    recording.flush(SOON).unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Five of them are more than the queue takes.
    let large = vec![b'x'; 16 << 20];
    for number in 102..109 {
        recording.sent(crate::MessageId(number), &large);
    }
    let trouble = history.troubles().recv_timeout(SOON).unwrap();
    assert!(matches!(trouble, HistoryError::Slow(_)), "{trouble}");
    other.execute_batch("COMMIT").unwrap();
    let not_kept = recording.flush(SOON).unwrap_err();
    assert_eq!((not_kept.waiting, not_kept.missed), (0, 4));
    say(&session, &recording, &["behind"]);
    recording.flush(SOON).unwrap_err();
    assert!(history.troubles().is_empty());
    let all = history.find(&HistoryFilter::default()).unwrap();
    let shown = all.iter().map(|entry| match &entry.content {
        Content::Text(text) => text.clone(),
        Content::Binary(_) => "large".into(),
        Content::Gap(messages) => format!("{messages} missing"),
    });
    assert_eq!(
        shown.collect::<Vec<_>>(),
        ["before", "large", "large", "large", "4 missing", "behind"]
    );
}

#[test]
fn a_full_disk_is_told_once_and_what_was_kept_stays() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let database = connect(&folder.file()).unwrap();
    let pages: i64 = database
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    let limit = pages + 20;
    database
        .pragma_update_and_check(None, "max_page_count", limit, |_| Ok(()))
        .unwrap();
    let (tell, troubles) = unbounded();
    let writer = Writer::start(database, folder.file(), tell, Arc::default()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    let about = Arc::new(About::new(0, session.peer(), session.id(), 0));
    let writer = Arc::new(writer);
    let recording = Recording::new(about, Arc::clone(&writer));
    say(&session, &recording, &["there is room for this"]);
    recording.flush(SOON).unwrap();
    for number in 2..6 {
        recording.sent(crate::MessageId(number), &vec![b'x'; 100_000]);
    }
    let trouble = troubles.recv_timeout(SOON).unwrap();
    assert!(matches!(trouble, HistoryError::Full(_)), "{trouble}");
    assert!(recording.flush(Duration::from_millis(10)).is_err());
    writer.close(Duration::ZERO);
    let not_kept = recording.flush(SOON).unwrap_err();
    assert_eq!(not_kept.waiting, 0);
    assert!(not_kept.missed >= 1);
    assert!(troubles.is_empty());
    assert_eq!(history.find(&search("room")).unwrap().len(), 1);
}
