//! Cancel: ends a job that is not running at once, and asks the worker of a running job to stop.
//! The request is a row, so it holds even if no worker is up.

use uuid::Uuid;

use crate::store::words::{Words, words};
use crate::store::{Result, Store};

words! {
    /// What became of a request to cancel a job.
    pub enum CancelOutcome, "the outcome of a cancel" {
        /// It is cancelled, now or since earlier.
        Cancelled = "cancelled",
        /// It runs, and its worker is asked to stop it; or it is a workflow whose jobs are cancelled.
        CancelRequested = "cancel_requested",
        /// It had completed.
        Completed = "completed",
        /// It had failed.
        Failed = "failed",
    }
}

impl Store {
    /// Cancels a job; `None` if there is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel(
        &self,
        job_id: Uuid,
        reason: Option<&str>,
        by: &str,
    ) -> Result<Option<CancelOutcome>> {
        let word = sqlx::query_scalar!("select cancel($1, $2, $3)", job_id, reason, by)
            .fetch_one(self.pool())
            .await?;
        CancelOutcome::decode_some(word)
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
