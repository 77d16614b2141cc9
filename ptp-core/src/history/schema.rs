//! The tables, and how they came to be: a migration for each version of the schema.

use rusqlite::{Connection, TransactionBehavior};

/// What is done to reach version 1, 2 and so on. None is ever changed: histories were made with it.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql")];

/// Stands in the header of the file, so that no other program's database is taken for a history
/// ("PTPh").
pub(super) const APPLICATION: i64 = 0x5054_5068;

/// What is wrong with the schema of a database.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It is another program's.
    Foreign,
    /// Its version is newer than the newest that is known.
    Newer {
        found: i64,
        known: i64,
    },
    /// Its file is no longer where it was.
    Gone,
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Brings the schema to the newest of the `migrations`, all or nothing.
pub(super) fn migrate(database: &mut Connection, migrations: &[&str]) -> Result<(), Unfit> {
    let known = migrations.len() as i64;
    match version(database)? {
        found if found > known => return Err(Unfit::Newer { found, known }),
        found if found == known => return Ok(()),
        _ => {}
    }
    // Another program may be about the same: only who holds the lock knows the version.
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    for migration in migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", known.max(found))?;
    transaction.commit()?;
    Ok(())
}

/// Whether it is still of the newest known version: a newer program may have brought it further since.
pub(super) fn check(database: &Connection) -> Result<(), Unfit> {
    let known = MIGRATIONS.len() as i64;
    let found = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found > known {
        true => Err(Unfit::Newer { found, known }),
        false => Ok(()),
    }
}

/// The version of the schema: 0 of an empty database.
fn version(database: &Connection) -> Result<i64, Unfit> {
    let number = |pragma| database.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let tables: i64 =
        database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match number("application_id")? {
        APPLICATION => Ok(number("user_version")?),
        0 if tables == 0 => Ok(0),
        _ => Err(Unfit::Foreign),
    }
}
