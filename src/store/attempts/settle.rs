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
    let rows = sqlx::query_file!(
        "src/store/attempts/settle.sql",
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
    let settlements = rows.into_iter().zip(batch).map(|(row, item)| {
        let state = JobState::decode_some(row.state)?;
        let (Some(kind), Some(queue), Some(attempt), Some(started_at)) =
            (row.kind, row.queue, row.attempt, row.started_at)
        else {
            return Ok(None);
        };
        let ran = EndedAttempt {
            job_id: item.job_id,
            lease_id: item.lease_id,
            attempt,
            kind,
            queue,
            started_at,
            ended_at: row.ended_at,
            traceparent: row.traceparent,
        };
        Ok(state.map(|state| Settlement { state, ran }))
    });
    settlements.collect()
}
