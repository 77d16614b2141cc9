//! Reading: from what is asked for to rows, and from rows to entries.

use std::ops::ControlFlow;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use super::entry::{Content, Entry, EntryId, Fate, HistoryFilter, PastPeer, Who};
use super::recording::{milliseconds, time};
use super::{times, words};
use crate::trust::{Fingerprint, PublicKey};

/// The columns that `entry` reads.
const COLUMNS: &str = "m.id, m.conversation, m.direction, m.number, m.sent, m.at, m.body,
    c.name, c.session, c.ended IS NOT NULL, c.delivered, c.unsent, p.key, p.address,
    m.settled IS NOT NULL,
    CASE WHEN m.direction = 1 THEN
        (SELECT r.at FROM receipts r WHERE r.conversation = m.conversation AND r.up_to >= m.number
         ORDER BY r.up_to LIMIT 1)
    END";

/// What is read in one go.
const MOST_ENTRIES: usize = 10_000;
const MOST_BYTES: usize = 4 << 20;

/// Which rows are meant.
pub(super) struct Selection {
    condition: String,
    values: Vec<Value>,
    from: &'static str,
    last: Option<i64>,
}

impl Selection {
    /// What `filter` asks for, and `expression` of the index of words.
    pub(super) fn of(
        database: &Connection,
        filter: &HistoryFilter,
        expression: Option<String>,
    ) -> rusqlite::Result<Self> {
        let mut selection = Self {
            condition: "1".to_owned(),
            values: Vec::new(),
            from: "messages m",
            last: filter
                .last
                .map(|last| i64::try_from(last).unwrap_or(i64::MAX)),
        };
        let peers = match &filter.with {
            Some(who) => Some(peers(database, who)?),
            None => None,
        };
        if let Some(mut expression) = expression {
            if let Some(peers) = peers.as_deref().filter(|peers| !peers.is_empty()) {
                expression = words::with_peers(&expression, peers);
            }
            // From the index to the messages, in the order of their ids.
            selection.from = "words CROSS JOIN messages m ON m.id = words.rowid";
            selection.and("words MATCH ?", [Value::Text(expression)]);
        }
        if let Some(peers) = peers {
            selection.with("m.peer", &peers);
        }
        selection.bound(database, filter)?;
        Ok(selection)
    }

    /// Times, and the ids between which that is: in their order everything is read, and the index of
    /// words knows nothing else.
    fn bound(&mut self, database: &Connection, filter: &HistoryFilter) -> rusqlite::Result<()> {
        let id = self.id();
        if let Some(since) = filter.since {
            let at = milliseconds(since);
            let values = [times::since(database, at)?, at].map(Value::Integer);
            self.and(&format!("{id} >= ? AND +m.at >= ?"), values);
        }
        if let Some(until) = filter.until {
            let at = milliseconds(until);
            let values = [times::until(database, at)?, at].map(Value::Integer);
            self.and(&format!("{id} < ? AND +m.at < ?"), values);
        }
        Ok(())
    }

    /// The ids, as the index of words has them where that is read: then it reads no more than it needs.
    fn id(&self) -> &'static str {
        match self.from.starts_with("words") {
            true => "words.rowid",
            false => "m.id",
        }
    }

    /// Own messages of conversations that are over, which were not delivered, and about which
    /// somebody is still to be asked; without what programs other than `own` have taken over.
    pub(super) fn undelivered(
        database: &Connection,
        with: Option<&Who>,
        own: &str,
    ) -> rusqlite::Result<Self> {
        let mut selection = Self {
            condition: "m.direction = 1 AND m.number > c.delivered AND m.settled IS NULL
                AND c.ended IS NOT NULL AND (m.claimed IS NULL OR m.claimed = ?)"
                .to_owned(),
            values: vec![Value::Text(own.to_owned())],
            // From the few conversations to their messages.
            from: "conversations c CROSS JOIN messages m ON m.conversation = c.id",
            last: None,
        };
        if let Some(who) = with {
            selection.with("c.peer", &peers(database, who)?);
        }
        Ok(selection)
    }

    fn with(&mut self, column: &str, peers: &[i64]) {
        let peers: Vec<_> = peers.iter().map(i64::to_string).collect();
        self.and(&format!("{column} IN ({})", peers.join(", ")), []);
    }

    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.condition.push_str(" AND ");
        self.condition.push_str(condition);
        self.values.extend(values);
    }

    /// Reads the entries, the newest last, until `each` has enough. In between nothing is open: what the
    /// log of changes holds could not be taken over while somebody leafs through a pager.
    pub(super) fn visit(
        &self,
        database: &Connection,
        mut each: impl FnMut(Entry) -> ControlFlow<()>,
    ) -> rusqlite::Result<()> {
        let mut after = i64::MIN;
        loop {
            let (entries, is_all) = self.read(database, after)?;
            for entry in entries {
                after = entry.id.0;
                if each(entry).is_break() {
                    return Ok(());
                }
            }
            if is_all {
                return Ok(());
            }
        }
    }

    /// Some of those behind an id, and whether these are all.
    fn read(&self, database: &Connection, after: i64) -> rusqlite::Result<(Vec<Entry>, bool)> {
        let mut statement = database.prepare_cached(&self.query())?;
        let after = Value::Integer(after);
        let values = self.values.iter().chain([&after]);
        let mut rows = statement.query(params_from_iter(values))?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while entries.len() < MOST_ENTRIES && bytes < MOST_BYTES {
            let Some(row) = rows.next()? else {
                return Ok((entries, true));
            };
            let entry = entry(row)?;
            bytes += match &entry.content {
                Content::Text(text) => text.len(),
                Content::Binary(bytes) => bytes.len(),
                Content::Gap(_) => 0,
            };
            entries.push(entry);
        }
        Ok((entries, false))
    }

    fn query(&self) -> String {
        let Self {
            condition, from, ..
        } = self;
        let joined = match from.starts_with("conversations") {
            true => "JOIN peers p ON p.id = m.peer",
            false => "JOIN conversations c ON c.id = m.conversation JOIN peers p ON p.id = m.peer",
        };
        let id = self.id();
        match self.last {
            None => format!(
                "SELECT {COLUMNS} FROM {from} {joined} WHERE {condition} AND {id} > ? ORDER BY {id}"
            ),
            Some(last) => format!(
                "SELECT {COLUMNS} FROM (SELECT {id} AS id FROM {from} WHERE {condition}
                 ORDER BY {id} DESC LIMIT {last}) found
                 JOIN messages m ON m.id = found.id {joined} WHERE m.id > ? ORDER BY m.id"
            ),
        }
    }

    /// Deletes all of them; returns how many messages that were.
    pub(super) fn delete(&self, database: &Connection) -> rusqlite::Result<u64> {
        let Self {
            condition, from, ..
        } = self;
        let id = self.id();
        let last = match self.last {
            None => String::new(),
            Some(last) => format!("ORDER BY {id} DESC LIMIT {last}"),
        };
        let query = format!(
            "DELETE FROM messages WHERE id IN (SELECT {id} FROM {from} WHERE {condition} {last})"
        );
        let deleted = database.execute(&query, params_from_iter(&self.values))?;
        Ok(deleted as u64)
    }
}

/// Those that are meant by a key or a name.
fn peers(database: &Connection, who: &Who) -> rusqlite::Result<Vec<i64>> {
    let (query, value) = match who {
        Who::Key(key) => (
            "SELECT id FROM peers WHERE key = ?1",
            Value::Blob(key.as_bytes().to_vec()),
        ),
        Who::Fingerprint(fingerprint) => return holders(database, *fingerprint),
        Who::Name(name) => (
            "SELECT peer FROM conversations WHERE name = ?1 COLLATE NOCASE
             UNION SELECT id FROM peers WHERE address = ?1",
            Value::Text(name.clone()),
        ),
    };
    let mut statement = database.prepare(query)?;
    let peers = statement.query_map([value], |row| row.get(0))?;
    peers.collect()
}

/// The holder of the key with this fingerprint, which is not kept: it follows from the key.
fn holders(database: &Connection, fingerprint: Fingerprint) -> rusqlite::Result<Vec<i64>> {
    let mut statement = database.prepare("SELECT id, key FROM peers WHERE key IS NOT NULL")?;
    let peers = statement.query_map([], |row| Ok((row.get(0)?, PublicKey(row.get(1)?))))?;
    let mut found = Vec::new();
    for peer in peers {
        let (id, key) = peer?;
        if key.fingerprint() == fingerprint {
            found.push(id);
        }
    }
    Ok(found)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let direction: i64 = row.get(2)?;
    let number: i64 = row.get::<_, Option<i64>>(3)?.unwrap_or(0);
    let at = row.get(5)?;
    let key = row.get::<_, Option<[u8; 32]>>(12)?.map(PublicKey);
    let fate = match direction {
        1 => own_fate(row, number, key.is_none())?,
        _ => Fate::Received,
    };
    let receipt = row
        .get::<_, Option<i64>>(15)?
        .filter(|_| fate == Fate::Delivered);
    let content = match row.get_ref(6)? {
        ValueRef::Blob(bytes) if direction == 2 => {
            let number = bytes.try_into().map_or(0, u64::from_le_bytes);
            Content::Gap(number)
        }
        ValueRef::Blob(bytes) => Content::Binary(bytes.to_vec()),
        other => Content::Text(String::from_utf8_lossy(other.as_bytes()?).into_owned()),
    };
    Ok(Entry {
        id: EntryId(row.get(0)?),
        peer: PastPeer {
            name: row.get(7)?,
            key,
            address: row.get(13)?,
        },
        conversation: row.get(1)?,
        session: row.get(8)?,
        number: number.try_into().unwrap_or(0),
        fate,
        content,
        is_settled: row.get(14)?,
        sent_at: time(row.get(4)?),
        delivered_at: match fate {
            Fate::Received => Some(time(at)),
            _ => receipt.map(time),
        },
    })
}

fn own_fate(row: &Row<'_>, number: i64, is_plain: bool) -> rusqlite::Result<Fate> {
    let ended: bool = row.get(9)?;
    let delivered: i64 = row.get(10)?;
    let unsent: Option<i64> = row.get(11)?;
    Ok(match (number <= delivered, ended) {
        (true, _) if !is_plain => Fate::Delivered,
        (true, _) => Fate::Unknown,
        (false, false) if !is_plain => Fate::Pending,
        (false, false) => Fate::Unknown,
        (false, true) if unsent.is_some_and(|unsent| number >= unsent) => Fate::Unsent,
        (false, true) => Fate::Unconfirmed,
    })
}
