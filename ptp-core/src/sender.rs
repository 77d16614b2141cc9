//! The send handle.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
    shared: Arc<Shared>,
}

impl Sender {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Sends a message: returns as soon as it is accepted, which is a promise to deliver it once
    /// and in order, or to hand it back in [`End`](crate::End).
    ///
    /// Text (`&str`, `String`) arrives as text, bytes as bytes. Empty messages are messages.
    /// Blocks while as much is on the way as the windows of both sides allow, which is until the
    /// peer's application takes something or the session ends.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] when the session is closing or has ended, and
    /// [`SendError::TooLarge`] when the peer does not take messages of that size. Both hand the
    /// message back, if it was not merely borrowed.
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
        if P::BORROWED && message.as_bytes().len() >= COPY_BELOW {
            // Copied here, because under the lock it would keep the other threads waiting.
            let mut content = self.shared.lock().connection.take_spare();
            content.extend_from_slice(message.as_bytes());
            let copied = Copied {
                kind: message.kind(),
                content: content.into(),
            };
            let result = self.enqueue(copied, timeout);
            return result.map_err(|error| error.map(|()| message.into_returned()));
        }
        self.enqueue(message, timeout)
    }

    fn enqueue<P: Payload>(
        &self,
        message: P,
        timeout: Option<Duration>,
    ) -> Result<MessageId, TrySendError<P::Returned>> {
        let mut state = self.shared.lock();
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
            state = self.shared.wait(state, until);
        }
        let id = accept(&mut state, message);
        self.shared.transmit(state);
        Ok(id)
    }

    /// Waits until the peer's application has taken every message that was sent before, for at
    /// most `timeout`. Returns at once if it has.
    ///
    /// # Errors
    /// [`FlushError::TimedOut`] when it has not in time; nothing is lost, and it may be called
    /// again. [`FlushError::Disconnected`] when the session ended before.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let deadline = deadline(timeout);
        let mut state = self.shared.lock();
        let (sent, _) = state.connection.sent_and_acked();
        state.connection.flush();
        self.shared.transmit(state);
        let mut state = self.shared.lock();
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
            state = self.shared.wait(state, Some(deadline));
        }
    }
}

#[inline]
fn accept(state: &mut State, message: impl Payload) -> MessageId {
    let unix_ms = state.connection.wants_time().then(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_millis() as u64
    });
    state.connection.accept(message, unix_ms)
}
