//! The terminal against an emulated screen: what stands there is compared, not what was written.

use std::{
    io, mem,
    num::NonZeroU16,
    sync::{Arc, Mutex},
    thread,
};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use unicode_width::UnicodeWidthStr;

use super::{
    Entry, Terminal,
    screen::{Device, Screen},
};
use crate::escape;
use std::io::Write;

/// An emulated terminal of which tests and the program hold a handle each.
#[derive(Clone)]
struct Emulator(Arc<Mutex<Emulated>>);

struct Emulated {
    parser: vt100::Parser,
    size: (usize, usize),
    /// What the terminal answers when it is asked for the cursor.
    answers: bool,
    writes: Vec<String>,
    raw: Vec<bool>,
    stops: usize,
}

impl Emulator {
    fn with<T>(&self, look: impl FnOnce(&mut Emulated) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// Everything from the first line in the scrollback to the last that isn't blank, wrapped rows
    /// joined.
    fn lines(&self) -> Vec<String> {
        self.with(|emulated| {
            let (columns, rows) = emulated.size;
            let screen = emulated.parser.screen_mut();
            screen.set_scrollback(usize::MAX);
            let hidden = screen.scrollback();
            let mut all = Vec::new();
            for offset in (0..=hidden).rev() {
                screen.set_scrollback(offset);
                let count = if offset == 0 { rows } else { 1 };
                for (row, text) in screen.rows(0, columns as u16).enumerate().take(count) {
                    all.push((text, screen.row_wrapped(row as u16)));
                }
            }
            let mut lines = vec![String::new()];
            for (text, wrapped) in all {
                *lines.last_mut().unwrap() += &text;
                if !wrapped {
                    lines.push(String::new());
                }
            }
            for line in &mut lines {
                line.truncate(line.trim_end().len());
            }
            while lines.last().is_some_and(String::is_empty) {
                lines.pop();
            }
            lines
        })
    }

    /// The column of the cursor and the row, counted from the bottom of what is shown.
    fn cursor(&self) -> (usize, usize) {
        self.with(|emulated| {
            let (row, column) = emulated.parser.screen().cursor_position();
            (column.into(), row.into())
        })
    }

    fn resize(&self, columns: usize, rows: usize) {
        self.with(|emulated| {
            emulated.parser.set_size(size(rows), size(columns));
            emulated.size = (columns, rows);
        });
    }

    /// Gets narrower as tmux does: rows that have no room any more go on in the next.
    fn resize_and_reflow(&self, columns: usize, rows: usize) {
        self.with(|emulated| {
            let screen = emulated.parser.screen();
            let (cursor_row, cursor_column) = screen.cursor_position();
            let mut all = vt100::Parser::new(size(rows), size(columns), 1000);
            for (number, row) in screen.rows(0, emulated.size.0 as u16).enumerate() {
                if number > 0 {
                    all.process(b"\r\n");
                }
                if number == usize::from(cursor_row) {
                    let (before, after) = row.split_at(cursor_column.into());
                    all.process(format!("{before}\x1b7{after}").as_bytes());
                    break;
                }
                all.process(row.as_bytes());
            }
            all.process(b"\x1b8");
            emulated.parser = all;
            emulated.size = (columns, rows);
        });
    }
}

impl Write for Emulator {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|emulated| {
            emulated.parser.process(bytes);
            emulated
                .writes
                .push(String::from_utf8_lossy(bytes).into_owned());
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Device for Emulator {
    fn size(&self) -> (usize, usize) {
        self.with(|emulated| emulated.size)
    }

    fn cursor_column(&self) -> Option<usize> {
        self.with(|emulated| {
            emulated
                .answers
                .then_some(emulated.parser.screen().cursor_position().1.into())
        })
    }

    fn set_raw(&self, raw: bool) -> io::Result<()> {
        self.with(|emulated| emulated.raw.push(raw));
        Ok(())
    }

    fn stop(&self) {
        self.with(|emulated| emulated.stops += 1);
    }
}

fn size(cells: usize) -> NonZeroU16 {
    NonZeroU16::new(cells as u16).unwrap()
}

/// A terminal without a prompt yet.
fn without_prompt(columns: usize, rows: usize) -> (Terminal, Emulator) {
    let emulator = Emulator(Arc::new(Mutex::new(Emulated {
        parser: vt100::Parser::new(size(rows), size(columns), 100_000),
        size: (columns, rows),
        answers: true,
        writes: Vec::new(),
        raw: Vec::new(),
        stops: 0,
    })));
    let screen = Screen::new(
        Box::new(emulator.clone()),
        Box::new(emulator.clone()),
        "You: ",
    );
    let terminal = Terminal::new(screen);
    terminal.lock().enter().unwrap();
    (terminal, emulator)
}

fn with_prompt(columns: usize, rows: usize) -> (Terminal, Emulator) {
    let (terminal, emulator) = without_prompt(columns, rows);
    terminal.show_prompt();
    (terminal, emulator)
}

fn key(code: KeyCode) -> Event {
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn control(letter: char) -> Event {
    Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))
}

/// The events of typing: `⏎` is Enter, `←` the left key.
fn keys(typed: &str) -> Vec<Event> {
    let code = |character| match character {
        '⏎' => KeyCode::Enter,
        '←' => KeyCode::Left,
        '↑' => KeyCode::Up,
        _ => KeyCode::Char(character),
    };
    typed
        .chars()
        .map(|character| key(code(character)))
        .collect()
}

/// Does what the reading thread does with events that all wait already.
fn feed(terminal: &Terminal, events: Vec<Event>) -> Vec<Entry> {
    let mut left = events.len();
    let mut entries = Vec::new();
    for event in events {
        left -= 1;
        entries.extend(
            terminal
                .drawable()
                .and_then(|mut screen| screen.handle(event, left > 0)),
        );
    }
    entries
}

fn print(terminal: &Terminal, line: &str) {
    terminal.print(&[line.to_owned()]);
}

fn line(text: &str) -> Entry {
    Entry::Line(text.to_owned())
}

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
    assert_eq!(
        emulator.lines(),
        ["message", "You: one", "     two", "     three"]
    );
    assert_eq!(emulator.cursor(), (5, 4));
    assert_eq!(feed(&terminal, keys("⏎")), [line("one\ntwo\nthree")]);
    assert_eq!(
        emulator.lines(),
        ["message", "You: one", "     two", "     three", "You:"]
    );
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
    let entries = feed(&terminal, keys("one⏎two⏎↑↑⏎"));
    assert_eq!(entries, [line("one"), line("two"), line("one")]);
}

#[test]
fn nothing_is_drawn_while_more_keys_wait() {
    let (terminal, emulator) = with_prompt(80, 24);
    emulator.with(|emulated| emulated.writes.clear());
    feed(&terminal, keys(&"x".repeat(500)));
    assert_eq!(emulator.with(|emulated| emulated.writes.len()), 1);
}

#[test]
fn quitting_in_a_flood_prints_nothing_after_the_farewell() {
    let (terminal, emulator) = with_prompt(80, 24);
    feed(&terminal, keys("half"));
    let flood = {
        let terminal = terminal.clone();
        thread::spawn(move || {
            for number in 0..2_000 {
                print(&terminal, &format!("message {number}"));
            }
        })
    };
    while emulator.lines().len() < 20 {
        thread::yield_now();
    }
    terminal.farewell(&[
        "[USER] Disconnecting...".to_owned(),
        String::new(),
        "Closed".to_owned(),
    ]);
    flood.join().unwrap();
    feed(&terminal, keys("more⏎"));
    let lines = emulator.lines();
    assert_eq!(
        lines[lines.len() - 3..],
        ["[USER] Disconnecting...", "", "Closed"]
    );
    assert!(lines.iter().all(|line| !line.contains("You:")));
    assert_eq!(emulator.cursor().0, 0);
}

#[test]
fn restoring_is_idempotent() {
    let (terminal, emulator) = with_prompt(80, 24);
    terminal.farewell(&["one".to_owned()]);
    let writes = emulator.with(|emulated| emulated.writes.len());
    terminal.farewell(&["two".to_owned()]);
    terminal.restore();
    print(&terminal, "three");
    terminal.show_prompt();
    assert_eq!(emulator.lines(), ["one"]);
    assert_eq!(emulator.with(|emulated| emulated.writes.len()), writes);
    assert_eq!(
        emulator.with(|emulated| emulated.raw.clone()),
        [true, false]
    );
    assert!(!emulator.with(|emulated| emulated.parser.screen().bracketed_paste()));
}

#[test]
fn a_thread_that_is_stuck_while_it_draws_does_not_keep_others_from_restoring() {
    let (terminal, _) = with_prompt(80, 24);
    let drawing = terminal.lock();
    assert!(!terminal.close(&[]));
    drop(drawing);
    assert!(terminal.drawable().is_none());
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_takes_it_again() {
    let (terminal, emulator) = with_prompt(80, 24);
    feed(&terminal, keys("half"));
    feed(&terminal, vec![control('z')]);
    assert_eq!(
        emulator.with(|emulated| (emulated.raw.clone(), emulated.stops)),
        (vec![true, false, true], 1)
    );
    terminal.lock().resumed();
    assert_eq!(emulator.lines(), ["You: half"]);
    assert!(emulator.with(|emulated| emulated.parser.screen().bracketed_paste()));
}

#[test]
fn stopped_from_outside_the_entry_is_drawn_again_where_the_shell_left_the_cursor() {
    let (terminal, mut emulator) = with_prompt(80, 24);
    feed(&terminal, keys("half"));
    emulator.write_all(b"\r\n[1]+ Stopped\r\n$ fg\r\n").unwrap();
    terminal.lock().resumed();
    print(&terminal, "message");
    assert_eq!(
        emulator.lines(),
        ["You: half", "[1]+ Stopped", "$ fg", "message", "You: half"]
    );
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
