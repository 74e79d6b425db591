//! Change and snooze: update a job that is not running. Both record their author.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::job::state::JobState;
use crate::store::words::Words;
use crate::store::{Result, Store};

impl Store {
    /// Puts off a job that is not running until the given time from now. Returns its state, `None` if there
    /// is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn snooze(&self, job_id: Uuid, delay: Duration, by: &str) -> Result<Option<JobState>> {
        let word = sqlx::query_scalar!(
            "select snooze($1, make_interval(secs => $2), $3)",
            job_id,
            delay.as_secs_f64(),
            by
        )
        .fetch_one(self.pool())
        .await?;
        JobState::decode_some(word)
    }

    /// Changes a job that is not running: the fields among `priority`, `queue`, `run_at`, `max_attempts`,
    /// `tags` and `metadata` that `change` contains. Returns its state, `None` if there is no such job; a
    /// running or finished job does not change.
    ///
    /// # Errors
    /// When the database fails, or refuses the change.
    pub async fn change_job(&self, job_id: Uuid, change: &Value, by: &str) -> Result<Option<JobState>> {
        let word = sqlx::query_scalar!("select change_job($1, $2, $3)", job_id, change, by)
            .fetch_one(self.pool())
            .await?;
        JobState::decode_some(word)
    }
}
