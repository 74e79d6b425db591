//! Chooses the server to use among those that a URL names. Asks them in order whenever a new connection is
//! opened, and trusts an answer only for a moment. Must never choose a read-only server if the URL requires
//! one that accepts writes.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Row};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::session_settings;
use super::session_settings::Settings;
use crate::store::{Options, Result};

/// How long an answer is trusted. After that a failover is noticed.
const BELIEVED: Duration = Duration::from_secs(1);
/// How long one server may take to answer before the next is asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The servers of one URL, with the session settings of their connections.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    servers: Arc<[PgConnectOptions]>,
    /// Whether the chosen server must accept writes.
    primary: bool,
    found: Arc<Mutex<Option<(Instant, usize)>>>,
}

impl Hosts {
    /// For direct connections, which keep their settings.
    pub(crate) fn direct(options: &Options, url: &str, more: Settings<'_>) -> Result<Self> {
        let (servers, primary) = session_settings::servers(url)?;
        Ok(Self::new(
            servers.into_iter().map(|server| session_settings::direct(server, options, more)),
            primary,
        ))
    }

    /// For connections through a pooler.
    pub(crate) fn pooled(options: &Options) -> Result<Self> {
        let (servers, primary) = session_settings::servers(&options.url)?;
        Ok(Self::new(servers.into_iter().map(session_settings::pooled), primary))
    }

    fn new(servers: impl Iterator<Item = PgConnectOptions>, primary: bool) -> Self {
        Self { servers: servers.collect(), primary, found: Arc::default() }
    }

    /// Whether there is a choice.
    pub(crate) fn is_sure(&self) -> bool {
        self.servers.len() == 1 && !self.primary
    }

    /// The default server.
    pub(crate) fn first(&self) -> PgConnectOptions {
        self.servers[0].clone()
    }

    /// The server to use now.
    ///
    /// # Errors
    /// The error of the last server, if none can be used.
    pub(crate) async fn find(&self) -> sqlx::Result<PgConnectOptions> {
        if self.is_sure() {
            return Ok(self.first());
        }
        let mut found = self.found.lock().await;
        if let Some((when, at)) = *found
            && when.elapsed() < BELIEVED
        {
            return Ok(self.servers[at].clone());
        }
        // The last chosen server first: while it works, no other is asked.
        let last = found.map_or(0, |(_, at)| at);
        let order = std::iter::once(last).chain((0..self.servers.len()).filter(|at| *at != last));
        let mut refusal = None;
        for at in order {
            match timeout(ANSWER_WITHIN, self.ask(at)).await {
                Ok(Ok(())) => {
                    if found.is_some_and(|(_, before)| before != at) {
                        tracing::info!(
                            host = self.servers[at].get_host(),
                            port = self.servers[at].get_port(),
                            "now connected to another database host"
                        );
                    }
                    *found = Some((Instant::now(), at));
                    return Ok(self.servers[at].clone());
                }
                Ok(Err(error)) => refusal = Some(worse(refusal, error)),
                Err(_) => refusal = Some(worse(refusal, silent())),
            }
        }
        Err(refusal.unwrap_or_else(silent))
    }

    async fn ask(&self, at: usize) -> sqlx::Result<()> {
        let server = self.servers[at].clone().disable_statement_logging();
        let mut connection = server.connect().await?;
        if self.primary {
            takes_writes(&mut connection).await?;
        }
        connection.close().await
    }

    /// Refuses a connection to a server that is not suitable.
    pub(crate) async fn check(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if self.primary { takes_writes(connection).await } else { Ok(()) }
    }
}

fn silent() -> sqlx::Error {
    sqlx::Error::Protocol(format!("the server did not answer within {} s", ANSWER_WITHIN.as_secs()))
}

/// The more informative of two errors: a refused login is more important than a host that is down, which can
/// be temporary.
fn worse(before: Option<sqlx::Error>, now: sqlx::Error) -> sqlx::Error {
    match before {
        Some(error @ sqlx::Error::Database(_)) if !matches!(now, sqlx::Error::Database(_)) => error,
        _ => now,
    }
}

async fn takes_writes(connection: &mut PgConnection) -> sqlx::Result<()> {
    use sqlx::Executor as _;
    let asked = "select pg_is_in_recovery()";
    let row = connection.fetch_one(sqlx::raw_sql(asked)).await?;
    if row.get::<bool, _>(0) {
        return Err(sqlx::Error::Protocol("the server is a standby, which takes no writes".into()));
    }
    Ok(())
}
