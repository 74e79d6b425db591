//! Two connections against each other: holds a transaction open, starts a rival, and sees whether
//! the rival waits for a lock.

use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::task::JoinHandle;

use super::{Db, wait_for};

/// A connection that runs statements in transactions that a test opens and ends.
pub(crate) struct Session {
    connection: PgConnection,
    pub(crate) pid: i32,
}

/// What a statement answered: the text of its one row, or how many rows it has.
pub(crate) type Answer = Result<Option<String>, sqlx::Error>;

impl Session {
    pub(crate) async fn open(db: &Db) -> Self {
        let mut connection = db.connect().await;
        let pid = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
        Self { connection, pid }
    }

    /// Opens a connection and a transaction.
    pub(crate) async fn begin(db: &Db) -> Self {
        let mut session = Self::open(db).await;
        session.run("begin").await.unwrap();
        session
    }

    /// Runs one statement.
    pub(crate) async fn run(&mut self, sql: &str) -> Answer {
        let statement = sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false);
        let rows = statement.fetch_all(&mut self.connection).await?;
        match rows.as_slice() {
            [row] => Ok(row.try_get(0).unwrap_or_else(|_| Some("1".to_owned()))),
            rows => Ok(Some(rows.len().to_string())),
        }
    }

    /// Runs a statement in a transaction of its own, in a task of its own.
    pub(crate) fn run_apart(mut self, sql: String) -> JoinHandle<(Self, Answer)> {
        tokio::spawn(async move {
            self.run("begin").await.unwrap();
            let answer = self.run(&sql).await;
            self.run("commit").await.unwrap();
            (self, answer)
        })
    }
}

/// Waits until the rival either is done or waits for a lock; true if it waits.
pub(crate) async fn blocked_or_done<T>(db: &Db, pid: i32, rival: &JoinHandle<T>) -> bool {
    wait_for("the rival waits or is done", || async {
        if rival.is_finished() {
            return Some(false);
        }
        let waits: Option<bool> = sqlx::query_scalar(
            "select wait_event_type = 'Lock' from pg_stat_activity where pid = $1 and state = 'active'",
        )
        .bind(pid)
        .fetch_optional(db.pool())
        .await
        .unwrap()
        .flatten();
        if waits == Some(true) {
            return Some(true);
        }
        None
    })
    .await
}
