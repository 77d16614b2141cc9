//! Where something can't be kept: locks, full disks, full queues.

use super::*;

#[test]
fn while_another_program_holds_the_disk_nothing_waits_and_nothing_is_called_kept() {
    let (folder, history, (session, _peer), recording) = conversation();
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
    let (folder, history, (session, peer), recording) = conversation();
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
    let (folder, history, (session, _peer), recording) = conversation();
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
    let (folder, _history, _sides, recording) = conversation();
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
    let (_folder, history, _sides, recording) = conversation();
    recording.sent(crate::MessageId(1), &vec![0; 65 << 20]);
    assert_eq!(recording.flush(SOON).unwrap_err().missed, 1);
    let all = history.find(&HistoryFilter::default()).unwrap();
    assert_eq!(all[0].content, Content::Gap(1));
}

#[test]
fn what_finds_no_room_in_the_queue_is_told_once_and_leaves_a_gap() {
    let (folder, history, (session, _peer), recording) = conversation();
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

#[test]
fn a_history_that_was_moved_away_is_noticed_and_nothing_more_is_called_kept() {
    let (folder, history, (session, _peer), recording) = conversation();
    say(&session, &recording, &["before"]);
    recording.flush(SOON).unwrap();
    fs::rename(folder.file(), folder.0.join("elsewhere")).unwrap();
    say(&session, &recording, &["behind"]);
    assert!(recording.flush(SOON).is_err());
    let trouble = history.troubles().recv_timeout(SOON).unwrap();
    assert!(matches!(trouble, HistoryError::Gone(_)), "{trouble}");
    say(&session, &recording, &["more"]);
    assert!(history.troubles().is_empty());
}
