//! A pool of connections of one sort. A statement runs on one of them directly; or, behind a pooler
//! in transaction mode, unnamed and in its own transaction, because the next round trip may reach
//! another session. A statement must never reach such a connection in any other way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::postgres::{PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection, Describe, Either, Execute, Executor, PgPool, Postgres, SqlStr};
use tokio::time::timeout;

use super::commit_probe;
use super::connection::{PooledConnection, Transaction, learn_types};
use super::hosts::Hosts;
use super::session_settings;
use super::session_settings::Settings;
use super::silence::Sentry;
use crate::store::{Options, Result};

/// How long a connection that returns to its pool may take to show that it is alive.
const PONG_WITHIN: Duration = Duration::from_secs(5);
/// How long to wait for a connection before checking again which server to use.
const AIM_AGAIN: Duration = Duration::from_millis(500);

/// Connections of one sort. Cheap to clone; its reference runs statements.
#[derive(Debug, Clone)]
pub struct Pool {
    connections: PgPool,
    /// Whether the server is known to commit a statement that is sent alone.
    proved: Arc<AtomicBool>,
    /// The beginning of a transaction behind a pooler.
    opening: Option<SqlStr>,
    /// The servers.
    hosts: Hosts,
    sentry: Sentry,
}

impl Pool {
    /// Prepares connections; the first is opened when it is needed.
    pub(crate) fn new(options: &Options, size: u32, settings: Settings<'_>, sentry: &Sentry) -> Result<Self> {
        let sized = sized(size, sentry);
        let sentry = sentry.clone();
        if !options.pgbouncer {
            let hosts = Hosts::direct(options, &options.url, settings)?;
            let wanted = hosts.clone();
            let sized = sized.after_connect(move |connection, _| {
                let hosts = wanted.clone();
                Box::pin(async move {
                    session_settings::pin(connection).await?;
                    hosts.check(connection).await
                })
            });
            let connections = sized.connect_lazy_with(hosts.first());
            return Ok(Self { connections, proved: Arc::default(), opening: None, hosts, sentry });
        }
        let hosts = Hosts::pooled(options)?;
        let opening = session_settings::opening(options, settings);
        let (begins, wanted) = (opening.clone(), hosts.clone());
        let sized = sized.after_connect(move |connection, _| {
            let (opening, hosts) = (begins.clone(), wanted.clone());
            Box::pin(async move {
                hosts.check(connection).await?;
                learn_types(connection, opening).await
            })
        });
        let connections = sized.connect_lazy_with(hosts.first());
        // Behind a pooler every statement has its own transaction and commit.
        Ok(Self {
            connections,
            proved: Arc::new(AtomicBool::new(true)),
            opening: Some(opening),
            hosts,
            sentry,
        })
    }

    /// Waits for a connection; a new connection is opened to the server that is currently chosen.
    async fn aimed<T>(&self, waiting: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        if self.hosts.is_sure() { waiting.await } else { Box::pin(self.aimed_among(waiting)).await }
    }

    async fn aimed_among<T>(&self, waiting: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        if self.connections.num_idle() == 0 {
            self.connections.set_connect_options(Box::pin(self.hosts.find()).await?);
        }
        tokio::pin!(waiting);
        loop {
            if let Ok(connection) = timeout(AIM_AGAIN, &mut waiting).await {
                return connection;
            }
            // Idle connections may have died: the pool then tries their server.
            if let Ok(server) = Box::pin(self.hosts.find()).await {
                self.connections.set_connect_options(server);
            }
        }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static>> {
        self.prove().await?;
        // A wait for a free place in the pool does not mean that the network is silent.
        let connection = Box::pin(self.aimed(self.connections.acquire())).await?;
        let opened = sqlx::Transaction::begin(connection, self.opening.clone());
        let opened = Box::pin(self.sentry.watch(opened)).await?;
        Ok(Transaction::new(opened, self.opening.is_some(), self.sentry.clone()))
    }

    /// Checks one connection out for several statements in a row.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn acquire(&self) -> sqlx::Result<PooledConnection> {
        self.prove().await?;
        Ok(PooledConnection::new(
            self.aimed(self.connections.acquire()).await?,
            self.opening.clone(),
            self.sentry.clone(),
        ))
    }

    /// Whether another caller gets a connection at once.
    pub(crate) fn has_spare(&self) -> bool {
        self.connections.num_idle() > 0
            || self.connections.size() < self.connections.options().get_max_connections()
    }

    /// The bare connections. Behind a pooler in transaction mode only simple statements are safe on them,
    /// and they have no session settings.
    #[must_use]
    pub fn bare(&self) -> &PgPool {
        &self.connections
    }

    /// Checks once that writes through it are committed.
    async fn prove(&self) -> sqlx::Result<()> {
        if self.is_proved() { Ok(()) } else { Box::pin(self.prove_now()).await }
    }

    async fn prove_now(&self) -> sqlx::Result<()> {
        let mut connection = self.aimed(self.connections.acquire()).await?;
        if let Err(error) = commit_probe::commits_alone(&mut connection).await {
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
        let pool = self.clone();
        if self.opening.is_none() {
            let rows = async_stream::try_stream! {
                pool.prove().await?;
                let mut connection = pool.aimed(pool.connections.acquire()).await?;
                let mut rows = pool.sentry.clone().watch_rows(connection.fetch_many(query));
                while let Some(row) = rows.try_next().await? {
                    yield row;
                }
            };
            return rows.boxed();
        }
        let rows = async move {
            let mut pooled = pool.acquire().await?;
            let rows: Vec<_> = pooled.connection().fetch_many(query).try_collect().await?;
            Ok::<_, sqlx::Error>(stream::iter(rows.into_iter().map(Ok)))
        };
        stream::once(rows).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.connection().fetch_optional(query).await })
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

fn sized(max_connections: u32, sentry: &Sentry) -> PgPoolOptions {
    let (taking, giving) = (sentry.clone(), sentry.clone());
    PgPoolOptions::new()
        .max_connections(max_connections)
        // Also the timeout for opening a connection: one to an unreachable server is tried again soon.
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(Duration::from_mins(5))
        // A connection that was in use a moment ago is not tested: if it is dead, the next statement fails at
        // once and can be retried. Idle ones are tested, so that a restart of Postgres does not fail one
        // statement per connection.
        .test_before_acquire(false)
        .after_release(move |connection, of| {
            let sentry = giving.clone();
            Box::pin(async move {
                Ok(sentry.trusts(of.age)
                    && timeout(PONG_WITHIN, connection.ping()).await.is_ok_and(|pong| pong.is_ok()))
            })
        })
        .before_acquire(move |connection, of| {
            let sentry = taking.clone();
            Box::pin(async move { sentry.lives(connection, of.age, of.idle_for).await })
        })
}
