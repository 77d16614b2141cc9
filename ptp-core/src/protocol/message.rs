//! Messages: what arrives is a view into the block that it arrived in.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::frame::{self, kind};
use super::varint;

/// The number of a message in its direction of a session, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub(crate) u64);

impl MessageId {
    /// The number itself.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Whether a message was sent as text or as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8, which the receiving side has checked.
    Text,
    /// Any bytes.
    Binary,
}

impl MessageKind {
    /// What the last frame of such a message says; `None` for the other kinds of frame.
    pub(crate) fn of(frame: u8) -> Option<Self> {
        match frame {
            kind::TEXT => Some(Self::Text),
            kind::BINARY => Some(Self::Binary),
            _ => None,
        }
    }

    pub(crate) fn frame(self) -> u8 {
        match self {
            Self::Text => kind::TEXT,
            Self::Binary => kind::BINARY,
        }
    }
}

/// A message that was received, or that is handed back.
///
/// It is a view into the block of memory that it arrived in with its neighbours: cheap to pass on
/// and to clone. A message that is kept keeps its block, at most 160 KiB; copy its bytes where
/// that is too much.
#[derive(Clone)]
pub struct Message {
    // Two words: an event channel's item costs by its size. `Event` tells its variants apart by the
    // pointer: told apart by a part of the second word, each event was copied in pieces and read
    // as a whole, and the processor waited for the pieces (15 ns a message).
    block: Arc<Block>,
    entry: Entry,
}

impl Message {
    /// The message's number among those that its sender sent in this session.
    #[must_use]
    pub fn id(&self) -> MessageId {
        MessageId(self.mark().first + u64::from(self.entry.rank))
    }

    /// When the sender's library took the message over, by the sender's clock, to a millisecond.
    ///
    /// Messages that were taken over in one go share the time of the first.
    #[must_use]
    pub fn sent_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_millis(self.mark().sent_ms))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Whether it was sent as text or as bytes.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.entry.kind()
    }

    /// The content.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // The block holds only frames that were read whole, so nothing here is ever missing.
        let frame = self
            .block
            .bytes
            .get(self.entry.at as usize..)
            .unwrap_or_default();
        let (length, header) = match frame {
            [_, short @ 0..0x80, ..] => (usize::from(*short), 2),
            [_, rest @ ..] => match varint::take(rest) {
                Ok(Some((length, taken))) => (length as usize, 1 + taken),
                _ => (0, 0),
            },
            [] => (0, 0),
        };
        frame.get(header..header + length).unwrap_or_default()
    }

    /// The content of a text message; `None` for a binary one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self.entry.kind() {
            MessageKind::Text => str::from_utf8(self.as_bytes()).ok(),
            MessageKind::Binary => None,
        }
    }

    /// The content without a copy; it keeps the message's block.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// Bytes that the message keeps together with its neighbours.
    #[cfg(test)]
    pub(super) fn block_size(&self) -> usize {
        self.block.bytes.len() + self.block.marks.len() * size_of::<Mark>()
    }

    /// Equal for messages that share a block.
    #[cfg(test)]
    pub(super) fn block_address(&self) -> *const () {
        Arc::as_ptr(&self.block).cast()
    }

    fn mark(&self) -> Mark {
        let behind = self
            .block
            .marks
            .partition_point(|mark| mark.at <= self.entry.at);
        // A block begins with a mark.
        self.block.marks[behind.saturating_sub(1)]
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq<str> for Message {
    fn eq(&self, other: &str) -> bool {
        self.entry.kind() == MessageKind::Text && self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Message {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

/// Does not print the content: a log is no place for what people say.
impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Message")
            .field("id", &self.id().0)
            .field("kind", &self.entry.kind())
            .field("len", &self.as_bytes().len())
            .finish()
    }
}

/// Frames that arrived together, and from which messages are views.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) bytes: Vec<u8>,
    /// Ordered by place; the first stands at the front.
    pub(crate) marks: Vec<Mark>,
}

impl Block {
    /// Only the frames of `entries`, of `length` bytes together; the entries then point here.
    pub(crate) fn of(entries: &mut [Entry], length: usize, from: &[u8], marks: &[Mark]) -> Self {
        let mut block = Self {
            bytes: Vec::with_capacity(length),
            marks: Vec::new(),
        };
        let mut marks = marks.iter().peekable();
        for entry in entries {
            let frame = &from[entry.at as usize..];
            let at = block.bytes.len() as u32;
            let mut last = None;
            while let Some(mark) = marks.next_if(|mark| mark.at <= entry.at) {
                last = Some(Mark { at, ..*mark });
            }
            block.marks.extend(last);
            entry.at = at;
            // An entry always stands at a whole frame.
            if let Ok(Some(header)) = frame::header(frame) {
                block.bytes.extend_from_slice(&frame[..header.frame()]);
            }
        }
        block
    }
}

/// From here on messages are numbered from `first` and were sent at `sent_ms`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) at: u32,
    pub(crate) first: u64,
    pub(crate) sent_ms: u64,
}

/// A message's frame in a block. One word, aligned as one, so that it is copied as one: built from
/// its fields and read as a whole it would wait for the stores.
#[derive(Clone, Copy, Debug)]
#[repr(align(8))]
pub(crate) struct Entry {
    /// Where the frame begins.
    pub(crate) at: u32,
    /// Its place behind the mark before it.
    pub(crate) rank: u16,
    /// Whether it is text.
    text: u16,
}

impl Entry {
    pub(crate) fn new(at: u32, rank: u16, kind: MessageKind) -> Self {
        Self {
            at,
            rank,
            text: u16::from(kind == MessageKind::Text),
        }
    }

    fn kind(self) -> MessageKind {
        match self.text {
            0 => MessageKind::Binary,
            _ => MessageKind::Text,
        }
    }

    pub(crate) fn message(self, block: &Arc<Block>) -> Message {
        Message {
            block: Arc::clone(block),
            entry: self,
        }
    }
}

/// A message that is put together from parts.
#[derive(Debug, Default)]
pub(crate) struct Assembly(Vec<u8>);

/// Room for the header that a whole message gets: kind and a length of up to 32 bits.
const ROOM: usize = 1 + 5;

impl Assembly {
    pub(crate) fn extend(&mut self, part: &[u8]) {
        if self.0.is_empty() {
            self.0.resize(ROOM, 0);
        }
        self.0.extend_from_slice(part);
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.0.get(ROOM..).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The whole message; what is left is empty.
    pub(crate) fn finish(&mut self, kind: MessageKind, id: u64, sent_ms: u64) -> Message {
        self.extend(&[]);
        let mut bytes = std::mem::take(&mut self.0);
        let mut header = Vec::with_capacity(ROOM);
        frame::put_header(&mut header, kind.frame(), bytes.len() - ROOM);
        let at = ROOM - header.len();
        bytes[at..ROOM].copy_from_slice(&header);
        let mark = Mark {
            at: 0,
            first: id,
            sent_ms,
        };
        let block = Block {
            bytes,
            marks: vec![mark],
        };
        Entry::new(at as u32, 0, kind).message(&Arc::new(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: u64, sent_ms: u64, body: &[u8]) -> Message {
        let mut assembly = Assembly::default();
        assembly.extend(body);
        assembly.finish(MessageKind::Text, id, sent_ms)
    }

    #[test]
    fn a_message_is_two_words() {
        assert_eq!(size_of::<Message>(), 16);
        assert_eq!(size_of::<Option<Message>>(), 16);
    }

    #[test]
    fn a_message_of_any_size_gives_back_what_it_holds() {
        for length in [0, 1, 127, 128, 65_536, 3_000_000] {
            let body = vec![b'x'; length];
            let message = message(9, 1_500, &body);
            assert_eq!(message.as_bytes(), body);
            assert_eq!(message.id().get(), 9);
            assert_eq!(message.as_text().map(str::len), Some(length));
            assert_eq!(
                message.sent_at(),
                SystemTime::UNIX_EPOCH + Duration::from_millis(1_500)
            );
            assert_eq!(message.into_bytes(), body);
        }
    }

    #[test]
    fn the_log_does_not_show_what_is_said() {
        let message = message(1, 0, b"secret");
        assert!(!format!("{message:?}").contains("secret"));
    }
}
