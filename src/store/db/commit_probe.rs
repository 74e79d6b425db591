//! Checks whether the server at the database's URL commits writes. Some proxies open a transaction before a
//! writing statement and leave it open: they report every write as successful, but none is committed. Such a
//! connection must never be used.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, query, query_scalar};

/// The message about a server that does not commit.
const REFUSAL: &str = "the server at this URL leaves a transaction open after each statement that writes, and never commits it: everything stored through it would be lost. pgpool-II does so in raw mode: set backend_clustering_mode = 'streaming_replication' in its pgpool.conf, or let database.url name Postgres itself";

/// Checks that a writing statement, sent alone, is committed when it is answered.
///
/// # Errors
/// If it is not, or the connection breaks.
pub(crate) async fn commits_alone(connection: &mut PgConnection) -> sqlx::Result<()> {
    // A busy pgpool was seen to commit one statement but not the next.
    for _ in 0..2 {
        commits_one(connection).await?;
    }
    Ok(())
}

async fn commits_one(connection: &mut PgConnection) -> sqlx::Result<()> {
    // Every login can do this, in every database, even before any table exists, and it changes nothing. A
    // server that forbids it, or a standby, answers with an error; an unrequested open transaction is visible
    // after the error too.
    let wrote = query("update pg_catalog.pg_settings set setting = setting where false")
        .persistent(false)
        .execute(&mut *connection)
        .await;
    if let Err(error) = wrote
        && error.as_database_error().is_none()
    {
        return Err(error);
    }
    // Both statements return the same if they run in one transaction.
    let first = now(connection).await?;
    if first == now(connection).await? {
        return Err(refusal());
    }
    Ok(())
}

async fn now(connection: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
    let asked = query_scalar("select pg_catalog.now()").persistent(false).fetch_one(connection).await;
    asked.map_err(|error| {
        // The unrequested transaction has failed.
        let is_its = error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("25P02"));
        if is_its { refusal() } else { error }
    })
}

fn refusal() -> sqlx::Error {
    sqlx::Error::Configuration(REFUSAL.into())
}
