//! Scratch: a temporary schema that `tidemill bench` creates next to the one in use, and removes at the end.
//! Must never drop a schema that it did not create: it marks its schemas by a comment on them.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::hosts::Hosts;
use super::migrate::migrate;
use super::session_settings::quoted;
use crate::store::{Error, Options, Result, Store};

/// The comment on such a schema.
const MARK: &str = "made by tidemill bench, which removes it";

/// Makes the schema of the options with all tables; one that an earlier run left behind is removed first.
///
/// # Errors
/// When the database fails, or the schema is there and is not from `tidemill bench`.
pub async fn create_scratch(options: &Options) -> Result<()> {
    let Some(url) = options.direct_url() else {
        return Err(Error::UnfitDatabase(
            "measure on a direct connection to Postgres, not through a pooler".into(),
        ));
    };
    let connect = Hosts::direct(options, url, &[])?.find().await?.application_name("tidemill bench");
    let mut connection = PgConnection::connect_with(&connect).await?;
    let outcome = recreate(&mut connection, &options.schema).await;
    let _ = connection.close().await;
    outcome?;
    migrate(options).await
}

async fn recreate(connection: &mut PgConnection, schema: &str) -> Result<()> {
    let mut transaction = connection.begin().await?;
    let found: Option<Option<String>> = sqlx::query_scalar(
        "select obj_description(oid, 'pg_namespace')
         from pg_namespace
         where nspname = $1",
    )
    .bind(schema)
    .fetch_optional(&mut *transaction)
    .await?;
    let name = quoted(schema);
    let drop = match found {
        None => String::new(),
        Some(comment) if comment.as_deref() == Some(MARK) => format!("drop schema {name} cascade;"),
        Some(_) => {
            return Err(Error::UnfitDatabase(format!(
                "the schema {schema} is there and was not made by tidemill bench: name another with --schema"
            )));
        }
    };
    let statement = format!("{drop} create schema {name}; comment on schema {name} is '{MARK}'");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

impl Store {
    /// Bytes of WAL that the server has written so far, by all its databases.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wal_bytes(&self) -> Result<f64> {
        let bytes = sqlx::query_scalar!(
            r#"select (pg_current_wal_insert_lsn() - '0/0')::double precision as "bytes!""#
        );
        Ok(bytes.fetch_one(self.pool()).await?)
    }

    /// Vacuums and analyzes the live jobs, as autovacuum does sooner or later, so that it does not start in
    /// the middle of a measurement.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle_tables(&self) -> Result<()> {
        sqlx::query("vacuum (analyze) jobs_live, jobs, running, stats_deltas").execute(self.pool()).await?;
        Ok(())
    }
}
