//! Steps: checkpoints of running attempts, sleeps, and jobs that start again at a step. Every write
//! is fenced by the lease; a write with a lost lease changes nothing and returns an error.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::document::micros;
use crate::store::db::lossy_json::{Given, Readable};
use crate::store::{Result, Store};

/// A checkpoint as shown to people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StepRecord {
    /// Its name, unique in the job.
    pub name: String,
    /// The attempt that stored it.
    pub attempt: i32,
    /// The output of the step; for a cursor, the position of the job.
    pub output: Option<Value>,
    /// The job that it enqueued, if any.
    pub spawned_id: Option<Uuid>,
    /// When it was first stored.
    #[serde(serialize_with = "micros")]
    pub created_at: DateTime<Utc>,
    /// When it was last stored.
    #[serde(serialize_with = "micros")]
    pub updated_at: DateTime<Utc>,
}

/// The writer of a checkpoint: the job and its lease.
pub type LeasedJob = (Uuid, Uuid);

impl Store {
    /// The checkpoints of a job in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn steps(&self, job_id: Uuid) -> Result<Vec<StepRecord>> {
        Ok(sqlx::query_as!(
            StepRecord,
            r#"
            select
              name,
              attempt,
              coalesce(output, 'null') as "output!: Readable",
              spawned_id,
              created_at,
              updated_at
            from steps
            where job_id = $1
            order by created_at, name
            limit 10000
            "#,
            job_id
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// Stores a step's output once: returns the stored output, `None` if the lease is lost. With `replace`
    /// the new output counts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn save_step(
        &self,
        (job_id, lease_id): LeasedJob,
        name: &str,
        output: &Value,
        replace: bool,
    ) -> Result<Option<Value>> {
        let saved = sqlx::query_scalar!(
            r#"select save_step($1, $2, $3, $4, $5) as "saved: Given""#,
            job_id,
            lease_id,
            name,
            output,
            replace
        )
        .fetch_one(self.pool())
        .await?;
        saved.map(|saved| saved.read().map(|mut kept| kept["output"].take())).transpose()
    }

    /// The remaining seconds of a durable sleep, 0 or less when it has ended; `None` if the lease is lost.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sleep_step(
        &self,
        (job_id, lease_id): LeasedJob,
        name: &str,
        seconds: f64,
    ) -> Result<Option<f64>> {
        Ok(sqlx::query_scalar!("select sleep_step($1, $2, $3, $4)", job_id, lease_id, name, seconds)
            .fetch_one(self.pool())
            .await?)
    }

    /// Enqueues a job's work again, keeping the checkpoints before a step; `None` if there is no such job.
    ///
    /// # Errors
    /// When the database fails, or refuses a step that does not exist.
    pub async fn fork(&self, job_id: Uuid, from_step: Option<&str>, by: &str) -> Result<Option<Uuid>> {
        Ok(sqlx::query_scalar!("select fork($1, $2, $3)", job_id, from_step, by)
            .fetch_one(self.pool())
            .await?)
    }
}
