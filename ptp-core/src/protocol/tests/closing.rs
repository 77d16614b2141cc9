//! Goodbyes, and what is handed back where there was none.

use std::time::Duration;

use super::pair::{Ana, BEGAN_MS, Ben, Pair, Scenario, Who};
use crate::protocol::{ClosedBy, Message, MessageKind, Violation};

const SECOND: Duration = Duration::from_secs(1);

fn open() -> Pair {
    Scenario::new().without_handshake([5; 32]).open()
}

fn closed_by(pair: &Pair, who: Who) -> Option<ClosedBy> {
    pair[who].connection.farewell().closed_by()
}

/// What each message is, for comparing.
fn summary(messages: &[Message]) -> Vec<(u64, MessageKind, &[u8])> {
    let row = |message| {
        (
            Message::id(message).get(),
            message.kind(),
            message.as_bytes(),
        )
    };
    messages.iter().map(row).collect()
}

/// All orders of `items`.
fn permutations<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for at in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(at);
        for mut order in permutations(&rest) {
            order.insert(0, first);
            all.push(order);
        }
    }
    all
}

#[test]
fn a_goodbye_is_answered_and_both_sides_finish() {
    for who in Who::BOTH {
        let mut pair = open();
        pair[who].connection.close();
        pair.settle();
        assert!(pair.is_finished());
        assert_eq!(closed_by(&pair, who), Some(ClosedBy::Here));
        assert_eq!(closed_by(&pair, who.other()), Some(ClosedBy::Peer));
    }
}

#[test]
fn whatever_happens_first_all_is_delivered_before_both_finish() {
    #[derive(Clone, Copy)]
    enum Step {
        Close,
        Carry,
        Take,
    }
    let steps = Who::BOTH.map(|who| [Step::Close, Step::Carry, Step::Take].map(|step| (who, step)));
    for order in permutations(&steps.concat()) {
        let mut pair = open();
        let mut taken = [0, 0];
        for who in Who::BOTH {
            (1..=3).for_each(|number| assert_eq!(pair.send(who, "x"), number));
        }
        for (who, step) in order {
            match step {
                Step::Close => pair[who].connection.close(),
                Step::Carry => pair.carry(who),
                Step::Take => taken[who as usize] += pair.take_all(who).len(),
            }
        }
        pair.settle();
        for who in Who::BOTH {
            // Whoever still has something to take is waited for.
            let unread = !pair[who].channel.is_empty();
            assert!(!unread || !pair[who.other()].connection.is_finished());
            taken[who as usize] += pair.take_all(who).len();
        }
        pair.advance(SECOND);
        assert!(pair.is_finished());
        assert_eq!(taken, [3, 3]);
        for who in Who::BOTH {
            let (unsent, unconfirmed) = pair[who].connection.finish();
            assert!(unsent.is_empty() && unconfirmed.is_empty());
        }
    }
}

#[test]
fn both_sides_may_close_at_once() {
    let mut pair = open();
    pair[Ana].connection.close();
    pair[Ben].connection.close();
    pair.settle();
    assert!(pair.is_finished());
    for who in Who::BOTH {
        assert_eq!(closed_by(&pair, who), Some(ClosedBy::Here));
    }
}

#[test]
fn a_goodbye_stands_behind_eight_mebibytes_that_wait() {
    let mut pair = open();
    let mut sent = 0;
    while pair[Ana].connection.has_room() {
        sent = pair.send(Ana, vec![sent as u8 + 1; 300_000]);
    }
    assert_eq!(sent, 28);
    pair[Ana].connection.close();
    pair[Ben].connection.close();
    pair.advance(10 * SECOND);
    assert!(pair[Ben].connection.farewell().bye_received);
    assert!(!pair[Ana].connection.is_finished(), "nothing was taken");
    for number in 1..=28u8 {
        let message = pair.take(Ben).unwrap();
        assert!(message.as_bytes() == vec![number; 300_000]);
    }
    pair.advance(SECOND);
    assert!(pair.is_finished());
}

#[test]
fn a_goodbye_passes_while_credit_is_used_up() {
    let scenario = Scenario::new().without_handshake([5; 32]).windows(2, 10);
    let mut pair = scenario.open();
    for who in Who::BOTH {
        pair.send(who, "x");
        pair.send(who, "y");
        assert!(!pair[who].connection.has_room());
        pair[who].connection.close();
    }
    pair.settle();
    assert!(
        Who::BOTH
            .iter()
            .all(|who| pair[*who].connection.farewell().bye_received)
    );
    for who in Who::BOTH {
        assert_eq!(pair.take_all(who).len(), 2);
    }
    pair.advance(SECOND);
    assert!(pair.is_finished());
}

#[test]
fn after_a_goodbye_nothing_is_accepted_and_what_was_accepted_is_still_delivered() {
    let mut pair = open();
    pair[Ana].connection.close();
    pair.send(Ben, "on its way");
    pair.carry(Ana);
    assert!(pair[Ben].connection.is_closing());
    pair.settle();
    assert!(!pair.is_finished());
    assert_eq!(pair.take_all(Ana)[0], "on its way");
    pair.advance(SECOND);
    assert!(pair.is_finished());
}

#[test]
fn a_flush_is_answered_after_a_goodbye() {
    let mut pair = open();
    pair.send(Ana, "x");
    pair[Ana].connection.close();
    pair.settle();
    pair[Ana].connection.flush();
    pair.take_all(Ben);
    pair.settle();
    assert_eq!(pair[Ana].connection.sent_and_acked(), (1, 1));
}

#[test]
fn who_abandons_acknowledges_nothing_that_was_not_taken() {
    let mut pair = open();
    for _ in 0..3 {
        pair.send(Ana, "x");
    }
    pair.settle();
    pair.take(Ben);
    pair.look();
    pair[Ben].connection.abandon();
    pair[Ben].channel.clear();
    pair.advance(10 * SECOND);
    assert_eq!(pair[Ana].connection.sent_and_acked(), (3, 1));
    // Ben has nothing to wait for once Ana has said goodbye.
    assert!(pair[Ben].connection.is_finished());
    // And says so: Ana does not wait for more.
    assert!(pair[Ana].connection.is_finished() && pair[Ana].connection.farewell().is_for_good());
    let (unsent, unconfirmed) = pair[Ana].connection.finish();
    assert!(unsent.is_empty());
    assert_eq!(unconfirmed[0].id().get(), 2);
    assert_eq!(unconfirmed.len(), 2);
}

#[test]
fn who_abandons_after_a_goodbye_still_acknowledges_what_was_taken() {
    let mut pair = open();
    pair.send(Ana, "taken");
    pair.send(Ana, "not taken");
    pair[Ben].connection.close();
    pair.settle();
    pair.take(Ben);
    pair.look();
    pair[Ben].connection.abandon();
    pair.advance(SECOND);
    assert_eq!(pair[Ana].connection.sent_and_acked(), (2, 1));
}

#[test]
fn a_broken_protocol_is_told_once_and_nothing_else_after_it() {
    let mut pair = open();
    pair.send(Ana, "x");
    pair[Ana].connection.handle_violation(Violation::NotUtf8);
    pair[Ana].connection.handle_violation(Violation::Backwards);
    pair.settle();
    assert!(pair.is_finished());
    let told = pair[Ben].connection.farewell().fault_received();
    assert_eq!(told, Some(Violation::NotUtf8.code()));
    assert!(pair[Ben].connection.is_closing());
    let (unsent, unconfirmed) = pair[Ana].connection.finish();
    assert_eq!((unsent.len(), unconfirmed.len()), (1, 0));
}

/// Messages of many sizes, alternately text and binary.
const SIZES: [usize; 12] = [
    5, 0, 20_000, 7, 16_383, 16_384, 70_000, 300_000, 1, 65_536, 65_537, 9,
];

fn send_all_sizes(pair: &mut Pair) -> Vec<(u64, MessageKind, Vec<u8>)> {
    let row = |(number, size): (u64, usize)| {
        let body = vec![b'a' + number as u8; size];
        match number % 2 {
            0 => (pair.send(Ana, body.clone()), MessageKind::Binary, body),
            _ => {
                let text = String::from_utf8(body.clone()).unwrap();
                (pair.send(Ana, text), MessageKind::Text, body)
            }
        }
    };
    (1..).zip(SIZES).map(row).collect()
}

#[test]
fn what_is_handed_back_is_exact_after_any_number_of_pulls() {
    for pulls in 0.. {
        let mut pair = open();
        let sent = send_all_sizes(&mut pair);
        let wanted = (0..pulls).all(|_| {
            let wants = pair[Ana].connection.wants_transmit();
            pair[Ana].speak(1);
            wants
        });
        let (wire, now) = (std::mem::take(&mut pair[Ana].wire), pair.now);
        pair[Ben].hear(now, &wire).unwrap();
        let arrived = pair[Ben].channel.len();
        let (unsent, unconfirmed) = pair[Ana].connection.finish();
        // All that was pulled arrived here, so the line between the lists is exact.
        assert_eq!(unconfirmed.len(), arrived, "{pulls} pulls");
        let handed_back = [summary(&unconfirmed), summary(&unsent)].concat();
        let sent = sent.iter().map(|(id, kind, body)| (*id, *kind, &body[..]));
        assert!(handed_back.into_iter().eq(sent), "{pulls} pulls");
        if !wanted {
            assert!(pulls > SIZES.len());
            return;
        }
    }
}

#[test]
fn what_was_acknowledged_is_not_handed_back() {
    for taken in 0..=SIZES.len() {
        let mut pair = open();
        let sent = send_all_sizes(&mut pair);
        pair.settle();
        for _ in 0..taken {
            pair.take(Ben);
        }
        pair.advance(SECOND);
        let (unsent, unconfirmed) = pair[Ana].connection.finish();
        assert!(unsent.is_empty());
        let rest = sent[taken..].iter();
        let rest = rest.map(|(id, kind, body)| (*id, *kind, &body[..]));
        assert!(summary(&unconfirmed).into_iter().eq(rest), "{taken} taken");
    }
}

#[test]
fn what_is_handed_back_bears_the_time_at_which_it_was_accepted() {
    let mut pair = open();
    let mut expected = Vec::new();
    for size in [3, 200_000, 3, 40_000, 0, 5] {
        // What joins messages that wait shares the time of the first of them.
        match pair[Ana].connection.wants_time() {
            true => expected.push(pair.elapsed().as_millis() as u64),
            false => expected.push(expected[expected.len() - 1]),
        }
        pair.send(Ana, vec![0; size]);
        pair[Ana].speak(1);
        pair.now += SECOND;
    }
    assert_eq!(expected, [0, 1_000, 2_000, 2_000, 4_000, 4_000]);
    let (unsent, unconfirmed) = pair[Ana].connection.finish();
    assert!(!unsent.is_empty() && !unconfirmed.is_empty());
    let times = unconfirmed.iter().chain(&unsent).map(|message| {
        let since = message.sent_at().duration_since(std::time::UNIX_EPOCH);
        since.unwrap().as_millis() as u64 - BEGAN_MS
    });
    assert!(times.eq(expected));
}

#[test]
fn behind_both_goodbyes_nothing_is_written() {
    for first in Who::BOTH {
        let mut pair = Scenario::new().open();
        pair.send(first, "last words");
        pair[first].connection.close();
        pair.carry(first);
        assert!(pair.take(first.other()).is_some());
        let now = pair.now;
        pair[first.other()].look(now);
        pair.carry(first.other());
        for who in Who::BOTH {
            assert!(pair[who].connection.is_finished());
            assert!(!pair[who].connection.wants_transmit(), "{who:?}");
        }
    }
}
