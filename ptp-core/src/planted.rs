//! Bugs that can be planted, to see that the tests catch them. For this project's tests only.
//!
//! With the feature `planted-bugs` the environment variable `PTP_PLANTED_BUG` names one; without
//! the feature none can be, and nothing of this is left in what is compiled.

/// Names the bugs, and lists them.
macro_rules! bugs {
    ($($(#[$line:meta])+ $name:ident,)+) => {
        /// A mistake that a session could make.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Bug {
            $($(#[$line])+ $name,)+
        }

        #[cfg(feature = "planted-bugs")]
        impl Bug {
            const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

bugs! {
    /// What was handed to the application is acknowledged before it is taken.
    AckEarly,
    /// What was taken is acknowledged, also where the application is yet to say that it is done.
    ConfirmIgnored,
    /// Where the window is full, the oldest message gives way.
    EvictOldest,
    /// The window holds one message more than it may.
    WindowOverrun,
    /// The peer may send beyond its credit.
    CreditUnchecked,
    /// The credit in bytes is begun anew at a resume.
    CreditAnew,
    /// A resume leaves out a message.
    ResumeTooFar,
    /// A resume sends a message that the peer has.
    ResumeTooEarly,
    /// A resume begins a message anew of which the peer has a part.
    PartialIgnored,
    /// The time is not said again at a resume.
    TimeNotRepeated,
    /// An acknowledgement is not said again at a resume.
    AckNotRepeated,
    /// Nor is the request for one.
    RequestNotRepeated,
    /// Nor is a goodbye.
    ByeNotRepeated,
    /// A silent peer is never dead.
    NeverDead,
    /// A peer is dead as soon as the clock has jumped.
    DeadAfterJump,
    /// What was sealed where it is kept is sent again, or handed back, as it lies there.
    KeptSealed,
    /// What perhaps was delivered is handed back as if it surely was not.
    UnconfirmedAsUnsent,
    /// What surely was not delivered is handed back as if it perhaps was.
    UnsentAsUnconfirmed,
    /// The application is told of a delivery when it has sent.
    DeliveredEarly,
    /// The end of the stream is taken for a goodbye.
    EndIsGoodbye,
    /// An older connection takes over from a newer.
    GenerationIgnored,
    /// A newer connection is refused while the old seems to live.
    NoTakeOver,
    /// Whoever knows a session's number may go on with it.
    CallerUnchecked,
    /// Whoever answers the dialler's call may go on with its session.
    ListenerUnchecked,
    /// The dead self of a peer that begins anew keeps its place.
    NotReplaced,
}

/// Whether this bug is planted.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

/// Whether this bug is planted.
#[cfg(feature = "planted-bugs")]
pub(crate) fn planted(bug: Bug) -> bool {
    static PLANTED: std::sync::LazyLock<Option<Bug>> = std::sync::LazyLock::new(|| {
        let name = std::env::var("PTP_PLANTED_BUG").ok()?;
        let mut all = Bug::ALL.iter().copied();
        all.find(|bug| format!("{bug:?}") == name)
    });
    *PLANTED == Some(bug)
}

#[cfg(test)]
#[cfg(feature = "planted-bugs")]
mod tests;
