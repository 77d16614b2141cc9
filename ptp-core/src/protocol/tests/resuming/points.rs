//! Where a peer may ask to go on, and where not.

use super::*;

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
