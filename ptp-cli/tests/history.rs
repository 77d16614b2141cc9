//! `ptp history`, from outside.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

#[path = "json/schema.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod schema;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use schema::Schema;
use serde_json::Value;
use support::past::Past;
use support::terminal::Terminal;
use support::{Ended, Home, Ptp, pair};

/// `ptp history` in this home, in a zone that has no summer time.
fn command(home: &Home, args: &[&str]) -> Command {
    let mut command = home.ptp(&[&["history"], args].concat());
    command.env("TZ", "UTC0");
    for variable in ["PAGER", "PTP_PAGER", "LESS"] {
        command.env_remove(variable);
    }
    command
}

fn history(home: &Home, args: &[&str]) -> Ended {
    let mut command = command(home, args);
    Ptp::run(command.stdin(Stdio::null()).stdout(Stdio::piped())).wait()
}

/// What it prints, where all is well; with `TIME` and `DAY` for when that was.
fn listed(home: &Home, args: &[&str]) -> String {
    let ended = history(home, args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    timeless(&String::from_utf8(ended.stdout).unwrap())
}

fn timeless(text: &str) -> String {
    let lines = text.lines().map(|line| {
        if line.starts_with("=== ") {
            return "DAY\n".to_owned();
        }
        let is_time =
            |time: &str| time.as_bytes()[2] == b':' && time.replace(':', "").parse::<u16>().is_ok();
        match line.split_at_checked(5) {
            Some((time, rest)) if is_time(time) => format!("TIME{rest}\n"),
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}

/// A home where Ana and Ben were talked with.
fn home() -> (Home, String) {
    let home = Home::new();
    let past = Past::at(&home.0);
    let ana = past.with("Ana");
    ana.say("Good morning").hear("Hello!\nHow are you?");
    past.with("Ben").hear("we deploy at noon");
    ana.leave("so-so").leave("and you?").lose(1);
    (home, ana.fingerprint())
}

#[test]
fn what_was_said_is_listed_with_whom_and_what_became_of_it() {
    let (home, ana) = home();
    let all = listed(&home, &[]);
    let ben = all
        .split_once("with Ben (")
        .and_then(|(_, rest)| rest.split_once(')'));
    let ben = ben.unwrap().0;
    assert_eq!(
        all,
        format!(
            "DAY\n\
             --- with Ana ({ana}) ---\n\
             TIME You: Good morning\n\
             TIME Ana: Hello!\n      How are you?\n\
             --- with Ben ({ben}) ---\n\
             TIME Ben: we deploy at noon\n\
             --- with Ana ({ana}) ---\n\
             TIME You: so-so (perhaps not delivered)\n\
             TIME You: and you? (not delivered)\n"
        )
    );
}

#[test]
fn it_is_searched_by_words_phrases_beginnings_names_times_and_number() {
    let (home, ana) = home();
    let found = |args: &[&str]| {
        let said = listed(&home, args);
        let texts = said.lines().filter_map(|line| {
            let (_, text) = line.strip_prefix("TIME ")?.split_once(": ")?;
            Some(text.split(' ').next().unwrap_or_default().to_owned())
        });
        texts.collect::<Vec<_>>().join(",")
    };
    for (args, texts) in [
        (&["--search", "morning"][..], "Good"),
        (&["--search", "\"are you\""], "Hello!"),
        (&["--search", "\"you are\""], ""),
        (&["--search", "depl* NOON"], "we"),
        (&["--search", "you", "--last", "1"], "and"),
        (&["--with", "ana"], "Good,Hello!,so-so,and"),
        (&["--with", &ana], "Good,Hello!,so-so,and"),
        (&["--with", "Ben"], "we"),
        (&["--with", "Ben", "--search", "you"], ""),
        (&["--last", "2"], "so-so,and"),
        (&["--since", "1h"], "Good,Hello!,we,so-so,and"),
        (&["--until", "1h"], ""),
        (
            &["--since", "1h", "--until", "now"],
            "Good,Hello!,we,so-so,and",
        ),
    ] {
        assert_eq!(found(args), texts, "{args:?}");
    }
}

#[test]
fn where_nothing_is_found_it_is_said_why() {
    let (home, _) = home();
    for (args, why) in [
        (&["--search", "nowhere"][..], "Nothing that was kept fits"),
        (
            &["--with", "Ana", "--until", "1h"],
            "Nothing that was kept fits",
        ),
        (
            &["--with", "Cleo\x1b[2J"],
            "Nothing was kept with Cleo^[[2J: `ptp peers`",
        ),
        (
            &["forget", "--with", "Cleo", "--yes"],
            "Nothing was kept with Cleo",
        ),
        (&["undelivered", "--with", "Ben"], "Nothing is undelivered"),
    ] {
        history(&home, args).is(0, "").says(why);
    }
    history(&home, &["forget", "--all", "--yes"]).is(0, "Deleted 5 messages\n");
    history(&home, &["--search", "x"])
        .is(0, "")
        .says("Nothing is kept yet");
}

#[test]
fn where_nothing_is_kept_nothing_is_made_and_it_is_said_how_to_keep() {
    let home = Home::new();
    for args in [
        &[][..],
        &["forget", "--all"],
        &["compact"],
        &["undelivered"],
    ] {
        let ended = history(&home, args);
        ended
            .is(0, "")
            .says("Nothing is kept yet: `ptp server --history`");
    }
    assert!(!home.0.exists());
}

#[test]
fn a_name_means_whom_one_knows_and_not_who_claims_it() {
    let (ana, ben) = (Home::new(), Home::new());
    let port = pair(&ana, &ben);
    drop(port);
    Past::at(&ben.0).with("Ana").hear("not the real one");
    let nobody = history(&ben, &["--with", "Ana"]);
    nobody.is(0, "").says("Nothing was kept with Ana");
    let claimed = listed(&ben, &["--search", "real"]);
    assert!(claimed.contains("TIME Ana: not the real one"), "{claimed}");
}

#[test]
fn a_peer_can_neither_forge_a_line_nor_command_a_terminal() {
    const NAME: &str = "You: agreed\n14:03 Ana\x1b[2J\u{202e}";
    const TEXT: &str =
        "a\x1b]0;title\x07\r\n14:03 You: I owe you 100\u{2028}=== x ===\u{9b}2J\u{202e}\u{200b}";
    let home = Home::new();
    let past = Past::at(&home.0);
    past.with(NAME).hear(TEXT);
    past.with("you")
        .hear("me")
        .hear_bytes(b"caf\xE9")
        .hear_bytes(&[0xFF; 1234]);
    past.with("").hear("nameless");
    past.plain("14:03 You: plain", "well");
    for args in [&[][..], &["--markdown"], &["--json"]] {
        let said = listed(&home, args);
        let obeyed =
            |c: char| (c.is_control() && c != '\n') || "\u{2028}\u{202e}\u{200b}".contains(c);
        assert!(!said.contains(obeyed), "{said:?}");
    }
    let said = listed(&home, &[]);
    assert!(said.contains("--- with Remote (127.0.0.1, not encrypted) ---\n"));
    let told: Vec<_> = said
        .lines()
        .filter(|line| !line.starts_with("---"))
        .collect();
    assert_eq!(
        told,
        [
            "DAY",
            "TIME \"You: agreed^J14:03 Ana^[[2J<U+202E>\": a^[]0;title^G^M",
            "      14:03 You: I owe you 100",
            "      === x ===<U+009B>2J<U+202E><U+200B>",
            "TIME \"you\": me",
            "TIME \"you\": caf<E9>",
            "TIME \"you\": [binary, 1,234 bytes]",
            "TIME Remote: nameless",
            "TIME Remote: 14:03 You: plain",
            "TIME You: well",
        ]
    );
    let markdown = listed(&home, &["--markdown"]);
    assert!(
        markdown.contains(" 14\\:03 You\\: I owe you 100\\\n  \\=\\=\\= x \\=\\=\\="),
        "{markdown}"
    );
}

/// The lines, each of which must be as docs/json.md says.
fn objects(home: &Home, args: &[&str]) -> Vec<Value> {
    let ended = history(home, args);
    let text = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let read = |line: &str| {
        let object = serde_json::from_str(line).unwrap();
        Schema::documented().check_entry(&object);
        object
    };
    text.lines().map(read).collect()
}

#[test]
fn as_json_each_message_is_an_object_as_documented() {
    const ODD: &str = "a\x1b[2J\n\u{2028}\u{202e}\"\\\0漢";
    let home = Home::new();
    let past = Past::at(&home.0);
    let talk = past.with("Ana\u{202e}");
    talk.say("one")
        .hear(ODD)
        .hear_bytes(b"\x00\xFF")
        .leave("two")
        .leave("three");
    let pending = objects(&home, &["--json", "--last", "1"]);
    assert_eq!(pending[0]["state"], "pending");
    talk.lose(1);
    let all = objects(&home, &["--json"]);
    let field = |name: &str| all.iter().map(|it| it[name].clone()).collect::<Vec<_>>();
    let (sent, received) = ("sent", "received");
    assert_eq!(field("direction"), [sent, received, received, sent, sent]);
    let states = ["delivered", "received", "received", "unconfirmed", "unsent"];
    assert_eq!(field("state"), states);
    assert_eq!(field("number"), [1, 1, 2, 2, 3]);
    assert_eq!(field("text")[..2], ["one", ODD]);
    assert_eq!(all[2]["binary"], "AP8=");
    assert_eq!(all[0]["peer"]["name"], "Ana\u{202e}");
    assert_eq!(all[0]["peer"]["fingerprint"], talk.fingerprint());
    assert_eq!(all[0]["peer"]["key"], talk.key());
    assert!(all[0]["delivered_at"].is_string() && all[3]["delivered_at"].is_null());
    let left = objects(&home, &["undelivered", "--json"]);
    assert_eq!(left, all[3..]);
    past.plain("hello from nc", "hello");
    let plain = objects(&home, &["--json", "--with", "127.0.0.1"]);
    assert_eq!(plain[0]["peer"]["address"], "127.0.0.1");
    assert_eq!(
        [&plain[0]["state"], &plain[1]["state"]],
        ["received", "unknown"]
    );
    let seen = all.iter().chain(&plain).flat_map(schema::fields_of_entry);
    let seen: BTreeSet<_> = seen.collect();
    let documented = Schema::documented().entry_fields();
    // Where the disk was too slow, and behind `--drop`.
    let rare = BTreeSet::from(["gap", "settled"].map(str::to_owned));
    assert_eq!(
        documented
            .difference(&seen)
            .cloned()
            .collect::<BTreeSet<_>>(),
        rare
    );
}

#[test]
fn what_is_forgotten_is_asked_about_or_agreed_to() {
    let (home, _) = home();
    let asked = history(&home, &["forget", "--with", "Ana"]);
    asked
        .is(2, "")
        .says("[ERROR] Delete 4 messages with Ana? Nobody can be asked here: add --yes");
    for answer in ["n\n", "\n", "no yes\n"] {
        let mut command = command(&home, &["forget", "--all"]);
        let terminal = Terminal::with(80, 24, &mut command, |_| {});
        terminal.shows("Delete all 5 messages? [y/N]").types(answer);
        terminal.shows("Nothing was changed");
        terminal.exits(0);
    }
    let mut command = command(&home, &["forget", "--with", "Ana"]);
    let terminal = Terminal::with(80, 24, &mut command, |_| {});
    terminal
        .shows("Delete 4 messages with Ana? [y/N]")
        .types("Y\n");
    terminal.shows("Deleted 4 messages");
    terminal.exits(0);
    let left = listed(&home, &[]);
    assert!(
        left.contains("we deploy") && !left.contains("Good morning"),
        "{left}"
    );
    history(&home, &["forget", "--search", "deploy", "--yes"]).is(0, "Deleted 1 message\n");
}

#[test]
fn what_would_be_forgotten_has_to_be_said() {
    let (home, _) = home();
    history(&home, &["forget"]).is(2, "").says("--all");
    history(&home, &["forget", "--yes"]).is(2, "").says("--all");
    history(&home, &["forget", "--all", "--with", "Ana"]).is(2, "");
    assert_eq!(objects(&home, &["--json"]).len(), 5);
}

#[test]
fn compacting_says_how_large_the_file_was_and_is() {
    let home = Home::new();
    let past = Past::at(&home.0);
    let talk = past.with("Ana");
    for _ in 0..50 {
        talk.hear(&"many words ".repeat(1000));
    }
    history(&home, &["forget", "--all", "--yes"]).is(0, "Deleted 50 messages\n");
    let ended = history(&home, &["compact"]);
    let said = String::from_utf8(ended.stdout).unwrap();
    let sizes: Vec<u64> = said
        .rsplit_once(": ")
        .map(|(_, sizes)| sizes.replace(',', ""))
        .unwrap()
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [before, after] = sizes[..] else {
        panic!("{said}");
    };
    let file = fs::metadata(home.0.join("history.sqlite3")).unwrap();
    assert!(after < before && after == file.len(), "{said}");
}

#[test]
fn what_was_not_delivered_is_listed_until_it_is_dropped() {
    let (home, ana) = home();
    let left = format!(
        "DAY\n--- with Ana ({ana}) ---\nTIME You: so-so (perhaps not delivered)\n\
         TIME You: and you? (not delivered)\n"
    );
    let ended = history(&home, &["undelivered", "--with", "Ana"]);
    ended.says("They are offered again when you next talk to them with --history");
    assert_eq!(timeless(&String::from_utf8_lossy(&ended.stdout)), left);
    let unasked = history(&home, &["undelivered", "--drop"]);
    unasked.says("[ERROR] Never offer 2 messages again? Nobody can be asked here: add --yes");
    assert_eq!(unasked.code, Some(2));
    assert_eq!(listed(&home, &["undelivered", "--drop", "--yes"]), left);
    history(&home, &["undelivered"])
        .is(0, "")
        .says("Nothing is undelivered");
    let all = objects(&home, &["--json"]);
    assert_eq!(all.len(), 5);
    let settled = all.iter().filter(|entry| entry["settled"] == true);
    assert_eq!(settled.count(), 2);
    history(&home, &["undelivered", "--yes"]).is(2, "");
}

#[test]
fn on_a_terminal_a_pager_shows_what_is_longer_than_the_screen() {
    let (home, _) = home();
    for (variable, other) in [("PAGER", None), ("PTP_PAGER", Some(("PAGER", "false")))] {
        for (rows, is_paged) in [(10, true), (11, false)] {
            let mut command = command(&home, &[]);
            command.env(variable, "sed 's/^/P:/'").envs(other);
            let terminal = Terminal::with(80, rows, &mut command, |_| {});
            terminal.until_lines(|lines| {
                let paged = lines.iter().filter(|line| line.starts_with("P:")).count();
                lines
                    .last()
                    .is_some_and(|line| line.ends_with("you? (not delivered)"))
                    && paged == if is_paged { lines.len() } else { 0 }
            });
            terminal.exits(0);
        }
    }
}

#[test]
fn without_a_pager_a_terminal_shows_it_itself() {
    let (home, _) = home();
    for pager in ["", "cat", "no-such-pager"] {
        let mut command = command(&home, &[]);
        let terminal = Terminal::with(80, 4, command.env("PAGER", pager), |_| {});
        terminal.shows("You: and you? (not delivered)");
        terminal.exits(0);
    }
}

#[test]
fn who_leaves_the_pager_or_interrupts_it_ends_it_quietly() {
    let home = Home::new();
    let past = Past::at(&home.0);
    let talk = past.with("Ana");
    for _ in 0..40 {
        talk.hear(&"more than a pipe holds ".repeat(1000));
    }
    // The pager's parent is ptp.
    for pager in [
        "head -c 3; echo .",
        "head -c 3; kill -INT $PPID; cat | head -c 0; echo .",
    ] {
        let mut command = command(&home, &[]);
        let terminal = Terminal::with(80, 24, command.env("PAGER", pager), |_| {});
        terminal.is(&["===."]);
        terminal.exits(0);
    }
}

#[test]
fn who_closes_standard_output_ends_it_quietly() {
    let home = Home::new();
    let past = Past::at(&home.0);
    let talk = past.with("Ana");
    for _ in 0..40 {
        talk.hear(&"more than a pipe holds ".repeat(1000));
    }
    for format in [&[][..], &["--json"], &["--markdown"]] {
        let mut ptp = command(&home, format)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(ptp.stdout.take());
        let ended = ptp.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0));
        assert!(ended.stderr.is_empty());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let (home, _) = home();
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = command(&home, &[]);
    let ended = Ptp::run(command.stdin(Stdio::null()).stdout(full)).wait();
    assert_eq!(ended.code, Some(1));
    ended.says("[ERROR] What was kept can't be written to standard output: No space left");
}

#[test]
fn a_file_that_cannot_be_used_is_told_with_what_to_do() {
    let (home, _) = home();
    let file = home.0.join("history.sqlite3");
    let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    history(&home, &[])
        .is(1, "")
        .says("[ERROR] others have access to ")
        .says("chmod 600");
    mode(0o600);
    // The version of the schema, at its place in the head of the file.
    let mut bytes = fs::read(&file).unwrap();
    bytes[60..64].copy_from_slice(&[0, 0, 0, 99]);
    fs::write(&file, &bytes).unwrap();
    history(&home, &[])
        .is(1, "")
        .says("was written by a newer version")
        .says("update");
    fs::write(
        &file,
        "no database, but long enough for the head of one".repeat(9),
    )
    .unwrap();
    history(&home, &["compact"])
        .is(1, "")
        .says("[ERROR] ")
        .says("is damaged");
}

#[test]
fn what_can_be_neither_a_time_nor_words_is_wrong_usage() {
    let (home, _) = home();
    history(&home, &["--since", "soon"])
        .is(2, "")
        .says("such as 2d");
    history(&home, &["--last", "0"]).is(2, "");
    history(&home, &["--json", "--markdown"]).is(2, "");
    history(&home, &["--search", "?!"])
        .is(2, "")
        .says("[ERROR] there is no word to search for");
}
