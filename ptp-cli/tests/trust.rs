//! Two people who never met, a stranger, and somebody in another's place: codes, known peers and
//! what is said of them, in pipes and on terminals.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::fs;
use std::process::{Output, Stdio};

use support::terminal::Terminal;
use support::{Home, Ptp, code, pair, say, server_at_home};

fn run(home: &Home, args: &[&str]) -> Output {
    home.ptp(args).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn fingerprint(home: &Home) -> String {
    text(&run(home, &["id"]).stdout).trim().to_owned()
}

#[test]
fn two_that_never_met_need_the_code_once_and_a_third_is_turned_away() {
    let (ana, ben, third) = (Home::new(), Home::new(), Home::new());
    let (server, port) = server_at_home(&ana, &["--name", "Ana"]);
    let shown = code(&server);

    let refused = say(&third, &port, &[], "let me in\n");
    refused.is(4, "").says("do not know each other yet");
    server.complains(&format!(
        "[SERVER] Turned away 127.0.0.1: not known, and gave no code (fingerprint {})\n",
        fingerprint(&third)
    ));

    let args = ["client", "127.0.0.1", &port, "--name", "Ben"];
    let mut command = ben.ptp(&args);
    command.env("PTP_CODE", shown.to_uppercase().replace('-', " "));
    let mut client = Ptp::run(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
    client.pour("hello\n");
    let ended = client.wait();
    ended.is(0, "").says(&format!(
        "[PAIRED] Ana is known from now on; fingerprint {}",
        fingerprint(&ana)
    ));
    let ended = server.wait();
    ended.is(0, "hello\n").says(&format!(
        "[PAIRED] Ben is known from now on; fingerprint {}",
        fingerprint(&ben)
    ));
    assert!(!ended.stderr.contains("let me in"));

    // The second time no code is needed, and a wrong one that still stands around is no harm.
    let (server, port) = server_at_home(&ana, &[]);
    let options = ["--code", &shown, "--name", "Cleo"];
    say(&ben, &port, &options, "again\n")
        .is(0, "")
        .says("[PEER] Ana, whom you know");
    server
        .wait()
        .is(0, "again\n")
        .says("[PEER] Ben, whom you know; fingerprint")
        .says("; now goes by another name: Cleo");
}

#[test]
fn a_changed_key_stops_the_client_and_says_how_to_mend_it() {
    let (ana, ben, other) = (Home::new(), Home::new(), Home::new());
    let port = pair(&ana, &ben);
    let place = format!("127.0.0.1:{port}");
    let args = ["server", &port, "--bind", "127.0.0.1"];
    let impostor = Ptp::run(other.ptp(&args).stdin(Stdio::null()).stdout(Stdio::piped()));
    impostor.complains("[SERVER] Waiting");
    for options in [&[][..], &["--open"]] {
        say(&ben, &port, options, "secret\n")
            .is(4, "")
            .says(&fingerprint(&ana))
            .says(&fingerprint(&other))
            .says(&format!("ptp peers forget {place}\n"));
    }
    // It stopped before it said who it is.
    assert!(!impostor.stderr.text().contains(&fingerprint(&ben)));

    let forgotten = run(&ben, &["peers", "forget", &place]);
    assert_eq!(forgotten.status.code(), Some(0));
    let shown = code(&impostor);
    say(&ben, &port, &["--code", &shown], "now\n").is(0, "");
    impostor.wait().is(0, "now\n");
}

#[test]
fn a_known_peer_is_found_by_its_name_and_can_be_forgotten() {
    let (ana, ben) = (Home::new(), Home::new());
    let port = pair(&ana, &ben);
    let listed = text(&run(&ben, &["peers"]).stdout);
    let expected = format!("Ana  {}  paired ", fingerprint(&ana));
    assert!(listed.starts_with(&expected), "{listed}");
    assert!(
        listed.ends_with(&format!("  127.0.0.1:{port}\n")),
        "{listed}"
    );

    let args = ["server", &port, "--bind", "127.0.0.1"];
    let server = Ptp::run(ana.ptp(&args).stdin(Stdio::null()).stdout(Stdio::piped()));
    server.complains("[SERVER] Waiting");
    let mut client = Ptp::run(
        ben.ptp(&["client", "ana"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    client.pour("by name\n");
    client.wait().is(0, "");
    server.wait().is(0, "by name\n");

    let forgotten = run(&ben, &["peers", "forget", "Ana"]);
    assert_eq!(forgotten.status.code(), Some(0));
    assert!(run(&ben, &["peers"]).stdout.is_empty());
    let unknown = run(&ben, &["peers", "forget", "Ana"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).starts_with("[ERROR] no known peer"));
}

#[test]
fn a_code_is_read_from_a_file_and_stands_in_no_log_and_on_no_disk() {
    let (ana, ben) = (Home::new(), Home::new());
    let (server, port) = server_at_home(&ana, &["-vv"]);
    let shown = code(&server);
    let file = ben.0.with_extension("code");
    fs::write(&file, format!("  {shown} \nnot this\n")).unwrap();
    let path = file.to_str().unwrap();
    let ended = say(&ben, &port, &["-vv", "--code-file", path], "x\n");
    fs::remove_file(&file).unwrap();
    ended.is(0, "");
    let word = shown.rsplit('-').next().unwrap();
    assert!(!ended.stderr.contains(word), "{}", ended.stderr);
    let ended = server.wait();
    assert_eq!(ended.stderr.matches(&shown).count(), 1);
    for home in [&ana, &ben] {
        for entry in fs::read_dir(&home.0).unwrap() {
            let kept = fs::read(entry.unwrap().path()).unwrap();
            assert!(!support::contains(&kept, word));
        }
    }
}

#[test]
fn a_malformed_or_missing_code_is_exit_4_and_says_what_is_wrong() {
    let home = Home::new();
    for (options, said) in [
        (["--code", "4071"], "That is no pairing code"),
        (["--code", "4071-magnet-xyzzyq"], "That is no pairing code"),
        (
            ["--code-file", "/nowhere/code"],
            "The code in /nowhere/code",
        ),
    ] {
        let ended = say(&home, "1", &options, "");
        ended.is(4, "").says(said);
        assert!(!ended.stderr.contains("xyzzyq"));
    }
}

#[test]
fn an_open_server_lets_anyone_in_and_says_so_and_names_are_marked() {
    let (ana, ben, careful) = (Home::new(), Home::new(), Home::new());
    let (server, port) = server_at_home(&ana, &["--open"]);
    server.complains("[SERVER] Open: anyone who reaches this port is let in");
    assert!(!server.stderr.text().contains("Pairing code"));
    let refused = say(&careful, &port, &[], "x\n");
    refused.is(4, "").says("`--open` accepts it");
    say(&ben, &port, &["--open", "--name", "Ana"], "hi\n")
        .is(0, "")
        .says("[PEER] Not verified");
    server.wait().is(0, "hi\n").says("[PEER] Not verified");
    assert!(run(&ana, &["peers"]).stdout.is_empty());
}

#[test]
fn an_identity_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    fingerprint(&home);
    let file = home.0.join("identity");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let output = run(&home, &["id"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("chmod 600"));
    let ended = say(&home, "1", &[], "");
    ended.is(1, "").says("chmod 600");
}

#[test]
fn a_list_of_known_peers_that_was_spoiled_meanwhile_lets_nobody_in_and_is_told() {
    let (ana, ben) = (Home::new(), Home::new());
    pair(&ana, &ben);
    let (server, port) = server_at_home(&ana, &[]);
    let file = ana.0.join("known_peers");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{good}\nBen and nothing else\n")).unwrap();
    assert_ne!(say(&ben, &port, &[], "x\n").code, Some(0));
    server.complains("[ERROR] A caller was turned away: ");
    assert!(server.stderr.text().contains("known_peers, line "));
    fs::write(&file, good).unwrap();
    say(&ben, &port, &[], "y\n").is(0, "");
    server.wait().is(0, "y\n");
}

/// A terminal in this home.
fn terminal(home: &Home, args: &[&str]) -> Terminal {
    let mut command = home.ptp(args);
    Terminal::with(80, 24, command.env("TERM", "xterm-256color"), |_| {})
}

#[test]
fn on_a_terminal_the_code_is_asked_for_completed_and_corrected() {
    let (ana, ben) = (Home::new(), Home::new());
    let server = terminal(
        &ana,
        &["server", "0", "--bind", "127.0.0.1", "--name", "Ana"],
    );
    server.shows("[SERVER] Waiting");
    let port = server.word_after("[SERVER] Listening on port ");
    let shown = server.word_after("someone new: ");
    let client = terminal(&ben, &["client", "127.0.0.1", &port, "--name", "Ben"]);
    client.shows("First time with 127.0.0.1. Pairing code:");
    server.shows("not known, and gave no code");

    client.types("nonsense\r").shows("That is no pairing code");
    // A number and the beginnings of the words: Tab adds the rest.
    let mut parts = shown.split('-');
    let (number, first, second) = (
        parts.next().unwrap(),
        parts.next().unwrap(),
        parts.next().unwrap(),
    );
    client.types(&format!("{number}-{}\t", &first[..4]));
    client.shows(&format!("Pairing code: {number}-{first}-"));
    client.types(&format!("{}\t", &second[..4]));
    client.shows(&format!("Pairing code: {number}-{first}-{second}"));
    client
        .types("\r")
        .shows("[PAIRED] Ana is known from now on");
    server.shows("[PAIRED] Ben is known from now on");

    client.prompts().types("hi\r");
    server.prompts().shows("Ben: hi");
    // The code is in no history: the last entry is what was said.
    client.types("\x1b[A").shows("You: hi");
    client.types("\x15quit\r");
    client.exits(0);
    server.exits(0);
}

#[test]
fn ctrl_c_at_the_question_leaves_the_terminal_as_it_was() {
    let (ana, ben) = (Home::new(), Home::new());
    let (server, port) = server_at_home(&ana, &[]);
    let client = terminal(&ben, &["client", "127.0.0.1", &port]);
    client.shows("Pairing code:").types("\x03");
    client.exits(130);
    // And the server goes on waiting.
    let shown = code(&server);
    say(&ben, &port, &["--code", &shown], "hi\n").is(0, "");
    server.wait().is(0, "hi\n");
}

#[test]
fn three_wrong_codes_bring_a_new_one() {
    let (ana, ben) = (Home::new(), Home::new());
    let (server, port) = server_at_home(&ana, &[]);
    let shown = code(&server);
    let number = if shown.starts_with("0000") {
        "0001"
    } else {
        "0000"
    };
    let wrong = format!("{number}{}", &shown[4..]);
    for _ in 0..3 {
        let ended = say(&ben, &port, &["--code", &wrong], "x\n");
        ended.is(4, "").says("The pairing code is wrong");
    }
    server.complains("[SERVER] 3 wrong codes from 127.0.0.1\n");
    let renewed = server.stderr.find(|said| {
        let said = String::from_utf8_lossy(said);
        let codes: Vec<_> = said.split("someone new: ").skip(1).collect();
        Some(codes.get(1)?.split_once('\n')?.0.to_owned())
    });
    let renewed = renewed.unwrap();
    assert_ne!(renewed, shown);
    say(&ben, &port, &["--code", &shown], "x\n").is(4, "");
    say(&ben, &port, &["--code", &renewed], "in\n").is(0, "");
    server.wait().is(0, "in\n");
}
