//! What a conversation begins with where earlier ones were kept, and what was lost is sent again.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::fs;

use ptp_core::Fate;
use rustix::process::Signal;
use support::Ptp;
use support::terminal::Terminal;
use support::two::{Two, history, kept, piped, said};

#[test]
fn what_was_lost_is_sent_again_once_before_everything_else() {
    let two = Two::new();
    two.lose("lost\n");
    let left = history(&two.ben).undelivered(None).unwrap();
    assert_eq!(said(&left), [("lost", Fate::Unconfirmed)]);
    // In a pipe nobody can be asked.
    let (ana, port) = two.ana(&[]);
    let mut ben = two.ben(&port, &["--history"]);
    ben.complains("[HISTORY] 1 message to Ana did not arrive earlier: --resend yes");
    ben.end_input();
    ben.wait().is(0, "");
    ana.wait().is(0, "");
    let (ana, port) = two.ana(&[]);
    let mut ben = two.ben(&port, &["--history", "--resend", "no"]);
    ben.end_input();
    let ended = ben.wait();
    assert!(!ended.stderr.contains("[HISTORY]"), "{}", ended.stderr);
    ana.wait().is(0, "");

    for expected in ["lost\nnew\n", "new\n"] {
        let (ana, port) = two.ana(&[]);
        let mut ben = two.ben(&port, &["--history", "--resend", "yes"]);
        ben.write("new\n");
        ben.end_input();
        let ended = ben.wait();
        ended.is(0, "").is_content();
        let told = "[HISTORY] Sending again 1 message; it may have arrived before";
        assert_eq!(
            ended.stderr.contains(told),
            expected.starts_with("lost"),
            "{}",
            ended.stderr
        );
        ana.wait().is(0, expected);
    }
}

#[test]
fn what_a_conversation_in_a_pipe_could_not_send_again_is_told() {
    let two = Two::new();
    // Each fills the window.
    let line = format!("{}\n", "x".repeat(9 << 20));
    two.lose(&line);
    two.lose(&line);
    let (ana, port) = two.ana(&[]);
    let mut ben = two.ben(&port, &["--history", "--resend", "yes", "--resume", "0"]);
    ben.end_input();
    ana.connected().signal(Signal::STOP);
    kept(&two.ben, 3);
    ana.signal(Signal::KILL);
    let ended = ben.wait();
    ended
        .is(5, "")
        .says("[HISTORY] Sending again 2 messages")
        .says("[ERROR] 1 message not sent again: the conversation ended before that");
    assert_eq!(history(&two.ben).undelivered(None).unwrap().len(), 2);
}

#[test]
fn it_is_told_that_a_damaged_file_can_not_say_what_was_lost() {
    let two = Two::new();
    two.lose("lost\n");
    let file = two.ben.0.join("history.sqlite3");
    let mut bytes = fs::read(&file).unwrap();
    // All but the page that says what stands in it.
    bytes[4096..].fill(0xaa);
    fs::write(&file, bytes).unwrap();
    let (ana, port) = two.ana(&[]);
    let mut ben = two.ben(&port, &["--history", "--resend", "yes"]);
    ben.write("new\n");
    ben.end_input();
    let ended = ben.wait();
    ended
        .is(0, "")
        .says("[ERROR] What did not arrive earlier can't be looked up, and is not sent again: ");
    ana.wait().is(0, "new\n");
}

#[test]
fn a_program_that_was_killed_left_what_it_had_not_delivered() {
    let two = Two::new();
    let (ana, port) = two.ana(&[]);
    let mut ben = two.ben(&port, &["--history"]);
    ben.write("arrives\n");
    ana.prints("arrives\n").signal(Signal::STOP);
    ben.write("lost\n");
    kept(&two.ben, 2);
    ben.signal(Signal::KILL);
    drop((ana, ben));
    let (ana, port) = two.ana(&[]);
    let mut ben = two.ben(&port, &["--history", "--resend", "yes"]);
    ben.end_input();
    ben.wait().is(0, "").is_content();
    let printed = String::from_utf8(ana.wait().stdout).unwrap();
    // Whether the first was known to have arrived depends on the moment.
    assert!(
        ["lost\n", "arrives\nlost\n"].contains(&&*printed),
        "{printed}"
    );
}

#[test]
fn on_a_terminal_a_conversation_begins_with_the_last_lines_and_a_question() {
    let two = Two::new();
    two.lose("lost \u{1b}[31m\n");
    let (mut ana, port) = two.ana(&["--history"]);
    let ben = Terminal::with(80, 24, &mut two.to_ana(&port, &["--history"]), |_| {});
    ben.shows("[HISTORY] Earlier with Ana")
        .shows("You: lost ^[[31m")
        .shows("[HISTORY] Up to now")
        .shows("[PERHAPS NOT DELIVERED]: lost ^[[31m")
        .shows("Send again? [y]es, [n]ot now, [d]rop:");
    // Meanwhile the conversation goes on.
    ana.write("hello\n");
    ben.shows("Ana: hello")
        .types("n\r")
        .shows("[HISTORY] Not sent; you are asked again");
    ben.types("a word\r");
    ana.prints("a word\n");
    ben.types("quit\r").exits(0);
    ana.end_input();
    ana.wait().is(0, "a word\n");

    let (ana, port) = two.ana(&[]);
    let ben = Terminal::with(80, 24, &mut two.to_ana(&port, &["--history"]), |_| {});
    ben.shows("Send again?").types("y\r");
    ana.prints("lost \u{1b}[31m\n");
    ben.types("quit\r").exits(0);
    drop(ana);

    let (ana, port) = two.ana(&[]);
    let ben = Terminal::with(80, 24, &mut two.to_ana(&port, &["--history"]), |_| {});
    ben.shows("Ana: hello").prompts();
    ben.types("quit\r").exits(0);
    drop(ana);
}

#[test]
fn a_peer_that_begins_anew_is_not_introduced_twice() {
    let two = Two::new();
    two.lose("lost\n");
    let (ana, port) = two.ana(&[]);
    let options = ["--history", "--resend", "no"];
    let ben = Terminal::with(80, 60, &mut two.to_ana(&port, &options), |_| {});
    ben.shows("[HISTORY] Up to now").prompts();
    ana.signal(Signal::KILL);
    drop(ana);
    let args = ["server", &port, "--bind", "127.0.0.1"];
    let _ana = Ptp::run(piped(&mut two.ana.ptp(&args)));
    let count = |lines: &[String], text| lines.iter().filter(|line| line.contains(text)).count();
    ben.until_lines(|lines| count(lines, "=== Type your messages") == 2);
    assert_eq!(count(&ben.lines(), "[HISTORY] Earlier with Ana"), 1);
    ben.types("quit\r").exits(5);
}

#[test]
fn what_is_no_answer_is_asked_once_more_and_quit_leaves() {
    let two = Two::new();
    two.lose("lost\n");
    let (ana, port) = two.ana(&[]);
    let ben = Terminal::with(80, 24, &mut two.to_ana(&port, &["--history"]), |_| {});
    ben.shows("Send again?")
        .types("hello Ana\r")
        .shows("[HISTORY] That is no answer, and was not sent")
        .types(" Quit\r")
        .exits(0);
    ana.wait().is(0, "");
    let left = history(&two.ben).undelivered(None).unwrap();
    assert_eq!(said(&left), [("lost", Fate::Unconfirmed)]);
}

#[test]
fn a_long_message_does_not_bury_the_conversation_that_begins() {
    let two = Two::new();
    two.lose(&format!("{}end\n", "so ".repeat(2_000)));
    let (ana, port) = two.ana(&[]);
    let ben = Terminal::with(80, 24, &mut two.to_ana(&port, &["--history"]), |_| {});
    ben.shows("[HISTORY] Earlier with Ana")
        .shows("[`ptp history` shows the rest]")
        .shows("Send again?")
        .types("y\r");
    // All of it is sent.
    ana.prints("so end\n");
    ben.types("quit\r").exits(0);
}

#[test]
fn what_is_dropped_is_not_asked_about_again() {
    let two = Two::new();
    two.lose("lost\n");
    for question in [true, false] {
        let (ana, port) = two.ana(&[]);
        let ben = Terminal::with(80, 24, &mut two.to_ana(&port, &["--history"]), |_| {});
        match question {
            true => ben
                .shows("Send again?")
                .types("d\r")
                .shows("[HISTORY] Dropped"),
            false => ben.shows("Up to now").prompts(),
        };
        ben.types("quit\r").exits(0);
        ana.wait().is(0, "");
    }
}
