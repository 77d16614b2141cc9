//! A file that is damaged, or is none: errors say so, nothing panics or hangs, and conversations go on.

#![cfg(all(feature = "history", unix))]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod support;

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::panic;
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ptp_core::{EntryId, History, HistoryError, HistoryFilter};
use rusqlite::Connection;
use support::history::{
    Folder, Program, all, goes_on, hear, is_sound, report, say, search, talker, task, texts,
};
use support::{Dice, PATIENCE, Watchdog};

/// Files that are damaged, where `PTP_SEEDS` does not say how many.
const SEEDS: u64 = 60;
/// In each of them.
const MESSAGES: u64 = 2_000;
/// A page of the database.
const PAGE: u64 = 4096;

/// Far more than all that is asked of a damaged file takes.
const LIMIT: Duration = Duration::from_secs(60);

static PANICKED: AtomicBool = AtomicBool::new(false);

/// Panics of any thread count, the writer's, too.
fn notice_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICKED.store(true, Ordering::Relaxed);
            usual(info);
        }));
    });
}

fn sentence(number: u64) -> String {
    let mut dice = Dice::new(number);
    let words = (0..12).map(|_| format!("word{}", dice.below(3_000)));
    format!("number{number} {}", words.collect::<Vec<_>>().join(" "))
}

/// A history of some thousand messages.
fn fill(file: &Path) {
    let history = History::open(file).unwrap();
    let session = talker();
    let recording = history.record(&session).unwrap();
    for number in 0..MESSAGES {
        say(&session, &recording, &sentence(number));
        if number % 100 == 0 {
            recording.flush(PATIENCE).unwrap();
        }
    }
    recording.flush(PATIENCE).unwrap();
}

/// Writes something else over some pages.
fn damage(file: &Path, dice: &mut Dice) {
    let length = fs::metadata(file).unwrap().len();
    let file = File::options().read(true).write(true).open(file).unwrap();
    for _ in 0..=dice.below(10) {
        let mut page = vec![0; PAGE as usize];
        let at = dice.below(length / PAGE) * PAGE;
        match dice.below(5) {
            0 => {}
            1 => page.fill_with(|| dice.below(256) as u8),
            2 => file
                .read_exact_at(&mut page, dice.below(length / PAGE) * PAGE)
                .unwrap(),
            _ => {
                // Single bytes, of which most of the page still makes sense.
                file.read_exact_at(&mut page, at).unwrap();
                let within = [64, PAGE][dice.below(2) as usize];
                for _ in 0..=dice.below(8) {
                    page[dice.below(within) as usize] = dice.below(256) as u8;
                }
            }
        }
        file.write_all_at(&page, at).unwrap();
    }
}

/// Whether this is what may be said of a damaged file.
fn says_so(error: &HistoryError) {
    match error {
        // What makes it a history, and of which version, is damaged.
        HistoryError::Damaged { .. } | HistoryError::Foreign(_) | HistoryError::Newer { .. } => {}
        error => panic!("{error:?}"),
    }
}

/// Asks everything of a history that there is to ask, and keeps a conversation in it.
fn use_it(file: &Path) {
    let history = match History::open(file) {
        Ok(history) => history,
        Err(error) => return says_so(&error),
    };
    let ask = |filter: &HistoryFilter| history.find(filter).map(|found| found.len());
    let last = HistoryFilter {
        last: Some(20),
        ..search("word7*")
    };
    for filter in [all(), search("word1"), search("\"word1 word2\""), last] {
        ask(&filter).map_or_else(|error| says_so(&error), drop);
    }
    let undelivered = history.undelivered(None);
    let some: Vec<EntryId> = match undelivered {
        Ok(entries) => entries.iter().map(|entry| entry.id).take(5).collect(),
        Err(error) => {
            says_so(&error);
            Vec::new()
        }
    };
    history
        .settle(&some)
        .unwrap_or_else(|error| says_so(&error));
    let session = talker();
    match history.record(&session) {
        Ok(recording) => {
            for number in 0..50 {
                say(&session, &recording, &sentence(number));
            }
            goes_on(&session);
            let kept = recording.flush(PATIENCE);
            let troubles: Vec<_> = history.troubles().try_iter().collect();
            troubles.iter().for_each(says_so);
            assert_eq!(kept.is_err(), !troubles.is_empty(), "{kept:?} {troubles:?}");
            assert!(troubles.len() <= 1);
            goes_on(&session);
        }
        Err(error) => says_so(&error),
    }
    history
        .forget(&search("word3*"))
        .map_or_else(|error| says_so(&error), drop);
    history.compact().unwrap_or_else(|error| says_so(&error));
}

#[test]
fn a_file_that_is_damaged_anywhere_is_called_so_and_holds_nothing_up() {
    notice_panics();
    let folder = Folder::new();
    let whole = folder.0.join("whole");
    fill(&whole);
    let seeds = match env::var("PTP_SEED") {
        Ok(seed) => {
            let seed = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => 0..env::var("PTP_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap()),
    };
    for seed in seeds {
        let _watchdog = Watchdog::new(format!("PTP_SEED={seed}"), LIMIT);
        let damaged = folder.0.join(format!("damaged-{seed}"));
        fs::copy(&whole, &damaged).unwrap();
        damage(&damaged, &mut Dice::new(seed));
        let done = panic::catch_unwind(|| use_it(&damaged));
        assert!(done.is_ok(), "PTP_SEED={seed}");
        assert!(!PANICKED.load(Ordering::Relaxed), "PTP_SEED={seed}");
        let _ = fs::remove_file(damaged);
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_called_damaged_or_is_begun_anew_where_nothing_is_left() {
    let folder = Folder::new();
    let whole = folder.0.join("whole");
    fill(&whole);
    let length = fs::metadata(&whole).unwrap().len();
    let mut dice = Dice::new(1);
    let somewhere = (0..12).map(|_| dice.below(length));
    for length in [0, 1, 99, 100, 4095, 4096, 8192, length - 1]
        .into_iter()
        .chain(somewhere)
    {
        let _watchdog = Watchdog::new(format!("{length} bytes"), LIMIT);
        let cut = folder.0.join(format!("cut-{length}"));
        fs::copy(&whole, &cut).unwrap();
        File::options()
            .write(true)
            .open(&cut)
            .unwrap()
            .set_len(length)
            .unwrap();
        use_it(&cut);
        if length == 0 {
            is_sound(&cut);
        }
    }
}

#[test]
fn a_log_of_changes_that_is_cut_off_or_damaged_anywhere_loses_only_what_stood_behind() {
    const TEST: &str =
        "a_log_of_changes_that_is_cut_off_or_damaged_anywhere_loses_only_what_stood_behind";
    if let Some(task) = task() {
        let history = History::open(&task[0]).unwrap();
        let session = talker();
        let recording = history.record(&session).unwrap();
        for number in 0..100 {
            say(&session, &recording, &sentence(number));
            recording.flush(PATIENCE).unwrap();
        }
        report("kept");
        hear();
        return;
    }
    let folder = Folder::new();
    let program = Program::start(TEST, &[folder.file().as_os_str()]);
    program.until("kept");
    program.kill();
    let log = folder.0.join("history.sqlite3-wal");
    let length = fs::metadata(&log).unwrap().len();
    let mut dice = Dice::new(2);
    let mut found = Vec::new();
    for case in 0..24 {
        let _watchdog = Watchdog::new(format!("case {case}"), LIMIT);
        let copy = folder.0.join(format!("copy-{case}"));
        fs::copy(folder.file(), &copy).unwrap();
        let beside = folder.0.join(format!("copy-{case}-wal"));
        fs::copy(&log, &beside).unwrap();
        let file = File::options().write(true).open(&beside).unwrap();
        let at = match case {
            0 => length,
            1 => 0,
            _ => dice.below(length),
        };
        match case % 2 {
            0 => file.set_len(at).unwrap(),
            _ => file
                .write_all_at(&[dice.below(256) as u8; 100], at)
                .unwrap(),
        }
        let history = History::open(&copy).unwrap();
        let kept = texts(&history, &all());
        let said = (0..kept.len() as u64).map(sentence);
        assert_eq!(kept, said.collect::<Vec<_>>());
        found.push(kept.len());
        drop(history);
        is_sound(&copy);
        use_it(&copy);
    }
    assert_eq!(found[0], 100);
    assert!(
        found.iter().any(|count| (1..100).contains(count)),
        "{found:?}"
    );
}

#[test]
fn what_is_no_file_of_ones_own_is_refused_and_left_alone() {
    let folder = Folder::new();
    fill(&folder.file());
    let refused = |path: &Path| match History::open(path) {
        Err(HistoryError::File(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let link = folder.0.join("link");
    symlink(folder.file(), &link).unwrap();
    refused(&link);
    let nowhere = folder.0.join("nowhere");
    symlink(folder.0.join("absent"), &nowhere).unwrap();
    refused(&nowhere);
    assert!(!folder.0.join("absent").exists());
    let inside = folder.0.join("a folder");
    fs::create_dir(&inside).unwrap();
    refused(&inside);
    refused(&folder.file().join("below a file"));
    for mode in [0o640, 0o604, 0o660, 0o666, 0o601] {
        fs::set_permissions(folder.file(), fs::Permissions::from_mode(mode)).unwrap();
        let error = refused(&folder.file());
        assert!(error.contains("chmod 600"), "{error}");
    }
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o600)).unwrap();
    is_sound(&folder.file());
}

#[test]
fn what_may_only_be_read_is_read_and_not_written() {
    let folder = Folder::new();
    fill(&folder.file());
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o400)).unwrap();
    if File::options().write(true).open(folder.file()).is_ok() {
        // Root may do all.
        return;
    }
    let history = History::open(folder.file()).unwrap();
    assert_eq!(texts(&history, &search("number7")), [sentence(7)]);
    let error = history.forget(&search("number7")).unwrap_err();
    assert!(matches!(error, HistoryError::Refused { .. }), "{error:?}");
    let session = talker();
    let recording = history.record(&session).unwrap();
    say(&session, &recording, "not kept");
    let trouble = history.troubles().recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(trouble, HistoryError::Refused { .. }),
        "{trouble:?}"
    );
    goes_on(&session);
    history.close(Duration::ZERO);
    drop(history);

    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o500)).unwrap();
    let recorded = History::open(folder.file()).and_then(|history| history.record(&session));
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).unwrap();
    let error = recorded.unwrap_err();
    assert!(
        matches!(error, HistoryError::File(_) | HistoryError::Refused { .. }),
        "{error:?}"
    );
}

#[test]
fn a_history_that_is_removed_while_it_is_kept_ends_no_conversation() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let session = talker();
    let recording = history.record(&session).unwrap();
    say(&session, &recording, "before");
    recording.flush(PATIENCE).unwrap();
    for name in folder.names() {
        fs::remove_file(folder.0.join(name)).unwrap();
    }
    say(&session, &recording, "behind");
    let _ = recording.flush(PATIENCE);
    let _ = history.find(&all());
    goes_on(&session);
    drop((recording, history));
    let again = History::open(folder.file()).unwrap();
    assert!(again.find(&all()).unwrap().is_empty());
}

#[test]
fn tables_of_a_history_that_somebody_dropped_are_called_damage() {
    let folder = Folder::new();
    fill(&folder.file());
    let database = Connection::open(folder.file()).unwrap();
    database.execute_batch("DROP TABLE messages").unwrap();
    drop(database);
    let history = History::open(folder.file()).unwrap();
    let error = history.find(&all()).unwrap_err();
    assert!(matches!(error, HistoryError::Damaged { .. }), "{error:?}");
    use_it(&folder.file());
}
