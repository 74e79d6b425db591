//! Complete: moves finished jobs from the live partition to the history, a whole batch in one
//! statement. A lost lease moves nothing, and the answer names it.

use std::collections::HashSet;

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgExecutor};
use uuid::Uuid;

use super::ended_attempt::EndedAttempt;
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
pub struct CompletedBatch {
    /// The completed jobs, each with its lease.
    pub leased: HashSet<(Uuid, Uuid)>,
    /// Their attempts, in any order.
    pub ran: Vec<EndedAttempt>,
    /// Other jobs wait for one of these: [`Store::resolve`] is due.
    pub awaited: bool,
}

impl Store {
    /// Completes a batch. Commits to disk before it answers.
    ///
    /// # Errors
    /// When the database fails; then none of the batch is completed.
    pub async fn complete(&self, batch: &[Completed]) -> Result<CompletedBatch> {
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
    ) -> Result<CompletedBatch> {
        let rows = sqlx::query_file!(
            "src/store/attempts/complete.sql",
            jobs,
            leases,
            results as &[Option<Value>],
            usages as &[Option<Value>],
        )
        .fetch_all(self.writes())
        .await?;
        Ok(CompletedBatch {
            awaited: rows.iter().any(|row| row.awaited == Some(true)),
            leased: rows.iter().map(|row| (row.id, row.lease_id)).collect(),
            ran: rows
                .into_iter()
                .map(|row| EndedAttempt {
                    job_id: row.id,
                    lease_id: row.lease_id,
                    attempt: row.attempt,
                    kind: row.kind,
                    queue: row.queue,
                    started_at: row.started_at,
                    ended_at: row.ended_at,
                    traceparent: row.traceparent,
                })
                .collect(),
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
    pub async fn completed_before(&self, batch: &[Completed]) -> Result<Vec<((Uuid, Uuid), EndedAttempt)>> {
        let jobs: Vec<Uuid> = batch.iter().map(|item| item.job_id).collect();
        let leases: Vec<Uuid> = batch.iter().map(|item| item.lease_id).collect();
        let rows = sqlx::query!(
            r#"
            select
              id as "id!",
              last_lease_id as "lease_id!",
              kind as "kind!",
              queue as "queue!",
              started_at as "started_at!",
              finished_at as "ended_at!",
              attempt as "attempt!",
              metadata ->> 'traceparent' as traceparent
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
        let found = rows.into_iter().map(|row| {
            let ended = EndedAttempt {
                job_id: row.id,
                lease_id: row.lease_id,
                attempt: row.attempt,
                kind: row.kind,
                queue: row.queue,
                started_at: row.started_at,
                ended_at: row.ended_at,
                traceparent: row.traceparent,
            };
            ((row.id, row.lease_id), ended)
        });
        Ok(found.collect())
    }
}
