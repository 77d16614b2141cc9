//! The machine without I/O: two sides, a fake clock, and bytes carried by hand.

mod closing;
mod conversation;
mod every_byte;
mod floods;
mod hostile;
mod low_order;
mod pair;
mod random;
mod recorded;
mod recorded_resume;
mod resuming;
mod sealing;
mod shake;
mod simulation;
mod tampering;
mod vectors;
