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

/// A checkpoint to store.
#[derive(Debug, Clone)]
pub struct NewStep {
    /// The writer.
    pub leased: LeasedJob,
    /// Its name, unique in the job.
    pub name: String,
    /// The output.
    pub output: Value,
    /// Whether the last output counts, and not the first.
    pub replace: bool,
}

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

    /// Stores steps of several attempts in one transaction; those whose lease is lost are left out.
    ///
    /// # Errors
    /// When the database fails; then none is stored.
    pub async fn save_steps(&self, steps: &[NewStep]) -> Result<()> {
        let jobs: Vec<Uuid> = steps.iter().map(|step| step.leased.0).collect();
        let leases: Vec<Uuid> = steps.iter().map(|step| step.leased.1).collect();
        let names: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
        let outputs: Vec<Value> = steps.iter().map(|step| step.output.clone()).collect();
        let replace: Vec<bool> = steps.iter().map(|step| step.replace).collect();
        sqlx::query!(
            r#"
            with new_steps as materialized (
              select i.*
              from unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $5::boolean[])
                with ordinality as i (job_id, lease_id, name, output, is_replaced, ord)
              -- The order in which jobs are locked, and for each job that of its steps.
              order by i.job_id, i.ord
            )
            select count(save_step(w.job_id, w.lease_id, w.name, w.output, w.is_replaced))
            from new_steps w
            "#,
            &jobs,
            &leases,
            &names,
            &outputs,
            &replace,
        )
        .fetch_one(self.pool())
        .await?;
        Ok(())
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
