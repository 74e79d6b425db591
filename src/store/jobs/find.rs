//! Find: one job by its id or by the caller's name for it, or several by their ids; the live part and
//! the history look the same from here.

use std::collections::HashMap;

use sqlx::PgExecutor;
use uuid::Uuid;

use super::document::{DocumentRow, documents};
use crate::job::document::JobDocument;
use crate::store::db::lossy_json::Readable;
use crate::store::{Result, Store};

impl Store {
    /// The job, or `None`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_job(&self, id: Uuid) -> Result<Option<JobDocument>> {
        Ok(self.find_jobs(&[id]).await?.into_iter().next())
    }

    /// The jobs that exist among `ids`, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_jobs(&self, ids: &[Uuid]) -> Result<Vec<JobDocument>> {
        let found = find_jobs_in(self.pool(), ids).await?;
        Ok(found.into_iter().map(|job| self.shown(job)).collect())
    }

    /// The job of a caller's name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_id_of(&self, execution_id: &str) -> Result<Option<Uuid>> {
        Ok(sqlx::query_scalar!("select job_id from task_ids where execution_id = $1", execution_id)
            .fetch_optional(self.pool())
            .await?)
    }
}

/// As [`Store::find_jobs`], on a connection of the caller's, and in stored form: neither decrypted nor
/// redacted.
///
/// # Errors
/// When the database fails.
pub async fn find_jobs_in(executor: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<Vec<JobDocument>> {
    let rows = documents!("where id = any($1) order by id desc", ids).fetch_all(executor).await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The jobs of callers' names; names without a job are missing.
///
/// # Errors
/// When the database fails.
pub async fn job_ids_of(
    executor: impl PgExecutor<'_>,
    execution_ids: &[String],
) -> Result<HashMap<String, Uuid>> {
    let rows =
        sqlx::query!("select execution_id, job_id from task_ids where execution_id = any($1)", execution_ids)
            .fetch_all(executor)
            .await?;
    Ok(rows.into_iter().map(|row| (row.execution_id, row.job_id)).collect())
}
