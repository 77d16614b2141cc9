//! A session that goes on over another connection: what is sent again, and what may not be said.

mod ends;
mod points;
mod time;

use std::time::{Duration, SystemTime};

use super::pair::{Ana, BEGAN_MS, BUDGET, Ben, Pair, Scenario, WINDOW, Who};
use crate::protocol::{ClosedBy, Control, Credit, Limits, Message, ResumePoint, Violation};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// The longest body of a frame.
const PART: u64 = 65_536;

fn scenario() -> Scenario {
    Scenario::new().without_handshake([8; 32])
}

fn open() -> Pair {
    scenario().open()
}

fn point(received: u64, partial: u64) -> ResumePoint {
    ResumePoint { received, partial }
}

/// Ana writes all that she has to say; it stays on the wire.
fn speak_all(pair: &mut Pair, who: Who) {
    while pair[who].connection.wants_transmit() {
        pair[who].speak(BUDGET);
    }
}

/// The first `length` bytes of what `who` has written arrive; the rest stays on the wire.
fn carry_some(pair: &mut Pair, who: Who, length: usize) {
    let rest = pair[who].wire.split_off(length);
    let bytes = std::mem::replace(&mut pair[who].wire, rest);
    let now = pair.now;
    pair[who.other()].hear(now, &bytes).unwrap();
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(Message::as_text).collect()
}

fn sent_and_acked(pair: &Pair, who: Who) -> (u64, u64) {
    pair[who].connection.sent_and_acked()
}

/// Sees to it that all is taken, and that both sides end cleanly.
fn close_cleanly(pair: &mut Pair) {
    for who in Who::BOTH {
        pair[who].connection.close();
    }
    pair.settle();
    for who in Who::BOTH {
        pair.take_all(who);
    }
    pair.advance(SECOND);
    assert!(pair.is_finished());
    for who in Who::BOTH {
        let (unsent, unconfirmed) = pair[who].connection.finish();
        assert!(unsent.is_empty() && unconfirmed.is_empty());
    }
}

#[test]
fn a_session_that_said_nothing_goes_on() {
    for scenario in [scenario(), Scenario::new()] {
        let mut pair = scenario.open();
        pair.cut();
        assert_eq!(pair.resume(), [0, 0]);
        assert_eq!(pair[Ana].connection.resumes(), 1);
        pair.send(Ana, "one");
        pair.send(Ben, "eins");
        pair.settle();
        assert_eq!(texts(&pair.take_all(Ben)), ["one"]);
        assert_eq!(texts(&pair.take_all(Ana)), ["eins"]);
        close_cleanly(&mut pair);
    }
}

#[test]
fn what_was_lost_on_its_way_is_sent_again_behind_what_arrived() {
    for arrive in 0..=3 {
        let mut pair = open();
        for number in 0..3 {
            if number == arrive {
                pair.carry(Ana);
            }
            pair.send(Ana, number.to_string());
        }
        if arrive == 3 {
            pair.carry(Ana);
        }
        speak_all(&mut pair, Ana);
        pair.cut();
        pair.send(Ana, "accepted meanwhile");
        assert_eq!(pair.resume(), [4 - arrive, 0]);
        pair.settle();
        let messages = pair.take_all(Ben);
        assert_eq!(texts(&messages), ["0", "1", "2", "accepted meanwhile"]);
        let numbers = messages.iter().map(|message| message.id().get());
        assert!(numbers.eq(1..=4));
        close_cleanly(&mut pair);
    }
}

#[test]
fn of_a_message_in_parts_only_what_is_missing_is_sent_again() {
    // 200,000 bytes are three parts and an end. Records make of each more than its length.
    for lengths in 0..=3 {
        let parts = usize::saturating_sub(lengths, 1);
        let mut pair = open();
        pair.send(Ana, "before");
        pair.carry(Ana);
        pair.send(Ana, vec![7; 200_000]);
        pair.send(Ana, "behind");
        speak_all(&mut pair, Ana);
        let whole = pair[Ana].wire.len();
        carry_some(&mut pair, Ana, lengths * PART as usize);
        assert_eq!(pair.opening(Ben).resume, point(1, parts as u64 * PART));
        pair.cut();
        assert_eq!(pair.resume(), [2, 0]);
        speak_all(&mut pair, Ana);
        let again = pair[Ana].wire.len();
        let expected = whole - parts * PART as usize;
        assert!(again.abs_diff(expected) < 300, "{again}, not {expected}");
        pair.carry(Ana);
        let messages = pair.take_all(Ben);
        assert_eq!(messages.len(), 3);
        assert!(messages[1].as_bytes() == [7; 200_000]);
        assert_eq!(messages[2], "behind");
        close_cleanly(&mut pair);
    }
}

#[test]
fn a_message_in_parts_survives_a_loss_behind_each_of_its_pieces() {
    let mut pair = open();
    pair.send(Ana, vec![7; 1_000_000]);
    let mut losses = 0;
    while pair[Ben].channel.is_empty() {
        // More than what is said anew, and no more than a piece.
        pair[Ana].speak(100);
        pair.carry_what_is_written(Ana);
        pair.cut();
        pair.resume();
        losses += 1;
    }
    assert!(losses > 10);
    assert!(pair.take(Ben).unwrap().as_bytes() == vec![7; 1_000_000]);
    close_cleanly(&mut pair);
}

#[test]
fn a_lost_acknowledgement_is_said_anew_and_nothing_is_handed_over_twice() {
    let mut pair = open();
    for _ in 0..3 {
        pair.send(Ana, "x");
    }
    pair.settle();
    pair.take(Ben);
    pair.take(Ben);
    pair.look();
    pair.now += SECOND;
    pair.look();
    speak_all(&mut pair, Ben);
    assert_eq!(sent_and_acked(&pair, Ana), (3, 0));
    pair.cut();
    assert_eq!(pair.resume(), [0, 0]);
    pair.settle();
    assert_eq!(sent_and_acked(&pair, Ana), (3, 2));
    // The third waits with the application, as it did before.
    assert_eq!(pair.take_all(Ben).len(), 1);
    close_cleanly(&mut pair);
}

#[test]
fn what_is_taken_while_there_is_no_connection_is_acknowledged_on_the_next() {
    let mut pair = open();
    pair.send(Ana, "x");
    pair.settle();
    pair.cut();
    pair.take(Ben);
    pair.resume();
    pair.advance(SECOND);
    assert_eq!(sent_and_acked(&pair, Ana), (1, 1));
}

#[test]
fn where_all_is_acknowledged_nothing_is_sent_again() {
    let mut pair = open();
    pair.send(Ana, "x");
    pair.settle();
    pair.take(Ben);
    pair.advance(SECOND);
    assert_eq!(sent_and_acked(&pair, Ana), (1, 1));
    pair.cut();
    assert_eq!(pair.resume(), [0, 0]);
    pair.settle();
    assert!(pair[Ben].channel.is_empty());
    close_cleanly(&mut pair);
}

#[test]
fn whoever_waits_for_an_acknowledgement_asks_again() {
    let mut pair = open();
    pair.send(Ana, "x");
    pair[Ana].connection.flush();
    speak_all(&mut pair, Ana);
    pair.cut();
    pair.resume();
    pair.settle();
    pair.take(Ben);
    pair.advance(Duration::from_millis(1));
    // Sooner than an acknowledgement that nobody asked for.
    assert_eq!(sent_and_acked(&pair, Ana), (1, 1));
}

#[test]
fn credit_counts_from_the_beginning_of_the_session_and_never_goes_down() {
    let mut pair = scenario().windows(4, 1_000).open();
    let mut before = Credit::default();
    for round in 1..=5 {
        for _ in 0..4 {
            pair.send(Ana, "0123456789");
        }
        assert!(!pair[Ana].connection.has_room());
        pair.settle();
        pair.take_all(Ben);
        pair.advance(SECOND);
        assert!(pair[Ana].connection.has_room());
        pair.cut();
        pair.resume();
        let granted = pair[Ben].connection.grants();
        assert_eq!(granted.messages, 4 * round + 4);
        assert!(granted.bytes > before.bytes);
        assert!(granted.bytes <= 40 * round + 1_000);
        before = granted;
    }
    close_cleanly(&mut pair);
}

#[test]
fn used_up_credit_stays_used_up_over_a_loss() {
    let mut pair = scenario().windows(2, 1_000).open();
    pair.send(Ana, "x");
    pair.send(Ana, "y");
    speak_all(&mut pair, Ana);
    pair.cut();
    pair.resume();
    assert!(!pair[Ana].connection.has_room());
    pair.settle();
    assert!(!pair[Ana].connection.has_room());
    assert_eq!(texts(&pair.take_all(Ben)), ["x", "y"]);
    pair.advance(SECOND);
    assert!(pair[Ana].connection.has_room());
}

#[test]
fn of_credit_in_bytes_a_resume_gives_nothing_back() {
    // Ana keeps far more than Ben takes.
    let mut pair = scenario().window(Ben, 100, 1_000).open();
    pair.send(Ana, vec![0; 600]);
    pair.send(Ana, vec![0; 600]);
    for arrives in [false, true] {
        assert!(!pair[Ana].connection.has_room());
        speak_all(&mut pair, Ana);
        if arrives {
            pair.carry_what_is_written(Ana);
        }
        pair.cut();
        pair.resume();
    }
    assert!(!pair[Ana].connection.has_room());
    pair.settle();
    assert_eq!(pair.take_all(Ben).len(), 2);
    pair.advance(SECOND);
    assert!(pair[Ana].connection.has_room());
}

#[test]
fn credit_that_was_lost_on_its_way_is_said_in_the_opening() {
    let mut pair = scenario().windows(1, 1_000).open();
    pair.send(Ana, "x");
    pair.settle();
    pair.take(Ben);
    pair.now += SECOND;
    pair.look();
    speak_all(&mut pair, Ben);
    pair.cut();
    assert!(!pair[Ana].connection.has_room());
    pair.redial();
    // Ana has heard the welcome, and no acknowledgement yet.
    assert_eq!(pair.opening(Ben).credit.messages, 2);
    assert!(!pair[Ana].connection.has_room(), "one is kept here");
    assert_eq!(sent_and_acked(&pair, Ana), (1, 0));
}

#[test]
fn a_second_loss_before_anything_arrived_changes_nothing() {
    for sizes in [[3, 3, 3], [200_000, 3, 3], [3, 40_000, 200_000]] {
        let mut pair = open();
        for size in sizes {
            pair.send(Ana, vec![1; size]);
        }
        speak_all(&mut pair, Ana);
        let half = pair[Ana].wire.len() / 2;
        carry_some(&mut pair, Ana, half);
        pair.cut();
        let missing = pair.resume();
        for _ in 0..3 {
            speak_all(&mut pair, Ana);
            pair.cut();
            assert_eq!(pair.resume(), missing);
            // Nor where nothing was sent in between.
            pair.cut();
            assert_eq!(pair.resume(), missing);
        }
        pair.settle();
        let messages = pair.take_all(Ben);
        assert!(
            messages
                .iter()
                .map(|message| message.as_bytes().len())
                .eq(sizes)
        );
        close_cleanly(&mut pair);
    }
}

#[test]
fn a_connection_that_only_the_dialler_took_up_is_followed_by_another() {
    let mut pair = open();
    pair.send(Ana, "x");
    pair.send(Ben, "y");
    pair.cut();
    for _ in 0..3 {
        let redialled = pair.redial();
        assert_eq!(redialled.missing, 1);
        speak_all(&mut pair, Ana);
        pair.lose(Ana);
    }
    assert_eq!(pair.resume(), [1, 1]);
    pair.settle();
    assert_eq!(texts(&pair.take_all(Ben)), ["x"]);
    assert_eq!(texts(&pair.take_all(Ana)), ["y"]);
    close_cleanly(&mut pair);
}

#[test]
fn what_comes_along_with_the_greeting_is_heard() {
    let mut pair = open();
    pair.send(Ana, "x");
    pair.send(Ana, vec![1; 400_000]);
    pair.cut();
    let redialled = pair.redial();
    speak_all(&mut pair, Ana);
    assert_eq!(pair.answer(redialled), 0);
    assert_eq!(pair.take_all(Ben).len(), 2);
    close_cleanly(&mut pair);
}

#[test]
fn a_newer_connection_takes_over_from_one_that_the_listener_still_holds() {
    let mut pair = open();
    pair.send(Ana, "x");
    pair.send(Ben, "y");
    speak_all(&mut pair, Ana);
    speak_all(&mut pair, Ben);
    pair.lose(Ana);
    // Ben hears of it by the new connection.
    pair.lose(Ben);
    pair.resume();
    pair.settle();
    assert_eq!(texts(&pair.take_all(Ben)), ["x"]);
    assert_eq!(texts(&pair.take_all(Ana)), ["y"]);
}

#[test]
fn a_record_of_the_lost_connection_can_not_be_opened_on_the_next() {
    let mut pair = open();
    pair.send(Ana, "x");
    speak_all(&mut pair, Ana);
    let late = pair[Ana].wire.clone();
    pair.cut();
    pair.resume();
    let now = pair.now;
    let violation = pair[Ben].hear(now, &late).unwrap_err();
    assert_eq!(violation, Violation::RecordAuthentication);
    assert!(violation.is_of_the_line());
}

#[test]
fn while_there_is_no_connection_nothing_is_due_and_messages_are_accepted() {
    let mut pair = scenario().windows(2, 1_000).open();
    pair.send(Ana, "x");
    pair.settle();
    pair.cut();
    assert_eq!(pair.next_timeout(), None);
    pair.send(Ana, "y");
    assert!(!pair[Ana].connection.has_room());
    pair[Ana].connection.close();
    assert!(!pair[Ana].connection.is_finished());
    pair.resume();
    pair.settle();
    assert_eq!(texts(&pair.take_all(Ben)), ["x", "y"]);
    pair.advance(SECOND);
    assert!(pair.is_finished());
}

#[test]
fn what_the_peer_said_it_does_not_have_is_handed_back_as_unsent() {
    let mut pair = open();
    for number in 1..=4 {
        pair.send(Ana, vec![0; if number == 3 { 200_000 } else { 10 }]);
        if number == 2 {
            pair.carry(Ana);
        }
    }
    speak_all(&mut pair, Ana);
    let half = pair[Ana].wire.len() / 2;
    carry_some(&mut pair, Ana, half);
    pair.cut();
    pair.resume();
    pair.lose(Ana);
    let (unsent, unconfirmed) = pair[Ana].connection.finish();
    let numbers = |messages: &[Message]| -> Vec<u64> {
        messages.iter().map(|message| message.id().get()).collect()
    };
    assert_eq!(numbers(&unconfirmed), [1, 2]);
    assert_eq!(numbers(&unsent), [3, 4]);
    assert_eq!(unsent[0].as_bytes().len(), 200_000);
}
