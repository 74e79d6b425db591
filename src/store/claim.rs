//! Claim: takes due jobs of one queue under new leases. One statement; the cursor spares it the dead
//! rows at the head of the index, and a job that another claimer holds is passed over.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::line::Transaction;
use super::readable::Given;
use super::{Result, Store};

/// Behind which row of one priority the next claim begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// `run_at` of the last row that was claimed.
    pub run_at: DateTime<Utc>,
    /// Its id.
    pub id: Uuid,
}

impl Position {
    /// Before every row.
    pub const HEAD: Self = Self { run_at: DateTime::UNIX_EPOCH, id: Uuid::nil() };
}

/// A position for each priority from 1 to 9.
pub type Cursor = [Position; 9];

/// What to claim.
#[derive(Debug)]
pub struct ClaimRequest<'a> {
    /// From this queue.
    pub queue: &'a str,
    /// Only these kinds.
    pub kinds: &'a [String],
    /// At most so many.
    pub limit: i64,
    /// Behind these rows.
    pub cursor: &'a Cursor,
    /// For this worker.
    pub worker_id: &'a str,
    /// Leases last so long unless they are renewed.
    pub lease_ttl_seconds: f64,
    /// These jobs as well, which the transaction locked and counted; see [`super::admit`].
    pub picked: &'a [Uuid],
}

/// A job that was claimed, with all that its attempt needs.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub id: Uuid,
    pub lease_id: Uuid,
    pub kind: String,
    pub queue: String,
    pub priority: i16,
    pub attempt: i32,
    pub max_attempts: i32,
    /// An object, unless it cannot be read; then a text that says why.
    pub args: Value,
    pub execution_id: Option<String>,
    pub run_at: DateTime<Utc>,
    /// It took its turn in a group, and counts for limits.
    pub grouped: bool,
    pub soft_timeout_seconds: Option<f64>,
    pub hard_timeout_seconds: Option<f64>,
    pub lease_expires_at: DateTime<Utc>,
}

impl Store {
    /// Claims due jobs, first priorities first, each oldest first.
    ///
    /// # Errors
    /// When the database fails. A claim whose answer is lost comes back when its leases expire.
    pub async fn claim(&self, request: &ClaimRequest<'_>) -> Result<Vec<Claimed>> {
        claim_in(self.claims(), request).await
    }

    /// Those of these leases under which a job still runs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held(&self, jobs: &[Uuid], leases: &[Uuid]) -> Result<HashSet<Uuid>> {
        let held = sqlx::query_scalar!(
            "select lease_id from running where job_id = any($1) and lease_id = any($2)",
            jobs,
            leases
        );
        Ok(held.fetch_all(self.pool()).await?.into_iter().collect())
    }

    /// A transaction on one of the connections that claims are made on; others wait for it, so end it soon.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn claiming(&self) -> Result<Transaction<'static>> {
        Ok(self.claims().begin().await?)
    }
}

/// Claims on a connection of the caller's, also in its transaction.
///
/// # Errors
/// As [`Store::claim`].
#[expect(clippy::too_many_lines, reason = "one statement, which is best read in one piece")]
pub async fn claim_in(executor: impl PgExecutor<'_>, request: &ClaimRequest<'_>) -> Result<Vec<Claimed>> {
    let priorities: Vec<i16> = (1..=9).collect();
    let run_ats: Vec<DateTime<Utc>> = request.cursor.iter().map(|position| position.run_at).collect();
    let ids: Vec<Uuid> = request.cursor.iter().map(|position| position.id).collect();
    let claimed = sqlx::query_as!(
        Claimed,
        r#"
        with served as materialized (
          -- As closed_kinds has it, without the price of a call.
          select array(
            select s.kind
            from unnest($2::text[]) as s (kind)
            where not exists (
              select 1
              from kinds b
              where b.name = s.kind
                and b.breaker_open_until > statement_timestamp())
          ) as kinds
        ),
        due as materialized (
          select d.id
          from unnest($3::smallint[], $4::timestamptz[], $5::uuid[]) as c (priority, run_at, id)
          cross join lateral (
            select j.id
            from jobs_live j
            where j.queue = $1
              and j.priority = c.priority
              and (j.run_at, j.id) > (c.run_at, c.id)
              and j.run_at <= statement_timestamp()
              and j.state = 'available'
              and j.kind = any((select s.kinds from served s)::text[])
              and (j.expires_at is null or j.expires_at > statement_timestamp() or j.started_at is not null)
            order by j.run_at, j.id
            limit $6
            for update skip locked
          ) d
          -- What is limited must be counted before it is claimed.
          where not exists (select 1 from queues q where q.name = $1 and (q.paused_at is not null or q.limited))
          limit $6
        ),
        all_due as materialized (
          select id from due
          union all
          select unnest($9::uuid[])
        ),
        taken as (
          update jobs_live j
          set
            state = 'running',
            attempt = j.attempt + 1,
            lease_id = gen_random_uuid(),
            worker_id = $7,
            started_at = clock_timestamp(),
            -- Unchanged but for a job that waited for its turn.
            run_at = case when j.state = 'waiting' then j.due_at else j.run_at end
          from all_due due
          where j.id = due.id
          returning j.*
        ),
        registered as (
          insert into running (
            job_id, lease_id, worker_id, attempt, queue, kind, started_at, concurrency_keys, lease_expires_at, deadline_at)
          select
            t.id, t.lease_id, t.worker_id, t.attempt, t.queue, t.kind, t.started_at, t.concurrency_keys,
            clock_timestamp() + make_interval(secs => $8),
            -- The worker ends the attempt at its hard timeout; the sweep only if that failed.
            clock_timestamp() + coalesce(t.hard_timeout, k.hard_timeout, '24 hours')
              + coalesce(k.stop_grace, '10 seconds') + make_interval(secs => $8)
          from taken t
          left join kinds k on k.name = t.kind
          returning job_id, lease_expires_at
        )
        select
          t.id as "id!",
          t.lease_id as "lease_id!",
          t.kind as "kind!",
          t.queue as "queue!",
          t.priority as "priority!",
          t.attempt as "attempt!",
          t.max_attempts as "max_attempts!",
          t.args as "args!: Given",
          t.execution_id,
          t.run_at as "run_at!",
          t.group_id is not null as "grouped!",
          extract(epoch from t.soft_timeout)::double precision as soft_timeout_seconds,
          extract(epoch from t.hard_timeout)::double precision as hard_timeout_seconds,
          statement_timestamp() + make_interval(secs => $8) as "lease_expires_at!"
        from taken t
        order by t.priority, t.run_at, t.id
        "#,
        request.queue,
        request.kinds,
        &priorities,
        &run_ats,
        &ids,
        request.limit,
        request.worker_id,
        request.lease_ttl_seconds,
        request.picked,
    )
    .fetch_all(executor)
    .await?;
    Ok(claimed)
}
