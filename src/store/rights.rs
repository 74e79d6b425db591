//! Rights: grants missing rights, judged by the present grants, and reports what a login may not
//! do. Must never stop a start because of another login's rights.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Postgres, Row};

use super::db::migrate::GRANTS;
use super::db::session_settings::quoted;
use super::{Error, Result};

/// Grants missing rights, if the login owns the schema; logs which roles do not exist.
pub(super) async fn settle(connection: &mut PgConnection, schema: &str) -> Result<()> {
    // A newer binary's schema may lack the objects queried here.
    let known =
        connection.fetch_one(sqlx::raw_sql("select to_regprocedure('lacks_grants()') is not null")).await?;
    if !known.get::<bool, _>(0) {
        return Ok(());
    }
    let asked = "select lacks_grants(), pg_has_role(nspowner, 'usage'),
                   (select string_agg(r.name, ', ') from missing_roles() r (name)), current_user::text
                 from pg_namespace
                 where nspname = current_schema()";
    let row = connection.fetch_one(sqlx::raw_sql(asked)).await.map_err(|error| refused(error, schema))?;
    let (lacks, owns, mut missing): (bool, bool, Option<String>) = (row.get(0), row.get(1), row.get(2));
    let login: String = row.get(3);
    if owns {
        let mut transaction = connection.begin().await?;
        if lacks {
            transaction.execute(sqlx::raw_sql(GRANTS)).await?;
            tracing::info!(schema, "some grants were missing; all grants to the roles were renewed");
        }
        transaction.execute(sqlx::raw_sql("select renew_shape()")).await?;
        transaction.commit().await?;
        let asked = "select string_agg(r.name, ', ') from missing_roles() r (name)";
        missing = connection.fetch_one(sqlx::raw_sql(asked)).await?.get(0);
    } else if lacks {
        tracing::warn!(
            schema,
            login,
            "grants are missing, and this login does not own the schema; its owner must run `tidemill \
             migrate`"
        );
    }
    if let Some(missing) = missing {
        tracing::warn!(
            login,
            "these roles do not exist, and this login is not allowed to create them: {missing}; only the \
             owner of the schema has rights until an administrator creates them (`create role … nologin`) \
             and runs `tidemill migrate`"
        );
    }
    Ok(())
}

/// The same error, or one with advice if a right is missing.
pub(super) fn refused(error: sqlx::Error, schema: &str) -> Error {
    match &error {
        sqlx::Error::Database(said) if said.code().as_deref() == Some("42501") => Error::Forbidden {
            login: "of the database URL".into(),
            act: format!("use schema {schema} ({})", said.message()),
            advice: advice(schema),
        },
        _ => error.into(),
    }
}

/// Whether the login may use the schema; true if the schema does not exist.
pub(super) async fn may_use<'e>(
    database: impl Executor<'e, Database = Postgres>,
    schema: &str,
) -> Result<()> {
    let literal = schema.replace('\'', "''");
    let asked = format!(
        "select current_user::text
         from pg_namespace
         where nspname = '{literal}'
           and not has_schema_privilege(oid, 'usage')"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(asked)).fetch_optional(database).await?;
    row.map_or(Ok(()), |row| {
        Err(Error::Forbidden {
            login: row.get(0),
            act: format!("use schema {schema}"),
            advice: advice(schema),
        })
    })
}

fn advice(schema: &str) -> String {
    format!(
        "grant it tidemill_worker (grant tidemill_worker to LOGIN), after the owner of schema {} ran `tidemill migrate`",
        quoted(schema)
    )
}
