//! Two connections against each other: holds a transaction open, starts a rival, and sees whether
//! the rival waits for a lock.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};
use tokio::task::JoinHandle;

use super::{Db, wait_for};

/// A connection that runs statements in an open transaction.
pub(crate) struct Session {
    connection: PgConnection,
    pub(crate) pid: i32,
}

impl Session {
    /// Begins a transaction.
    pub(crate) async fn begin(db: &Db) -> Self {
        let mut connection = db.connect().await;
        let pid = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
        let mut session = Self { connection, pid };
        session.run("begin").await.unwrap();
        session
    }

    /// Runs one statement; answers its one value as text.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<Option<String>, sqlx::Error> {
        use sqlx::Row;
        let statement = sqlx::query(AssertSqlSafe(sql.to_owned()));
        let row = statement.fetch_optional(&mut self.connection).await?;
        row.map_or(Ok(None), |row| row.try_get(0))
    }

    /// Runs a statement and commits, in a task of its own.
    pub(crate) fn run_and_commit(mut self, sql: String) -> JoinHandle<Result<Option<String>, sqlx::Error>> {
        tokio::spawn(async move {
            let answer = self.run(&sql).await?;
            self.run("commit").await?;
            Ok(answer)
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
        tokio::time::sleep(Duration::from_millis(1)).await;
        None
    })
    .await
}
