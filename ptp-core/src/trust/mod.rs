//! Who is who: keys, and codes by which two programs come to trust each other's.

mod identity;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "not yet on the wire: only reading a code is used")
)]
mod pairing;

pub use identity::{Identity, IdentityError, PublicKey};
pub use pairing::{Code, CodeError, CodeWord};
