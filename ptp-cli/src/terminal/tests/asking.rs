//! A question in the place of the prompt.

use super::*;

fn complete(typed: &str) -> Option<String> {
    (typed == "ma").then(|| "magnet-".to_owned())
}

/// Takes up what was held, as the reader does.
fn take_up(terminal: &Terminal) -> Vec<Entry> {
    let mut entries = Vec::new();
    loop {
        let Some(event) = terminal.lock().next_held() else {
            return entries;
        };
        entries.extend(terminal.lock().handle(event, false));
    }
}

fn answer(text: &str) -> Entry {
    Entry::Answer(text.to_owned())
}

#[test]
fn an_answer_is_completed_edited_shown_and_in_no_history() {
    let (terminal, emulator) = without_prompt(80, 24);
    terminal.ask("Code: ", complete);
    feed(&terminal, keys("ma"));
    feed(&terminal, vec![key(KeyCode::Tab)]);
    assert_eq!(emulator.lines(), ["Code: magnet-"]);
    print(&terminal, "[PEER] still there");
    assert_eq!(emulator.lines(), ["[PEER] still there", "Code: magnet-"]);
    assert_eq!(feed(&terminal, keys("x⏎")), [answer("magnet-x")]);
    terminal.show_prompt();
    feed(&terminal, vec![key(KeyCode::Up)]);
    assert_eq!(
        emulator.lines(),
        ["[PEER] still there", "Code: magnet-x", "You:"]
    );
}

#[test]
fn a_hidden_answer_is_not_shown_and_in_no_history() {
    let (terminal, emulator) = with_prompt(80, 24);
    terminal.ask_hidden("Secret: ");
    feed(&terminal, keys("treasure"));
    print(&terminal, "message");
    assert_eq!(emulator.lines(), ["message", "Secret:"]);
    let entered = feed(&terminal, keys("⏎"));
    assert_eq!(entered, [Entry::Secret("treasure".to_owned())]);
    assert_eq!(emulator.lines(), ["message", "You:"]);
    feed(&terminal, vec![key(KeyCode::Up)]);
    assert_eq!(emulator.lines(), ["message", "You:"]);
}

#[test]
fn a_hidden_question_is_called_off_and_what_was_typed_before_is_there_again() {
    for off in [key(KeyCode::Esc), control('c'), control('d')] {
        let (terminal, emulator) = with_prompt(80, 24);
        feed(&terminal, keys("half"));
        terminal.ask_hidden("Secret: ");
        assert_eq!(emulator.lines(), ["Secret:"]);
        assert_eq!(feed(&terminal, vec![off]), [Entry::Secret(String::new())]);
        assert_eq!(emulator.lines(), ["You: half"]);
    }
}

#[test]
fn what_was_hidden_does_not_show_in_the_next_question() {
    let (terminal, emulator) = with_prompt(80, 24);
    feed(&terminal, keys("half"));
    terminal.ask_hidden("Secret: ");
    feed(&terminal, keys("treasure"));
    terminal.ask("Code: ", complete);
    assert_eq!(emulator.lines(), ["Code:"]);
    assert_eq!(feed(&terminal, keys("x⏎")), [answer("x")]);
    assert_eq!(emulator.lines(), ["Code: x", "You: half"]);
}

#[test]
fn what_was_typed_before_the_question_is_no_answer_and_what_came_after_an_answer_may_be_the_next() {
    let (terminal, emulator) = without_prompt(80, 24);
    assert_eq!(feed(&terminal, keys("hello⏎")), []);
    terminal.ask("Code: ", complete);
    assert_eq!(take_up(&terminal), []);
    assert_eq!(feed(&terminal, keys("wrong⏎right⏎")), [answer("wrong")]);
    print(&terminal, "[ERROR] wrong");
    terminal.ask("Code: ", complete);
    assert_eq!(take_up(&terminal), [answer("right")]);
    terminal.show_prompt();
    assert_eq!(take_up(&terminal), [line("hello")]);
    assert_eq!(
        emulator.lines(),
        [
            "Code: wrong",
            "[ERROR] wrong",
            "Code: right",
            "You: hello",
            "You:"
        ]
    );
}

#[test]
fn a_question_is_gone_when_the_terminal_is_given_back() {
    let (terminal, emulator) = without_prompt(80, 24);
    terminal.ask("Code: ", complete);
    feed(&terminal, keys("40"));
    assert_eq!(feed(&terminal, vec![control('c')]), []);
    assert_eq!(feed(&terminal, vec![control('c')]), [Entry::Leave]);
    terminal.farewell(&["[ERROR] gone".to_owned()]);
    assert_eq!(emulator.lines(), ["[ERROR] gone"]);
}
