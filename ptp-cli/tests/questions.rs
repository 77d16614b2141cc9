//! `ptp client --ask`: a question, its answer, and the exit code.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use support::{Ptp, client, ptp, server_with_pipe, unused_port};

/// Who asks a server; the question has arrived.
fn ask(question: &str, options: &[&str], shown: &str) -> (Ptp, Ptp) {
    let (server, port) = server_with_pipe(&[]);
    let options = [&["--ask", question], options].concat();
    let asking = Ptp::without_input(&client(&port, &options));
    server.prints(&format!("{shown}\n"));
    (server, asking)
}

#[test]
fn the_answer_is_printed() {
    let (mut server, asking) = ask("How much?", &[], "How much?");
    server.write("\u{1b}[1m two \n");
    asking.wait().is(0, "\u{1b}[1m two \n").is_content();
    server.wait().is(0, "How much?\n").is_content();
}

#[test]
fn the_exit_code_says_which_choice_it_was() {
    for (answer, code, printed) in [
        ("yes", 0, "yes\n"),
        (" LATER ", 11, "later\n"),
        ("n", 10, "no\n"),
        ("3", 11, "later\n"),
    ] {
        let shown = "Deploy 1.4? (1 yes, 2 no, 3 later)";
        let (mut server, asking) = ask("Deploy 1.4?", &["--choices", "yes, no,later"], shown);
        server.write(&format!("{answer}\n"));
        asking.wait().is(code, printed).is_content();
        server.wait().is(0, &format!("{shown}\n"));
    }
}

#[test]
fn an_answer_that_is_no_choice_is_asked_for_again() {
    let (mut server, asking) = ask("Deploy?", &["--choices", "yes,no"], "Deploy? (1 yes, 2 no)");
    server.write("what?\n");
    server.prints("Please answer with one of these: 1 yes, 2 no\n");
    server.write_bytes(b"\xFF\n");
    server.prints("2 no\nPlease answer with one of these: 1 yes, 2 no\n");
    server.write("no\n");
    asking.wait().is(10, "no\n");
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn who_never_gives_one_of_the_choices_is_not_asked_for_ever() {
    let options = ["server", "0", "--bind", "127.0.0.1", "--on-message", "cat"];
    let server = Ptp::without_input(&options);
    let port = server.port();
    let args = client(&port, &["--ask", "Deploy?", "--choices", "yes,no"]);
    let asking = Ptp::without_input(&args).wait();
    asking.is(6, "").says("10 answers");
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn no_answer_in_time_has_an_exit_code_of_its_own() {
    let (server, port) = server_with_pipe(&[]);
    let args = client(&port, &["--ask", "Deploy?", "--wait", "200ms"]);
    let asking = Ptp::without_input(&args).wait();
    asking.is(6, "").says("[ERROR] No answer within 200ms");
    server.wait().is(0, "Deploy?\n");
}

#[test]
fn a_peer_that_leaves_without_an_answer_has_not_said_yes() {
    let (mut server, asking) = ask("Deploy?", &[], "Deploy?");
    server.write("quit\n");
    assert_eq!(server.wait().code, Some(0));
    asking.wait().is(6, "");
}

#[cfg(unix)]
#[test]
fn who_asks_and_is_interrupted_or_loses_the_other_side_has_no_answer() {
    use rustix::process::Signal;
    for signal in [Signal::INT, Signal::TERM] {
        let (server, asking) = ask("Deploy?", &[], "Deploy?");
        asking.signal(signal);
        asking.wait().is(6, "");
        assert_eq!(server.wait().code, Some(0));
    }
    let (server, asking) = ask("Deploy?", &["--resume", "0"], "Deploy?");
    server.signal(Signal::KILL);
    asking.wait().is(5, "");
}

#[cfg(unix)]
#[test]
fn a_peer_that_begins_anew_is_asked_anew() {
    let (server, port) = server_with_pipe(&[]);
    let args = client(&port, &["--ask", "Deploy?", "--choices", "yes,no"]);
    let asking = Ptp::without_input(&args);
    server.prints("Deploy?");
    server.signal(rustix::process::Signal::KILL);
    asking.complains("[INTERRUPTED]");
    let mut again = Ptp::start(&["server", &port, "--bind", "127.0.0.1"]);
    again.prints("Deploy? (1 yes, 2 no)\n");
    again.write("y\n");
    asking.wait().is(0, "yes\n");
    assert_eq!(again.wait().code, Some(0));
}

#[test]
fn nobody_to_ask_is_as_ever() {
    let (_held, port) = unused_port();
    let args = client(&port, &["--ask", "Deploy?"]);
    Ptp::without_input(&args).wait().is(3, "");
}

#[test]
fn what_makes_no_question_is_wrong_usage() {
    for options in [
        &["--ask", ""][..],
        &["--choices", "yes,no"],
        &["--wait", "5m"],
        &["--ask", "?", "--choices", "yes,Yes"],
        &["--ask", "?", "--choices", "yes,"],
        &["--ask", "?", "--wait", "soon"],
        &["--ask", "?", "--stay"],
        &["--ask", "?", "--on-message", "cat"],
    ] {
        let args = [&["client", "127.0.0.1"], options].concat();
        Ptp::without_input(&args).wait().is(2, "");
    }
    let output = ptp(&["server", "--ask", "?"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
