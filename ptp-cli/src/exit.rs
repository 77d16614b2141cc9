//! Exit codes, and the one way out.

use std::process;

/// How the program ends; the numbers are part of its contract (README, "Exit codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Exit {
    /// Ended as somebody asked.
    Fine = 0,
    /// Something unexpected.
    Unexpected = 1,
    /// Could not reach or be reached.
    Unreachable = 3,
    /// Not trusted.
    Untrusted = 4,
    /// Lost for good, or something was not delivered.
    Undelivered = 5,
}

/// Ends the program. Threads that wait for input can't be woken, so nothing is joined.
pub(crate) fn exit(exit: Exit) -> ! {
    process::exit(exit as i32)
}

/// Ends the program as one that `signal` ended before a connection stood: 130 for an interrupt,
/// 143 for a termination.
pub(crate) fn exit_by_signal(signal: i32) -> ! {
    process::exit(128 + signal)
}
