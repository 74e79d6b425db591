//! The options of the connections to one database.

use std::sync::Arc;
use std::time::Duration;

use crate::vault::Vault;

/// How to reach the database.
///
/// # Examples
///
/// ```
/// use tidemill::Options;
///
/// // Through a pooler in transaction mode, with a direct connection to listen on.
/// let options = Options {
///     listen_url: Some("postgres://app@db:5432/shop".into()),
///     pgbouncer: true,
///     max_connections: 8,
///     ..Options::new("postgres://app@pooler:6432/shop")
/// };
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// A direct connection for LISTEN, where `url` goes through a pooler.
    pub listen_url: Option<String>,
    /// The schema that holds the tables.
    pub schema: String,
    /// The most connections of this process, including the one for LISTEN; at least four, and smaller
    /// values mean four.
    pub max_connections: u32,
    /// The longest time that a statement may run.
    pub statement_timeout: Duration,
    /// True if `url` leads through a pooler in transaction mode: each statement then runs in a transaction
    /// of its own with its settings, and without `listen_url` nothing listens.
    pub pgbouncer: bool,
    /// The encryption, storage and redaction of the JSON of jobs.
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
            max_connections: 16,
            statement_timeout: Duration::from_secs(30),
            pgbouncer: false,
            vault: Arc::default(),
        }
    }
}
