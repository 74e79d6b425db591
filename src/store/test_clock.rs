//! Time travel, for tests only: moves every stored time that something waits for into the past, as
//! if that time had passed. Must never be used on jobs that matter.

use std::time::Duration;

use super::{Result, Store};

impl Store {
    /// Lets `by` pass for all jobs, leases, waits, durable sleeps, schedules, limits with a rate and
    /// breakers of the schema. Recorded times (enqueue, start, finish) do not change.
    ///
    /// # Errors
    /// When the database fails; then no time passes.
    pub async fn let_time_pass(&self, by: Duration) -> Result<()> {
        self.pass(by, &[IDLE, LEASES]).await
    }

    /// Lets `by` pass for everything that waits, except leases: a job that was just claimed keeps its
    /// lease.
    ///
    /// # Errors
    /// When the database fails; then no time passes.
    pub async fn skip_idle_time(&self, by: Duration) -> Result<()> {
        self.pass(by, &[IDLE]).await
    }

    async fn pass(&self, by: Duration, statements: &[&[&'static str]]) -> Result<()> {
        let mut transaction = self.pool().begin().await?;
        for statement in statements.iter().copied().flatten() {
            sqlx::query(*statement).bind(by.as_secs_f64()).execute(transaction.connection()).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// The seconds until the next job, wait, sleep, token or breaker falls due; `None` if nothing does.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_due_in(&self) -> Result<Option<f64>> {
        Ok(sqlx::query_scalar!(
            r#"
            select extract(epoch from min(at) - clock_timestamp())::double precision
            from (
              select coalesce(due_at, run_at) as at from jobs_live where state in ('available', 'waiting')
              union all
              select until from blocked_jobs
              union all
              select k.breaker_open_until from kinds k where exists (select from jobs_live j where j.kind = k.name)
              union all
              select e.until
              from jobs j
              cross join lateral explain_limits(j) e
              where j.finished_at is null
                and j.state = 'waiting'
                and j.due_at <= clock_timestamp()
            ) due
            where at > clock_timestamp()
              and at < 'infinity'
            "#
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// The number of jobs that are running or may start: due, of one of these kinds, and not blocked by a
    /// pause, breaker or limit.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn jobs_to_run(&self, kinds: &[String]) -> Result<i64> {
        Ok(sqlx::query_scalar!(
            r#"
            select count(*) as "jobs!"
            from jobs j
            where finished_at is null
              and case state
                when 'running' then true
                when 'available' then run_at <= clock_timestamp()
                when 'waiting' then due_at <= clock_timestamp() and not exists (select from explain_limits(j))
              end
              and (
                state = 'running'
                or kind = any(closed_kinds($1))
                and not exists (select from queues q where q.name = j.queue and q.paused_at is not null))
            "#,
            kinds
        )
        .fetch_one(self.pool())
        .await?)
    }
}

const LEASES: &[&str] = &[
    "update claim_batches
     set
       claimed_at = claimed_at - make_interval(secs => $1),
       lease_expires_at = lease_expires_at - make_interval(secs => $1)",
    "update running
     set
       started_at = started_at - make_interval(secs => $1),
       seen_at = seen_at - make_interval(secs => $1),
       soft_at = soft_at - make_interval(secs => $1),
       hard_at = hard_at - make_interval(secs => $1),
       lease_expires_at = lease_expires_at - make_interval(secs => $1),
       deadline_at = deadline_at - make_interval(secs => $1)",
];

const IDLE: &[&str] = &[
    "update jobs_live
     set
       run_at = case when run_at < 'infinity' then greatest(run_at - make_interval(secs => $1), '1970-01-01 00:00+00') else run_at end,
       due_at = due_at - make_interval(secs => $1),
       expires_at = expires_at - make_interval(secs => $1)",
    "update jobs set retain_until = retain_until - make_interval(secs => $1) where finished_at is not null and retain_until is not null",
    "update ready_groups set ready_at = ready_at - make_interval(secs => $1)",
    "update blocked_jobs set until = until - make_interval(secs => $1), run_at = run_at - make_interval(secs => $1)",
    "update steps
     set output = jsonb_set(output, '{sleep_until}', to_jsonb((output ->> 'sleep_until')::timestamptz - make_interval(secs => $1)))
     where output ? 'sleep_until'",
    "update limit_buckets set filled_at = filled_at - make_interval(secs => $1)",
    "update kinds
     set
       breaker_open_until = breaker_open_until - make_interval(secs => $1),
       breaker_crashed_at = breaker_crashed_at - make_interval(secs => $1)",
    "update schedules
     set
       next_at = next_at - make_interval(secs => $1),
       anchor_at = anchor_at - make_interval(secs => $1),
       last_slot_at = last_slot_at - make_interval(secs => $1),
       upcoming = array(select slot - make_interval(secs => $1) from unnest(upcoming) as u (slot))",
    // A slot is unique, so it moves in two leaps: there is no other slot a thousand years away.
    "update schedule_slots set slot = slot - make_interval(hours => 8760000) - make_interval(secs => $1)",
    "update schedule_slots set slot = slot + make_interval(hours => 8760000) where $1::double precision is not null",
    "update unique_keys set seen_at = seen_at - make_interval(secs => $1)",
];
