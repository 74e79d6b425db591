//! Complete: moves finished jobs from the live part to the history, a whole batch in one statement.
//! A lease that was lost moves nothing, and its worker is told.

use std::collections::HashSet;

use serde_json::Value;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{Result, Store};
use crate::job::attempt::Usage;

/// One attempt that completed.
#[derive(Debug, Clone)]
pub struct Completed {
    pub job_id: Uuid,
    pub lease_id: Uuid,
    pub result: Option<Value>,
    pub usage: Usage,
}

impl Store {
    /// Completes a batch; answers the leases that were still held. Commits to disk before it answers.
    ///
    /// # Errors
    /// When the database fails; then none of the batch is completed.
    pub async fn complete(&self, batch: &[Completed]) -> Result<HashSet<Uuid>> {
        match self.complete_once(batch).await {
            Err(error) if error.is_missing_partition() => {
                self.ensure_partitions().await?;
                self.complete_once(batch).await
            }
            other => other,
        }
    }

    async fn complete_once(&self, batch: &[Completed]) -> Result<HashSet<Uuid>> {
        if batch.iter().all(|item| item.usage.is_empty()) {
            return complete_rows(self.writes(), batch).await;
        }
        // With what the processes used, or not at all: an error must mean that nothing was done.
        let mut transaction = self.writes().begin().await?;
        let held = complete_rows(&mut *transaction, batch).await?;
        for item in batch.iter().filter(|item| !item.usage.is_empty() && held.contains(&item.lease_id)) {
            record_usage(&mut *transaction, item).await?;
        }
        transaction.commit().await?;
        Ok(held)
    }
}

async fn complete_rows(executor: impl PgExecutor<'_>, batch: &[Completed]) -> Result<HashSet<Uuid>> {
    let jobs: Vec<Uuid> = batch.iter().map(|item| item.job_id).collect();
    let leases: Vec<Uuid> = batch.iter().map(|item| item.lease_id).collect();
    let results: Vec<Option<Value>> = batch.iter().map(|item| item.result.clone()).collect();
    let held = sqlx::query_scalar!(
            r#"
            with input as materialized (
              select *
              from unnest($1::uuid[], $2::uuid[], $3::jsonb[]) as i (job_id, lease_id, result)
            ),
            gone as (
              delete from jobs_live j
              using input i
              where j.id = i.job_id
                and j.lease_id = i.lease_id
                and j.state = 'running'
              returning j.*, i.result as new_result
            ),
            released as (
              delete from running r
              using gone g
              where r.job_id = g.id
            )
            insert into jobs (
              id, kind, queue, state, priority, attempt, max_attempts, run_at, created_at, started_at, finished_at,
              cancel_requested_at, last_lease_id, last_worker_id, args, result, error, execution_id, tags, metadata,
              soft_timeout, hard_timeout, retain, retain_until)
            select
              g.id, g.kind, g.queue, 'completed', g.priority, g.attempt, g.max_attempts, g.run_at, g.created_at,
              g.started_at, clock_timestamp(), g.cancel_requested_at, g.lease_id, g.worker_id, g.args, g.new_result,
              g.error, g.execution_id, g.tags, g.metadata, g.soft_timeout, g.hard_timeout, g.retain,
              clock_timestamp() + g.retain
            from gone g
            returning last_lease_id as "lease_id!"
            "#,
            &jobs,
            &leases,
            &results as &[Option<Value>],
        )
        .fetch_all(executor)
        .await?;
    Ok(held.into_iter().collect())
}

/// Keeps what the process behind a completed attempt used.
async fn record_usage(executor: impl PgExecutor<'_>, item: &Completed) -> Result<()> {
    sqlx::query!(
            r#"
            insert into attempts (
              job_id, attempt, lease_id, worker_id, outcome, exit_code, signal, out_of_memory, peak_memory_bytes,
              started_at)
            select j.id, j.attempt, $2, j.last_worker_id, 'completed', $3, $4, $5, $6, j.started_at
            from jobs j
            where j.id = $1
              and j.last_lease_id = $2
              and j.finished_at is not null
            "#,
            item.job_id,
            item.lease_id,
            item.usage.exit_code,
            item.usage.signal,
            item.usage.out_of_memory,
            item.usage.peak_memory_bytes,
        )
        .execute(executor)
        .await?;
    Ok(())
}
