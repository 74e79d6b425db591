//! Pool: connections of one sort. A statement runs on one of them as it is; or, behind a pooler in
//! transaction mode, unnamed and in a transaction of its own, for there the next round trip may reach another
//! session. A statement must never go to such a connection in any other way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::postgres::{PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection, Describe, Either, Execute, Executor, PgPool, Postgres, SqlStr};
use tokio::time::timeout;

use super::line::{Held, Transaction, learn_types};
use super::proof;
use super::session::{self, Settings};
use super::{Options, Result};

/// How long a connection that comes back to its pool may take to show that it lives.
const PONG_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection may lie idle and still be used untested.
const TRUSTED_IDLE: Duration = Duration::from_millis(500);

/// Connections of one sort. Cheap to clone; its reference runs statements.
#[derive(Debug, Clone)]
pub struct Pool {
    connections: PgPool,
    /// Whether it is known that a statement commits which is sent alone.
    proved: Arc<AtomicBool>,
    /// What a transaction begins with behind a pooler.
    opening: Option<SqlStr>,
}

impl Pool {
    /// Prepares connections; the first is opened when it is needed.
    pub(super) fn new(options: &Options, size: u32, settings: Settings<'_>) -> Result<Self> {
        if !options.pgbouncer {
            let connect = session::direct(options, &options.url, settings)?;
            let connections = sized(size).connect_lazy_with(connect);
            return Ok(Self { connections, proved: Arc::default(), opening: None });
        }
        let opening = session::opening(options, settings);
        let begins = opening.clone();
        let sized = sized(size).after_connect(move |connection, _| {
            let opening = begins.clone();
            Box::pin(async move { learn_types(connection, opening).await })
        });
        let connections = sized.connect_lazy_with(session::pooled(options)?);
        // There every statement brings its transaction, and the commit of it.
        Ok(Self { connections, proved: Arc::new(AtomicBool::new(true)), opening: Some(opening) })
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static>> {
        self.prove().await?;
        match &self.opening {
            None => Ok(Transaction::new(self.connections.begin().await?, false)),
            Some(opening) => Ok(Transaction::new(self.connections.begin_with(opening.clone()).await?, true)),
        }
    }

    /// Takes one connection out, for several statements in a row.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn acquire(&self) -> sqlx::Result<Held> {
        self.prove().await?;
        Ok(Held::new(self.connections.acquire().await?, self.opening.clone()))
    }

    /// The bare connections. Behind a pooler in transaction mode only simple statements are safe on them, and find
    /// nothing set.
    #[must_use]
    pub fn bare(&self) -> &PgPool {
        &self.connections
    }

    /// Makes sure, once, that what is stored through it lasts.
    async fn prove(&self) -> sqlx::Result<()> {
        if self.is_proved() {
            return Ok(());
        }
        let mut connection = self.connections.acquire().await?;
        if let Err(error) = proof::commits_alone(&mut connection).await {
            let _ = connection.close().await;
            return Err(error);
        }
        self.proved.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn is_proved(&self) -> bool {
        self.proved.load(Ordering::Relaxed)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.connections.close().await;
    }
}

impl<'p> Executor<'p> for &'_ Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        if self.opening.is_none() && self.is_proved() {
            return self.connections.fetch_many(query);
        }
        let pool = self.clone();
        let rows = async move {
            let mut held = pool.acquire().await?;
            let rows: Vec<_> = held.line().fetch_many(query).try_collect().await?;
            Ok::<_, sqlx::Error>(stream::iter(rows.into_iter().map(Ok)))
        };
        stream::once(rows).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        if self.opening.is_none() && self.is_proved() {
            return self.connections.fetch_optional(query);
        }
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.line().fetch_optional(query).await })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'p: 'e,
    {
        self.connections.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'p: 'e,
    {
        self.connections.describe(sql)
    }
}

fn sized(max_connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(Duration::from_mins(5))
        // One that was in use just now is trusted: if it is dead it shows at once, and every verb may be tried
        // again. Those that lay idle are tested, so that a restart of Postgres does not fail a verb for each.
        .test_before_acquire(false)
        .after_release(|connection, _| {
            Box::pin(async move {
                Ok(timeout(PONG_WITHIN, connection.ping()).await.is_ok_and(|pong| pong.is_ok()))
            })
        })
        .before_acquire(|connection, use_before| {
            Box::pin(async move {
                if use_before.idle_for > TRUSTED_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}
