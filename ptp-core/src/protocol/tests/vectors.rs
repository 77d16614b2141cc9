//! Published vectors through our own handshake and record code.
//!
//! Sources: haskell-cryptography/cacophony `vectors/cacophony.txt` (Unlicense); C2SP/wycheproof
//! `testvectors_v1/x25519_test.json` (Apache-2.0).

use serde_json::Value;
use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver};

use crate::protocol::handshake::refuse_low_order;

const WYCHEPROOF: &str = include_str!("../../../tests/vectors/wycheproof-x25519_test.json");

fn bytes(value: &Value) -> Vec<u8> {
    let hex = value.as_str().unwrap();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn x25519_gives_what_wycheproof_expects_and_keys_without_a_secret_are_refused() {
    let file: Value = serde_json::from_str(WYCHEPROOF).unwrap();
    let mut count = 0;
    for group in file["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let (public, private) = (bytes(&test["public"]), bytes(&test["private"]));
            let expected = bytes(&test["shared"]);
            let mut dh = DefaultResolver.resolve_dh(&DHChoice::Curve25519).unwrap();
            dh.set(&private);
            let mut shared = [0; 32];
            dh.dh(&public, &mut shared).unwrap();
            assert_eq!(shared[..], expected, "{}", test["comment"]);
            let refused = refuse_low_order(&public.try_into().unwrap()).is_err();
            assert_eq!(refused, expected == [0; 32], "{}", test["comment"]);
            count += 1;
        }
    }
    assert_eq!(count, 518);
}
