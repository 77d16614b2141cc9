//! What is being typed on a terminal while messages arrive, whatever they are.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use support::terminal::Terminal;
use support::{PATIENCE, Ptp, client, server_with_pipe};

const LEFT: &str = "\x1b[D";

/// A client on a terminal in a conversation with a server in a pipe.
fn conversation(columns: u16, rows: u16) -> (Ptp, Terminal) {
    named(columns, rows, &[])
}

fn named(columns: u16, rows: u16, options: &[&str]) -> (Ptp, Terminal) {
    let (server, port) = server_with_pipe(options);
    let client = Terminal::sized(columns, rows, &client(&port, &[]));
    client.prompts();
    (server, client)
}

#[test]
fn a_message_stands_above_the_half_typed_line_and_the_cursor_stays() {
    let (mut server, client) = conversation(80, 24);
    client.types("half typed").types(&LEFT.repeat(6));
    client.stands(&["You: half typed"], "You: half");
    server.write("hello\n");
    client.stands(&["Remote: hello", "You: half typed"], "You: half");
    client
        .types("-")
        .stands(&["You: half- typed"], "You: half-");
    server.write("again\n");
    client.stands(
        &["Remote: hello", "Remote: again", "You: half- typed"],
        "You: half-",
    );
    client.types("\r");
    server.prints("half- typed\n");
    client.stands(&["Remote: again", "You: half- typed", "You:"], "You: ");
}

#[test]
fn a_hundred_messages_stand_above_the_half_typed_line() {
    let (mut server, client) = conversation(80, 24);
    client
        .types("half typed")
        .types(LEFT)
        .stands(&["You: half typed"], "You: half type");
    let messages: Vec<String> = (1..=100)
        .map(|number| format!("message {number}"))
        .collect();
    for pair in messages.chunks(2) {
        server.write(&format!("{}\n{}\n", pair[0], pair[1]));
    }
    let mut expected: Vec<String> = messages
        .iter()
        .map(|text| format!("Remote: {text}"))
        .collect();
    expected.push("You: half typed".into());
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    client.stands(&expected, "You: half type").types("\r");
    server.prints("half typed\n");
}

#[test]
fn what_is_typed_while_messages_arrive_is_sent_whole() {
    let (mut server, client) = conversation(80, 24);
    let messages: String = (1..=2000)
        .map(|number| format!("message {number}\n"))
        .collect();
    let pipe = server.pour_on(messages);
    for word in "every single letter of this arrives".split_inclusive(' ') {
        for letter in word.chars() {
            client.types(&letter.to_string());
        }
    }
    client.types("\r");
    server.prints("every single letter of this arrives\n");
    client.shows("Remote: message 2000");
    drop(pipe.recv_timeout(PATIENCE));
    let lines = client.lines();
    let received = lines
        .iter()
        .filter_map(|line| line.strip_prefix("Remote: message "));
    assert!(received.eq((1..=2000).map(|number| number.to_string())));
    let own: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("You: "))
        .collect();
    assert_eq!(own, ["You: every single letter of this arrives"]);
}

#[test]
fn wide_characters_are_typed_crossed_and_deleted() {
    let (mut server, client) = conversation(80, 24);
    client
        .types("漢字かな")
        .stands(&["You: 漢字かな"], "You: 漢字かな");
    client
        .types(LEFT)
        .types(LEFT)
        .stands(&["You: 漢字かな"], "You: 漢字");
    server.write("日本語 ok\n");
    client.stands(&["Remote: 日本語 ok", "You: 漢字かな"], "You: 漢字");
    client
        .types("\x7f")
        .stands(&["You: 漢かな"], "You: 漢")
        .types("é\r");
    server.prints("漢éかな\n");
}

#[test]
fn an_emoji_is_deleted_as_one() {
    let (mut server, client) = conversation(80, 24);
    client
        .types("a👍🏽b🇩🇪c")
        .types(LEFT)
        .types("\x7f")
        .types(LEFT)
        .types("\x7f");
    server.write("👩‍👩‍👧‍👦\n");
    client.shows("Remote: 👩").types("!\r");
    server.prints("a!bc\n");
}

#[test]
fn a_line_that_wraps_is_kept_whole_below_the_messages() {
    let (mut server, client) = conversation(20, 24);
    let typed = "a line that is a good deal longer than twenty columns";
    client.types(typed);
    for number in 1..=20 {
        server.write(&format!("message {number} which wraps as well\n"));
    }
    client.shows("message 20 which wraps as well");
    client.types(LEFT).types(LEFT).types("N\x1b[F!");
    // Behind the last message stand the rows of the entry, and nothing else.
    let stands = |text: &str| {
        client.until_lines(|lines| {
            let last = lines.iter().rposition(|line| line.starts_with("Remote: "));
            let entry = &lines[last.map_or(0, |last| last + 1)..];
            squeezed(&entry.concat()) == squeezed(text)
        });
    };
    stands("You: a line that is a good deal longer than twenty columNns!");
    let lines = client.lines();
    let received: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("Remote: "))
        .collect();
    assert_eq!(received.len(), 20, "{lines:#?}");
    for (line, number) in received.iter().zip(1..) {
        assert_eq!(
            **line,
            format!("Remote: message {number} which wraps as well")
        );
    }
    client.types("\r");
    server.prints("a line that is a good deal longer than twenty columNns!\n");
    client.prompts();
}

/// Without blanks: where a row ends, one may be seen or not.
fn squeezed(text: &str) -> String {
    text.chars().filter(|character| *character != ' ').collect()
}

#[test]
fn an_entry_taller_than_the_window_damages_nothing() {
    let (mut server, client) = conversation(20, 5);
    let typed = "word ".repeat(60);
    client.types(&typed).types("end").shows("end");
    for number in 1..=5 {
        server.write(&format!("message {number}\n"));
        client.shows(&format!("Remote: message {number}"));
    }
    client.types("\r");
    server.prints(&format!("{typed}end\n"));
    client.prompts();
    let lines = client.lines();
    let received = lines
        .iter()
        .filter(|line| line.starts_with("Remote: message "));
    assert_eq!(received.count(), 5, "{lines:#?}");
}

#[test]
fn messages_stay_whole_when_the_window_changes_its_size() {
    let (mut server, client) = conversation(60, 24);
    client.types("half typed").types(LEFT);
    let mut expected = Vec::new();
    for (number, columns) in [60, 30, 45, 100, 20, 80].into_iter().enumerate() {
        client.resize(columns, 24);
        let message = format!("msg {number}");
        server.write(&format!("{message}\n"));
        expected.push(format!("Remote: {message}"));
        client.shows(&message);
        client.stands(&["You: half typed"], "You: half type");
    }
    let lines = client.lines();
    let received: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("Remote: "))
        .collect();
    assert!(received.into_iter().eq(&expected), "{lines:#?}");
    assert_eq!(
        lines.iter().filter(|line| line.starts_with("You:")).count(),
        1,
        "{lines:#?}"
    );
    client.types("\r");
    server.prints("half typed\n");
}

#[test]
fn a_pasted_block_is_one_message() {
    let (server, port) = {
        let server = Terminal::start(&["server", "0", "--bind", "127.0.0.1"]);
        let port = server.word_after("[SERVER] Listening on port ");
        (server, port)
    };
    let client = Terminal::start(&client(&port, &[]));
    server.prompts();
    client.prompts().pastes("one\ntwo\r\nthree\n");
    client.shows("three").types("\r");
    server.stands(&["Remote: one", "    two", "    three", "You:"], "You: ");
    client.types("next\r");
    server.stands(&["    three", "Remote: next", "You:"], "You: ");
}

#[test]
fn a_pasted_quit_among_other_lines_does_not_quit() {
    let (server, client) = conversation(80, 24);
    client.pastes("one\nquit\n").shows("quit").types("\r");
    server.prints("one\nquit\n");
    client.prompts().types("here\r");
    server.prints("here\n");
}

#[test]
fn a_pasted_escape_is_not_obeyed_and_arrives() {
    let (server, client) = conversation(80, 24);
    client.pastes("a\x1b[2Jb").types("\r");
    server.prints("a\x1b[2Jb\n");
    client.shows("You: a^[[2Jb");
    assert_eq!(client.obeyed(), [""; 0]);
}

#[test]
fn the_up_key_brings_back_what_was_sent() {
    let (server, client) = conversation(80, 24);
    client.types("first\r").types("second\r").prompts();
    client
        .types("dra\x1b[A\x1b[A")
        .stands(&["You: first"], "You: first");
    client
        .types("\x1b[B\x1b[B")
        .stands(&["You: dra"], "You: dra");
    client.types("\x1b[A\x1b[A!\r");
    server.prints("first\nsecond\nfirst!\n");
}

/// What would change the screen, the title or the clipboard, or reorder or hide text.
const HOSTILE: [&str; 14] = [
    "\x1b[2J\x1b[H gone",
    "\x1b]0;title\x07",
    "\x1b]52;c;aGVsbG8=\x07",
    "\x1b]52;c;?\x1b\\",
    "\x1b[6n\x1b[c\x1b[5n",
    "\x1bc\x1b[!p",
    "\x1b[?1049h\x1b[?25l\x1b[?1000h",
    "\u{9b}2J\u{9d}0;x\u{9c}",
    "\x07\x08\x0b\x0c\x0e\x0f\x7f",
    "over\r[SERVER] forged",
    "\x1b[A\x1b[A\x1b[K[USER] forged",
    "abc\u{202e}cba\u{2066}x\u{200b}y\u{feff}z\u{ad}",
    "\x1bP+q544e\x1b\\ \x1b_x\x1b\\ \x1b^y\x1b\\",
    "\x1b[201~\x1b[200~\x1b[8;1;1t",
];

#[test]
fn nothing_that_the_peer_says_is_obeyed() {
    let (mut server, client) = conversation(80, 24);
    client.types("half").stands(&["You: half"], "You: half");
    let before = client.lines();
    for text in HOSTILE {
        server.write(&format!("{text}\n"));
    }
    server.write("the end\n");
    client.stands(&["Remote: the end", "You: half"], "You: half");
    assert_eq!(client.obeyed(), [""; 0]);
    let lines = client.lines();
    assert_eq!(lines[..before.len() - 1], before[..before.len() - 1]);
    let said = &lines[before.len() - 1..];
    assert_eq!(said.len(), HOSTILE.len() + 2, "{said:#?}");
    assert!(
        said[..HOSTILE.len()]
            .iter()
            .all(|line| line.starts_with("Remote: "))
    );
    assert_eq!(said[0], "Remote: ^[[2J^[[H gone");
    assert_eq!(said[7], "Remote: <U+009B>2J<U+009D>0;x<U+009C>");
    assert_eq!(said[9], "Remote: over^M[SERVER] forged");
    assert_eq!(
        said[11],
        "Remote: abc<U+202E>cba<U+2066>x<U+200B>y<U+FEFF>z<U+00AD>"
    );
    server.write("quit\n");
    client.exits(0);
}

#[test]
fn bytes_that_are_no_text_are_shown_as_such() {
    let (mut server, client) = conversation(80, 24);
    server.write_bytes(b"\xff\x1b[2J\xc3\n");
    client.ends_with(&["Remote: <FF>^[[2J<C3>", "You:"]);
    assert_eq!(client.obeyed(), [""; 0]);
}

#[test]
fn no_name_is_obeyed_or_forges_a_line() {
    let name = "\x1b]0;t\x07\nEve\u{202e}\r";
    let (mut server, client) = named(80, 24, &["--name", name]);
    server.write("hi\n");
    client.stands(&["^[]0;t^G^JEve<U+202E>^M: hi", "You:"], "You: ");
    assert_eq!(client.obeyed(), [""; 0]);
}
