//! Migrate: brings the schema to the version of this binary, under an advisory lock, over a
//! short-lived connection of its own. Must never touch a schema that is newer than the binary.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgExecutor, Row};

use super::commit_probe::commits_alone;
use super::database;
use super::error::words;
use super::hosts::Hosts;
use super::migration_driver::Driver;
use super::session_settings::{opening, pin, quoted};
use crate::store::rights::{self, GRANTS};
use crate::store::{Error, Options, Result, Store};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// In this order: functions in SQL call only earlier ones.
const FUNCTIONS: &[&str] = &[
    include_str!("../../../migrations/functions/shared/common.sql"),
    include_str!("../../../migrations/functions/shared/notify.sql"),
    include_str!("../../../migrations/functions/shared/redact.sql"),
    include_str!("../../../migrations/functions/shared/sealing.sql"),
    include_str!("../../../migrations/functions/shared/deployments.sql"),
    include_str!("../../../migrations/functions/jobs/events.sql"),
    include_str!("../../../migrations/functions/jobs/feed.sql"),
    include_str!("../../../migrations/functions/shared/audit.sql"),
    include_str!("../../../migrations/functions/jobs/unique.sql"),
    include_str!("../../../migrations/functions/limits/limits.sql"),
    include_str!("../../../migrations/functions/limits/bounded_queues.sql"),
    include_str!("../../../migrations/functions/attempts/register.sql"),
    include_str!("../../../migrations/functions/attempts/failures.sql"),
    include_str!("../../../migrations/functions/limits/pick_from_groups.sql"),
    include_str!("../../../migrations/functions/limits/claim_limited.sql"),
    include_str!("../../../migrations/functions/jobs/insert_jobs.sql"),
    include_str!("../../../migrations/functions/jobs/enqueue.sql"),
    include_str!("../../../migrations/functions/attempts/settle.sql"),
    include_str!("../../../migrations/functions/attempts/sweep.sql"),
    include_str!("../../../migrations/functions/attempts/complete.sql"),
    include_str!("../../../migrations/functions/workflows/dependencies.sql"),
    include_str!("../../../migrations/functions/workflows/end_workflow.sql"),
    include_str!("../../../migrations/functions/workflows/resolve.sql"),
    include_str!("../../../migrations/functions/jobs/expire.sql"),
    include_str!("../../../migrations/functions/attempts/extend.sql"),
    include_str!("../../../migrations/functions/workflows/workflows.sql"),
    include_str!("../../../migrations/functions/workflows/retry_dependents.sql"),
    include_str!("../../../migrations/functions/jobs/cancel.sql"),
    include_str!("../../../migrations/functions/jobs/retry.sql"),
    include_str!("../../../migrations/functions/jobs/reschedule.sql"),
    include_str!("../../../migrations/functions/jobs/delete.sql"),
    include_str!("../../../migrations/functions/jobs/durable.sql"),
    include_str!("../../../migrations/functions/jobs/bulk.sql"),
    include_str!("../../../migrations/functions/jobs/change_job.sql"),
    include_str!("../../../migrations/functions/operations/steps.sql"),
    include_str!("../../../migrations/functions/operations/operations.sql"),
    include_str!("../../../migrations/functions/jobs/queue_place.sql"),
    include_str!("../../../migrations/functions/jobs/explain.sql"),
    include_str!("../../../migrations/functions/limits/queues.sql"),
    include_str!("../../../migrations/functions/attempts/workers.sql"),
    include_str!("../../../migrations/functions/maintenance/stats.sql"),
    include_str!("../../../migrations/functions/maintenance/partitions.sql"),
    include_str!("../../../migrations/functions/maintenance/retention.sql"),
    include_str!("../../../migrations/functions/jobs/artifacts.sql"),
    include_str!("../../../migrations/functions/maintenance/schedules.sql"),
    include_str!("../../../migrations/functions/maintenance/due.sql"),
    include_str!("../../../migrations/functions/shared/schema_drift.sql"),
    include_str!("../../../migrations/functions/shared/rights.sql"),
    include_str!("../../../migrations/functions/maintenance/doctor.sql"),
    include_str!("../../../migrations/functions/maintenance/alerts.sql"),
    include_str!("../../../migrations/functions/maintenance/report.sql"),
    include_str!("../../../migrations/functions/shared/logins.sql"),
    include_str!("../../../migrations/functions/shared/tokens.sql"),
];
const VIEWS: &str = include_str!("../../../migrations/views.sql");
/// An arbitrary number, the same in every binary: "tide".
const LOCK: i64 = 0x7469_6465;

/// The latest migration that this binary knows.
#[must_use]
pub fn known_version() -> i32 {
    let runner = embedded::migrations::runner();
    runner.get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0)
}

/// Creates the schema if needed, runs the missing migrations, replaces functions and views, and creates the
/// day partitions. Safe to run in several processes at once and at any time again.
///
/// # Errors
/// When the database fails, or the schema is newer than this binary can use.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), tidemill::Error> {
/// use tidemill::{Options, migrate};
///
/// // Each process may call it at its start: the first one migrates, the others find nothing to do.
/// let options = Options { schema: "jobs".into(), ..Options::new("postgres://app@localhost/shop") };
/// migrate(&options).await
/// # }
/// ```
pub async fn migrate(options: &Options) -> Result<()> {
    let hosts = match options.direct_url() {
        Some(url) => Hosts::direct(options, url, &[("synchronous_commit", "on")])?,
        None => Hosts::pooled(options)?,
    };
    // A migration can take long, and its text would fill the log.
    let connect = hosts.find().await?.application_name("tidemill migrate").disable_statement_logging();
    let mut connection = PgConnection::connect_with(&connect).await?;
    let outcome = if options.direct_url().is_some() {
        commits_alone(&mut connection).await?;
        in_session(&mut connection, &options.schema).await
    } else {
        in_transaction(&mut connection, options).await
    };
    // Ending the session releases the advisory lock.
    let _ = connection.close().await;
    outcome
}

/// Each migration in a transaction of its own.
async fn in_session(connection: &mut PgConnection, schema: &str) -> Result<()> {
    pin(connection).await?;
    database::prepare(connection, schema, false, LOCK).await?;
    run(connection, schema).await
}

/// All in one transaction: behind a pooler, a lock or a session setting would stay with another client.
async fn in_transaction(connection: &mut PgConnection, options: &Options) -> Result<()> {
    let mut transaction = connection.begin_with(opening(options, &[("synchronous_commit", "on")])).await?;
    database::prepare(&mut transaction, &options.schema, true, LOCK).await?;
    run(&mut transaction, &options.schema).await?;
    Ok(transaction.commit().await?)
}

async fn run(connection: &mut PgConnection, schema: &str) -> Result<()> {
    let found = found_version(connection, schema).await?;
    let known = known_version();
    if found > known {
        // The schema is newer than this binary; the store's own check decides whether the binary can use it.
        return Ok(());
    }
    if found < known {
        tracing::info!(schema, from = found, to = known, "migrating");
        embedded::migrations::runner()
            .run_async(&mut Driver(connection))
            .await
            .map_err(|error| Error::Migration(chain(&error)))?;
    }
    replace_verbs(connection, found < known).await?;
    rights::settle(connection, schema).await?;
    // The database may have been restored from a dump of another cluster.
    connection.execute("select note_foreign_rows()").await?;
    match make_partitions(connection).await {
        Err(error) if found > 0 && error.is_lock_timeout() => {
            tracing::warn!(
                "partitions for the coming days are not created yet, because a reader holds a lock on the \
                 jobs; maintenance creates them"
            );
            Ok(())
        }
        other => other,
    }
}

async fn make_partitions(connection: &mut PgConnection) -> Result<()> {
    let mut transaction = connection.begin().await?;
    transaction.execute("select ensure_partitions()").await?;
    Ok(transaction.commit().await?)
}

async fn found_version(connection: &mut PgConnection, schema: &str) -> Result<i32> {
    let exists = connection.fetch_one("select to_regclass('refinery_schema_history') is not null").await?;
    if !exists.get::<bool, _>(0) {
        // An object that the login may not see looks as if it did not exist.
        rights::may_use(&mut *connection, schema).await?;
        return Ok(0);
    }
    let asked = "select coalesce(max(version), 0) from refinery_schema_history";
    match connection.fetch_one(asked).await {
        Ok(version) => Ok(version.get(0)),
        Err(error) => Err(rights::refused(error, connection, schema).await),
    }
}

/// Replaces all functions and views in one transaction, unless they are already those of this or a newer
/// binary.
async fn replace_verbs(connection: &mut PgConnection, migrated: bool) -> Result<()> {
    let digest = BASE64_STANDARD.encode(Sha256::digest(format!("{}{VIEWS}{GRANTS}", FUNCTIONS.concat())));
    let verbs = format!("{} {digest}", env!("CARGO_PKG_VERSION"));
    let mut transaction = connection.begin().await?;
    let installed = transaction.fetch_one("select verbs_digest from schema_compatibility").await?;
    if let Some(installed) = installed.get::<Option<String>, _>(0) {
        // The functions of a newer binary work with this one too; replacing them with ours would break the
        // newer binary.
        let serve = installed == verbs || release(&installed) > release(&verbs);
        if serve && !name_another_schema(&mut *transaction).await? {
            return Ok(());
        }
    }
    for statements in [DROP_VIEWS].iter().chain(FUNCTIONS).chain(&[VIEWS, GRANTS]) {
        transaction.execute(sqlx::raw_sql(*statements)).await?;
    }
    let keep = format!("select keep_shape({migrated})");
    transaction.execute(sqlx::raw_sql(AssertSqlSafe(keep))).await?;
    sqlx::query("update schema_compatibility set verbs_digest = $1")
        .bind(verbs)
        .persistent(false)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Whether functions of this schema work on another one: it was renamed after they were made.
async fn name_another_schema(executor: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "select exists (
           select
           from pg_proc p
           join pg_namespace n on n.oid = p.pronamespace
           cross join unnest(p.proconfig) as c (setting)
           where n.nspname = current_schema()
             and c.setting like 'search_path=%'
             and (regexp_match(c.setting, '^search_path=\"?([^\",]+)'))[1] <> current_schema())",
    )
    .persistent(false)
    .fetch_one(executor)
    .await
}

/// The release that functions and views came with, such as `[0, 1, 0]`.
fn release(verbs: &str) -> Vec<u32> {
    let version = verbs.split_once(' ').map_or("", |(version, _)| version);
    version.split(['.', '-']).map_while(|part| part.parse().ok()).take(3).collect()
}

/// Drops all views of the schema one by one, starting with those that no other view uses.
const DROP_VIEWS: &str = "
do $$
declare
  old text;
begin
  loop
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
end $$";

impl Store {
    /// Drops the schema with everything in it: for tests, and for `tidemill bench`, which made it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_schema(&self) -> Result<()> {
        let mut transaction = self.pool().begin().await?;
        // Suppresses the notice that counts the dropped objects.
        sqlx::query("set local client_min_messages = warning").execute(transaction.connection()).await?;
        let statement = format!("drop schema {} cascade", quoted(&self.options().schema));
        sqlx::query(AssertSqlSafe(statement)).execute(transaction.connection()).await?;
        Ok(transaction.commit().await?)
    }

    /// Refuses a schema that this binary cannot use: missing, older, or newer without support for this
    /// binary.
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
        let schema = &self.options().schema;
        let found: Option<i32> = match sqlx::query_scalar("select max(version) from refinery_schema_history")
            .fetch_one(self.pool())
            .await
        {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {
                // An object that the login may not see looks as if it did not exist.
                rights::may_use(self.pool(), schema).await?;
                None
            }
            Err(error) => return Err(rights::refused(error, self.pool(), schema).await),
            Ok(found) => found,
        };
        let found = found.unwrap_or(0);
        if found < known {
            return Err(refuse(found, "run `tidemill migrate` first"));
        }
        let row = match sqlx::query!("select oldest_binary, verbs_digest from schema_compatibility")
            .fetch_one(self.pool())
            .await
        {
            Ok(row) => row,
            Err(error) => return Err(rights::refused(error, self.pool(), schema).await),
        };
        if row.verbs_digest.is_none() {
            return Err(refuse(found, "its functions are missing; run `tidemill migrate` again"));
        }
        if name_another_schema(self.pool()).await? {
            let advice =
                "its functions work on another schema, for it was renamed; run `tidemill migrate` again";
            return Err(refuse(found, advice));
        }
        let oldest = row.oldest_binary;
        if oldest > known {
            return Err(refuse(found, "use the version of tidemill that migrated it, or a newer one"));
        }
        Ok(())
    }
}

/// An error with its causes: refinery's own text only says which migration failed.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(database) = error.downcast_ref::<sqlx::Error>() {
            // The message of Postgres is the last cause; the text before may already contain it.
            let (raw, shown) = (database.to_string(), words(database));
            return if text.contains(&raw) { text.replace(&raw, &shown) } else { format!("{text}: {shown}") };
        }
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::release;

    #[test]
    fn releases_are_compared_as_numbers() {
        assert!(release("0.10.0 x") > release("0.9.12 y"));
        assert!(release("1.0.0-rc.1 x") > release("0.9.0 y"));
        assert!(release("0.1.0 x") > release("a digest of before"));
        assert_eq!(release("0.1.0 x"), release("0.1.0 y"));
    }
}
