//! The only SQL: one verb a file, each one statement or one transaction. Every write of a worker
//! carries its lease, and what the database answers is the truth; nothing here may cache it.

pub mod actor;
pub mod admit;
pub mod alerts;
pub mod artifacts;
pub mod attempts;
pub mod audit;
pub mod bulk;
pub mod cancel;
pub mod change;
pub mod claim;
pub mod complete;
pub mod delete;
pub mod doctor;
mod document;
pub mod due;
pub mod enqueue;
pub mod error;
pub mod events;
pub mod explain;
pub mod extend;
pub mod failures;
pub mod find;
pub mod fire;
pub mod heartbeat;
pub mod idempotency;
pub mod keys;
pub mod kinds;
pub mod limits;
pub mod line;
pub mod list;
pub mod listen;
pub mod migrate;
mod migration_driver;
pub mod notify;
pub mod partitions;
pub mod path;
pub mod ping;
pub mod pool;
mod proof;
pub mod queues;
mod readable;
pub mod redaction;
pub mod remote_worker;
pub mod report;
pub mod resolve;
pub mod retry;
pub mod room;
pub mod schedules;
mod session;
pub mod sessions;
pub mod settle;
pub mod settled_by;
pub mod signals;
pub mod spawn;
pub mod stats;
pub mod steps;
pub mod sweep;
pub mod time_travel;
pub mod values;
pub mod workers;
pub mod workflows;

use std::sync::Arc;
use std::time::Duration;

pub use error::{Error, Result};
pub use pool::Pool;

use crate::vault::Vault;

/// The statements of the hot path know by which index they go; with the rest off, stale statistics
/// cannot tempt the planner to read a whole backlog.
const BY_INDEX: &[(&str, &str)] = &[
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

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
    /// True where `url` leads through a pooler in transaction mode: each statement then runs in a transaction of its
    /// own with its settings, and without `listen_url` nothing listens.
    pub pgbouncer: bool,
    /// What seals, stores and redacts the JSON of jobs.
    pub vault: Arc<Vault>,
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
            vault: Arc::default(),
        }
    }
}

/// A handle on one Tidemill in one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Pool,
    claims: Pool,
    writes: Pool,
    options: Arc<Options>,
}

impl Store {
    /// Prepares connections; the first is opened when it is needed.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn connect(options: Options) -> Result<Self> {
        let safe = ("synchronous_commit", "on");
        // A claim that is lost in a crash costs only a lease, so it need not wait for the disk.
        let quick = ("synchronous_commit", "off");
        Ok(Self {
            pool: Pool::new(&options, options.max_connections, &[safe])?,
            claims: Pool::new(&options, 2, &[&[quick], BY_INDEX].concat())?,
            writes: Pool::new(&options, 4, &[&[safe], BY_INDEX].concat())?,
            options: Arc::new(options),
        })
    }

    /// The pool of ordinary connections.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How the database is reached.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What seals, stores and redacts the JSON of jobs.
    #[must_use]
    pub fn vault(&self) -> &Arc<Vault> {
        &self.options.vault
    }

    /// Two connections that nothing else can use up, for claims, heartbeats and wake-ups; their commits
    /// do not wait for the disk.
    pub(crate) fn claims(&self) -> &Pool {
        &self.claims
    }

    /// Connections for what workers write of their attempts, which readers cannot use up.
    pub(crate) fn writes(&self) -> &Pool {
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
