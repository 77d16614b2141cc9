//! Messages that were encoded before they are accepted: what is copied outside of the lock.

use super::{CHUNK, Outbound, SPARE_FROM};
use crate::protocol::frame::{self, Credit, kind};
use crate::protocol::kept::Chunk;
use crate::protocol::message::{MessageId, MessageKind};

/// Frames of whole messages, none of which is accepted yet.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// When they were taken over, if that stands in front of them; and in how many bytes.
    sent_ms: Option<u64>,
    time: usize,
    /// Messages in it, and their bytes.
    content: Credit,
}

impl Frames {
    /// Encodes into `bytes`, which are empty.
    pub(crate) fn new(mut bytes: Vec<u8>, unix_ms: u64) -> Self {
        frame::put_time(&mut bytes, unix_ms);
        Self {
            time: bytes.len(),
            bytes,
            sent_ms: Some(unix_ms),
            content: Credit::default(),
        }
    }

    /// Appends a message of less than `COPY_BELOW` bytes.
    #[inline]
    pub(crate) fn push(&mut self, kind: MessageKind, content: &[u8]) {
        frame::put_header(&mut self.bytes, kind.frame(), content.len());
        self.bytes.extend_from_slice(content);
        self.content.messages += 1;
        self.content.bytes += content.len() as u64;
    }

    /// How many bytes it has.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many messages it has.
    pub(crate) fn messages(&self) -> u64 {
        self.content.messages
    }

    /// Takes off as many messages from the front as may begin within `room`, of which each but the
    /// last must also end within it.
    fn take(&mut self, room: Credit) -> Self {
        let (mut at, mut content) = (0, Credit::default());
        // An empty one may not begin where the bytes are used up.
        if self.content.messages <= room.messages && self.content.bytes < room.bytes {
            (at, content) = (self.bytes.len(), self.content);
        }
        while content.messages < room.messages && content.bytes < room.bytes {
            // They were written here.
            let Ok(Some(header)) = frame::header(&self.bytes[at..]) else {
                break;
            };
            at += header.frame();
            if header.kind != kind::TIME {
                content.messages += 1;
                content.bytes += header.body as u64;
            }
        }
        self.content.messages -= content.messages;
        self.content.bytes -= content.bytes;
        let rest = self.bytes.split_off(at);
        Self {
            bytes: std::mem::replace(&mut self.bytes, rest),
            sent_ms: self.sent_ms.take(),
            time: std::mem::take(&mut self.time),
            content,
        }
    }
}

impl Outbound {
    /// Takes over as many of these messages as there is room for, and returns the number of the last.
    /// The caller has asked `has_room`, and whether the session is closing.
    pub(crate) fn accept_frames(&mut self, frames: &mut Frames) -> MessageId {
        let now = frames.take(self.room());
        let few = now.len() < SPARE_FROM;
        if !few {
            // Before they are counted.
            self.cut_whole();
        }
        self.accepted.messages += now.content.messages;
        self.accepted.bytes += now.content.bytes;
        self.held += now.content.bytes;
        if few {
            self.append(&now);
        } else {
            self.push_frames(now);
        }
        MessageId(self.accepted.messages)
    }

    /// A few go where single ones go.
    fn append(&mut self, frames: &Frames) {
        if self.open.is_empty() {
            self.begin_chunk(frames.len(), frames.sent_ms.unwrap_or(self.sent_ms));
        }
        self.open.extend_from_slice(&frames.bytes[frames.time..]);
        self.open_bytes += frames.content.bytes as usize;
        if self.open.len() >= CHUNK {
            self.cut_whole();
        }
    }

    /// Many are a chunk as they are.
    fn push_frames(&mut self, frames: Frames) {
        self.last_chunk = frames.len();
        self.unpulled += frames.len();
        self.chunks.push_back(Chunk {
            ends: self.accepted.messages,
            touches: self.accepted.messages,
            bytes: frames.content.bytes as usize,
            sent_ms: self.sent_ms,
            breaks_off: false,
            frames: frames.bytes.into(),
            sealed: Vec::new(),
        });
        // Meanwhile others may have said a later one.
        self.sent_ms = frames.sent_ms.unwrap_or(self.sent_ms);
    }

    /// How many messages may begin, and how many bytes they may have if the last is to end within
    /// the limits, too.
    fn room(&self) -> Credit {
        let kept = self.accepted.messages - self.acked;
        let may_keep = self.limits.messages.saturating_sub(kept);
        let may_send = self.granted.messages - self.accepted.messages;
        Credit {
            messages: may_keep.min(may_send),
            bytes: (self.limits.bytes.saturating_sub(self.held))
                .min(self.granted.bytes.saturating_sub(self.accepted.bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::message::Message;

    const WIDE: Credit = Credit {
        messages: 1_000,
        bytes: 1_000_000,
    };

    /// Messages of 10 bytes each.
    fn tens(count: usize) -> Frames {
        let mut frames = Frames::new(Vec::new(), 1_500);
        (0..count).for_each(|_| frames.push(MessageKind::Binary, &[7; 10]));
        frames
    }

    /// What goes to the network.
    fn pulled(outbound: &mut Outbound) -> Vec<u8> {
        let mut chunks = Vec::new();
        outbound.pull(&mut chunks, usize::MAX);
        chunks.concat()
    }

    fn credit(messages: u64, bytes: u64) -> Credit {
        Credit { messages, bytes }
    }

    #[test]
    fn as_many_are_taken_as_may_begin() {
        let cases = [
            // Windows, credit, and how many then find room.
            (WIDE, WIDE, 9),
            (credit(3, 1_000), WIDE, 3),
            (WIDE, credit(4, 1_000), 4),
            // The last may overrun the bytes.
            (WIDE, credit(9, 20), 2),
            (WIDE, credit(9, 21), 3),
            (credit(9, 1), WIDE, 1),
        ];
        for (window, granted, expected) in cases {
            let mut outbound = Outbound::new(window, granted);
            let mut waiting = tens(9);
            let last = outbound.accept_frames(&mut waiting);
            assert_eq!(last.get(), expected, "{window:?} {granted:?}");
            assert_eq!(waiting.messages(), 9 - expected);
            assert_eq!(outbound.has_room(), expected == 9);
        }
    }

    #[test]
    fn an_empty_one_does_not_begin_where_the_bytes_are_used_up() {
        let mut outbound = Outbound::new(WIDE, credit(9, 10));
        let mut frames = Frames::new(Vec::new(), 0);
        for content in [&[7; 10][..], &[]] {
            frames.push(MessageKind::Binary, content);
        }
        assert_eq!(outbound.accept_frames(&mut frames).get(), 1);
        assert_eq!(frames.messages(), 1);
    }

    #[test]
    fn what_found_no_room_goes_on_where_it_was() {
        let mut whole = Outbound::new(WIDE, WIDE);
        whole.accept_frames(&mut tens(9));
        let expected = pulled(&mut whole);

        let mut outbound = Outbound::new(credit(4, 1_000), credit(4, 1_000));
        let mut waiting = tens(9);
        let mut sent = Vec::new();
        while waiting.messages() > 0 {
            assert!(outbound.has_room());
            let last = outbound.accept_frames(&mut waiting).get();
            sent.extend(pulled(&mut outbound));
            outbound.handle_ack(last, WIDE).unwrap();
        }
        assert_eq!(sent, expected);
        assert_eq!(outbound.accepted(), 9);
    }

    #[test]
    fn what_is_acknowledged_of_a_chunk_does_not_fill_the_window() {
        let mut outbound = Outbound::new(credit(1_000, 90), WIDE);
        outbound.accept_frames(&mut tens(9));
        pulled(&mut outbound);
        outbound.handle_ack(0, WIDE).unwrap();
        assert!(!outbound.has_room());
        for (acked, room) in [(1, 1), (5, 4), (8, 3)] {
            outbound.handle_ack(acked, WIDE).unwrap();
            let mut more = tens(9);
            outbound.accept_frames(&mut more);
            assert_eq!(9 - more.messages(), room, "{acked}");
        }
        // A new connection goes on in what is left, and the rest is handed back.
        let point = crate::protocol::ResumePoint {
            received: 9,
            partial: 0,
        };
        assert_eq!(outbound.resume(point, WIDE), Ok(8));
        let (unsent, unconfirmed) = outbound.finish();
        let all = unconfirmed.iter().chain(&unsent);
        assert!(all.map(|message| message.id().get()).eq(9..=17));
    }

    #[test]
    fn they_keep_their_place_among_single_ones_and_come_back_whole() {
        for count in [2, 500] {
            let mut outbound = Outbound::new(WIDE, WIDE);
            outbound.accept("one", Some(1_500));
            let last = outbound.accept_frames(&mut tens(count)).get();
            assert_eq!(last, 1 + count as u64);
            let unix_ms = outbound.wants_time().then_some(2_000);
            assert_eq!(outbound.accept("last", unix_ms).get(), last + 1);
            let (unsent, unconfirmed) = outbound.finish();
            assert!(unconfirmed.is_empty());
            let ids = unsent.iter().map(|message| message.id().get());
            assert!(ids.eq(1..=last + 1));
            assert_eq!(unsent[0], "one");
            assert_eq!(unsent[count].as_bytes(), [7; 10]);
            assert_eq!(unsent[count + 1], "last");
        }
    }

    #[test]
    fn the_time_of_what_came_between_holds_for_what_found_no_room() {
        // As few as go where single ones go, and as many as are a chunk.
        for rest in [1, 400] {
            let mut outbound = Outbound::new(WIDE, credit(500, 100_000));
            let mut frames = tens(500 + rest);
            outbound.accept_frames(&mut frames);
            pulled(&mut outbound);
            outbound.handle_ack(0, WIDE).unwrap();
            assert!(outbound.wants_time());
            outbound.accept("between", Some(2_000));
            outbound.accept_frames(&mut frames);
            let (unsent, unconfirmed) = outbound.finish();
            assert_eq!(sent_ms(&unconfirmed), vec![1_500; 500]);
            assert_eq!(sent_ms(&unsent), vec![2_000; 1 + rest]);
        }
    }

    fn sent_ms(messages: &[Message]) -> Vec<u128> {
        let sent_at = messages.iter().map(|message| message.sent_at());
        let since = sent_at.map(|at| at.duration_since(std::time::UNIX_EPOCH).unwrap());
        since.map(|since| since.as_millis()).collect()
    }

    #[test]
    fn a_few_are_no_chunk_of_their_own() {
        let mut outbound = Outbound::new(WIDE, WIDE);
        outbound.accept("one", Some(1_500));
        for _ in 0..20 {
            outbound.accept_frames(&mut tens(2));
        }
        // One time and one chunk for them all.
        let mut chunks = Vec::new();
        outbound.pull(&mut chunks, usize::MAX);
        assert_eq!(chunks.len(), 1);
        let expected = pulled_of(&["one"], &tens(40));
        assert_eq!(chunks[0], expected);
    }

    /// What these are on the wire, if they are accepted at 1,500 ms.
    fn pulled_of(first: &[&str], frames: &Frames) -> Vec<u8> {
        let mut expected = Frames::new(Vec::new(), 1_500);
        for text in first {
            expected.push(MessageKind::Text, text.as_bytes());
        }
        [&expected.bytes, &frames.bytes[frames.time..]].concat()
    }

    #[test]
    fn a_write_is_full_when_as_much_waits() {
        let mut outbound = Outbound::new(WIDE, WIDE);
        outbound.accept_frames(&mut tens(500));
        assert!(outbound.fills(6_000) && !outbound.fills(7_000));
        pulled(&mut outbound);
        assert!(!outbound.fills(1));
        // What a new connection is to repeat waits again.
        let point = crate::protocol::ResumePoint {
            received: 250,
            partial: 0,
        };
        outbound.resume(point, WIDE).unwrap();
        assert!(outbound.fills(3_000) && !outbound.fills(3_500));
    }
}
