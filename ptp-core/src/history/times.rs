//! From times to ids, in whose order everything is read.
//!
//! Ids rise nearly as times do, but clocks are set, and several programs write. So each message has the
//! latest time up to it beside its own, and that is in order.

use rusqlite::{Connection, OptionalExtension};

/// An id before which nothing is of this time or later.
pub(super) fn since(database: &Connection, at: i64) -> rusqlite::Result<i64> {
    let mut least = edge(database, "SELECT min(id) FROM messages")?.unwrap_or(1);
    let mut most = edge(database, "SELECT max(id) FROM messages")?.map_or(least, |last| last + 1);
    let mut next = database
        .prepare_cached("SELECT id, latest FROM messages WHERE id >= ?1 ORDER BY id LIMIT 1")?;
    while least < most {
        let middle = least.midpoint(most);
        let row: Option<(i64, i64)> = next
            .query_row([middle], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        match row {
            Some((id, latest)) if latest < at => least = id + 1,
            _ => most = middle,
        }
    }
    Ok(least)
}

/// An id from which on nothing is of a time before this one.
pub(super) fn until(database: &Connection, at: i64) -> rusqlite::Result<i64> {
    let in_order = since(database, at)?;
    // Without its name SQLite would look for the highest id first, and at every message.
    let late: Option<i64> = database
        .prepare_cached(
            "SELECT max(id) FROM messages INDEXED BY messages_late WHERE at < latest AND at < ?1",
        )?
        .query_row([at], |row| row.get(0))?;
    Ok(late.map_or(in_order, |late| in_order.max(late + 1)))
}

/// The latest time of all that are kept.
pub(super) fn latest(database: &Connection) -> rusqlite::Result<i64> {
    let latest = database
        .prepare_cached("SELECT latest FROM messages ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(latest.unwrap_or(i64::MIN))
}

fn edge(database: &Connection, query: &str) -> rusqlite::Result<Option<i64>> {
    database
        .prepare_cached(query)?
        .query_row([], |row| row.get(0))
}
