//! The machine without I/O: two sides, a fake clock, and bytes carried by hand.

mod recorded;
mod vectors;
