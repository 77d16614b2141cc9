//! What can be sent as a message.

use std::fmt;

use bytes::Bytes;

use super::batch::MessageRef;
use super::message::{Message, MessageKind};

/// What can be sent: `&str` and `String` go as text, `&[u8]`, `Vec<u8>` and [`Bytes`] as binary,
/// a [`Secret`] as text that is shown only to who wants to see it, a [`Message`] or a [`MessageRef`]
/// as what it was. Owned values of 16 KiB and more are not copied.
///
/// Sealed: what a message may be is the wire format's to say.
pub trait Payload: sealed::Sealed {
    /// What an error hands back: the value, or nothing where it was only borrowed.
    type Returned: Send + Sync + 'static;
    /// Whether the content has to be copied.
    const BORROWED: bool;
    /// How it travels.
    fn kind(&self) -> MessageKind;
    /// The content.
    fn as_bytes(&self) -> &[u8];
    /// The content, without a copy where the value owns it.
    fn into_bytes(self) -> Bytes;
    /// What an error hands back.
    fn into_returned(self) -> Self::Returned;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! payload {
    ($kind:ident: borrowed [$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> sealed::Sealed for $type {}
        impl<$($generics)*> Payload for $type {
            type Returned = ();
            const BORROWED: bool = true;
            fn kind(&self) -> MessageKind {
                MessageKind::$kind
            }
            fn as_bytes(&self) -> &[u8] {
                self.as_ref()
            }
            fn into_bytes(self) -> Bytes {
                Bytes::copy_from_slice(self.as_ref())
            }
            fn into_returned(self) {}
        }
    };
    ($kind:ident: owned $type:ty) => {
        impl sealed::Sealed for $type {}
        impl Payload for $type {
            type Returned = Self;
            const BORROWED: bool = false;
            fn kind(&self) -> MessageKind {
                MessageKind::$kind
            }
            fn as_bytes(&self) -> &[u8] {
                self.as_ref()
            }
            fn into_bytes(self) -> Bytes {
                self.into()
            }
            fn into_returned(self) -> Self {
                self
            }
        }
    };
}

payload!(Text: borrowed [] &str);
payload!(Text: borrowed [] &&str);
payload!(Text: borrowed [] &String);
payload!(Text: owned String);
payload!(Binary: borrowed [] &[u8]);
payload!(Binary: borrowed [] &&[u8]);
payload!(Binary: borrowed [const N: usize] &[u8; N]);
payload!(Binary: borrowed [] &Vec<u8>);
payload!(Binary: owned Vec<u8>);
payload!(Binary: owned Bytes);

/// Text that the receiver is asked to show only to who wants to see it, and to keep nowhere. It
/// travels as any other message; nothing forces a receiver to do as it is asked.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

/// Does not print the content.
impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<Secret> for Bytes {
    fn from(secret: Secret) -> Self {
        secret.0.into()
    }
}

payload!(Secret: owned Secret);

impl sealed::Sealed for Message {}
impl Payload for Message {
    type Returned = Self;
    const BORROWED: bool = false;
    fn kind(&self) -> MessageKind {
        Message::kind(self)
    }
    fn as_bytes(&self) -> &[u8] {
        Message::as_bytes(self)
    }
    fn into_bytes(self) -> Bytes {
        Message::into_bytes(self)
    }
    fn into_returned(self) -> Self {
        self
    }
}

impl sealed::Sealed for MessageRef<'_> {}
impl Payload for MessageRef<'_> {
    type Returned = ();
    const BORROWED: bool = true;
    fn kind(&self) -> MessageKind {
        (*self).kind()
    }
    fn as_bytes(&self) -> &[u8] {
        (*self).as_bytes()
    }
    fn into_bytes(self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }
    fn into_returned(self) {}
}

/// A borrowed payload that was copied before the lock was taken.
pub(crate) struct Copied {
    pub(crate) kind: MessageKind,
    pub(crate) content: Bytes,
}

impl sealed::Sealed for Copied {}
impl Payload for Copied {
    type Returned = ();
    const BORROWED: bool = false;
    fn kind(&self) -> MessageKind {
        self.kind
    }
    fn as_bytes(&self) -> &[u8] {
        &self.content
    }
    fn into_bytes(self) -> Bytes {
        self.content
    }
    fn into_returned(self) {}
}
