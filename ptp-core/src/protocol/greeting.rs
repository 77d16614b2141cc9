//! What a side hears before its session is open.

/// A step of the greeting behind the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// The other side's share of a pairing run.
    Share,
    /// The other side's proof that it knew the code.
    Confirmation,
    /// The listener's `Welcome`; until then it may also refuse.
    Welcome,
    /// The other side's name.
    Name,
}

impl Greeting {
    /// What a dialler hears, with pairing and without.
    pub(crate) const DIALLER: &[Self] = &[Self::Welcome, Self::Name];
    pub(crate) const PAIRING_DIALLER: &[Self] =
        &[Self::Share, Self::Confirmation, Self::Welcome, Self::Name];
    /// What a listener hears, with pairing and without.
    pub(crate) const LISTENER: &[Self] = &[Self::Name];
    pub(crate) const PAIRING_LISTENER: &[Self] = &[Self::Share, Self::Confirmation, Self::Name];
    /// Nothing more: the session is open.
    pub(crate) const OVER: &[Self] = &[];
}
