//! Messages and the entry being typed, on screens of all sizes.

use super::*;

#[test]
fn messages_go_above_a_half_typed_line_that_is_being_edited_in_its_middle() {
    for count in [100, 2_000] {
        let (terminal, emulator) = with_prompt(80, 24);
        feed(&terminal, keys("half a sentence←←←←←←←←"));
        let mut expected = Vec::new();
        for number in 0..count {
            print(&terminal, &format!("Remote: message {number}"));
            expected.push(format!("Remote: message {number}"));
            if number % 50 == 0 {
                feed(&terminal, keys("x"));
            }
        }
        let typed = format!("half a {}sentence", "x".repeat(count / 50));
        expected.push(format!("You: {typed}"));
        assert_eq!(emulator.lines(), expected);
        assert_eq!(emulator.cursor(), (5 + 7 + count / 50, 23));
        assert_eq!(feed(&terminal, keys("⏎")), [line(&typed)]);
        expected.push("You:".to_owned());
        assert_eq!(emulator.lines(), expected);
    }
}

#[test]
fn a_batch_of_lines_is_one_write() {
    let (terminal, emulator) = with_prompt(80, 24);
    feed(&terminal, keys("half"));
    emulator.with(|emulated| emulated.writes.clear());
    terminal.print(&[
        "one".to_owned(),
        "two\n     three".to_owned(),
        "x".repeat(200),
    ]);
    let writes = emulator.with(|emulated| mem::take(&mut emulated.writes));
    assert_eq!(writes.len(), 1);
    assert!(writes[0].starts_with("\x1b[?2026h") && writes[0].ends_with("\x1b[?2026l"));
    let long = "x".repeat(200);
    assert_eq!(
        emulator.lines(),
        ["one", "two", "     three", &long, "You: half"]
    );
}

#[test]
fn a_line_that_fills_the_window_exactly_leaves_no_empty_line() {
    let (terminal, emulator) = with_prompt(20, 10);
    for width in [19, 20, 21, 39, 40, 41] {
        print(&terminal, &"x".repeat(width));
    }
    let mut expected: Vec<String> = [19, 20, 21, 39, 40, 41]
        .map(|width| "x".repeat(width))
        .into();
    expected.push("You:".to_owned());
    assert_eq!(emulator.lines(), expected);
}

#[test]
fn wide_characters_and_emoji_keep_their_place() {
    for typed in ["漢字かな交じり文", "👩‍👩‍👧‍👦 家族", "❤️ é e\u{301} 🇩🇪", "👍🏽👍🏽"]
    {
        for columns in [20, 80] {
            let (terminal, emulator) = with_prompt(columns, 24);
            feed(&terminal, keys(typed));
            feed(&terminal, keys("←"));
            for number in 0..20 {
                print(&terminal, &format!("漢字 {number}"));
            }
            let lines = emulator.lines();
            let messages: Vec<String> = (0..20).map(|number| format!("漢字 {number}")).collect();
            assert_eq!(lines[..20], messages);
            assert_eq!(lines[20..].concat(), format!("You: {typed}"));
            assert_eq!(feed(&terminal, keys("⏎")), [line(typed)]);
            assert_eq!(emulator.lines()[20..].concat(), format!("You: {typed}You:"));
        }
    }
}

#[test]
fn the_cursor_stands_behind_what_was_typed_whatever_its_width() {
    let (terminal, emulator) = with_prompt(80, 24);
    feed(&terminal, keys("漢字abc←←"));
    assert_eq!(emulator.cursor(), (5 + 4 + 1, 0));
    feed(&terminal, keys("←←"));
    assert_eq!(emulator.cursor(), (5 + 2, 0));
}

#[test]
fn messages_go_above_a_typed_line_that_wraps() {
    for columns in [20, 80] {
        let (terminal, emulator) = with_prompt(columns, 24);
        let typed = "0123456789".repeat(20);
        feed(&terminal, keys(&typed));
        for edit in ["", "←←←", "←←←←←←←←←←←←←←←←←←←←←←←←←←←←←←"]
        {
            feed(&terminal, keys(edit));
            for number in 0..20 {
                print(&terminal, &format!("message {number}"));
            }
        }
        let lines = emulator.lines();
        let messages = (0..60).map(|number| format!("message {}", number % 20));
        assert_eq!(lines[..60], messages.collect::<Vec<_>>());
        assert_eq!(lines[60..].concat(), format!("You: {typed}"));
        assert_eq!(lines[60].width(), columns - 1);
        assert_eq!(feed(&terminal, keys("⏎")), [line(&typed)]);
        assert_eq!(
            emulator.lines()[60..],
            [format!("You: {typed}"), "You:".to_owned()]
        );
    }
}

#[test]
fn messages_go_above_a_typed_line_taller_than_the_window() {
    for rows in [1, 2, 5] {
        let (terminal, emulator) = with_prompt(20, rows);
        let typed = "0123456789".repeat(30);
        feed(&terminal, keys(&typed));
        for number in 0..50 {
            print(&terminal, &format!("message {number}"));
            feed(&terminal, keys("←←←"));
        }
        let messages: Vec<String> = (0..50).map(|number| format!("message {number}")).collect();
        assert_eq!(emulator.lines()[..50], messages);
        assert_eq!(emulator.lines().len(), 50 + (rows - 1).max(1));
        assert_eq!(feed(&terminal, keys("⏎")), [line(&typed)]);
        assert_eq!(emulator.lines()[50..].concat(), format!("You: {typed}You:"));
    }
}

#[test]
fn a_window_that_changes_its_size_keeps_all_messages() {
    let (terminal, emulator) = with_prompt(80, 24);
    feed(&terminal, keys(&"x".repeat(100)));
    let mut messages = Vec::new();
    for (step, columns) in [60, 100, 30, 120, 31, 80].into_iter().enumerate() {
        for number in 0..10 {
            if number == 5 {
                // The window changes, a message comes, and only then the program is told.
                emulator.resize(columns, 24 - step);
                print(&terminal, &format!("message {}", messages.len()));
                messages.push(format!("message {}", messages.len()));
                feed(&terminal, vec![Event::Resize(columns as u16, 24)]);
            }
            print(&terminal, &format!("message {}", messages.len()));
            messages.push(format!("message {}", messages.len()));
        }
    }
    let lines = emulator.lines();
    let shown = lines
        .iter()
        .filter(|line| line.starts_with("message"))
        .cloned();
    assert_eq!(shown.collect::<Vec<_>>(), messages);
    assert_eq!(
        lines[lines.len() - 2..].concat(),
        format!("You: {}", "x".repeat(100))
    );
}

#[test]
fn where_the_terminal_breaks_rows_anew_nothing_is_left_over() {
    for (typed, narrow) in [(60, 40), (60, 25), (100, 50), (170, 30), (30, 21)] {
        let (terminal, emulator) = with_prompt(80, 30);
        feed(&terminal, keys(&"x".repeat(typed)));
        print(&terminal, "before");
        emulator.resize_and_reflow(narrow, 30);
        print(&terminal, "between");
        feed(&terminal, vec![Event::Resize(narrow as u16, 30)]);
        print(&terminal, "after");
        let lines = emulator.lines();
        let typed = format!("You: {}", "x".repeat(typed));
        assert_eq!(lines[0], "before");
        assert!(lines.iter().any(|line| line.ends_with("between")));
        assert!(lines.iter().any(|line| line.ends_with("after")));
        let reflow_is_seen = (typed.len() % 79) >= narrow;
        if reflow_is_seen {
            assert_eq!(lines[..3], ["before", "between", "after"]);
            assert_eq!(lines[3..].concat(), typed, "{typed} {narrow}");
        }
    }
}

#[test]
fn a_terminal_that_does_not_tell_its_cursor_keeps_all_messages() {
    let (terminal, emulator) = with_prompt(80, 30);
    emulator.with(|emulated| emulated.answers = false);
    feed(&terminal, keys(&"x".repeat(60)));
    print(&terminal, "before");
    emulator.resize_and_reflow(40, 30);
    feed(&terminal, vec![Event::Resize(40, 30)]);
    print(&terminal, "after");
    let lines = emulator.lines();
    assert_eq!(lines[0], "before");
    // What the terminal made of the typed row stands there still, and what follows is taken for
    // its end by the emulator.
    assert!(lines[1].ends_with("after"));
}

#[test]
fn nothing_is_drawn_while_more_keys_wait() {
    let (terminal, emulator) = with_prompt(80, 24);
    emulator.with(|emulated| emulated.writes.clear());
    feed(&terminal, keys(&"x".repeat(500)));
    assert_eq!(emulator.with(|emulated| emulated.writes.len()), 1);
}

#[test]
fn the_log_is_printed_above_the_entry_and_escaped() {
    let (terminal, emulator) = with_prompt(80, 24);
    feed(&terminal, keys("half"));
    let mut log = terminal.log_writer();
    write!(log, "[WARN] one").unwrap();
    assert_eq!(emulator.lines(), ["You: half"]);
    writeln!(log, " \u{1b}]0;title\u{7}").unwrap();
    assert_eq!(emulator.lines(), ["[WARN] one ^[]0;title^G", "You: half"]);
}

#[test]
fn in_a_window_of_any_size_nothing_breaks() {
    for columns in 1..12 {
        for rows in 1..5 {
            let (terminal, _) = with_prompt(columns, rows);
            feed(&terminal, keys("漢x👩‍👩‍👧‍👦\u{202e}←←←"));
            print(&terminal, "a message");
            assert_eq!(feed(&terminal, keys("⏎")).len(), 1);
        }
    }
}

#[test]
fn what_is_shown_of_a_message_fits_the_gutter_of_the_echo() {
    assert_eq!(escape::text("a\nb", "You: ".width()), "a\n     b");
}
