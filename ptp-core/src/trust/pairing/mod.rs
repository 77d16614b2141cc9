//! Pairing: two programs that share a short code come to trust each other's keys.
//!
//! No I/O, no thread, no clock; what goes over the wire is in docs/protocol.md.

mod code;
mod pake;
mod words;

pub use code::{Code, CodeError, CodeWord};
