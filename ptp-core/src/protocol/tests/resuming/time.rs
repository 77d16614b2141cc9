//! The time of messages, and the life of a peer, over a loss.

use super::*;

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
