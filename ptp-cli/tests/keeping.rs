//! What is kept of conversations, with `--history`.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use ptp_core::Fate;
use support::terminal::Terminal;
use support::two::{Two, kept, piped, said};
use support::{Ended, Home, Ptp, numbered, ptp};

#[test]
fn both_sides_keep_what_was_said_and_who_said_it() {
    let two = Two::new();
    let (mut ana, port) = two.ana(&["--history"]);
    let mut ben = two.ben(&port, &["--history"]);
    ben.write("one\n");
    ana.prints("one\n");
    ana.write("two 今天\n");
    ben.prints("two 今天\n");
    ben.end_input();
    ben.wait().is(0, "two 今天\n").is_content();
    ana.wait().is(0, "one\n").is_content();
    let of_ana = kept(&two.ana, 2);
    let of_ben = kept(&two.ben, 2);
    assert_eq!(
        said(&of_ana),
        [("one", Fate::Received), ("two 今天", Fate::Delivered)]
    );
    assert_eq!(
        said(&of_ben),
        [("one", Fate::Delivered), ("two 今天", Fate::Received)]
    );
    assert_eq!(
        (&*of_ana[0].peer.name, &*of_ben[0].peer.name),
        ("Ben", "Ana")
    );
    assert_eq!(of_ana[0].session, of_ben[0].session);
    assert!(of_ben[0].delivered_at >= Some(of_ben[0].sent_at));
    let mode = fs::metadata(two.ana.0.join("history.sqlite3"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let left = fs::read_dir(&two.ana.0)
        .unwrap()
        .map(|file| file.unwrap().file_name());
    let left: Vec<_> = left
        .filter(|name| name.to_string_lossy().contains("-live-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn nothing_is_kept_that_nobody_asked_for() {
    let two = Two::new();
    let (ana, port) = two.ana(&[]);
    let mut ben = two.ben(&port, &[]);
    ben.write("one\n");
    ben.end_input();
    ben.wait().is(0, "");
    ana.wait().is(0, "one\n");
    for home in [&two.ana, &two.ben] {
        assert!(!home.0.join("history.sqlite3").exists());
    }
}

#[test]
fn a_line_in_config_toml_is_enough() {
    let two = Two::new();
    fs::write(
        two.ben.0.join("config.toml"),
        "history = true\nhistory-keep = \"90d\"\nresend = \"yes\"\n",
    )
    .unwrap();
    let (ana, port) = two.ana(&[]);
    let mut ben = two.ben(&port, &[]);
    ben.write("one\n");
    ben.end_input();
    ben.wait().is(0, "");
    ana.wait().is(0, "one\n");
    assert_eq!(said(&kept(&two.ben, 1)), [("one", Fate::Delivered)]);
    // For once not.
    let (ana, port) = two.ana(&[]);
    let mut ben = two.ben(&port, &["--no-history"]);
    ben.write("two\n");
    ben.end_input();
    ben.wait().is(0, "");
    ana.wait().is(0, "two\n");
    assert_eq!(kept(&two.ben, 1).len(), 1);
}

#[test]
fn all_lines_of_a_large_input_are_kept_on_both_sides() {
    const LINES: usize = 20_000;
    let two = Two::new();
    let (ana, port) = two.ana(&["--history"]);
    let mut ben = two.ben(&port, &["--history"]);
    ben.pour(numbered(LINES, "ben"));
    ben.wait().is(0, "").is_content();
    ana.wait().is_content();
    for (home, fate) in [(&two.ana, Fate::Received), (&two.ben, Fate::Delivered)] {
        let entries = kept(home, LINES);
        let numbers: Vec<_> = entries.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, (1..=LINES as u64).collect::<Vec<_>>());
        assert!(entries.iter().all(|entry| entry.fate == fate));
    }
}

#[test]
fn two_conversations_of_one_person_are_kept_at_the_same_time() {
    const LINES: usize = 5_000;
    let two = Two::new();
    let talks: Vec<_> = ["first", "second"]
        .into_iter()
        .map(|name| {
            let (ana, port) = two.ana(&[]);
            let ben = two.ben(&port, &["--history"]);
            (name, ana, ben)
        })
        .collect();
    // Both stand before either speaks.
    let talks: Vec<_> = talks
        .into_iter()
        .map(|(name, ana, mut ben)| {
            ben.pour(numbered(LINES, name));
            (name, ana, ben)
        })
        .collect();
    for (name, ana, ben) in talks {
        ben.wait().is(0, "").is_content();
        ana.wait().is(0, &numbered(LINES, name));
    }
    let entries = kept(&two.ben, 2 * LINES);
    assert_eq!(entries.len(), 2 * LINES);
    for name in ["first", "second"] {
        let said: String = said(&entries)
            .into_iter()
            .filter(|(text, _)| text.starts_with(name))
            .map(|(text, fate)| {
                assert_eq!(fate, Fate::Delivered);
                format!("{text}\n")
            })
            .collect();
        assert_eq!(said, numbered(LINES, name));
    }
}

#[test]
fn a_secret_is_kept_by_neither_side() {
    let two = Two::new();
    let (ana, port) = two.ana(&["--history"]);
    let ben = Terminal::with(80, 24, &mut two.to_ana(&port, &["--history"]), |_| {});
    ben.prompts().types("/secret\r").shows("Secret (not shown");
    ben.types("open sesame\r").shows("[USER] Secret sent");
    ben.types("and this\r");
    ana.prints("and this\n");
    ben.types("quit\r").exits(0);
    ana.wait();
    for home in [&two.ana, &two.ben] {
        assert_eq!(said(&kept(home, 1)).len(), 1);
        for file in ["history.sqlite3", "history.sqlite3-wal"] {
            let bytes = fs::read(home.0.join(file)).unwrap_or_default();
            assert!(!support::contains(&bytes, "sesame"), "{file}");
        }
    }
}

#[test]
fn what_can_not_be_kept_is_told_once_and_the_conversation_goes_on() {
    let two = Two::new();
    let file = two.ben.0.join("history.sqlite3");
    let talk = || -> Ended {
        let (ana, port) = two.ana(&[]);
        let mut ben = two.ben(&port, &["--history"]);
        ben.write("one\ntwo\n");
        ben.end_input();
        let ended = ben.wait();
        ended.is(0, "");
        ana.wait().is(0, "one\ntwo\n");
        assert_eq!(
            ended.stderr.matches("is not kept").count(),
            1,
            "{}",
            ended.stderr
        );
        ended
    };
    fs::write(
        &file,
        "no database at all, but somebody's notes that are not to be lost",
    )
    .unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    talk().says("is damaged").says("move it away");
    assert!(fs::read_to_string(&file).unwrap().contains("notes"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    talk().says("chmod 600");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    talk().says("is not a regular file");
}

/// A file may be no larger than so many blocks of 512 bytes, as on a disk that is full.
fn on_a_full_disk(command: &Command, blocks: u32) -> Command {
    let mut limited = Command::new("sh");
    limited.args([
        "-c",
        &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""),
        "sh",
    ]);
    limited.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

#[test]
fn on_a_full_disk_the_conversation_goes_on_and_what_was_kept_stays() {
    const LINES: usize = 5_000;
    let two = Two::new();
    let (ana, port) = two.ana(&["--history"]);
    let mut ben = two.ben(&port, &["--history"]);
    ben.write("kept before\n");
    ben.end_input();
    ben.wait().is(0, "");
    ana.wait();

    let (ana, port) = two.ana(&[]);
    let mut ben = Ptp::run(piped(&mut on_a_full_disk(
        &two.to_ana(&port, &["--history"]),
        400,
    )));
    ben.pour(numbered(LINES, "ben"));
    let ended = ben.wait();
    ended.is(0, "").says("they could not be kept");
    assert_eq!(
        ended.stderr.matches("is not kept").count(),
        1,
        "{}",
        ended.stderr
    );
    ana.wait().is(0, &numbered(LINES, "ben"));
    let entries = kept(&two.ben, 1);
    assert_eq!(said(&entries[..1]), [("kept before", Fate::Delivered)]);
    assert!(entries.len() <= LINES);
}

#[test]
fn options_that_mean_nothing_without_a_history_say_so() {
    for options in [["--resend", "yes"], ["--history-keep", "1d"]] {
        let args = [&["client", "127.0.0.1", "1"], &options[..]].concat();
        Ptp::without_input(&args)
            .wait()
            .is(2, "")
            .says("required arguments were not provided:\n  --history\n");
    }
    for age in ["soon", "0s", "1us"] {
        let ended = Ptp::without_input(&["server", "0", "--history", "--history-keep", age]).wait();
        ended.is(2, "").says("write a time such as 12h, 90d or 2y");
    }
}

#[test]
fn with_json_what_was_lost_and_what_can_not_be_kept_are_events() {
    let two = Two::new();
    two.lose("lost\n");
    let (ana, port) = two.ana(&[]);
    let mut ben = Ptp::run(piped(&mut two.to_ana(&port, &["--history", "--json"])));
    ben.prints(r#"{"v":1,"event":"notice","message":"1 message to Ana did not arrive earlier"#);
    ben.end_input();
    ben.wait();
    drop(ana);
    fs::set_permissions(
        two.ben.0.join("history.sqlite3"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let (_ana, port) = two.ana(&[]);
    let ben = Ptp::run(piped(&mut two.to_ana(&port, &["--history", "--json"])));
    ben.prints(r#""event":"error","kind":"unexpected","message":"The conversation goes on, but is not kept"#);
}

#[test]
fn a_conversation_with_a_plain_peer_is_kept_by_its_address() {
    let ana = Home::new();
    let args = ["server", "0", "--bind", "127.0.0.1", "--plain", "--history"];
    let server = Ptp::run(piped(&mut ana.ptp(&args)));
    let port = server.port();
    let mut caller = Ptp::run(piped(&mut ptp(&["client", "127.0.0.1", &port, "--plain"])));
    caller.write("plain\n");
    server.prints("plain\n");
    caller.end_input();
    caller.wait();
    server.wait();
    let entries = kept(&ana, 1);
    assert_eq!(said(&entries), [("plain", Fate::Received)]);
    assert_eq!((entries[0].peer.key, entries[0].session), (None, None));
    assert_eq!(entries[0].peer.address.as_deref(), Some("127.0.0.1"));
}
