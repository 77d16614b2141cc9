//! The machine without I/O: two sides, a fake clock, and bytes carried by hand.

mod closing;
mod conversation;
mod pair;
mod recorded;
mod shake;
mod vectors;
