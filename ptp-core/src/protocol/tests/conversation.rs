//! What two honest sides may expect of each other.

use std::time::{Duration, SystemTime};

use super::pair::{Ana, BEGAN_MS, BUDGET, Ben, Pair, Scenario, Who};
use crate::protocol::{Message, MessageKind, Suite};

const MS: Duration = Duration::from_millis(1);

fn acked(pair: &Pair, who: Who) -> u64 {
    pair[who].connection.sent_and_acked().1
}

fn numbers(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.id().get()).collect()
}

fn at(unix_ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(unix_ms)
}

#[test]
fn messages_of_every_kind_arrive_both_ways_and_are_numbered_from_one() {
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        let mut pair = Scenario::new().suite(suite).open();
        for who in Who::BOTH {
            assert_eq!(pair.send(who, "grüße"), 1);
            assert_eq!(pair.send(who, vec![0xff, 0x00]), 2);
            assert_eq!(pair.send(who, ""), 3);
            assert_eq!(pair.send(who, Vec::new()), 4);
        }
        pair.settle();
        for who in Who::BOTH {
            let messages = pair.take_all(who);
            assert_eq!(numbers(&messages), [1, 2, 3, 4]);
            assert_eq!(messages[0].as_text(), Some("grüße"));
            assert_eq!(messages[1].as_bytes(), [0xff, 0x00]);
            assert_eq!(messages[1].as_text(), None);
            assert_eq!(messages[2].as_text(), Some(""));
            assert_eq!(messages[3].kind(), MessageKind::Binary);
            assert!(
                messages
                    .iter()
                    .all(|message| message.sent_at() == at(BEGAN_MS))
            );
        }
    }
}

#[test]
fn messages_of_every_size_arrive_whole_also_in_slices() {
    let sizes = [
        1,
        127,
        128,
        16_383,
        16_384,
        16_385,
        65_535,
        65_536,
        65_537,
        131_072,
        131_073,
        1_000_000,
        16 << 20,
        3,
    ];
    let mut pair = Scenario::new().windows(100, 64 << 20).open();
    for (number, size) in (1u8..).zip(sizes) {
        pair.send(Ana, vec![number; size]);
        pair.send(Ana, String::from("x").repeat(size));
    }
    while pair[Ana].connection.wants_transmit() {
        pair[Ana].speak(BUDGET);
    }
    let wire = std::mem::take(&mut pair[Ana].wire);
    let now = pair.now;
    for slice in wire.chunks(9_973) {
        pair[Ben].hear(now, slice).unwrap();
    }
    let messages = pair.take_all(Ben);
    assert_eq!(messages.len(), 2 * sizes.len());
    for ((number, size), both) in (1u8..).zip(sizes).zip(messages.chunks(2)) {
        assert!(both[0].as_bytes() == vec![number; size], "{size}");
        assert_eq!(both[1].as_text().map(str::len), Some(size));
        assert_eq!(both[1].id().get(), 2 * u64::from(number));
    }
}

#[test]
fn bytes_that_arrive_one_by_one_make_the_same_messages() {
    let mut pair = Scenario::new().open();
    pair.send(Ana, "one");
    pair.send(Ana, vec![9; 70_000]);
    pair.send(Ana, "three");
    pair[Ana].speak(BUDGET);
    let (wire, now) = (std::mem::take(&mut pair[Ana].wire), pair.now);
    for byte in wire.chunks(1) {
        pair[Ben].hear(now, byte).unwrap();
    }
    let messages = pair.take_all(Ben);
    assert_eq!(numbers(&messages), [1, 2, 3]);
    assert!(messages[1].as_bytes() == [9; 70_000]);
    assert_eq!(messages[2], "three");
}

#[test]
fn more_messages_than_a_rank_can_count_in_one_block_keep_their_numbers() {
    let mut pair = Scenario::new().windows(200_000, 1).open();
    for _ in 0..150_000 {
        pair.send(Ana, "");
    }
    pair.settle();
    let messages = pair.take_all(Ben);
    assert!(numbers(&messages).into_iter().eq(1..=150_000));
}

#[test]
fn each_batch_bears_the_time_at_which_it_was_accepted() {
    let mut pair = Scenario::new().open();
    pair.send(Ana, "first");
    pair.send(Ana, "with the first");
    pair.settle();
    pair.advance(1_500 * MS);
    pair.send(Ana, "later");
    pair.advance(MS);
    pair.send(Ana, "with the later one, since it still waits to go");
    pair[Ana].speak(BUDGET);
    pair.advance(MS);
    pair.send(Ana, vec![1; 100_000]);
    pair.send(Ana, "last");
    pair.settle();
    let times: Vec<_> = pair.take_all(Ben).iter().map(Message::sent_at).collect();
    let expected = [0, 0, 1_500, 1_501, 1_502, 1_502].map(|after| at(BEGAN_MS + after));
    assert_eq!(times, expected);
}

#[test]
fn only_what_the_application_took_is_acknowledged() {
    let mut pair = Scenario::new().open();
    for _ in 0..3 {
        pair.send(Ana, "x");
    }
    pair.advance(1_000 * MS);
    assert_eq!((pair[Ben].channel.len(), acked(&pair, Ana)), (3, 0));
    pair.take(Ben);
    pair.take(Ben);
    pair.advance(1_000 * MS);
    assert_eq!(acked(&pair, Ana), 2);
    pair.take(Ben);
    pair.advance(1_000 * MS);
    assert_eq!(acked(&pair, Ana), 3);
}

#[test]
fn credit_is_used_up_by_messages_and_comes_back_when_they_are_taken() {
    let mut pair = Scenario::new()
        .window(Ana, 1_000, 1 << 20)
        .window(Ben, 4, 1 << 20)
        .open();
    for _ in 0..4 {
        pair.send(Ana, "x");
    }
    assert!(!pair[Ana].connection.has_room());
    pair.advance(1_000 * MS);
    assert!(!pair[Ana].connection.has_room(), "nothing was taken");
    pair.take(Ben);
    pair.advance(200 * MS);
    assert_eq!(pair.send(Ana, "y"), 5);
    assert!(!pair[Ana].connection.has_room());
}

#[test]
fn credit_is_used_up_by_bytes_and_a_message_may_overrun_it() {
    let mut pair = Scenario::new()
        .window(Ana, 1_000, 1 << 30)
        .window(Ben, 1_000, 1_000)
        .open();
    pair.send(Ana, vec![0; 999]);
    pair.send(Ana, vec![0; 100_000]);
    assert!(!pair[Ana].connection.has_room());
    pair.settle();
    assert_eq!(pair.take_all(Ben).len(), 2);
    pair.advance(200 * MS);
    assert!(pair[Ana].connection.has_room());
}

#[test]
fn a_full_window_has_no_room_even_where_there_is_credit() {
    let mut pair = Scenario::new().window(Ana, 3, 1 << 20).open();
    for _ in 0..3 {
        pair.send(Ana, "x");
    }
    assert!(!pair[Ana].connection.has_room());
    let mut pair = Scenario::new().window(Ana, 1_000, 10).open();
    pair.send(Ana, "ten bytes!");
    assert!(!pair[Ana].connection.has_room());
    pair.settle();
    assert!(!pair[Ana].connection.has_room(), "sent is not acknowledged");
    pair.take_all(Ben);
    pair.advance(200 * MS);
    assert!(pair[Ana].connection.has_room());
}

#[test]
fn a_flush_is_answered_as_soon_as_the_application_has_taken_all() {
    let mut pair = Scenario::new().open();
    pair.send(Ana, "x");
    pair[Ana].connection.flush();
    pair.settle();
    assert_eq!(acked(&pair, Ana), 0);
    pair.take(Ben);
    pair.advance(MS);
    assert_eq!(acked(&pair, Ana), 1);
    pair[Ana].connection.flush();
    assert!(
        !pair[Ana].connection.wants_transmit(),
        "all is acknowledged"
    );
}

#[test]
fn a_flush_is_answered_at_once_where_all_was_taken_before() {
    let mut pair = Scenario::new().open();
    pair.send(Ana, "x");
    pair.settle();
    pair.take(Ben);
    pair[Ana].connection.flush();
    pair.settle();
    assert_eq!(acked(&pair, Ana), 1);
}

#[test]
fn an_acknowledgement_waits_25_ms_for_company() {
    let mut pair = Scenario::new().open();
    pair.send(Ana, "x");
    pair.settle();
    pair.take(Ben);
    pair.look();
    pair.advance(24 * MS);
    assert_eq!(acked(&pair, Ana), 0);
    pair.advance(MS);
    assert_eq!(acked(&pair, Ana), 1);
}

#[test]
fn an_acknowledgement_goes_along_with_a_message_and_leaves_no_deadline_behind() {
    let mut pair = Scenario::new().open();
    pair.send(Ana, "x");
    pair.settle();
    pair.take(Ben);
    pair.look();
    pair.send(Ben, "y");
    pair.settle();
    assert_eq!(acked(&pair, Ana), 1);
    pair.take(Ana);
    // `advance` checks that no deadline stays in the past: a reader would spin on it.
    pair.advance(1_000 * MS);
    assert_eq!(acked(&pair, Ben), 1);
}

#[test]
fn a_quarter_of_the_window_is_acknowledged_at_once() {
    let mut pair = Scenario::new().windows(100, 1 << 20).open();
    for _ in 0..26 {
        pair.send(Ana, "x");
    }
    pair.settle();
    for _ in 0..24 {
        pair.take(Ben);
    }
    pair.look();
    pair.settle();
    assert_eq!(acked(&pair, Ana), 0);
    pair.take(Ben);
    pair.look();
    pair.settle();
    assert_eq!(acked(&pair, Ana), 25);

    let mut pair = Scenario::new().windows(100, 4_000).open();
    pair.send(Ana, vec![0; 1_000]);
    pair.settle();
    pair.take(Ben);
    pair.look();
    pair.settle();
    assert_eq!(acked(&pair, Ana), 1);
}

#[test]
fn while_the_peer_waits_the_channel_is_looked_at_ever_more_rarely() {
    let mut pair = Scenario::new().windows(1, 1 << 20).open();
    pair.send(Ana, "x");
    pair.settle();
    let mut pauses = Vec::new();
    while pauses.last() != Some(&(100 * MS)) {
        let next = pair[Ben].connection.next_timeout().unwrap();
        pauses.push(next - pair.now);
        pair.now = next;
        pair.look();
    }
    let doubling = (0..10).map(|step| Duration::from_micros(100 << step));
    let expected: Vec<_> = doubling.chain([100 * MS]).collect();
    assert_eq!(pauses, expected);
    // What is taken begins it anew.
    pair.take(Ben);
    pair.advance(100 * MS);
    pair.send(Ana, "y");
    pair.settle();
    let next = pair[Ben].connection.next_timeout().unwrap();
    assert_eq!(next - pair.now, Duration::from_micros(100));
}

#[test]
fn a_ping_is_answered_and_measures_the_round_trip() {
    let mut pair = Scenario::new().timeout(3_000 * MS).open();
    assert_eq!(pair[Ana].connection.round_trip(), None);
    pair.now += 1_000 * MS;
    pair.look();
    pair[Ana].speak(BUDGET);
    pair.now += 20 * MS;
    pair.carry(Ana);
    pair.now += 10 * MS;
    pair.carry(Ben);
    assert_eq!(pair[Ana].connection.round_trip(), Some(30 * MS));
    assert!(!pair.is_dead());
}

#[test]
fn a_silent_peer_is_asked_after_a_third_and_dead_after_the_whole_timeout() {
    let mut pair = Scenario::new().timeout(3_000 * MS).open();
    let began = pair.now;
    let mut pings = Vec::new();
    while !pair[Ana].dead {
        pair.now = pair[Ana].connection.next_timeout().unwrap();
        let now = pair.now;
        pair[Ana].look(now);
        if pair[Ana].connection.wants_transmit() {
            pair[Ana].speak(BUDGET);
            pings.push(now - began);
        }
        assert!(pings.len() < 10, "it is never dead");
    }
    assert_eq!(pair.now - began, 3_000 * MS);
    assert_eq!(pings, [1_000 * MS, 2_000 * MS]);
}

#[test]
fn a_side_whose_application_reads_nothing_for_ten_minutes_lives_and_costs_little() {
    let mut pair = Scenario::new().windows(10, 1 << 20).open();
    for _ in 0..10 {
        pair.send(Ana, "x");
        pair.send(Ben, "y");
    }
    pair.advance(600_000 * MS);
    assert!(!pair.is_dead());
    assert!(!pair[Ana].connection.has_room());
    for who in Who::BOTH {
        assert_eq!(numbers(&pair.take_all(who)), Vec::from_iter(1..=10));
    }
    pair.advance(200 * MS);
    assert!(pair[Ana].connection.has_room() && pair[Ben].connection.has_room());
}

#[test]
fn nothing_goes_between_the_header_of_a_large_message_and_its_body() {
    // Whatever the budget, a pong or an acknowledgement may be due when the rest is pulled.
    for budget in [1, 60, 69, 70, 75, 20_000, 20_100] {
        let mut pair = Scenario::new().open();
        pair.send(Ana, vec![1; 60]);
        pair.send(Ana, vec![2; 20_000]);
        pair.send(Ana, vec![3; 200_000]);
        while pair[Ana].connection.wants_transmit() {
            pair[Ana].speak(budget);
            pair.send(Ben, "hi");
            pair.carry(Ben);
            pair.take_all(Ana);
        }
        pair.settle();
        let messages = pair.take_all(Ben);
        let contents = [(1, 60), (2, 20_000), (3, 200_000)].map(|(byte, size)| vec![byte; size]);
        assert!(messages.iter().map(Message::as_bytes).eq(&contents));
    }
}
