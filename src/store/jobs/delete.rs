//! Delete: removes a job that is not running, with all its history.

use uuid::Uuid;

use crate::store::{Result, Store};

impl Store {
    /// Deletes a job; returns `deleted`, `running` (nothing was done), or `None` if there is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_job(&self, job_id: Uuid) -> Result<Option<String>> {
        let mut acting = self.acting().await?;
        let answer = sqlx::query_scalar!("select delete_job($1)", job_id).fetch_one(acting.line()).await?;
        acting.commit().await?;
        Ok(answer)
    }
}
