//! Settle: ends attempts that did not complete — failed, timed out, snoozed, released, cancelled.
//! The database chooses between another attempt and a final state, by the kind's rules.

use std::time::Duration;

use serde_json::Value;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::ended_attempt::EndedAttempt;
use crate::job::attempt::{Outcome, Usage, Wait};
use crate::job::limits::LONGEST_DELAY;
use crate::job::state::JobState;
use crate::store::words::{Words, words};
use crate::store::{Result, Store};

words! {
    /// How an attempt ended that did not complete.
    pub enum AttemptEnd, "the end of an attempt" {
        /// It failed.
        Failed = "failed",
        /// It failed because its time was up.
        TimedOut = "timed_out",
        /// It asked to be run again later.
        Snoozed = "snoozed",
        /// Its worker handed the job back.
        Released = "released",
        /// It waits for a signal or for other jobs.
        Waits = "waits",
        /// It stopped because the job was cancelled.
        Cancelled = "cancelled",
    }
}

/// One attempt that ended without completing.
#[derive(Debug, Clone)]
pub struct Settled {
    pub job_id: Uuid,
    pub lease_id: Uuid,
    pub end: AttemptEnd,
    pub error: Option<Value>,
    pub delay: Option<Duration>,
    pub usage: Usage,
    pub wait: Option<Wait>,
}

/// What followed from the end of an attempt that did not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The state of its job.
    pub state: JobState,
    /// The attempt.
    pub ran: EndedAttempt,
}

impl Settled {
    /// The row for an outcome; `None` for one that completed.
    #[must_use]
    pub fn of(job_id: Uuid, lease_id: Uuid, outcome: Outcome, usage: Usage) -> Option<Self> {
        let mut wait = None;
        let (end, error, delay) = match outcome {
            Outcome::Completed { .. } => return None,
            Outcome::Failed { failure } => {
                let end = if failure.class == "timeout" { AttemptEnd::TimedOut } else { AttemptEnd::Failed };
                (end, serde_json::to_value(failure).ok(), None)
            }
            Outcome::Snoozed { delay } => (AttemptEnd::Snoozed, None, Some(delay.min(LONGEST_DELAY))),
            Outcome::Cancelled => (AttemptEnd::Cancelled, None, None),
            Outcome::Released => (AttemptEnd::Released, None, None),
            Outcome::Waits { wait: mut condition } => {
                if let Wait::Signal { timeout_seconds: Some(seconds), .. } = &mut condition {
                    *seconds = seconds.min(LONGEST_DELAY.as_secs_f64());
                }
                wait = Some(condition);
                (AttemptEnd::Waits, None, None)
            }
        };
        Some(Self { job_id, lease_id, end, error, delay, usage, wait })
    }
}

impl Store {
    /// Settles a batch in one transaction; returns what followed for each job, `None` where the lease is lost.
    ///
    /// # Errors
    /// When the database fails; then nothing is settled.
    pub async fn settle(&self, batch: &[Settled]) -> Result<Vec<Option<Settlement>>> {
        settle_in(self.writes(), batch).await
    }
}

/// Settles on a connection of the caller's, also in its transaction.
///
/// # Errors
/// As [`Store::settle`].
pub async fn settle_in(executor: impl PgExecutor<'_>, batch: &[Settled]) -> Result<Vec<Option<Settlement>>> {
    let jobs: Vec<Uuid> = batch.iter().map(|item| item.job_id).collect();
    let leases: Vec<Uuid> = batch.iter().map(|item| item.lease_id).collect();
    let words: Vec<String> = batch.iter().map(|item| item.end.word().to_owned()).collect();
    let errors: Vec<Option<Value>> = batch.iter().map(|item| item.error.clone()).collect();
    let delays: Vec<Option<f64>> =
        batch.iter().map(|item| item.delay.map(|delay| delay.as_secs_f64())).collect();
    let usages: Vec<Option<Value>> = batch
        .iter()
        .map(|item| serde_json::to_value(&item.usage).ok().filter(|_| !item.usage.is_empty()))
        .collect();
    let waits: Vec<Option<Value>> = batch
        .iter()
        .map(|item| item.wait.as_ref().and_then(|wait| serde_json::to_value(wait).ok()))
        .collect();
    let rows = sqlx::query!(
            r#"
            with ends as materialized (
              select i.*, j.queue, j.kind, j.started_at
              from unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $5::double precision[], $6::jsonb[], $7::jsonb[])
                with ordinality as i (job_id, lease_id, outcome, error, delay_seconds, usage, wait, ord)
              left join jobs_live j on j.id = i.job_id
              -- The order in which unique keys and groups are locked elsewhere, to avoid deadlocks.
              order by j.unique_key, j.queue, j.priority, j.group_id, i.ord
            ),
            settled as materialized (
              select
                w.ord,
                w.queue,
                w.kind,
                extract(epoch from clock_timestamp() - w.started_at)::double precision as ran_seconds,
                settle_attempt(
                  w.job_id, w.lease_id, w.outcome, w.error, make_interval(secs => w.delay_seconds), w.usage, w.wait) as state
              from ends w
            )
            select state, queue as "queue?", kind as "kind?", ran_seconds
            from settled
            order by ord
            "#,
            &jobs,
            &leases,
            &words,
            &errors as &[Option<Value>],
            &delays as &[Option<f64>],
            &usages as &[Option<Value>],
            &waits as &[Option<Value>],
        )
        .fetch_all(executor)
        .await?;
    let settlements = rows.into_iter().map(|row| {
        let state = JobState::decode_some(row.state)?;
        let ran = row.kind.zip(row.queue).map(|(kind, queue)| EndedAttempt::of(kind, queue, row.ran_seconds));
        Ok(state.zip(ran).map(|(state, ran)| Settlement { state, ran }))
    });
    settlements.collect()
}
