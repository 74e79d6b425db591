//! Sweep: takes back jobs whose lease expired or whose deadline passed. The SQL function of the
//! same name decides, on locked rows; any process can sweep at any time. Each round also says what the other
//! periodic tasks would find, so that they need not ask.

use std::time::Duration;

use uuid::Uuid;

use super::ended_attempt::EndedAttempt;
use crate::job::state::JobState;
use crate::store::words::{Words, words};
use crate::store::{Result, Store};

words! {
    /// Why a job was taken back.
    pub enum SweepReason, "the reason of a sweep" {
        /// Its worker did not renew the lease.
        LeaseExpired = "lease_expired",
        /// Its attempt ran past the hard timeout and the grace of its kind.
        DeadlinePassed = "deadline_passed",
        /// It did not start before it expired.
        Expired = "expired",
    }
}

/// A job that was taken back.
#[derive(Debug, Clone)]
pub struct Swept {
    pub job_id: Uuid,
    /// Its new state; `None` if its worker ended it first.
    pub state: Option<JobState>,
    pub reason: SweepReason,
    /// Its queue.
    pub queue: Option<String>,
    /// The attempt that it ended; `None` if the job had none or is gone.
    pub ran: Option<EndedAttempt>,
}

/// What falls due when. Seconds from now: 0 or less for now, `None` for never.
#[derive(Debug, Clone, Copy)]
pub struct WorkDue {
    pub schedule_seconds: Option<f64>,
    pub operation_seconds: Option<f64>,
    /// The deadline of a running attempt.
    pub deadline_seconds: Option<f64>,
    /// Jobs wait for the end of others, or of their time.
    pub has_dependents: bool,
}

impl Store {
    /// Records that this process sweeps, and will again after `every`, so that a time without sweeps is not
    /// taken for the silence of a worker; returns whether a sweep may find something, and what the other periodic
    /// tasks would find.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_sweep(&self, every: Duration) -> Result<(bool, WorkDue)> {
        let noted = sqlx::query!(
            r#"
            select
              sweep_would_find() as "finds!",
              d.schedule_seconds,
              d.operation_seconds,
              d.deadline_seconds,
              d.has_dependents as "has_dependents!"
            from note_sweep(make_interval(secs => $1))
            cross join work_due() d
            "#,
            every.as_secs_f64()
        );
        // Without waiting for the disk: a write lost in a crash only makes the following pause longer.
        let row = noted.fetch_one(self.claims()).await?;
        let due = WorkDue {
            schedule_seconds: row.schedule_seconds,
            operation_seconds: row.operation_seconds,
            deadline_seconds: row.deadline_seconds,
            has_dependents: row.has_dependents,
        };
        Ok((row.finds, due))
    }

    /// What the periodic tasks would find.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn work_due(&self) -> Result<WorkDue> {
        Ok(sqlx::query_as!(
            WorkDue,
            r#"
            select
              schedule_seconds,
              operation_seconds,
              deadline_seconds,
              has_dependents as "has_dependents!"
            from work_due()
            "#
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// Sweeps once, up to 500 jobs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep(&self) -> Result<Vec<Swept>> {
        // The statement sees each row as it was before the sweep.
        let rows = sqlx::query!(
            r#"
            select
              s.job_id as "job_id!",
              s.state,
              s.reason as "reason!",
              j.queue as "queue?",
              j.kind as "kind?",
              j.attempt as "attempt?",
              j.lease_id as "lease_id?",
              j.started_at as "started_at?",
              clock_timestamp() as "ended_at!",
              j.traceparent
            from sweep(500) s
            left join lateral (
              select
                l.queue,
                l.kind,
                l.attempt,
                l.lease_id,
                l.started_at,
                l.metadata ->> 'traceparent' as traceparent
              from jobs_live l
              where l.id = s.job_id
              offset 0
            ) j on true
            "#,
        )
        .fetch_all(self.pool())
        .await?;
        let swept = rows.into_iter().map(|row| {
            let leased = row.attempt.zip(row.lease_id).zip(row.started_at);
            let ran = leased.zip(row.kind).zip(row.queue.clone()).map(|((leased, kind), queue)| {
                let ((attempt, lease_id), started_at) = leased;
                EndedAttempt {
                    job_id: row.job_id,
                    lease_id,
                    attempt,
                    kind,
                    queue,
                    started_at,
                    ended_at: row.ended_at,
                    traceparent: row.traceparent,
                }
            });
            Ok(Swept {
                job_id: row.job_id,
                state: JobState::decode_some(row.state)?,
                reason: SweepReason::decode(&row.reason)?,
                queue: row.queue,
                ran,
            })
        });
        swept.collect()
    }
}
