//! The writer's side of the database: keeps what waits, in one transaction at a time.

use std::collections::HashMap;
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, TransactionBehavior, params};

use super::queue::{About, Body, Ending, Item, Letter, Row, What};
use super::schema::{self, Unfit};
use super::{times, words};
use crate::trust::files;

/// What is deleted in one go: others that write wait meanwhile.
const CHUNK: usize = 10_000;

/// Pages of the index of words that are written in one go: a few hundred milliseconds.
const MERGED_PAGES: i64 = 500;

/// Keeps conversations.
pub(super) struct Store {
    database: Connection,
    path: PathBuf,
    /// Which file it was when it was opened.
    identity: Option<(u64, u64)>,
    /// By which others know that it lives.
    writer: String,
}

impl Store {
    pub(super) fn new(database: Connection, path: PathBuf, writer: String) -> Self {
        Self {
            database,
            identity: files::identity(&path),
            path,
            writer,
        }
    }

    /// Keeps all of them or none.
    pub(super) fn keep(&mut self, items: &[Item]) -> Result<(), Unfit> {
        let transaction = self
            .database
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::check(&transaction)?;
        let mut latest = times::latest(&transaction)?;
        let mut made: HashMap<u64, Row> = HashMap::new();
        for Item { about, what } in items {
            let row = match about.row.get().or_else(|| made.get(&about.serial)) {
                Some(row) => *row,
                None => {
                    let row = begin(&transaction, about, &self.writer)?;
                    made.insert(about.serial, row);
                    row
                }
            };
            put(&transaction, row, what, &mut latest)?;
        }
        transaction.commit()?;
        for Item { about, .. } in items {
            if let Some(row) = made.get(&about.serial) {
                about.row.get_or_init(|| *row);
            }
        }
        // SQLite writes on where nobody would find it.
        match self.identity == files::identity(&self.path) {
            true => Ok(()),
            false => Err(Unfit::Gone),
        }
    }

    /// Deletes some of what is older than `before`; returns whether there may be more.
    pub(super) fn age(&mut self, before: i64) -> rusqlite::Result<bool> {
        let transaction = self
            .database
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let deleted = transaction
            .prepare_cached(
                "DELETE FROM messages WHERE id IN
                 (SELECT id FROM messages WHERE id < ?1 AND +at < ?2 ORDER BY id LIMIT ?3)",
            )?
            .execute(params![
                times::until(&transaction, before)?,
                before,
                CHUNK as i64
            ])?;
        if deleted < CHUNK {
            clear(&transaction, before)?;
        }
        transaction.commit()?;
        Ok(deleted == CHUNK)
    }
}

/// Clears away what no message needs any more: conversations that ended before `before`, and peers.
pub(super) fn clear(transaction: &Transaction<'_>, before: i64) -> rusqlite::Result<()> {
    // Receipts before the conversations that they name.
    transaction.execute(
        "DELETE FROM receipts WHERE conversation IN
         (SELECT id FROM conversations WHERE ended < ?1 AND NOT EXISTS
          (SELECT 1 FROM messages WHERE conversation = conversations.id))",
        [before],
    )?;
    transaction.execute(
        "DELETE FROM conversations WHERE ended < ?1 AND NOT EXISTS
         (SELECT 1 FROM messages WHERE conversation = conversations.id)",
        [before],
    )?;
    transaction.execute_batch("DELETE FROM peers WHERE id NOT IN (SELECT peer FROM conversations);")
}

/// Takes a message over for a program that sends it again; returns whether it is not another's, and
/// still to be sent.
pub(super) fn claim(database: &Connection, message: i64, writer: &str) -> rusqlite::Result<bool> {
    let claimed = database
        .prepare_cached(
            "UPDATE messages SET claimed = ?2
             WHERE id = ?1 AND settled IS NULL AND (claimed IS NULL OR claimed = ?2)",
        )?
        .execute(params![message, writer])?;
    Ok(claimed == 1)
}

/// Ends the conversations of programs that do not live any more, and gives back what they took over to
/// send again. What a plain peer was sent, nobody knows the end of.
pub(super) fn end_dead(
    database: &mut Connection,
    lives: impl Fn(&str) -> bool,
) -> rusqlite::Result<()> {
    let mut writers: Vec<String> = database
        .prepare_cached(
            "SELECT writer FROM conversations WHERE ended IS NULL
             UNION SELECT claimed FROM messages WHERE claimed IS NOT NULL",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    writers.retain(|writer| !lives(writer));
    if writers.is_empty() {
        return Ok(());
    }
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for writer in writers {
        transaction.execute(
            "UPDATE conversations SET
                ended = coalesce((SELECT max(at) FROM messages WHERE conversation = conversations.id), began),
                delivered = CASE WHEN (SELECT key FROM peers WHERE id = peer) IS NULL THEN ?2 ELSE delivered END
             WHERE writer = ?1 AND ended IS NULL",
            params![writer, i64::MAX],
        )?;
        transaction.execute(
            "UPDATE messages SET claimed = NULL WHERE claimed = ?1",
            [writer],
        )?;
    }
    transaction.commit()
}

/// Writes the index of words anew, without those of deleted messages, and overwrites what stood in
/// the log of changes. In steps: others that write wait for one of them only.
pub(super) fn rewrite_words(database: &Connection) -> rusqlite::Result<()> {
    let mut merge =
        database.prepare_cached("INSERT INTO words (words, rank) VALUES ('merge', ?1)")?;
    // A negative number begins with all that there is.
    merge.execute([-MERGED_PAGES])?;
    loop {
        let before = database.total_changes();
        merge.execute([MERGED_PAGES])?;
        // Where nothing is left to do, it is only the command that counts.
        if database.total_changes() - before < 2 {
            return empty_log(database);
        }
    }
}

/// Everything is in the file itself then; unless another program reads at the moment, after which it
/// will be.
pub(super) fn empty_log(database: &Connection) -> rusqlite::Result<()> {
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn begin(transaction: &Transaction<'_>, about: &About, writer: &str) -> rusqlite::Result<Row> {
    let key = about.key.as_ref().map(|key| key.as_bytes().as_slice());
    let known = transaction
        .prepare_cached(
            "SELECT id FROM peers WHERE key = ?1 OR (?1 IS NULL AND key IS NULL AND address IS ?2)",
        )?
        .query_row(params![key, about.address], |row| row.get(0))
        .optional()?;
    let peer = match known {
        Some(peer) => peer,
        None => transaction
            .prepare_cached("INSERT INTO peers (key, address) VALUES (?1, ?2)")?
            .insert(params![key, about.address])?,
    };
    let conversation = transaction
        .prepare_cached(
            "INSERT INTO conversations (peer, name, session, writer, began)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .insert(params![
            peer,
            about.name,
            about.session.as_ref().map(<[u8; 16]>::as_slice),
            writer,
            about.began
        ])?;
    Ok(Row { conversation, peer })
}

fn put(
    transaction: &Transaction<'_>,
    row: Row,
    what: &What,
    latest: &mut i64,
) -> rusqlite::Result<()> {
    if let What::Message(Letter { at, .. }) | What::Gap { at, .. } = what {
        *latest = (*latest).max(*at);
    }
    match what {
        What::Begun => Ok(()),
        What::Message(letter) => put_letter(transaction, row, letter, *latest),
        What::Gap { messages, at } => transaction
            .prepare_cached(
                "INSERT INTO messages (conversation, peer, direction, sent, at, latest, body)
                 VALUES (?1, ?2, 2, ?3, ?3, ?4, ?5)",
            )?
            .execute(params![
                row.conversation,
                row.peer,
                at,
                *latest,
                messages.to_le_bytes().as_slice()
            ])
            .map(drop),
        What::Delivered { up_to, at } => {
            let up_to = *up_to as i64;
            transaction
                .prepare_cached("INSERT OR IGNORE INTO receipts VALUES (?1, ?2, ?3)")?
                .execute(params![row.conversation, up_to, at])?;
            transaction
                .prepare_cached("UPDATE conversations SET delivered = ?2 WHERE id = ?1")?
                .execute(params![row.conversation, up_to])
                .map(drop)
        }
        What::Ended(ending) => end(transaction, row, ending),
    }
}

fn put_letter(
    transaction: &Transaction<'_>,
    row: Row,
    letter: &Letter,
    latest: i64,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO messages (conversation, peer, direction, number, sent, at, latest, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let Row { conversation, peer } = row;
    let (own, number, sent, at) = (letter.is_own, letter.number as i64, letter.sent, letter.at);
    let body: &dyn ToSql = match &letter.body {
        Body::Text(text) => text,
        Body::Binary(bytes) => bytes,
    };
    let inserted = insert.execute(params![
        conversation,
        peer,
        own,
        number,
        sent,
        at,
        latest,
        body
    ])?;
    if inserted == 0 {
        // It is there already.
        return Ok(());
    }
    if let Body::Text(text) = &letter.body {
        words::index(transaction, transaction.last_insert_rowid(), peer, text)?;
    }
    if let Some(repeated) = letter.repeats {
        transaction
            .prepare_cached("UPDATE messages SET settled = 1, claimed = NULL WHERE id = ?1")?
            .execute([repeated.0])?;
    }
    Ok(())
}

fn end(transaction: &Transaction<'_>, row: Row, ending: &Ending) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE conversations SET ended = ?2, delivered = max(delivered, ?3), unsent = ?4
             WHERE id = ?1",
        )?
        .execute(params![
            row.conversation,
            ending.at,
            ending.delivered,
            ending.unsent
        ])
        .map(drop)
}
