//! What `ptp` says of itself is under review: the files in `tests/help` are its help.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::process::{Output, Stdio};

use support::ptp;

fn run(args: &[&str]) -> Output {
    // Nothing here is a terminal, so no terminal's width counts.
    ptp(args)
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn help(args: &[&str], reviewed: &str) {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        shown, reviewed,
        "if it should be so: ptp {args:?} > tests/help/…"
    );
    assert!(shown.lines().all(|line| line.chars().count() <= 80));
    assert!(shown.lines().count() <= 60);
    assert!(shown.contains("Examples:\n  ptp "));
}

#[test]
fn the_help_is_as_reviewed() {
    help(&["--help"], include_str!("help/ptp.txt"));
}

#[test]
fn the_help_of_server_is_as_reviewed() {
    help(&["server", "--help"], include_str!("help/server.txt"));
}

#[test]
fn the_help_of_client_is_as_reviewed() {
    help(&["client", "--help"], include_str!("help/client.txt"));
}

#[test]
fn the_help_of_doctor_is_as_reviewed() {
    help(&["doctor", "--help"], include_str!("help/doctor.txt"));
}

#[test]
fn the_help_of_id_and_of_peers_is_as_reviewed() {
    help(&["id", "--help"], include_str!("help/id.txt"));
    help(&["peers", "--help"], include_str!("help/peers.txt"));
}

#[test]
fn the_help_of_config_is_as_reviewed() {
    help(&["config", "--help"], include_str!("help/config.txt"));
}

#[test]
fn the_help_of_history_is_as_reviewed() {
    help(&["history", "--help"], include_str!("help/history.txt"));
    for (action, reviewed) in [
        ("forget", include_str!("help/history-forget.txt")),
        ("compact", include_str!("help/history-compact.txt")),
        ("undelivered", include_str!("help/history-undelivered.txt")),
    ] {
        help(&["history", action, "--help"], reviewed);
    }
}

#[test]
fn the_help_of_completions_and_of_man_is_as_reviewed() {
    let completions = include_str!("help/completions.txt");
    help(&["completions", "--help"], completions);
    help(&["man", "--help"], include_str!("help/man.txt"));
}

#[test]
fn the_version_is_that_of_the_package() {
    for option in ["-V", "--version"] {
        let output = run(&[option]);
        assert_eq!(output.status.code(), Some(0));
        let version = concat!("ptp ", env!("CARGO_PKG_VERSION"), "\n");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
    }
}

#[test]
fn without_arguments_it_helps() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("Usage: ptp")
    );
}
