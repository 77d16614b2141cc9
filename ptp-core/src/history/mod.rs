//! A history of conversations, by choice of the user: in an SQLite database, with every word of it
//! indexed.
//!
//! Applications tell a [`Recording`] what happens; a queue (`queue.rs`) holds it for the one thread
//! that writes (`writer.rs`, `store.rs`). Who reads (`read.rs`) uses a connection of his own, which in
//! SQLite's WAL mode neither waits for the writer nor holds it up.

mod entry;
mod error;
mod live;
mod queue;
mod read;
mod recording;
mod schema;
mod store;
#[cfg(test)]
mod tests;
mod times;
mod words;
mod writer;

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use self::live::Live;
use self::queue::About;
use self::read::Selection;
use self::schema::MIGRATIONS;
use self::writer::{TURN, Writer};
use crate::session::Session;
use crate::trust::files::{self, Privacy};

pub use entry::{Content, Entry, EntryId, Fate, HistoryFilter, PastPeer, Who};
pub use error::HistoryError;
pub use recording::{NotKept, Recording};

/// How long another program's transaction is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long what waits may take to be kept when a history is dropped.
const LAST_WORK: Duration = Duration::from_secs(5);

/// A history of conversations in a file, which can be searched.
///
/// Several programs may write and read it at the same time. What is kept survives the loss of power;
/// when it is, [`Recording::flush`] tells. A message that was deleted is overwritten in the file.
///
/// ```
/// use std::time::Duration;
///
/// use ptp_core::{Content, History, HistoryFilter};
///
/// # let (session, peer) = ptp_core::doctest_pair()?;
/// # let folder = std::env::temp_dir().join(format!("ptp-history-{}", std::process::id()));
/// let history = History::open(folder.join("history.sqlite3"))?;
/// let recording = history.record(&session)?;
/// let id = session.sender().send("We deploy at noon.")?;
/// recording.sent(id, &"We deploy at noon.");
/// recording.flush(Duration::from_secs(5))?;
///
/// let found = history.find(&HistoryFilter {
///     search: Some("depl* noon".into()),
///     ..HistoryFilter::default()
/// })?;
/// assert_eq!(found.len(), 1);
/// assert_eq!(found[0].content, Content::Text("We deploy at noon.".into()));
/// # drop((peer, history, recording));
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct History {
    path: PathBuf,
    /// Reads and deletes.
    database: Mutex<Connection>,
    writer: Mutex<Option<Arc<Writer>>>,
    serials: AtomicU64,
    retention: Arc<AtomicI64>,
    troubles: (Sender<HistoryError>, Receiver<HistoryError>),
}

impl History {
    /// Opens the history in this file; makes it, for its owner alone, if there is none. An older
    /// schema is brought up to date.
    ///
    /// # Errors
    /// If the file can't be used, others have access to it, it is damaged or another program's, or a
    /// newer version of this library has written it. Nothing is changed then.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, HistoryError> {
        let path = path.as_ref().to_owned();
        files::claim(&path, Privacy::Secret)?;
        let database = connect(&path)?;
        let history = Self {
            path,
            database: Mutex::new(database),
            writer: Mutex::default(),
            serials: AtomicU64::new(0),
            retention: Arc::default(),
            troubles: unbounded(),
        };
        Ok(history)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps a conversation from now on: it has to be told of what is sent, and of every event. The
    /// first starts the thread that writes.
    ///
    /// # Errors
    /// If the file can't be opened a second time, or the thread can't be started.
    pub fn record(&self, session: &Session) -> Result<Recording, HistoryError> {
        let writer = self.writer()?;
        let serial = self.serials.fetch_add(1, Ordering::Relaxed);
        let about = About::new(serial, session.peer(), session.id(), recording::now());
        Ok(Recording::new(Arc::new(about), writer))
    }

    /// Why something is not kept: at most one of each kind, the first time that it happens. The
    /// conversations go on, and what can be kept is.
    #[must_use]
    pub fn troubles(&self) -> &Receiver<HistoryError> {
        &self.troubles.1
    }

    /// Keeps nothing longer than this, by this side's clock; zero is for ever, which is the default.
    /// What is older is deleted when something is kept for the first time, and then every hour; single
    /// words of it may stand in the index until [`compact`](Self::compact).
    pub fn retain(&self, time: Duration) {
        let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.retention.store(time, Ordering::Relaxed);
    }

    /// What was kept and fits the filter, the newest last: in the order in which it was kept.
    ///
    /// # Errors
    /// If the file can't be read, or there is no word in what is searched for.
    pub fn find(&self, filter: &HistoryFilter) -> Result<Vec<Entry>, HistoryError> {
        let mut found = Vec::new();
        self.visit(filter, |entry| {
            found.push(entry);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// As [`find`](Self::find), one by one, until `each` breaks: for what may be more than memory
    /// should hold. While it runs, other readers of this `History` wait.
    ///
    /// # Errors
    /// Those of `find`.
    pub fn visit(
        &self,
        filter: &HistoryFilter,
        each: impl FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), HistoryError> {
        let expression = expression(filter)?;
        let mut database = self.database()?;
        // Nobody who reads waits for somebody who writes: later is early enough.
        let settled = database
            .busy_timeout(Duration::ZERO)
            .and_then(|()| self.end_dead(&mut database));
        if let Err(error) = settled {
            log::debug!("the conversations of a killed program can't be ended: {error}");
        }
        let waits = wait_for_turn(&mut database);
        waits.map_err(|error| self.error(&error, "read"))?;
        Selection::of(&database, filter, expression)
            .and_then(|selection| selection.visit(&database, each))
            .map_err(|error| self.error(&error, "read"))
    }

    /// Own messages that were not delivered, of conversations that are over, with this peer or with
    /// all: whose [`Fate`] is `Unsent` or `Unconfirmed`. Those of a program that was killed belong to
    /// them; those that were [sent again](Recording::sent_again), [settled](Self::settle), or
    /// [claimed](Self::claim) by another program do not.
    ///
    /// # Errors
    /// If the file can't be read, or a conversation can't be ended in it whose program was killed.
    pub fn undelivered(&self, with: Option<&Who>) -> Result<Vec<Entry>, HistoryError> {
        let mut database = self.database()?;
        self.end_dead(&mut database)
            .map_err(|error| self.error(&error, "written"))?;
        let mut found = Vec::new();
        let push = |entry| {
            found.push(entry);
            ControlFlow::Continue(())
        };
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let own = writer.as_ref().map_or("", |writer| &writer.name);
        Selection::undelivered(&database, with, own)
            .and_then(|selection| selection.visit(&database, push))
            .map_err(|error| self.error(&error, "read"))?;
        Ok(found)
    }

    /// Takes these over, to be [sent again](Recording::sent_again): returns those that no other program
    /// has taken over or sent again meanwhile. Until they are sent, or this program ends, nobody else is
    /// asked about them.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn claim(&self, entries: Vec<Entry>) -> Result<Vec<Entry>, HistoryError> {
        let writer = self.writer()?;
        let claim = |database: &mut Connection| {
            let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut claimed = Vec::with_capacity(entries.len());
            for entry in entries {
                if store::claim(&transaction, entry.id.0, &writer.name)? {
                    claimed.push(entry);
                }
            }
            transaction.commit()?;
            Ok(claimed)
        };
        claim(&mut *self.database()?).map_err(|error| self.error(&error, "written"))
    }

    /// These are no longer to be [asked about](Self::undelivered). They stay in the history.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn settle(&self, entries: &[EntryId]) -> Result<(), HistoryError> {
        let settle = |database: &mut Connection| {
            let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for entry in entries {
                transaction
                    .prepare_cached("UPDATE messages SET settled = 1 WHERE id = ?1")?
                    .execute([entry.0])?;
            }
            transaction.commit()
        };
        settle(&mut *self.database()?).map_err(|error| self.error(&error, "written"))
    }

    /// Deletes what fits the filter; returns how many messages that were. They are overwritten in the
    /// file, and in its index of words; in copies of the file, and in what the disk itself keeps, they
    /// may still stand.
    ///
    /// # Errors
    /// If the file can't be written, or there is no word in what is searched for. Nothing is deleted
    /// then, unless what could not be written is the index of words: that still has them, and the next
    /// that is forgotten clears them away.
    pub fn forget(&self, filter: &HistoryFilter) -> Result<u64, HistoryError> {
        let expression = expression(filter)?;
        let forget = |database: &mut Connection| {
            let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let selection = Selection::of(&transaction, filter, expression)?;
            let deleted = selection.delete(&transaction)?;
            store::clear(&transaction, i64::MAX)?;
            transaction.commit()?;
            if deleted != 0 {
                store::rewrite_words(database)?;
            }
            Ok(deleted)
        };
        forget(&mut *self.database()?).map_err(|error| self.error(&error, "written"))
    }

    /// Makes the file as small as it can be. Takes about as long as copying it, and room for two
    /// copies; who wants to write waits.
    ///
    /// # Errors
    /// If the file can't be written, or another program writes all the time.
    pub fn compact(&self) -> Result<(), HistoryError> {
        let database = self.database()?;
        store::rewrite_words(&database)
            .and_then(|()| database.execute_batch("VACUUM"))
            .and_then(|()| store::empty_log(&database))
            .map_err(|error| self.error(&error, "written"))
    }

    /// Keeps what waits, for at most `timeout`, and writes nothing more. Dropping does the same, for
    /// at most 5 s. What could not be kept, [`Recording::flush`] tells.
    pub fn close(&self, timeout: Duration) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = &*writer {
            writer.close(timeout);
        }
    }

    /// The thread that writes; starts it if there is none.
    fn writer(&self) -> Result<Arc<Writer>, HistoryError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match &*writer {
            Some(writer) => Ok(Arc::clone(writer)),
            None => {
                let database = connect(&self.path)?;
                // Its own way to wait ends when it is closed.
                let impatient = database.busy_timeout(Duration::ZERO);
                impatient.map_err(|error| self.error(&error, "opened"))?;
                let started = Arc::new(Writer::start(
                    database,
                    self.path.clone(),
                    self.troubles.0.clone(),
                    Arc::clone(&self.retention),
                )?);
                Ok(Arc::clone(writer.insert(started)))
            }
        }
    }

    fn end_dead(&self, database: &mut Connection) -> rusqlite::Result<()> {
        store::end_dead(database, |writer| Live::is(&self.path, writer))
    }

    /// For what asks something of it.
    fn database(&self) -> Result<MutexGuard<'_, Connection>, HistoryError> {
        let database = self.database.lock();
        let database = database.unwrap_or_else(PoisonError::into_inner);
        match schema::check(&database) {
            Ok(()) => Ok(database),
            Err(unfit) => Err(HistoryError::unfit(unfit, &self.path, "read")),
        }
    }

    fn error(&self, error: &rusqlite::Error, attempt: &'static str) -> HistoryError {
        HistoryError::of(error, &self.path, attempt)
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.close(LAST_WORK);
    }
}

impl fmt::Debug for History {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("History")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn expression(filter: &HistoryFilter) -> Result<Option<String>, HistoryError> {
    match &filter.search {
        None => Ok(None),
        Some(search) => match words::expression(search) {
            Some(expression) => Ok(Some(expression)),
            None => Err(HistoryError::NoWord(search.clone())),
        },
    }
}

/// A connection to the database, of the newest schema.
fn connect(path: &Path) -> Result<Connection, HistoryError> {
    let begun = Instant::now();
    loop {
        match connect_now(path) {
            // Of several that begin a history at the same moment SQLite refuses some at once, where one
            // turns to the log of changes.
            Err(HistoryError::Busy(_)) if begun.elapsed() < PATIENCE => thread::sleep(TURN),
            done => return done,
        }
    }
}

fn connect_now(path: &Path) -> Result<Connection, HistoryError> {
    let failed = |error: rusqlite::Error| HistoryError::of(&error, path, "opened");
    // It is there, and no link. (SQLite's own refusal of links means those in the folder's path, too.)
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(path, flags).map_err(failed)?;
    wait_for_turn(&mut database).map_err(failed)?;
    schema::migrate(&mut database, MIGRATIONS)
        .map_err(|unfit| HistoryError::unfit(unfit, path, "opened"))?;
    // FULL: what is said to be kept survives the loss of power, too. Foreign keys would be looked up for
    // each message, which is written in one with what they name.
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -16384;
             PRAGMA temp_store = MEMORY;",
        )
        .map_err(failed)?;
    Ok(database)
}

/// Waits for other programs' transactions.
fn wait_for_turn(database: &mut Connection) -> rusqlite::Result<()> {
    database.busy_handler(Some(|tries| {
        thread::sleep(TURN);
        u128::try_from(tries).is_ok_and(|tries| tries < PATIENCE.as_millis())
    }))
}
