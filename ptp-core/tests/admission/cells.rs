//! The matrix of who gets in: keys, codes, doors and callers, and what is to become of each.

use ptp_core::Standing;

/// What the two sides know of each other's key before the call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Key {
    Unknown,
    KnownToListener,
    KnownToBoth,
    Own,
    /// The dialler expects another key at the address.
    Changed,
    /// The listener has it in its list of keys, where it goes by one.
    Listed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Typed {
    Right,
    Wrong,
    Nothing,
}

/// Whom the listener lets in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Door {
    Open,
    Keys,
    Pair,
    Refuse,
    AskAndAccept,
    AskAndRefuse,
    AskNobody,
    Accept,
}

/// Whom the dialler talks to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Caller {
    Open,
    Pair,
    Refuse,
    Accept,
    Keys,
    OtherKeys,
    /// As `Refuse`, with the listener's key as the one that is expected.
    Expects,
    ExpectsOther,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) key: Key,
    pub(crate) typed: Typed,
    pub(crate) door: Door,
    pub(crate) caller: Caller,
}

pub(crate) const KEYS: [Key; 6] = [
    Key::Unknown,
    Key::KnownToListener,
    Key::KnownToBoth,
    Key::Own,
    Key::Changed,
    Key::Listed,
];
pub(crate) const TYPED: [Typed; 3] = [Typed::Right, Typed::Wrong, Typed::Nothing];
pub(crate) const CALLERS: [Caller; 8] = [
    Caller::Open,
    Caller::Pair,
    Caller::Refuse,
    Caller::Accept,
    Caller::Keys,
    Caller::OtherKeys,
    Caller::Expects,
    Caller::ExpectsOther,
];

/// What becomes, at a door, of a key with this standing there, whose holder
/// trusts the listener; pairs with the right code; with a wrong one; wants to pair and has no code.
const DOORS: [(Door, Standing, [&str; 4]); 21] = {
    use Door::{Accept, AskAndAccept, AskAndRefuse, AskNobody, Keys, Open, Pair, Refuse};
    use Standing::{Known, Listed, Own, Stranger};
    const IN: &str = "in";
    const NO: &str = "no pairing";
    const SHUT: &str = "not trusted";
    const CODE: &str = "pairing needed";
    const NEVER: &str = "one does not pair with oneself";
    [
        (Open, Stranger, [IN, NO, NO, NO]),
        (Keys, Listed, [IN, NO, NO, NO]),
        (Keys, Stranger, [SHUT, SHUT, SHUT, SHUT]),
        (Pair, Known, [IN, "paired", "wrong code", CODE]),
        (Pair, Own, [IN, NEVER, NEVER, NEVER]),
        (Pair, Stranger, [CODE, "paired", "wrong code", CODE]),
        (Refuse, Known, [IN, NO, NO, NO]),
        (Refuse, Own, [IN, NEVER, NEVER, NEVER]),
        (Refuse, Stranger, [SHUT, SHUT, SHUT, SHUT]),
        (AskAndAccept, Known, [IN, NO, NO, NO]),
        (AskAndAccept, Own, [IN, NEVER, NEVER, NEVER]),
        (AskAndAccept, Stranger, [IN, NO, NO, NO]),
        (AskAndRefuse, Known, [IN, NO, NO, NO]),
        (AskAndRefuse, Own, [IN, NEVER, NEVER, NEVER]),
        (AskAndRefuse, Stranger, [SHUT, NO, NO, NO]),
        (AskNobody, Known, [IN, NO, NO, NO]),
        (AskNobody, Own, [IN, NEVER, NEVER, NEVER]),
        (AskNobody, Stranger, [SHUT, NO, NO, NO]),
        (Accept, Known, [IN, NO, NO, NO]),
        (Accept, Own, [IN, NEVER, NEVER, NEVER]),
        (Accept, Stranger, [IN, NO, NO, NO]),
    ]
};

/// What the dialler makes of the listener's key.
pub(crate) enum Says {
    /// It trusts it, as this.
    Trust(Standing),
    /// It wants to pair.
    Pair,
}

impl Cell {
    /// What the dialler says, or why it stops before it has said who it is.
    pub(crate) fn says(&self) -> Result<Says, &'static str> {
        let has_peers = !matches!(self.caller, Caller::Open | Caller::Keys | Caller::OtherKeys);
        if self.caller == Caller::ExpectsOther || (has_peers && self.key == Key::Changed) {
            return Err("changed key");
        }
        Ok(match (self.caller, self.key) {
            (Caller::Open, _) => Says::Trust(Standing::Stranger),
            (Caller::Keys, _) => Says::Trust(Standing::Listed),
            (Caller::OtherKeys, _) => return Err("stranger"),
            (_, Key::KnownToBoth) => Says::Trust(Standing::Known),
            (_, Key::Own) => Says::Trust(Standing::Own),
            (Caller::Expects, _) => Says::Trust(Standing::Listed),
            (Caller::Accept, _) => Says::Trust(Standing::Stranger),
            (Caller::Refuse, _) => return Err("stranger"),
            (Caller::Pair | Caller::ExpectsOther, _) => Says::Pair,
        })
    }

    /// What the listener knows of the dialler's key.
    pub(crate) fn seen(&self) -> Standing {
        match (self.door, self.key) {
            (Door::Keys, Key::Listed) => Standing::Listed,
            (Door::Open | Door::Keys, _) => Standing::Stranger,
            (_, Key::KnownToListener | Key::KnownToBoth) => Standing::Known,
            (_, Key::Own) => Standing::Own,
            _ => Standing::Stranger,
        }
    }

    /// The dialler's and the listener's view of who gets in, or what the dialler is told.
    pub(crate) fn expected(&self) -> Result<(Standing, Standing), &'static str> {
        let says = self.says()?;
        let seen = self.seen();
        let mut rows = DOORS.iter();
        let row = rows.find(|(door, standing, _)| (*door, *standing) == (self.door, seen));
        let row = row.unwrap().2;
        let with_code = match self.typed {
            Typed::Right => row[1],
            Typed::Wrong => row[2],
            Typed::Nothing => row[3],
        };
        let (before, answer) = match says {
            Says::Pair => (Standing::Stranger, with_code),
            // It pairs all the same if it has a code and the listener wants one.
            Says::Trust(standing) if row[0] == "pairing needed" => (standing, with_code),
            Says::Trust(standing) => (standing, row[0]),
        };
        let remembers = !matches!(self.caller, Caller::Open | Caller::Keys);
        match answer {
            "in" => Ok((before, seen)),
            "paired" if remembers => Ok((Standing::Paired, Standing::Paired)),
            "paired" => Ok((before, Standing::Paired)),
            refused => Err(refused),
        }
    }
}
