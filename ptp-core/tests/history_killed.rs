//! A program that keeps its conversations is killed at any moment: what was called kept is there, once
//! and whole, and nothing is broken.

#![cfg(all(feature = "history", unix))]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use ptp_core::{Event, Fate, History, Secret};
use support::history::{
    Folder, Program, all, hear, is_sound, report, say, search, talker, task, text, texts,
};
use support::{Dice, Line, PATIENCE, pair};

const NAME: &str = "what_a_killed_program_called_kept_is_kept_once_and_found";
/// How often it is killed, where `PTP_KILLS` does not say.
const KILLS: u64 = 20;
/// What it says at the most, if nobody kills it before.
const MESSAGES: u64 = 300;

/// What is said as so many-th in a round: from a few words to some pages of the database.
fn sentence(round: u64, number: u64) -> String {
    let length = Dice::new(round * 1_000_003 + number).below(1 << (number % 14));
    let filling = "and so on ".repeat(length as usize / 10);
    format!("round{round} word{round}x{number} 第{number}句 {filling}.")
}

/// In even rounds nobody takes what is said.
fn is_heard(round: u64) -> bool {
    round % 2 == 1
}

/// Keeps a conversation until it is killed.
fn converse(file: &Path, round: u64) {
    let history = History::open(file).unwrap();
    let (session, _silent) = match is_heard(round) {
        true => (talker(), None),
        false => {
            let (session, peer) = pair(Line::Memory(64 * 1024));
            (session, Some(peer))
        }
    };
    let recording = history.record(&session).unwrap();
    let mut dice = Dice::new(round);
    report("begins");
    for number in 1..=MESSAGES {
        say(&session, &recording, &sentence(round, number));
        if dice.below(10) == 0 {
            recording.flush(PATIENCE).unwrap();
            report(format!("kept {number}"));
        }
    }
    // It is only killed.
    hear();
}

/// Has a program say something until it is killed; returns what it called kept.
fn kill(file: &Path, round: u64, dice: &mut Dice) -> u64 {
    let number = round.to_string();
    let program = Program::start(NAME, &[file.as_os_str(), OsStr::new(&number)]);
    let is_early = dice.below(10) == 0;
    if !is_early {
        program.until("begins");
    }
    let mut said = Vec::new();
    // So many times it says that something is kept, and then a part of the next.
    for _ in 0..dice.below(20) {
        said.extend(
            program
                .says
                .recv_timeout(Duration::from_millis(dice.below(20))),
        );
    }
    let moment = Duration::from_micros(dice.below(10_000));
    said.extend(program.says.recv_timeout(moment));
    said.extend(program.kill());
    let kept = said.iter().filter_map(|line| line.strip_prefix("kept "));
    kept.map(|number| number.parse().unwrap())
        .next_back()
        .unwrap_or(0)
}

/// Looks at what is kept of a round; returns how much that is, and how much is not delivered.
fn check(history: &History, round: u64, kept: u64) -> (u64, u64) {
    let found = history.find(&search(&format!("round{round}"))).unwrap();
    let own: Vec<_> = found.iter().filter(|entry| entry.fate.is_own()).collect();
    assert!(own.len() as u64 >= kept, "{} of {kept}", own.len());
    for (number, entry) in (1..).zip(&own) {
        assert_eq!(entry.number, number);
        assert_eq!(text(entry), sentence(round, number));
    }
    for number in [1, kept].into_iter().filter(|_| kept != 0) {
        let words = format!("\"word{round}x{number} 第{number}句\"");
        assert_eq!(texts(history, &search(&words)), [sentence(round, number)]);
    }
    let fates = own.iter().map(|entry| entry.fate);
    let undelivered = fates.filter(|fate| *fate == Fate::Unconfirmed).count();
    let delivered = own.iter().filter(|entry| entry.fate == Fate::Delivered);
    assert_eq!(delivered.count() + undelivered, own.len());
    assert!(is_heard(round) || undelivered == own.len());
    (own.len() as u64, undelivered as u64)
}

#[test]
fn what_a_killed_program_called_kept_is_kept_once_and_found() {
    if let Some(task) = task() {
        let round = task[1].to_str().unwrap().parse().unwrap();
        return converse(&task[0], round);
    }
    let kills = env::var("PTP_KILLS").map_or(KILLS, |number| number.parse().unwrap());
    let seed = env::var("PTP_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("PTP_SEED={seed}");
    let mut dice = Dice::new(seed);
    let folder = Folder::new();
    let mut rounds = BTreeMap::new();
    for round in 0..kills {
        let kept = kill(&folder.file(), round, &mut dice);
        let history = History::open(folder.file()).unwrap();
        // The fates of the dead are known from here on.
        history.undelivered(None).unwrap();
        rounds.insert(round, check(&history, round, kept));
    }
    is_sound(&folder.file());
    let history = History::open(folder.file()).unwrap();
    let total: u64 = rounds.values().map(|(kept, _)| kept).sum();
    println!("{total} messages are kept");
    assert!(total > kills, "it was always killed too early");
    assert_eq!(history.find(&all()).unwrap().len() as u64, total);
    let undelivered = history.undelivered(None).unwrap();
    let expected: u64 = rounds.values().map(|(_, undelivered)| undelivered).sum();
    assert_eq!(undelivered.len() as u64, expected);
    for (round, before) in rounds {
        assert_eq!(check(&history, round, before.0), before);
    }
    // Of those that were killed before they had kept anything whoever writes next clears away.
    let session = talker();
    let recording = history.record(&session).unwrap();
    assert_eq!(folder.signs_of_life(), 1);
    drop((recording, history));
    assert_eq!(folder.signs_of_life(), 0);
}

#[test]
fn a_secret_stands_in_no_file_of_a_killed_program() {
    if let Some(task) = task() {
        let history = History::open(&task[0]).unwrap();
        let (session, peer) = pair(Line::Memory(64 * 1024));
        let recording = history.record(&session).unwrap();
        for number in 0..50 {
            let secret = Secret(format!("sesame {number}"));
            let id = session.sender().send(secret.clone()).unwrap();
            recording.sent(id, &secret);
            peer.sender().send(secret).unwrap();
            let id = session.sender().send("no secret").unwrap();
            recording.sent(id, &"no secret");
            peer.sender().send("none either").unwrap();
        }
        // Both are told to it: a hundred that came.
        let mut came = 0;
        while came < 100 {
            let event = session.events().recv_timeout(PATIENCE).unwrap();
            came += u32::from(matches!(event, Event::Received(_)));
            recording.event(&event);
        }
        recording.flush(PATIENCE).unwrap();
        report("told");
        hear();
        return;
    }
    let folder = Folder::new();
    let test = "a_secret_stands_in_no_file_of_a_killed_program";
    let program = Program::start(test, &[folder.file().as_os_str()]);
    program.until("told");
    program.kill();
    assert!(folder.names().iter().any(|name| name.ends_with("-wal")));
    assert!(folder.holds(b"no secret") && folder.holds(b"none either"));
    assert!(!folder.holds(b"sesame"));
    let history = History::open(folder.file()).unwrap();
    assert_eq!(history.find(&all()).unwrap().len(), 100);
    drop(history);
    assert!(!folder.holds(b"sesame"));
}
