//! Messages: what arrives is a view into the block that it arrived in.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::batch::{Batch, MessageRef};
use super::error::Violation;
use super::frame::{self, kind};

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

/// What a message was sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageKind {
    /// UTF-8, which the receiving side has checked.
    Text,
    /// Any bytes.
    Binary,
    /// Text that the receiver is asked to show only to who wants to see it, and to keep nowhere
    /// ([`Secret`](crate::Secret)).
    Secret,
}

impl MessageKind {
    /// What the last frame of such a message says; `None` for the other kinds of frame.
    pub(crate) fn of(frame: u8) -> Option<Self> {
        match frame {
            kind::TEXT => Some(Self::Text),
            kind::BINARY => Some(Self::Binary),
            kind::SECRET => Some(Self::Secret),
            _ => None,
        }
    }

    pub(crate) fn frame(self) -> u8 {
        match self {
            Self::Text => kind::TEXT,
            Self::Binary => kind::BINARY,
            Self::Secret => kind::SECRET,
        }
    }

    /// Whether such a message may hold this.
    #[inline]
    pub(crate) fn check(self, content: &[u8]) -> Result<(), Violation> {
        if self.is_text() && str::from_utf8(content).is_err() {
            return Err(Violation::NotUtf8);
        }
        Ok(())
    }

    /// Whether it is UTF-8.
    pub(crate) fn is_text(self) -> bool {
        self != Self::Binary
    }
}

/// A message that was received, or that is handed back.
///
/// It is a view into the block of memory that it arrived in with its neighbours: cheap to pass on
/// and to clone. A message that is kept keeps its block, at most 160 KiB; copy its bytes where
/// that is too much.
#[derive(Clone)]
pub struct Message {
    // Two words: an event channel's item costs by its size.
    group: Arc<Group>,
    place: Place,
}

impl Message {
    /// The message's number among those that its sender sent in this session.
    #[must_use]
    pub fn id(&self) -> MessageId {
        MessageId(self.group.first + self.place as u64)
    }

    /// When the sender's library took the message over, by the sender's clock, to a millisecond.
    ///
    /// Messages that were taken over in one go share the time of the first. A message of a plain peer
    /// has the time at which it came.
    #[must_use]
    pub fn sent_at(&self) -> SystemTime {
        self.lend().sent_at()
    }

    /// What it was sent as.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.lend().kind()
    }

    /// The content.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.lend().as_bytes()
    }

    /// The content of a text message, secret or not; `None` for a binary one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        self.lend().as_text()
    }

    /// The content without a copy; it keeps the message's block.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }

    pub(super) fn into_batch(self) -> Batch {
        let (group, place) = (&*self.group, self.place as usize);
        let first = group.first + place as u64;
        let block = Arc::clone(&group.block);
        Batch::new(block, group.start + place, first, 1, group.sent_ms)
    }

    /// As its batch would lend it.
    #[inline]
    pub(crate) fn lend(&self) -> MessageRef<'_> {
        let group = &*self.group;
        let place = self.place as usize;
        MessageRef::new(
            group.block.frame(group.start + place),
            group.first + place as u64,
            group.sent_ms,
        )
    }

    /// Bytes that the message keeps together with its neighbours.
    #[cfg(test)]
    pub(super) fn block_size(&self) -> usize {
        let block = &self.group.block;
        size_of::<Group>() + block.bytes.len() + size_of_val(&block.frames[..])
    }

    /// Equal for messages that share a block.
    #[cfg(test)]
    pub(super) fn block_address(&self) -> *const () {
        Arc::as_ptr(&self.group.block).cast()
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq<str> for Message {
    fn eq(&self, other: &str) -> bool {
        self.lend() == *other
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
            .field("kind", &self.kind())
            .field("len", &self.as_bytes().len())
            .finish()
    }
}

/// Frames that arrived together, and from which messages are views.
pub(crate) struct Block {
    pub(crate) bytes: Vec<u8>,
    /// Where the frame of each message begins.
    pub(crate) frames: Vec<u32>,
}

impl Block {
    /// A copy of only these frames, of `length` bytes together.
    pub(crate) fn of(frames: &[u32], length: usize, from: &[u8]) -> Self {
        let mut block = Self {
            bytes: Vec::with_capacity(length),
            frames: Vec::with_capacity(frames.len()),
        };
        for at in frames {
            let frame = &from[*at as usize..];
            // A whole frame always stands there.
            if let Ok(Some(header)) = frame::header(frame) {
                block.frames.push(block.bytes.len() as u32);
                block.bytes.extend_from_slice(&frame[..header.frame()]);
            }
        }
        block
    }

    /// The frame of one of its messages, and what stands behind it.
    #[inline]
    pub(super) fn frame(&self, message: usize) -> &[u8] {
        // It holds only frames that were read whole, so nothing here is ever missing.
        let at = self.frames.get(message);
        at.and_then(|at| self.bytes.get(*at as usize..))
            .unwrap_or_default()
    }
}

impl Batch {
    /// Appends its messages to `messages`.
    pub(crate) fn put_messages(&self, messages: &mut impl Extend<Message>) {
        let end = self.first + self.count as u64;
        for first in (self.first..end).step_by(Place::ALL.len()) {
            let group = Arc::new(Group {
                block: Arc::clone(&self.block),
                start: self.start + (first - self.first) as usize,
                first,
                sent_ms: self.sent_ms,
            });
            let count = Place::ALL.len().min((end - first) as usize);
            messages.extend(Place::ALL.iter().take(count).map(|place| Message {
                group: Arc::clone(&group),
                place: *place,
            }));
        }
    }
}

/// Messages whose frames are one behind the other in a block, and that were sent at the same time.
struct Group {
    block: Arc<Block>,
    /// Which of the block's frames is that of the first.
    start: usize,
    /// The number of the first.
    first: u64,
    sent_ms: u64,
}

macro_rules! places {
    ($($place:ident)*) => {
        /// A message's place in its group: an integer of which nearly all values are free, so that
        /// `Event` can tell its variants apart by them, and is no larger than a message. It fills
        /// its word: one of several parts is written in pieces and read as a whole, and the
        /// processor waits for the pieces (15 ns a message).
        #[derive(Clone, Copy)]
        #[repr(u64)]
        enum Place { $($place),* }

        impl Place {
            const ALL: &[Self] = &[$(Self::$place),*];
        }
    };
}

places! {
    P00 P01 P02 P03 P04 P05 P06 P07 P08 P09 P0a P0b P0c P0d P0e P0f
    P10 P11 P12 P13 P14 P15 P16 P17 P18 P19 P1a P1b P1c P1d P1e P1f
    P20 P21 P22 P23 P24 P25 P26 P27 P28 P29 P2a P2b P2c P2d P2e P2f
    P30 P31 P32 P33 P34 P35 P36 P37 P38 P39 P3a P3b P3c P3d P3e P3f
    P40 P41 P42 P43 P44 P45 P46 P47 P48 P49 P4a P4b P4c P4d P4e P4f
    P50 P51 P52 P53 P54 P55 P56 P57 P58 P59 P5a P5b P5c P5d P5e P5f
    P60 P61 P62 P63 P64 P65 P66 P67 P68 P69 P6a P6b P6c P6d P6e P6f
    P70 P71 P72 P73 P74 P75 P76 P77 P78 P79 P7a P7b P7c P7d P7e P7f
    P80 P81 P82 P83 P84 P85 P86 P87 P88 P89 P8a P8b P8c P8d P8e P8f
    P90 P91 P92 P93 P94 P95 P96 P97 P98 P99 P9a P9b P9c P9d P9e P9f
    Pa0 Pa1 Pa2 Pa3 Pa4 Pa5 Pa6 Pa7 Pa8 Pa9 Paa Pab Pac Pad Pae Paf
    Pb0 Pb1 Pb2 Pb3 Pb4 Pb5 Pb6 Pb7 Pb8 Pb9 Pba Pbb Pbc Pbd Pbe Pbf
    Pc0 Pc1 Pc2 Pc3 Pc4 Pc5 Pc6 Pc7 Pc8 Pc9 Pca Pcb Pcc Pcd Pce Pcf
    Pd0 Pd1 Pd2 Pd3 Pd4 Pd5 Pd6 Pd7 Pd8 Pd9 Pda Pdb Pdc Pdd Pde Pdf
    Pe0 Pe1 Pe2 Pe3 Pe4 Pe5 Pe6 Pe7 Pe8 Pe9 Pea Peb Pec Ped Pee Pef
    Pf0 Pf1 Pf2 Pf3 Pf4 Pf5 Pf6 Pf7 Pf8 Pf9 Pfa Pfb Pfc Pfd Pfe Pff
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
        let block = self.finish_block(kind);
        Message {
            group: Arc::new(Group {
                block,
                start: 0,
                first: id,
                sent_ms,
            }),
            place: Place::P00,
        }
    }

    /// A block of the whole message alone; what is left is empty.
    pub(crate) fn finish_block(&mut self, kind: MessageKind) -> Arc<Block> {
        self.extend(&[]);
        let mut bytes = std::mem::take(&mut self.0);
        let mut header = Vec::with_capacity(ROOM);
        frame::put_header(&mut header, kind.frame(), bytes.len() - ROOM);
        let at = ROOM - header.len();
        bytes[at..ROOM].copy_from_slice(&header);
        Arc::new(Block {
            bytes,
            frames: vec![at as u32],
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
