//! The receiving half: bytes in; messages and what control frames said out.
//!
//! It belongs to whoever reads and needs no lock. Records are opened in place and moved together,
//! so that frames which straddle records come out in one piece; the buffer then *becomes* the
//! block that its messages are views into, and the unfinished rest moves to a fresh one.
//!
//! ```text
//! buffer:  | frames read | frames | (free) | sealed records | free: `space()` |
//!          0           parsed   opened   sealed           filled
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::Violation;
use super::frame::{self, Control, Credit, Opening, Refusal, kind};
use super::message::{Assembly, Block, Entry, Mark, Message, MessageKind};
use super::record::{self, Opener, PREFIX};

/// One read from the network: large enough that its fixed costs vanish, small enough for the
/// second-level cache. It must hold a part, a record and more.
const BUFFER: usize = 256 * 1024;
/// Blocks that are remembered in order to be used again once no message looks into them.
const RECENT: usize = 8;

/// How far the greeting behind the handshake has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// A dialler waits for `Welcome` or `Refused`.
    Welcome,
    /// Either side waits for the other's `Name`.
    Name,
    /// The session is open.
    Open,
}

/// What one read brought, apart from messages. Frames that repeat are merged: a peer can't make
/// this grow.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    pub(crate) ack: Option<(u64, Credit)>,
    pub(crate) ack_request: bool,
    pub(crate) ping: Option<u64>,
    pub(crate) pong: Option<u64>,
    pub(crate) bye: bool,
    pub(crate) fault: Option<u64>,
    pub(crate) welcome: Option<Opening>,
    pub(crate) refused: Option<Refusal>,
    pub(crate) name: Option<String>,
    /// Whole messages that came since the session began.
    pub(crate) messages: u64,
    /// Bytes of messages that came since the session began, unfinished ones included.
    pub(crate) bytes: u64,
    /// What the numbers before were when the last message began.
    pub(crate) last_began: Credit,
}

/// The receiving half of a connection.
pub(crate) struct Inbound {
    opener: Opener,
    max_message: u64,
    greeting: Greeting,
    buffer: Vec<u8>,
    parsed: usize,
    opened: usize,
    sealed: usize,
    filled: usize,
    marks: Vec<Mark>,
    entries: Vec<Entry>,
    /// Bytes of the entries' frames.
    entered: usize,
    assembly: Assembly,
    /// Messages from parts, each with its place among the entries.
    assembled: VecDeque<(usize, Message)>,
    block: Option<Arc<Block>>,
    recent: VecDeque<Arc<Block>>,
    messages: u64,
    bytes: u64,
    began: Credit,
    sent_ms: u64,
    acked: (u64, Credit),
    bye: bool,
}

impl Inbound {
    /// `greeting` is what is expected first, `granted` the credit that the peer gave so far,
    /// `max_message` the largest message, in bytes.
    pub(crate) fn new(
        opener: Opener,
        greeting: Greeting,
        granted: Credit,
        max_message: u64,
    ) -> Self {
        Self {
            opener,
            max_message,
            greeting,
            buffer: vec![0; BUFFER],
            parsed: 0,
            opened: 0,
            sealed: 0,
            filled: 0,
            marks: Vec::new(),
            entries: Vec::new(),
            entered: 0,
            assembly: Assembly::default(),
            assembled: VecDeque::new(),
            block: None,
            recent: VecDeque::new(),
            messages: 0,
            bytes: 0,
            began: Credit::default(),
            sent_ms: 0,
            acked: (0, granted),
            bye: false,
        }
    }

    /// Whether the greeting is over.
    pub(crate) fn is_open(&self) -> bool {
        self.greeting == Greeting::Open
    }

    /// Where the next bytes of the network belong; never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// The first `length` bytes of `space()` came from the network. Messages among them are to
    /// be fetched with `take_messages` before the next call.
    pub(crate) fn handle_read(&mut self, length: usize) -> Result<Intake, Violation> {
        self.filled += length;
        self.open_records()?;
        let mut intake = Intake::default();
        self.mark(0);
        while let Some(frame) = frame::header(&self.buffer[self.parsed..self.opened])? {
            if self.parsed + frame.frame() > self.opened {
                break;
            }
            self.handle_frame(frame, &mut intake)?;
            self.parsed += frame.frame();
        }
        self.cut_block();
        intake.messages = self.messages;
        intake.bytes = self.bytes;
        intake.last_began = self.began;
        Ok(intake)
    }

    /// Hands over the messages that the last read completed, in order.
    pub(crate) fn drain_messages(&mut self, mut each: impl FnMut(Message)) {
        let block = self.block.take();
        for (place, entry) in self.entries.drain(..).enumerate() {
            while let Some((_, message)) = self.assembled.pop_front_if(|(at, _)| *at == place) {
                each(message);
            }
            if let Some(block) = &block {
                each(entry.message(block));
            }
        }
        for (_, message) in self.assembled.drain(..) {
            each(message);
        }
    }

    fn open_records(&mut self) -> Result<(), Violation> {
        while let Some(length) = record::length(&self.buffer[self.sealed..self.filled])? {
            let end = self.sealed + PREFIX + length;
            if end > self.filled {
                break;
            }
            let shift = self.sealed + PREFIX - self.opened;
            let plaintext = self
                .opener
                .open(&mut self.buffer[self.opened..end], shift)?;
            self.opened += plaintext;
            self.sealed = end;
        }
        Ok(())
    }

    fn handle_frame(&mut self, frame: frame::Header, intake: &mut Intake) -> Result<(), Violation> {
        let body = self.parsed + frame.header..self.parsed + frame.frame();
        match frame.kind {
            _ if self.greeting != Greeting::Open && frame.kind < kind::FIRST_IGNORABLE => {
                self.handle_greeting(frame.kind, body, intake)
            }
            kind::TEXT | kind::BINARY | kind::PART if self.bye => {
                Err(Violation::UnexpectedFrame(frame.kind))
            }
            kind::TEXT => self.handle_message(MessageKind::Text, body),
            kind::BINARY => self.handle_message(MessageKind::Binary, body),
            kind::PART => self.handle_part(body),
            kind::TIME => {
                self.sent_ms = frame::take_time(&self.buffer[body])?;
                self.mark(self.parsed);
                Ok(())
            }
            other => match Control::take(other, &self.buffer[body])? {
                Some(control) => self.handle_control(other, control, intake),
                None => Ok(()),
            },
        }
    }

    fn handle_greeting(
        &mut self,
        kind: u8,
        body: std::ops::Range<usize>,
        intake: &mut Intake,
    ) -> Result<(), Violation> {
        match (self.greeting, Control::take(kind, &self.buffer[body])?) {
            (Greeting::Welcome, Some(Control::Welcome(opening))) => {
                self.acked.1 = opening.credit;
                intake.welcome = Some(opening);
                self.greeting = Greeting::Name;
            }
            (Greeting::Welcome, Some(Control::Refused(refusal))) => intake.refused = Some(refusal),
            (Greeting::Name, Some(Control::Name(name))) => {
                intake.name = Some(name);
                self.greeting = Greeting::Open;
            }
            (_, Some(Control::Fault(code))) => intake.fault = Some(code),
            _ => return Err(Violation::UnexpectedFrame(kind)),
        }
        Ok(())
    }

    fn handle_message(
        &mut self,
        kind: MessageKind,
        body: std::ops::Range<usize>,
    ) -> Result<(), Violation> {
        let whole = self.assembly.is_empty();
        self.count(body.len())?;
        let frame = body.end - self.parsed;
        let body = &self.buffer[body];
        if !whole {
            self.assembly.extend(body);
        }
        let content = if whole { body } else { self.assembly.body() };
        if kind == MessageKind::Text && str::from_utf8(content).is_err() {
            return Err(Violation::NotUtf8);
        }
        self.messages += 1;
        if whole {
            self.enter(kind);
            self.entered += frame;
        } else {
            let message = self.assembly.finish(kind, self.messages, self.sent_ms);
            self.assembled.push_back((self.entries.len(), message));
            // What stands behind it in the block is not numbered on from what stood before.
            self.mark(self.parsed);
        }
        Ok(())
    }

    fn handle_part(&mut self, body: std::ops::Range<usize>) -> Result<(), Violation> {
        if body.is_empty() {
            return Err(Violation::MalformedFrame(kind::PART));
        }
        self.count(body.len())?;
        self.assembly.extend(&self.buffer[body]);
        Ok(())
    }

    /// Counts the bytes of a message or part, and checks the message's size so far.
    fn count(&mut self, length: usize) -> Result<(), Violation> {
        if self.assembly.is_empty() {
            self.began = Credit {
                messages: self.messages,
                bytes: self.bytes,
            };
        }
        self.bytes += length as u64;
        if self.assembly.body().len() as u64 + length as u64 > self.max_message {
            return Err(Violation::MessageTooLarge {
                limit: self.max_message,
            });
        }
        Ok(())
    }

    /// Notes where the whole message with the number `self.messages` stands.
    fn enter(&mut self, kind: MessageKind) {
        let first = self.marks.last().map_or(0, |mark| mark.first);
        let rank = u16::try_from(self.messages - first).unwrap_or_else(|_| {
            // More messages than a rank can count: number them on from a new mark.
            self.marks.push(Mark {
                at: self.parsed as u32,
                first: self.messages,
                sent_ms: self.sent_ms,
            });
            0
        });
        self.entries.push(Entry {
            at: self.parsed as u32,
            rank,
            kind,
        });
    }

    /// From `at` on, messages are numbered from the next and bear the present time.
    fn mark(&mut self, at: usize) {
        let mark = Mark {
            at: at as u32,
            first: self.messages + 1,
            sent_ms: self.sent_ms,
        };
        match self.marks.last_mut() {
            // Nothing is numbered from the last mark: repeated marks must not pile up.
            Some(last) if last.first == mark.first => {
                *last = Mark {
                    at: last.at,
                    ..mark
                }
            }
            _ => self.marks.push(mark),
        }
    }

    fn handle_control(
        &mut self,
        kind: u8,
        control: Control,
        intake: &mut Intake,
    ) -> Result<(), Violation> {
        match control {
            Control::Ack { messages, credit } => {
                let (before, granted) = self.acked;
                if messages < before
                    || credit.messages < granted.messages
                    || credit.bytes < granted.bytes
                {
                    return Err(Violation::Backwards);
                }
                self.acked = (messages, credit);
                intake.ack = Some(self.acked);
            }
            Control::AckRequest => intake.ack_request = true,
            Control::Ping(number) => intake.ping = Some(number),
            Control::Pong(number) => intake.pong = Some(number),
            Control::Bye if self.bye || !self.assembly.is_empty() => {
                return Err(Violation::UnexpectedFrame(kind));
            }
            Control::Bye => {
                self.bye = true;
                intake.bye = true;
            }
            Control::Fault(code) => intake.fault = Some(code),
            Control::Welcome(_) | Control::Refused(_) | Control::Name(_) => {
                return Err(Violation::UnexpectedFrame(kind));
            }
        }
        Ok(())
    }

    /// Makes a block of what was read, if messages look into it, and moves the rest to the front
    /// of a buffer.
    fn cut_block(&mut self) {
        if self.parsed == 0 {
            if self.filled == self.buffer.len() {
                self.move_rest(None);
            }
            return;
        }
        let marks = std::mem::take(&mut self.marks);
        if self.entries.is_empty() {
            return self.move_rest(None);
        }
        let entered = std::mem::take(&mut self.entered);
        if entered < self.parsed / 2 {
            // What stands between the messages would be kept for as long as they are.
            let frames = &self.buffer[..self.parsed];
            let block = Block::of(&mut self.entries, entered, frames, &marks);
            self.block = Some(Arc::new(block));
            return self.move_rest(None);
        }
        if self.opened < self.buffer.len() / 2 || entered < self.buffer.len() / 4 {
            // A nearly empty block would hold far more memory than its messages need.
            let bytes = self.buffer[..self.parsed].to_vec();
            self.block = Some(Arc::new(Block { bytes, marks }));
            return self.move_rest(None);
        }
        let full = self.move_rest_to_fresh_buffer();
        let block = Arc::new(Block { bytes: full, marks });
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Arc::clone(&block));
        self.block = Some(block);
    }

    fn move_rest_to_fresh_buffer(&mut self) -> Vec<u8> {
        let fresh = self.fresh_buffer();
        let full = std::mem::replace(&mut self.buffer, fresh);
        self.move_rest(Some(&full));
        full
    }

    /// A buffer that no message looks into any more, or a new one.
    fn fresh_buffer(&mut self) -> Vec<u8> {
        let unused = self
            .recent
            .iter()
            .position(|block| Arc::strong_count(block) == 1);
        unused
            .and_then(|at| self.recent.remove(at))
            .and_then(Arc::into_inner)
            .map_or_else(|| vec![0; BUFFER], |block| block.bytes)
    }

    /// Moves the unfinished frame and the sealed bytes, in `from` or where they are, to the front.
    fn move_rest(&mut self, from: Option<&[u8]>) {
        let (frame, sealed) = (self.parsed..self.opened, self.sealed..self.filled);
        let (frame_len, sealed_len) = (frame.len(), sealed.len());
        match from {
            Some(from) => {
                self.buffer[..frame_len].copy_from_slice(&from[frame]);
                self.buffer[frame_len..frame_len + sealed_len].copy_from_slice(&from[sealed]);
            }
            None => {
                self.buffer.copy_within(frame, 0);
                self.buffer.copy_within(sealed, frame_len);
            }
        }
        self.parsed = 0;
        self.opened = frame_len;
        self.sealed = frame_len;
        self.filled = frame_len + sealed_len;
    }
}
