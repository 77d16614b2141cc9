//! The course of a session: one connection after the other, and its end.

use std::io;
use std::time::{Duration, Instant};

use super::comeback::{Comeback, Failure};
use super::reader::{Ending, Reader};
use super::{Shared, State};
use crate::error::ConnectError;
use crate::event::{End, Interruption, Reason};
use crate::protocol::{ClosedBy, Violation};

/// How long a side that has said and heard everything waits for a peer that perhaps has not, and
/// comes back for it.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long whoever gives up waits until the peer has heard it: a round trip to nearly anywhere, and
/// hardly longer than at once.
const LAST_WORD: Duration = Duration::from_millis(200);

/// Holds one connection after the other until the session ends, and tells its end.
pub(super) fn run(mut reader: Reader, mut comeback: Option<Comeback>) {
    let last = loop {
        let ending = reader.hold();
        let result = match &mut comeback {
            Some(comeback) => come_back(&mut reader, comeback, ending),
            None => Err(Last::Ending(ending)),
        };
        if let Err(last) = result {
            break last;
        }
    };
    let shared = &reader.shared;
    let mut state = shared.lock();
    let (reason, cause) = reason(&state, &last);
    let (_, acked) = state.connection.sent_and_acked();
    let (unsent, unconfirmed) = state.connection.finish();
    drop(state);
    shared.end();
    log::debug!("the session ended: {reason} {cause}");
    let end = End {
        reason,
        cause,
        unsent,
        unconfirmed,
    };
    reader.feed.put_end(end, acked);
}

/// Why a session ended.
enum Last {
    /// Its connection ended so, and there is no other.
    Ending(Ending),
    /// The peer does not go on with it.
    Refused(ConnectError),
}

impl Shared {
    /// Says goodbye behind all that was accepted.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.connection.close();
        self.progress.notify_all();
        self.wake_writer(state);
    }

    /// As `close`, and the application takes nothing more.
    pub(crate) fn abandon(&self) {
        self.lock().abandoned = true;
        self.close();
    }

    /// Ends the session without waiting for the peer any longer than `LAST_WORD`: a peer that is told
    /// does not wait for this side to come back.
    pub(crate) fn give_up(&self) {
        let mut state = self.lock();
        state.given_up = true;
        state.connection.leave();
        drop(state);
        self.arrival.notify_all();
        // In a burst the writer is at it, and says it next.
        self.write_directly();
        let deadline = Instant::now() + LAST_WORD;
        let mut state = self.lock();
        while !state.down && Instant::now() < deadline {
            state = self.wait(state, Some(deadline));
        }
        drop(state);
        self.hang_up();
    }
}

/// After the end of a connection: finds another, if the session is to go on.
fn come_back(reader: &mut Reader, comeback: &mut Comeback, ending: Ending) -> Result<(), Last> {
    let since = Instant::now();
    let shared = reader.shared.clone();
    let ending = blame_the_line(&shared.lock(), ending);
    let patience = match &ending {
        Ending::Finished {
            heard_end: Some(true),
        } => return Err(Last::Ending(ending)),
        Ending::Finished { .. } => FAREWELL.min(comeback.patience()),
        Ending::Violation(violation) if !violation.is_of_the_line() => {
            return Err(Last::Ending(ending));
        }
        Ending::Violation(_) | Ending::Lost(_) | Ending::Dead => comeback.patience(),
    };
    let mut state = shared.lock();
    if state.connection.farewell().is_for_good() || !state.is_wanted() || patience.is_zero() {
        return Err(Last::Ending(ending));
    }
    let finished = matches!(ending, Ending::Finished { .. });
    let last = Last::Ending(ending);
    let cause = reason(&state, &last).1;
    state.connection.handle_lost();
    drop(state);
    log::info!("the connection was lost: {cause}");
    if !finished {
        reader.feed.put_interrupted(Interruption {
            since,
            patience,
            cause,
        });
    }
    let deadline = super::deadline(patience);
    let established = match comeback.find(&shared, &reader.inbound, deadline) {
        Ok(established) => established,
        Err(Failure::TimeIsUp) => return Err(last),
        Err(Failure::Refused(error)) => return Err(Last::Refused(error)),
    };
    if let Some(resent) = reader.take_up(established) {
        log::info!("the session goes on after {:?}", since.elapsed());
        reader.feed.put_resumed(resent);
    }
    Ok(())
}

/// A peer that found a fault which may be the line's has closed the connection, and not the session.
fn blame_the_line(state: &State, ending: Ending) -> Ending {
    match state.connection.farewell().fault_received() {
        Some(code) if Violation::is_code_of_the_line(code) => {
            Ending::Lost(format!("the line changed what was sent (fault {code})"))
        }
        _ => ending,
    }
}

fn reason(state: &State, last: &Last) -> (Reason, String) {
    let connection = &state.connection;
    let closed = match connection.farewell().closed_by() {
        Some(ClosedBy::Peer) => Reason::ClosedByPeer,
        _ => Reason::ClosedHere,
    };
    if let Some(code) = connection.farewell().fault_received() {
        let cause = format!("the peer says that this side broke it (fault {code})");
        return (Reason::Protocol, cause);
    }
    let ending = match last {
        Last::Ending(ending) => ending,
        _ if state.given_up => return (Reason::ClosedHere, "the peer was not waited for".into()),
        // It knows nothing more of a session that was closed.
        Last::Refused(_) if connection.farewell().peer_leaves => return (closed, String::new()),
        Last::Refused(error @ (ConnectError::Protocol(_) | ConnectError::Fault(_))) => {
            return (Reason::Protocol, error.to_string());
        }
        Last::Refused(ConnectError::UnknownSession) => return (Reason::Forgotten, String::new()),
        Last::Refused(error) => return (Reason::Reset, error.to_string()),
    };
    match ending {
        Ending::Violation(violation) => (Reason::Protocol, violation.to_string()),
        _ if state.given_up => (Reason::ClosedHere, "the peer was not waited for".into()),
        Ending::Finished { .. } => (closed, String::new()),
        _ if state.replaced => (Reason::Replaced, String::new()),
        // Once the peer's goodbye is here, the end of the stream is no surprise.
        Ending::Lost(_) if connection.farewell().peer_leaves => (closed, String::new()),
        Ending::Dead => (Reason::TimedOut, "nothing came from the peer".into()),
        Ending::Lost(cause) => match &state.write_error {
            Some(error) if error.kind() == io::ErrorKind::TimedOut => {
                (Reason::TimedOut, "the peer took nothing".into())
            }
            Some(error) => (Reason::Reset, error.to_string()),
            None => (Reason::Reset, cause.clone()),
        },
    }
}
