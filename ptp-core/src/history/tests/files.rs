//! The file: whose it is, what it is, and the signs of life beside it.

use super::*;

#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, history, _sides, recording) = conversation();
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
fn a_program_that_made_the_schema_newer_is_noticed_by_one_that_keeps_a_conversation() {
    let (folder, history, (session, _peer), recording) = conversation();
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
