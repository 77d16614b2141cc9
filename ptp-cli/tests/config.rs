//! Options in `config.toml`, and what `ptp config` says of them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::process::Stdio;

use support::{Ended, Home, Ptp, code, say, server_at_home, unused_port};

/// A home with this file.
fn home(config: impl AsRef<[u8]>) -> Home {
    let home = Home::new();
    std::fs::create_dir_all(&home.0).unwrap();
    std::fs::write(home.0.join("config.toml"), config).unwrap();
    home
}

fn run(home: &Home, args: &[&str]) -> Ended {
    Ptp::run(home.ptp(args).stdin(Stdio::null()).stdout(Stdio::piped())).wait()
}

/// What `ptp config` prints.
fn shown(home: &Home) -> String {
    let ended = run(home, &["config"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    String::from_utf8(ended.stdout).unwrap()
}

/// The line about an option, without the spaces that align it.
fn line(shown: &str, option: &str) -> String {
    let about = |line: &&str| line.trim_start_matches("# ").split(' ').next() == Some(option);
    let line = shown.lines().find(about).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Asserts by which names two know each other that have their names from the file, and meet with
/// these options.
fn meet(ana: &[&str], ben: &[&str], names: [&str; 2]) {
    let (ana_home, ben_home) = (home("name = 'Ana'"), home("name = 'Ben'\ntimeout = 25"));
    let (server, port) = server_at_home(&ana_home, ana);
    let shown = code(&server);
    let options = [&["--code", &shown], ben].concat();
    say(&ben_home, &port, &options, "hello\n")
        .is(0, "")
        .says(&format!("[PAIRED] {} is known", names[0]));
    server
        .wait()
        .is(0, "hello\n")
        .says(&format!("[PAIRED] {} is known", names[1]));
}

#[test]
fn the_other_side_sees_the_name_in_the_file() {
    meet(&[], &[], ["Ana", "Ben"]);
}

#[test]
fn what_is_typed_wins_over_the_file() {
    let typed = ["Anastasia", "Benedict"];
    meet(&["--name", typed[0]], &["--name", typed[1]], typed);
}

#[test]
fn a_flag_in_the_file_is_taken_back_for_once() {
    let ana = home("open = true");
    let (server, port) = server_at_home(&ana, &["--no-open"]);
    say(&home(""), &port, &["--open"], "hello\n").is(4, "");
    assert_eq!(server.complaints("[SERVER] Open:"), 0);
    code(&server);
}

#[test]
fn a_program_in_the_file_answers_and_gives_way_to_a_question() {
    let ana =
        home("on-message = ['sh', '-c', 'echo \"$0 $(cat)\"', '--said']\njobs = 2\nopen = true");
    let (_server, port) = server_at_home(&ana, &[]);
    // Her own program would not go with a question.
    let args = ["client", "127.0.0.1", &port, "--ask", "What?"];
    run(&ana, &args).is(0, "--said What?\n").is_content();
}

#[test]
fn a_code_is_typed_or_in_the_environment_or_in_the_file_in_this_order() {
    let (_held, port) = unused_port();
    // A code that can't be one is noticed before anybody is called.
    for (file, variable, typed, exit) in [
        ("code = 'bad'", None, None, 4),
        ("code = 'bad'", Some("4071-magnet-village"), None, 3),
        ("code-file = '/not/there'", None, None, 4),
        (
            "code-file = '/not/there'",
            Some("4071-magnet-village"),
            None,
            3,
        ),
        ("code = '4071-magnet-village'", Some("bad"), None, 4),
        ("code = 'bad'", Some("bad"), Some("4071-magnet-village"), 3),
        ("code = '4071-magnet-village'", None, None, 3),
    ] {
        let home = home(file);
        let mut command = home.ptp(&["client", "127.0.0.1", &port]);
        command.args(typed.map(|code| format!("--code={code}")));
        command.envs(variable.map(|code| ("PTP_CODE", code)));
        let ended = Ptp::run(command.stdin(Stdio::null()).stdout(Stdio::piped())).wait();
        ended.is(exit, "");
    }
}

#[test]
fn a_broken_file_stops_what_would_use_it_and_nothing_else() {
    let home = home("name = 'Ana'\ntimeout = ");
    let file = home.0.join("config.toml").display().to_string();
    for args in [&["config"][..], &["server", "0"], &["client", "127.0.0.1"]] {
        run(&home, args)
            .is(2, "")
            .says(&format!("[ERROR] {file}, line 2 is not TOML"));
    }
    for args in [&["id"][..], &["peers"], &["--version"], &["man"]] {
        assert_eq!(run(&home, args).code, Some(0), "{args:?}");
    }
    for command in ["server", "client", "config"] {
        assert_eq!(run(&home, &[command, "--help"]).code, Some(0));
    }
    // What is wrong on the command line itself is told first.
    run(&home, &["client"]).is(2, "").says("<HOST>");
    run(&home, &["server", "--nonsense"])
        .is(2, "")
        .says("--nonsense");
}

#[test]
fn what_is_wrong_is_told_with_line_and_remedy() {
    for (file, line, remedy) in [
        ("\nnmae = 'Ana'", 2, "nmae is no option: did you mean name?"),
        (
            "timeout = 'soon'",
            1,
            "timeout can't be that: write a number of seconds",
        ),
        (
            "open = 'yes'",
            1,
            "open takes something else: write open = true or false",
        ),
        (
            "json = true\nverbatim = true",
            2,
            "can't stand together: keep one",
        ),
        ("name = 'A'\n[server]", 2, "server is a table"),
        ("'\u{1b}[2J' = 1", 1, "^[[2J is no option"),
    ] {
        let home = home(
            file.replace('\u{1b}', "\\u001b")
                .replace("'\\u001b[2J'", "\"\\u001b[2J\""),
        );
        for args in [&["config"][..], &["server", "0"]] {
            let ended = run(&home, args);
            ended.is(2, "").says("[ERROR] ").says(remedy);
            ended.says(&format!("config.toml, line {line}"));
            assert!(!ended.stderr.contains('\u{1b}'));
        }
    }
}

#[test]
fn a_file_that_is_none_is_told() {
    let long = "#".repeat(64 * 1024 + 1);
    run(&home(long), &["config"])
        .is(2, "")
        .says("longer than 64 KiB");
    assert!(shown(&home("#".repeat(64 * 1024))).contains("timeout"));
    run(&home(b"\n\xff"), &["config"])
        .is(2, "")
        .says("line 2 is not UTF-8");
    let folder = Home::new();
    std::fs::create_dir_all(folder.0.join("config.toml")).unwrap();
    run(&folder, &["config"]).is(2, "").says("is not a file");
}

#[test]
fn config_shows_every_option_and_where_it_is_from() {
    let home = home("name = \"A\\u001bna\"\ncode = '4071-magnet-village'\nno-input-history = true");
    let text = shown(&home);
    let file = home.0.join("config.toml");
    assert!(
        text.starts_with(&format!("# {}\n", file.display())),
        "{text}"
    );
    for (option, expected) in [
        ("name", "name = \"A\\U0000001Bna\" # config.toml"),
        ("code", "# code = (set) # config.toml"),
        ("no-input-history", "no-input-history = true # config.toml"),
        ("timeout", "timeout = 10 # default"),
        ("bell", "bell = \"off\" # default"),
        ("bind", "# bind # (not set)"),
        ("ask", "# ask # (not set)"),
        ("verbose", "verbose = 0 # default"),
    ] {
        assert_eq!(line(&text, option), expected);
    }
    assert!(!text.contains("magnet"));
    let column = |line: &str| line.rfind('#').unwrap();
    let columns: Vec<_> = text.lines().skip(1).map(column).collect();
    assert!(columns.iter().all(|at| *at == columns[0]), "{text}");
}

#[test]
fn config_shows_the_variable_that_counts_for_more() {
    let home = home("code-file = 'f'");
    let mut command = home.ptp(&["config"]);
    let output = command
        .env("PTP_CODE", "4071-magnet-village")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(line(&text, "code"), "# code = (set) # PTP_CODE");
    assert_eq!(
        line(&text, "code-file"),
        "# code-file = \"f\" # config.toml, but PTP_CODE is set"
    );
}

#[test]
fn what_config_shows_is_a_file_that_says_the_same() {
    let file =
        "on-message = [\"./answer.sh\", \"--brief\"]\nname = \"Ana\"\nopen = true\nresume = 0.5";
    let before = shown(&home(file));
    let after = shown(&home(&before));
    let settings = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.rsplit_once('#').unwrap().0.trim().to_owned())
            .collect()
    };
    assert_eq!(settings(&before), settings(&after));
    assert!(settings(&after).contains(&"resume = 0.5".to_owned()));
}

#[test]
fn without_a_file_nothing_is_set() {
    let text = shown(&Home::new());
    assert!(
        text.lines()
            .next()
            .unwrap()
            .ends_with("config.toml is not there")
    );
    assert!(
        text.lines()
            .skip(1)
            .all(|line| line.ends_with("# default") || line.ends_with("# (not set)"))
    );
}
