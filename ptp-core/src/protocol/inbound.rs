//! The receiving half: bytes in; messages and what control frames said out.
//!
//! It belongs to whoever reads and needs no lock.

use std::sync::Arc;

use super::batch::Batch;
use super::error::Violation;
use super::frame::{self, Control, Credit, Opening, Refusal, ResumePoint, kind};
use super::greeting::Greeting;
use super::message::{Assembly, Block, MessageKind};
use super::read_buffer::{self, ReadBuffer};
use super::record::Opener;

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
    /// The peer ends the session here.
    pub(crate) gone: bool,
    pub(crate) welcome: Option<Opening>,
    pub(crate) refused: Option<Refusal>,
    pub(crate) name: Option<String>,
    pub(crate) share: Option<[u8; frame::SHARE]>,
    pub(crate) confirmation: Option<[u8; frame::CONFIRMATION]>,
    /// Whole messages that came since the session began.
    pub(crate) messages: u64,
    /// Bytes of messages that came since the session began, unfinished ones included.
    pub(crate) bytes: u64,
    /// What the numbers before were when the last message began.
    pub(crate) last_began: Credit,
}

/// Messages that came one behind the other and bear the same time.
struct Run {
    /// The number of the first.
    first: u64,
    /// Which of the frames is that of the first.
    start: usize,
    sent_ms: u64,
    /// Of the only one, if it came in parts.
    assembled: Option<Arc<Block>>,
}

/// The receiving half of a connection.
pub(crate) struct Inbound {
    opener: Opener,
    max_message: u64,
    /// The steps of the greeting that are yet to come.
    greeting: &'static [Greeting],
    buffer: ReadBuffer,
    /// What the last read brought, in order.
    runs: Vec<Run>,
    /// Where the frames of its whole messages begin, and how many bytes they have together.
    frames: Vec<u32>,
    entered: usize,
    /// What messages look into that came whole.
    block: Option<Arc<Block>>,
    assembly: Assembly,
    messages: u64,
    bytes: u64,
    began: Credit,
    sent_ms: u64,
    acked: (u64, Credit),
    bye: bool,
}

impl Inbound {
    /// `greeting` is what is expected before the session is open, `granted` the credit that the peer gave so far,
    /// `max_message` the largest message, in bytes.
    pub(crate) fn new(
        opener: Opener,
        greeting: &'static [Greeting],
        granted: Credit,
        max_message: u64,
    ) -> Self {
        Self {
            opener,
            max_message,
            greeting,
            buffer: ReadBuffer::new(),
            runs: Vec::new(),
            frames: Vec::new(),
            entered: 0,
            block: None,
            assembly: Assembly::default(),
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
        self.greeting.is_empty()
    }

    /// Where the next bytes of the network belong; never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.buffer.space()
    }

    /// The first `length` bytes of `space()` came from the network. Messages among them are to
    /// be fetched with `drain` before the next call. Where the greeting ends it stops: what
    /// came behind is handled by the next call, for which 0 bytes will do.
    pub(crate) fn handle_read(&mut self, length: usize) -> Result<Intake, Violation> {
        self.buffer.handle_read(length, &mut self.opener)?;
        let mut intake = Intake::default();
        self.begin_run(None);
        let greets = !self.is_open();
        while !(greets && self.is_open()) {
            self.enter_messages()?;
            let frames = self.buffer.frames();
            let whole = frame::header(frames)?.filter(|frame| frame.frame() <= frames.len());
            let Some(frame) = whole else {
                break;
            };
            self.handle_frame(frame, &mut intake)?;
            self.buffer.advance(frame.frame());
        }
        self.cut_block();
        intake.messages = self.messages;
        intake.bytes = self.bytes;
        intake.last_began = self.began;
        Ok(intake)
    }

    /// How many whole messages came, and how many bytes of the next.
    pub(crate) fn resume_point(&self) -> ResumePoint {
        ResumePoint {
            received: self.messages,
            partial: self.assembly.body().len() as u64,
        }
    }

    /// Goes on with the records of another connection of the same session, whose greeting is over.
    pub(crate) fn resume(&mut self, connection: Self) {
        self.opener = connection.opener;
        self.buffer = connection.buffer;
        self.acked.1 = connection.acked.1;
        // Both say it again where it holds.
        self.bye = false;
    }

    /// Nothing came for a while: gives back the memory of the last burst.
    pub(crate) fn rest(&mut self) {
        self.buffer.rest();
    }

    /// Appends the messages that the last read completed to `batches`, in order.
    pub(crate) fn drain(&mut self, batches: &mut impl Extend<Batch>) {
        let block = self.block.take();
        let mut runs = self.runs.drain(..).peekable();
        while let Some(run) = runs.next() {
            let next = runs.peek().map_or(self.messages + 1, |run| run.first);
            let block = run.assembled.or_else(|| block.clone());
            let count = (next - run.first) as usize;
            batches.extend(
                block
                    .filter(|_| count > 0)
                    .map(|block| Batch::new(block, run.start, run.first, count, run.sent_ms)),
            );
        }
    }

    /// Enters the whole messages that stand next, one behind the other: of small ones nearly all
    /// that comes.
    fn enter_messages(&mut self) -> Result<(), Violation> {
        if !self.greeting.is_empty() || self.bye || !self.assembly.is_empty() {
            return Ok(());
        }
        let (frames, position) = (self.buffer.frames(), self.buffer.position());
        // Counted here, and not in memory: this loop is run for each message.
        let (mut at, mut last) = (0, 0);
        let (mut messages, mut bytes) = (self.messages, self.bytes);
        while let Some(frame) = frame::header(&frames[at..])? {
            let Some(kind) = MessageKind::of(frame.kind) else {
                break;
            };
            let Some(body) = frames.get(at + frame.header..at + frame.frame()) else {
                break;
            };
            check_size(body.len(), self.max_message)?;
            kind.check(body)?;
            messages += 1;
            bytes += body.len() as u64;
            last = body.len();
            self.frames.push((position + at) as u32);
            at += frame.frame();
        }
        if messages > self.messages {
            self.began = Credit {
                messages: messages - 1,
                bytes: bytes - last as u64,
            };
        }
        (self.messages, self.bytes) = (messages, bytes);
        self.entered += at;
        self.buffer.advance(at);
        Ok(())
    }

    fn handle_frame(&mut self, frame: frame::Header, intake: &mut Intake) -> Result<(), Violation> {
        let at = self.buffer.position();
        let body = at + frame.header..at + frame.frame();
        match frame.kind {
            _ if !self.greeting.is_empty() && frame.kind < kind::FIRST_IGNORABLE => {
                self.handle_greeting(frame.kind, body, intake)
            }
            other if MessageKind::of(other).is_some() || other == kind::PART => {
                self.handle_piece(other, body)
            }
            kind::TIME => {
                let sent_ms = frame::take_time(self.buffer.bytes(body))?;
                // Said anew by each who hands over many messages: what came together stays together.
                if sent_ms != self.sent_ms {
                    self.sent_ms = sent_ms;
                    self.begin_run(None);
                }
                Ok(())
            }
            other => match Control::take(other, self.buffer.bytes(body))? {
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
        if !(kind::FAULT..=kind::CONFIRMATION).contains(&kind) {
            return Err(Violation::UnexpectedFrame(kind));
        }
        let [step, later @ ..] = self.greeting else {
            return Err(Violation::UnexpectedFrame(kind));
        };
        match (step, Control::take(kind, self.buffer.bytes(body))?) {
            (_, Some(Control::Fault(code))) => {
                intake.fault = Some(code);
                return Ok(());
            }
            (_, Some(Control::Refused(refusal))) if self.greeting.contains(&Greeting::Welcome) => {
                intake.refused = Some(refusal);
                return Ok(());
            }
            (Greeting::Share, Some(Control::Share(share))) => intake.share = Some(share),
            (Greeting::Confirmation, Some(Control::Confirmation(confirmation))) => {
                intake.confirmation = Some(confirmation);
            }
            (Greeting::Welcome, Some(Control::Welcome(opening))) => {
                self.acked.1 = opening.credit;
                intake.welcome = Some(opening);
            }
            (Greeting::Name, Some(Control::Name(name))) => intake.name = Some(name),
            _ => return Err(Violation::UnexpectedFrame(kind)),
        }
        self.greeting = later;
        Ok(())
    }

    /// A piece of a message, or its end.
    fn handle_piece(&mut self, kind: u8, body: std::ops::Range<usize>) -> Result<(), Violation> {
        if self.bye {
            return Err(Violation::UnexpectedFrame(kind));
        }
        match MessageKind::of(kind) {
            Some(kind) => self.handle_last(kind, body),
            None => self.handle_part(body),
        }
    }

    /// The end of a message in parts: whole ones were entered before.
    fn handle_last(
        &mut self,
        kind: MessageKind,
        body: std::ops::Range<usize>,
    ) -> Result<(), Violation> {
        self.assemble(body)?;
        kind.check(self.assembly.body())?;
        let block = self.assembly.finish_block(kind);
        self.begin_run(Some(block));
        self.messages += 1;
        self.begin_run(None);
        Ok(())
    }

    fn handle_part(&mut self, body: std::ops::Range<usize>) -> Result<(), Violation> {
        if body.is_empty() {
            return Err(Violation::MalformedFrame(kind::PART));
        }
        self.assemble(body)
    }

    /// Adds a piece to the message that is put together, as long as it is not too large.
    fn assemble(&mut self, piece: std::ops::Range<usize>) -> Result<(), Violation> {
        if self.assembly.is_empty() {
            self.began = Credit {
                messages: self.messages,
                bytes: self.bytes,
            };
        }
        self.bytes += piece.len() as u64;
        check_size(self.assembly.body().len() + piece.len(), self.max_message)?;
        self.assembly.extend(self.buffer.bytes(piece));
        Ok(())
    }

    /// Begins a run with the next message.
    fn begin_run(&mut self, assembled: Option<Arc<Block>>) {
        let first = self.messages + 1;
        // Empty ones must not pile up.
        self.runs.pop_if(|run| run.first == first);
        self.runs.push(Run {
            first,
            // An assembled one has a block of its own.
            start: assembled.as_ref().map_or(self.frames.len(), |_| 0),
            sent_ms: self.sent_ms,
            assembled,
        });
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
            Control::Gone => intake.gone = true,
            Control::Welcome(_)
            | Control::Refused(_)
            | Control::Name(_)
            | Control::Share(_)
            | Control::Confirmation(_) => {
                return Err(Violation::UnexpectedFrame(kind));
            }
        }
        Ok(())
    }

    /// Makes a block of what was read, if messages look into it.
    fn cut_block(&mut self) {
        let entered = std::mem::take(&mut self.entered);
        if self.buffer.position() > 0 {
            if entered >= read_buffer::CAPACITY / 2 {
                self.block = Some(self.buffer.release_as_block(&mut self.frames));
                return;
            }
            // A nearly empty block would hold far more memory than its messages need.
            if !self.frames.is_empty() {
                let block = Block::of(&self.frames, entered, self.buffer.frames_read());
                self.block = Some(Arc::new(block));
                self.frames.clear();
            }
        }
        self.buffer.release();
    }
}

fn check_size(length: usize, limit: u64) -> Result<(), Violation> {
    if length as u64 > limit {
        return Err(Violation::MessageTooLarge { limit });
    }
    Ok(())
}
