//! The errors between this process and its database, distinguished by what the caller can do about
//! them. Must never leak a driver's text to an HTTP client.

use super::trouble::{self, Trouble};

/// Result of a store verb.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the store.
///
/// # Examples
///
/// ```
/// use tidemill::Error;
///
/// fn advice(error: &Error) -> String {
///     match error.refusal() {
///         Some((what, remedy)) => format!("{what}. {}", remedy.unwrap_or_default()),
///         None if error.is_queue_full() => "the queue is full: send it later".into(),
///         None if error.is_transient() => "the database is away: try again".into(),
///         None => error.to_string(),
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL of the database cannot be read.
    #[error("the database URL cannot be read: {reason}; write postgres://user:password@host:port/database")]
    BadUrl { reason: String },
    /// The database answered with an error or not at all.
    #[error("the database failed: {message}{advice}", message = words(.0), advice = trouble::advice(.0))]
    Database(#[from] sqlx::Error),
    /// The login lacks a right.
    #[error("the login {login} is not allowed to {act}: {advice}")]
    Forbidden { login: String, act: String, advice: String },
    /// Nothing can be created in this database.
    #[error("nothing was created: {0}")]
    UnfitDatabase(String),
    /// A statement got no answer; it may or may not have been executed.
    #[error("the database did not answer within {} s; the network or the server may be gone", .waited.as_secs())]
    NoAnswer { waited: std::time::Duration },
    /// A migration failed.
    #[error("the database could not be migrated: {0}")]
    Migration(String),
    /// The schema is not one that this binary can use.
    #[error("schema {schema} is at migration {found}, this binary knows {known} and cannot use it: {advice}")]
    UnknownSchema { schema: String, found: i32, known: i32, advice: &'static str },
    /// The database answered with a word that this binary does not know.
    #[error(
        "the database answered {word:?} as {about}, which this binary does not know: use the binary that migrated the schema last"
    )]
    UnknownWord { about: &'static str, word: String },
    /// A value could not be encrypted, decrypted, or stored outside its row.
    #[error(transparent)]
    Vault(#[from] crate::vault::VaultError),
}

impl Error {
    /// The state of the database behind this error, if it is known.
    #[must_use]
    pub fn trouble(&self) -> Option<&'static Trouble> {
        match self {
            Self::Database(error) => trouble::of(error),
            _ => None,
        }
    }

    /// True if the same call may succeed later: the connection broke, the server restarts, or a deadlock or
    /// timeout was resolved against us.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let error = match self {
            Self::Database(error) => error,
            Self::Vault(error) => return error.is_transient(),
            other => return matches!(other, Self::NoAnswer { .. }),
        };
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(database) => database.code().is_some_and(|code| is_transient_code(&code)),
            _ => false,
        }
    }

    /// True if a lock could not be acquired within its timeout.
    #[must_use]
    pub fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03"))
    }

    /// True if the statement exceeded its timeout, or was cancelled by hand.
    #[must_use]
    pub fn is_statement_timeout(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.code().as_deref() == Some("57014"))
    }

    /// True if a value cannot be stored unchanged (class 22), such as a NUL in text.
    #[must_use]
    pub fn is_bad_data(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| code.starts_with("22") || code == "54000" || code == "54001"))
    }

    /// The refusal and the advice of one of Tidemill's own SQL functions.
    #[must_use]
    pub fn refusal(&self) -> Option<(&str, Option<&str>)> {
        let Self::Database(sqlx::Error::Database(error)) = self else { return None };
        let postgres = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?;
        (postgres.code() == "22TM1").then(|| (postgres.message(), postgres.hint()))
    }

    /// True if a queue is full; see [`crate::store::jobs::bounded_queues::enqueue_when_space`].
    #[must_use]
    pub fn is_queue_full(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.code().as_deref() == Some("53TM1"))
    }

    /// The full queue, if that was the error.
    #[must_use]
    pub fn full_queue(&self) -> Option<&str> {
        let Self::Database(sqlx::Error::Database(error)) = self else { return None };
        let postgres = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?;
        (postgres.code() == "53TM1").then(|| postgres.detail()?.strip_prefix("queue: ")).flatten()
    }

    /// True if a value in the statement caused the error, so that other rows may succeed without it.
    #[must_use]
    pub fn blames_a_value(&self) -> bool {
        self.is_bad_data() || self.constraint().is_some()
    }

    /// The name of the violated constraint, if that was the error.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        let Self::Database(sqlx::Error::Database(error)) = self else { return None };
        error.constraint()
    }

    /// True when a finished job's day has no partition yet.
    #[must_use]
    pub fn is_missing_partition(&self) -> bool {
        // If no partition fits, no constraint is named; the server's message may be in any language.
        matches!(self, Self::Database(sqlx::Error::Database(error))
            if error.code().as_deref() == Some("23514")
                && error.constraint().is_none())
    }
}

/// The database's message, without the position in Postgres' source that the driver appends.
pub(crate) fn words(error: &sqlx::Error) -> String {
    let sqlx::Error::Database(database) = error else { return error.to_string() };
    let Some(postgres) = database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() else {
        return database.message().to_owned();
    };
    let more =
        [postgres.detail(), postgres.hint()].into_iter().flatten().filter(|_| postgres.code() != "22TM1");
    more.fold(postgres.message().to_owned(), |text, more| format!("{text}; {more}"))
}

/// Whether the condition of this SQLSTATE passes by itself: connection, transaction state (a primary that
/// became a standby), resources, operator intervention, serialization and deadlock, a lock or an object in
/// use, cached plans after a migration. The other states of class 55 need a change by an operator, such as
/// a missing replica identity.
pub(crate) fn is_transient_code(code: &str) -> bool {
    ["08", "25", "53", "57", "40"].iter().any(|class| code.starts_with(class))
        || ["0A000", "55006", "55P03"].contains(&code)
}
