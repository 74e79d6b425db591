//! The way of claimed jobs to a remote worker. Jobs that do not arrive are handed back without
//! counting an attempt; a claimed job must never be forgotten while its lease lasts.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::state::ApiState;
use super::claim_request::Wanted;
use crate::job::attempt::{Failure, Outcome, Usage};
use crate::job::document::{JobDocument, micros};
use crate::spans;
use crate::store::attempts::claim::{Allowed, ClaimRequest, Claimed, Position, Terms, allowed_in};
use crate::store::attempts::claim_limited::{Share, claim_counted_apart};
use crate::store::attempts::settle::Settled;
use crate::store::db::connection::Connection;
use crate::store::jobs::find::find_jobs_in;
use crate::store::{self, Store};

/// A job with the lease under which its worker runs it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TakenJob {
    #[serde(flatten)]
    job: JobDocument,
    /// The lease; every later request about this attempt must carry it.
    lease_id: Uuid,
    /// The time at which the lease expires unless a heartbeat renews it.
    #[serde(serialize_with = "micros")]
    lease_expires_at: DateTime<Utc>,
    /// Seconds from `started_at` until the attempt is asked to stop; from then on heartbeats list
    /// its lease in `soft_timeout`. Null: no soft timeout.
    soft_timeout_seconds: Option<f64>,
    /// Seconds from `started_at` until the attempt must have ended.
    hard_timeout_seconds: f64,
    /// The time from which the job is taken back even if its lease is renewed: its hard timeout
    /// plus the stop grace of its kind.
    #[serde(serialize_with = "micros")]
    deadline_at: DateTime<Utc>,
    /// The span of this attempt as W3C Trace Context writes it, the parent of what the worker traces. Null:
    /// nobody traces the job.
    traceparent: Option<String>,
}

/// The leases of what was claimed.
#[derive(Debug, Default)]
pub(crate) struct Taken(Vec<(Uuid, Uuid)>);

/// Claims at most `most` jobs from one queue, in the caller's transaction.
pub(crate) async fn claim_from(
    state: &ApiState,
    connection: Connection<'_>,
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
        // Only the sweep ends attempts that a remote worker does not end.
        terms: Terms { own: &wanted.terms, enforced: true, short: &[] },
    };
    Ok(claim_counted_apart(connection, &request, Share::WHOLE).await?.jobs)
}

/// The claimed jobs as they are stored, neither opened nor read from storage: fit for a transaction.
pub(crate) async fn documents(
    store: &Store,
    mut connection: Connection<'_>,
    claimed: Vec<Claimed>,
) -> store::Result<Vec<TakenJob>> {
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = claimed.iter().map(|job| job.id).collect();
    let documents = find_jobs_in(connection.reborrow(), &ids).await?;
    let allowed = allowed_in(connection, &ids).await?;
    let mut allowed: HashMap<Uuid, Allowed> =
        allowed.into_iter().map(|allowed| (allowed.job_id, allowed)).collect();
    let mut documents: HashMap<Uuid, JobDocument> =
        documents.into_iter().map(|document| (document.id, document)).collect();
    let taken = claimed.into_iter().filter_map(|job| {
        let traceparent = job.span(spans::are_exported()).map(|span| span.to_string());
        let Claimed { id, lease_id, lease_expires_at, args, .. } = job;
        // The args in the document are for people.
        let job = JobDocument { args, ..documents.remove(&id)? };
        let Allowed { soft_timeout_seconds, hard_timeout_seconds, deadline_at, .. } = allowed.remove(&id)?;
        store.deadlines().add((deadline_at - job.started_at?).to_std().unwrap_or_default());
        Some(TakenJob {
            job,
            lease_id,
            lease_expires_at,
            soft_timeout_seconds,
            hard_timeout_seconds,
            deadline_at,
            traceparent,
        })
    });
    Ok(taken.collect())
}

/// The jobs as their worker gets them; what cannot be read is put off. Waits for the storage, so never in a
/// transaction.
pub(crate) async fn opened(state: &ApiState, taken: Vec<TakenJob>) -> Vec<TakenJob> {
    let (mut jobs, mut unreadable) = (Vec::with_capacity(taken.len()), Unreadable::default());
    for mut taken in taken {
        let args = taken.job.args.take();
        if let Some(args) = unreadable.open(&state.store, taken.job.id, taken.lease_id, args).await {
            taken.job.args = args;
            jobs.push(taken);
        }
    }
    unreadable.put_off(state).await;
    jobs
}

/// As [`opened`], for the jobs of an answer that was stored under a key; returns how many are left. A job
/// whose lease was lost since must not be run.
///
/// # Errors
/// When the database fails.
pub(crate) async fn opened_answer(state: &ApiState, answer: &mut Value) -> store::Result<usize> {
    let Some(kept) = answer["jobs"].as_array_mut() else { return Ok(0) };
    let id_of = |job: &Value, field: &str| job[field].as_str().and_then(|id| Uuid::parse_str(id).ok());
    let ids = |field: &str| -> Vec<Uuid> { kept.iter().filter_map(|job| id_of(job, field)).collect() };
    let still_leased = if kept.is_empty() {
        HashSet::new()
    } else {
        state.store.still_leased(&ids("id"), &ids("lease_id")).await?
    };
    let (mut jobs, mut unreadable) = (Vec::with_capacity(kept.len()), Unreadable::default());
    for mut job in kept.drain(..) {
        let (Some(id), Some(lease_id)) = (id_of(&job, "id"), id_of(&job, "lease_id")) else { continue };
        let args = job["args"].take();
        if still_leased.contains(&lease_id)
            && let Some(args) = unreadable.open(&state.store, id, lease_id, args).await
        {
            job["args"] = args;
            jobs.push(job);
        }
    }
    *kept = jobs;
    let left = kept.len();
    unreadable.put_off(state).await;
    Ok(left)
}

/// Jobs that were claimed and cannot be given to anybody, for want of a key or of the storage.
#[derive(Debug, Default)]
struct Unreadable(Vec<(Uuid, Uuid, Outcome)>);

impl Unreadable {
    /// A job's args as its worker gets them; one whose args cannot be read is noted.
    async fn open(&mut self, store: &Store, id: Uuid, lease_id: Uuid, args: Value) -> Option<Value> {
        let (error, is_transient) = match store.open_value(args).await {
            Ok(args) if args.is_object() => return Some(args),
            Ok(reason) => (reason.to_string(), false),
            Err(error) => (error.to_string(), error.is_transient()),
        };
        tracing::error!(error, task_id = %id, "the args of a job cannot be read");
        let outcome = if is_transient {
            Outcome::Snoozed { delay: UNREADABLE_PAUSE }
        } else {
            let message = format!("the args cannot be read: {error}");
            let class = "bad_args".to_owned();
            Outcome::Failed { failure: Failure { message, class, permanent: true, ..Failure::default() } }
        };
        self.0.push((id, lease_id, outcome));
        None
    }

    /// Puts them off without counting the attempt; a job that can never be read fails. Jobs for which this
    /// fails expire.
    async fn put_off(self, state: &ApiState) {
        let ended = |(job, lease, outcome)| Settled::of(job, lease, outcome, Usage::default());
        let batch: Vec<_> = self.0.into_iter().filter_map(ended).collect();
        if batch.is_empty() {
            return;
        }
        match state.store.settle(&batch).await {
            Ok(settlements) => state.announcer.settled(&batch, &settlements, true),
            Err(error) => {
                tracing::warn!(
                    %error,
                    "jobs with unreadable args could not be put off; their leases will expire"
                );
            }
        }
    }
}

/// How long such a job waits.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(30);

impl Taken {
    pub(crate) fn of(claimed: &[Claimed]) -> Self {
        Self(claimed.iter().map(|job| (job.id, job.lease_id)).collect())
    }

    /// Makes the jobs available again, as if they had not been claimed.
    pub(crate) async fn hand_back(self, state: &ApiState) {
        let settled =
            |(job, lease): &(Uuid, Uuid)| Settled::of(*job, *lease, Outcome::Released, Usage::default());
        let batch: Vec<_> = self.0.iter().filter_map(settled).collect();
        if batch.is_empty() {
            return;
        }
        match state.store.settle(&batch).await {
            Ok(settlements) => state.announcer.settled(&batch, &settlements, true),
            Err(error) => {
                tracing::warn!(
                    %error, jobs = batch.len(),
                    "claimed jobs could not be handed back; their leases will expire"
                );
            }
        }
    }
}
