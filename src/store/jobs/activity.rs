//! Activity: the jobs of an owner that changed since a position, the newest change first. Must never
//! miss a change that was committed after the position was read.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::document::{DocumentRow, documents};
use crate::job::document::JobDocument;
use crate::store::db::lossy_json::Readable;
use crate::store::{Result, Store};

/// How many unfinished and finished jobs are looked at; of an owner with more, only the newest.
const SEARCHED: i64 = 1_000;

/// A moment of the database: its time, and the oldest transaction that had not ended then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivityPosition {
    /// The time.
    pub at: DateTime<Utc>,
    /// The transaction; `None` for a time that a caller named.
    pub oldest_open: Option<i64>,
}

/// What changed.
#[derive(Debug)]
pub struct Activity {
    /// The jobs as they are now, the newest change first.
    pub jobs: Vec<JobDocument>,
    /// Where the next call begins.
    pub position: ActivityPosition,
    /// True if there are further changes, which are older.
    pub is_cut: bool,
}

impl Store {
    /// The newest changes of jobs of this owner, of these kinds, since a position; at most `limit`. What changed around the
    /// position may come once more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn activity(
        &self,
        owner: &str,
        kinds: Option<&[String]>,
        since: Option<ActivityPosition>,
        limit: usize,
    ) -> Result<Activity> {
        // Before the changes are read: whatever commits from here on belongs to the next call.
        let position = self.activity_position().await?;
        let changes = sqlx::query_file!(
            "src/store/jobs/activity.sql",
            owner,
            kinds,
            since.map(|since| since.at),
            since.and_then(|since| since.oldest_open),
            SEARCHED
        )
        .fetch_all(self.pool())
        .await?;
        let is_cut = changes.len() > limit || changes.first().is_some_and(|first| first.is_cut);
        let ids: Vec<Uuid> = changes.iter().take(limit).map(|change| change.id).collect();
        let rows = documents!(
            r#"
            where id = any($1)
            order by array_position($1, id)
            "#,
            &ids
        )
        .fetch_all(self.pool())
        .await?;
        let jobs = rows.into_iter().map(|row| self.shown(row.into())).collect();
        Ok(Activity { jobs, position, is_cut })
    }

    async fn activity_position(&self) -> Result<ActivityPosition> {
        Ok(sqlx::query_as!(
            ActivityPosition,
            r#"
            select
              now() as "at!",
              pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest_open
            "#
        )
        .fetch_one(self.pool())
        .await?)
    }
}
