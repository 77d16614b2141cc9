//! Messages that were encoded before they are accepted: what is copied outside of the lock.

use super::Outbound;
use crate::protocol::frame::{self, Credit, kind};
use crate::protocol::kept::Chunk;
use crate::protocol::message::{MessageId, MessageKind};

/// Frames of whole messages, none of which is accepted yet.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// When they were taken over, if that stands in front of them.
    sent_ms: Option<u64>,
    /// Messages in it, and their bytes.
    content: Credit,
}

impl Frames {
    /// Encodes into `bytes`, which are empty.
    pub(crate) fn new(mut bytes: Vec<u8>, unix_ms: u64) -> Self {
        frame::put_time(&mut bytes, unix_ms);
        Self {
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
            content,
        }
    }
}

impl Outbound {
    /// Takes over as many of these messages as there is room for, and returns the number of the last.
    /// The caller has asked `has_room`, and whether the session is closing.
    pub(crate) fn accept_frames(&mut self, frames: &mut Frames) -> MessageId {
        let now = frames.take(self.room());
        self.cut_whole();
        self.last_chunk = now.len();
        self.unpulled += now.len();
        self.accepted.messages += now.content.messages;
        self.accepted.bytes += now.content.bytes;
        self.held += now.content.bytes;
        self.chunks.push_back(Chunk {
            frames: now.bytes.into(),
            ends: self.accepted.messages,
            touches: self.accepted.messages,
            bytes: now.content.bytes as usize,
            sent_ms: self.sent_ms,
            breaks_off: false,
        });
        // Meanwhile others may have said a later one.
        self.sent_ms = now.sent_ms.unwrap_or(self.sent_ms);
        MessageId(self.accepted.messages)
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
        let mut outbound = Outbound::new(WIDE, WIDE);
        outbound.accept("one", Some(1_000));
        assert_eq!(outbound.accept_frames(&mut tens(2)).get(), 3);
        assert_eq!(outbound.accept("four", Some(2_000)).get(), 4);
        let (unsent, unconfirmed) = outbound.finish();
        assert!(unconfirmed.is_empty());
        let ids: Vec<u64> = unsent.iter().map(|message| message.id().get()).collect();
        assert_eq!(ids, [1, 2, 3, 4]);
        assert_eq!(unsent[0], "one");
        assert_eq!(unsent[2].as_bytes(), [7; 10]);
        assert_eq!(unsent[3], "four");
        let sent_at = unsent.iter().map(|message| message.sent_at());
        let since = sent_at.map(|at| at.duration_since(std::time::UNIX_EPOCH).unwrap());
        assert!(
            since
                .map(|it| it.as_millis())
                .eq([1_000, 1_500, 1_500, 2_000])
        );
    }

    #[test]
    fn the_time_of_what_came_between_holds_for_what_found_no_room() {
        let mut outbound = Outbound::new(WIDE, credit(1, 1_000));
        let mut waiting = tens(2);
        outbound.accept_frames(&mut waiting);
        outbound.handle_ack(0, credit(9, 1_000)).unwrap();
        outbound.accept("between", Some(2_000));
        outbound.accept_frames(&mut waiting);
        let (unsent, _) = outbound.finish();
        let sent_at = unsent.iter().map(|message| message.sent_at());
        let since = sent_at.map(|at| at.duration_since(std::time::UNIX_EPOCH).unwrap());
        assert!(since.map(|it| it.as_millis()).eq([1_500, 2_000, 2_000]));
    }

    #[test]
    fn a_write_is_full_when_as_much_waits() {
        let mut outbound = Outbound::new(WIDE, WIDE);
        outbound.accept_frames(&mut tens(50));
        assert!(outbound.fills(600) && !outbound.fills(700));
        pulled(&mut outbound);
        assert!(!outbound.fills(1));
        // What a new connection is to repeat waits again.
        let point = crate::protocol::ResumePoint {
            received: 25,
            partial: 0,
        };
        outbound.resume(point, WIDE).unwrap();
        assert!(outbound.fills(300) && !outbound.fills(350));
    }
}
