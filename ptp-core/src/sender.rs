//! The send handle.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::driver::link::Link;
use crate::driver::{Shared, State, deadline};
use crate::error::{FlushError, SendError, TrySendError};
use crate::protocol::{COPY_BELOW, Copied, MessageId, Payload};

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
            let mut content = shared.lock().connection.take_spare();
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
        if state.ended || state.connection.is_closing() {
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
    let unix_ms = state.connection.wants_time().then(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_millis() as u64
    });
    state.connection.accept(message, unix_ms)
}
