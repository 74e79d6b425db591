//! The database layer below the verbs: connections and their settings, LISTEN and NOTIFY, migrations, errors.
//! Must know nothing of jobs.

pub(crate) mod commit_probe;
pub mod connection;
pub(crate) mod database;
pub mod error;
pub(crate) mod hosts;
pub mod listener;
pub(crate) mod lossy_json;
pub mod migrate;
pub(crate) mod migration_driver;
pub mod notifier;
pub mod ping;
pub mod pool;
pub mod queue_listeners;
pub mod scratch;
pub mod search_path;
pub(crate) mod session_settings;
pub(crate) mod silence;
pub mod trouble;
pub(crate) mod wake;
