//! The errors of the embedded Postgres, worded so that a person knows what to do next. Must never
//! hide the message of the server or the system.

use std::io;
use std::path::{Path, PathBuf};

use super::version::OLDEST_MAJOR;

/// Why the embedded Postgres could not be found, created, started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    #[error("cannot {action} {}: {source}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    #[error("the path of the data folder {} contains a line break or is not UTF-8; choose another data folder", .data_dir.display())]
    UnusablePath { data_dir: PathBuf },

    #[error(
        "the data folder {} is in use by another tidemill ({holder}); stop that process, or choose another \
         data folder",
        .data_dir.display()
    )]
    InUse { data_dir: PathBuf, holder: String },

    #[error(
        "no usable Postgres server (version {OLDEST_MAJOR} or newer) on this machine, and none could be \
         fetched: {fetch}\nInstall one (`apt-get install postgresql`, `dnf install postgresql-server` or \
         `brew install postgresql@17`) or configure the URL of a database.\nChecked:\n{searched}"
    )]
    NoPrograms { searched: String, fetch: String },

    #[error(
        "the configured folder of Postgres programs {} cannot be used: {reason}; \
         it must hold initdb and postgres of one version, {OLDEST_MAJOR} or newer",
        .dir.display()
    )]
    UnusableProgramsDir { dir: PathBuf, reason: String },

    #[error(
        "{} holds data of Postgres {cluster_major}, but this machine has only:\n{found}\nInstall Postgres \
         {cluster_major}, or migrate the data with pg_upgrade, or move that folder away to start with an \
         empty database",
        .cluster.display()
    )]
    WrongMajor { cluster: PathBuf, cluster_major: u32, found: String },

    #[error(
        "{} is not a Postgres cluster ({reason}); move it away to start with an empty database, or choose \
         another data folder",
        .path.display()
    )]
    NotACluster { path: PathBuf, reason: String },

    #[error(
        "{} points to {}, which does not exist; restore it, or remove the link to start with an empty \
         database",
        .link.display(), .target.display()
    )]
    ClusterGone { link: PathBuf, target: PathBuf },

    #[error(
        "{} belongs to another account (user id {uid}); run tidemill as that account or as root, or choose another data folder",
        .path.display()
    )]
    ForeignCluster { path: PathBuf, uid: u32 },

    #[error(
        "Postgres refuses to run as root, and its account `{account}` cannot reach {}; give that account \
         access (`chmod o+x` on the folders above it) or choose another data folder",
        .path.display()
    )]
    Unreachable { account: String, path: PathBuf },

    #[error(
        "Postgres refuses to run as root, and there is neither an account `postgres` nor `nobody` to run it as; run tidemill as an ordinary user"
    )]
    NoAccount,

    #[error(
        "Postgres refuses to run as root, and programs cannot be started as `{account}`: {source}; run tidemill as an ordinary user"
    )]
    CannotSwitchAccount { account: String, source: io::Error },

    #[error(
        "{} is missing or empty, but the database of this data folder was created with the password it \
         held; restore that file, or move the folder `postgres` away to start with an empty database",
        .path.display()
    )]
    PasswordLost { path: PathBuf },

    #[error("the socket folder {} belongs to another account or is open to others; remove it, or set TMPDIR to a folder of your own", .path.display())]
    SocketDirTaken { path: PathBuf },

    #[error("a server in single-user mode (process {pid}) is working on {}; wait until it has finished, then start again", .cluster.display())]
    SingleUser { pid: i32, cluster: PathBuf },

    #[error("could not create a cluster in {}; initdb said:\n{output}", .root.display())]
    InitFailed { root: PathBuf, output: String },

    #[error("Postgres did not start ({reason}); the last lines of {}:\n{tail}", .log.display())]
    StartFailed { reason: String, log: PathBuf, tail: String },

    #[error("the embedded Postgres on port {port} is running, but {action} failed: {}", message(.source))]
    Database { port: u16, action: &'static str, source: sqlx::Error },

    #[error(
        "the Postgres process {pid} does not end, not even after SIGKILL; inspect it with `ps -fp {pid}`"
    )]
    DoesNotStop { pid: i32 },
}

/// The server's message, without the position in Postgres' source that the driver appends.
fn message(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        other => other.to_string(),
    }
}

impl EmbeddedError {
    /// Wraps a system error with what was being done to which path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
