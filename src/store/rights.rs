//! Rights: grants missing rights, judged by the present grants, and reports what a login may not
//! do. Must never stop a start because of another login's rights.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Postgres, Row};

use super::db::session_settings::quoted;
use super::{Error, Result};

/// The grants of all roles.
pub(super) const GRANTS: &str = include_str!("../../migrations/grants.sql");

/// Null unless the login is a member of the role without inheriting its rights; then whether a grant says who inherits.
const UNUSED_MEMBERSHIP: &str = "(select current_setting('server_version_num')::integer >= 160000
     from pg_roles
     where rolname = 'tidemill_worker' and pg_has_role(oid, 'member') and not pg_has_role(oid, 'usage'))";

/// Makes the grants that are missing, if the login owns the schema; says which roles are not there.
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
    let row = match connection.fetch_one(sqlx::raw_sql(asked)).await {
        Ok(row) => row,
        Err(error) => return Err(refused(error, &mut *connection, schema).await),
    };
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

/// The same error, or in words of what to do where a right is missing.
pub(super) async fn refused<'e>(
    error: sqlx::Error,
    database: impl Executor<'e, Database = Postgres>,
    schema: &str,
) -> Error {
    let message = match &error {
        sqlx::Error::Database(error) if error.code().as_deref() == Some("42501") => {
            error.message().to_owned()
        }
        _ => return error.into(),
    };
    let asked = format!("select current_user::text, {UNUSED_MEMBERSHIP}");
    let row = sqlx::raw_sql(AssertSqlSafe(asked)).fetch_one(database).await;
    let (login, unused): (String, Option<bool>) =
        row.map_or_else(|_| ("of the database URL".into(), None), |row| (row.get(0), row.get(1)));
    let advice = advice(schema, &login, unused);
    Error::Forbidden { login, act: format!("use schema {schema} ({message})"), advice }
}

/// Whether the login may use the schema; true if the schema does not exist.
pub(super) async fn may_use<'e>(
    database: impl Executor<'e, Database = Postgres>,
    schema: &str,
) -> Result<()> {
    let literal = schema.replace('\'', "''");
    let asked = format!(
        "select current_user::text, {UNUSED_MEMBERSHIP}
         from pg_namespace
         where nspname = '{literal}'
           and not has_schema_privilege(oid, 'usage')"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(asked)).fetch_optional(database).await?;
    row.map_or(Ok(()), |row| {
        let (login, unused): (String, Option<bool>) = (row.get(0), row.get(1));
        let advice = advice(schema, &login, unused);
        Err(Error::Forbidden { login, act: format!("use schema {schema}"), advice })
    })
}

/// `unused` is the answer of [`UNUSED_MEMBERSHIP`].
fn advice(schema: &str, login: &str, unused: Option<bool>) -> String {
    let (schema, login) = (quoted(schema), quoted(login));
    let not_inherited = "it is a member of tidemill_worker but does not inherit its rights";
    match unused {
        Some(true) => format!("{not_inherited}: grant tidemill_worker to {login} with inherit true"),
        Some(false) => format!("{not_inherited}: alter role {login} inherit"),
        None => format!(
            "grant it tidemill_worker (grant tidemill_worker to LOGIN), after the owner of schema {schema} ran `tidemill migrate`"
        ),
    }
}
