//! The answers that several routes of remote workers share.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::server::problem::{Case, Problem};
use crate::job::state::JobState;

/// The state of the job after a worker's request; the same each time the request is repeated.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobStands)]
pub(super) struct JobStateResponse {
    /// The stored state: `running` after a report; after the end of an attempt `completed`,
    /// `failed`, `cancelled`, or `available` if the job will be retried.
    #[schema(value_type = String)]
    pub(super) state: JobState,
}

/// The problem of a request whose lease is no longer the job's.
pub(super) fn lease_lost(job_id: Uuid, lease_id: Uuid) -> Problem {
    Problem::new(
        Case::LeaseLost,
        format!("The lease {lease_id} is not the current lease of the job {job_id}."),
    )
    .field("/lease_id")
}
