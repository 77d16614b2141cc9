//! The one thread that writes.

use std::mem::{self, Discriminant};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use rusqlite::Connection;

use super::PATIENCE;
use super::error::HistoryError;
use super::live::Live;
use super::queue::{Item, Queue, Work};
use super::recording::now;
use super::store::Store;

/// Kept in one transaction: more make it no faster, and hold up other programs for longer.
const BATCH: usize = 10_000;
/// How long until something that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long until it is tried again while another program writes. SQLite itself would look up to 100 ms
/// later, and never be lucky with one that writes all the time.
pub(super) const TURN: Duration = Duration::from_millis(1);
/// How often it is looked whether something has become too old.
const AGEING: Duration = Duration::from_secs(3600);

/// What recordings share with the thread.
pub(super) struct Writer {
    pub(super) queue: Arc<Queue>,
    troubles: Sender<HistoryError>,
    path: PathBuf,
    /// By which others know that it lives.
    pub(super) name: String,
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
        Live::clear(&path);
        let live = Live::begin(&path)?;
        let name = live.name.clone();
        let queue = Arc::new(Queue::default());
        let mut task = Task {
            store: Store::new(database, path.clone(), name.clone()),
            queue: Arc::clone(&queue),
            path: path.clone(),
            troubles: troubles.clone(),
            retention,
            told: Vec::new(),
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
            name,
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
    /// The kinds of trouble that were told.
    told: Vec<Discriminant<HistoryError>>,
}

impl Task {
    fn run(&mut self) {
        let mut next_age = Instant::now();
        loop {
            if Instant::now() >= next_age {
                next_age = Instant::now() + self.age();
            }
            match self.queue.take(BATCH, next_age) {
                Work::Keep(items) => {
                    if !self.keep(&items) {
                        return self.queue.end(&items);
                    }
                    self.queue.kept(&items);
                }
                Work::Idle => {}
                Work::End => return self.queue.end(&[]),
            }
        }
    }

    /// Tries until they are kept; `false` if they never will be.
    fn keep(&mut self, items: &[Item]) -> bool {
        let begun = Instant::now();
        loop {
            let error = match self.store.keep(items) {
                Ok(()) => break,
                Err(unfit) => HistoryError::unfit(unfit, &self.path, "written"),
            };
            let may_pass = error.may_pass();
            let is_others_turn =
                matches!(error, HistoryError::Busy(_)) && begun.elapsed() < PATIENCE;
            let pause = match is_others_turn {
                true => TURN,
                false => {
                    self.tell(error);
                    RETRY
                }
            };
            if !may_pass || !self.queue.pause(pause) {
                return false;
            }
        }
        if begun.elapsed() > TURN * 10 {
            // Others that wait for the lock look for it only now and then.
            self.queue.pause(TURN * 2);
        }
        true
    }

    /// Tells of trouble, the first time that it is of its kind.
    fn tell(&mut self, error: HistoryError) {
        log::debug!("the history is not written: {error}");
        let kind = mem::discriminant(&error);
        if !self.told.contains(&kind) {
            self.told.push(kind);
            let _ = self.troubles.send(error);
        }
    }

    /// Deletes some of what is too old; returns how long until it is to be done again.
    fn age(&mut self) -> Duration {
        let retention = self.retention.load(Ordering::Relaxed);
        if retention == 0 {
            return AGEING;
        }
        match self.store.age(now().saturating_sub(retention)) {
            Ok(true) => Duration::ZERO,
            Ok(false) => AGEING,
            Err(error) => {
                log::debug!("what is too old can't be deleted from the history: {error}");
                RETRY
            }
        }
    }
}
