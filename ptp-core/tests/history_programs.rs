//! Several programs keep their conversations in one history, and others read it meanwhile.

#![cfg(all(feature = "history", unix))]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

use ptp_core::{Fate, History};
use support::PATIENCE;
use support::history::{
    Folder, Program, all, hear, is_sound, report, say, search, talker, task, text,
};

/// Of each program.
const MESSAGES: usize = 3_000;
/// Histories that are begun by several programs at the same moment.
const BEGINNINGS: usize = 25;

fn sentence(program: &str, number: usize) -> String {
    format!("program{program} says its sentence{number}")
}

/// Keeps a conversation of many messages, as fast as it can.
fn write(file: &Path, program: &str) {
    let history = History::open(file).unwrap();
    let session = talker();
    report("ready");
    hear();
    let recording = history.record(&session).unwrap();
    for number in 1..=MESSAGES {
        say(&session, &recording, &sentence(program, number));
        if number % 500 == 0 {
            recording.flush(PATIENCE).unwrap();
        }
    }
    recording.flush(PATIENCE).unwrap();
    let troubles: Vec<_> = history.troubles().try_iter().collect();
    assert!(troubles.is_empty(), "{troubles:?}");
    report("done");
}

/// So many programs write at the same time, and this one reads.
fn write_together(test: &str, count: usize) {
    if let Some(task) = task() {
        return write(&task[0], task[1].to_str().unwrap());
    }
    let folder = Folder::new();
    let file = folder.file();
    let mut programs: Vec<_> = (0..count)
        .map(|number| {
            let number = number.to_string();
            Program::start(test, &[file.as_os_str(), OsStr::new(&number)])
        })
        .collect();
    programs.iter().for_each(|program| program.until("ready"));
    for program in &mut programs {
        program.tell("go");
    }
    let history = History::open(&file).unwrap();
    let mut longest = Duration::ZERO;
    let mut done = 0;
    let mut before = 0;
    while done < count {
        let begun = Instant::now();
        let found = history.find(&search("\"says its\"")).unwrap().len();
        longest = longest.max(begun.elapsed());
        assert!(found >= before, "what was found is lost again");
        before = found;
        let ended = |program: &&Program| program.says.try_iter().any(|line| line == "done");
        done += programs.iter().filter(ended).count();
    }
    programs.into_iter().for_each(Program::ends);
    println!("{count} programs: a search took {longest:?} at the most");
    let mut kept: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for entry in history.find(&all()).unwrap() {
        assert!(matches!(entry.fate, Fate::Delivered | Fate::Unconfirmed));
        let texts = kept.entry(entry.conversation).or_default();
        texts.push(text(&entry).to_owned());
        assert_eq!(entry.number, texts.len() as u64);
    }
    let mut kept: Vec<_> = kept.into_values().collect();
    kept.sort();
    let said = (0..count).map(|program| {
        let program = program.to_string();
        let sentences = (1..=MESSAGES).map(|number| sentence(&program, number));
        sentences.collect::<Vec<_>>()
    });
    assert_eq!(kept, said.collect::<Vec<_>>());
    assert_eq!(history.find(&search("sentence777")).unwrap().len(), count);
    is_sound(&file);
    assert_eq!(folder.signs_of_life(), 0);
}

#[test]
fn two_programs_that_write_at_the_same_time_lose_nothing() {
    write_together("two_programs_that_write_at_the_same_time_lose_nothing", 2);
}

#[test]
fn four_programs_that_write_at_the_same_time_lose_nothing() {
    write_together("four_programs_that_write_at_the_same_time_lose_nothing", 4);
}

#[test]
fn programs_that_begin_the_same_history_at_the_same_moment_all_succeed() {
    if let Some(task) = task() {
        report("ready");
        while let Some(number) = hear() {
            let history = History::open(task[0].join(number)).unwrap();
            let session = talker();
            let recording = history.record(&session).unwrap();
            say(&session, &recording, "the first");
            recording.flush(PATIENCE).unwrap();
            assert!(history.troubles().is_empty());
            report("done");
        }
        return;
    }
    let folder = Folder::new();
    let test = "programs_that_begin_the_same_history_at_the_same_moment_all_succeed";
    let mut programs: Vec<_> = (0..6)
        .map(|_| Program::start(test, &[folder.0.as_os_str()]))
        .collect();
    programs.iter().for_each(|program| program.until("ready"));
    for number in 0..BEGINNINGS {
        for program in &mut programs {
            program.tell(&number.to_string());
        }
        programs.iter().for_each(|program| program.until("done"));
        let file = folder.0.join(number.to_string());
        let history = History::open(&file).unwrap();
        assert_eq!(history.find(&all()).unwrap().len(), programs.len());
        is_sound(&file);
    }
    programs.into_iter().for_each(Program::ends);
}
