//! The protocol: no I/O, no thread, no clock. Bytes and `now` go in, bytes and events come out.
//!
//! ```text
//! hello ──→ handshake ──→ Keys ─┬─→ Sealer, Outgoing: what was pulled ───→ records out
//!                               └─→ Inbound(Opener): records in ──→ Intake, messages
//!                                          Connection: what is held, due and agreed
//! ```
//!
//! A connection is a [`Connection`] (shared, small, under the driver's lock), an [`Inbound`] (the
//! reader's alone), a [`Sealer`] and an [`Outgoing`] (the writer's alone). docs/protocol.md is the specification.
//! `plain/` is another protocol, for peers that do not speak this one.

mod batch;
mod connection;
mod error;
mod farewell;
mod frame;
mod greeting;
mod handshake;
mod hello;
mod inbound;
mod kept;
mod liveness;
mod message;
mod outbound;
mod outgoing;
mod payload;
pub(crate) mod plain;
mod read_buffer;
mod receipts;
mod record;
mod timer;
mod varint;

#[cfg(test)]
mod tests;

pub use batch::{Batch, Iter, MessageRef};
pub(crate) use connection::{Connection, Limits};
pub use error::Violation;
pub(crate) use farewell::ClosedBy;
pub(crate) use frame::{
    Control, Credit, MAX_NAME, Opening, Pairing, Refusal, ResumePoint, header as frame_header, kind,
};
pub(crate) use greeting::Greeting;
pub(crate) use handshake::{
    Answering, Checked, Dial, Keys, MAX_MESSAGE_3, MESSAGE_1, MESSAGE_2, Secrets, is_low_order,
};
pub(crate) use hello::{Answer, MAX_LINE, Suite, choose, identify};
pub(crate) use inbound::{Inbound, Intake};
#[cfg(test)]
pub(crate) use message::Block;
pub use message::{Message, MessageId, MessageKind};
pub(crate) use outbound::COPY_BELOW;
pub(crate) use outbound::frames::Frames;
pub(crate) use outgoing::{Lent, Outgoing};
pub(crate) use payload::Copied;
pub use payload::{Payload, Secret};
pub(crate) use record::{MAX_PLAINTEXT, Opener, PREFIX, Sealer};
