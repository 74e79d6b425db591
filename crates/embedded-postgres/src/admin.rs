//! The few statements that manage the embedded server: whether it is ours, whether it is as durable
//! as required, whether the database exists. Must know nothing about queues.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::EmbeddedError;
use super::cluster::USER;

/// The database that tidemill works in.
pub(super) const DATABASE: &str = "tidemill";

const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to the server's maintenance database.
pub(super) struct Admin {
    connection: PgConnection,
    port: u16,
}

impl Admin {
    pub(super) async fn connect(port: u16, password: &str) -> Result<Self, EmbeddedError> {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(port)
            .username(USER)
            .password(password)
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)
            // PGOPTIONS of the shell are meant for other servers.
            .options([("default_transaction_read_only", "off"), ("statement_timeout", "0")])
            .disable_statement_logging();
        let failed = |source| EmbeddedError::Database { port, action: "logging in", source };
        let connection = tokio::time::timeout(LOGIN_TIMEOUT, options.connect())
            .await
            .map_err(|_| failed(sqlx::Error::PoolTimedOut))?
            .map_err(failed)?;
        Ok(Self { connection, port })
    }

    /// Whether this server works on `cluster` and keeps what it acknowledged as asked.
    pub(super) async fn serves(&mut self, cluster: &Path, durable: bool) -> Result<bool, EmbeddedError> {
        let (directory, durability): (String, Vec<String>) = sqlx::query_as(
            "select current_setting('data_directory'),
                    array[current_setting('fsync'),
                          current_setting('full_page_writes'),
                          current_setting('synchronous_commit')]",
        )
        .fetch_one(&mut self.connection)
        .await
        .map_err(self.failed("reading its settings"))?;
        let wanted = if durable { "on" } else { "off" };
        let is_ours = Path::new(&directory).canonicalize().is_ok_and(|directory| directory == cluster);
        Ok(is_ours && durability.iter().all(|value| value == wanted))
    }

    /// Creates tidemill's database if it is missing.
    pub(super) async fn ensure_database(&mut self) -> Result<(), EmbeddedError> {
        let exists: bool = sqlx::query_scalar(
            "select exists (
                 select
                 from pg_database
                 where datname = $1
             )",
        )
        .bind(DATABASE)
        .fetch_one(&mut self.connection)
        .await
        .map_err(self.failed("looking for its database"))?;
        if !exists {
            sqlx::query("create database tidemill")
                .execute(&mut self.connection)
                .await
                .map_err(self.failed("creating its database"))?;
        }
        Ok(())
    }

    /// The server's version as its programs have it, such as `15.18`.
    pub(super) async fn version(&mut self) -> Result<String, EmbeddedError> {
        let version: String =
            sqlx::query_scalar("select split_part(current_setting('server_version'), ' ', 1)")
                .fetch_one(&mut self.connection)
                .await
                .map_err(self.failed("asking its version"))?;
        Ok(version)
    }

    /// Whether this session can run a function; the error is what the server says.
    pub(super) async fn runs_plpgsql(&mut self) -> Result<(), String> {
        match sqlx::raw_sql("do $$ begin end $$").execute(&mut self.connection).await {
            Err(sqlx::Error::Database(error)) => Err(error.message().to_owned()),
            // The connection broke: that says nothing about libraries.
            _ => Ok(()),
        }
    }

    pub(super) async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "closing the admin connection");
        }
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(sqlx::Error) -> EmbeddedError + use<> {
        let port = self.port;
        move |source| EmbeddedError::Database { port, action, source }
    }
}
