//! A disk that is full, or slow: the conversation goes on at its speed, what was kept stays, and what
//! is not kept is told and shown.
//!
//! The test of a disk that gets room again is ignored, because it needs root: docs/testing.md says how
//! to run it.

#![cfg(all(feature = "history", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ptp_core::{Content, Entry, History, HistoryError, Recording, Session};
use rusqlite::Connection;
use support::PATIENCE;
use support::history::{
    Folder, MOMENT, Program, all, goes_on, is_sound, report, say, search, talker, task, text,
};

/// So long ten thousand messages may take that somebody tells: a loaded machine is no failure.
const AT_ONCE: Duration = Duration::from_secs(1);
const MIB: usize = 1024 * 1024;

/// More than a kibibyte.
fn page(number: u64) -> String {
    format!("page{number} {}", "x".repeat(1_200))
}

/// Says pages, with these numbers.
fn say_pages(session: &Session, recording: &Recording, numbers: std::ops::Range<u64>) {
    for number in numbers {
        say(session, recording, &page(number));
    }
}

fn are_pages(entries: &[Entry]) {
    for (number, entry) in (0..).zip(entries) {
        assert_eq!(text(entry), page(number));
    }
}

#[test]
fn a_file_that_may_not_grow_is_told_once_and_holds_nothing_up() {
    const TEST: &str = "a_file_that_may_not_grow_is_told_once_and_holds_nothing_up";
    let Some(task) = task() else {
        let folder = Folder::new();
        // Blocks of 512 bytes; what is beyond them is refused, and not ended by a signal.
        let commands = "trap '' XFSZ; ulimit -f 6144";
        let file = folder.file();
        let program = Program::behind(commands, TEST, &[file.as_os_str()]);
        program.until("done");
        program.ends();
        let history = History::open(&file).unwrap();
        let kept = history.find(&all()).unwrap();
        assert!(kept.len() >= 100, "{}", kept.len());
        are_pages(&kept);
        assert_eq!(history.find(&search("page99")).unwrap().len(), 1);
        return is_sound(&file);
    };
    let history = History::open(&task[0]).unwrap();
    let session = talker();
    let recording = history.record(&session).unwrap();
    say_pages(&session, &recording, 0..100);
    recording.flush(PATIENCE).unwrap();
    let begun = Instant::now();
    say_pages(&session, &recording, 100..10_000);
    goes_on(&session);
    assert!(begun.elapsed() < PATIENCE);
    let trouble = history.troubles().recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(
            trouble,
            HistoryError::Refused { .. } | HistoryError::Full(_)
        ),
        "{trouble:?}"
    );
    let not_kept = recording.flush(MOMENT).unwrap_err();
    assert!(not_kept.waiting > 0 && not_kept.missed == 0, "{not_kept}");
    goes_on(&session);
    assert_eq!(history.find(&search("page42")).unwrap().len(), 1);
    history.close(MOMENT);
    assert_eq!(recording.flush(MOMENT).unwrap_err().waiting, 0);
    assert!(history.troubles().is_empty());
    report("done");
}

#[test]
#[ignore = "needs root"]
fn a_disk_that_gets_room_again_takes_all_that_waited() {
    const TEST: &str = "a_disk_that_gets_room_again_takes_all_that_waited";
    let Some(task) = task() else {
        let folder = Folder::new();
        // Seen by that program alone, and gone with it.
        let commands = format!("mount -t tmpfs -o size=64m none {}", folder.0.display());
        let program = Program::apart(&commands, TEST, &[folder.file().as_os_str()]);
        program.until("done");
        return program.ends();
    };
    let file = &task[0];
    let ballast = file.with_file_name("ballast");
    let history = History::open(file).unwrap();
    let session = talker();
    let recording = history.record(&session).unwrap();
    say_pages(&session, &recording, 0..100);
    recording.flush(PATIENCE).unwrap();
    // As much as there is room for.
    fs::write(&ballast, vec![1; 64 * MIB]).unwrap_err();
    say_pages(&session, &recording, 100..1_000);
    let trouble = history.troubles().recv_timeout(PATIENCE).unwrap();
    assert!(matches!(trouble, HistoryError::Full(_)), "{trouble:?}");
    assert!(recording.flush(MOMENT).unwrap_err().waiting > 0);
    goes_on(&session);
    assert_eq!(history.find(&search("page42")).unwrap().len(), 1);
    fs::remove_file(&ballast).unwrap();
    recording.flush(PATIENCE).unwrap();
    say_pages(&session, &recording, 1_000..1_100);
    recording.flush(PATIENCE).unwrap();
    let kept = history.find(&all()).unwrap();
    assert_eq!(kept.len(), 1_100);
    are_pages(&kept);
    assert!(history.troubles().is_empty());
    is_sound(file);
    report("done");
}

/// What this process holds now, or held at the most, in bytes: a line of /proc/self/status.
fn memory(line: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|it| it.strip_prefix(line)).unwrap();
    let kib = value.trim_start_matches(':').trim().trim_end_matches(" kB");
    kib.parse::<usize>().unwrap() * 1024
}

/// Another program's transaction.
fn lock(file: &Path) -> Connection {
    let other = Connection::open(file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

/// Says so many messages of this size while the disk takes nothing, and gives back how long telling of
/// them took.
fn say_into_the_void(
    session: &Session,
    recording: &Recording,
    count: usize,
    size: usize,
) -> Duration {
    let body = vec![b'x'; size];
    let mut told = Duration::ZERO;
    for _ in 0..count {
        let id = session.sender().send(&body[..]).unwrap();
        let begun = Instant::now();
        recording.sent(id, &body);
        told += begun.elapsed();
        for event in session.events().try_iter() {
            let begun = Instant::now();
            recording.event(&event);
            told += begun.elapsed();
        }
    }
    told
}

#[test]
fn a_slow_disk_costs_64_mib_and_no_time_and_what_finds_no_room_is_shown() {
    const TEST: &str = "a_slow_disk_costs_64_mib_and_no_time_and_what_finds_no_room_is_shown";
    let Some(task) = task() else {
        // Alone in a process: the memory of other tests would be counted with it.
        let folder = Folder::new();
        let program = Program::start(TEST, &[folder.file().as_os_str()]);
        program.until("full");
        program.until("done");
        return program.ends();
    };
    let history = History::open(&task[0]).unwrap();
    let session = talker();
    let recording = history.record(&session).unwrap();
    recording.flush(PATIENCE).unwrap();
    let other = lock(&task[0]);
    let told = say_into_the_void(&session, &recording, 10_000, 100);
    assert!(told < AT_ONCE, "{told:?}");
    let before = memory("VmRSS");
    // The highest mark starts anew where the system lets it.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let told = say_into_the_void(&session, &recording, 5_000, 16 * 1024);
    assert!(told < AT_ONCE, "{told:?}");
    let took = memory("VmHWM").saturating_sub(before);
    assert!(took < 100 * MIB, "{} MiB", took / MIB);
    report("full");
    // Whoever reads waits for nothing.
    let begun = Instant::now();
    assert!(history.find(&all()).unwrap().is_empty());
    assert!(begun.elapsed() < AT_ONCE);
    other.execute_batch("COMMIT").unwrap();

    let missed = recording.flush(PATIENCE).unwrap_err().missed;
    say(&session, &recording, "there is room again");
    recording.flush(PATIENCE).unwrap_err();
    let all = history.find(&all()).unwrap();
    let gaps = all.iter().filter_map(|entry| match entry.content {
        Content::Gap(messages) => Some(messages),
        _ => None,
    });
    let gaps: Vec<_> = gaps.collect();
    assert_eq!(gaps.iter().sum::<u64>(), missed);
    assert_eq!((all.len() - gaps.len()) as u64 + missed, 15_001);
    assert!(missed > 800, "{missed}");
    let slow = history.troubles().try_iter();
    let slow: Vec<_> = slow
        .filter(|trouble| matches!(trouble, HistoryError::Slow(_)))
        .collect();
    assert_eq!(slow.len(), 1);
    report("done");
}
