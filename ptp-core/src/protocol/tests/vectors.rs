//! Published vectors through our own handshake and record code.
//!
//! Sources: haskell-cryptography/cacophony `vectors/cacophony.txt` (Unlicense); C2SP/wycheproof
//! `testvectors_v1/x25519_test.json` (Apache-2.0).

use serde_json::Value;
use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver};

use crate::protocol::Suite;
use crate::protocol::handshake::{Keys, Secrets, Side, keys, noise, read, refuse_low_order, write};
use crate::protocol::record::{Opener, PREFIX, Sealer, TAG};

const WYCHEPROOF: &str = include_str!("../../../tests/vectors/wycheproof-x25519_test.json");
const NOISE_XX: &str = include_str!("../../../tests/vectors/noise-xx.json");

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

#[test]
fn both_sides_of_noise_xx_say_and_read_what_cacophony_expects() {
    let file: Value = serde_json::from_str(NOISE_XX).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let name = vector["protocol_name"].as_str().unwrap();
        let suite = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305]
            .into_iter()
            .find(|suite| suite.noise() == name)
            .unwrap();
        let (mut dialler, mut listener) = handshake(vector, suite);
        let transport = &vector["messages"].as_array().unwrap()[3..];
        assert_eq!(transport.len(), 3);
        for (number, message) in transport.iter().enumerate() {
            // The listener says the first, and they take turns.
            let (from, to) = match number % 2 {
                0 => (&mut listener.sealer, &mut dialler.opener),
                _ => (&mut dialler.sealer, &mut listener.opener),
            };
            record_passes(from, to, message);
        }
    }
}

/// Carries the three handshake messages of a vector; they have payloads that ours don't.
fn handshake(vector: &Value, suite: Suite) -> (Keys, Keys) {
    let [mut dialler, mut listener] =
        [("init", Side::Dialler), ("resp", Side::Listener)].map(|(name, side)| {
            let key = |what: &str| bytes(&vector[format!("{name}_{what}")]);
            let secrets = Secrets {
                identity: &key("static").try_into().unwrap(),
                ephemeral: Some(&key("ephemeral").try_into().unwrap()),
            };
            noise(suite, secrets, &key("prologue"), side).unwrap()
        });
    for (number, message) in vector["messages"].as_array().unwrap()[..3]
        .iter()
        .enumerate()
    {
        let (from, to) = match number {
            1 => (&mut listener, &mut dialler),
            _ => (&mut dialler, &mut listener),
        };
        let (payload, ciphertext) = (bytes(&message["payload"]), bytes(&message["ciphertext"]));
        assert_eq!(write(from, &payload).unwrap(), ciphertext);
        assert_eq!(read(to, &ciphertext).unwrap(), payload);
    }
    let [dialler, listener] = [(dialler, Side::Dialler), (listener, Side::Listener)]
        .map(|(noise, side)| keys(noise, suite, [0; 32], side).unwrap());
    assert_eq!(dialler.hash[..], bytes(&vector["handshake_hash"]));
    assert_eq!(listener.hash, dialler.hash);
    (dialler, listener)
}

/// Seals a transport message of a vector into a record, and opens it again.
fn record_passes(sealer: &mut Sealer, opener: &mut Opener, message: &Value) {
    let (payload, ciphertext) = (bytes(&message["payload"]), bytes(&message["ciphertext"]));
    let mut record = [&[0; PREFIX][..], &payload].concat();
    sealer.seal(&mut record, 0).unwrap();
    assert_eq!(record[PREFIX..], ciphertext);
    assert_eq!(record[..PREFIX], (ciphertext.len() as u16).to_be_bytes());
    assert_eq!(opener.open(&mut record, PREFIX), Ok(ciphertext.len() - TAG));
    assert_eq!(record[..payload.len()], payload);
}
