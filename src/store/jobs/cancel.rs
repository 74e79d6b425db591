//! Cancel: ends a job that is not running at once, and asks the worker of a running job to stop.
//! The request is a row, so it holds even if no worker is up.

use uuid::Uuid;

use crate::store::{Result, Store};

impl Store {
    /// Cancels a job; returns `cancelled`, `cancel_requested`, or the state of a finished job; `None` if
    /// there is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel(&self, job_id: Uuid, reason: Option<&str>, by: &str) -> Result<Option<String>> {
        Ok(sqlx::query_scalar!("select cancel($1, $2, $3)", job_id, reason, by)
            .fetch_one(self.pool())
            .await?)
    }

    /// The given jobs with a cancel request; for workers that receive no notifications.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_requests(&self, jobs: &[Uuid]) -> Result<Vec<Uuid>> {
        Ok(sqlx::query_scalar!(
            r#"
            select id
            from jobs_live
            where id = any($1)
              and cancel_requested_at is not null
            "#,
            jobs
        )
        .fetch_all(self.pool())
        .await?)
    }
}
