//! What is deleted, and what is left of it.

use super::*;

#[test]
fn what_is_forgotten_stands_in_no_file_any_more() {
    let (folder, history, (session, _peer), recording) = conversation();
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
    let (folder, history, (session, peer), recording) = conversation();
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
    let (_folder, history, (session, _peer), recording) = conversation();
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
    let (folder, history, (session, _peer), recording) = conversation();
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
