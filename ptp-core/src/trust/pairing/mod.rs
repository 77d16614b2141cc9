//! Pairing: two programs that share a short code come to trust each other's keys.
//!
//! No I/O, no thread, no clock; what goes over the wire is in docs/protocol.md. The listener's
//! side:
//!
//! 1. The dialler's share comes: [`Desk::begin`], [`Pake::listener`], [`Pake::finish`].
//! 2. [`Desk::share_sent`]; only then the own share goes out.
//! 3. The dialler's confirmation comes: [`Confirming::check`], then [`Desk::succeeded`]; only if
//!    both say so, the own confirmation goes out and the dialler is remembered.
//!
//! Whatever goes wrong on the way, [`Desk::failed`]. The dialler's side is [`Pake::dialler`] alone.

mod code;
mod desk;
mod pake;
mod words;

#[cfg(test)]
mod tests;

pub use code::{Code, CodeError, CodeWord};
pub(crate) use {
    desk::{Begin, Desk, Notice, Stale, Ticket},
    pake::{Binding, CONFIRMATION, PairingFault, Pake},
};
