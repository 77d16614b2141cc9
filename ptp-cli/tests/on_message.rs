//! `--on-message`: a program that is run for each message.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::process::{Command, Stdio};

use rustix::process::Signal;
use support::{Home, Ptp, client, ptp};

/// A server that answers with a program, and its port.
fn answering(options: &[&str], program: &[&str]) -> (Ptp, String) {
    let fixed = ["server", "0", "--bind", "127.0.0.1"];
    let args = [&fixed, options, &["--on-message"], program].concat();
    let server = Ptp::without_input(&args);
    let port = server.port();
    (server, port)
}

/// A pipe with a name, and the folder that it goes with.
fn fifo() -> (Home, String) {
    let folder = Home::new();
    std::fs::create_dir_all(&folder.0).unwrap();
    let fifo = folder.0.join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    (folder, fifo.to_str().unwrap().to_owned())
}

/// Gives a pipe with a name to whoever reads it; does not wait for that.
fn write(fifo: &str, text: &'static str) {
    let fifo = fifo.to_owned();
    std::thread::spawn(move || std::fs::write(fifo, text));
}

fn shell(script: &str) -> [&str; 4] {
    ["--", "/bin/sh", "-c", script]
}

fn caller(port: &str, options: &[&str]) -> Ptp {
    Ptp::start(&client(port, &[&["--stay"], options].concat()))
}

#[test]
fn what_the_program_prints_is_the_answer() {
    let (server, port) = answering(&[], &["cat"]);
    let mut caller = caller(&port, &[]);
    // What prints nothing answers nothing.
    caller.write("hello\n\n$(reboot) `x` '\"\n");
    caller.write_bytes(b"\xFF\xFE\n");
    caller.prints("hello\n$(reboot) `x` '\"\n");
    caller.write("last\n");
    caller.prints("last\n");
    caller.write("quit\n");
    let caller = caller.wait();
    assert_eq!(caller.stdout, b"hello\n$(reboot) `x` '\"\n\xFF\xFE\nlast\n");
    server.wait().is(0, "").is_content();
}

#[test]
fn the_program_learns_who_says_which_message() {
    let script = "cat; echo \" $PTP_PEER_NAME/$PTP_PEER_FINGERPRINT/$PTP_PEER_TRUST/$PTP_MESSAGE_ID${PTP_CODE-}\"";
    let own = ptp(&["id"]).output().unwrap().stdout;
    let own = String::from_utf8(own).unwrap();
    let args = [
        &["server", "0", "--bind", "127.0.0.1", "--on-message"],
        &shell(script)[..],
    ]
    .concat();
    let mut command = ptp(&args);
    command.env("PTP_CODE", "4071-magnet-village");
    let server = Ptp::run(command.stdin(Stdio::null()));
    let port = server.port();
    // A name that no environment could hold.
    let mut caller = caller(&port, &["--name", "Ben\u{1b}[1m"]);
    caller.write("one\ntwo\n");
    let own = own.trim();
    caller.prints(&format!(
        "one Ben^[[1m/{own}/own/1\ntwo Ben^[[1m/{own}/own/2\n"
    ));
    caller.write("quit\n");
    assert_eq!(caller.wait().code, Some(0));
    server.wait().is(0, "").is_content();
}

#[test]
fn answers_keep_the_order_of_the_messages_though_programs_run_at_once() {
    // The first ends when the second has: they must run at the same time.
    let (_folder, fifo) = fifo();
    let script =
        format!("case $PTP_MESSAGE_ID in 1) cat < '{fifo}';; *) echo > '{fifo}'; esac; cat");
    let (server, port) = answering(&["--jobs", "2"], &shell(&script));
    let mut caller = caller(&port, &[]);
    caller.write("one\ntwo\n");
    caller.prints("\none\ntwo\n");
    caller.write("quit\n");
    caller.wait().is(0, "\none\ntwo\n");
    server.wait().is(0, "").is_content();
}

#[test]
fn messages_wait_while_the_program_runs_and_none_is_lost() {
    repeats_what_comes_together(&[], &["cat"]);
}

#[test]
fn of_messages_that_came_together_no_more_run_at_once_than_may() {
    let (_folder, fifo) = fifo();
    let script = format!("mkdir '{fifo}.busy' || echo two at once; cat; rmdir '{fifo}.busy'");
    repeats_what_comes_together(&["--jobs", "1"], &shell(&script));
}

/// Many messages at once come back, one by one and unchanged.
fn repeats_what_comes_together(options: &[&str], program: &[&str]) {
    let (server, port) = answering(options, program);
    let mut caller = caller(&port, &[]);
    let input: String = (1..=200).map(|number| format!("{number}\n")).collect();
    caller.write(&input);
    caller.prints("\n200\n");
    caller.write("quit\n");
    caller.wait().is(0, &input);
    server.wait().is(0, "").is_content();
}

#[test]
fn a_message_counts_as_delivered_when_its_program_is_started() {
    let (_folder, fifo) = fifo();
    let script = format!("cat < '{fifo}'");
    let (server, port) = answering(&[], &shell(&script));
    let mut caller = caller(&port, &["--json"]);
    caller.write("{\"send\":\"one\"}\n{\"send\":\"two\"}\n");
    const DELIVERED: &str = "\"event\":\"delivered\",\"id\":";
    caller.prints(&format!("{DELIVERED}1"));
    // The second waits in the channel while the first one's program does.
    assert!(!caller.stdout.text().contains(&format!("{DELIVERED}2")));
    write(&fifo, "first");
    caller
        .prints("\"text\":\"first\"")
        .prints(&format!("{DELIVERED}2"));
    write(&fifo, "second");
    caller.prints("\"text\":\"second\"");
    caller.write("{\"quit\":true}\n");
    assert_eq!(caller.wait().code, Some(0));
    server.wait().is(0, "").is_content();
}

#[test]
fn a_program_that_fails_does_not_end_the_conversation() {
    let script = "read -r line; case $line in bad) echo no; exit 3;; *) echo fine;; esac";
    let (server, port) = answering(&[], &shell(script));
    let mut caller = caller(&port, &[]);
    caller.write("bad\ngood\n");
    caller.prints("fine\n");
    caller.write("quit\n");
    caller.wait().is(0, "fine\n");
    let server = server.wait();
    server
        .is(0, "")
        .says("[ERROR] Message 1: /bin/sh failed (exit status: 3), nothing was answered");
}

#[test]
fn a_program_that_is_not_there_is_told_for_each_message() {
    let (server, port) = answering(&[], &["./no such program"]);
    let mut caller = caller(&port, &[]);
    caller.write("one\ntwo\nquit\n");
    assert_eq!(caller.wait().code, Some(0));
    let server = server.wait();
    server
        .is(0, "")
        .says("[ERROR] Message 2: ./no such program can't be run");
}

#[test]
fn a_program_need_not_read_and_may_print_much() {
    let (server, port) = answering(&[], &shell("head -c 20000000 /dev/zero"));
    let mut caller = caller(&port, &[]);
    caller.write(&"x".repeat(1_000_000));
    caller.write("\n");
    server.complains("it printed more than 16777216 bytes");
    caller.write("quit\n");
    caller.wait().is(0, "");
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn a_program_that_runs_at_the_goodbye_is_waited_for() {
    let (folder, fifo) = fifo();
    let place = folder.0.join("done");
    let script = format!("cat < '{fifo}'; cat > '{}'", place.to_str().unwrap());
    let (server, port) = answering(&["--jobs", "2"], &shell(&script));
    Ptp::with_input(&client(&port, &[]), "keep this\n")
        .wait()
        .is(0, "");
    server.complains("[DISCONNECTED]");
    write(&fifo, "");
    server.wait().is(0, "").is_content();
    assert_eq!(std::fs::read(place).unwrap(), b"keep this");
}

#[test]
fn a_program_that_never_ends_is_ended_behind_the_goodbye() {
    for signal in [None, Some(Signal::TERM)] {
        let (server, port) = answering(&[], &shell("echo started >&2; sleep 1000"));
        let mut caller = caller(&port, &[]);
        caller.write("one\ntwo\n");
        server.complains("started");
        match signal {
            Some(signal) => server.signal(signal),
            None => caller.signal(Signal::TERM),
        }
        let ended = server.wait();
        ended.says("it ran on after the goodbye");
        assert!(
            !ended.stderr.contains("could not be written"),
            "{}",
            ended.stderr
        );
        caller.wait();
    }
}

#[test]
fn a_client_may_answer_too() {
    let (mut server, port) = support::server_with_pipe(&[]);
    let client = Ptp::start(&client(&port, &["--on-message", "tr", "a-c", "x-z"]));
    server.write("abc\n");
    server.prints("xyz\n").connected();
    server.write("quit\n");
    server.wait().is(0, "xyz\n");
    client.wait().is(0, "").is_content();
}

#[test]
fn a_program_is_needed() {
    Ptp::without_input(&["server", "--on-message"])
        .wait()
        .is(2, "");
    Ptp::without_input(&["server", "--jobs", "2"])
        .wait()
        .is(2, "");
    Ptp::without_input(&["server", "--jobs", "0", "--on-message", "cat"])
        .wait()
        .is(2, "");
}
