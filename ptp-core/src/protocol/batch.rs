//! Messages that came together, and messages as they lie in their block.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::message::{Block, Message, MessageId, MessageKind};
use super::varint;

/// Messages that came together, in order: never none. A view into the block of memory that they
/// arrived in, at most 160 KiB, unless it is one larger message.
///
/// Iterated by reference it lends each message; by value it gives each away, which costs some
/// nanoseconds more a message.
///
/// ```
/// # use ptp_core::{Config, Event, Listener, Session};
/// let mut config = Config::open();
/// config.batches = true;
/// # let listener = Listener::bind("127.0.0.1:0", &config)?;
/// # let peer = Session::connect(&listener.local_addr()?.to_string(), &Config::open())?;
/// # let session = listener.accept()?;
/// peer.sender().send_all(["one", "two", "three"])?;
/// let mut words = 0;
/// while words < 3 {
///     if let Event::Batch(batch) = session.events().recv()? {
///         words += batch.iter().filter(|message| message.as_text().is_some()).count();
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Batch {
    pub(super) block: Arc<Block>,
    /// Which of the block's frames is that of the first.
    pub(super) start: usize,
    /// The number of the first.
    pub(super) first: u64,
    pub(super) count: usize,
    pub(super) sent_ms: u64,
}

impl Batch {
    /// Of `count` messages, at least one, whose frames begin with the one at `start`, and whose first
    /// number is `first`.
    pub(crate) fn new(
        block: Arc<Block>,
        start: usize,
        first: u64,
        count: usize,
        sent_ms: u64,
    ) -> Self {
        Self {
            block,
            start,
            first,
            count,
            sent_ms,
        }
    }

    /// How many messages it has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.count
    }

    /// The number of the last message: what [`Session::confirm`](crate::Session::confirm) takes when all
    /// are done with.
    #[must_use]
    pub fn last_id(&self) -> MessageId {
        MessageId(self.first + self.count as u64 - 1)
    }

    /// Its messages, one after the other.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            batch: self,
            next: 0,
        }
    }
}

/// Does not print the content: a log is no place for what people say.
impl fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Batch")
            .field("first", &self.first)
            .field("len", &self.count)
            .finish()
    }
}

impl From<Message> for Batch {
    /// One that has only this message.
    fn from(message: Message) -> Self {
        message.into_batch()
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = MessageRef<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl IntoIterator for Batch {
    type Item = Message;
    type IntoIter = std::vec::IntoIter<Message>;

    fn into_iter(self) -> Self::IntoIter {
        let mut messages = Vec::with_capacity(self.count);
        self.put_messages(&mut messages);
        messages.into_iter()
    }
}

/// The messages of a [`Batch`], lent.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    batch: &'a Batch,
    next: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = MessageRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<MessageRef<'a>> {
        let Batch {
            block,
            start,
            first,
            count,
            sent_ms,
        } = self.batch;
        let at = self.next;
        if at == *count {
            return None;
        }
        self.next += 1;
        Some(MessageRef::new(
            block.frame(start + at),
            first + at as u64,
            *sent_ms,
        ))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.batch.count - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

/// A message that is lent by its [`Batch`]: what [`Message`] is, without a claim on its memory.
#[derive(Clone, Copy)]
pub struct MessageRef<'a> {
    kind: u8,
    content: &'a [u8],
    id: u64,
    sent_ms: u64,
}

impl<'a> MessageRef<'a> {
    /// `frame` is the message's frame, and whatever stands behind it.
    #[inline]
    pub(super) fn new(frame: &'a [u8], id: u64, sent_ms: u64) -> Self {
        let (length, header) = match frame {
            [_, short @ 0..0x80, ..] => (usize::from(*short), 2),
            [_, rest @ ..] => match varint::take(rest) {
                Ok(Some((length, taken))) => (length as usize, 1 + taken),
                _ => (0, 0),
            },
            [] => (0, 0),
        };
        Self {
            kind: frame.first().copied().unwrap_or_default(),
            content: frame.get(header..header + length).unwrap_or_default(),
            id,
            sent_ms,
        }
    }

    /// As [`Message::id`].
    #[must_use]
    pub fn id(self) -> MessageId {
        MessageId(self.id)
    }

    /// As [`Message::sent_at`].
    #[must_use]
    pub fn sent_at(self) -> SystemTime {
        SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_millis(self.sent_ms))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// As [`Message::kind`].
    #[must_use]
    pub fn kind(self) -> MessageKind {
        MessageKind::of(self.kind).unwrap_or(MessageKind::Binary)
    }

    /// The content.
    #[must_use]
    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        self.content
    }

    /// The content of a text message, secret or not; `None` for a binary one.
    #[must_use]
    pub fn as_text(self) -> Option<&'a str> {
        let content = self.kind().is_text().then_some(self.content)?;
        str::from_utf8(content).ok()
    }
}

impl AsRef<[u8]> for MessageRef<'_> {
    fn as_ref(&self) -> &[u8] {
        self.content
    }
}

impl PartialEq<str> for MessageRef<'_> {
    fn eq(&self, other: &str) -> bool {
        self.kind().is_text() && self.content == other.as_bytes()
    }
}

impl PartialEq<&str> for MessageRef<'_> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

/// Does not print the content.
impl fmt::Debug for MessageRef<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MessageRef")
            .field("id", &self.id)
            .field("kind", &self.kind())
            .field("len", &self.content.len())
            .finish()
    }
}
