//! What keys and pastes become.

use super::*;

#[test]
fn lines_typed_ahead_in_one_write_are_all_entered() {
    let (terminal, emulator) = with_prompt(80, 24);
    assert_eq!(
        feed(&terminal, keys("one⏎two⏎thr")),
        [line("one"), line("two")]
    );
    assert_eq!(emulator.lines(), ["You: one", "You: two", "You: thr"]);
}

#[test]
fn what_is_typed_before_there_is_a_prompt_waits_for_it() {
    let (terminal, emulator) = without_prompt(80, 24);
    assert_eq!(feed(&terminal, keys("one⏎two⏎")), []);
    print(&terminal, "[SERVER] Waiting for incoming connection...");
    assert_eq!(
        emulator.lines(),
        ["[SERVER] Waiting for incoming connection..."]
    );
    assert_eq!(terminal.lock().next_held(), None);
    assert_eq!(feed(&terminal, vec![control('c')]), [Entry::Leave]);
    terminal.show_prompt();
    let mut entries = Vec::new();
    while let Some(event) = {
        let mut screen = terminal.lock();
        screen.next_held()
    } {
        entries.extend(terminal.lock().handle(event, false));
    }
    assert_eq!(entries, [line("one"), line("two")]);
    assert_eq!(emulator.lines()[1..], ["You: one", "You: two", "You:"]);
}

#[test]
fn a_pasted_block_is_one_entry() {
    let (terminal, emulator) = with_prompt(80, 24);
    feed(
        &terminal,
        vec![Event::Paste("one\r\ntwo\rthree\n".to_owned())],
    );
    print(&terminal, "message");
    let hint = "[3 lines: Enter sends, Esc edits]";
    assert_eq!(
        emulator.lines(),
        ["message", "You: one", "     two", "     three", "", hint]
    );
    assert_eq!(emulator.cursor(), (5, 4));
    assert_eq!(feed(&terminal, keys("⏎")), [line("one\ntwo\nthree")]);
    assert_eq!(
        emulator.lines(),
        ["message", "You: one", "     two", "     three", "You:"]
    );
}

#[test]
fn a_pasted_block_is_edited_after_escape_or_any_other_key() {
    for (first, expected) in [
        (key(KeyCode::Esc), "one\ntwo!"),
        (key(KeyCode::Up), "one!\ntwo"),
    ] {
        let (terminal, emulator) = with_prompt(80, 24);
        feed(&terminal, vec![Event::Paste("one\ntwo".to_owned())]);
        assert_eq!(
            emulator.lines(),
            ["You: one", "     two", "[2 lines: Enter sends, Esc edits]"]
        );
        feed(&terminal, vec![first]);
        assert_eq!(emulator.lines(), ["You: one", "     two"]);
        assert_eq!(feed(&terminal, keys("!⏎")), [line(expected)]);
    }
}

#[test]
fn a_pasted_line_is_typed_like_any_other() {
    let (terminal, emulator) = with_prompt(80, 24);
    feed(&terminal, vec![Event::Paste("one\n".to_owned())]);
    feed(&terminal, keys("!"));
    assert_eq!(emulator.lines(), ["You: one", "     !"]);
}

#[test]
fn a_hint_stands_below_the_entry_and_is_no_line_of_the_conversation() {
    let (terminal, emulator) = with_prompt(30, 5);
    feed(&terminal, keys("half"));
    terminal.hint("[the last line is not delivered yet]");
    for number in 0..50 {
        print(&terminal, &format!("message {number}"));
    }
    let lines = emulator.lines();
    assert_eq!(lines[49], "message 49");
    assert_eq!(lines[50], "You: half");
    assert_eq!(lines[51..].concat(), "[the last line is not delivered yet]");
    terminal.hint("");
    assert_eq!(emulator.lines()[49..], ["message 49", "You: half"]);
    assert_eq!(feed(&terminal, keys("⏎")), [line("half")]);
}

#[test]
fn what_is_revealed_is_gone_with_the_next_key() {
    let (terminal, emulator) = with_prompt(80, 24);
    feed(&terminal, keys("ha"));
    assert_eq!(feed(&terminal, vec![control('r')]), [Entry::Reveal]);
    terminal.reveal("the treasure".to_owned());
    print(&terminal, "message");
    assert_eq!(emulator.lines(), ["message", "You: ha", "the treasure"]);
    feed(&terminal, keys("lf"));
    assert_eq!(emulator.lines(), ["message", "You: half"]);
}

#[test]
fn a_thousand_pasted_lines_are_one_entry_and_cost_no_message() {
    let (terminal, emulator) = with_prompt(80, 24);
    let block: Vec<String> = (0..1000).map(|number| format!("line {number}")).collect();
    for number in 0..10 {
        print(&terminal, &format!("message {number}"));
        feed(
            &terminal,
            vec![Event::Paste(block[number * 100..][..100].join("\n") + "\n")],
        );
    }
    assert_eq!(feed(&terminal, keys("⏎")), [line(&block.join("\n"))]);
    let lines = emulator.lines();
    let messages: Vec<String> = (0..10).map(|number| format!("message {number}")).collect();
    assert_eq!(lines[..10], messages);
    assert_eq!(lines.len(), 10 + 1000 + 1);
}

#[test]
fn control_characters_in_a_paste_are_shown_and_not_obeyed() {
    let (terminal, emulator) = with_prompt(80, 24);
    let hostile = "a\u{1b}[2Jb\u{7}\u{202e}c\td\u{2028}e";
    feed(&terminal, vec![Event::Paste(hostile.to_owned())]);
    let shown = ["You: a^[[2Jb^G<U+202E>c    d", "     e"];
    assert_eq!(emulator.lines(), shown);
    assert_eq!(feed(&terminal, keys("⏎")), [line(hostile)]);
    assert_eq!(emulator.lines()[..2], shown);
}

#[test]
fn alt_enter_begins_a_new_line_of_the_same_entry() {
    let (terminal, _) = with_prompt(80, 24);
    feed(&terminal, keys("one"));
    feed(
        &terminal,
        vec![Event::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::ALT))],
    );
    assert_eq!(feed(&terminal, keys("two⏎")), [line("one\ntwo")]);
}

#[test]
fn a_newline_typed_before_the_terminal_was_raw_is_enter() {
    let (terminal, _) = with_prompt(80, 24);
    feed(&terminal, keys("one"));
    assert_eq!(feed(&terminal, vec![control('j')]), [line("one")]);
}

#[test]
fn ctrl_c_clears_the_line_and_leaves_when_it_is_empty() {
    let (terminal, emulator) = with_prompt(80, 24);
    feed(&terminal, keys("half"));
    assert_eq!(feed(&terminal, vec![control('c')]), []);
    assert_eq!(emulator.lines(), ["You:"]);
    assert_eq!(feed(&terminal, vec![control('c')]), [Entry::Leave]);
}

#[test]
fn ctrl_d_deletes_and_leaves_when_the_line_is_empty() {
    let (terminal, _) = with_prompt(80, 24);
    feed(&terminal, keys("ab←"));
    assert_eq!(feed(&terminal, vec![control('d')]), []);
    assert_eq!(feed(&terminal, keys("⏎")), [line("a")]);
    assert_eq!(feed(&terminal, vec![control('d')]), [Entry::Leave]);
}

#[test]
fn an_entry_from_the_history_is_entered_again() {
    let (terminal, _) = with_prompt(80, 24);
    for entry in ["one", "two"] {
        terminal.remember(entry);
    }
    assert_eq!(feed(&terminal, keys("↑↑⏎")), [line("one")]);
}
