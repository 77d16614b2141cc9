//! This driver against a peer that is played by hand.

mod greeting;
mod hand;
mod pairing;
mod resuming;
