//! Searches, each beside `grep` where that can look for the same.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use ptp_core::HistoryFilter;

use super::Kept;
use crate::Result;
use crate::table::median;

/// How many of those that are found are asked for.
const LAST: u64 = 50;

/// What is searched for, and what `grep` then looks for.
struct Search {
    what: &'static str,
    filter: HistoryFilter,
    grep: Option<&'static str>,
}

fn searches(kept: &Kept) -> Vec<Search> {
    let search = |what, words: &str, grep| Search {
        what,
        filter: HistoryFilter {
            search: Some(words.to_owned()),
            last: Some(LAST),
            ..HistoryFilter::default()
        },
        grep,
    };
    let with = |mut search: Search| {
        search.filter.with = Some(kept.few.clone());
        search
    };
    let since = |mut search: Search| {
        search.filter.since = Some(kept.middle);
        search
    };
    let until = |mut search: Search| {
        search.filter.until = Some(kept.middle);
        search
    };
    vec![
        search("a word in every third message", "the", Some("the")),
        search("a word in 1 of 10,000", "quetzalcode", Some("quetzalcode")),
        search(
            "a word that is there once",
            "zanzibarite",
            Some("zanzibarite"),
        ),
        search(
            "a word that is never there",
            "zanzibarites",
            Some("zanzibarites"),
        ),
        search(
            "a phrase in 1 of 100",
            "\"good morning\"",
            Some("good morning"),
        ),
        search(
            "a phrase in 1 of 10,000",
            "\"purple elephant\"",
            Some("purple elephant"),
        ),
        search(
            "a phrase of common words, never there",
            "\"you the\"",
            Some("you the"),
        ),
        search("a beginning of 1 letter", "t*", None),
        search("a beginning of 2 letters", "th*", None),
        search("a beginning of 3 letters", "dep*", None),
        search("a beginning of 4 letters", "depl*", None),
        search("two words, both common", "the you", None),
        search("two words, one rare", "the quetzalcode", None),
        search("1 Chinese character", "的", Some("的")),
        search("2 Chinese characters, 1 of 100", "中文", Some("中文")),
        search("2 Chinese characters, never there", "我的", Some("我的")),
        search(
            "4 Chinese characters, 1 of 10,000",
            "人工智能",
            Some("人工智能"),
        ),
        search("4 Chinese characters, once", "量子纠缠", Some("量子纠缠")),
        search("Thai, often", "สวัสดี", Some("สวัสดี")),
        search("Thai, 1 of 10,000", "ประชาธิปไตย", Some("ประชาธิปไตย")),
        search("Korean, often", "안녕하세요", Some("안녕하세요")),
        search("Korean, a part of a word", "양이", Some("양이")),
        search("an emoji", "😀", Some("😀")),
        with(search("with one of 1 %: a common word", "the", None)),
        with(search(
            "with one of 1 %: a phrase, never there",
            "\"you the\"",
            None,
        )),
        since(search("since the middle: a common word", "the", None)),
        until(search("until the middle: a common word", "the", None)),
        since(search("since the middle: a rare word", "quetzalcode", None)),
        until(search(
            "until the middle: once, before it",
            "zanzibarite",
            None,
        )),
        since(with(search(
            "since the middle, with one of 1 %",
            "the",
            None,
        ))),
        Search {
            what: "no words: the last",
            filter: HistoryFilter {
                last: Some(LAST),
                ..HistoryFilter::default()
            },
            grep: None,
        },
        Search {
            what: "no words: the last with one of 1 %",
            filter: HistoryFilter {
                with: Some(kept.few.clone()),
                last: Some(LAST),
                ..HistoryFilter::default()
            },
            grep: None,
        },
        Search {
            what: "no words: the last before the middle",
            filter: HistoryFilter {
                until: Some(kept.middle),
                last: Some(LAST),
                ..HistoryFilter::default()
            },
            grep: None,
        },
    ]
}

/// In milliseconds.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let begun = Instant::now();
    let done = work()?;
    Ok((begun.elapsed().as_secs_f64() * 1e3, done))
}

/// The whole command: it counts the lines, and so reads them all.
fn grep(locale: &str, words: &str, lines: &Path) -> Result<()> {
    let mut command = Command::new("grep");
    command
        .env("LC_ALL", locale)
        .args(["-F", "-c", "--", words]);
    // Where nobody reads what it says it stops at the first that it finds.
    command.arg(lines).stdout(Stdio::piped()).output()?;
    Ok(())
}

/// Does each search so many times, and `grep` a quarter as often, in turn with it.
pub(super) fn run(kept: &Kept, times: u32) -> Result<()> {
    println!("\n| search | found | median, ms | max | grep, C | grep, UTF-8 | grep/ptp |");
    println!("|---|---|---|---|---|---|---|");
    for search in searches(kept) {
        let find = || Ok(kept.history.find(&search.filter)?.len());
        let (_, found) = timed(find)?;
        let (mut ours, mut plain, mut unicode) = (Vec::new(), Vec::new(), Vec::new());
        for time in 0..times {
            ours.push(timed(find)?.0);
            if let Some(words) = search.grep.filter(|_| time % 4 == 0) {
                plain.push(timed(|| grep("C", words, &kept.lines))?.0);
                unicode.push(timed(|| grep("C.UTF-8", words, &kept.lines))?.0);
            }
        }
        let max = ours.iter().copied().fold(0.0, f64::max);
        let middle = median(ours);
        print!("| {} | {found} | {middle:.2} | {max:.2} |", search.what);
        match plain.is_empty() {
            true => println!(" | | |"),
            false => {
                let (plain, unicode) = (median(plain), median(unicode));
                println!(" {plain:.1} | {unicode:.1} | {:.1} |", plain / middle);
            }
        }
    }
    Ok(())
}
