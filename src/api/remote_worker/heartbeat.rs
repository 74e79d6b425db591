//! The heartbeat of a remote worker: renews its leases and answers which leases are lost, which jobs are to
//! be cancelled, and which attempts are past their soft timeout. Only the database's clock decides.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::state::ApiState;
use crate::api::server::json::Body;
use crate::api::server::problem::Problem;
use crate::api::server::validate;

const MOST_LEASES: usize = 1_000;

/// A heartbeat.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeartbeatRequest {
    /// The worker's own name, as in its claims.
    #[schema(min_length = 1, max_length = 63)]
    worker: String,
    /// The leases of the jobs that it runs, at most 1,000.
    #[schema(max_items = 1000)]
    leases: Vec<Uuid>,
}

/// The state of the leases, each by its id.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeartbeatAnswer {
    /// Leases that are still held and were renewed.
    held: Vec<Uuid>,
    /// Held leases whose job was asked to cancel: stop the attempt and call `fail`, or `complete`
    /// without a result.
    cancel: Vec<Uuid>,
    /// Held leases whose soft timeout has passed: stop the attempt and call `fail`, or `complete`
    /// if it is done.
    soft_timeout: Vec<Uuid>,
    /// Leases that are lost: stop the attempt; its outcome is discarded.
    lost: Vec<Uuid>,
    /// True if this worker was asked to claim no more jobs.
    drain: bool,
}

/// Send a heartbeat
///
/// Renews the leases; send at least three heartbeats within the duration of a lease.
#[utoipa::path(
    post, path = "/api/v1/worker/heartbeat", tag = "remote workers", request_body = HeartbeatRequest,
    responses((status = 200, description = "The state of the leases", body = HeartbeatAnswer))
)]
pub(crate) async fn heartbeat(
    State(state): State<ApiState>,
    Body(beat): Body<HeartbeatRequest>,
) -> Result<Json<HeartbeatAnswer>, Problem> {
    let worker = validate::name("/worker", beat.worker)?;
    if beat.leases.len() > MOST_LEASES {
        let problem = Problem::invalid("/leases", format!("There are {} leases.", beat.leases.len()));
        return Err(problem.remedy(format!("Send at most {MOST_LEASES} at once.")));
    }
    let ttl = state.settings.remote_lease_ttl.as_secs_f64();
    let renewed = state.store.heartbeat(&worker, &beat.leases, ttl).await?;
    let held: HashSet<Uuid> = renewed.iter().map(|lease| lease.lease_id).collect();
    let cancelled: HashSet<Uuid> =
        renewed.iter().filter(|lease| lease.cancel).map(|lease| lease.lease_id).collect();
    let overdue: HashSet<Uuid> =
        renewed.iter().filter(|lease| lease.overdue).map(|lease| lease.lease_id).collect();
    let drain =
        state.store.remote_worker_lives(&worker, i32::try_from(held.len()).unwrap_or(i32::MAX)).await?;
    // In the caller's order, each as often as it was sent.
    let of = |wanted: &dyn Fn(&Uuid) -> bool| beat.leases.iter().copied().filter(wanted).collect();
    Ok(Json(HeartbeatAnswer {
        held: of(&|lease| held.contains(lease)),
        cancel: of(&|lease| cancelled.contains(lease)),
        soft_timeout: of(&|lease| overdue.contains(lease)),
        lost: of(&|lease| !held.contains(lease)),
        drain,
    }))
}
