//! The one thread that writes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::Sender;
use rusqlite::Connection;

use super::error::HistoryError;
use super::live::Live;
use super::queue::{Item, Queue, Work};
use super::recording::now;
use super::store::Store;

/// Kept in one transaction: more make it no faster, and hold up other programs for longer.
const BATCH: usize = 10_000;
/// How long until something that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is looked whether something has become too old.
const AGEING: Duration = Duration::from_secs(3600);

/// What recordings share with the thread.
pub(super) struct Writer {
    pub(super) queue: Arc<Queue>,
    troubles: Sender<HistoryError>,
    path: PathBuf,
    told_slow: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        database: Connection,
        path: PathBuf,
        troubles: Sender<HistoryError>,
        retention: Arc<AtomicI64>,
    ) -> Result<Self, HistoryError> {
        let live = Live::begin(&path)?;
        let queue = Arc::new(Queue::default());
        let mut task = Task {
            store: Store::new(database, live.name.clone()),
            queue: Arc::clone(&queue),
            path: path.clone(),
            troubles: troubles.clone(),
            retention,
            told: false,
        };
        let spawned = thread::Builder::new()
            .name("history".into())
            .spawn(move || {
                task.run();
                drop(live);
            });
        let thread = spawned.map_err(|cause| HistoryError::Refused {
            path: path.clone(),
            attempt: "written",
            cause: cause.to_string(),
        })?;
        Ok(Self {
            queue,
            troubles,
            path,
            told_slow: AtomicBool::new(false),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Tells once that messages are left out.
    pub(super) fn tell_slow(&self) {
        if !self.told_slow.swap(true, Ordering::Relaxed) {
            let _ = self.troubles.send(HistoryError::Slow(self.path.clone()));
        }
    }

    /// Keeps what waits, within `timeout`, and ends.
    pub(super) fn close(&self, timeout: Duration) {
        self.queue.close(timeout);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // It panics only by a bug of ours, and has then told so itself.
            let _ = thread.join();
        }
    }
}

/// The thread's.
struct Task {
    store: Store,
    queue: Arc<Queue>,
    path: PathBuf,
    troubles: Sender<HistoryError>,
    /// How long messages are kept, in milliseconds; 0 for ever.
    retention: Arc<AtomicI64>,
    told: bool,
}

impl Task {
    fn run(&mut self) {
        let mut patience = Duration::ZERO;
        loop {
            match self.queue.take(BATCH, patience) {
                Work::Keep(items) => {
                    if !self.keep(&items) {
                        return self.queue.end(&items);
                    }
                    self.queue.kept(&items);
                }
                Work::Idle => patience = if self.age() { Duration::ZERO } else { AGEING },
                Work::End => return self.queue.end(&[]),
            }
        }
    }

    /// Tries until they are kept; `false` if they never will be.
    fn keep(&mut self, items: &[Item]) -> bool {
        loop {
            let error = match self.store.keep(items) {
                Ok(()) => return true,
                Err(error) => HistoryError::of(&error, &self.path, "written"),
            };
            log::debug!("the history is not written: {error}");
            let may_pass = error.may_pass();
            if !self.told {
                self.told = true;
                let _ = self.troubles.send(error);
            }
            if !may_pass || !self.queue.pause(RETRY) {
                return false;
            }
        }
    }

    /// Deletes some of what is too old; returns whether there may be more. What fails is tried again
    /// at the next time.
    fn age(&mut self) -> bool {
        let retention = self.retention.load(Ordering::Relaxed);
        if retention == 0 {
            return false;
        }
        let aged = self.store.age(now().saturating_sub(retention));
        aged.unwrap_or_else(|error| {
            log::warn!("what is too old can't be deleted from the history: {error}");
            false
        })
    }
}
