//! The requirements on a database before anything is created in it, and the schema itself. Must
//! never ask for a right that it does not need: if the schema exists, nothing creates it.

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::session_settings::quoted;
use crate::store::{Error, Result};

/// Waits for other migrations, and prepares a session, or its transaction, to work in the schema.
pub(crate) async fn prepare(
    connection: &mut PgConnection,
    schema: &str,
    local: bool,
    lock: i64,
) -> Result<()> {
    let (set, kept) = if local { ("set local", "_xact") } else { ("set", "") };
    let path = quoted(schema);
    let calm = format!(
        "{set} client_min_messages = warning;
         {set} statement_timeout = 0;
         {set} lock_timeout = 0;
         {set} idle_in_transaction_session_timeout = 0;"
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(calm))).await?;
    can_hold_text(connection).await?;
    let alone = format!("select pg_advisory{kept}_lock({lock})");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(alone))).await?;
    make_schema(connection, schema).await?;
    let enter = format!("{set} search_path = {path}");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(enter))).await?;
    Ok(())
}

/// A database with another encoding than UTF-8 would later refuse some characters of Tidemill or of jobs.
async fn can_hold_text(connection: &mut PgConnection) -> Result<()> {
    let asked = "select current_database()::text, pg_encoding_to_char(encoding)::text
                 from pg_database
                 where datname = current_database()";
    let row = connection.fetch_one(sqlx::raw_sql(asked)).await?;
    let (database, encoding): (String, String) = (row.get(0), row.get(1));
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(Error::UnfitDatabase(format!(
        "the database {database} has the encoding {encoding}, but UTF8 is needed; create one with create \
         database {database}_utf8 encoding 'UTF8' template template0"
    )))
}

async fn make_schema(connection: &mut PgConnection, schema: &str) -> Result<()> {
    let literal = schema.replace('\'', "''");
    let there = format!("select exists (select from pg_namespace where nspname = '{literal}')");
    let there = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(there))).await?;
    if there.get::<bool, _>(0) {
        return Ok(());
    }
    let make = format!("create schema {}", quoted(schema));
    match connection.execute(sqlx::raw_sql(AssertSqlSafe(make))).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => {
            let who = "select current_user::text, current_database()::text";
            let row = connection.fetch_one(sqlx::raw_sql(who)).await;
            let (login, database): (String, String) =
                row.map_or_else(|_| ("of the URL".into(), "it names".into()), |row| (row.get(0), row.get(1)));
            Err(made_by_owner(login, &database, schema))
        }
        other => Ok(other.map(|_| ())?),
    }
}

fn made_by_owner(login: String, database: &str, schema: &str) -> Error {
    Error::Forbidden {
        act: format!("make the schema {schema} in the database {database}"),
        advice: format!("as its owner: create schema {} authorization {}", quoted(schema), quoted(&login)),
        login,
    }
}
