//! The send handle.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::driver::link::Link;
use crate::driver::{Shared, State, deadline};
use crate::error::{FlushError, SendAllError, SendError, TrySendError};
use crate::protocol::{COPY_BELOW, Copied, Frames, MessageId, Payload};

/// How many bytes of small messages are encoded before they are handed over.
const GATHER: usize = 64 * 1024;
/// From how many messages on they probably fill a good part of that.
const MANY: usize = 64;

/// Sends messages over a session. Clones send over the same session, from any thread; each
/// message keeps its place behind those that `send` returned from before.
///
/// A sender does not keep its session alive: once that is closed or dropped, each call hands its
/// message back.
#[derive(Clone)]
pub struct Sender {
    link: Link,
}

impl Sender {
    pub(crate) fn new(link: Link) -> Self {
        Self { link }
    }

    /// Sends a message: returns as soon as it is accepted, which is a promise to deliver it once
    /// and in order, or to hand it back in [`End`](crate::End).
    ///
    /// Text (`&str`, `String`) arrives as text, bytes as bytes. Empty messages are messages.
    /// Blocks while as much is on the way as the windows of both sides allow, which is until the
    /// peer's application takes something or the session ends.
    ///
    /// A plain session ([`Config::plain`](crate::Config::plain)) can't promise that: it takes text
    /// only, writes it in order, 50 ms apart, and never learns whether it arrived. What was not yet
    /// written when the session ends is handed back, and no more. A text of more than 4,096 bytes
    /// goes in several pieces, and where the peer takes lines, each of its lines is a message.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] when the session is closing or has ended,
    /// [`SendError::TooLarge`] when the peer does not take messages of that size, and
    /// [`SendError::NotPlain`] when the session is plain, and the message is none that it takes. All
    /// hand the message back, if it was not merely borrowed.
    ///
    /// ```
    /// # let (session, peer) = ptp_core::doctest_pair()?;
    /// let id = session.sender().send("hi")?;
    /// assert_eq!(id.get(), 1);
    /// # drop(peer);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send<P: Payload>(&self, message: P) -> Result<MessageId, SendError<P::Returned>> {
        self.send_until(message, None).map_err(|error| match error {
            TrySendError::TooLarge { message, limit } => SendError::TooLarge { message, limit },
            TrySendError::NotPlain(message) => SendError::NotPlain(message),
            // Without a deadline nothing is ever full.
            TrySendError::Full(message) | TrySendError::Disconnected(message) => {
                SendError::Disconnected(message)
            }
        })
    }

    /// As [`send`](Self::send), but never blocks.
    ///
    /// # Errors
    /// Those of `send`, and [`TrySendError::Full`] where it would block.
    pub fn try_send<P: Payload>(&self, message: P) -> Result<MessageId, TrySendError<P::Returned>> {
        self.send_until(message, Some(Duration::ZERO))
    }

    /// As [`send`](Self::send), but blocks for at most `timeout`.
    ///
    /// # Errors
    /// Those of `send`, and [`TrySendError::Full`] when the time is up.
    pub fn send_timeout<P: Payload>(
        &self,
        message: P,
        timeout: Duration,
    ) -> Result<MessageId, TrySendError<P::Returned>> {
        self.send_until(message, Some(timeout))
    }

    /// Sends messages one behind the other, as [`send`](Self::send) does each, for less: a program
    /// that has many at hand takes the lock once for some hundred small ones. Returns the number of the
    /// last; `None` if there were none. Messages of other threads may come between them.
    ///
    /// They go out as soon as 64 KiB of them are gathered, or there are no more: an iterator that waits
    /// for something holds those before it back.
    ///
    /// # Errors
    /// [`SendAllError`] says how many were accepted, and why the next was not, as `send` would.
    ///
    /// ```
    /// # let (session, peer) = ptp_core::doctest_pair()?;
    /// let last = session.sender().send_all(["one", "two", "three"])?;
    /// assert_eq!(last.map(|id| id.get()), Some(3));
    /// # drop(peer);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_all<P: Payload<Returned = ()>>(
        &self,
        messages: impl IntoIterator<Item = P>,
    ) -> Result<Option<MessageId>, SendAllError> {
        let mut several = Several::new(self);
        let result = several.send(messages);
        let (accepted, last) = (several.accepted, several.last);
        result
            .map(|()| last)
            .map_err(|cause| SendAllError { accepted, cause })
    }

    fn send_until<P: Payload>(
        &self,
        message: P,
        timeout: Option<Duration>,
    ) -> Result<MessageId, TrySendError<P::Returned>> {
        let shared = match &self.link {
            Link::Encrypted(shared) => shared,
            Link::Plain(shared) => return shared.send(message, timeout),
        };
        if P::BORROWED && message.as_bytes().len() >= COPY_BELOW {
            // Copied here, because under the lock it would keep the other threads waiting.
            let mut content = shared.lock().connection.outbound().take_spare();
            content.extend_from_slice(message.as_bytes());
            let copied = Copied {
                kind: message.kind(),
                content: content.into(),
            };
            let result = enqueue(shared, copied, timeout);
            return result.map_err(|error| error.map(|()| message.into_returned()));
        }
        enqueue(shared, message, timeout)
    }

    /// Waits until the peer's application has taken every message that was sent before, for at
    /// most `timeout`. Returns at once if it has. In a plain session
    /// ([`Config::plain`](crate::Config::plain)) all that can be waited for is that the system has
    /// taken it.
    ///
    /// # Errors
    /// [`FlushError::TimedOut`] when it has not in time; nothing is lost, and it may be called
    /// again. [`FlushError::Disconnected`] when the session ended before.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let shared = match &self.link {
            Link::Encrypted(shared) => shared,
            Link::Plain(shared) => return shared.flush(timeout),
        };
        let deadline = deadline(timeout);
        let mut state = shared.lock();
        let (sent, _) = state.connection.sent_and_acked();
        state.connection.flush();
        shared.transmit(state);
        let mut state = shared.lock();
        loop {
            if state.connection.sent_and_acked().1 >= sent {
                return Ok(());
            }
            if state.ended {
                return Err(FlushError::Disconnected);
            }
            if Instant::now() >= deadline {
                return Err(FlushError::TimedOut);
            }
            state = shared.wait(state, Some(deadline));
        }
    }
}

fn enqueue<P: Payload>(
    shared: &Shared,
    message: P,
    timeout: Option<Duration>,
) -> Result<MessageId, TrySendError<P::Returned>> {
    let mut state = shared.lock();
    let limit = state.connection.max_message();
    if message.as_bytes().len() as u64 > limit {
        let message = message.into_returned();
        return Err(TrySendError::TooLarge { message, limit });
    }
    let mut until = None;
    loop {
        if state.is_closed() {
            return Err(TrySendError::Disconnected(message.into_returned()));
        }
        if state.connection.has_room() {
            break;
        }
        if let Some(timeout) = timeout {
            let until = *until.get_or_insert_with(|| deadline(timeout));
            if Instant::now() >= until {
                return Err(TrySendError::Full(message.into_returned()));
            }
        }
        state = shared.wait(state, until);
    }
    let id = accept(&mut state, message);
    shared.transmit(state);
    Ok(id)
}

#[inline]
fn accept(state: &mut State, message: impl Payload) -> MessageId {
    let unix_ms = state.connection.wants_time().then(unix_ms);
    state.connection.accept(message, unix_ms)
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64
}

/// Messages on their way into the session. Small ones are encoded without the lock, which an iterator
/// of the application's must not be called under.
struct Several<'a> {
    sender: &'a Sender,
    accepted: usize,
    last: Option<MessageId>,
}

impl<'a> Several<'a> {
    fn new(sender: &'a Sender) -> Self {
        Self {
            sender,
            accepted: 0,
            last: None,
        }
    }

    fn send<P: Payload<Returned = ()>>(
        &mut self,
        messages: impl IntoIterator<Item = P>,
    ) -> Result<(), SendError<()>> {
        let Link::Encrypted(shared) = &self.sender.link else {
            return messages.into_iter().try_for_each(|it| self.send_one(it));
        };
        let messages = messages.into_iter();
        let many = messages.size_hint().0 >= MANY;
        // A few need no large buffer, nor the lock for it.
        let buffer = || match many {
            true => shared.lock().connection.outbound().buffer(GATHER),
            false => Vec::new(),
        };
        let limit = shared.lock().connection.max_message();
        let mut gathered: Option<Frames> = None;
        for message in messages {
            let content = message.as_bytes();
            if content.len() >= COPY_BELOW || content.len() as u64 > limit {
                self.hand_over(shared, gathered.take())?;
                self.send_one(message)?;
                continue;
            }
            let frames = gathered.get_or_insert_with(|| Frames::new(buffer(), unix_ms()));
            frames.push(message.kind(), content);
            if frames.len() >= GATHER {
                self.hand_over(shared, gathered.take())?;
            }
        }
        self.hand_over(shared, gathered)
    }

    fn send_one<P: Payload<Returned = ()>>(&mut self, message: P) -> Result<(), SendError<()>> {
        self.last = Some(self.sender.send(message)?);
        self.accepted += 1;
        Ok(())
    }

    fn hand_over(&mut self, shared: &Shared, frames: Option<Frames>) -> Result<(), SendError<()>> {
        let Some(mut frames) = frames else {
            return Ok(());
        };
        while frames.messages() > 0 {
            let mut state = shared.lock();
            while !state.connection.has_room() && !state.is_closed() {
                state = shared.wait(state, None);
            }
            if state.is_closed() {
                return Err(SendError::Disconnected(()));
            }
            let before = frames.messages();
            self.last = Some(state.connection.outbound().accept_frames(&mut frames));
            self.accepted += (before - frames.messages()) as usize;
            shared.transmit(state);
        }
        Ok(())
    }
}
