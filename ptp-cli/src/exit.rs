//! Exit codes, and the one way out.

use std::process;

/// How the program ends; the numbers are part of its contract (README, "Exit codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Ended as somebody asked.
    Fine,
    /// Something unexpected.
    Unexpected,
    /// Wrong usage; what is wrong on the command line itself, clap tells.
    Usage,
    /// Could not reach or be reached.
    Unreachable,
    /// Not trusted.
    Untrusted,
    /// Lost for good, or something was not delivered.
    Undelivered,
    /// A question was not answered.
    NoAnswer,
    /// A question was answered by so many-th of the choices, from 0.
    Choice(u8),
}

impl Exit {
    fn code(self) -> i32 {
        match self {
            Self::Fine | Self::Choice(0) => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Untrusted => 4,
            Self::Undelivered => 5,
            Self::NoAnswer => 6,
            // Behind every code that means something else.
            Self::Choice(index) => 9 + i32::from(index),
        }
    }
}

/// Ends the program. Threads that wait for input can't be woken, so nothing is joined.
pub(crate) fn exit(exit: Exit) -> ! {
    process::exit(exit.code())
}

/// Ends the program as one that `signal` ended before a connection stood: 130 for an interrupt,
/// 143 for a termination.
pub(crate) fn exit_by_signal(signal: i32) -> ! {
    process::exit(128 + signal)
}
