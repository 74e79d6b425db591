//! Migrate: brings the schema to what this binary knows, under an advisory lock, over a short-lived
//! connection of its own. Never touches a schema that is newer than the binary.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use tokio_postgres::{Client, NoTls};

use super::{Error, Options, Result, Store};

mod embedded {
    refinery::embed_migrations!("migrations");
}

const FUNCTIONS: &str = include_str!("../../migrations/functions.sql");
const VIEWS: &str = include_str!("../../migrations/views.sql");
/// Any number, the same in every binary: "tide".
const LOCK: i64 = 0x7469_6465;

/// The latest migration that this binary knows.
#[must_use]
pub fn known_version() -> i32 {
    let runner = embedded::migrations::runner();
    runner.get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0)
}

/// Creates the schema if needed, runs what is missing of the migrations, replaces functions and views,
/// and makes the day partitions. Safe to run from several processes at once and again at any time.
///
/// # Errors
/// When the database fails, or the schema is newer than this binary can use.
pub async fn migrate(options: &Options) -> Result<()> {
    let url = options.listen_url.as_ref().unwrap_or(&options.url);
    let (mut client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(migration_error)?;
    let connection = tokio::spawn(connection);
    let outcome = run(&mut client, &options.schema).await;
    // Ending the session releases the advisory lock.
    drop(client);
    let _ = connection.await;
    outcome
}

async fn run(client: &mut Client, schema: &str) -> Result<()> {
    let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
    client
        .batch_execute(&format!(
            "set client_min_messages = warning;
             select pg_advisory_lock({LOCK});
             create schema if not exists {quoted};
             set search_path = {quoted};"
        ))
        .await
        .map_err(migration_error)?;
    let found = found_version(client).await?;
    let known = known_version();
    if found > known {
        // Newer than this binary; the store's own check says whether it can be used as it is.
        return Ok(());
    }
    if found < known {
        tracing::info!(schema, from = found, to = known, "migrating");
        embedded::migrations::runner()
            .run_async(client)
            .await
            .map_err(|error| Error::Migration(error.to_string()))?;
    }
    replace_verbs(client).await?;
    client.batch_execute("select ensure_partitions()").await.map_err(migration_error)
}

async fn found_version(client: &Client) -> Result<i32> {
    let exists: bool = client
        .query_one("select to_regclass('refinery_schema_history') is not null", &[])
        .await
        .map_err(migration_error)?
        .get(0);
    if !exists {
        return Ok(0);
    }
    Ok(client
        .query_one("select coalesce(max(version), 0) from refinery_schema_history", &[])
        .await
        .map_err(migration_error)?
        .get(0))
}

/// Replaces functions and views whole, in one transaction, if they are not this binary's already.
async fn replace_verbs(client: &mut Client) -> Result<()> {
    let digest = Sha256::digest(format!("{FUNCTIONS}{VIEWS}"));
    let digest = BASE64_STANDARD.encode(digest);
    let transaction = client.transaction().await.map_err(migration_error)?;
    let installed: Option<String> = transaction
        .query_one("select verbs_digest from schema_compatibility", &[])
        .await
        .map_err(migration_error)?
        .get(0);
    if installed.as_ref() == Some(&digest) {
        return Ok(());
    }
    transaction
        .batch_execute(
            "do $$
             declare
               old text;
             begin
               loop
                 -- One after the other, those on which no other view rests first.
                 select v.viewname into old
                 from pg_views v
                 where v.schemaname = current_schema()
                   and not exists (
                     select 1
                     from pg_depend d
                     join pg_rewrite r on r.oid = d.objid
                     where d.refobjid = format('%I.%I', v.schemaname, v.viewname)::regclass
                       and r.ev_class <> d.refobjid)
                 limit 1;
                 exit when not found;
                 execute format('drop view %I', old);
               end loop;
             end $$",
        )
        .await
        .map_err(migration_error)?;
    transaction.batch_execute(FUNCTIONS).await.map_err(migration_error)?;
    transaction.batch_execute(VIEWS).await.map_err(migration_error)?;
    transaction
        .execute("update schema_compatibility set verbs_digest = $1", &[&digest])
        .await
        .map_err(migration_error)?;
    transaction.commit().await.map_err(migration_error)
}

impl Store {
    /// Refuses a schema that this binary cannot use: missing, older, or newer without saying that it
    /// still serves this binary.
    ///
    /// # Errors
    /// [`Error::UnknownSchema`], or when the database fails.
    pub async fn check_schema(&self) -> Result<()> {
        let known = known_version();
        let refuse = |found, advice| Error::UnknownSchema {
            schema: self.options().schema.clone(),
            found,
            known,
            advice,
        };
        let found: Option<i32> = match sqlx::query_scalar("select max(version) from refinery_schema_history")
            .fetch_one(self.pool())
            .await
        {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => None,
            other => other?,
        };
        let found = found.unwrap_or(0);
        if found < known {
            return Err(refuse(found, "run `tidemill migrate` first"));
        }
        let oldest: i32 = sqlx::query_scalar!("select oldest_binary from schema_compatibility")
            .fetch_one(self.pool())
            .await?;
        if oldest > known {
            return Err(refuse(found, "use the version of tidemill that migrated it, or a newer one"));
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn migration_error(error: tokio_postgres::Error) -> Error {
    Error::Migration(chain(&error))
}

/// An error with its causes: the drivers' own texts only say "db error", what Postgres said is below.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
