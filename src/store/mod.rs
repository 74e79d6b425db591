//! The only SQL: one verb per file, each one statement or one transaction. Every write of a worker
//! carries its lease, and the database's answer is the truth; nothing here may cache it.

pub mod alerts;
pub mod attempts;
pub mod audit;
pub mod audit_actor;
pub mod db;
pub mod deployments;
pub mod doctor;
pub mod documents;
pub mod health_report;
pub(crate) mod jitter;
pub mod jobs;
pub mod keys;
pub mod kinds;
pub mod limits;
pub mod operations;
mod options;
pub mod partitions;
pub mod queues;
pub mod resolve;
mod rights;
pub mod schedule_slots;
pub mod schedules;
pub mod stats;
pub mod test_clock;
pub mod tokens;
pub mod trace_scope;
pub(crate) mod words;
pub mod workflows;

use std::sync::Arc;

pub use self::db::error::{Error, Result};
pub use self::db::pool::Pool;
pub use self::options::Options;

use self::attempts::deadlines::Deadlines;
use self::db::hosts::Hosts;
use crate::vault::Vault;

/// The statements of the hot path use known indexes; with other plans off, stale statistics cannot make the
/// planner read a whole backlog.
const BY_INDEX: &[(&str, &str)] = &[
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// The shares of a process's connections. The listener has one.
#[derive(Debug, PartialEq, Eq)]
struct Shares {
    pool: u32,
    claims: u32,
    writes: u32,
}

impl Shares {
    fn of(connections: u32, listens: bool) -> Self {
        let all = connections.max(4) - u32::from(listens);
        let claims = if all < 8 { 1 } else { 2 };
        let writes = (all / 4).clamp(1, 4);
        Self { pool: all - claims - writes, claims, writes }
    }
}

/// A handle on one Tidemill in one database. Cheap to clone; its clones share their connections. Its methods are
/// the verbs: each is one statement or one transaction, and fails with [`Error`].
///
/// # Examples
///
/// ```no_run
/// # async fn example(id: uuid::Uuid) -> Result<(), tidemill::Error> {
/// use tidemill::{Options, Store};
///
/// let store = Store::connect(Options::new("postgres://app@localhost/shop"))?;
/// store.cancel(id, Some("the order was withdrawn"), "shop").await?;
/// store.close().await;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Store(Arc<Connections>);

/// What the clones of a store share. Each request clones it often, so that is one count.
#[derive(Debug)]
struct Connections {
    pool: Pool,
    claims: Pool,
    writes: Pool,
    options: Options,
    deadlines: Deadlines,
}

impl Store {
    /// Prepares connections; the first is opened when it is needed.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn connect(options: Options) -> Result<Self> {
        let safe = ("synchronous_commit", "on");
        // A claim lost in a crash costs only a lease, so it need not wait for the disk.
        let quick = ("synchronous_commit", "off");
        let probe = if options.pgbouncer {
            Hosts::pooled(&options)?
        } else {
            Hosts::direct(&options, &options.url, &[])?
        };
        let sentry = db::silence::Sentry::new(probe, options.statement_timeout);
        let shares = Shares::of(options.max_connections, options.direct_url().is_some());
        Ok(Self(Arc::new(Connections {
            pool: Pool::new(&options, shares.pool, &[safe], &sentry)?,
            claims: Pool::new(&options, shares.claims, &[&[quick], BY_INDEX].concat(), &sentry)?,
            writes: Pool::new(&options, shares.writes, &[&[safe], BY_INDEX].concat(), &sentry)?,
            options,
            deadlines: Deadlines::default(),
        })))
    }

    /// The pool of ordinary connections.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// The connection options.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// The encryption, storage and redaction of the JSON of jobs.
    #[must_use]
    pub fn vault(&self) -> &Arc<Vault> {
        &self.0.options.vault
    }

    /// Reserved connections for claims, heartbeats and notifications; their commits do not wait for the
    /// disk.
    pub(crate) fn claims(&self) -> &Pool {
        &self.0.claims
    }

    /// Reserved connections for workers' writes about their attempts.
    pub(crate) fn writes(&self) -> &Pool {
        &self.0.writes
    }

    /// The deadlines of the attempts that this process has handed out.
    pub(crate) fn deadlines(&self) -> &Deadlines {
        &self.0.deadlines
    }

    /// The notification channel: the schema's name.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.0.options.schema
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.0.claims.close().await;
        self.0.writes.close().await;
        self.0.pool.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::Shares;

    #[test]
    fn a_process_takes_what_it_was_given() {
        for connections in 4..=100 {
            for listens in [true, false] {
                let shares = Shares::of(connections, listens);
                let sum = shares.pool + shares.claims + shares.writes + u32::from(listens);
                assert_eq!(sum, connections, "{shares:?}");
                assert!(shares.pool >= 1 && shares.claims >= 1 && shares.writes >= 1, "{shares:?}");
            }
        }
        assert_eq!(Shares::of(16, true), Shares { pool: 10, claims: 2, writes: 3 });
        assert_eq!(Shares::of(1, true), Shares { pool: 1, claims: 1, writes: 1 });
    }
}
