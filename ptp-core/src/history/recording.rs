//! A conversation that is kept, as the application tells of it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use super::entry::EntryId;
use super::queue::{About, Body, Ending, Item, Letter, What};
use super::writer::Writer;
use crate::event::{End, Event};
use crate::protocol::{Message, MessageId, MessageKind, MessageRef, Payload};

/// A conversation that is kept in a [`History`](super::History). Clones are the same.
///
/// The application tells of every message that it sent, and of every event. That never blocks: what
/// is told waits in a queue of at most 64 MiB for the one thread that writes. If the disk is too slow
/// for that, or a message larger, messages are left out, the history shows where
/// ([`Content::Gap`](super::Content::Gap)), and [`History::troubles`](super::History::troubles) says
/// so. A [`Secret`](crate::Secret) is never kept.
#[derive(Clone)]
pub struct Recording {
    about: Arc<About>,
    writer: Arc<Writer>,
}

/// Some of what was told of a conversation is not kept: messages, receipts, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{} entries of this conversation are not kept", waiting + missed)]
#[non_exhaustive]
pub struct NotKept {
    /// How many entries may yet be kept.
    pub waiting: u64,
    /// How many never will be.
    pub missed: u64,
}

impl Recording {
    pub(super) fn new(about: Arc<About>, writer: Arc<Writer>) -> Self {
        let recording = Self { about, writer };
        recording.put(What::Begun, recording.about.began);
        recording
    }

    /// Keeps a message that was sent: what `send` returned, and what was given to it. It may be told
    /// later than its [`Event::Delivered`].
    pub fn sent(&self, id: MessageId, message: &impl Payload) {
        self.put_sent(id, message, None);
    }

    /// As [`sent`](Self::sent), where the message repeats one of an earlier conversation: in one with
    /// that, it is kept that nobody is to be asked any more what becomes of the earlier one.
    pub fn sent_again(&self, id: MessageId, message: &impl Payload, earlier: EntryId) {
        self.put_sent(id, message, Some(earlier));
    }

    /// Keeps what an event tells: a message that came, how far the own ones are delivered, and how
    /// the conversation ended.
    pub fn event(&self, event: &Event) {
        match event {
            Event::Received(message) => self.received(message.lend()),
            Event::Batch(batch) => batch.iter().for_each(|message| self.received(message)),
            Event::Delivered { up_to } => {
                let at = now();
                let up_to = up_to.get();
                self.put(What::Delivered { up_to, at }, at);
            }
            Event::Disconnected(end) => self.ended(end),
            Event::Interrupted(_) | Event::Resumed(_) => {}
        }
    }

    /// Waits until all that was told of this conversation is kept, on the disk, for at most
    /// `timeout`. Only then does [`History`](super::History) vouch for it, whatever happens to this
    /// program or to the power.
    ///
    /// # Errors
    /// [`NotKept`] says how much is not; what waits may be kept yet.
    pub fn flush(&self, timeout: Duration) -> Result<(), NotKept> {
        self.writer.queue.flush(&self.about, timeout);
        match self.about.not_kept() {
            (0, 0) => Ok(()),
            (waiting, missed) => Err(NotKept { waiting, missed }),
        }
    }

    fn received(&self, message: MessageRef<'_>) {
        let at = now();
        self.put_message(
            &message,
            Letter {
                is_own: false,
                number: message.id().get(),
                sent: milliseconds(message.sent_at()),
                at,
                body: Body::Binary(Box::default()),
                repeats: None,
            },
        );
    }

    fn put_sent(&self, id: MessageId, message: &impl Payload, repeats: Option<EntryId>) {
        let at = now();
        self.put_message(
            message,
            Letter {
                is_own: true,
                number: id.get(),
                sent: at,
                at,
                body: Body::Binary(Box::default()),
                repeats,
            },
        );
    }

    fn put_message(&self, message: &impl Payload, letter: Letter) {
        let bytes = message.as_bytes();
        let body = match message.kind() {
            MessageKind::Secret => return,
            MessageKind::Text => str::from_utf8(bytes).map(|text| Body::Text(text.into())),
            MessageKind::Binary => Ok(Body::Binary(bytes.into())),
        };
        let body = body.unwrap_or_else(|_| Body::Binary(bytes.into()));
        let at = letter.at;
        self.put(What::Message(Letter { body, ..letter }), at);
    }

    fn ended(&self, end: &End) {
        let at = now();
        let first =
            |messages: &[Message]| messages.first().map(|message| message.id().get() as i64);
        let (unsent, unconfirmed) = (first(&end.unsent), first(&end.unconfirmed));
        let undelivered = match (unconfirmed, unsent) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        // All that `send` accepted is delivered, or stands in one of the two lists.
        let delivered = undelivered.map_or(i64::MAX, |first| first - 1);
        let ending = Ending {
            at,
            delivered,
            unsent,
        };
        self.put(What::Ended(ending), at);
    }

    fn put(&self, what: What, at: i64) {
        let about = Arc::clone(&self.about);
        if !self.writer.queue.put(Item { about, what }, at) {
            self.writer.tell_slow();
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Recording")
            .field("not_kept", &self.about.not_kept())
            .finish_non_exhaustive()
    }
}

pub(super) fn now() -> i64 {
    milliseconds(SystemTime::now())
}

/// Since 1970; before that, as negative numbers.
pub(super) fn milliseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

/// The other way round.
pub(super) fn time(milliseconds: i64) -> SystemTime {
    let distance = Duration::from_millis(milliseconds.unsigned_abs());
    let time = match milliseconds {
        0.. => UNIX_EPOCH.checked_add(distance),
        _ => UNIX_EPOCH.checked_sub(distance),
    };
    time.unwrap_or(UNIX_EPOCH)
}
