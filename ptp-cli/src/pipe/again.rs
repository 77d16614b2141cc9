//! What an earlier conversation did not deliver is sent again, before anything else.

use std::thread;
use std::time::Duration;

use ptp_core::Entry;

use super::manner::complain;
use crate::conversation::Voice;
use crate::render;

/// How long a message may wait for the other side to take what was sent before: as long as there is
/// one.
const PATIENCE: Duration = Duration::from_secs(365 * 86_400);

/// Sends them, and then calls `done`; on a thread of its own, because meanwhile what comes must be
/// taken. What is not accepted stays undelivered.
pub(super) fn send(voice: Voice, left: Vec<Entry>, done: impl FnOnce() + Send + 'static) {
    let send = move || {
        left.iter().all(|entry| voice.send_again(entry, PATIENCE));
        done();
    };
    if let Err(error) = thread::Builder::new().name("again".into()).spawn(send) {
        complain(&render::no_thread(&error));
    }
}
