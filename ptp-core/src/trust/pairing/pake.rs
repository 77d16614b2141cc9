//! SPAKE2 over the code, bound to the channel that it runs in.
//!
//! Who does not know the code learns nothing from a run but that one guess was wrong, and can't
//! try further guesses against what it saw. What is compared depends on both static keys and on
//! the handshake hash: somebody in the middle has two channels with different hashes, and fails on
//! both even while it passes everything on between two people who typed the right code.
//!
//! ```text
//! dialler                                       listener
//!   Pake::dialler                                 Pake::listener
//!   share() ──────────────────────────────────────→ finish(share)  a bad share costs no try
//!   finish(share) ←──────────────────────────────── share()        from here on it does
//!   own_confirmation() ───────────────────────────→ check()        wrong: the code is wrong
//!   check() ←────────────────────────────────────── own_confirmation()
//!   remembers the listener                        remembers the dialler
//! ```

use rand_core::{CryptoRng, RngCore};
use ring::hmac;
use spake2::{Ed25519Group, Group, Identity, Password, Spake2};
use thiserror::Error;
use zeroize::Zeroizing;

use super::code::Code;

/// Bytes of a share: the side and a point.
pub(crate) const SHARE: usize = 1 + POINT;
const POINT: usize = 32;
/// Bytes of a confirmation.
pub(crate) const CONFIRMATION: usize = 32;
/// What one side's secret scalar is made of, which is reduced by the order of the group. Twice the
/// scalar's size, so that the reduction favours none.
const SEED: usize = 64;

/// What a run is bound to. Both sides must have it alike.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    /// The dialler's static public key.
    pub(crate) dialler_key: [u8; 32],
    /// The listener's static public key.
    pub(crate) listener_key: [u8; 32],
    /// Of the Noise handshake, when it is finished.
    pub(crate) handshake_hash: [u8; 32],
}

impl Binding {
    fn identity(&self, side: Side) -> Identity {
        let (label, key) = match side {
            Side::Dialler => ("PTP/1 pairing dialler", &self.dialler_key),
            Side::Listener => ("PTP/1 pairing listener", &self.listener_key),
        };
        Identity::new(&[label.as_bytes(), key, &self.handshake_hash].concat())
    }

    /// What the confirmation of `side` authenticates.
    fn confirmed(&self, side: Side) -> Vec<u8> {
        let label = match side {
            Side::Dialler => "PTP/1 pairing dialler confirms",
            Side::Listener => "PTP/1 pairing listener confirms",
        };
        let keys = [self.dialler_key, self.listener_key].concat();
        [label.as_bytes(), &self.handshake_hash, &keys].concat()
    }
}

/// Why a run could not go on. None of them tells whether the code was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum PairingFault {
    #[error("the system gave no random bytes")]
    Randomness,
    #[error("the other side has the same key: it is this program itself, or a copy")]
    OwnKey,
    #[error("a pairing share has 33 bytes")]
    ShareLength,
    #[error("the pairing share is not of the other role")]
    ShareSide,
    #[error("the pairing share is the own one, sent back")]
    ReflectedShare,
    #[error("the pairing share is no point that an honest side could have sent")]
    InvalidShare,
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Dialler,
    Listener,
}

impl Side {
    /// The first byte of this side's share: SPAKE2's A and B.
    fn byte(self) -> u8 {
        match self {
            Self::Dialler => b'A',
            Self::Listener => b'B',
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Listener,
            Self::Listener => Self::Dialler,
        }
    }
}

/// One side of a run, before it has the other's share. For one run only.
///
/// The crate beneath does not wipe the scalars and its copy of the code; they last as long as the
/// run, 2 s at the listener's.
pub(crate) struct Pake {
    side: Side,
    spake: Spake2<Ed25519Group>,
    share: [u8; SHARE],
    binding: Binding,
}

impl Pake {
    /// The side that has typed the code.
    ///
    /// # Errors
    /// If both keys are the same, or the system gives no random bytes.
    pub(crate) fn dialler(code: &Code, binding: &Binding) -> Result<Self, PairingFault> {
        Self::start(Side::Dialler, code, binding, &*random_seed()?)
    }

    /// The side that has shown the code.
    ///
    /// # Errors
    /// As for the dialler.
    pub(crate) fn listener(code: &Code, binding: &Binding) -> Result<Self, PairingFault> {
        Self::start(Side::Listener, code, binding, &*random_seed()?)
    }

    fn start(
        side: Side,
        code: &Code,
        binding: &Binding,
        seed: &[u8; SEED],
    ) -> Result<Self, PairingFault> {
        if binding.dialler_key == binding.listener_key {
            return Err(PairingFault::OwnKey);
        }
        let password = Password::new(code.as_str());
        let dialler = binding.identity(Side::Dialler);
        let listener = binding.identity(Side::Listener);
        let mut drawn = Drawn::new(seed);
        let (spake, share) = match side {
            Side::Dialler => Spake2::start_a_with_rng(&password, &dialler, &listener, &mut drawn),
            Side::Listener => Spake2::start_b_with_rng(&password, &dialler, &listener, &mut drawn),
        };
        let share = share.try_into().ok().filter(|_| drawn.was_enough());
        Ok(Self {
            side,
            spake,
            share: share.ok_or(PairingFault::Randomness)?,
            binding: binding.clone(),
        })
    }

    /// What the other side needs. The listener's try is spent when this is sent.
    pub(crate) fn share(&self) -> [u8; SHARE] {
        self.share
    }

    /// Takes the other side's share.
    ///
    /// # Errors
    /// If no honest side can have sent it: a wrong length or role, the own share sent back, or no
    /// point of the prime-order group in its one encoding. The identity is refused, too.
    pub(crate) fn finish(self, theirs: &[u8]) -> Result<Confirming, PairingFault> {
        let theirs: &[u8; SHARE] = theirs.try_into().map_err(|_| PairingFault::ShareLength)?;
        let ([side, point @ ..], [_, own @ ..]) = (theirs, &self.share);
        if point == own {
            return Err(PairingFault::ReflectedShare);
        }
        if *side != self.side.other().byte() {
            return Err(PairingFault::ShareSide);
        }
        refuse_hollow(point)?;
        let key = self.spake.finish(theirs);
        let key = Zeroizing::new(key.map_err(|_| PairingFault::InvalidShare)?);
        let own = hmac::sign(&mac_key(&key), &self.binding.confirmed(self.side));
        Ok(Confirming {
            own,
            expected: self.binding.confirmed(self.side.other()),
            key,
        })
    }
}

/// A side that has both shares: whether both know the code is still to be confirmed.
pub(crate) struct Confirming {
    own: hmac::Tag,
    /// What the other side's confirmation authenticates.
    expected: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Confirming {
    /// What proves to the other side that this one knows the code; 32 bytes. The listener sends it
    /// only when it has checked the dialler's.
    pub(crate) fn own_confirmation(&self) -> &[u8] {
        self.own.as_ref()
    }

    /// Whether the other side knows the code, and both are bound to the same. In constant time.
    pub(crate) fn check(&self, theirs: &[u8]) -> bool {
        hmac::verify(&mac_key(&self.key), &self.expected, theirs).is_ok()
    }
}

fn mac_key(key: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key)
}

/// Refuses what the crate beneath takes: points outside of the group of prime order, with which a
/// peer could learn three bits of the secret scalar or know what comes out, and second encodings
/// of the same point.
fn refuse_hollow(bytes: &[u8; POINT]) -> Result<(), PairingFault> {
    let point = Ed25519Group::bytes_to_element(bytes).ok_or(PairingFault::InvalidShare)?;
    let canonical = Ed25519Group::element_to_bytes(&point) == bytes;
    if !canonical || point.is_small_order() || !point.is_torsion_free() {
        return Err(PairingFault::InvalidShare);
    }
    Ok(())
}

fn random_seed() -> Result<Zeroizing<[u8; SEED]>, PairingFault> {
    let mut seed = Zeroizing::new([0; SEED]);
    getrandom::fill(&mut *seed).map_err(|_| PairingFault::Randomness)?;
    Ok(seed)
}

/// Random bytes that were drawn before, since the crate's own source panics where there are none.
struct Drawn<'a> {
    rest: &'a [u8],
    short: bool,
}

impl<'a> Drawn<'a> {
    fn new(seed: &'a [u8; SEED]) -> Self {
        Self {
            rest: seed,
            short: false,
        }
    }

    /// Whether exactly what there was has been taken: else the scalar is not what it should be.
    fn was_enough(&self) -> bool {
        !self.short && self.rest.is_empty()
    }
}

impl RngCore for Drawn<'_> {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        match self.rest.split_at_checked(bytes.len()) {
            Some((taken, rest)) => {
                bytes.copy_from_slice(taken);
                self.rest = rest;
            }
            None => self.short = true,
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Drawn<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALLER: [u8; 32] = [0xd1; 32];
    const LISTENER: [u8; 32] = [0x15; 32];
    const MALLORY: [u8; 32] = [0x3a; 32];

    fn code(text: &str) -> Code {
        Code::parse(text).unwrap()
    }

    fn right() -> Code {
        code("4071-magnet-village")
    }

    fn bound(dialler_key: [u8; 32], listener_key: [u8; 32], hash: u8) -> Binding {
        Binding {
            dialler_key,
            listener_key,
            handshake_hash: [hash; 32],
        }
    }

    fn binding() -> Binding {
        bound(DIALLER, LISTENER, 7)
    }

    fn dialler(code: &Code) -> Pake {
        Pake::dialler(code, &binding()).unwrap()
    }

    fn listener(code: &Code) -> Pake {
        Pake::listener(code, &binding()).unwrap()
    }

    /// Passes everything on unchanged; whether the listener and the dialler are convinced.
    fn run(dialler: Pake, listener: Pake) -> (bool, bool) {
        let (to_listener, to_dialler) = (dialler.share(), listener.share());
        let listener = listener.finish(&to_listener).unwrap();
        let dialler = dialler.finish(&to_dialler).unwrap();
        (
            listener.check(dialler.own_confirmation()),
            dialler.check(listener.own_confirmation()),
        )
    }

    #[test]
    fn with_the_same_code_both_sides_are_convinced() {
        assert_eq!(run(dialler(&right()), listener(&right())), (true, true));
    }

    #[test]
    fn with_another_code_neither_side_is() {
        for wrong in [
            "4072-magnet-village",
            "4071-magpie-village",
            "4071-village-magnet",
        ] {
            let listens = run(dialler(&code(wrong)), listener(&right()));
            let dials = run(dialler(&right()), listener(&code(wrong)));
            assert_eq!((listens, dials), ((false, false), (false, false)));
        }
    }

    #[test]
    fn in_the_middle_the_right_code_fails_on_both_legs() {
        // Mallory has a handshake with each and passes on what it can't make.
        let near = bound(DIALLER, MALLORY, 1);
        let far = bound(MALLORY, LISTENER, 2);
        let dialler = Pake::dialler(&right(), &near).unwrap();
        let listener = Pake::listener(&right(), &far).unwrap();
        assert_eq!(run(dialler, listener), (false, false));
    }

    #[test]
    fn every_part_of_the_binding_counts() {
        let others = [
            bound(MALLORY, LISTENER, 7),
            bound(DIALLER, MALLORY, 7),
            bound(DIALLER, LISTENER, 8),
            bound(LISTENER, DIALLER, 7),
        ];
        for other in others {
            let listens = run(dialler(&right()), Pake::listener(&right(), &other).unwrap());
            let dials = run(Pake::dialler(&right(), &other).unwrap(), listener(&right()));
            assert_eq!((listens, dials), ((false, false), (false, false)));
        }
    }

    #[test]
    fn a_confirmation_is_neither_the_other_sides_nor_a_part_nor_changed() {
        let (dialler, listener) = (dialler(&right()), listener(&right()));
        let share = listener.share();
        let listener = listener.finish(&dialler.share()).unwrap();
        let dialler = dialler.finish(&share).unwrap();
        assert_ne!(dialler.own_confirmation(), listener.own_confirmation());
        assert!(!dialler.check(dialler.own_confirmation()));
        let confirmation = dialler.own_confirmation();
        assert_eq!(confirmation.len(), CONFIRMATION);
        assert!(listener.check(confirmation));
        for length in 0..confirmation.len() {
            assert!(!listener.check(&confirmation[..length]));
        }
        assert!(!listener.check(&[confirmation, &[0]].concat()));
        for bit in 0..confirmation.len() * 8 {
            let mut changed = confirmation.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!listener.check(&changed));
        }
    }

    #[test]
    fn a_share_of_another_length_is_refused() {
        let share = listener(&right()).share();
        for length in (0..=66).filter(|&length| length != SHARE) {
            let theirs: Vec<u8> = share.into_iter().cycle().take(length).collect();
            let fault = dialler(&right()).finish(&theirs).err();
            assert_eq!(fault, Some(PairingFault::ShareLength), "{length}");
        }
    }

    #[test]
    fn a_share_of_the_same_or_no_role_is_refused() {
        let mut share = listener(&right()).share();
        for side in (0..=u8::MAX).filter(|&side| side != b'B') {
            share[0] = side;
            let fault = dialler(&right()).finish(&share).err();
            assert_eq!(fault, Some(PairingFault::ShareSide), "{side}");
        }
        let fault = listener(&right()).finish(&listener(&right()).share());
        assert_eq!(fault.err(), Some(PairingFault::ShareSide));
    }

    #[test]
    fn the_own_share_is_refused_in_either_role() {
        for side in [b'A', b'B'] {
            for pake in [dialler(&right()), listener(&right())] {
                let mut share = pake.share();
                share[0] = side;
                let fault = pake.finish(&share).err();
                assert_eq!(fault, Some(PairingFault::ReflectedShare));
            }
        }
    }

    #[test]
    fn a_changed_share_convinces_nobody() {
        for bit in 0..SHARE * 8 {
            let (dialler, listener) = (dialler(&right()), listener(&right()));
            let mut changed = dialler.share();
            changed[bit / 8] ^= 1 << (bit % 8);
            let dialler = dialler.finish(&listener.share()).unwrap();
            let Ok(listener) = listener.finish(&changed) else {
                continue;
            };
            assert!(!listener.check(dialler.own_confirmation()), "bit {bit}");
            assert!(!dialler.check(listener.own_confirmation()), "bit {bit}");
        }
    }

    #[test]
    fn a_recorded_run_is_worth_nothing_in_the_next() {
        let (old, heard) = (dialler(&right()), listener(&right()));
        let share = old.share();
        let confirmation = old.finish(&heard.share()).unwrap();
        let confirmation = confirmation.own_confirmation().to_vec();
        assert!(heard.finish(&share).unwrap().check(&confirmation));
        let again = listener(&right()).finish(&share).unwrap();
        assert!(!again.check(&confirmation));
    }

    fn bytes<const LENGTH: usize>(hex: &str) -> [u8; LENGTH] {
        assert_eq!(hex.len(), 2 * LENGTH);
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        std::array::from_fn(byte)
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The eight points of small order; those with x = 0 have their second form at the end.
    fn small_order() -> [[u8; POINT]; 8] {
        [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ]
        .map(bytes)
    }

    fn refused(point: &[u8]) {
        let theirs = [b"B", point].concat();
        let fault = dialler(&right()).finish(&theirs).err();
        assert_eq!(fault, Some(PairingFault::InvalidShare), "{point:02x?}");
    }

    #[test]
    fn points_of_small_order_and_their_sums_are_refused() {
        let honest = listener(&right()).share();
        let honest = Ed25519Group::bytes_to_element(&honest[1..]).unwrap();
        for point in small_order() {
            refused(&point);
            let torsion = Ed25519Group::bytes_to_element(&point).unwrap();
            assert!(torsion.is_small_order());
            let sum = Ed25519Group::element_to_bytes(&Ed25519Group::add(&honest, &torsion));
            match point == small_order()[0] {
                true => assert!(refuse_hollow(&sum.try_into().unwrap()).is_ok()),
                false => refused(&sum),
            }
        }
    }

    #[test]
    fn second_encodings_and_what_is_no_point_are_refused() {
        // Beyond p = 2^255 - 19, with either sign; and x = 0 with the sign that it can't have.
        for low in 0xed..=0xff {
            for high in [0x7f, 0xff] {
                let mut point = [0xff; POINT];
                (point[0], point[POINT - 1]) = (low, high);
                refused(&point);
            }
        }
        for first in [0x01, 0xec] {
            let mut point = [if first == 1 { 0 } else { 0xff }; POINT];
            (point[0], point[POINT - 1]) = (first, if first == 1 { 0x80 } else { 0xff });
            refused(&point);
        }
        let mut no_point = [0; POINT];
        no_point[0] = 2;
        refused(&no_point);
    }

    #[test]
    fn nobody_pairs_with_a_program_of_the_same_key() {
        let own = bound(DIALLER, DIALLER, 7);
        for pake in [
            Pake::dialler(&right(), &own),
            Pake::listener(&right(), &own),
        ] {
            assert_eq!(pake.err(), Some(PairingFault::OwnKey));
        }
    }

    #[test]
    fn shares_are_new_each_time() {
        assert_ne!(dialler(&right()).share(), dialler(&right()).share());
        assert_ne!(listener(&right()).share(), listener(&right()).share());
    }

    #[test]
    fn a_seed_that_is_not_used_up_exactly_is_noticed() {
        let seed = [1; SEED];
        let mut drawn = Drawn::new(&seed);
        assert!(!drawn.was_enough());
        drawn.fill_bytes(&mut [0; SEED]);
        assert!(drawn.was_enough());
        drawn.fill_bytes(&mut [0; 1]);
        assert!(!drawn.was_enough());
    }

    /// A seed whose reduction is the scalar itself.
    fn scalar(first: u8) -> [u8; SEED] {
        std::array::from_fn(|at| if at < 31 { first + at as u8 } else { 0 })
    }

    /// The example of docs/protocol.md, "Pairing".
    #[test]
    fn the_example_of_the_specification() {
        let counting = |from: u8| std::array::from_fn(|at| from + at as u8);
        let binding = Binding {
            dialler_key: counting(0x01),
            listener_key: counting(0x41),
            handshake_hash: counting(0x81),
        };
        let start = |side, seed| Pake::start(side, &right(), &binding, &scalar(seed)).unwrap();
        let dialler = start(Side::Dialler, 0xa1);
        let listener = start(Side::Listener, 0xc1);
        let shares = (dialler.share(), listener.share());
        assert_eq!(
            hex(&shares.0),
            "41bb2c3e7a18450abd003eb59db9de431e25858e84e2a6dfea0fc9e976f2b05859"
        );
        assert_eq!(
            hex(&shares.1),
            "42ebaef4114201621a48d35fe05fe65e5efa70bee60a35d5d7d4b23236b4927561"
        );
        let dialler = dialler.finish(&shares.1).unwrap();
        let listener = listener.finish(&shares.0).unwrap();
        assert_eq!(dialler.key, listener.key);
        assert_eq!(
            hex(&dialler.key),
            "4a3100d9aec365fe2ad4028e53b99a314a153e42ed9f583aafdd296300d67752"
        );
        assert_eq!(
            hex(dialler.own_confirmation()),
            "fb4f57e09356a8f854197d5aeab32aec1fdd69c07fe7ae19f47c860ad5f2f8f9"
        );
        assert_eq!(
            hex(listener.own_confirmation()),
            "dd858510f733ded2c4249136f60dde99597e0e619b9d4df2983caba1441d6d25"
        );
        assert!(listener.check(dialler.own_confirmation()));
        assert!(dialler.check(listener.own_confirmation()));
    }
}
