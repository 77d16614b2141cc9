//! Somebody on the way changes, drops, inserts, replays or swaps what travels: all fails closed.

use super::pair::{Ana, Ben, Pair, Scenario};
use super::shake::{DIALLER, Fixed, Flight, LISTENER, Outcome, handshake, handshake_between};
use crate::protocol::{Pairing, Suite, Violation};

const BOTH: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];

/// What both sides prefer, so that each suite is chosen once.
const PREFERENCES: [[Suite; 2]; 2] = [BOTH, [Suite::ChaCha20Poly1305, Suite::Aes256Gcm]];

/// One flight changed, and nothing else.
fn changed(preferred: &[Suite], flight: Flight, change: impl Fn(&mut Vec<u8>)) -> Outcome {
    handshake(preferred, preferred, |at, mut bytes| {
        if at == flight {
            change(&mut bytes);
        }
        bytes
    })
}

/// The listener must not have let anybody in; the dialler may only find out behind message 3.
fn assert_closed(flight: Flight, outcome: &Outcome, what: &str) {
    assert!(outcome.listener.is_err(), "{flight:?}: {what}");
    if flight != Flight::Message3 {
        assert!(outcome.dialler.is_err(), "{flight:?}: {what}");
    }
}

/// What travels in an honest handshake of those who prefer these.
fn flights(preferred: &[Suite]) -> Vec<(Flight, Vec<u8>)> {
    let mut flights = Vec::new();
    let outcome = handshake(preferred, preferred, |flight, bytes| {
        flights.push((flight, bytes.clone()));
        bytes
    });
    assert!(outcome.dialler.is_ok() && outcome.listener.is_ok());
    flights
}

/// Each flight of an honest handshake with either suite.
fn all_flights() -> impl Iterator<Item = ([Suite; 2], Flight, Vec<u8>)> {
    PREFERENCES.into_iter().flat_map(|preferred| {
        let flights = flights(&preferred).into_iter();
        flights.map(move |(flight, bytes)| (preferred, flight, bytes))
    })
}

#[test]
fn an_unchanged_handshake_succeeds_and_both_sides_know_the_same() {
    for preferred in PREFERENCES {
        let outcome = handshake(&preferred, &preferred, |_, bytes| bytes);
        let (dialler, (listener, opening)) = (outcome.dialler.unwrap(), outcome.listener.unwrap());
        assert_eq!(dialler.hash, listener.hash);
        assert_eq!(dialler.peer, LISTENER.public());
        assert_eq!(listener.peer, DIALLER.public());
        assert_eq!(opening.session, [7; 16]);
        assert_eq!(opening.pairing, Pairing::Offered);
    }
}

#[test]
fn each_changed_bit_of_the_hello_lines_and_the_handshake_fails_closed() {
    for (preferred, flight, bytes) in all_flights() {
        for bit in 0..bytes.len() * 8 {
            let outcome = changed(&preferred, flight, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            assert_closed(flight, &outcome, &format!("bit {bit}"));
        }
    }
}

#[test]
fn each_dropped_doubled_or_inserted_byte_fails_closed() {
    for (preferred, flight, bytes) in all_flights() {
        for at in 0..bytes.len() {
            let dropped = changed(&preferred, flight, |bytes| {
                bytes.remove(at);
            });
            assert_closed(flight, &dropped, &format!("byte {at} dropped"));
            let inserted = changed(&preferred, flight, |bytes| bytes.insert(at, b' '));
            assert_closed(flight, &inserted, &format!("a space at {at}"));
        }
        let empty = changed(&preferred, flight, Vec::clear);
        assert_closed(flight, &empty, "all dropped");
        let longer = changed(&preferred, flight, |bytes| bytes.push(0));
        assert_closed(flight, &longer, "a byte more");
    }
}

#[test]
fn a_flight_of_any_other_length_fails_closed() {
    for (preferred, flight, bytes) in all_flights() {
        let lengths = (0..300).chain([512, 4_096, 65_519, 65_535, 65_536]);
        for length in lengths.filter(|length| *length != bytes.len()) {
            let outcome = changed(&preferred, flight, |bytes| bytes.resize(length, b'x'));
            assert_closed(flight, &outcome, &format!("{length} bytes"));
        }
    }
}

#[test]
fn a_suite_taken_out_of_the_offer_or_put_into_the_answer_fails_closed() {
    let weaker = changed(&BOTH, Flight::Offer, |line| {
        *line = b"PTP/1 25519_ChaChaPoly_SHA256\n".to_vec();
    });
    assert_closed(Flight::Offer, &weaker, "a suite less");
    let other = changed(&BOTH, Flight::Answer, |line| {
        *line = b"PTP/1 25519_ChaChaPoly_SHA256\n".to_vec();
    });
    assert_closed(Flight::Answer, &other, "another suite");
}

#[test]
fn a_flight_of_an_earlier_handshake_fails_closed() {
    let earlier = flights(&BOTH);
    let later = [&DIALLER, &LISTENER].map(|keys| Fixed {
        identity: keys.identity,
        ephemeral: keys.ephemeral.map(|byte| byte ^ 0x40),
    });
    for (flight, old) in &earlier[2..] {
        let outcome = handshake_between([&later[0], &later[1]], [&BOTH, &BOTH], |at, bytes| {
            if at == *flight { old.clone() } else { bytes }
        });
        assert_closed(*flight, &outcome, "replayed");
    }
}

#[test]
fn a_flight_in_another_s_place_fails_closed() {
    let honest = flights(&BOTH);
    for (flight, bytes) in &honest {
        for (other, _) in honest.iter().filter(|(_, other)| other != bytes) {
            let outcome = changed(&BOTH, *other, |changed| changed.clone_from(bytes));
            assert_closed(*other, &outcome, &format!("{flight:?} in its place"));
        }
    }
}

/// An open session and the records of `count` messages from Ana to Ben.
fn records(seed: u8, count: usize) -> (Pair, Vec<Vec<u8>>) {
    let suite = BOTH[usize::from(seed) % 2];
    let scenario = Scenario::new().without_handshake([seed; 32]).suite(suite);
    let mut pair = scenario.open();
    let record = |number: usize| {
        pair.send(Ana, "x".repeat(number % 23));
        pair[Ana].speak(1);
        std::mem::take(&mut pair[Ana].wire)
    };
    let records = (0..count).map(record).collect();
    (pair, records)
}

/// How many messages come out of what Ben hears, and whether he found something wrong.
fn hear(mut pair: Pair, wire: &[Vec<u8>]) -> (usize, Result<(), Violation>) {
    let now = pair.now;
    let result = wire.iter().try_for_each(|bytes| {
        let heard = pair[Ben].hear(now, bytes);
        heard.map(drop)
    });
    (pair[Ben].channel.len(), result)
}

#[test]
fn each_changed_bit_of_two_hundred_records_is_noticed() {
    for seed in 0..200u8 {
        let place = usize::from(seed) % 5;
        let (_, honest) = records(seed, place + 1);
        // Each bit of the length, one in three of the tag, one in five of the rest.
        let bits = honest[place].len() * 8;
        let tag = bits - 16 * 8;
        let sampled = |bit: &usize| match *bit {
            0..16 => true,
            bit if bit >= tag => bit.is_multiple_of(3),
            bit => bit.is_multiple_of(5),
        };
        for bit in (0..bits).filter(sampled) {
            let (pair, mut wire) = records(seed, place + 1);
            wire[place][bit / 8] ^= 1 << (bit % 8);
            let (messages, result) = hear(pair, &wire);
            assert_eq!(messages, place, "record {place}, bit {bit}");
            // A length that grew waits for more; only the end of the stream can tell.
            assert!(result.is_err() || bit < 16, "record {place}, bit {bit}");
        }
    }
}

#[test]
fn a_record_that_claims_to_be_longer_swallows_what_follows_and_fails() {
    let (pair, mut wire) = records(1, 3_000);
    wire[0][0] = 0xff;
    let (messages, result) = hear(pair, &wire);
    assert_eq!(messages, 0);
    assert_eq!(result, Err(Violation::RecordAuthentication));
}

#[test]
fn nothing_comes_out_of_a_stream_that_is_cut_inside_a_record() {
    let (_, honest) = records(2, 4);
    let lengths: Vec<_> = honest.iter().map(Vec::len).collect();
    for cut in 0..lengths.iter().sum() {
        let (pair, wire) = records(2, 4);
        let (messages, result) = hear(pair, &[wire.concat()[..cut].to_vec()]);
        let whole = (1..=4)
            .rev()
            .find(|n| lengths[..*n].iter().sum::<usize>() <= cut);
        assert_eq!(messages, whole.unwrap_or(0));
        assert_eq!(result, Ok(()));
    }
}

#[test]
fn dropped_doubled_and_reordered_records_are_noticed() {
    let failed = Err(Violation::RecordAuthentication);
    for place in 0..9 {
        let (pair, mut wire) = records(3, 10);
        wire.remove(place);
        assert_eq!(hear(pair, &wire), (place, failed));
        let (pair, mut wire) = records(3, 10);
        wire.insert(place + 1, wire[place].clone());
        assert_eq!(hear(pair, &wire), (place + 1, failed));
        let (pair, mut wire) = records(3, 10);
        wire.swap(place, place + 1);
        assert_eq!(hear(pair, &wire), (place, failed));
    }
}

#[test]
fn records_of_another_connection_are_noticed() {
    let failed = Err(Violation::RecordAuthentication);
    for place in 0..10 {
        let (_, other) = records(6, 10);
        let (pair, mut wire) = records(4, 10);
        wire[place].clone_from(&other[place]);
        assert_eq!(hear(pair, &wire), (place, failed));
    }
}

#[test]
fn a_side_s_own_records_sent_back_to_it_are_noticed() {
    let (mut pair, wire) = records(7, 1);
    let now = pair.now;
    let result = pair[Ana].hear(now, &wire[0]).map(drop);
    assert_eq!(result, Err(Violation::RecordAuthentication));
}
