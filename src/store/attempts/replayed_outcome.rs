//! Finds out whether an expired lease already ended its attempt with the same outcome, so that a
//! retried request gets the first answer. Only reads; changes nothing.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::job::attempt::StopReason;
use crate::job::state::JobState;
use crate::store::words::Words;
use crate::store::{Result, Store};

/// The outcome that a worker reported for its attempt.
#[derive(Debug)]
pub enum ReportedOutcome<'a> {
    /// With this result.
    Completed(Option<&'a Value>),
    /// Without a result: completed; or cancelled after a cancel request, or failed like this after the soft
    /// timeout.
    Stopped(&'a Value),
    /// With this error.
    Failed(&'a Value),
    /// To continue after this delay.
    Snoozed(Duration),
}

impl Store {
    /// The state that followed from this outcome of the lease, or `None` if the lease never reported it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settled_by(
        &self,
        job_id: Uuid,
        lease_id: Uuid,
        reported: &ReportedOutcome<'_>,
    ) -> Result<Option<JobState>> {
        match reported {
            ReportedOutcome::Completed(result) => self.completed_by(job_id, lease_id, *result).await,
            ReportedOutcome::Stopped(timeout) => {
                if let Some(completed) = self.completed_by(job_id, lease_id, None).await? {
                    return Ok(Some(completed));
                }
                match self.cancelled_by(job_id, lease_id).await? {
                    None => self.failed_by(job_id, lease_id, timeout).await,
                    cancelled => Ok(cancelled),
                }
            }
            ReportedOutcome::Failed(error) => self.failed_by(job_id, lease_id, error).await,
            ReportedOutcome::Snoozed(delay) => self.snoozed_by(job_id, lease_id, *delay).await,
        }
    }

    async fn completed_by(&self, job: Uuid, lease: Uuid, result: Option<&Value>) -> Result<Option<JobState>> {
        let word = sqlx::query_scalar!(
            r#"
            select 'completed' as "state!"
            from jobs
            where id = $1
              and last_lease_id = $2
              and state = 'completed'
              and result is not distinct from $3
            "#,
            job,
            lease,
            result,
        )
        .fetch_optional(self.pool())
        .await?;
        JobState::decode_some(word)
    }

    /// A stopped attempt leaves no trace except the end of its job.
    async fn cancelled_by(&self, job: Uuid, lease: Uuid) -> Result<Option<JobState>> {
        let word = sqlx::query_scalar!(
            r#"
            select 'cancelled' as "state!"
            from jobs j
            where j.id = $1
              and j.last_lease_id = $2
              and j.state = 'cancelled'
              and not exists (select 1 from attempts a where a.job_id = $1 and a.lease_id = $2)
              and not exists (
                select 1
                from events e
                where e.job_id = $1
                  and e.type in ('snoozed', 'released')
                  and e.data ->> 'lease_id' = $2::uuid::text)
            "#,
            job,
            lease,
        )
        .fetch_optional(self.pool())
        .await?;
        JobState::decode_some(word)
    }

    /// The leases among these whose attempt was asked to stop, each with the reason.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn shall_stop(&self, jobs: &[Uuid], leases: &[Uuid]) -> Result<HashMap<Uuid, StopReason>> {
        let rows = sqlx::query!(
            r#"
            select
              j.lease_id as "lease_id!",
              j.cancel_requested_at is not null as "cancelled!"
            from jobs_live j
            left join running r on r.job_id = j.id
            where j.id = any($1)
              and j.lease_id = any($2)
              and j.state = 'running'
              and (
                j.cancel_requested_at is not null
                or r.soft_at < clock_timestamp())
            "#,
            jobs,
            leases,
        )
        .fetch_all(self.pool())
        .await?;
        let reason = |cancelled| if cancelled { StopReason::Cancelled } else { StopReason::SoftTimeout };
        Ok(rows.into_iter().map(|row| (row.lease_id, reason(row.cancelled))).collect())
    }

    async fn failed_by(&self, job: Uuid, lease: Uuid, error: &Value) -> Result<Option<JobState>> {
        let word = sqlx::query_scalar!(
            r#"
            select
              case
                -- Only the engine's own retry has this field; what people did to the job later does not matter.
                when exists (
                  select 1
                  from events e
                  where e.job_id = a.job_id
                    and e.attempt = a.attempt
                    and e.type = 'retry'
                    and e.data ? 'run_at'
                ) then case when j.group_id is null then 'available' else 'waiting' end
                when j.state = 'cancelled' then 'cancelled'
                else 'failed'
              end as "state!"
            from attempts a
            join jobs j on j.id = a.job_id
            where a.job_id = $1
              and a.lease_id = $2
              and a.outcome in ('failed', 'timed_out')
              and a.error = $3
            limit 1
            "#,
            job,
            lease,
            error,
        )
        .fetch_optional(self.pool())
        .await?;
        JobState::decode_some(word)
    }

    /// The state of a job that this lease put into waiting earlier; `None` if it never did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn waited_by(&self, job_id: Uuid, lease_id: Uuid) -> Result<Option<JobState>> {
        let word = sqlx::query_scalar!(
            r#"
            select j.state::text as "state!"
            from events e
            join jobs j on j.id = e.job_id
            where e.job_id = $1
              and e.type = 'waits'
              and e.data ->> 'lease_id' = $2::uuid::text
            limit 1
            "#,
            job_id,
            lease_id,
        )
        .fetch_optional(self.pool())
        .await?;
        JobState::decode_some(word)
    }

    async fn snoozed_by(&self, job: Uuid, lease: Uuid, delay: Duration) -> Result<Option<JobState>> {
        let word = sqlx::query_scalar!(
            r#"
            with said as (
              select e.type, e.data
              from events e
              where e.job_id = $1
                and e.type in ('snoozed', 'released')
                and e.data ->> 'lease_id' = $2::uuid::text
            )
            select case when j.group_id is null then 'available' else 'waiting' end as "state!"
            from said
            join jobs j on j.id = $1
            where type = 'snoozed'
              and (data ->> 'delay_seconds')::numeric = extract(epoch from make_interval(secs => $3))
            union all
            -- A snooze of a job that is to be cancelled ends it and leaves no event.
            select 'cancelled'
            from jobs j
            where j.id = $1
              and j.last_lease_id = $2
              and j.state = 'cancelled'
              and not exists (select 1 from said)
              and not exists (select 1 from attempts a where a.job_id = $1 and a.lease_id = $2)
            limit 1
            "#,
            job,
            lease,
            delay.as_secs_f64(),
        )
        .fetch_optional(self.pool())
        .await?;
        JobState::decode_some(word)
    }
}
