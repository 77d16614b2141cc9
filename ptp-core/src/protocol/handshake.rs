//! The Noise XX handshake, one type a state; consumed into the keys of the open connection.
//!
//! ```text
//! dialler                                      listener
//! Dial ──── hello line ───────────────────────→ Answering
//!      ←─── hello line ────────────────────────
//! Dialled ─ message 1: e ─────────────────────→
//!      ←─── message 2: e, ee, s, es ─────────── Answered
//! Checked (the listener's key is known here: who does not trust it stops)
//!      ──── message 3: s, se, Opening ────────→
//! Keys                                          Keys, Opening
//! ```

use snow::{Builder, HandshakeState};
use zeroize::Zeroize;

use super::error::Violation;
use super::frame::Opening;
use super::hello::{self, Answer, Suite};
use super::record::{Opener, Sealer, TAG};

/// Bytes of an X25519 key.
pub(crate) const KEY: usize = 32;
/// Bytes of message 1: an ephemeral key.
pub(crate) const MESSAGE_1: usize = KEY;
/// Bytes of message 2: an ephemeral key, a sealed static key and a sealed empty payload.
pub(crate) const MESSAGE_2: usize = KEY + KEY + TAG + TAG;
/// The longest message 3: with the hello line and message 1 it stays within the 512 bytes that
/// are kept before the peer is authenticated.
pub(crate) const MAX_MESSAGE_3: usize = 256;

/// The private keys of one side. The ephemeral one is random; tests may fix it.
#[derive(Clone, Copy)]
pub(crate) struct Secrets<'a> {
    pub(crate) identity: &'a [u8; KEY],
    pub(crate) ephemeral: Option<&'a [u8; KEY]>,
}

/// What a finished handshake leaves.
pub(crate) struct Keys {
    pub(crate) sealer: Sealer,
    pub(crate) opener: Opener,
    /// The peer's static public key.
    pub(crate) peer: [u8; KEY],
    /// The handshake hash: what a channel binding binds to.
    pub(crate) hash: [u8; 32],
    pub(crate) suite: Suite,
}

/// The dialler before the listener's hello line.
pub(crate) struct Dial<'a> {
    secrets: Secrets<'a>,
    offer: String,
}

impl<'a> Dial<'a> {
    pub(crate) fn new(secrets: Secrets<'a>, suites: &[Suite]) -> Self {
        Self {
            secrets,
            offer: hello::offer(suites),
        }
    }

    /// The dialler's hello line.
    pub(crate) fn offer(&self) -> &[u8] {
        self.offer.as_bytes()
    }

    /// Takes the listener's line, in which it chose `suite`; yields message 1.
    pub(crate) fn handle_answer(
        self,
        line: &[u8],
        suite: Suite,
    ) -> Result<(Dialled, Vec<u8>), Violation> {
        let prologue = [self.offer.as_bytes(), line].concat();
        let mut noise = noise(suite, self.secrets, &prologue, Side::Dialler)?;
        let message_1 = write(&mut noise, &[])?;
        Ok((Dialled { noise, suite }, message_1))
    }
}

/// The dialler after message 1.
pub(crate) struct Dialled {
    noise: HandshakeState,
    suite: Suite,
}

impl Dialled {
    /// Takes message 2, with which the listener shows who it is.
    pub(crate) fn handle_message_2(mut self, message: &[u8]) -> Result<Checked, Violation> {
        refuse_low_order(ephemeral(message)?)?;
        read(&mut self.noise, message)?;
        let peer = remote_static(&self.noise)?;
        Ok(Checked {
            noise: self.noise,
            suite: self.suite,
            peer,
        })
    }
}

/// The dialler that knows the listener's key and has not yet shown its own.
pub(crate) struct Checked {
    noise: HandshakeState,
    suite: Suite,
    /// The listener's static public key.
    pub(crate) peer: [u8; KEY],
}

impl Checked {
    /// Shows the dialler's identity and its opening in message 3.
    pub(crate) fn accept(mut self, opening: &Opening) -> Result<(Keys, Vec<u8>), Violation> {
        let mut payload = Vec::new();
        opening.put(&mut payload);
        let message_3 = write(&mut self.noise, &payload)?;
        let keys = keys(self.noise, self.suite, self.peer, Side::Dialler)?;
        Ok((keys, message_3))
    }
}

/// The listener after it answered a dialler's line.
pub(crate) struct Answering {
    noise: HandshakeState,
    suite: Suite,
}

impl Answering {
    /// Begins with both lines; `answer` chose `suite`.
    pub(crate) fn new(secrets: Secrets<'_>, offer: &[u8], suite: Suite) -> Result<Self, Violation> {
        let prologue = [offer, Answer::Chosen(suite).line().as_bytes()].concat();
        let noise = noise(suite, secrets, &prologue, Side::Listener)?;
        Ok(Self { noise, suite })
    }

    /// Takes message 1; yields message 2.
    pub(crate) fn handle_message_1(
        mut self,
        message: &[u8],
    ) -> Result<(Answered, Vec<u8>), Violation> {
        refuse_low_order(ephemeral(message)?)?;
        read(&mut self.noise, message)?;
        let message_2 = write(&mut self.noise, &[])?;
        let answered = Answered {
            noise: self.noise,
            suite: self.suite,
        };
        Ok((answered, message_2))
    }
}

/// The listener after message 2.
pub(crate) struct Answered {
    noise: HandshakeState,
    suite: Suite,
}

impl Answered {
    /// Takes message 3: who the dialler is and what it opens.
    pub(crate) fn handle_message_3(mut self, message: &[u8]) -> Result<(Keys, Opening), Violation> {
        let payload = read(&mut self.noise, message)?;
        let peer = remote_static(&self.noise)?;
        let opening = Opening::take(&payload).ok_or(Violation::Handshake)?;
        let keys = keys(self.noise, self.suite, peer, Side::Listener)?;
        Ok((keys, opening))
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Side {
    Dialler,
    Listener,
}

pub(super) fn noise(
    suite: Suite,
    secrets: Secrets<'_>,
    prologue: &[u8],
    side: Side,
) -> Result<HandshakeState, Violation> {
    let build = || {
        let mut builder = Builder::new(suite.noise().parse()?)
            .local_private_key(secrets.identity)?
            .prologue(prologue)?;
        if let Some(ephemeral) = secrets.ephemeral {
            builder = builder.fixed_ephemeral_key_for_testing_only(ephemeral);
        }
        match side {
            Side::Dialler => builder.build_initiator(),
            Side::Listener => builder.build_responder(),
        }
    };
    build().map_err(|_: snow::Error| Violation::Handshake)
}

pub(super) fn write(noise: &mut HandshakeState, payload: &[u8]) -> Result<Vec<u8>, Violation> {
    let mut message = vec![0; MAX_MESSAGE_3];
    let length = noise
        .write_message(payload, &mut message)
        .map_err(|_| Violation::Handshake)?;
    message.truncate(length);
    Ok(message)
}

pub(super) fn read(noise: &mut HandshakeState, message: &[u8]) -> Result<Vec<u8>, Violation> {
    let mut payload = vec![0; message.len()];
    let length = noise
        .read_message(message, &mut payload)
        .map_err(|_| Violation::Handshake)?;
    payload.truncate(length);
    Ok(payload)
}

pub(super) fn keys(
    mut noise: HandshakeState,
    suite: Suite,
    peer: [u8; KEY],
    side: Side,
) -> Result<Keys, Violation> {
    let hash = noise
        .get_handshake_hash()
        .try_into()
        .map_err(|_| Violation::Handshake)?;
    let (mut from_dialler, mut from_listener) = noise.dangerously_get_raw_split();
    let (ours, theirs) = match side {
        Side::Dialler => (&from_dialler, &from_listener),
        Side::Listener => (&from_listener, &from_dialler),
    };
    let halves = Sealer::new(suite, ours).zip(Opener::new(suite, theirs));
    from_dialler.zeroize();
    from_listener.zeroize();
    let (sealer, opener) = halves.ok_or(Violation::Handshake)?;
    Ok(Keys {
        sealer,
        opener,
        peer,
        hash,
        suite,
    })
}

fn ephemeral(message: &[u8]) -> Result<&[u8; KEY], Violation> {
    message.first_chunk().ok_or(Violation::Handshake)
}

fn remote_static(noise: &HandshakeState) -> Result<[u8; KEY], Violation> {
    let key = noise
        .get_remote_static()
        .and_then(|key| key.try_into().ok())
        .ok_or(Violation::Handshake)?;
    refuse_low_order(&key)?;
    Ok(key)
}

/// Refuses the keys of [`is_low_order`].
pub(crate) fn refuse_low_order(key: &[u8; KEY]) -> Result<(), Violation> {
    if is_low_order(key) {
        return Err(Violation::LowOrderKey);
    }
    Ok(())
}

/// Whether every Diffie-Hellman result with the key is zero (RFC 7748, section 6.1): with such a
/// one a peer could finish the handshake and hold no private key at all.
pub(crate) fn is_low_order(key: &[u8; KEY]) -> bool {
    // X25519 ignores the top bit.
    let mut masked = *key;
    masked[KEY - 1] &= 0x7f;
    LOW_ORDER.contains(&masked)
}

/// All encodings below 2^255 of the points of order 1, 2, 4 and 8 on the curve and its twist:
/// 0, 1, the two of order 8, and p − 1, p, p + 1 with p = 2^255 − 19.
const LOW_ORDER: [[u8; KEY]; 7] = [
    [0; KEY],
    little_endian(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    little_endian(0xec, 0xff, 0x7f),
    little_endian(0xed, 0xff, 0x7f),
    little_endian(0xee, 0xff, 0x7f),
];

/// A key with this first byte, this last byte and the same byte in all places between.
const fn little_endian(first: u8, between: u8, last: u8) -> [u8; KEY] {
    let mut key = [between; KEY];
    key[0] = first;
    key[KEY - 1] = last;
    key
}
