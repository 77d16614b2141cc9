//! Goodbyes and faults around a loss.

use super::*;

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
