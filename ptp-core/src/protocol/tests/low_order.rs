//! A peer that holds no private key: its public keys are of low order, so that every
//! Diffie-Hellman result is zero, and it can compute each of them.

use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error, HandshakeState};

use super::pair::WINDOW;
use super::shake::{DIALLER, LISTENER, opening};
use crate::protocol::handshake::refuse_low_order;
use crate::protocol::{Answer, Answering, Dial, Suite, Violation};

const SUITE: Suite = Suite::ChaCha20Poly1305;
/// The private key that stands for "none" below.
const NONE: [u8; 32] = [0; 32];
const HONEST: [u8; 32] = [0x31; 32];

/// Public keys of low order: zero, one, the two of order eight, and p − 1.
fn low_order() -> Vec<[u8; 32]> {
    let number = |first: u8, between: u8, last: u8| {
        let mut key = [between; 32];
        (key[0], key[31]) = (first, last);
        key
    };
    let eight = |hex: &str| {
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        std::array::from_fn(byte)
    };
    let mut keys = vec![
        number(0, 0, 0),
        number(1, 0, 0),
        eight("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        eight("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        number(0xec, 0xff, 0x7f),
        number(0xed, 0xff, 0x7f),
        number(0xee, 0xff, 0x7f),
    ];
    // X25519 ignores the top bit, so each has a second form.
    let mut again = keys.clone();
    again.iter_mut().for_each(|key| key[31] |= 0x80);
    keys.append(&mut again);
    keys
}

/// X25519, but for the private key `NONE`: its public key is `public`, all its results are zero.
struct Hollow {
    honest: Box<dyn Dh>,
    public: [u8; 32],
    hollow: bool,
}

impl Dh for Hollow {
    fn name(&self) -> &'static str {
        "25519"
    }
    fn pub_len(&self) -> usize {
        32
    }
    fn priv_len(&self) -> usize {
        32
    }
    fn set(&mut self, private: &[u8]) {
        self.hollow = private == NONE;
        self.honest.set(private);
    }
    fn generate(&mut self, random: &mut dyn Random) -> Result<(), Error> {
        self.honest.generate(random)
    }
    fn pubkey(&self) -> &[u8] {
        match self.hollow {
            true => &self.public,
            false => self.honest.pubkey(),
        }
    }
    fn privkey(&self) -> &[u8] {
        self.honest.privkey()
    }
    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        if self.hollow {
            out[..32].fill(0);
            return Ok(());
        }
        self.honest.dh(public, out)
    }
}

struct HollowResolver([u8; 32]);

impl CryptoResolver for HollowResolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        DefaultResolver.resolve_rng()
    }
    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::new(Hollow {
            honest: DefaultResolver.resolve_dh(choice)?,
            public: self.0,
            hollow: false,
        }))
    }
    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }
    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// Snow with these private keys, either of which may be `NONE`.
fn hostile(
    public: [u8; 32],
    identity: &[u8; 32],
    ephemeral: &[u8; 32],
    prologue: &[u8],
    dials: bool,
) -> HandshakeState {
    let params = SUITE.noise().parse().unwrap();
    let builder = Builder::with_resolver(params, Box::new(HollowResolver(public)))
        .local_private_key(identity)
        .unwrap()
        .prologue(prologue)
        .unwrap()
        .fixed_ephemeral_key_for_testing_only(ephemeral);
    match dials {
        true => builder.build_initiator().unwrap(),
        false => builder.build_responder().unwrap(),
    }
}

fn write(noise: &mut HandshakeState, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 256];
    let length = noise.write_message(payload, &mut message).unwrap();
    message.truncate(length);
    message
}

fn prologue() -> Vec<u8> {
    let dial = Dial::new(DIALLER.secrets(), &[SUITE]);
    [dial.offer(), Answer::Chosen(SUITE).line().as_bytes()].concat()
}

/// A hostile dialler against our listener: what the listener says to message 1 or 3.
fn dial(public: [u8; 32], identity: &[u8; 32], ephemeral: &[u8; 32]) -> Result<(), Violation> {
    let mut noise = hostile(public, identity, ephemeral, &prologue(), true);
    let offer = Dial::new(DIALLER.secrets(), &[SUITE]).offer().to_vec();
    let answering = Answering::new(LISTENER.secrets(), &offer, SUITE)?;
    let (answered, message_2) = answering.handle_message_1(&write(&mut noise, &[]))?;
    noise.read_message(&message_2, &mut [0; 256]).unwrap();
    let mut payload = Vec::new();
    opening(WINDOW, 1).put(&mut payload);
    let message_3 = write(&mut noise, &payload);
    answered.handle_message_3(&message_3).map(drop)
}

/// A hostile listener against our dialler: what the dialler says to message 2.
fn listen(public: [u8; 32], identity: &[u8; 32], ephemeral: &[u8; 32]) -> Result<(), Violation> {
    let mut noise = hostile(public, identity, ephemeral, &prologue(), false);
    let line = Answer::Chosen(SUITE).line();
    let dial = Dial::new(DIALLER.secrets(), &[SUITE]);
    let (dialled, message_1) = dial.handle_answer(line.as_bytes(), SUITE)?;
    noise.read_message(&message_1, &mut [0; 256]).unwrap();
    dialled.handle_message_2(&write(&mut noise, &[])).map(drop)
}

#[test]
fn without_a_private_key_nobody_gets_through_a_handshake() {
    let refused = Err(Violation::LowOrderKey);
    assert_eq!(low_order().len(), 14);
    for public in low_order() {
        assert_eq!(refuse_low_order(&public), refused);
        assert_eq!(dial(public, &HONEST, &NONE), refused, "e in message 1");
        assert_eq!(dial(public, &NONE, &HONEST), refused, "s in message 3");
        assert_eq!(dial(public, &NONE, &NONE), refused);
        assert_eq!(listen(public, &HONEST, &NONE), refused, "e in message 2");
        assert_eq!(listen(public, &NONE, &HONEST), refused, "s in message 2");
        assert_eq!(listen(public, &NONE, &NONE), refused);
    }
}

#[test]
fn with_a_private_key_the_same_peer_gets_through() {
    // Or else the test above would show nothing.
    assert_eq!(dial([0; 32], &HONEST, &[0x32; 32]), Ok(()));
    assert_eq!(listen([0; 32], &HONEST, &[0x32; 32]), Ok(()));
}
