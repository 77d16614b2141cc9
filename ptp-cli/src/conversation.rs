//! A conversation, and what is kept of it if the user wants that.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, never};
use ptp_core::{
    Content, Entry, Event, History, HistoryError, HistoryFilter, MessageId, Payload, PublicKey,
    Recording, SendError, Sender, Session, TrySendError, Who,
};

use crate::args::Options;
use crate::history;
use crate::open::{Failure, Person};
use crate::render;

/// How often it is looked whether what waits to be kept gets on, when a conversation is over; and how
/// often at the most.
const LAST_WORK: Duration = Duration::from_secs(2);
const LOOKS: usize = 15;
/// How often it may have stood still: until it is known that another program has it locked.
const MOST_STANDING: usize = 2;
/// Lines of earlier conversations that a new one begins with.
const LAST_LINES: u64 = 10;

/// The history, if it is to be kept and can be.
///
/// # Errors
/// If nothing says where this user's data is kept.
pub(crate) fn history(
    options: &Options,
    person: &impl Person,
) -> Result<Option<Arc<History>>, Failure> {
    if !options.history {
        return Ok(None);
    }
    let file = history::file().map_err(|error| render::home_error(&error))?;
    match History::open(file) {
        Ok(history) => {
            history.retain(options.history_keep.unwrap_or_default());
            Ok(Some(Arc::new(history)))
        }
        Err(error) => {
            person.complain(&render::not_kept(&error));
            Ok(None)
        }
    }
}

/// A session, and what is kept of it.
pub(crate) struct Conversation {
    session: Session,
    history: Option<Arc<History>>,
    kept: Kept,
}

/// What is kept of a conversation, if anything is.
#[derive(Clone)]
pub(crate) struct Kept {
    recording: Option<Recording>,
    troubles: Receiver<HistoryError>,
}

impl Deref for Conversation {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Conversation {
    /// Begins to keep a session, if there is a history.
    pub(crate) fn begin(
        session: Session,
        history: Option<Arc<History>>,
        person: &impl Person,
    ) -> Self {
        let recording = history.as_ref().map(|history| history.record(&session));
        let recording = recording.transpose().unwrap_or_else(|error| {
            person.complain(&render::not_kept(&error));
            None
        });
        let troubles = match &history {
            Some(history) => history.troubles().clone(),
            None => never(),
        };
        Self {
            session,
            history,
            kept: Kept {
                recording,
                troubles,
            },
        }
    }

    /// What it is spoken with.
    pub(crate) fn voice(&self) -> Voice {
        Voice {
            sender: self.session.sender(),
            kept: self.kept.recording.clone(),
        }
    }

    /// What is kept of it.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The last lines of earlier conversations with this peer. What can't be read is not missed.
    pub(crate) fn last_lines(&self) -> Vec<Entry> {
        let last_lines = self.past(|history, key| {
            history.find(&HistoryFilter {
                with: Some(Who::Key(key)),
                last: Some(LAST_LINES),
                ..HistoryFilter::default()
            })
        });
        last_lines.unwrap_or_else(|error| {
            log::warn!("{error}");
            Vec::new()
        })
    }

    /// What earlier conversations with this peer did not deliver.
    pub(crate) fn undelivered(&self) -> Result<Vec<Entry>, HistoryError> {
        self.past(|history, key| history.undelivered(Some(&Who::Key(key))))
    }

    /// Those of them that no other program sends again meanwhile.
    pub(crate) fn claim(&self, left: Vec<Entry>) -> Result<Vec<Entry>, HistoryError> {
        self.past(|history, _| history.claim(left))
    }

    /// Nobody is to be asked about these any more.
    pub(crate) fn drop_undelivered(&self, entries: &[Entry]) -> Result<(), HistoryError> {
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        self.past(|history, _| history.settle(&ids))
    }

    /// Of a peer that has proved its key; of another there is none.
    fn past<T: Default>(
        &self,
        what: impl FnOnce(&History, PublicKey) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        match (&self.history, self.session.peer().public_key()) {
            (Some(history), Some(key)) => what(history, key),
            _ => Ok(T::default()),
        }
    }
}

impl Kept {
    /// Keeps what happened.
    pub(crate) fn event(&self, event: &Event) {
        if let Some(recording) = &self.recording {
            recording.event(event);
        }
    }

    /// Why something is not kept; each reason once.
    pub(crate) fn troubles(&self) -> &Receiver<HistoryError> {
        &self.troubles
    }

    /// The conversation is over: waits until all of it is kept, as long as that gets on, for half a minute
    /// at most. What to say if it is not.
    pub(crate) fn settle(&self) -> Vec<String> {
        let Some(recording) = &self.recording else {
            return Vec::new();
        };
        let mut flushed = recording.flush(LAST_WORK);
        let mut stands = 0;
        for _ in 1..LOOKS {
            let Err(before) = flushed else { break };
            let why_is_known = stands != 0 && !self.troubles.is_empty();
            if before.waiting == 0 || stands == MOST_STANDING || why_is_known {
                break;
            }
            flushed = recording.flush(LAST_WORK);
            stands = if flushed == Err(before) {
                stands + 1
            } else {
                0
            };
        }
        let troubles = self.troubles.try_iter();
        let mut lines: Vec<_> = troubles.map(|trouble| render::not_kept(&trouble)).collect();
        if let Err(not_kept) = flushed {
            let count = not_kept.waiting + not_kept.missed;
            lines.push(render::entries_not_kept(count));
        }
        lines
    }
}

/// Sends over a conversation, and keeps what was sent. Does not keep the conversation alive.
#[derive(Clone)]
pub(crate) struct Voice {
    sender: Sender,
    kept: Option<Recording>,
}

impl Voice {
    pub(crate) fn send<P: Payload + Copy>(
        &self,
        message: P,
    ) -> Result<MessageId, SendError<P::Returned>> {
        let id = self.sender.send(message)?;
        self.keep(id, &message);
        Ok(id)
    }

    /// Never blocks. Keeps only what can be copied, which a secret can't.
    pub(crate) fn try_send<P: Payload + Copy>(
        &self,
        message: P,
    ) -> Result<MessageId, TrySendError<P::Returned>> {
        let id = self.sender.try_send(message)?;
        self.keep(id, &message);
        Ok(id)
    }

    /// Sends a message of an earlier conversation again; waits for room until `patience` is over.
    /// Returns whether it was accepted.
    pub(crate) fn send_again(&self, entry: &Entry, patience: Duration) -> bool {
        match &entry.content {
            Content::Text(text) => self.repeat(text.as_str(), entry, patience),
            Content::Binary(bytes) => self.repeat(bytes.as_slice(), entry, patience),
            _ => false,
        }
    }

    fn repeat(&self, message: impl Payload + Copy, entry: &Entry, patience: Duration) -> bool {
        let Ok(id) = self.sender.send_timeout(message, patience) else {
            return false;
        };
        if let Some(kept) = &self.kept {
            kept.sent_again(id, &message, entry.id);
        }
        true
    }

    fn keep(&self, id: MessageId, message: &impl Payload) {
        if let Some(kept) = &self.kept {
            kept.sent(id, message);
        }
    }
}
