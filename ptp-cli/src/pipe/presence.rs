//! What a signal finds, and what it does about it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use std::{mem, thread};

use super::manner::complain;
use crate::conversation::Conversation;
use crate::exit::{self, Exit};
use crate::render;

/// How long what was accepted may take to be delivered after a signal.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// How long the main thread may then take to notice.
const STUCK: Duration = Duration::from_secs(1);

/// What a signal finds.
pub(super) enum Present {
    /// No connection has stood yet.
    Before,
    Talking(Weak<Conversation>),
    /// A conversation was lost, and the next is waited for.
    Between,
    /// A signal came.
    Leaving,
}

static PRESENT: Mutex<Present> = Mutex::new(Present::Before);
/// The conversation is over, and all that came is written: what is waited for is that it is kept.
static KEEPING: AtomicBool = AtomicBool::new(false);

pub(super) fn present() -> MutexGuard<'static, Present> {
    PRESENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether all that is waited for is that the conversation is kept.
pub(super) fn keeping(keeping: bool) {
    KEEPING.store(keeping, Ordering::Relaxed);
}

/// A signal came: says goodbye and delivers, within a bound.
pub(super) fn leave(signal: i32) {
    let found = mem::replace(&mut *present(), Present::Leaving);
    let session = match found {
        Present::Before => exit::exit_by_signal(signal),
        Present::Between => exit::exit(Exit::Undelivered),
        Present::Talking(session) => session,
        Present::Leaving => return,
    };
    // Gone if the conversation is over; then the program is about to end by itself.
    let Some(session) = session.upgrade() else {
        return;
    };
    // The main thread ends the program as soon as the session has ended.
    session.finish();
    thread::sleep(GRACE);
    session.abort();
    thread::sleep(STUCK);
    if KEEPING.load(Ordering::Relaxed) {
        return;
    }
    // It could not: nobody reads its standard output, and what it holds was never written.
    complain(render::STUCK);
    exit::exit(Exit::Undelivered)
}
