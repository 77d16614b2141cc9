//! Giving the terminal back: farewell, restore, Ctrl-Z.

use super::*;

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
