//! Complete: moves finished jobs from the live partition to the history, a whole batch in one
//! statement. A lost lease moves nothing, and the answer names it.

use std::collections::HashSet;

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgExecutor};
use uuid::Uuid;

use crate::job::attempt::Usage;
use crate::store::{Result, Store};

/// One attempt that completed.
#[derive(Debug, Clone)]
pub struct Completed {
    pub job_id: Uuid,
    pub lease_id: Uuid,
    pub result: Option<Value>,
    pub usage: Usage,
}

/// The outcome of a batch.
#[derive(Debug, Default)]
pub struct Done {
    /// The completed jobs, each with its lease.
    pub held: HashSet<(Uuid, Uuid)>,
    /// Other jobs wait for one of these: [`Store::resolve`] is due.
    pub awaited: bool,
}

impl Store {
    /// Completes a batch. Commits to disk before it answers.
    ///
    /// # Errors
    /// When the database fails; then none of the batch is completed.
    pub async fn complete(&self, batch: &[Completed]) -> Result<Done> {
        let jobs: Vec<Uuid> = batch.iter().map(|item| item.job_id).collect();
        let leases: Vec<Uuid> = batch.iter().map(|item| item.lease_id).collect();
        let results: Vec<Option<Value>> = batch.iter().map(|item| item.result.clone()).collect();
        let usages: Vec<Option<Value>> = batch
            .iter()
            .map(|item| serde_json::to_value(&item.usage).ok().filter(|_| !item.usage.is_empty()))
            .collect();
        match self.complete_rows(&jobs, &leases, &results, &usages).await {
            Err(error) if error.is_missing_partition() => {
                self.ensure_partitions().await?;
                self.complete_rows(&jobs, &leases, &results, &usages).await
            }
            other => other,
        }
    }

    async fn complete_rows(
        &self,
        jobs: &[Uuid],
        leases: &[Uuid],
        results: &[Option<Value>],
        usages: &[Option<Value>],
    ) -> Result<Done> {
        let rows = sqlx::query!(
            r#"
            with input as materialized (
              select *
              from unnest($1::uuid[], $2::uuid[], $3::jsonb[], $4::jsonb[]) as i (job_id, lease_id, result, usage)
            ),
            gone as (
              delete from jobs_live j
              using input i
              where j.id = i.job_id
                and j.lease_id = i.lease_id
                and j.state = 'running'
              returning j.*, i.result as new_result, i.usage
            ),
            released as (
              delete from running r
              using gone g
              where r.job_id = g.id
            ),
            -- What the process behind the attempt used.
            recorded as (
              insert into attempts (
                job_id, attempt, lease_id, worker_id, outcome, exit_code, signal, out_of_memory, peak_memory_bytes,
                started_at)
              select
                g.id, g.attempt, g.lease_id, g.worker_id, 'completed', (g.usage ->> 'exit_code')::integer,
                (g.usage ->> 'signal')::integer, coalesce((g.usage ->> 'out_of_memory')::boolean, false),
                (g.usage ->> 'peak_memory_bytes')::bigint, g.started_at
              from gone g
              where g.usage is not null
            ),
            counted as (
              insert into stats_deltas (queue, kind, outcome, jobs, waited, ran, ran_least, ran_most)
              select g.queue, g.kind, 'completed', count(*), sum(g.started_at - g.run_at), sum(g.ran), min(g.ran), max(g.ran)
              from (select queue, kind, run_at, started_at, clock_timestamp() - started_at as ran from gone) g
              group by g.queue, g.kind
            )
            insert into jobs (
              id, kind, queue, state, priority, attempt, max_attempts, run_at, created_at, started_at, finished_at,
              cancel_requested_at, last_lease_id, last_worker_id, args, result, error, execution_id, tags, metadata,
              soft_timeout, hard_timeout, retain, retain_until, concurrency_keys, fair_key, group_id, due_at, expires_at,
              unique_key, workflow_id, awaited)
            select
              g.id, g.kind, g.queue, 'completed', g.priority, g.attempt, g.max_attempts, g.run_at, g.created_at,
              g.started_at, clock_timestamp(), g.cancel_requested_at, g.lease_id, g.worker_id, g.args, g.new_result,
              g.error, g.execution_id, g.tags, g.metadata, g.soft_timeout, g.hard_timeout, g.retain,
              clock_timestamp() + g.retain, g.concurrency_keys, g.fair_key, g.group_id, g.due_at, g.expires_at,
              g.unique_key, g.workflow_id, g.awaited
            from gone g
            returning id as "id!", last_lease_id as "lease_id!", awaited
            "#,
            jobs,
            leases,
            results as &[Option<Value>],
            usages as &[Option<Value>],
        )
        .fetch_all(self.writes())
        .await?;
        Ok(Done {
            awaited: rows.iter().any(|row| row.awaited == Some(true)),
            held: rows.into_iter().map(|row| (row.id, row.lease_id)).collect(),
        })
    }

    /// Completes one attempt in the caller's transaction, on any executor that sees the same database; false if the lease
    /// is lost.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn complete_in(
        &self,
        executor: impl PgExecutor<'_>,
        (job_id, lease_id): (Uuid, Uuid),
        result: Option<&Value>,
    ) -> Result<bool> {
        // The caller's connection may have another search path.
        let schema = self.options().schema.replace('"', "\"\"");
        let statement = AssertSqlSafe(format!("select \"{schema}\".complete($1, $2, $3)"));
        let completed = sqlx::query_scalar(statement).bind(job_id).bind(lease_id).bind(result);
        Ok(completed.fetch_one(executor).await?)
    }

    /// The jobs of a batch that an earlier call completed under their leases, whose answer was lost.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn completed_before(&self, batch: &[Completed]) -> Result<Vec<(Uuid, Uuid)>> {
        let jobs: Vec<Uuid> = batch.iter().map(|item| item.job_id).collect();
        let leases: Vec<Uuid> = batch.iter().map(|item| item.lease_id).collect();
        let rows = sqlx::query!(
            r#"
            select id as "id!", last_lease_id as "lease_id!"
            from jobs
            where id = any($1)
              and last_lease_id = any($2)
              and state = 'completed'
            "#,
            &jobs,
            &leases,
        )
        .fetch_all(self.writes())
        .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.lease_id)).collect())
    }
}
