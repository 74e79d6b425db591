//! Jobs that were claimed for a remote worker and their way to it. What does not arrive is handed back
//! at no cost of an attempt; must never be forgotten while its lease lasts.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::state::ApiState;
use super::claim::Wanted;
use crate::job::attempt::{Failure, Outcome, Usage};
use crate::job::document::{JobDocument, micros};
use crate::store::admit::{Share, claim_counted_apart};
use crate::store::claim::{ClaimRequest, Claimed, Position};
use crate::store::find::find_jobs_in;
use crate::store::line::Line;
use crate::store::settle::Settled;
use crate::store::{self, Store};

/// A job with the lease under which its worker runs it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TakenJob {
    #[serde(flatten)]
    job: JobDocument,
    /// Goes with every later request about this attempt.
    lease_id: Uuid,
    /// Until then, unless a heartbeat renews it.
    #[serde(serialize_with = "micros")]
    lease_expires_at: DateTime<Utc>,
}

/// The leases of what was claimed.
#[derive(Debug, Default)]
pub(super) struct Taken(Vec<(Uuid, Uuid, String)>);

/// Claims at most `most` jobs from one queue, in the caller's transaction.
pub(super) async fn claim_from(
    state: &ApiState,
    line: Line<'_>,
    wanted: &Wanted,
    queue: &str,
    most: i64,
) -> store::Result<Vec<Claimed>> {
    let request = ClaimRequest {
        queue,
        kinds: &wanted.kinds,
        limit: most,
        cursor: &[Position::HEAD; 9],
        worker_id: &wanted.worker,
        lease_ttl_seconds: state.settings.remote_lease_ttl.as_secs_f64(),
        picked: &[],
    };
    Ok(claim_counted_apart(line, &request, Share::WHOLE).await?.jobs)
}

/// The claimed jobs as their worker gets them.
pub(super) async fn documents(
    store: &Store,
    executor: impl PgExecutor<'_>,
    claimed: Vec<Claimed>,
) -> store::Result<(Vec<TakenJob>, Unreadable)> {
    if claimed.is_empty() {
        return Ok(Default::default());
    }
    let ids: Vec<Uuid> = claimed.iter().map(|job| job.id).collect();
    let documents = find_jobs_in(executor, &ids).await?;
    let mut documents: HashMap<Uuid, JobDocument> =
        documents.into_iter().map(|document| (document.id, document)).collect();
    let (mut jobs, mut unreadable) = (Vec::with_capacity(claimed.len()), Unreadable::default());
    for Claimed { id, lease_id, lease_expires_at, .. } in claimed {
        let Some(mut job) = documents.remove(&id) else { continue };
        match store.open_value(job.args.take()).await {
            Ok(args) => {
                job.args = args;
                jobs.push(TakenJob { job, lease_id, lease_expires_at });
            }
            Err(error) => {
                tracing::error!(%error, task_id = %id, "the args of a job cannot be read");
                let outcome = if error.is_transient() {
                    Outcome::Snoozed { delay: UNREADABLE_PAUSE }
                } else {
                    let message = format!("the args cannot be read: {error}");
                    let class = "bad_args".to_owned();
                    Outcome::Failed {
                        failure: Failure { message, class, permanent: true, ..Failure::default() },
                    }
                };
                unreadable.0.push((id, lease_id, outcome));
            }
        }
    }
    Ok((jobs, unreadable))
}

/// Jobs that were claimed and cannot be given to anybody, for want of a key or of the storage.
#[derive(Debug, Default)]
pub(super) struct Unreadable(Vec<(Uuid, Uuid, Outcome)>);

impl Unreadable {
    /// Puts them off, at no cost of an attempt; one that nobody can ever read fails. What fails here, expires.
    pub(super) async fn put_off(self, store: &Store) {
        let ended = |(job, lease, outcome)| Settled::of(job, lease, outcome, Usage::default());
        let batch: Vec<_> = self.0.into_iter().filter_map(ended).collect();
        if !batch.is_empty()
            && let Err(error) = store.settle(&batch).await
        {
            tracing::warn!(%error, "jobs whose args cannot be read were not put off; their leases will expire");
        }
    }
}

/// How long such a job waits.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(30);

impl Taken {
    pub(super) fn of(claimed: &[Claimed]) -> Self {
        Self(claimed.iter().map(|job| (job.id, job.lease_id, job.queue.clone())).collect())
    }

    /// Makes the jobs available again, as if they had not been claimed.
    pub(super) async fn hand_back(self, state: &ApiState) {
        let settled = |(job, lease, _): &(Uuid, Uuid, String)| {
            Settled::of(*job, *lease, Outcome::Released, Usage::default())
        };
        let batch: Vec<_> = self.0.iter().filter_map(settled).collect();
        if batch.is_empty() {
            return;
        }
        match state.store.settle(&batch).await {
            Ok(_) => {
                let queues = || self.0.iter().map(|(_, _, queue)| queue.as_str());
                state.notifier.queues(queues());
                state.notifier.turns(queues());
                state.notifier.freed();
            }
            Err(error) => {
                tracing::warn!(%error, jobs = batch.len(), "claimed jobs were not handed back; their leases will expire");
            }
        }
    }
}
