//! Retry and run-now: manual actions that make a job due again. Each records its author.

use uuid::Uuid;

use crate::job::state::JobState;
use crate::store::words::Words;
use crate::store::{Result, Store};

impl Store {
    /// Makes a finished job live again, or a live one due now; returns its state, `None` if there is no
    /// such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retry(&self, job_id: Uuid, by: &str) -> Result<Option<JobState>> {
        let word = sqlx::query_scalar!("select retry($1, $2)", job_id, by).fetch_one(self.pool()).await?;
        JobState::decode_some(word)
    }

    /// Makes a scheduled or retrying job due now; returns its state, `None` if there is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_now(&self, job_id: Uuid, by: &str) -> Result<Option<JobState>> {
        let word = sqlx::query_scalar!("select run_now($1, $2)", job_id, by).fetch_one(self.pool()).await?;
        JobState::decode_some(word)
    }
}
