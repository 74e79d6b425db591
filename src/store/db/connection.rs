//! One connection as the verbs use it, in a transaction of the caller's or alone. Behind a pooler
//! in transaction mode its statements are unnamed, because a name is known to one session only, and
//! never outside a transaction, because a statement parsed in one session may run in another.

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{
    AssertSqlSafe, Connection as _, Describe, Either, Execute, Executor, PgConnection, Postgres, Row,
    SqlSafeStr as _, SqlStr,
};

use super::silence::Sentry;

/// A connection on which statements run.
#[derive(Debug)]
pub struct Connection<'c> {
    inner: &'c mut PgConnection,
    mode: StatementMode,
    sentry: Sentry,
}

/// How statements run.
#[derive(Debug, Clone)]
enum StatementMode {
    /// Directly: the session is ours.
    Plain,
    /// Unnamed, in the open transaction.
    Unnamed,
    /// Unnamed, each in a transaction of its own that starts with these statements.
    Apart(SqlStr),
}

impl Connection<'_> {
    /// Reborrows the connection for one more statement.
    pub fn reborrow(&mut self) -> Connection<'_> {
        Connection { inner: self.inner, mode: self.mode.clone(), sentry: self.sentry.clone() }
    }

    /// A savepoint of the open transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn savepoint(&mut self) -> sqlx::Result<Transaction<'_>> {
        let unnamed = !matches!(self.mode, StatementMode::Plain);
        let begun = self.sentry.watch(self.inner.begin()).await?;
        Ok(Transaction::new(begun, unnamed, self.sentry.clone()))
    }
}

/// A transaction, or a savepoint in one. Rolled back when dropped.
#[derive(Debug)]
pub struct Transaction<'c> {
    inner: sqlx::Transaction<'c, Postgres>,
    unnamed: bool,
    sentry: Sentry,
}

impl<'c> Transaction<'c> {
    pub(crate) fn new(inner: sqlx::Transaction<'c, Postgres>, unnamed: bool, sentry: Sentry) -> Self {
        Self { inner, unnamed, sentry }
    }

    /// The connection of its statements.
    pub fn connection(&mut self) -> Connection<'_> {
        let mode = if self.unnamed { StatementMode::Unnamed } else { StatementMode::Plain };
        Connection { inner: &mut self.inner, mode, sentry: self.sentry.clone() }
    }

    /// Commits.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn commit(self) -> sqlx::Result<()> {
        self.sentry.watch(self.inner.commit()).await
    }

    /// Rolls back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rollback(self) -> sqlx::Result<()> {
        self.sentry.watch(self.inner.rollback()).await
    }
}

/// A connection checked out of its pool; it returns there when dropped.
#[derive(Debug)]
pub struct PooledConnection {
    inner: PoolConnection<Postgres>,
    opening: Option<SqlStr>,
    sentry: Sentry,
}

impl PooledConnection {
    pub(crate) fn new(connection: PoolConnection<Postgres>, opening: Option<SqlStr>, sentry: Sentry) -> Self {
        Self { inner: connection, opening, sentry }
    }

    /// The connection, on which each statement runs alone.
    pub fn connection(&mut self) -> Connection<'_> {
        let mode = self.opening.clone().map_or(StatementMode::Plain, StatementMode::Apart);
        Connection { inner: &mut self.inner, mode, sentry: self.sentry.clone() }
    }
}

/// A statement that leaves no prepared statement behind in its session.
struct Unnamed<E>(E);

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Unnamed<E> {
    fn sql(self) -> SqlStr {
        self.0.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.0.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, sqlx::error::BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        false
    }
}

impl<'c> Executor<'c> for Connection<'c> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.mode {
            StatementMode::Plain => self.sentry.watch_rows(self.inner.fetch_many(query)),
            StatementMode::Unnamed => self.sentry.watch_rows(self.inner.fetch_many(Unnamed(query))),
            StatementMode::Apart(opening) => {
                // No reader can see a row before the commit.
                let rows = self.sentry.watch_whole(async move {
                    let mut transaction = self.inner.begin_with(opening).await?;
                    let rows: Vec<_> = transaction.fetch_many(Unnamed(query)).try_collect().await?;
                    transaction.commit().await?;
                    Ok::<_, sqlx::Error>(stream::iter(rows.into_iter().map(Ok)))
                });
                stream::once(rows).try_flatten().boxed()
            }
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Self { inner: connection, mode, sentry } = self;
        match mode {
            StatementMode::Plain => Box::pin(sentry.watch_whole(connection.fetch_optional(query))),
            StatementMode::Unnamed => Box::pin(sentry.watch_whole(connection.fetch_optional(Unnamed(query)))),
            StatementMode::Apart(opening) => Box::pin(sentry.watch_whole(async move {
                let mut transaction = connection.begin_with(opening).await?;
                let row = transaction.fetch_optional(Unnamed(query)).await?;
                transaction.commit().await?;
                Ok(row)
            })),
        }
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        self.inner.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        self.inner.describe(sql)
    }
}

/// Loads the schema's types into a connection. Otherwise the driver would query each type on its first use,
/// between parsing and running a statement, and so lose an unnamed statement.
pub(crate) async fn learn_types(connection: &mut PgConnection, opening: SqlStr) -> sqlx::Result<()> {
    let mut transaction = connection.begin_with(opening).await?;
    let types = sqlx::raw_sql(
        "select string_agg(format('null::%I', typname), ', ')
         from pg_type
         where typnamespace = to_regnamespace(current_schema())
           and typtype in ('d', 'e')",
    );
    if let Some(nulls) = transaction.fetch_one(types).await?.get::<Option<String>, _>(0) {
        // Named, because it must outlast those queries; within the transaction, so that it is closed in the
        // session that knows it.
        transaction.prepare(AssertSqlSafe(format!("select {nulls}")).into_sql_str()).await?;
        transaction.clear_cached_statements().await?;
    }
    transaction.commit().await
}
