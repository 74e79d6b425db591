//! Distinguishes a slow statement from a connection that died silently, as after a failover that
//! cut off the old primary: it asks the server on a new connection. Must never end a statement that
//! the server is still running.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{BoxStream, Stream, StreamExt};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _};
use tokio::time::timeout;

use super::hosts::Hosts;

/// How long a missing answer is normal; less than any caller's own timeout.
const QUIET: Duration = Duration::from_secs(1);
/// How long an answer of the server may be on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(300);
/// How long the server may take to answer on a new connection.
const PROBE_WITHIN: Duration = Duration::from_secs(2);
/// How long that answer is valid for other waiting callers.
const FRESH: Duration = Duration::from_millis(500);
/// How much later than the server the client ends a statement.
const MARGIN: Duration = Duration::from_secs(5);
/// How long an idle connection may take to show that it is alive.
const PONG_WITHIN: Duration = Duration::from_secs(1);
/// How long a connection may be idle and still be used untested.
const TRUSTED_IDLE: Duration = Duration::from_millis(500);

/// Watches the connections of one process; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Sentry(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    hosts: Hosts,
    longest: Duration,
    /// The time of the last check, and whether the server was running no statement of ours.
    asked: tokio::sync::Mutex<Option<(Instant, bool)>>,
    /// Earlier connections are not trusted.
    dead_before: Mutex<Option<Instant>>,
}

impl Sentry {
    /// Asks the server of `hosts` that is used now; `statement_timeout` bounds statements.
    pub(crate) fn new(hosts: Hosts, statement_timeout: Duration) -> Self {
        Self(Arc::new(Shared {
            hosts,
            longest: statement_timeout + MARGIN,
            asked: tokio::sync::Mutex::default(),
            dead_before: Mutex::default(),
        }))
    }

    /// The answer to a statement, or an error once it is certain that none comes.
    pub(crate) async fn watch<T>(&self, asking: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        let began = Instant::now();
        tokio::pin!(asking);
        loop {
            if let Ok(answer) = timeout(QUIET, &mut asking).await {
                return answer;
            }
            let dead = tokio::select! {
                answer = &mut asking => return answer,
                dead = Box::pin(self.is_dead()) => dead,
            };
            if dead || began.elapsed() > self.0.longest {
                if let Ok(answer) = timeout(ON_ITS_WAY, &mut asking).await {
                    return answer;
                }
                if dead {
                    self.distrust(began);
                }
                return Err(silent(began.elapsed()));
            }
        }
    }

    /// The same, for a future that outlives the borrow.
    pub(crate) async fn watch_whole<T>(
        self,
        asking: impl Future<Output = sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        self.watch(asking).await
    }

    /// The same for the rows of a statement, each of which is an answer.
    pub(crate) fn watch_rows<'e, T: Send + 'e>(
        self,
        rows: impl Stream<Item = sqlx::Result<T>> + Send + 'e,
    ) -> BoxStream<'e, sqlx::Result<T>> {
        async_stream::try_stream! {
            tokio::pin!(rows);
            while let Some(row) = self.watch(async { rows.next().await.transpose() }).await? {
                yield row;
            }
        }
        .boxed()
    }

    /// Whether a connection of this age may be used.
    pub(crate) fn trusts(&self, age: Duration) -> bool {
        let dead_before = *self.0.dead_before.lock().unwrap_or_else(PoisonError::into_inner);
        dead_before.is_none_or(|moment| Instant::now().checked_sub(age).is_some_and(|born| born > moment))
    }

    /// Whether an idle connection is alive.
    pub(crate) async fn lives(
        &self,
        connection: &mut PgConnection,
        age: Duration,
        idle: Duration,
    ) -> sqlx::Result<bool> {
        if !self.trusts(age) {
            return Ok(false);
        }
        if idle <= TRUSTED_IDLE {
            return Ok(true);
        }
        if let Ok(pong) = timeout(PONG_WITHIN, connection.ping()).await {
            return pong.map(|()| true);
        }
        // Other connections of the same age need not be tried one by one.
        if Box::pin(self.is_dead()).await {
            self.distrust(Instant::now());
        }
        Ok(false)
    }

    /// Whether the server answers new connections and runs no statement of ours: then the earlier answer
    /// will not come.
    async fn is_dead(&self) -> bool {
        let mut asked = self.0.asked.lock().await;
        if let Some((at, dead)) = *asked
            && at.elapsed() < FRESH
        {
            return dead;
        }
        let dead = match self.0.hosts.find().await {
            Ok(server) => matches!(timeout(PROBE_WITHIN, works_on_nothing(server)).await, Ok(Ok(true))),
            Err(_) => false,
        };
        *asked = Some((Instant::now(), dead));
        dead
    }

    /// Stops the use of all connections from before that moment.
    fn distrust(&self, moment: Instant) {
        let mut dead_before = self.0.dead_before.lock().unwrap_or_else(PoisonError::into_inner);
        if dead_before.is_none_or(|known| known < moment) {
            tracing::warn!(
                "connections to Postgres went silent while new ones work; dropping all older connections"
            );
            *dead_before = Some(moment);
        }
    }
}

async fn works_on_nothing(server: PgConnectOptions) -> sqlx::Result<bool> {
    let mut connection = server.connect().await?;
    // If the login switches to a role by default, that role could not see the activity of the login's own
    // sessions. Matches sessions by login, not by application name, because a pooler changes that name. The
    // time is shorter than the shortest wait of a caller. A session that reports no activity may be working.
    let statement = sqlx::raw_sql(
        "set local role none;
         select count(*)
         from pg_stat_activity
         where usename = session_user
           and datname = current_database()
           and pid <> pg_backend_pid()
           and (
             state is null
             or state = 'disabled'
             or state = 'active' and query_start < clock_timestamp() - interval '300 milliseconds')",
    );
    let busy: i64 = connection.fetch_one(statement).await?.try_get(0)?;
    connection.close().await?;
    Ok(busy == 0)
}

fn silent(waited: Duration) -> sqlx::Error {
    let text = format!(
        "a connection was silent for {} s while the server runs no statement of this process: the network \
         or a failover cut it off",
        waited.as_secs()
    );
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, text))
}
