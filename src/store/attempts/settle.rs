//! Settle: ends attempts that did not complete — failed, timed out, snoozed, released, cancelled.
//! The database chooses between another attempt and a final state, by the kind's rules.

use std::time::Duration;

use serde_json::Value;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::job::attempt::{Outcome, Usage, Wait};
use crate::store::{Result, Store};

/// The longest delay or wait; a longer one lasts for ever.
const LONGEST_SNOOZE: Duration = Duration::from_hours(100 * 365 * 24);

/// One attempt that ended without completing.
#[derive(Debug, Clone)]
pub struct Settled {
    pub job_id: Uuid,
    pub lease_id: Uuid,
    /// failed, `timed_out`, snoozed, released, waits or cancelled.
    pub word: &'static str,
    pub error: Option<Value>,
    pub delay: Option<Duration>,
    pub usage: Usage,
    pub wait: Option<Wait>,
}

impl Settled {
    /// The row for an outcome; `None` for one that completed.
    #[must_use]
    pub fn of(job_id: Uuid, lease_id: Uuid, outcome: Outcome, usage: Usage) -> Option<Self> {
        let mut wait = None;
        let (word, error, delay) = match outcome {
            Outcome::Completed { .. } => return None,
            Outcome::Failed { failure } => {
                let word = if failure.class == "timeout" { "timed_out" } else { "failed" };
                (word, serde_json::to_value(failure).ok(), None)
            }
            Outcome::Snoozed { delay } => ("snoozed", None, Some(delay.min(LONGEST_SNOOZE))),
            Outcome::Cancelled => ("cancelled", None, None),
            Outcome::Released => ("released", None, None),
            Outcome::Waits { wait: mut wish } => {
                if let Wait::Signal { timeout_seconds: Some(seconds), .. } = &mut wish {
                    *seconds = seconds.min(LONGEST_SNOOZE.as_secs_f64());
                }
                wait = Some(wish);
                ("waits", None, None)
            }
        };
        Some(Self { job_id, lease_id, word, error, delay, usage, wait })
    }
}

impl Store {
    /// Settles a batch in one transaction; returns each job's new state, `None` where the lease is lost.
    ///
    /// # Errors
    /// When the database fails; then nothing is settled.
    pub async fn settle(&self, batch: &[Settled]) -> Result<Vec<Option<String>>> {
        settle_in(self.writes(), batch).await
    }
}

/// Settles on a connection of the caller's, also in its transaction.
///
/// # Errors
/// As [`Store::settle`].
pub async fn settle_in(executor: impl PgExecutor<'_>, batch: &[Settled]) -> Result<Vec<Option<String>>> {
    let jobs: Vec<Uuid> = batch.iter().map(|item| item.job_id).collect();
    let leases: Vec<Uuid> = batch.iter().map(|item| item.lease_id).collect();
    let words: Vec<String> = batch.iter().map(|item| item.word.to_owned()).collect();
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
    let states = sqlx::query_scalar!(
            r#"
            with wished as materialized (
              select i.*
              from unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $5::double precision[], $6::jsonb[], $7::jsonb[])
                with ordinality as i (job_id, lease_id, outcome, error, delay_seconds, usage, wait, ord)
              left join jobs_live j on j.id = i.job_id
              -- In the order of those who take unique keys and line groups up, so that nobody waits for ever.
              order by j.unique_key, j.queue, j.priority, j.group_id, i.ord
            ),
            settled as materialized (
              select
                w.ord,
                settle_attempt(
                  w.job_id, w.lease_id, w.outcome, w.error, make_interval(secs => w.delay_seconds), w.usage, w.wait) as state
              from wished w
            )
            select state
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
    Ok(states)
}
