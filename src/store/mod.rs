//! The only SQL: one verb a file, each one statement or one transaction. Every write of a worker
//! carries its lease, and what the database answers is the truth; nothing here may cache it.

pub mod admit;
pub mod attempts;
pub mod cancel;
pub mod claim;
pub mod complete;
pub mod delete;
mod document;
pub mod due;
pub mod enqueue;
pub mod error;
pub mod events;
pub mod extend;
pub mod find;
pub mod heartbeat;
pub mod idempotency;
pub mod keys;
pub mod kinds;
pub mod limits;
pub mod list;
pub mod listen;
pub mod migrate;
mod migration_driver;
pub mod notify;
pub mod partitions;
pub mod ping;
pub mod queues;
mod readable;
pub mod remote_worker;
pub mod report;
pub mod retry;
pub mod settle;
pub mod settled_by;
pub mod sweep;
pub mod workers;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};
use tokio::time::timeout;

pub use error::{Error, Result};

/// The statements of the hot path know by which index they go; with the rest off, stale statistics
/// cannot tempt the planner to read a whole backlog.
const BY_INDEX: &[(&str, &str)] = &[
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// How long a connection that comes back to its pool may take to show that it lives.
const PONG_WITHIN: Duration = Duration::from_secs(5);

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct Options {
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// A direct connection for LISTEN, where `url` goes through a pooler.
    pub listen_url: Option<String>,
    /// The schema that holds the tables.
    pub schema: String,
    /// How many connections this process opens at most.
    pub max_connections: u32,
    /// No statement runs longer.
    pub statement_timeout: Duration,
    /// True behind a pooler in transaction mode: no session settings. The role's own `search_path`
    /// must then lead to the schema.
    pub pgbouncer: bool,
}

impl Options {
    /// Defaults for a database.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            listen_url: None,
            schema: "tidemill".into(),
            max_connections: 10,
            statement_timeout: Duration::from_secs(30),
            pgbouncer: false,
        }
    }
}

/// How long a connection may lie idle and still be used untested.
const TRUSTED_IDLE: Duration = Duration::from_millis(500);

/// A handle on one Tidemill in one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    claims: PgPool,
    writes: PgPool,
    options: Arc<Options>,
}

impl Store {
    /// Prepares connections; the first is opened when it is needed.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn connect(options: Options) -> Result<Self> {
        let ordinary = session(&options, &options.url, &[("synchronous_commit", "on")])?;
        let writing = session(&options, &options.url, &[&[("synchronous_commit", "on")], BY_INDEX].concat())?;
        // A claim that is lost in a crash costs only a lease, so it need not wait for the disk.
        let claiming =
            session(&options, &options.url, &[&[("synchronous_commit", "off")], BY_INDEX].concat())?;
        Ok(Self {
            pool: pool(options.max_connections).connect_lazy_with(ordinary),
            claims: pool(2).connect_lazy_with(claiming),
            writes: pool(4).connect_lazy_with(writing),
            options: Arc::new(options),
        })
    }

    /// The pool of ordinary connections.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// How the database is reached.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Two connections that nothing else can use up, for claims, heartbeats and wake-ups; their commits
    /// do not wait for the disk.
    pub(crate) fn claims(&self) -> &PgPool {
        &self.claims
    }

    /// Connections for what workers write of their attempts, which readers cannot use up.
    pub(crate) fn writes(&self) -> &PgPool {
        &self.writes
    }

    /// The notification channel: the schema's name.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.options.schema
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.claims.close().await;
        self.writes.close().await;
        self.pool.close().await;
    }
}

fn pool(max_connections: u32) -> PgPoolOptions {
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

pub(crate) fn session(options: &Options, url: &str, settings: &[(&str, &str)]) -> Result<PgConnectOptions> {
    let connect = PgConnectOptions::from_str(url).map_err(|source| Error::BadUrl { source })?;
    let connect = connect.application_name("tidemill");
    if options.pgbouncer {
        return Ok(connect);
    }
    let timeout = options.statement_timeout.as_millis().to_string();
    Ok(connect
        .options([
            ("search_path", options.schema.as_str()),
            ("statement_timeout", &timeout),
            ("idle_in_transaction_session_timeout", &timeout),
            ("default_transaction_isolation", "read committed"),
            ("jit", "off"),
            ("TimeZone", "UTC"),
        ])
        .options(settings.iter().copied()))
}
