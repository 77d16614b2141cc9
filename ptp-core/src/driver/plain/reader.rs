//! The reader thread of a plain session: the only one that sends events.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{PlainLine, Shared, unix_ms, writer};
use crate::driver::feed::Feed;
use crate::event::{End, Reason};
use crate::protocol::plain::{Lines, SpeaksPtp};
use crate::protocol::{Answer, Credit, Message};
use crate::transport::{ReadHalf, WriteHalf};

/// The longest wait for bytes; there is nothing else to do.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// How long what was already there is read after the writer has ended.
const LAST_LOOK: Duration = Duration::from_millis(200);
/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// The first and the longest pause between two looks at whether the application has taken something.
const LOOK_FIRST: Duration = Duration::from_millis(1);
const LOOK_LAST: Duration = Duration::from_millis(100);
/// Why a session with a peer that speaks PTP after all has ended.
const TOO_LATE: &str = "the caller speaks PTP, and greeted too late: it is to call again";
const SPEAKS_PTP: &str = "the other side speaks PTP, so it is to be called without plain text";

pub(super) struct Reader {
    shared: Arc<Shared>,
    feed: Feed,
    transport: Box<dyn ReadHalf>,
    writer: Option<Box<dyn WriteHalf>>,
    lines: Lines,
    /// What was read before there was a session.
    heard: Vec<u8>,
    called: bool,
    window: Credit,
    /// The sizes of the messages that the application has not taken, and their sum.
    sizes: VecDeque<u64>,
    held: u64,
    messages: Vec<Message>,
    /// When reading ends although more may come: the writer has ended.
    last_look: Option<Instant>,
}

/// Why reading ended.
enum Ending {
    /// The peer ended the stream, or this side did.
    End,
    Broken(io::Error),
    SpeaksPtp,
}

impl From<SpeaksPtp> for Ending {
    fn from(_: SpeaksPtp) -> Self {
        Self::SpeaksPtp
    }
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, feed: Feed, line: PlainLine, window: Credit) -> Self {
        Self {
            shared,
            feed,
            transport: line.halves.reader,
            writer: Some(line.halves.writer),
            lines: Lines::default(),
            heard: line.heard,
            called: line.called,
            window,
            sizes: VecDeque::new(),
            held: 0,
            messages: Vec::new(),
            last_look: None,
        }
    }

    /// Reads until the session ends, and tells the end.
    pub(super) fn run(mut self) {
        let writer = self.writer.take().map(|half| {
            let shared = Arc::clone(&self.shared);
            thread::Builder::new()
                .name("ptp-writer".into())
                .spawn(move || writer::run(&shared, half))
        });
        let ending = match &writer {
            Some(Err(error)) => Ending::Broken(io::Error::other(error.to_string())),
            _ => {
                let Err(ending) = self.read();
                ending
            }
        };
        self.lines.handle_end(unix_ms(), &mut self.messages);
        self.put_messages();
        if matches!(ending, Ending::SpeaksPtp) && self.called {
            // It is told to call again: it comes too late only if its line is slow.
            let refusal = Answer::Overloaded.line();
            self.shared.change(|state| state.last_word = Some(refusal));
        }
        let mut stopped = false;
        self.shared.change(|state| {
            stopped = state.written;
            state.over = true;
        });
        if !matches!(ending, Ending::SpeaksPtp) {
            self.shared.hangup.hang_up();
        }
        // What is written is only settled when the writer has stopped; it has no reason not to.
        let _ = writer.and_then(Result::ok).map(JoinHandle::join);
        self.tell_end(&ending, stopped);
    }

    /// Tells the end; `stopped` says whether the writer had ended by itself.
    fn tell_end(mut self, ending: &Ending, stopped: bool) {
        let mut state = self.shared.lock();
        // An error after this side hung up is its own doing.
        let write_error = state.write_error.as_ref().filter(|_| stopped);
        let (reason, cause) = match (ending, write_error) {
            (Ending::SpeaksPtp, _) if self.called => (Reason::Protocol, TOO_LATE.to_owned()),
            (Ending::SpeaksPtp, _) => (Reason::Protocol, SPEAKS_PTP.to_owned()),
            _ if state.given_up => (Reason::ClosedHere, String::new()),
            (_, Some(error)) => (Reason::Reset, error.to_string()),
            (Ending::Broken(error), _) => (Reason::Reset, error.to_string()),
            _ if state.closing => (Reason::ClosedHere, String::new()),
            (Ending::End, _) => (Reason::ClosedByPeer, String::new()),
        };
        let (unsent, unconfirmed) = state.queue.finish();
        state.ended = true;
        drop(state);
        self.shared.changed.notify_all();
        log::debug!("the plain session ended: {reason} {cause}");
        let end = End {
            reason,
            cause,
            unsent,
            unconfirmed,
        };
        self.feed.put_end(end, 0);
    }

    fn read(&mut self) -> Result<std::convert::Infallible, Ending> {
        let heard = std::mem::take(&mut self.heard);
        self.handle_read(&heard)?;
        let mut buffer = vec![0; PIECE];
        loop {
            self.wait_for_room()?;
            let now = Instant::now();
            let deadline = self.last_look.unwrap_or(now + LONGEST_WAIT);
            let quiet = self.lines.next_timeout().unwrap_or(deadline);
            match self.transport.read(&mut buffer, deadline.min(quiet)) {
                Ok(0) => return Err(Ending::End),
                Ok(length) => self.handle_read(&buffer[..length])?,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    let (now, messages) = (Instant::now(), &mut self.messages);
                    self.lines.handle_timeout(now, unix_ms(), messages);
                    self.put_messages();
                }
                // Hung up here.
                Err(_) if self.shared.lock().written => return Err(Ending::End),
                Err(error) => return Err(Ending::Broken(error)),
            }
        }
    }

    fn handle_read(&mut self, bytes: &[u8]) -> Result<(), SpeaksPtp> {
        let now = Instant::now();
        let result = self
            .lines
            .handle_read(now, unix_ms(), bytes, &mut self.messages);
        self.put_messages();
        result
    }

    /// Hands over what has become whole.
    fn put_messages(&mut self) {
        let sizes = self.messages.iter().map(|it| it.as_bytes().len() as u64);
        self.held += sizes.clone().sum::<u64>();
        self.sizes.extend(sizes);
        let (received, end) = (self.lines.messages(), self.lines.end());
        let mut state = self.shared.lock();
        state.received = received;
        state.line_end = end;
        drop(state);
        self.feed.put_messages(&mut self.messages);
    }

    /// Waits until the application has taken as much that more may be read. What is not read the
    /// peer's system holds back.
    fn wait_for_room(&mut self) -> Result<(), Ending> {
        let mut pause = LOOK_FIRST;
        loop {
            self.look_back();
            let full =
                self.held >= self.window.bytes || self.sizes.len() as u64 >= self.window.messages;
            let now = Instant::now();
            let state = self.shared.lock();
            if state.written {
                let until = *self.last_look.get_or_insert(now + LAST_LOOK);
                if full || now >= until || state.given_up {
                    return Err(Ending::End);
                }
            }
            if !full {
                return Ok(());
            }
            drop(self.shared.wait(state, Some(now + pause)));
            pause = (pause * 2).min(LOOK_LAST);
        }
    }

    /// Counts what the application has taken.
    fn look_back(&mut self) {
        let waiting = self.feed.waiting();
        let taken = self.sizes.len().saturating_sub(waiting);
        self.held -= self.sizes.drain(..taken).sum::<u64>();
    }
}
