//! A session that goes on over another connection: what is sent again, and what may not be said.

use std::time::{Duration, SystemTime};

use super::pair::{Ana, BEGAN_MS, BUDGET, Ben, Pair, Scenario, WINDOW, Who};
use crate::protocol::{
    ClosedBy, Control, Credit, Limits, MAX_PLAINTEXT, Message, PREFIX, ResumePoint, TAG, Violation,
};

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
    // 200,000 bytes are three parts and an end, in four records. A record is shorter than a part.
    for records in 0..=3 {
        let parts = usize::saturating_sub(records, 1);
        let mut pair = open();
        pair.send(Ana, "before");
        pair.carry(Ana);
        pair.send(Ana, vec![7; 200_000]);
        pair.send(Ana, "behind");
        speak_all(&mut pair, Ana);
        let whole = pair[Ana].wire.len();
        carry_some(&mut pair, Ana, records * (PREFIX + MAX_PLAINTEXT + TAG));
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
fn a_goodbye_is_said_again_where_the_first_was_lost() {
    for who in Who::BOTH {
        let mut pair = open();
        pair.send(who, "last words");
        pair[who].connection.close();
        speak_all(&mut pair, who);
        pair.cut();
        assert!(pair[who].connection.is_closing());
        pair.resume();
        pair.settle();
        assert!(pair[who.other()].connection.farewell().bye_received);
        assert_eq!(texts(&pair.take_all(who.other())), ["last words"]);
        pair.advance(SECOND);
        assert!(pair.is_finished());
        let closed_by = |who: Who| pair[who].connection.farewell().closed_by();
        assert_eq!(closed_by(who), Some(ClosedBy::Here));
        assert_eq!(closed_by(who.other()), Some(ClosedBy::Peer));
    }
}

#[test]
fn a_goodbye_that_arrived_is_said_again_and_is_no_second_one() {
    let mut pair = open();
    pair.send(Ben, "not taken yet");
    pair[Ana].connection.close();
    pair.carry(Ana);
    assert!(pair[Ben].connection.farewell().peer_leaves);
    pair.cut();
    assert!(!pair[Ben].connection.farewell().bye_received);
    assert!(pair[Ben].connection.farewell().peer_leaves);
    pair.resume();
    pair.settle();
    assert!(!pair.is_finished());
    assert_eq!(texts(&pair.take_all(Ana)), ["not taken yet"]);
    pair.advance(SECOND);
    assert!(pair.is_finished());
}

#[test]
fn both_goodbyes_are_said_again_also_by_a_side_that_had_finished() {
    let mut pair = open();
    pair.send(Ana, "x");
    pair.settle();
    pair.take(Ben);
    pair.advance(SECOND);
    pair[Ana].connection.close();
    pair[Ben].connection.close();
    pair.carry(Ben);
    speak_all(&mut pair, Ana);
    assert!(pair[Ana].connection.is_finished());
    assert!(!pair[Ben].connection.is_finished());
    pair.cut();
    assert!(!pair[Ana].connection.is_finished());
    pair.resume();
    pair.settle();
    pair.advance(SECOND);
    assert!(pair.is_finished());
}

#[test]
fn a_session_that_was_left_takes_up_no_connection_again() {
    let mut pair = open();
    pair.send(Ana, "x");
    pair[Ana].connection.leave();
    pair.carry(Ana);
    for who in Who::BOTH {
        assert!(pair[who].connection.is_finished());
        assert!(pair[who].connection.farewell().is_for_good());
    }
    let (unsent, unconfirmed) = pair[Ana].connection.finish();
    assert_eq!((unsent.len(), unconfirmed.len()), (1, 0));
}

#[test]
fn a_fault_of_the_line_ends_the_connection_and_not_the_session() {
    let mut pair = open();
    pair.send(Ana, "x");
    speak_all(&mut pair, Ana);
    let last = pair[Ana].wire.len() - 1;
    pair[Ana].wire[last] ^= 1;
    let (wire, now) = (std::mem::take(&mut pair[Ana].wire), pair.now);
    let violation = pair[Ben].hear(now, &wire).unwrap_err();
    pair[Ben].connection.handle_violation(violation);
    // The application may go on to send: nothing has ended for it.
    assert!(!pair[Ben].connection.is_closing());
    pair.carry(Ben);
    assert!(pair[Ben].connection.is_finished());
    for who in Who::BOTH {
        assert!(!pair[who].connection.is_closing());
        assert!(!pair[who].connection.farewell().is_for_good());
    }
    let told = pair[Ana].connection.farewell().fault_received();
    assert_eq!(told, Some(violation.code()));
    assert!(
        !pair[Ana].connection.is_finished(),
        "the stream is yet to end"
    );
    assert!(!pair[Ana].connection.wants_transmit());
    pair.cut();
    assert_eq!(pair[Ana].connection.farewell().fault_received(), None);
    assert_eq!(pair.resume(), [1, 0]);
    pair.settle();
    assert_eq!(texts(&pair.take_all(Ben)), ["x"]);
    close_cleanly(&mut pair);
}

#[test]
fn whoever_blames_the_line_and_then_breaks_the_protocol_is_not_answered_and_ends_the_session() {
    let mut pair = open();
    pair[Ben].put(&[Control::Fault(4)]);
    pair.carry_what_is_written(Ben);
    pair[Ben].put(&[Control::Name("out of place".into())]);
    let (wire, now) = (std::mem::take(&mut pair[Ben].wire), pair.now);
    let violation = pair[Ana].hear(now, &wire).unwrap_err();
    pair[Ana].connection.handle_violation(violation);
    assert!(pair[Ana].connection.is_finished());
    assert!(!pair[Ana].connection.wants_transmit());
    assert!(pair[Ana].connection.farewell().is_for_good());
}

/// Ana has sent 9 messages, of which Ben took 3; the sixth is in parts.
fn with_six_unacknowledged() -> Pair {
    let mut pair = open();
    for number in 1..=9 {
        pair.send(Ana, vec![0; if number == 6 { 150_000 } else { 10 }]);
    }
    pair.settle();
    (0..3).for_each(|_| drop(pair.take(Ben)));
    pair.advance(SECOND);
    assert_eq!(sent_and_acked(&pair, Ana), (9, 3));
    // Accepted, and never sent.
    pair.cut();
    pair.send(Ana, "the tenth");
    pair
}

fn resumed_at(point: ResumePoint) -> Result<u64, Violation> {
    let mut pair = with_six_unacknowledged();
    let limits = pair.scenario.limits(Ana, WINDOW);
    let limits = Limits {
        granted: Credit {
            messages: WINDOW.messages + 3,
            bytes: 2 * WINDOW.bytes,
        },
        ..limits
    };
    let now = pair.now;
    let result = pair[Ana].connection.handle_resumed(now, &limits, point);
    if let Err(violation) = result {
        assert!(!violation.is_of_the_line());
        // Nothing was changed: all is still handed back.
        let (unsent, unconfirmed) = pair[Ana].connection.finish();
        assert_eq!((unsent.len(), unconfirmed.len()), (1, 6));
    }
    result
}

#[test]
fn a_peer_may_say_each_point_that_it_may_have_reached() {
    for received in 3..=9 {
        assert_eq!(resumed_at(point(received, 0)), Ok(10 - received));
    }
    for parts in 1..=2 {
        assert_eq!(resumed_at(point(5, parts * PART)), Ok(5));
    }
}

#[test]
fn a_peer_that_says_a_point_that_can_not_be_is_refused() {
    let wrong = [
        // Less than it acknowledged, and more than was ever sent.
        point(2, 0),
        point(0, 0),
        point(10, 0),
        point(u64::MAX, 0),
        point(u64::MAX, u64::MAX),
        // Where no piece of the message ends.
        point(5, 1),
        point(5, PART - 1),
        point(5, PART + 1),
        point(5, 150_000 - 1),
        // The whole of it, and more.
        point(5, 150_000),
        point(5, 3 * PART),
        point(5, u64::MAX),
        // A part of a message that has none.
        point(3, 5),
        point(3, 10),
        point(9, 1),
        point(9, PART),
    ];
    for point in wrong {
        let violation = resumed_at(point).unwrap_err();
        assert_eq!(violation.code(), 16, "{point:?}");
        let named = Violation::ResumePoint {
            message: point.received.saturating_add(1),
            partial: point.partial,
        };
        assert_eq!(violation, named);
    }
}

#[test]
fn a_peer_that_takes_credit_back_is_refused() {
    for (messages, bytes) in [(0, 0), (2, 0), (0, 1 << 20)] {
        let mut pair = with_six_unacknowledged();
        let granted = pair[Ben].connection.grants();
        let less = Credit {
            messages: granted.messages - messages,
            bytes: granted.bytes - bytes,
        };
        let limits = pair.scenario.limits(Ana, less);
        let now = pair.now;
        let result = pair[Ana]
            .connection
            .handle_resumed(now, &limits, point(9, 0));
        match less == granted {
            true => assert_eq!(result, Ok(1)),
            false => assert_eq!(result, Err(Violation::Backwards)),
        }
    }
}

#[test]
fn an_acknowledgement_that_goes_down_over_a_loss_is_refused() {
    let mut pair = open();
    pair.send(Ana, "x");
    pair.settle();
    pair.take(Ben);
    pair.advance(SECOND);
    pair.cut();
    pair.resume();
    let credit = pair[Ben].connection.grants();
    pair[Ben].put(&[Control::Ack {
        messages: 0,
        credit,
    }]);
    let (wire, now) = (std::mem::take(&mut pair[Ben].wire), pair.now);
    let violation = pair[Ana].hear(now, &wire).unwrap_err();
    assert_eq!(violation, Violation::Backwards);
}

#[test]
fn what_is_sent_again_bears_the_time_at_which_it_was_accepted() {
    // How many messages arrive before the loss, of which each has a second of its own.
    for arrive in 0..=4 {
        let mut pair = open();
        let sizes = [3, 200_000, 0, 40_000];
        for (number, size) in sizes.into_iter().enumerate() {
            pair.send(Ana, vec![0; size]);
            match number < arrive {
                true => pair.carry(Ana),
                false => speak_all(&mut pair, Ana),
            }
            pair.now += SECOND;
        }
        pair.cut();
        pair.now += HOUR;
        pair.resume();
        speak_all(&mut pair, Ana);
        pair.cut();
        pair.resume();
        pair.send(Ana, "much later");
        pair.settle();
        let times = pair.take_all(Ben);
        let times = times.iter().map(|message| {
            let since = message.sent_at().duration_since(SystemTime::UNIX_EPOCH);
            since.unwrap().as_millis() as u64 - BEGAN_MS
        });
        assert!(times.eq([0, 1_000, 2_000, 3_000, 3_604_000]), "{arrive}");
    }
}

#[test]
fn a_message_that_goes_on_in_the_middle_bears_its_time() {
    for parts in 0..=3 {
        let mut pair = open();
        pair.send(Ana, "before");
        pair.settle();
        pair.now += SECOND;
        pair.send(Ana, vec![7; 200_000]);
        let sent_ms = pair.unix_ms();
        (0..parts).for_each(|_| pair[Ana].speak(100));
        pair.carry_what_is_written(Ana);
        assert_eq!(pair.opening(Ben).resume, point(1, parts * PART));
        pair.cut();
        pair.now += SECOND;
        pair.resume();
        pair.settle();
        let sent_at = pair.take_all(Ben)[1].sent_at();
        let since = sent_at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(since.as_millis() as u64, sent_ms, "behind {parts} parts");
    }
}

#[test]
fn the_time_is_said_again_where_it_was_lost_in_the_middle_of_a_batch() {
    for arrive in 0..=3 {
        let mut pair = open();
        pair.send(Ana, "first");
        pair.settle();
        pair.now += SECOND;
        // Three messages that share a time, which stands in front of the first of them.
        for _ in 0..3 {
            pair.send(Ana, "x");
        }
        speak_all(&mut pair, Ana);
        pair.cut();
        let limits = pair.scenario.limits(Ana, WINDOW);
        let now = pair.now;
        let missing = pair[Ana]
            .connection
            .handle_resumed(now, &limits, point(1 + arrive, 0));
        assert_eq!(missing, Ok(3 - arrive));
        let mut chunks = Vec::new();
        pair[Ana].connection.poll_transmit(&mut chunks, BUDGET);
        let said = chunks.concat();
        let times = said.iter().filter(|byte| **byte == 0x81).count();
        assert_eq!(times > 0, arrive < 3, "{said:?}");
    }
}

#[test]
fn a_new_connection_is_given_its_own_time_to_die() {
    let mut pair = scenario().timeout(3 * SECOND).open();
    pair.now += 100 * HOUR;
    pair.cut();
    pair.resume();
    pair.advance(10 * SECOND);
    assert!(!pair.is_dead());
    // Silence from here on.
    let began = pair.now;
    while !pair[Ana].dead {
        pair.now = pair[Ana].connection.next_timeout().unwrap();
        let now = pair.now;
        pair[Ana].look(now);
        assert!(now - began <= 3 * SECOND);
    }
}

#[test]
fn a_clock_that_jumps_kills_nobody_who_answers() {
    let mut pair = open();
    for _ in 0..50 {
        pair.now += 5 * HOUR;
        pair.look();
        assert!(!pair.is_dead());
        pair.settle();
        pair.look();
    }
    pair.send(Ana, "x");
    pair.settle();
    assert_eq!(pair.take_all(Ben).len(), 1);
}

#[test]
fn a_silent_peer_is_dead_after_two_pings_however_far_the_clock_jumps() {
    let mut pair = open();
    for pings in [1, 2] {
        pair.now += HOUR;
        let now = pair.now;
        pair[Ana].look(now);
        assert!(!pair[Ana].dead, "{pings}");
    }
    pair.now += HOUR;
    let now = pair.now;
    pair[Ana].look(now);
    assert!(pair[Ana].dead);
    // And the next connection begins anew.
    pair.cut();
    pair.resume();
    pair.advance(HOUR);
    assert!(!pair.is_dead());
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
