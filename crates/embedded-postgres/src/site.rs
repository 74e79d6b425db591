//! The settings of an embedded Postgres, and the state that stays the same while it runs.

use std::path::PathBuf;

use super::home::Home;

/// The settings of an embedded Postgres.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data folder, created if missing; the cluster lives in its `postgres`, the server's log is its
    /// `postgres.log`. Started by root, with a data folder that the server's account cannot enter, the cluster lives
    /// below `/var/lib/tidemill` and `postgres` is a link to it.
    pub data_dir: PathBuf,
    /// Whether a commit is on disk before it is acknowledged (`fsync`, `full_page_writes`, `synchronous_commit`).
    /// True by default; only tests, whose data may be lost with the machine, should turn it off.
    pub durable: bool,
    /// A folder with `initdb` and `postgres` to use instead of searching the machine for them.
    pub programs_dir: Option<PathBuf>,
}

impl Settings {
    /// Durable, with programs found on the machine.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), durable: true, programs_dir: None }
    }
}

/// The state that does not change while we hold the data folder.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) settings: Settings,
    pub(crate) home: Home,
    pub(crate) password: String,
}
