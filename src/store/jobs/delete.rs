//! Delete: removes a job that is not running, with all its history.

use uuid::Uuid;

use crate::store::words::{Words, words};
use crate::store::{Result, Store};

words! {
    /// What became of a request to delete a job.
    pub enum DeleteOutcome, "the outcome of a delete" {
        /// It is gone.
        Deleted = "deleted",
        /// It runs, or is a workflow that has not finished: nothing was done.
        Running = "running",
    }
}

impl Store {
    /// Deletes a job; `None` if there is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_job(&self, job_id: Uuid) -> Result<Option<DeleteOutcome>> {
        let mut acting = self.acting().await?;
        let word =
            sqlx::query_scalar!("select delete_job($1)", job_id).fetch_one(acting.connection()).await?;
        acting.commit().await?;
        DeleteOutcome::decode_some(word)
    }
}
