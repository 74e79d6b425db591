//! Jobs that were claimed for a remote worker and their way to it. What does not arrive is handed back
//! at no cost of an attempt; must never be forgotten while its lease lasts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::problem::Problem;
use super::super::state::ApiState;
use super::claim::Wanted;
use crate::job::attempt::{Outcome, Usage};
use crate::job::document::{JobDocument, micros};
use crate::store::admit::{Share, claim_counted_in};
use crate::store::claim::{ClaimRequest, Claimed, Position};
use crate::store::find::find_jobs_in;
use crate::store::settle::Settled;

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

/// Claims from each queue, in order, until there are enough; a queue comes with how many it may give.
pub(super) async fn take_from(
    state: &ApiState,
    connection: &mut PgConnection,
    wanted: &Wanted,
    queues: &[(String, i64)],
) -> Result<(Vec<TakenJob>, Taken), Problem> {
    let mut claimed: Vec<Claimed> = Vec::new();
    for (queue, room) in queues {
        let left = i64::from(wanted.max) - i64::try_from(claimed.len()).unwrap_or(i64::MAX);
        if left <= 0 {
            break;
        }
        let request = ClaimRequest {
            queue,
            kinds: &wanted.kinds,
            limit: left.min(*room),
            cursor: &[Position::HEAD; 9],
            worker_id: &wanted.worker,
            lease_ttl_seconds: state.settings.remote_lease_ttl.as_secs_f64(),
            picked: &[],
        };
        match claim_counted_in(connection, &request, Share::WHOLE).await {
            Ok(admitted) => claimed.extend(admitted.jobs),
            Err(error) => {
                Taken::of(&claimed).hand_back(state).await;
                return Err(error.into());
            }
        }
    }
    let taken = Taken::of(&claimed);
    let ids: Vec<Uuid> = claimed.iter().map(|job| job.id).collect();
    let documents = if ids.is_empty() {
        Vec::new()
    } else {
        match find_jobs_in(connection, &ids).await {
            Ok(documents) => documents,
            Err(error) => {
                taken.hand_back(state).await;
                return Err(error.into());
            }
        }
    };
    let mut documents: HashMap<Uuid, JobDocument> =
        documents.into_iter().map(|document| (document.id, document)).collect();
    let with_lease = |claimed: Claimed| {
        let job = documents.remove(&claimed.id)?;
        let (lease_id, lease_expires_at) = (claimed.lease_id, claimed.lease_expires_at);
        Some(TakenJob { job, lease_id, lease_expires_at })
    };
    Ok((claimed.into_iter().filter_map(with_lease).collect(), taken))
}

impl Taken {
    fn of(claimed: &[Claimed]) -> Self {
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
            Ok(_) => state.notifier.queues(self.0.iter().map(|(_, _, queue)| queue.as_str())),
            Err(error) => {
                tracing::warn!(%error, jobs = batch.len(), "claimed jobs were not handed back; their leases will expire");
            }
        }
    }
}
